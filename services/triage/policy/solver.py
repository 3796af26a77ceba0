"""The policy as the solver sees it: facts, rules and outcomes as propositions over every child that could be.

A fact matters to a policy only by which of its cut points it reaches, so each becomes one proposition for each cut
point, in order. Rules and outcomes are named once and shared by all claims. The solver (z3, the extra `policy`) is
needed to check a policy, never to apply one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

from libs.schemas.levels import Level, Rag
from services.triage.policy.conditions import Comparison, Condition
from services.triage.policy.points import Point
from services.triage.policy.rules import Policy

Claim = Any
"""A proposition of the solver's."""


def available() -> bool:
    """Whether the solver is installed."""
    return find_spec("z3") is not None


PATIENCE = 60_000
"""Milliseconds after which one question is given up. Those of a policy of 150 rules take hundredths of a second."""


class GaveUp(Exception):
    """The solver found neither a case nor a proof in its time."""


class Solver:
    """Asks whether propositions can hold together. Everything that is asserted stays; a question assumes for once.

    Raises ImportError where the solver is not installed.
    """

    def __init__(self) -> None:
        import z3

        self.z3 = z3
        self._context = z3.main_ctx()
        self._solver = z3.SolverFor("QF_FD")  # finite domains: propositions and counts of them
        self._solver.set("timeout", PATIENCE)
        self.always = z3.BoolVal(True)
        """What holds of every child."""
        self._names = 0

    def fresh(self, name: str) -> Claim:
        """A new proposition; the number keeps two of one name apart."""
        self._names += 1
        return self.z3.Bool(f"{name}#{self._names}")

    def named(self, name: str, claim: Claim) -> Claim:
        """A new proposition that holds exactly where `claim` does: what is shared is worked out once."""
        proposition = self.fresh(name)
        self._solver.add(proposition == claim)
        return proposition

    def establish(self, *claims: Claim) -> None:
        """What holds from now on."""
        self._solver.add(*claims)

    def rising(self, claims: Sequence[Claim]) -> Iterator[Claim]:
        """That each holds only where the one before it does."""
        return (self.implies(higher, lower) for lower, higher in pairwise(claims))

    # What follows is built without the checks of z3's own operators, which took most of the time of a proof.

    def any_of(self, claims: Iterable[Claim]) -> Claim:
        """At least one holds; of none, never."""
        return self._joined(self.z3.Z3_mk_or, claims)

    def all_of(self, claims: Iterable[Claim]) -> Claim:
        """Every one holds; of none, always."""
        return self._joined(self.z3.Z3_mk_and, claims)

    def implies(self, claim: Claim, other: Claim) -> Claim:
        """Where the one holds, the other does."""
        made = self.z3.Z3_mk_implies(self._context.ref(), claim.as_ast(), other.as_ast())
        return self.z3.BoolRef(made, self._context)

    def not_(self, claim: Claim) -> Claim:
        """It does not hold."""
        return self.z3.BoolRef(self.z3.Z3_mk_not(self._context.ref(), claim.as_ast()), self._context)

    def _joined(self, make: Any, claims: Iterable[Claim]) -> Claim:
        members = tuple(claims)
        array = (self.z3.Ast * len(members))(*(claim.as_ast() for claim in members))
        return self.z3.BoolRef(make(self._context.ref(), len(members), array), self._context)

    def at_least(self, needed: int, claims: Sequence[Claim]) -> Claim:
        """`needed` of them hold, or more."""
        return self.z3.AtLeast(*claims, needed)

    def satisfiable(self, *claims: Claim) -> bool:
        """Whether the claims can hold together. Raises GaveUp."""
        result = self._solver.check(*claims)
        if result == self.z3.unknown:
            raise GaveUp(f"the solver gave up: {self._solver.reason_unknown()}")
        return bool(result == self.z3.sat)

    def true_now(self, claim: Claim) -> bool:
        """Whether the claim holds in the case that the last question found."""
        return bool(self.z3.is_true(self._solver.model().eval(claim, model_completion=True)))


class Child:
    """Any child: for each fact, one proposition for each cut point that it may reach."""

    def __init__(self, solver: Solver, reached: Mapping[str, Mapping[int, Claim]]) -> None:
        self.solver = solver
        self.reached = reached

    @classmethod
    def any(cls, solver: Solver, cuts: Mapping[str, Sequence[int]], name: str) -> "Child":
        """A child of whom nothing is assumed: a fact that reaches a cut point has reached every lower one."""
        reached = {}
        for fact, ranks in cuts.items():
            steps = {rank: solver.fresh(f"{name}:{fact}>={rank}") for rank in ranks}
            solver.establish(*solver.rising(list(steps.values())))
            reached[fact] = steps
        return cls(solver, reached)

    def holds(self, condition: Condition) -> Claim:
        """The condition as a proposition about this child."""
        if isinstance(condition, Comparison):
            return self.reached[condition.definition.name][condition.concern]
        parts = [self.holds(part) for part in condition.parts]
        if condition.needed == len(parts):
            return self.solver.all_of(parts)
        if condition.needed == 1:
            return self.solver.any_of(parts)
        return self.solver.at_least(condition.needed, parts)

    def point(self) -> Point:
        """This child in the case that the last question found."""
        found = {}
        for fact, steps in self.reached.items():
            ranks = [rank for rank, claim in steps.items() if self.solver.true_now(claim)]
            if ranks:
                found[fact] = max(ranks)
        return found


class Applied:
    """What rules come to: a proposition for each rule, each level and urgency reached, and each action."""

    def __init__(self, solver: Solver, policy: Policy, rules: Iterable[Claim], name: str) -> None:
        self.policy = policy
        self.rules = tuple(
            solver.named(f"{name}:{rule.id}", claim) for rule, claim in zip(policy.rules, rules, strict=True)
        )
        self.level = {
            level: solver.named(f"{name}:{level}", self._any(solver, lambda rule, at=level: rule.level >= at))
            if level > policy.level
            else solver.always
            for level in Level
        }
        self.rag = {
            rag: solver.named(f"{name}:{rag}", self._any(solver, lambda rule, at=rag: rule.rag >= at))
            if rag > policy.rag
            else solver.always
            for rag in Rag
        }
        actions = sorted({action for rule in policy.rules for action in rule.actions})
        self.actions = {
            action: solver.named(
                f"{name}:{action}", self._any(solver, lambda rule, want=action: want in rule.actions)
            )
            for action in actions
        }
        self.immediate = solver.named(f"{name}:immediate", self._any(solver, lambda rule: rule.immediate))

    @classmethod
    def to(cls, child: Child, policy: Policy, name: str) -> "Applied":
        """The policy applied to a child."""
        return cls(child.solver, policy, (child.holds(rule.condition) for rule in policy.rules), name)

    def _any(self, solver: Solver, wanted: Callable[..., bool]) -> Claim:
        return solver.any_of(
            claim for rule, claim in zip(self.policy.rules, self.rules, strict=True) if wanted(rule)
        )

    def results(self) -> tuple[Claim, ...]:
        """Everything that an outcome consists of."""
        return (*self.level.values(), *self.rag.values(), *self.actions.values(), self.immediate)

    def steps(self, other: "Applied") -> Iterator[tuple[str, Claim, Claim]]:
        """Each level and urgency above the policy's own, each action, and immediate danger: with what reaches it here
        and in the other.
        """
        yield from (
            (level.value, claim, other.level[level])
            for level, claim in self.level.items()
            if level > self.policy.level
        )
        yield from (
            (rag.value, claim, other.rag[rag]) for rag, claim in self.rag.items() if rag > self.policy.rag
        )
        yield from ((action, claim, other.actions[action]) for action, claim in self.actions.items())
        yield "immediate danger", self.immediate, other.immediate
