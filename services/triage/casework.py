"""What happens to a child's case when something becomes known: pure, over the case and the thresholds.

Each step takes a file, adds evidence and evaluations to it, and says what others must be told. Facts are joined and
never replaced, and everything that follows from them is worked out anew, so that the order in which independent
producers' events arrive changes nothing in the end.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Flag, auto
from typing import Any
from uuid import UUID, uuid5

from libs.schemas.base import Nothing, Payload
from libs.schemas.dictionary import DERIVED, REFERRER, STAFF
from libs.schemas.evaluation import Evaluation, Evidence, FiredRule, Outcome, Trigger
from libs.schemas.events import (
    AddedInformation,
    CheckReturned,
    CompletedChecks,
    InformationAdded,
    Received,
    Reference,
    Withdrawn,
)
from libs.schemas.findings import AgencyState, Answer, Fact
from libs.schemas.levels import Rag
from libs.schemas.referral import ChildInformation, ReferredChild
from services.triage.basis import child_facts
from services.triage.case import (
    SPOKEN,
    WAITED_FOR,
    AgencyStanding,
    Case,
    File,
    Known,
    NewEvaluation,
    NewEvidence,
    Obliged,
)
from services.triage.derived.background import NOTHING_ON_RECORD, Record
from services.triage.documents import EvidenceKind, Reading, RecordedReading, Stated, StatedChild
from services.triage.facts import agreed, danger_fact, stated_by_referrer
from services.triage.policy import StatedFact, evaluate
from services.triage.queue.tags import labels_of
from services.triage.thresholds import Thresholds

LOOK_AT_NEWS = "look_at_new_information"
"""The task that information leaves which changes nothing on a decided case: a person looks at it all the same."""


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
        record: Record = NOTHING_ON_RECORD,
    ) -> File:
        """A case for one child of a referral, screened on what the referrer said and what is on record already.

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
        rulebook = self.thresholds.rulebook(case.received_at)
        pending = {agency: AgencyStanding(AgencyState.PENDING) for agency in rulebook.agencies}
        file = File(case, agencies=pending, changed=True)
        case.awaiting = _awaited(pending)
        file.new_states.update(pending)
        stated = StatedChild()
        if child is not None:
            others = (one for key, one in received.children.items() if key != child_id)
            day = clocks.day(shared.received_at)
            stated = stated_by_referrer(rulebook.dictionary, shared.referral, child, day, others, record)
        document = Stated(shared=Nothing(), children={child_id: stated})
        _keep(file, cause, EvidenceKind.RECEIVED, REFERRER, document)
        learn_stated(file.known, stated)
        file.known.stated.extend(record.stated)
        case.unread, due = True, clocks.read_due(shared.received_at)
        case.read_due_at, case.narrative_due_at = (None, due) if stated.facts else (due, None)
        case.immediate_danger |= stated.immediate_danger
        if child is not None and child.address is not None:
            case.locality = rulebook.places.locality(child.address.postcode)
        self._evaluate(file, Trigger.RECEIVED, cause)
        case.announced_level, case.announced_rag = case.level, case.rag
        self._settle(file)
        return file

    def answer(self, file: File, cause: Cause, about: Reference, answer: Answer) -> Change:
        """An agency answered, or said why it does not. Each answer is evaluated once."""
        document = CheckReturned(shared=about, children={file.case.id: answer})
        _keep(file, cause, EvidenceKind.ANSWER, answer.agency, document)
        fresh = _learnt(file.known, lambda known: learn_answer(known, answer))
        standing = AgencyStanding(
            answer.state, answer.reason, answer.asked_at, answer.due_at, answer.answered_at, answer.late
        )
        self._heard(file, answer.agency, standing)
        return self._follow(file, cause, self._evaluate(file, Trigger.ANSWER, cause, fresh))

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
            file.placement = self.thresholds.rulebook(case.received_at).placement(case.level, file.known)
        case.completed_at = case.completed_at or cause.at
        case.unrouted = not case.decided
        file.changed = True
        return self._follow(file, cause)

    def information(
        self, file: File, cause: Cause, shared: AddedInformation, child: ChildInformation | None
    ) -> Change:
        """The referrer added something. It counts whatever was decided: words wait for a person to read them, and
        on a decided case what changes nothing is looked at.
        """
        children = {} if child is None else {file.case.id: child}
        document = InformationAdded(shared=shared, children=children)
        _keep(file, cause, EvidenceKind.INFORMATION, REFERRER, document)
        fresh = _learnt(file.known, lambda known: learn_information(known, shared, child))
        case, clocks = file.case, self.thresholds.clocks
        if shared.worry or shared.danger_reason or (child and (child.voice or child.whereabouts)):
            case.unread = True
            case.read_due_at = case.read_due_at or clocks.read_due(shared.received_at)
        case.immediate_danger |= shared.immediate_danger
        danger = self._evaluate(file, Trigger.INFORMATION, cause, fresh) or shared.immediate_danger
        change = self._follow(file, cause, danger)
        if case.decided and not case.unread and (fresh or shared.agreements is not None):
            news = Obliged(LOOK_AT_NEWS, _about(case, cause), clocks.read_due(cause.now))
            file.new_actions.append(news)
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
        fresh = _learnt(file.known, lambda known: learn_reading(known, reading))
        self._read(file.case)
        file.case.immediate_danger |= reading.immediate_danger
        danger = self._evaluate(file, Trigger.STAFF, cause, fresh) or reading.immediate_danger
        return self._follow(file, cause, danger)

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
        case.unrouted = False
        self._read(case)
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

    def _read(self, case: Case) -> None:
        case.unread, case.read_due_at, case.narrative_due_at = False, None, None

    def _heard(self, file: File, agency: str, standing: AgencyStanding) -> None:
        known = file.agencies.get(agency)
        if known is not None and known.state in SPOKEN and standing.state not in SPOKEN:
            return
        file.agencies[agency] = standing
        file.new_states.add(agency)
        file.case.awaiting = _awaited(file.agencies)

    def _evaluate(self, file: File, trigger: Trigger, cause: Cause, fresh: Sequence[StatedFact] = ()) -> bool:
        """Works out anew what follows from all that is known. True: what was said just now tells of danger."""
        case = file.case
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
            case.rag, case.rag_due_at = rag, self.thresholds.clocks.target(rag, case.received_at)
        case.labels = labels_of(rulebook.dictionary, facts.stated)
        case.evaluation += 1
        file.changed = True
        obliged = [action for action in outcome.actions if action not in case.actions]
        case.actions += tuple(obliged)
        file.new_actions += [Obliged(action, case.id) for action in obliged]
        evaluation = Evaluation.model_construct(
            number=case.evaluation, at=cause.now, trigger=trigger, event_id=cause.event_id, outcome=outcome
        )
        file.new_evaluations.append(NewEvaluation(evaluation, case.evidence, facts))
        if case.decision == 0:
            return new_danger
        # Whoever decided had the earlier statements before them, and did what these oblige to.
        said_anew = _resting_on(outcome, fresh)
        due_at = self.thresholds.clocks.target(rag, cause.now)
        again = dict.fromkeys(
            action for rule in said_anew for action in rule.actions if action not in obliged
        )
        file.new_actions += [Obliged(action, _about(case, cause), due_at) for action in again]
        return new_danger or any(rule.immediate for rule in said_anew)

    def _follow(self, file: File, cause: Cause, danger: bool = False) -> Change:
        """Whom the step concerns: those who ask further, those who decide, or those who decided.

        `danger`: what was said just now tells of danger. It puts a decision at risk though nothing rises.
        """
        case = file.case
        raised = case.level > case.announced_level or case.rag > case.announced_rag
        reopened = (raised and case.routed_at is not None) or ((raised or danger) and case.decision > 0)
        if reopened and case.decision > 0:
            case.at_risk = True
            case.due_at = self.thresholds.clocks.decision_due(cause.now)
        self._settle(file)
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

    def _settle(self, file: File) -> None:
        case = file.case
        if case.completed_at is not None and file.placement is not None:
            case.destination = file.placement.destination
        self.refresh(case)


def _awaited(agencies: Mapping[str, AgencyStanding]) -> tuple[str, ...]:
    return tuple(sorted(name for name, standing in agencies.items() if standing.state in WAITED_FOR))


def learn_stated(known: Known, stated: StatedChild) -> None:
    """Adds what the referral says."""
    _add(known, REFERRER, (*stated.facts, *stated.shared))
    _add(known, DERIVED, stated.derived)
    if stated.immediate_danger:
        _add(known, REFERRER, (danger_fact(),))
    known.early_help, known.panel = stated.early_help, stated.panel
    known.closing_plan |= stated.closing_plan
    known.household, known.speaks_for = stated.household, stated.speaks_for


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


def _learnt(known: Known, learn: Callable[[Known], None]) -> Sequence[StatedFact]:
    before = len(known.stated)
    learn(known)
    return known.stated[before:]


def _resting_on(outcome: Outcome, fresh: Sequence[StatedFact]) -> list[FiredRule]:
    """The rules that these statements, perhaps with others, make true."""
    said = [
        (one.source, one.fact.fact, one.fact.value, one.fact.basis, one.fact.period, one.fact.on)
        for one in fresh
    ]

    def is_fresh(one: Evidence) -> bool:
        return (one.source, one.fact, one.value, one.basis, one.period, one.on) in said

    return [rule for rule in outcome.fired if any(is_fresh(one) for one in rule.evidence)]


def _about(case: Case, cause: Cause) -> UUID:
    return uuid5(case.id, cause.event_id.hex)


def _add(known: Known, source: str, facts: Iterable[Fact]) -> None:
    known.stated.extend(StatedFact(fact, source) for fact in facts)


def _keep(file: File, cause: Cause, kind: EvidenceKind, source: str, document: Payload[Any, Any]) -> None:
    case = file.case
    case.evidence += 1
    case.answers += kind is EvidenceKind.ANSWER
    file.changed = True
    file.new_evidence.append(NewEvidence(case.evidence, cause.event_id, kind, source, cause.at, document))
