"""A child as the proofs see one, and what rules come to there.

Every fact stands at a concern rank, 0 the mildest. Conditions only ask for at least some concern, so what holds at a
point holds at every worse one, and whatever is promised of all children need only be looked at where it begins to
apply: at the least points.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from libs.schemas.levels import Level, Rag
from services.triage.policy.conditions import Comparison, Condition
from services.triage.policy.rules import Policy, Rule

Point = Mapping[str, int]
"""Each fact's concern rank by name. A fact that is absent is at its mildest, 0."""


def cut_points(conditions: Iterable[Condition]) -> dict[str, tuple[int, ...]]:
    """For each fact that the conditions read, the concern ranks at which one of them turns, rising."""
    cuts: dict[str, set[int]] = {}
    for condition in conditions:
        for comparison in condition.comparisons():
            cuts.setdefault(comparison.definition.name, set()).add(comparison.concern)
    return {name: tuple(sorted(ranks)) for name, ranks in cuts.items()}


def holds(condition: Condition, point: Point) -> bool:
    """Whether a condition holds at a point."""
    if isinstance(condition, Comparison):
        return point.get(condition.definition.name, 0) >= condition.concern
    return sum(holds(part, point) for part in condition.parts) >= condition.needed


def shrink(
    point: Point, cuts: Mapping[str, tuple[int, ...]], shows: Callable[[Point], bool]
) -> dict[str, int]:
    """The point with every fact made as mild as it can be while `shows` still says yes.

    No single fact of the result can be milder. Facts are tried from the last to the first, each from its mildest.
    """
    smallest = {name: rank for name, rank in point.items() if rank > 0}
    again = True
    while again:
        again = False
        for name in reversed(list(smallest)):
            rank = smallest[name]
            for milder in (0, *(cut for cut in cuts.get(name, ()) if cut < rank)):
                tried = {**smallest, name: milder}
                if shows(tried):
                    smallest = {**smallest, name: milder} if milder else _without(smallest, name)
                    again = True
                    break
    return smallest


def least_points(condition: Condition) -> Iterator[Point]:
    """Points at which the condition holds: every one from which no fact can be milder, and some others."""
    if isinstance(condition, Comparison):
        yield {condition.definition.name: condition.concern}
        return
    for chosen in combinations(condition.parts, condition.needed):
        yield from _together(chosen)


def _together(parts: tuple[Condition, ...]) -> Iterator[Point]:
    if not parts:
        yield {}
        return
    for first in least_points(parts[0]):
        for rest in _together(parts[1:]):
            yield worst_of(first, rest)


def worst_of(*points: Point) -> Point:
    """The child of whom everything is true that is true at one of the points."""
    worst: dict[str, int] = {}
    for point in points:
        for name, rank in point.items():
            worst[name] = max(rank, worst.get(name, 0))
    return worst


@dataclass(frozen=True, slots=True)
class Effect:
    """What rules come to at a point: the highest floor and everything that they oblige."""

    level: Level
    rag: Rag
    immediate: bool
    actions: frozenset[str]

    def covers(self, rule: Rule) -> bool:
        """Whether the rule would add nothing."""
        return (
            self.level >= rule.level
            and self.rag >= rule.rag
            and self.immediate >= rule.immediate
            and self.actions.issuperset(rule.actions)
        )


def effect(policy: Policy, point: Point, *, without: Rule | None = None) -> Effect:
    """What the policy's rules come to at a point, `without` one of them where that is asked."""
    places = policy.encoder.places
    concerns = [0] * len(places)
    for name, rank in point.items():
        concerns[places[name]] = rank
    held, _ = policy.program.judge(concerns, concerns)
    level, rag, immediate, actions = policy.level, policy.rag, False, set[str]()
    while held:
        rule = policy.rules[(held & -held).bit_length() - 1]
        held &= held - 1
        if rule is not without:
            level, rag = max(level, rule.level), max(rag, rule.rag)
            immediate = immediate or rule.immediate
            actions.update(rule.actions)
    return Effect(level, rag, immediate, frozenset(actions))


def _without(point: Point, name: str) -> dict[str, int]:
    return {other: rank for other, rank in point.items() if other != name}
