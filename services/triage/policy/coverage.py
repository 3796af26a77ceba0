"""That nothing in a policy is idle: every rule adds something to some child, every fact and question counts.

Each is shown by a case where it makes the difference. Such cases are looked for where they are small; only for what
has none there the solver is asked, which then proves that there is none at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from services.triage.policy.points import Point, cut_points, effect, holds, least_points, worst_of
from services.triage.policy.rules import Decisive, Policy, Rule
from services.triage.policy.solver import Applied, Child, Claim, Solver

CASES = 128
"""How many small cases are looked at before the solver is asked."""


@dataclass
class Coverage:
    """Looks for what is idle in one policy."""

    policy: Policy

    @cached_property
    def _pair(self) -> "_Pair":
        return _Pair(self.policy)

    def idle_rules(self) -> Iterator[tuple[Rule, tuple[Rule, ...]]]:
        """Each rule that adds nothing wherever it holds, with those that give it already, as far as one case tells."""
        for rule in self.policy.rules:
            point = self.shown(rule)
            if point is None:
                first = next(least_points(rule.condition))
                yield (
                    rule,
                    tuple(
                        other
                        for other in self.policy.rules
                        if other is not rule and holds(other.condition, first) and _gives_some(other, rule)
                    ),
                )

    def shown(self, rule: Rule) -> Point | None:
        """A case where the rule adds something to what the others give, or None where there is none."""
        small = (
            point
            for point in islice(least_points(rule.condition), CASES)
            if not effect(self.policy, point, without=rule).covers(rule)
        )
        return next(small, None) or self._pair.adds(rule)

    def idle_facts(self) -> Iterator[str]:
        """Each fact of the dictionary that can never change level, urgency, actions or immediate danger."""
        counts: set[str] = set()
        for rule in self.policy.rules:
            facts = {one.definition.name for one in rule.condition.comparisons()}
            for point in islice(least_points(rule.condition), CASES):
                if facts <= counts:
                    break
                counts |= {name for name in point.keys() - counts if self._differs(point, name)}
        read = cut_points(rule.condition for rule in self.policy.rules)
        for name in self.policy.dictionary.definitions:
            if name not in counts and (name not in read or not self._pair.depends_on(name)):
                yield name

    def idle_questions(self) -> Iterator[tuple[Decisive, str]]:
        """Each fact that is asked as decisive though the answer could never change anything where it is asked."""
        for one in self.policy.decisive:
            for name in one.ask:
                small = (
                    worst_of(start, point)
                    for start in islice(least_points(one.condition), 4)
                    for rule in self.policy.rules
                    if name in {each.definition.name for each in rule.condition.comparisons()}
                    for point in islice(least_points(rule.condition), CASES)
                    if name in point
                )
                if not any(self._differs(point, name, one) for point in small) and not self._pair.depends_on(
                    name, one
                ):
                    yield one, name

    def _differs(self, point: Point, name: str, when: Decisive | None = None) -> bool:
        """Whether the outcome is another one where the fact is at its mildest, and `when` holds there too."""
        milder = {**point, name: 0}
        if when is not None and not holds(when.condition, milder):
            return False
        return effect(self.policy, point) != effect(self.policy, milder)


def _gives_some(other: Rule, rule: Rule) -> bool:
    return (
        other.level >= rule.level or other.rag >= rule.rag or not set(rule.actions).isdisjoint(other.actions)
    )


class _Pair:
    """Two children for the solver, alike but for what a question leaves open."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.solver = solver = Solver()
        conditions = [rule.condition for rule in policy.rules] + [one.condition for one in policy.decisive]
        self.cuts = cut_points(conditions)
        self.one = Child.any(solver, self.cuts, "one")
        self.applied = Applied.to(self.one, policy, "one")

    @cached_property
    def other(self) -> tuple[Child, dict[str, Claim], Claim]:
        """The second child, for each fact that the two are alike in it, and that their outcomes differ."""
        solver = self.solver
        child = Child.any(solver, self.cuts, "other")
        applied = Applied.to(child, self.policy, "other")
        alike = {
            fact: solver.named(
                f"alike:{fact}",
                solver.all_of(self.one.reached[fact][rank] == child.reached[fact][rank] for rank in ranks),
            )
            for fact, ranks in self.cuts.items()
        }
        differ = solver.named(
            "differ",
            solver.any_of(
                mine != theirs for mine, theirs in zip(self.applied.results(), applied.results(), strict=True)
            ),
        )
        return child, alike, differ

    def adds(self, rule: Rule) -> Point | None:
        """A case where the rule adds something to the others."""
        solver, place = self.solver, self.policy.rules.index(rule)
        others = [
            (other, claim)
            for other, claim in zip(self.policy.rules, self.applied.rules, strict=True)
            if other is not rule
        ]

        def lacking(wanted: list[Claim]) -> Claim:
            return solver.not_(solver.any_of(wanted))

        lacks = []
        if rule.level > self.policy.level:
            lacks.append(lacking([claim for other, claim in others if other.level >= rule.level]))
        if rule.rag > self.policy.rag:
            lacks.append(lacking([claim for other, claim in others if other.rag >= rule.rag]))
        if rule.immediate:
            lacks.append(lacking([claim for other, claim in others if other.immediate]))
        lacks += [
            lacking([claim for other, claim in others if action in other.actions]) for action in rule.actions
        ]
        adds = solver.named(f"adds:{rule.id}", solver.any_of(lacks))
        return self.one.point() if solver.satisfiable(self.applied.rules[place], adds) else None

    def depends_on(self, name: str, when: Decisive | None = None) -> bool:
        """Whether two children who differ in this fact alone, both as `when` says, may come to different outcomes."""
        child, alike, differ = self.other
        asked = [claim for fact, claim in alike.items() if fact != name] + [differ]
        if when is not None:
            asked += [self.one.holds(when.condition), child.holds(when.condition)]
        return self.solver.satisfiable(*asked)
