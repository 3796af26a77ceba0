"""Applies a policy to what is known of one child: what holds, what could still hold, and why."""

from collections.abc import Iterable

from libs.schemas.evaluation import Evidence, FiredRule, Outcome, PossibleRise
from libs.schemas.levels import Level, Rag
from services.triage.policy.conditions import YES, Knowledge
from services.triage.policy.facts import ChildFacts, StatedFact
from services.triage.policy.rules import Judged, Policy

GAP_CEILING = Rag.AMBER
"""A gap alone raises the urgency to amber at the most; it never lowers anything."""


def evaluate(policy: Policy, facts: ChildFacts) -> Outcome:
    """The definite outcome, what it could still rise to, and exactly the facts that made it so.

    Pure: the same policy and facts give the same outcome. A worse fact, or an answer that is missing where one was,
    never gives a milder one.
    """
    judged = policy.judged(_knowledge(policy, facts))
    fired = [one for one in judged if one.value == YES]
    level = max({policy.level, *(one.rule.level for one in fired)})
    rag = max({policy.rag, *(one.rule.rag for one in fired)})
    actions = dict.fromkeys(action for one in fired for action in one.rule.actions)
    # Sets of what is worse: comparing every rule's codes one by one took a third of the time.
    higher = {*(one for one in Level if one > level), *(one for one in Rag if one > rag)}
    rising = [
        one
        for one in judged
        if one.value != YES
        and (
            one.rule.level in higher or one.rule.rag in higher or not actions.keys() >= set(one.rule.actions)
        )
    ]
    overdue = facts.overdue()
    gap = max((one.rule.rag for one in rising if overdue and _gap_raises(policy, one, overdue)), default=rag)
    raised = max(rag, min(gap, GAP_CEILING))
    return Outcome.model_construct(
        policy=policy.fingerprint,
        level=level,
        rag=raised,
        could_rise_to=max({level, *(one.rule.level for one in rising)}),
        rag_could_rise_to=max({raised, *(one.rule.rag for one in rising)}),
        immediate=any(one.rule.immediate for one in fired),
        fired=tuple(_fired(policy, one) for one in fired),
        possible=_possible(policy, rising),
        missing=tuple(dict.fromkeys(fact for one in rising for fact in one.findings.missing)),
        waiting_on=tuple(sorted(facts.awaited() & _agencies(rising))),
        actions=tuple(actions),
        possible_actions=tuple(
            dict.fromkeys(action for one in rising for action in one.rule.actions if action not in actions)
        ),
    )


def _knowledge(policy: Policy, facts: ChildFacts) -> Knowledge:
    stated: dict[str, list[tuple[int, int, StatedFact]]] = {}
    unreadable: set[str] = set()
    for one in facts.stated:
        definition = policy.dictionary.definitions.get(one.fact.fact)
        if definition is None:
            continue
        bounds = definition.bounds(one.fact.value)
        if bounds is None:
            unreadable.add(one.fact.fact)
        else:
            stated.setdefault(one.fact.fact, []).append((*bounds, one))
    return Knowledge(stated, frozenset(unreadable), facts.silent())


def _agencies(rising: Iterable[Judged]) -> frozenset[str]:
    return frozenset(agency for one in rising for agency in one.findings.agencies)


def _gap_raises(policy: Policy, one: Judged, overdue: frozenset[str]) -> bool:
    definitions = policy.dictionary.definitions
    return any(not definitions[fact].gap_raises.isdisjoint(overdue) for fact in one.findings.missing)


def _possible(policy: Policy, rising: Iterable[Judged]) -> tuple[PossibleRise, ...]:
    groups: dict[tuple[Level, Rag, tuple[str, ...]], list[str]] = {}
    for one in rising:
        key = (one.rule.level, one.rule.rag, tuple(one.findings.agencies))
        groups.setdefault(key, []).append(one.rule.id)
    return tuple(policy.rise(*key, tuple(rules)) for key, rules in groups.items())


def _fired(policy: Policy, one: Judged) -> FiredRule:
    rule = one.rule
    return FiredRule.model_construct(
        rule=rule.id,
        title=rule.title,
        citation=rule.citation,
        sentence=rule.sentence,
        level=rule.level,
        rag=rule.rag,
        immediate=rule.immediate,
        actions=rule.actions,
        evidence=tuple(_evidence(policy, stated) for stated in one.findings.evidence),
    )


def _evidence(policy: Policy, one: StatedFact) -> Evidence:
    return Evidence.model_construct(
        fact=one.fact.fact,
        label=policy.dictionary.definitions[one.fact.fact].label,
        value=one.fact.value,
        source=one.source,
        basis=one.fact.basis,
        period=one.fact.period,
        on=one.fact.on,
    )
