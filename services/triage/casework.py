"""What happens to a child's case when something becomes known: pure, over the case and the thresholds.

Each step takes a file, adds evidence and evaluations to it, and says what others must be told. Facts are joined and
never replaced, and everything that follows from them is worked out anew, so that the order in which independent
producers' events arrive changes nothing in the end.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Flag, auto
from typing import Any
from uuid import UUID

from libs.schemas.base import Nothing, Payload
from libs.schemas.dictionary import DERIVED, REFERRER, STAFF
from libs.schemas.evaluation import Evaluation, Trigger
from libs.schemas.events import (
    AddedInformation,
    CheckReturned,
    CompletedChecks,
    InformationAdded,
    Received,
    Reference,
    Withdrawn,
)
from libs.schemas.findings import PARTLY_UNDERSTOOD, AgencyState, Answer, Fact
from libs.schemas.levels import Rag
from libs.schemas.referral import ChildInformation, ReferredChild
from services.triage.case import SPOKEN, AgencyStanding, Case, File, Known, NewEvidence
from services.triage.documents import EvidenceKind, Reading, RecordedReading, Stated, StatedChild
from services.triage.facts import agreed, danger_fact, stated_by_referrer
from services.triage.policy import ChildFacts, StatedFact, evaluate
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
class Casework:
    """The steps of a case under one partnership's thresholds."""

    thresholds: Thresholds

    def open(
        self,
        cause: Cause,
        *,
        referral_id: UUID,
        child_id: UUID,
        number: int,
        received: Received,
        child: ReferredChild | None,
        trace: str | None,
    ) -> File:
        """A case for one child of a referral, screened on what the referrer said.

        `child` is None where the child's part can no longer be read.
        """
        clocks, shared = self.thresholds.clocks, received.shared
        case = Case(
            id=child_id,
            referral_id=referral_id,
            reference=shared.reference,
            child_number=number,
            received_at=shared.received_at,
            due_at=clocks.decision_due(shared.received_at),
            team=self.thresholds.teams.duty,
            trace=trace,
        )
        pending = {agency: AgencyStanding(AgencyState.PENDING) for agency in self.thresholds.agencies}
        file = File(case, agencies=pending, changed=True)
        file.new_states.update(pending)
        stated = StatedChild()
        if child is not None:
            stated = stated_by_referrer(shared.referral, child, shared.received_at.date())
        document = Stated(shared=Nothing(), children={child_id: stated})
        _keep(file, cause, EvidenceKind.RECEIVED, REFERRER, document)
        learn_stated(file.known, stated)
        if not stated.facts:
            self._await_reader(file, shared.received_at)
        file.case.immediate_danger |= stated.immediate_danger
        self._evaluate(file, Trigger.RECEIVED, cause)
        case.announced_level, case.announced_rag = case.level, case.rag
        self._settle(file)
        return file

    def answer(self, file: File, cause: Cause, about: Reference, answer: Answer) -> Change:
        """An agency answered, or said why it does not. Each answer is evaluated once."""
        document = CheckReturned(shared=about, children={file.case.id: answer})
        _keep(file, cause, EvidenceKind.ANSWER, answer.agency, document)
        learn_answer(file.known, answer)
        standing = AgencyStanding(
            answer.state, answer.reason, answer.asked_at, answer.due_at, answer.answered_at, answer.late
        )
        self._heard(file, answer.agency, standing)
        self._evaluate(file, Trigger.ANSWER, cause)
        return self._follow(file, cause)

    def complete(self, file: File, cause: Cause, checks: CompletedChecks) -> Change:
        """All agencies have answered, or their time is up: the case goes to a decision queue."""
        case = file.case
        before = {agency: standing.state for agency, standing in file.agencies.items()}
        for agency, state in checks.states.items():
            known = file.agencies.get(agency)
            if known is None:
                self._heard(file, agency, AgencyStanding(state))
            elif known.state != state:
                known_times = (known.asked_at, known.due_at or checks.due_at, known.answered_at, known.late)
                self._heard(file, agency, AgencyStanding(state, None, *known_times))
        if before != {agency: standing.state for agency, standing in file.agencies.items()}:
            self._evaluate(file, Trigger.COMPLETED, cause)
        else:
            file.placement = self.thresholds.placement(case.level, file.known)
        case.completed_at = case.completed_at or cause.at
        case.unrouted = not case.decided
        file.changed = True
        return self._follow(file, cause)

    def information(
        self, file: File, cause: Cause, shared: AddedInformation, child: ChildInformation | None
    ) -> Change:
        """The referrer added something; words without facts wait for a person to read them."""
        children = {} if child is None else {file.case.id: child}
        document = InformationAdded(shared=shared, children=children)
        _keep(file, cause, EvidenceKind.INFORMATION, REFERRER, document)
        learn_information(file.known, shared, child)
        said = child.facts if child is not None else ()
        words = shared.worry or shared.danger_reason or (child and (child.voice or child.whereabouts))
        if words and not said:
            self._await_reader(file, shared.received_at)
        file.case.immediate_danger |= shared.immediate_danger
        self._evaluate(file, Trigger.INFORMATION, cause)
        change = self._follow(file, cause)
        # Told even where nothing rises: intake raises an alarm for added danger that nobody has seen.
        return change | Change.SCREENED if shared.immediate_danger else change

    def withdraw(self, file: File, cause: Cause, withdrawn: Withdrawn) -> None:
        """The referrer withdrew: kept and shown. It closes, lowers and pauses nothing."""
        _keep(file, cause, EvidenceKind.WITHDRAWAL, REFERRER, withdrawn)
        file.case.withdrawn_at = file.case.withdrawn_at or withdrawn.shared.received_at

    def read(self, file: File, cause: Cause, reading: Reading) -> Change:
        """A person read the referrer's words, and stated as facts what they found in them."""
        document = RecordedReading(shared=Nothing(), children={file.case.id: reading})
        _keep(file, cause, EvidenceKind.READING, STAFF, document)
        learn_reading(file.known, reading)
        file.case.unread = False
        file.case.immediate_danger |= reading.immediate_danger
        self._evaluate(file, Trigger.STAFF, cause)
        return self._follow(file, cause)

    def repair(self, file: File, cause: Cause) -> Change:
        """Checks never completed: the case goes on with what is known, and what is missing stays unknown."""
        self._evaluate(file, Trigger.REPAIR, cause)
        file.case.completed_at = cause.now
        file.case.unrouted = not file.case.decided
        return self._follow(file, cause)

    def decided(self, file: File, number: int) -> None:
        """A person decided, having the referrer's words before them."""
        case = file.case
        case.decision, case.at_risk = number, False
        case.unread = case.unrouted = False
        case.announced_level, case.announced_rag = case.level, case.rag
        file.changed = True
        self.refresh(case)

    def danger(self, case: Case) -> None:
        """A message about this child is blocked and tells of immediate danger: nobody waits for it."""
        case.immediate_danger = True
        case.rag, case.rag_due_at = Rag.RED, self.thresholds.clocks.target(Rag.RED, case.received_at)
        self.refresh(case)

    def refresh(self, case: Case) -> None:
        """Works out stage, team and urgency anew, from the row alone."""
        case.stage = case.standing()
        case.team = self.thresholds.teams.of(case)
        case.act_by = case.urgent_from()

    def _await_reader(self, file: File, since: datetime) -> None:
        case = file.case
        if not case.unread or case.read_due_at is None:
            case.read_due_at = self.thresholds.clocks.read_due(since)
        case.unread = True

    def _heard(self, file: File, agency: str, standing: AgencyStanding) -> None:
        known = file.agencies.get(agency)
        if known is not None and known.state in SPOKEN and standing.state not in SPOKEN:
            return
        file.agencies[agency] = standing
        file.new_states.add(agency)

    def _evaluate(self, file: File, trigger: Trigger, cause: Cause) -> None:
        case = file.case
        states = {agency: standing.state for agency, standing in file.agencies.items()}
        partly = frozenset(
            agency for agency, standing in file.agencies.items() if standing.reason == PARTLY_UNDERSTOOD
        )
        outcome = evaluate(self.thresholds.policy, ChildFacts(tuple(file.known.stated), states, partly))
        case.immediate_danger |= outcome.immediate
        placement = self.thresholds.placement(outcome.level, file.known)
        file.placement = placement
        case.level, case.could_rise_to = placement.level, max(placement.level, outcome.could_rise_to)
        rag = Rag.RED if case.immediate_danger else outcome.rag
        if rag is not case.rag or case.rag_due_at is None:
            case.rag, case.rag_due_at = rag, self.thresholds.clocks.target(rag, case.received_at)
        case.evaluation += 1
        file.changed = True
        for action in outcome.actions:
            if action not in case.actions:
                case.actions += (action,)
                file.new_actions.append(action)
        file.new_evaluations.append(
            Evaluation.model_construct(
                number=case.evaluation,
                at=cause.now,
                trigger=trigger,
                event_id=cause.event_id,
                outcome=outcome,
            )
        )

    def _follow(self, file: File, cause: Cause) -> Change:
        """Whom the step concerns: those who ask further, those who decide, or those who decided."""
        case = file.case
        raised = case.level > case.announced_level or case.rag > case.announced_rag
        asked = case.routed_at is not None or case.decision > 0
        if raised and case.decision > 0:
            case.at_risk = True
            case.due_at = self.thresholds.clocks.decision_due(cause.now)
        self._settle(file)
        change = Change.NONE
        if case.unrouted and not case.withheld and not case.decided:
            case.unrouted, case.routed_at = False, cause.now
            change |= Change.ROUTED
        if raised and asked:
            case.reopened_at = cause.now
            change |= Change.REOPENED
        elif raised and not change:
            change = Change.SCREENED
        if change:
            case.announced_level = max(case.level, case.announced_level)
            case.announced_rag = max(case.rag, case.announced_rag)
        return change

    def _settle(self, file: File) -> None:
        case = file.case
        if case.completed_at is not None and file.placement is not None:
            case.destination = file.placement.destination
        self.refresh(case)


def learn_stated(known: Known, stated: StatedChild) -> None:
    """Adds what the referral says."""
    _add(known, REFERRER, stated.facts)
    _add(known, DERIVED, stated.derived)
    if stated.immediate_danger:
        _add(known, REFERRER, (danger_fact(),))
    known.early_help, known.panel = stated.early_help, stated.panel
    known.closing_plan |= stated.closing_plan


def learn_answer(known: Known, answer: Answer) -> None:
    """Adds what an agency said."""
    _add(known, answer.agency, answer.facts)


def learn_information(known: Known, shared: AddedInformation, child: ChildInformation | None) -> None:
    """Adds what the referrer said later; a later answer about an agreement is the family's present one."""
    if child is not None:
        _add(known, REFERRER, child.facts)
    if shared.immediate_danger:
        _add(known, REFERRER, (danger_fact(),))
    early_help, panel = agreed(shared.agreements)
    known.early_help = early_help or known.early_help
    known.panel = panel or known.panel


def learn_reading(known: Known, reading: Reading) -> None:
    """Adds what a member of staff found in the referrer's words."""
    _add(known, STAFF, reading.facts)
    if reading.immediate_danger:
        _add(known, STAFF, (danger_fact(),))


def _add(known: Known, source: str, facts: Iterable[Fact]) -> None:
    known.stated.extend(StatedFact(fact, source) for fact in facts)


def _keep(file: File, cause: Cause, kind: EvidenceKind, source: str, document: Payload[Any, Any]) -> None:
    case = file.case
    case.evidence += 1
    case.answers += kind is EvidenceKind.ANSWER
    file.changed = True
    file.new_evidence.append(NewEvidence(case.evidence, cause.event_id, kind, source, cause.at, document))
