"""Why an evaluation came out as it did, for whoever reads it: each rule that fired or could, in English.

What was stored with the evaluation is shown as it was stored; titles, sentences and questions of the rules that could
still fire come from the policy that it names.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta

from pydantic import Field

from libs.schemas.base import FactName, Identifier, Instant, IsoDate, Model, Open
from libs.schemas.evaluation import (
    DecisiveQuestion,
    Evaluation,
    Evidence,
    Outcome,
    PartlyMet,
    PossibleRise,
    Trigger,
)
from libs.schemas.findings import AgencyState, Basis, FactValue, Period
from libs.schemas.levels import Level, Rag
from services.triage.policy import Policy
from services.triage.standing import AgencyStanding
from services.triage.wording import silence

NOBODY: Mapping[str, AgencyStanding] = {}


class EvidenceShown(Model):
    """A statement that supports a rule."""

    fact: FactName
    label: str
    value: FactValue
    source: Identifier = Field(description="`referrer`, an agency's id, `derived` or `staff`.")
    basis: Open[Basis]
    period: Open[Period]
    on: IsoDate | None = Field(None, description="The day that it was seen or recorded.")
    days_old: int | None = Field(
        None, description="How old it was when it was evaluated, where the day is known."
    )


class MissingShown(Model):
    """A fact that is not known and that would make a rule hold."""

    fact: FactName
    label: str
    question: str = Field(description="As a form would ask it.")
    agencies: tuple[Identifier, ...] = Field((), description="Silent agencies that could say so.")
    referrer: bool = Field(False, description="Whether the referrer could say so.")


class RuleShown(Model):
    """A rule that fired or could."""

    rule: str
    holds: bool = Field(description="True: on what is known. False: it could still, on what is missing.")
    title: str | None = Field(None, description="Absent where the policy's text is no longer here.")
    citation: str | None = None
    sentence: str | None = Field(None, description="The rule in English.")
    level: Level
    rag: Rag
    immediate: bool = False
    actions: tuple[str, ...] = ()
    evidence: tuple[EvidenceShown, ...] = ()
    assumed: tuple[FactName, ...] = Field((), description="Facts that count as met while they are unknown.")
    missing: tuple[MissingShown, ...] = ()


class SilenceShown(Model):
    """An agency that had not wholly answered when it was evaluated, and what its silence meant."""

    agency: Identifier
    state: Open[AgencyState]
    reason: str | None = None
    words: str


class Explanation(Model):
    """Why one evaluation came out as it did."""

    number: int | None = Field(None, description="The evaluation's number; absent where nothing was stored.")
    at: Instant
    trigger: Open[Trigger] | None = None
    policy: str = Field(description="Fingerprint of the policy that was applied.")
    version: str | None = Field(None, description="The policy's own version.")
    level: Level
    rag: Rag
    could_rise_to: Level
    rag_could_rise_to: Rag
    rag_raised_for: tuple[Identifier, ...] = ()
    rules: tuple[RuleShown, ...] = Field(description="Those that hold, then those that could.")
    questions: tuple[DecisiveQuestion, ...] = ()
    waiting_on: tuple[Identifier, ...] = ()
    silences: tuple[SilenceShown, ...] = Field(
        (), description="What was unknown because an agency had not wholly answered."
    )
    actions: tuple[str, ...] = ()
    possible_actions: tuple[str, ...] = ()


def explain(
    evaluation: Evaluation,
    policy: Policy | None,
    on: date,
    agencies: Mapping[str, AgencyStanding] = NOBODY,
) -> Explanation:
    """The explanation of a stored evaluation; `on` is the day it was made, `policy` the one that it names, `agencies`
    what each agency's silence or answer meant then.
    """
    shown = explain_outcome(evaluation.outcome, policy, evaluation.at, on)
    silences = tuple(
        SilenceShown(agency=agency, state=one.state, reason=one.reason, words=silence(one.state, one.reason))
        for agency, one in sorted(agencies.items())
        if not one.spoken
    )
    return shown.model_copy(
        update={"number": evaluation.number, "trigger": evaluation.trigger, "silences": silences}
    )


def explain_outcome(outcome: Outcome, policy: Policy | None, at: Instant, on: date) -> Explanation:
    """The explanation of an outcome."""
    return Explanation(
        at=at,
        policy=outcome.policy,
        version=policy.version if policy is not None else None,
        level=outcome.level,
        rag=outcome.rag,
        could_rise_to=outcome.could_rise_to,
        rag_could_rise_to=outcome.rag_could_rise_to,
        rag_raised_for=outcome.rag_raised_for,
        rules=(*_fired(outcome, on), *_possible(outcome, policy, on)),
        questions=outcome.questions,
        waiting_on=outcome.waiting_on,
        actions=outcome.actions,
        possible_actions=outcome.possible_actions,
    )


def _fired(outcome: Outcome, on: date) -> Iterator[RuleShown]:
    for one in outcome.fired:
        yield RuleShown(
            rule=one.rule,
            holds=True,
            title=one.title,
            citation=one.citation,
            sentence=one.sentence,
            level=one.level,
            rag=one.rag,
            immediate=one.immediate,
            actions=one.actions,
            evidence=tuple(_evidence(each, on) for each in one.evidence),
            assumed=one.assumed,
        )


def _possible(outcome: Outcome, policy: Policy | None, on: date) -> Iterator[RuleShown]:
    rules = {rule.id: rule for rule in policy.rules} if policy is not None else {}
    partly = {one.rule: one for one in outcome.partly_met}
    for group in outcome.possible:
        for name in group.rules:
            rule, met = rules.get(name), partly.get(name)
            lacking = _lacking(outcome, group, met, rule.reads if rule is not None else ())
            yield RuleShown(
                rule=name,
                holds=False,
                title=rule.title if rule is not None else None,
                citation=rule.citation if rule is not None else None,
                sentence=rule.sentence if rule is not None else None,
                level=group.level,
                rag=group.rag,
                immediate=rule.immediate if rule is not None else False,
                actions=rule.actions if rule is not None else (),
                evidence=tuple(_evidence(each, on) for each in met.evidence) if met is not None else (),
                missing=tuple(_missing(fact, group, policy, outcome) for fact in lacking),
            )


def _lacking(
    outcome: Outcome, group: PossibleRise, met: PartlyMet | None, reads: Iterable[str]
) -> tuple[str, ...]:
    """The facts that a rule lacks: as stored where a part of it holds, else those that it reads and nobody states."""
    if met is not None:
        return met.missing
    read = set(reads)
    return tuple(fact for fact in outcome.missing if fact in read)


def _missing(fact: str, group: PossibleRise, policy: Policy | None, outcome: Outcome) -> MissingShown:
    definition = policy.dictionary.definitions.get(fact) if policy is not None else None
    asked = any(fact in one.facts for one in outcome.questions if one.decisive in group.questions)
    if definition is None:
        return MissingShown(fact=fact, label=fact, question="", agencies=group.agencies, referrer=asked)
    return MissingShown(
        fact=fact,
        label=definition.label,
        question=definition.question,
        agencies=tuple(agency for agency in group.agencies if agency in definition.sources),
        referrer=asked,
    )


def _evidence(one: Evidence, on: date) -> EvidenceShown:
    return EvidenceShown(
        fact=one.fact,
        label=one.label,
        value=one.value,
        source=one.source,
        basis=one.basis,
        period=one.period,
        on=one.on,
        days_old=max((on - one.on) // timedelta(days=1), 0) if one.on is not None else None,
    )
