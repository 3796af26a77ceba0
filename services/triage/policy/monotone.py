"""That no outcome falls when a child's facts get worse, any number of them at once, known or not.

The solver is given two children. Of each fact it may choose for either whether anybody stated it, the least and the
greatest that was meant, whether somebody who could know has yet to speak, whether a part was not understood or an
open question asks for it, and whether its source is overdue. From that follows, as `vector.py` reads it, what is
established, what could still be, and what counts for the urgency while the source is overdue.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from libs.schemas.dictionary import Definition
from services.triage.policy.conditions import Condition
from services.triage.policy.points import Point, cut_points
from services.triage.policy.rules import Policy
from services.triage.policy.solver import Applied, Child, Claim, Solver

READINGS = DEFINITE, POSSIBLE, OVERDUE = "definite", "possible", "overdue"
"""What is established, what could still be, and what counts for the urgency while its source is overdue."""


@dataclass(frozen=True, slots=True)
class Fall:
    """An outcome that falls: of which reading, under which step, and both children in it."""

    reading: str
    step: str
    before: Point
    after: Point


@dataclass(frozen=True, slots=True)
class _Known:
    """What the solver may choose about one fact of one child, with what binds these choices together."""

    stated: Claim
    least: dict[int, Claim]
    greatest: dict[int, Claim]
    silent: Claim
    doubtful: Claim
    overdue: Claim
    bonds: tuple[Claim, ...]


class _Fact:
    """One fact of two children, the second no milder in it than the first."""

    def __init__(self, solver: Solver, definition: Definition, ranks: Sequence[int]) -> None:
        self.solver = solver
        self.definition = definition
        self.ranks = ranks
        self.milder, self.worse = (self._known(child) for child in ("milder", "worse"))
        self.reached = tuple(self._readings(one) for one in (self.milder, self.worse))
        established, open_ = self._established(), self._open()
        late = solver.implies(self.milder.overdue, self.worse.overdue)
        self.related = {
            DEFINITE: established,
            POSSIBLE: open_,
            OVERDUE: solver.all_of([established, open_, late]),
        }

    def _known(self, child: str) -> _Known:
        solver, name = self.solver, f"{child}:{self.definition.name}"
        least = {rank: solver.fresh(f"{name} least {rank}") for rank in self.ranks}
        greatest = {rank: solver.fresh(f"{name} greatest {rank}") for rank in self.ranks}
        bonds = [solver.implies(least[rank], greatest[rank]) for rank in self.ranks]
        bonds += [*solver.rising(list(least.values())), *solver.rising(list(greatest.values()))]
        return _Known(
            stated=solver.fresh(f"{name} stated"),
            least=least,
            greatest=greatest,
            silent=solver.fresh(f"{name} silent"),
            doubtful=solver.fresh(f"{name} doubtful"),
            overdue=solver.fresh(f"{name} overdue"),
            bonds=tuple(bonds),
        )

    def _readings(self, one: _Known) -> dict[str, dict[int, Claim]]:
        """For each reading and each cut point, that the fact has reached it."""
        solver = self.solver
        unstated = solver.not_(one.stated)
        met = [unstated] if self.definition.unknown_met else []
        open_ = one.silent if not self.definition.settles else solver.all_of([one.silent, unstated])
        readings: dict[str, dict[int, Claim]] = {reading: {} for reading in READINGS}
        for rank in self.ranks:
            definite = solver.any_of([solver.all_of([one.stated, one.least[rank]]), *met])
            possible = solver.any_of(
                [solver.all_of([one.stated, one.greatest[rank]]), *met, open_, one.doubtful]
            )
            readings[DEFINITE][rank] = definite
            readings[POSSIBLE][rank] = possible
            readings[OVERDUE][rank] = solver.any_of([definite, solver.all_of([one.overdue, possible])])
        return readings

    def _established(self) -> Claim:
        """Stated by both and no milder; or stated by the second alone; or unknown where that counts as met.

        Who else is silent, doubtful or late may change either way: none of it establishes anything.
        """
        solver, one, two = self.solver, self.milder, self.worse
        if self.definition.unknown_met:
            other = solver.all_of([one.stated, solver.not_(two.stated)])
        else:
            other = solver.all_of([solver.not_(one.stated), two.stated])
        return solver.any_of([solver.all_of([one.stated == two.stated, *self._no_milder("least")]), other])

    def _open(self) -> Claim:
        """Worse for certain and at its worst, with no less left open; or what was stated is gone and may come back."""
        solver, one, two = self.solver, self.milder, self.worse
        gone = solver.all_of([one.stated, solver.not_(two.stated)])
        ways = [
            solver.all_of(
                [
                    one.stated == two.stated,
                    *self._no_milder("least"),
                    *self._no_milder("greatest"),
                    solver.implies(one.silent, two.silent),
                    solver.implies(one.doubtful, two.doubtful),
                ]
            ),
            gone if self.definition.unknown_met else solver.all_of([gone, two.silent]),
        ]
        if not self.definition.settles:
            # Whatever of it was said or is not said any more: who is silent could know it at its worst.
            ways.append(two.silent)
        return solver.any_of(ways)

    def _no_milder(self, bound: str) -> Iterator[Claim]:
        one, two = getattr(self.milder, bound), getattr(self.worse, bound)
        return (self.solver.implies(one[rank], two[rank]) for rank in self.ranks)


class _Pair:
    """Two children before one condition, the second in no fact milder than the first."""

    def __init__(self, condition: Condition, facts: Sequence[_Fact]) -> None:
        self.solver = solver = Solver()
        self.facts = facts
        for fact in facts:
            solver.establish(*fact.milder.bonds, *fact.worse.bonds)
        self.children = {
            reading: tuple(
                Child(solver, {fact.definition.name: fact.reached[which][reading] for fact in facts})
                for which in (0, 1)
            )
            for reading in READINGS
        }
        self.holds = {
            reading: tuple(child.holds(condition) for child in children)
            for reading, children in self.children.items()
        }

    def fall(self, reading: str) -> tuple[Point, Point] | None:
        """Two such children of whom the condition holds for the milder alone, or None where there are none."""
        milder, worse = self.holds[reading]
        related = [fact.related[reading] for fact in self.facts]
        if not self.solver.satisfiable(*related, milder, self.solver.not_(worse)):
            return None
        one, two = self.children[reading]
        return one.point(), two.point()

    def inversion(self) -> tuple[Point, Point] | None:
        """A child of whom the condition holds for certain and yet not possibly, or None where there is none."""
        certain, possible = self.holds[DEFINITE][0], self.holds[POSSIBLE][0]
        if not self.solver.satisfiable(certain, self.solver.not_(possible)):
            return None
        return self.children[DEFINITE][0].point(), self.children[POSSIBLE][0].point()


class Monotony:
    """The claims about worse facts, about gaps and about there being an outcome, for one policy.

    Each rule is settled over its own facts. What all rules come to is then settled over any combination of them in
    which no rule falls that was shown not to.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        names, definitions = Solver(), policy.dictionary.definitions
        cuts = cut_points(rule.condition for rule in policy.rules)
        facts = {name: _Fact(names, definitions[name], ranks) for name, ranks in cuts.items()}
        self._pairs = {
            rule.id: _Pair(rule.condition, [facts[name] for name in cut_points([rule.condition])])
            for rule in policy.rules
        }

    def falls(self) -> Iterator[Fall]:
        """Every rule, level, urgency and action that a child of worse facts may miss: none, normally."""
        for reading in READINGS:
            fallen = {
                rule.id: fall for rule in self.policy.rules if (fall := self._pairs[rule.id].fall(reading))
            }
            yield from self._told(reading, fallen)

    def inversions(self) -> Iterator[Fall]:
        """Every rule and every step that is certain and yet not possible: none, where the claim holds."""
        fallen = {rule.id: fall for rule in self.policy.rules if (fall := self._pairs[rule.id].inversion())}
        yield from self._told(POSSIBLE, fallen)

    def _told(self, reading: str, fallen: Mapping[str, tuple[Point, Point]]) -> Iterator[Fall]:
        """The rules that fall, and the steps that fall with them."""
        for name, (before, after) in fallen.items():
            yield Fall(reading, name, before, after)
        solver = Solver()
        milder, worse = (self._any_rules(solver, name) for name in ("milder", "worse"))
        for rule, one, two in zip(self.policy.rules, milder.rules, worse.rules, strict=True):
            if rule.id not in fallen:
                solver.establish(solver.implies(one, two))
        for step, one, two in milder.steps(worse):
            if solver.satisfiable(one, solver.not_(two)):
                yield Fall(reading, step, *next(iter(fallen.values()), ({}, {})))

    def _any_rules(self, solver: Solver, name: str) -> Applied:
        rules = [solver.fresh(rule.id) for rule in self.policy.rules]
        return Applied(solver, self.policy, rules, name)

    def without_outcome(self) -> Iterator[str]:
        """`level` or `urgency`, where some rules together give none of it, or more than one: neither, normally."""
        solver = Solver()
        applied = self._any_rules(solver, "rules")
        for name, steps in (("level", applied.level), ("urgency", applied.rag)):
            reached = list(steps.values())
            highest = [
                solver.all_of([step, *map(solver.not_, reached[place + 1 :])])
                for place, step in enumerate(reached)
            ]
            one = solver.all_of([solver.any_of(highest), solver.not_(solver.at_least(2, highest))])
            if solver.satisfiable(solver.not_(one)):
                yield name
