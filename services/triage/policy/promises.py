"""What the board promised: guarantees, of every child, and golden cases, of the children that practice thought of."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from services.triage.policy.english import floor_words, listed, words
from services.triage.policy.evaluation import evaluate
from services.triage.policy.points import Effect, Point, cut_points, effect, holds, least_points, shrink
from services.triage.policy.rules import GoldenCase, Guarantee, Policy
from services.triage.policy.solver import Applied, Child, Solver

CASES = 512
"""How many of a guarantee's own least cases are looked at before the solver is asked."""


@dataclass
class Promises:
    """Proves or refutes a policy's guarantees."""

    policy: Policy

    @cached_property
    def _cuts(self) -> dict[str, tuple[int, ...]]:
        conditions = [rule.condition for rule in self.policy.rules]
        return cut_points(conditions + [one.condition for one in self.policy.guarantees])

    @cached_property
    def _applied(self) -> tuple[Solver, Child, Applied]:
        solver = Solver()
        child = Child.any(solver, self._cuts, "child")
        return solver, child, Applied.to(child, self.policy, "child")

    def broken(self, guarantee: Guarantee) -> Point | None:
        """The smallest case of the guarantee that does not get what it promises, or None where there is none.

        A case is looked for among the least ones of the guarantee's condition; that there is no other, which is all
        that could be where there are too many to look at, is for the solver to prove.
        """
        breaks = (
            point
            for point in islice(least_points(guarantee.condition), CASES)
            if lacking(guarantee, effect(self.policy, point))
        )
        point = next(breaks, None) or self._asked(guarantee)
        if point is None:
            return None
        return shrink(
            point,
            self._cuts,
            lambda tried: (
                holds(guarantee.condition, tried) and bool(lacking(guarantee, effect(self.policy, tried)))
            ),
        )

    def _asked(self, guarantee: Guarantee) -> Point | None:
        solver, child, applied = self._applied
        missed = [] if guarantee.level is None else [solver.not_(applied.level[guarantee.level])]
        missed += [] if guarantee.rag is None else [solver.not_(applied.rag[guarantee.rag])]
        missed += [
            solver.not_(applied.actions[action]) if action in applied.actions else solver.always
            for action in guarantee.actions
        ]
        applies = child.holds(guarantee.condition)
        return child.point() if solver.satisfiable(applies, solver.any_of(missed)) else None


def lacking(guarantee: Guarantee, given: Effect) -> str:
    """What an outcome lacks of what the guarantee promises, in English; nothing where it keeps it."""
    faults = []
    short = (guarantee.level is not None and given.level < guarantee.level) or (
        guarantee.rag is not None and given.rag < guarantee.rag
    )
    if short:
        promised = floor_words(guarantee.level, guarantee.rag)
        faults.append(f"{floor_words(given.level, given.rag)} where {promised} is promised")
    absent = [words(action) for action in guarantee.actions if action not in given.actions]
    if absent:
        faults.append(f"without {listed(absent)}")
    return ", ".join(faults)


def golden_faults(policy: Policy, case: GoldenCase) -> Iterator[str]:
    """How a golden case comes out otherwise than it should, in English."""
    outcome = evaluate(policy, case.known())
    rules = listed(one.rule for one in outcome.fired) or "no rule"
    came = f"came out as {floor_words(outcome.level, outcome.rag)} by {rules}"
    if (case.level is not None and outcome.level < case.level) or (
        case.rag is not None and outcome.rag < case.rag
    ):
        yield f"should be at least {floor_words(case.level, case.rag)}, {came}"
    if case.at_most is not None and outcome.level > case.at_most:
        yield f"should be {words(case.at_most.value)} at the most, {came}"
    absent = [words(action) for action in case.actions if action not in outcome.actions]
    if absent:
        yield f"should oblige {listed(absent)}"
    unwanted = [words(action) for action in case.not_actions if action in outcome.actions]
    if unwanted:
        yield f"should not oblige {listed(unwanted)}"
