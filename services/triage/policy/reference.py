"""A slow, obvious evaluator that reads a policy in three values straight off its conditions.

It shares nothing with what is applied to children but the policy and the facts: no vector, no mask, no generated code.
Tests hold the two equal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from libs.schemas.dictionary import REFERRER
from libs.schemas.findings import AgencyState
from libs.schemas.levels import Level, Rag
from services.triage.policy.conditions import Comparison, Condition
from services.triage.policy.facts import ChildFacts
from services.triage.policy.rules import Policy


class Truth(IntEnum):
    """What is known of a condition, lowest first."""

    NO = 0
    POSSIBLE = 1
    YES = 2


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules say of a child. `rag` holds what a gap adds; rules are named by id, in the policy's order."""

    level: Level
    rag: Rag
    could_rise_to: Level
    rag_could_rise_to: Rag
    immediate: bool
    fired: tuple[str, ...]
    possible: tuple[str, ...]


def judge(policy: Policy, facts: ChildFacts) -> Judgement:
    """What the policy says of what is known of a child."""
    child = _Child(policy, facts)
    truths = {rule.id: _truth(rule.condition, child.comparison) for rule in policy.rules}
    fired = [rule for rule in policy.rules if truths[rule.id] is Truth.YES]
    possible = [rule for rule in policy.rules if truths[rule.id] is not Truth.NO]
    gap = [rule for rule in policy.rules if _truth(rule.condition, child.at_worst_of_gaps) is Truth.YES]
    rag = max([policy.rag, *(rule.rag for rule in fired)])
    raised = max(rag, min(Rag.AMBER, max([policy.rag, *(rule.rag for rule in gap)])))
    return Judgement(
        level=max([policy.level, *(rule.level for rule in fired)]),
        rag=raised,
        could_rise_to=max([policy.level, *(rule.level for rule in possible)]),
        rag_could_rise_to=max([raised, *(rule.rag for rule in possible)]),
        immediate=any(rule.immediate for rule in fired),
        fired=tuple(rule.id for rule in fired),
        possible=tuple(rule.id for rule in possible),
    )


class _Child:
    """What is known of a child, asked one comparison at a time."""

    def __init__(self, policy: Policy, facts: ChildFacts) -> None:
        self.policy, self.facts = policy, facts

    def comparison(self, one: Comparison) -> Truth:
        """Whether a fact has reached a concern."""
        truth = self._as_said(one)
        open_questions = self._open(one.definition.name, Truth.POSSIBLE)
        return Truth.POSSIBLE if truth is Truth.NO and open_questions else truth

    def at_worst_of_gaps(self, one: Comparison) -> Truth:
        """The same where whoever may raise the urgency by a gap would say the worst."""
        if self._as_said(one) is Truth.YES:
            return Truth.YES
        definition = one.definition
        overdue = (AgencyState.NO_ANSWER, AgencyState.UNAVAILABLE, AgencyState.DECLINED)
        late = any(self.facts.states.get(agency) in overdue for agency in definition.gap_raises)
        unasked = REFERRER in definition.gap_raises and self._open(definition.name, Truth.YES)
        settled = definition.settles and bool(self._concerns(one))
        return Truth.YES if (late and not settled) or unasked else Truth.NO

    def _as_said(self, one: Comparison) -> Truth:
        """The truth before any question is opened."""
        definition, concerns = one.definition, self._concerns(one)
        if any(least >= one.concern for least, _ in concerns):
            return Truth.YES
        if not concerns and definition.unknown_met:
            return Truth.YES
        if any(greatest >= one.concern for _, greatest in concerns):
            return Truth.POSSIBLE
        if self._unreadable(definition.name):
            return Truth.POSSIBLE
        if definition.settles and concerns:
            return Truth.NO
        agencies = definition.sources & frozenset(self.policy.dictionary.agencies)
        return Truth.POSSIBLE if any(self._silent(agency) for agency in agencies) else Truth.NO

    def _concerns(self, one: Comparison) -> list[tuple[int, int]]:
        said = [fact.fact.value for fact in self.facts.stated if fact.fact.fact == one.definition.name]
        read = [one.definition.concerns(value) for value in said]
        return [concerns for concerns in read if concerns is not None]

    def _unreadable(self, name: str) -> bool:
        definition = self.policy.dictionary.definitions[name]
        return any(
            definition.concerns(fact.fact.value) is None
            for fact in self.facts.stated
            if fact.fact.fact == name
        )

    def _silent(self, agency: str) -> bool:
        answered = self.facts.states.get(agency) in (AgencyState.RETURNED, AgencyState.NOTHING_HELD)
        return not answered or agency in self.facts.partly

    def _open(self, name: str, at_least: Truth) -> bool:
        """Whether a decisive question asks for a fact that nobody stated, its condition being so far true."""
        definition = self.policy.dictionary.definitions[name]
        if any(
            definition.concerns(fact.fact.value) is not None
            for fact in self.facts.stated
            if fact.fact.fact == name
        ):
            return False
        return any(
            name in question.ask and _truth(question.condition, self._as_said) >= at_least
            for question in self.policy.decisive
        )


def _truth(condition: Condition, comparison: Callable[[Comparison], Truth]) -> Truth:
    """The truth of a condition: of several parts, that of the one that makes up the number needed."""
    if isinstance(condition, Comparison):
        return comparison(condition)
    truths = sorted((_truth(part, comparison) for part in condition.parts), reverse=True)
    return truths[condition.needed - 1]
