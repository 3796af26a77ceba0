"""What follows for a case from all that is known of its child: the outcome, the urgency, and who must be told.

Everything is worked out anew from what is known, so that the order in which it became known changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Flag, auto
from typing import Any
from uuid import UUID, uuid5

from libs.schemas.base import Nothing, Payload
from libs.schemas.dictionary import DERIVED
from libs.schemas.evaluation import Evaluation, Evidence, FiredRule, Outcome, Trigger
from libs.schemas.levels import Rag
from services.triage.basis import child_facts, write_states
from services.triage.case import (
    OWN_CLOCKS,
    WAITED_FOR,
    Case,
    File,
    NewEvaluation,
    NewEvidence,
    Obliged,
    warning,
)
from services.triage.clocks.dues import rate, restart
from services.triage.derived.live import work_out
from services.triage.documents import WORDS, EvidenceKind, WorkedOut
from services.triage.known import SOCIAL_CARE
from services.triage.policy import StatedFact, evaluate
from services.triage.queue.tags import labels_of
from services.triage.standing import AgencyStanding
from services.triage.tasks.terms import AT_RISK, DUTY_TEAM, needs_duty_team
from services.triage.thresholds import Thresholds


class Change(Flag):
    """What others must be told after a step."""

    NONE = 0
    SCREENED = auto()
    ROUTED = auto()
    REOPENED = auto()


@dataclass(frozen=True, slots=True)
class Cause:
    """The event, or the person's act, that a step comes from."""

    event_id: UUID
    at: datetime
    """When the event was written."""
    now: datetime
    """When it is taken in."""


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What follows under one partnership's thresholds."""

    thresholds: Thresholds

    def refresh(self, case: Case) -> None:
        """Works out stage, team and urgency anew, from the row alone."""
        case.stage = case.standing()
        case.team = self.thresholds.teams.of(case)
        case.act_by = case.urgent_from()
        clocks = case.clocks()
        case.warns_at = {name: self.thresholds.clocks.warn_at(name, due) for name, due in clocks.items()}
        warnings = {warning(name, due) for name, due in clocks.items()}
        case.warned = tuple(
            one for one in case.warned if one in warnings or one.partition("/")[0] not in OWN_CLOCKS
        )

    def heard(self, file: File, agency: str, standing: AgencyStanding) -> None:
        """Takes what an agency's silence or answer means now."""
        file.agencies[agency] = standing
        file.new_states.add(agency)
        file.case.awaiting = awaited(file.agencies)

    def work_out(self, file: File, cause: Cause) -> list[StatedFact]:
        """Works out what counts for the child beside what is stated of it. What is new is kept as evidence, so that
        the evaluation can be derived anew. Gives what is said of its home and did not count before.
        """
        if file.given:
            return []
        case, known = file.case, file.known
        social_care = file.agencies.get(SOCIAL_CARE)
        found = work_out(
            self.thresholds.rulebook(case.received_at).dictionary,
            self.thresholds.clocks.day(case.received_at),
            known,
            [one.known for one in file.family if one.case is not case],
            social_care_spoke=social_care is not None and social_care.spoken,
        )
        before = known.worked_out
        if found == before:
            return []
        known.worked_out = found
        document = WorkedOut(shared=Nothing(), children={case.id: found})
        # One event may change what follows for a child more than once.
        once = Cause(uuid5(cause.event_id, f"worked-out/{case.evidence}"), cause.at, cause.now)
        keep(file, once, EvidenceKind.WORKED_OUT, DERIVED, document)
        return [StatedFact(one.fact, one.source) for one in found.home if one not in before.home]

    def spread(self, family: Sequence[File], cause: Cause) -> list[tuple[File, Change]]:
        """What has become known of one child may count for its brothers and sisters: they are evaluated anew where it
        does. Nothing that follows for one of them alone goes on to another, so once round is enough.
        """
        changes = []
        for file in family:
            before = file.known.worked_out
            fresh = self.work_out(file, cause)
            if file.known.worked_out is not before:
                once = Cause(uuid5(cause.event_id, f"family/{file.case.evaluation}"), cause.at, cause.now)
                danger = self.evaluate(file, Trigger.FAMILY, once, fresh)
                changes.append((file, self.follow(file, once, danger)))
        return changes

    def evaluate(self, file: File, trigger: Trigger, cause: Cause, fresh: Sequence[StatedFact] = ()) -> bool:
        """Works out anew what follows from all that is known. True: what was said just now tells of danger."""
        case = file.case
        self.work_out(file, cause)
        rulebook = self.thresholds.rulebook(case.received_at)
        facts = child_facts(rulebook.dictionary, file.known, file.agencies)
        outcome = evaluate(rulebook.policy, facts)
        new_danger = outcome.immediate and not case.immediate_danger
        case.immediate_danger |= outcome.immediate
        placement = rulebook.placement(outcome.level, file.known)
        file.placement = placement
        case.level, case.could_rise_to = placement.level, max(placement.level, outcome.could_rise_to)
        rag = Rag.RED if case.immediate_danger else outcome.rag
        if rag is not case.rag or case.rag_due_at is None:
            case.rag = rag
            rate(self.thresholds.clocks, case, cause.now)
        case.labels = labels_of(rulebook.dictionary, facts.stated)
        case.evaluation += 1
        case.changed = True
        obliged = [action for action in outcome.actions if action not in case.actions]
        case.actions += tuple(obliged)
        for action in obliged:
            self.oblige(file, action, case.id, cause.at)
        evaluation = Evaluation.model_construct(
            number=case.evaluation, at=cause.now, trigger=trigger, event_id=cause.event_id, outcome=outcome
        )
        states = write_states(file.agencies)
        file.new_evaluations.append(NewEvaluation(evaluation, case.evidence, facts, states))
        if case.decision == 0:
            return new_danger
        # Whoever decided had the earlier statements before them, and did what these oblige to.
        said_anew = _resting_on(outcome, fresh)
        again = dict.fromkeys(
            action for rule in said_anew for action in rule.actions if action not in obliged
        )
        for action in again:
            self.oblige(file, action, about(case, cause), cause.at)
        return new_danger or any(rule.immediate for rule in said_anew)

    def oblige(self, file: File, kind: str, about: UUID, since: datetime) -> None:
        """Asks for something to be done beside deciding, once for what it is about. Its clock runs from when the hub
        was told, however late that is taken in.
        """
        due = self.thresholds.task_due(kind, file.case.received_at, since)
        self.ask(file, Obliged(kind, about, due))

    def ask(self, file: File, wanted: Obliged) -> None:
        """Asks for something to be done. A referral that was closed is open until it is."""
        file.new_actions.append(wanted)
        self.open_again(file)

    def out_of_hours(self, file: File, cause: Cause, again: bool = False) -> None:
        """Obliges to hand a red case that waits for its decision to the Emergency Duty Team where the hub is closed, or
        will close before its target is up. `again`: danger was told after a decision, which asks for it anew.
        """
        case, hub = file.case, self.thresholds.clocks
        if case.rag is not Rag.RED or case.decided or case.stub:
            return
        if not needs_duty_team(hub, cause.now, hub.target(Rag.RED, cause.now)):
            return
        if DUTY_TEAM not in case.actions:
            case.actions += (DUTY_TEAM,)
            case.changed = True
            self.oblige(file, DUTY_TEAM, case.id, cause.now)
        elif again and all(one.kind != DUTY_TEAM for one in file.new_actions):
            self.oblige(file, DUTY_TEAM, about(case, cause), cause.now)

    def follow(self, file: File, cause: Cause, danger: bool = False) -> Change:
        """Whom the step concerns: those who ask further, those who decide, or those who decided.

        `danger`: what was said just now tells of danger. It puts a decision at risk though nothing rises.
        """
        case = file.case
        raised = case.level > case.announced_level or case.rag > case.announced_rag
        reopened = (raised and case.routed_at is not None) or ((raised or danger) and case.decision > 0)
        if reopened and case.decision > 0:
            self._put_before_them(file, cause)
            self.put_at_risk(file, cause)
        self.settle(file)
        self.out_of_hours(file, cause, reopened and case.decision > 0)
        change = Change.NONE
        if case.unrouted and not case.withheld and not case.decided:
            case.unrouted, case.routed_at = False, cause.now
            change |= Change.ROUTED
        if raised:
            # Whoever asks the agencies reads no other event, and a rise permits more questions.
            change |= Change.SCREENED
        if reopened:
            case.reopened_at = cause.now
            change |= Change.REOPENED
        if change:
            case.announced_level = max(case.level, case.announced_level)
            case.announced_rag = max(case.rag, case.announced_rag)
        return change

    def put_at_risk(self, file: File, cause: Cause) -> None:
        """What was decided must be looked at again: the decision stays on record, and a clock of its own runs."""
        restart(self.thresholds.clocks, file.case, cause.at, cause.now)
        file.case.at_risk = True
        self.open_again(file)

    def open_again(self, file: File) -> None:
        """Something is to be done about this child: its referral is open, whatever was closed before."""
        for case, _ in file.family or [file.kin]:
            if case.closed_at is not None:
                case.closed_at, case.changed = None, True
                self.refresh(case)

    def _put_before_them(self, file: File, cause: Cause) -> None:
        """The decision is at risk: whoever decided looks again, and so does a manager; once for each decision."""
        subject = uuid5(file.case.id, f"at-risk/{file.case.decision}")
        for kind in AT_RISK:
            self.oblige(file, kind, subject, cause.now)

    def settle(self, file: File) -> None:
        """Takes the recommended destination, where the checks are complete."""
        case = file.case
        if case.completed_at is not None and file.placement is not None:
            case.destination = file.placement.destination
        self.refresh(case)


def awaited(agencies: Mapping[str, AgencyStanding]) -> tuple[str, ...]:
    """The agencies that were asked and have not spoken."""
    return tuple(sorted(name for name, standing in agencies.items() if standing.state in WAITED_FOR))


def _resting_on(outcome: Outcome, fresh: Sequence[StatedFact]) -> list[FiredRule]:
    """The rules that these statements, perhaps with others, make true."""
    said = [
        (one.source, one.fact.fact, one.fact.value, one.fact.basis, one.fact.period, one.fact.on)
        for one in fresh
    ]

    def is_fresh(one: Evidence) -> bool:
        return (one.source, one.fact, one.value, one.basis, one.period, one.on) in said

    return [rule for rule in outcome.fired if any(is_fresh(one) for one in rule.evidence)]


def about(case: Case, cause: Cause) -> UUID:
    """Names what a step brought to a case: the same for the same event."""
    return uuid5(case.id, cause.event_id.hex)


def keep(file: File, cause: Cause, kind: EvidenceKind, source: str, document: Payload[Any, Any]) -> None:
    """Adds a piece of evidence."""
    case = file.case
    case.evidence += 1
    case.answers += kind not in WORDS
    case.changed = True
    file.new_evidence.append(NewEvidence(case.evidence, cause.event_id, kind, source, cause.at, document))
