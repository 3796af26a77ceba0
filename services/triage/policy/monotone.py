"""That no outcome falls when a child's facts get worse, any number of them at once, known or not.

The solver is given two children. Of each fact it may choose for either whether anybody stated it, the least and the
greatest that was meant, whether somebody who could know has yet to speak, whether a part was not understood or an
open question asks for it, and whether its source is overdue. From that follows, as `vector.py` reads it, what is
established, what could still be, and what counts for the urgency while the source is overdue.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from libs.schemas.dictionary import Definition
from services.triage.policy.points import Point, cut_points
from services.triage.policy.rules import Policy
from services.triage.policy.solver import Applied, Child, Claim, Solver

DEFINITE, POSSIBLE, OVERDUE = "definite", "possible", "overdue"
"""What is established, what could still be, and what counts for the urgency while its source is overdue."""


@dataclass(frozen=True, slots=True)
class Fall:
    """An outcome that falls: of which reading, under which step, and both children in it."""

    reading: str
    step: str
    before: Point
    after: Point


@dataclass(frozen=True, slots=True)
class _Fact:
    """What the solver may choose about one fact of one child."""

    stated: Claim
    least: dict[int, Claim]
    greatest: dict[int, Claim]
    silent: Claim
    doubtful: Claim
    overdue: Claim


class _Known:
    """What is known of a child, and its three readings under the policy."""

    def __init__(self, solver: Solver, policy: Policy, cuts: dict[str, tuple[int, ...]], name: str) -> None:
        self.solver = solver
        self.definitions = policy.dictionary.definitions
        self.facts = {fact: self._fact(fact, ranks, name) for fact, ranks in cuts.items()}
        self.children = {
            reading: Child(solver, {fact: self._read(fact, reading) for fact in cuts})
            for reading in (DEFINITE, POSSIBLE, OVERDUE)
        }
        self.applied = {
            reading: Applied(child, policy, f"{name}:{reading}") for reading, child in self.children.items()
        }

    def _fact(self, fact: str, ranks: tuple[int, ...], name: str) -> _Fact:
        solver = self.solver
        least = {rank: solver.fresh(f"{name}:{fact} least {rank}") for rank in ranks}
        greatest = {rank: solver.fresh(f"{name}:{fact} greatest {rank}") for rank in ranks}
        solver.rising(list(least.values()))
        solver.rising(list(greatest.values()))
        solver.establish(*(solver.implies(least[rank], greatest[rank]) for rank in ranks))
        said = [solver.fresh(f"{name}:{fact} {what}") for what in ("stated", "silent", "doubtful", "overdue")]
        return _Fact(said[0], least, greatest, *said[1:])

    def _read(self, fact: str, reading: str) -> dict[int, Claim]:
        solver, one, definition = self.solver, self.facts[fact], self.definitions[fact]
        unstated = solver.not_(one.stated)
        met = [unstated] if definition.unknown_met else []
        open_ = one.silent if not definition.settles else solver.all_of([one.silent, unstated])
        steps = {}
        for rank in one.least:
            definite = solver.any_of([solver.all_of([one.stated, one.least[rank]]), *met])
            possible = solver.any_of(
                [solver.all_of([one.stated, one.greatest[rank]]), *met, open_, one.doubtful]
            )
            counted = solver.any_of([definite, solver.all_of([one.overdue, possible])])
            steps[rank] = {DEFINITE: definite, POSSIBLE: possible, OVERDUE: counted}[reading]
        return steps


class Monotony:
    """The claims about worse facts, about gaps and about there being an outcome, for one policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.solver = Solver()
        cuts = cut_points(rule.condition for rule in policy.rules)
        self.milder = _Known(self.solver, policy, cuts, "milder")
        self.worse = _Known(self.solver, policy, cuts, "worse")

    @cached_property
    def _worse(self) -> dict[str, Claim]:
        """For each reading, that no fact of the second child reads milder than the first child's."""
        relations = {}
        for reading, relate in ((DEFINITE, self._established), (POSSIBLE, self._open), (OVERDUE, self._late)):
            every = self.solver.all_of(relate(fact) for fact in self.milder.facts)
            relations[reading] = self.solver.named(f"worse:{reading}", every)
        return relations

    def _established(self, fact: str) -> Claim:
        """Stated by both and no milder; or stated by the second alone; or unknown where that counts as met.

        Who else is silent, doubtful or late may change either way: none of it establishes anything.
        """
        solver, one, two = self.solver, self.milder.facts[fact], self.worse.facts[fact]
        ways = [self._no_milder(one.stated == two.stated, one.least, two.least)]
        if self._definition(fact).unknown_met:
            ways.append(solver.all_of([one.stated, solver.not_(two.stated)]))
        else:
            ways.append(solver.all_of([solver.not_(one.stated), two.stated]))
        return solver.any_of(ways)

    def _open(self, fact: str) -> Claim:
        """Worse for certain and at its worst, with no less left open; or what was stated is gone, and may come back."""
        solver, one, two = self.solver, self.milder.facts[fact], self.worse.facts[fact]
        ways = [
            solver.all_of(
                [
                    self._no_milder(one.stated == two.stated, one.least, two.least),
                    self._no_milder(one.stated == two.stated, one.greatest, two.greatest),
                    solver.implies(one.silent, two.silent),
                    solver.implies(one.doubtful, two.doubtful),
                ]
            ),
            solver.all_of([one.stated, solver.not_(two.stated), two.silent]),
        ]
        if self._definition(fact).unknown_met:
            ways.append(solver.all_of([one.stated, solver.not_(two.stated)]))
        return solver.any_of(ways)

    def _late(self, fact: str) -> Claim:
        """As what is established and what could be, both no milder, with no fewer sources overdue."""
        one, two = self.milder.facts[fact], self.worse.facts[fact]
        return self.solver.all_of(
            [self._established(fact), self._open(fact), self.solver.implies(one.overdue, two.overdue)]
        )

    def _no_milder(self, alike: Claim, one: dict[int, Claim], two: dict[int, Claim]) -> Claim:
        return self.solver.all_of([alike, *(self.solver.implies(one[rank], two[rank]) for rank in one)])

    def _definition(self, fact: str) -> Definition:
        return self.policy.dictionary.definitions[fact]

    def falls(self) -> Iterator[Fall]:
        """Every step of level and urgency that a child of worse facts may miss: none, where the claim holds.

        Each rule is settled first and then taken for granted, so that a step only puts rules together.
        """
        for reading, worse in self._worse.items():
            before, after = self.milder.applied[reading], self.worse.applied[reading]
            for rule, one, two in zip(self.policy.rules, before.rules, after.rules, strict=True):
                if self.solver.satisfiable(worse, one, self.solver.not_(two)):
                    yield self._fall(reading, rule.id)
                else:
                    self.solver.establish(self.solver.implies(self.solver.all_of([worse, one]), two))
            for step, one, two in before.steps(after):
                if self.solver.satisfiable(worse, one, self.solver.not_(two)):
                    yield self._fall(reading, step)

    def inversions(self) -> Iterator[Fall]:
        """Every step that is certain and yet not possible: none, where the claim holds."""
        certain, possible = self.milder.applied[DEFINITE], self.milder.applied[POSSIBLE]
        for step, one, two in certain.steps(possible):
            if self.solver.satisfiable(one, self.solver.not_(two)):
                children = self.milder.children
                yield Fall(POSSIBLE, step, children[DEFINITE].point(), children[POSSIBLE].point())

    def without_outcome(self) -> Iterator[Fall]:
        """A child who has no level or no urgency, or more than one: none, where the claim holds."""
        for reading, applied in self.milder.applied.items():
            for name, steps in (("level", applied.level), ("urgency", applied.rag)):
                if self.solver.satisfiable(self.solver.not_(self._exactly_one(list(steps.values())))):
                    point = self.milder.children[reading].point()
                    yield Fall(reading, name, point, point)

    def _exactly_one(self, reached: list[Claim]) -> Claim:
        """Of steps that are each `at least`, exactly one is the highest."""
        solver = self.solver
        highest = [
            solver.all_of([step, *(solver.not_(higher) for higher in reached[place + 1 :])])
            for place, step in enumerate(reached)
        ]
        two = solver.at_least(2, highest)
        return solver.all_of([solver.any_of(highest), solver.not_(two)])

    def _fall(self, reading: str, step: str) -> Fall:
        return Fall(
            reading, step, self.milder.children[reading].point(), self.worse.children[reading].point()
        )
