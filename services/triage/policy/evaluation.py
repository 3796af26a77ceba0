"""Applies a policy to what is known of one child: what holds, what could still hold, and why."""

from collections.abc import Iterable
from typing import NamedTuple

from libs.schemas.dictionary import REFERRER
from libs.schemas.evaluation import DecisiveQuestion, Evidence, FiredRule, Outcome, PartlyMet, PossibleRise
from libs.schemas.levels import Level, Rag
from services.triage.policy.explanation import Findings, explain_fired, explain_possible
from services.triage.policy.facts import ChildFacts, StatedFact
from services.triage.policy.rules import Policy, Rule
from services.triage.policy.vector import Reading, Vector

EVALUATOR = 1
"""Version of what evaluating means. Every version keeps its golden replays, so that a change is seen."""

GAP_CEILING = Rag.AMBER
"""A gap alone raises the urgency to amber at the most; it never lowers anything."""


class Verdict(NamedTuple):
    """What the rules say of a vector. `fired` and `possible` are masks over the rules' numbers.

    Every rule that fired is also possible. `rag` is the urgency before what a gap adds to it.
    """

    level: Level
    rag: Rag
    could_rise_to: Level
    rag_could_rise_to: Rag
    immediate: bool
    fired: int
    possible: int


def decide(policy: Policy, vector: Vector) -> Verdict:
    """The definite outcome and the most that it could rise to, without the reasons."""
    fired, possible = policy.program.judge(*vector)
    floors = policy.floors
    return Verdict(
        floors.level(fired),
        floors.rag(fired),
        floors.level(possible),
        floors.rag(possible),
        bool(fired & floors.immediate),
        fired,
        possible,
    )


def evaluate(policy: Policy, facts: ChildFacts) -> Outcome:
    """The definite outcome, what it could still rise to, and exactly the facts that made it so.

    Pure: the same policy and facts give the same outcome. A worse fact, or an answer that is missing where one was,
    never gives a milder one.
    """
    reading = policy.encoder.read(policy, facts)
    verdict = decide(policy, reading.vector)
    fired = [rule for number, rule in enumerate(policy.rules) if verdict.fired >> number & 1]
    actions = dict.fromkeys(action for rule in fired for action in rule.actions)
    rising = [
        (rule, explain_possible(policy, reading, rule))
        for number, rule in enumerate(policy.rules)
        if (verdict.possible & ~verdict.fired) >> number & 1
        and (rule.level > verdict.level or rule.rag > verdict.rag or not actions.keys() >= set(rule.actions))
    ]
    rag, raised_for = _gap(policy, facts, reading, verdict)
    questions = {one for _, findings in rising for one in findings.questions}
    waiting = facts.awaited() & {agency for _, findings in rising for agency in findings.agencies}
    return Outcome.model_construct(
        policy=policy.fingerprint,
        evaluator=EVALUATOR,
        level=verdict.level,
        rag=rag,
        rag_raised_for=raised_for,
        could_rise_to=verdict.could_rise_to,
        rag_could_rise_to=max(rag, verdict.rag_could_rise_to),
        immediate=verdict.immediate,
        fired=tuple(_fired(policy, reading, rule) for rule in fired),
        possible=_possible(rising),
        partly_met=tuple(
            _partly_met(policy, rule, findings) for rule, findings in rising if findings.evidence
        ),
        missing=tuple(dict.fromkeys(fact for _, findings in rising for fact in findings.missing)),
        waiting_on=tuple(sorted(waiting)),
        questions=_questions(policy, reading, questions),
        actions=tuple(actions),
        possible_actions=tuple(
            dict.fromkeys(action for rule, _ in rising for action in rule.actions if action not in actions)
        ),
    )


def _gap(
    policy: Policy, facts: ChildFacts, reading: Reading, verdict: Verdict
) -> tuple[Rag, tuple[str, ...]]:
    """The urgency with what is overdue taken at its worst, as far as the dictionary lets that gap raise it."""
    overdue = facts.overdue()
    vector, encoder = reading.vector, policy.encoder
    gap = list(vector.definite)
    sources: dict[str, set[str]] = {}

    def worst(name: str, source: str) -> None:
        place = encoder.places[name]
        # What one statement settles is no gap, whoever else is silent.
        if vector.possible[place] > vector.definite[place]:
            gap[place] = vector.possible[place]
            sources.setdefault(name, set()).add(source)

    for one in encoder.definitions if overdue else ():
        for source in one.gap_raises & overdue:
            worst(one.name, source)
    for number, decisive in enumerate(policy.decisive):
        for name in decisive.ask if reading.asked >> number & 1 else ():
            if REFERRER in policy.dictionary.definitions[name].gap_raises:
                worst(name, REFERRER)
    if not sources:
        return verdict.rag, ()
    held, _ = policy.program.judge(gap, gap)
    raised = min(policy.floors.rag(held), GAP_CEILING)
    if raised <= verdict.rag:
        return verdict.rag, ()
    raising = [
        rule
        for number, rule in enumerate(policy.rules)
        if (held & ~verdict.fired) >> number & 1 and rule.rag > verdict.rag
    ]
    named = {source for rule in raising for name in rule.reads for source in sources.get(name, ())}
    return raised, tuple(sorted(named))


class _Group(NamedTuple):
    level: Level
    rag: Rag
    agencies: tuple[str, ...]
    questions: tuple[str, ...]


def _possible(rising: Iterable[tuple[Rule, Findings]]) -> tuple[PossibleRise, ...]:
    groups: dict[_Group, list[str]] = {}
    for rule, findings in rising:
        key = _Group(rule.level, rule.rag, tuple(findings.agencies), tuple(findings.questions))
        groups.setdefault(key, []).append(rule.id)
    return tuple(
        PossibleRise.model_construct(**key._asdict(), rules=tuple(rules)) for key, rules in groups.items()
    )


def _questions(policy: Policy, reading: Reading, needed: Iterable[str]) -> tuple[DecisiveQuestion, ...]:
    return tuple(
        DecisiveQuestion.model_construct(
            decisive=one.id,
            why=one.why,
            facts=tuple(name for name in one.ask if policy.encoder.places[name] not in reading.statements),
        )
        for number, one in enumerate(policy.decisive)
        if one.id in needed and reading.asked >> number & 1
    )


def _fired(policy: Policy, reading: Reading, rule: Rule) -> FiredRule:
    findings = explain_fired(policy, reading, rule)
    return FiredRule.model_construct(
        rule=rule.id,
        title=rule.title,
        citation=rule.citation,
        sentence=rule.sentence,
        level=rule.level,
        rag=rule.rag,
        immediate=rule.immediate,
        actions=rule.actions,
        evidence=tuple(_evidence(policy, stated) for stated in findings.evidence.values()),
        assumed=tuple(findings.assumed),
    )


def _partly_met(policy: Policy, rule: Rule, findings: Findings) -> PartlyMet:
    return PartlyMet.model_construct(
        rule=rule.id,
        evidence=tuple(_evidence(policy, stated) for stated in findings.evidence.values()),
        missing=tuple(findings.missing),
        agencies=tuple(findings.agencies),
        questions=tuple(findings.questions),
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
