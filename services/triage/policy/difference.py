"""What changes from one version of a policy to another, over every child that could be.

Of each rule it is settled whether the change only raises, only lowers, or does both, with the smallest case of each.
The two versions may differ in their dictionaries: a fact is then compared value by value, and a value that one of
them does not know is to it as if nobody had stated the fact.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from libs.schemas.levels import Level, Rag
from services.triage.policy.alignment import Alignment, differing_facts
from services.triage.policy.changes import Changes, Tally, compare
from services.triage.policy.english import floor_words, listed, words
from services.triage.policy.inventory import beside_the_rules, what_differs
from services.triage.policy.points import Effect, Point, effect, holds
from services.triage.policy.rules import Policy, Rule
from services.triage.policy.solver import Applied, Claim, Solver

__all__ = [
    "Case",
    "Changes",
    "Difference",
    "Direction",
    "RuleChange",
    "Shift",
    "Tally",
    "compare",
    "difference",
]


class Direction(StrEnum):
    """Which way a change goes."""

    RAISES = "only raises"
    LOWERS = "only lowers"
    BOTH = "raises and lowers"
    NEITHER = "changes no outcome"


@dataclass(frozen=True, slots=True)
class Case:
    """A child for whom two versions differ: the facts in English, and what either version says.

    `by_others`: only the rule differs there; what it gives, the other version gives by other rules.
    """

    facts: str
    old: str
    new: str
    by_others: bool = False


@dataclass(frozen=True, slots=True)
class RuleChange:
    """A rule that was added, removed or changed, `what` naming what in it."""

    id: str
    title: str
    change: str
    what: tuple[str, ...]
    direction: Direction
    raised: Case | None = None
    lowered: Case | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """A part of the outcome that differs for some child: the level, the urgency, immediate danger or an action."""

    part: str
    direction: Direction
    raised: Case | None = None
    lowered: Case | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs between two versions. What is in none of the three is the same in both."""

    old: str
    new: str
    rules: tuple[RuleChange, ...]
    outcome: tuple[Shift, ...]
    others: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """For programs: the difference as JSON's types."""
        return asdict(self)


def difference(old: Policy, new: Policy) -> Difference:
    """What differs between two versions. Raises ImportError without the solver, and GaveUp where it gives up."""
    versions = _Versions(old, new)
    return Difference(
        _named(old),
        _named(new),
        tuple(versions.rules()),
        tuple(versions.outcome()),
        tuple(beside_the_rules(old, new)),
    )


def _named(policy: Policy) -> str:
    return f"{policy.id} {policy.version} ({policy.fingerprint[:8]})"


def _direction(raised: object, lowered: object) -> Direction:
    if raised and lowered:
        return Direction.BOTH
    if raised:
        return Direction.RAISES
    return Direction.LOWERS if lowered else Direction.NEITHER


Parts = dict[str, tuple[Claim, Claim]]
"""For each part of an outcome, what gives it in the old and in the new version."""


class _Versions:
    """Two versions of a policy applied to the same child."""

    def __init__(self, old: Policy, new: Policy) -> None:
        self.old, self.new = old, new
        self.solver = solver = Solver()
        self.alignment = Alignment(old, new)
        before, after = self.alignment.children(solver)
        self.before, self.after = Applied.to(before, old, "old"), Applied.to(after, new, "new")
        self.parts = self._parts()

    def _more(self, old: Claim, new: Claim) -> Claim:
        return self.solver.all_of([new, self.solver.not_(old)])

    def _parts(self) -> Parts:
        never = self.solver.not_(self.solver.always)
        parts: Parts = {}
        for level, claim in self.before.level.items():
            parts[f"level {level}"] = (claim, self.after.level[level])
        for rag, claim in self.before.rag.items():
            parts[f"urgency {rag}"] = (claim, self.after.rag[rag])
        for action in sorted({*self.before.actions, *self.after.actions}):
            parts[words(action)] = (
                self.before.actions.get(action, never),
                self.after.actions.get(action, never),
            )
        parts["immediate danger"] = (self.before.immediate, self.after.immediate)
        return parts

    def outcome(self) -> Iterator[Shift]:
        """Each part of the outcome that differs for some child."""
        actions = sorted({*self.before.actions, *self.after.actions})
        for part in ("level", "urgency", "immediate danger", *map(words, actions)):
            pairs = [pair for name, pair in self.parts.items() if name == part or name.startswith(f"{part} ")]
            raised, lowered = (self._part_case(part, pairs, raises=raises) for raises in (True, False))
            if raised or lowered:
                yield Shift(part, _direction(raised, lowered), raised, lowered)

    def _part_case(self, part: str, pairs: Sequence[tuple[Claim, Claim]], *, raises: bool) -> Case | None:
        more = [self._more(old, new) if raises else self._more(new, old) for old, new in pairs]

        def shows(point: Point) -> bool:
            before, after = (_measure(one, part) for one in self.alignment.effects(point))
            return after > before if raises else after < before

        return self._case([self.solver.any_of(more)], shows)

    def rules(self) -> Iterator[RuleChange]:
        """Each rule that was added, removed or changed, in the order of the new version."""
        before = {rule.id: rule for rule in self.old.rules}
        after = {rule.id: rule for rule in self.new.rules}
        moved = differing_facts(self.old, self.new)
        for name, rule in after.items():
            if name not in before:
                yield self._change(None, rule, "added", ())
            elif what := what_differs(before[name], rule, moved):
                yield self._change(before[name], rule, "changed", what)
        for name, rule in before.items():
            if name not in after:
                yield self._change(rule, None, "removed", ())

    def _change(self, old: Rule | None, new: Rule | None, change: str, what: tuple[str, ...]) -> RuleChange:
        raised = self._rule_case(old, new, raises=True)
        lowered = self._rule_case(old, new, raises=False)
        rule = new or old
        assert rule is not None
        return RuleChange(rule.id, rule.title, change, what, _direction(raised, lowered), raised, lowered)

    def _rule_case(self, old: Rule | None, new: Rule | None, *, raises: bool) -> Case | None:
        """The smallest case where the new rule gives what the old version as a whole did not, or the other way.

        Where there is none, one where it gives what the old rule did not, and others already gave.
        """
        solver = self.solver
        more, less = (new, old) if raises else (old, new)
        if more is None:
            return None
        there = self.before if raises else self.after
        gives = self._holds(more, is_new=raises)

        def sides(point: Point) -> tuple[Point, Point]:
            before, after = self.alignment.sides(point)
            return (after, before) if raises else (before, after)

        def alone(point: Point) -> bool:
            here, other = sides(point)
            return holds(more.condition, here) and not effect(there.policy, other).covers(more)

        case = self._case([gives, self._lacks(there, more)], alone)
        if case is not None:
            return case
        gave = self._holds(less, is_new=not raises) if less is not None else None
        ways = [solver.all_of([gives, solver.not_(gave)])] if gave is not None else [gives]
        if less is not None and _exceeds(more, less):
            ways.append(solver.all_of([gives, gave]))

        def differs(point: Point) -> bool:
            here, other = sides(point)
            held = less if less is not None and holds(less.condition, other) else None
            return holds(more.condition, here) and _exceeds(more, held)

        case = self._case([solver.any_of(ways)], differs)
        return replace(case, by_others=True) if case is not None else None

    def _lacks(self, applied: Applied, rule: Rule) -> Claim:
        """That a version as a whole does not give everything that a rule gives."""
        never = self.solver.not_(self.solver.always)
        given = [applied.level[rule.level], applied.rag[rule.rag]]
        given += [applied.actions.get(action, never) for action in rule.actions]
        given += [applied.immediate] if rule.immediate else []
        return self.solver.not_(self.solver.all_of(given))

    def _holds(self, rule: Rule, *, is_new: bool) -> Claim:
        applied = self.after if is_new else self.before
        return applied.rules[applied.policy.rules.index(rule)]

    def _case(self, claims: Sequence[Claim], shows: Callable[[Point], bool]) -> Case | None:
        if not self.solver.satisfiable(*claims):
            return None
        point = self.alignment.smallest(self.alignment.found(self.solver), shows)
        before, after = self.alignment.effects(point)
        return Case(self.alignment.english(point), _said(before, after), _said(after, before))


def _measure(effect: Effect, part: str) -> int:
    """A part of an outcome as a number, higher where it is worse."""
    if part == "level":
        return list(Level).index(effect.level)
    if part == "urgency":
        return list(Rag).index(effect.rag)
    return effect.immediate if part == "immediate danger" else part in map(words, effect.actions)


def _exceeds(rule: Rule, other: Rule | None) -> bool:
    """Whether a rule gives anything that the other, or no rule, does not."""
    if other is None:
        return True
    return (
        rule.level > other.level
        or rule.rag > other.rag
        or rule.immediate > other.immediate
        or not set(other.actions).issuperset(rule.actions)
    )


def _said(effect: Effect, other: Effect) -> str:
    """An outcome in English, with the actions that the other one lacks."""
    extra = [words(action) for action in sorted(effect.actions - other.actions)]
    danger = ", immediate danger" if effect.immediate > other.immediate else ""
    return floor_words(effect.level, effect.rag) + danger + (f", with {listed(extra)}" if extra else "")
