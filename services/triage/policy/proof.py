"""The structural proof: a worse fact never gives a milder outcome, whatever else is known.

A condition has two kinds of node only, a comparison `concern of a fact >= bound` and `at least N of` some parts, so
each rule is a monotone function of the facts' concern ranks, and the outcome, the highest floor of the rules that
hold, is one too. The definite and the possible outcome are the same function of what is established and of what could
still be, so one proof covers both. The enumeration beside it does not trust that argument: it works every rule out at
every combination of the values at which one of its comparisons turns.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from services.triage.policy.conditions import Comparison, Condition, Several
from services.triage.policy.points import Point, cut_points
from services.triage.policy.rules import Policy

POINTS_AT_ONCE = 1 << 18
"""Above so many combinations a condition is enumerated part by part."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Where the structural proof fails: the rule's id, what is wrong, and the point that shows it, if there is one."""

    rule: str
    message: str
    point: Point | None = None


@dataclass(frozen=True, slots=True)
class Enumeration:
    """How many points were worked out, over all rules, and what failed."""

    points: int
    faults: tuple[Fault, ...]


def by_construction(policy: Policy) -> tuple[Fault, ...]:
    """What in the rules would break the argument from their form: normally nothing, the loader refuses it before."""
    return tuple(Fault(rule.id, message) for rule in policy.rules for message in _form(rule.condition))


def _form(condition: Condition) -> Iterator[str]:
    kind = type(condition)
    if kind is Comparison:
        for one in condition.comparisons():
            if not 1 <= one.concern <= one.definition.maximum:
                yield f"`{one.definition.name}` at that bound is always or never true"
    elif isinstance(condition, Several) and kind is Several:
        if not 1 <= condition.needed <= len(condition.parts):
            yield f"at least {condition.needed} of {len(condition.parts)} parts is always or never true"
        for part in condition.parts:
            yield from _form(part)
    else:
        yield f"no proof knows a condition of kind {kind.__name__}"


def enumerate_rules(policy: Policy) -> Enumeration:
    """Works every rule out at all its cut points and looks for one where a worse fact makes it stop holding."""
    points, faults = 0, []
    for rule in policy.rules:
        counted, fall = enumerate_condition(rule.condition)
        points += counted
        if fall is not None:
            faults.append(Fault(rule.id, "holds here, and no longer when one fact is worse", fall))
    return Enumeration(points, tuple(faults))


def enumerate_condition(condition: Condition) -> tuple[int, Point | None]:
    """How many points were worked out, and one from which a worse fact makes the condition stop holding, or None.

    A condition of too many combinations is taken apart: each part by itself, and the whole as a function of how many
    parts hold.
    """
    cuts = cut_points([condition])
    axes = _Axes(cuts)
    if axes.points <= POINTS_AT_ONCE or isinstance(condition, Comparison):
        return axes.points, axes.fall(_table(condition, axes))
    counted = len(condition.parts) + 1
    for part in condition.parts:
        points, fall = enumerate_condition(part)
        counted += points
        if fall is not None:
            return counted, fall
    return counted, None


class _Axes:
    """The combinations of cut points as bits of one number: fact by fact, how many of its cut points are reached."""

    def __init__(self, cuts: Mapping[str, tuple[int, ...]]) -> None:
        self.cuts = cuts
        self.strides: dict[str, int] = {}
        stride = 1
        for name, ranks in cuts.items():
            self.strides[name] = stride
            stride *= len(ranks) + 1
        self.points = prod(len(ranks) + 1 for ranks in cuts.values())

    def from_step(self, name: str, step: int) -> int:
        """The points at which the fact has reached at least `step` of its cut points."""
        stride, radix = self.strides[name], len(self.cuts[name]) + 1
        block = ((1 << (radix - step) * stride) - 1) << step * stride
        return _repeated(block, radix * stride, self.points // (radix * stride))

    def fall(self, table: int) -> Point | None:
        """A point in the table from which one step up of one fact leaves the table."""
        everywhere = (1 << self.points) - 1
        for name, ranks in self.cuts.items():
            below_top = everywhere & ~self.from_step(name, len(ranks))
            lost = table & below_top & ~(table >> self.strides[name])
            if lost:
                return self.point((lost & -lost).bit_length() - 1)
        return None

    def point(self, index: int) -> Point:
        """The point of a bit."""
        found = {}
        for name, ranks in self.cuts.items():
            step = index // self.strides[name] % (len(ranks) + 1)
            found[name] = ranks[step - 1] if step else 0
        return found


def _repeated(block: int, width: int, times: int) -> int:
    result, filled = 0, 0
    while times:
        if times & 1:
            result |= block << filled
            filled += width
        block |= block << width
        width *= 2
        times >>= 1
    return result


def _table(condition: Condition, axes: _Axes) -> int:
    """The points at which the condition holds, as bits."""
    if isinstance(condition, Comparison):
        name = condition.definition.name
        return axes.from_step(name, axes.cuts[name].index(condition.concern) + 1)
    reached = [(1 << axes.points) - 1] + [0] * condition.needed
    for part in condition.parts:
        table = _table(part, axes)
        for count in range(condition.needed, 0, -1):
            reached[count] |= reached[count - 1] & table
    return reached[condition.needed]
