"""What happens to a child's case when something becomes known: pure, over the case and the thresholds.

Each step takes a file, adds evidence and evaluations to it, and says what others must be told. Facts are joined and
never replaced, and everything that follows from them is worked out anew, so that the order in which independent
producers' events arrive changes nothing in the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from libs.schemas.base import Nothing
from libs.schemas.codes import ChildStatus
from libs.schemas.dictionary import REFERRER, STAFF
from libs.schemas.evaluation import Trigger
from libs.schemas.events import (
    AddedInformation,
    CheckCorrected,
    CheckReturned,
    CompletedChecks,
    CorrectedPeople,
    InformationAdded,
    PeopleCorrected,
    PersonLinked,
    Received,
    Reference,
    Withdrawn,
)
from libs.schemas.findings import AgencyState, Answer, Correction
from libs.schemas.levels import Destination, Level, Rag
from libs.schemas.people import Band, Linked
from libs.schemas.referral import ChildInformation, ReferredChild
from services.triage.case import PASSED_ON, Case, File, Obliged
from services.triage.clocks.dues import rate, to_read, was_read
from services.triage.clocks.pauses import resumed
from services.triage.derived.background import NOTHING_ON_RECORD, Record
from services.triage.documents import (
    EvidenceKind,
    Reading,
    RecordedFinding,
    RecordedFindingChange,
    RecordedReading,
    Stated,
    StatedChild,
)
from services.triage.facts import stated_by_referrer
from services.triage.findings.finding import Finding, FindingChange, Told
from services.triage.known import (
    Known,
    learn_answer,
    learn_correction,
    learn_finding,
    learn_finding_change,
    learn_information,
    learn_link,
    learn_people,
    learn_reading,
    learn_stated,
)
from services.triage.placement.places import need_of
from services.triage.policy import StatedFact
from services.triage.reckoning import Cause, Change, Reckoning, about, awaited, keep
from services.triage.standing import NO_LONGER_SAID, SPOKEN, AgencyStanding, standing_of

LOOK_AT_NEWS = "look_at_new_information"
"""The task that information leaves which changes nothing on a decided case: a person looks at it all the same."""

IDENTIFY = "identify_child"
POSSIBLE_MATCH = "possible_match"
POSSIBLE_DUPLICATE = "possible_duplicate"

INDEX = "index"
"""The partnership's index of people, as the source of what it knows."""


@dataclass(frozen=True, slots=True)
class Casework(Reckoning):
    """The steps of a case under one partnership's thresholds."""

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
        family: list[File] | None = None,
        found_by: str | None = None,
        record: Record | None = None,
    ) -> File:
        """A case for one child of a referral, screened on what the referrer said and what is on record already.

        `child` is None where the child's part can no longer be read. `family`: the files of the referral's other
        children. `found_by`: who named a child that the referrer did not. `record`: everything else that is known,
        where nothing more is to be worked out.
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
            rules=clocks.fingerprint,
        )
        rulebook = self.thresholds.rulebook(case.received_at)
        pending = {agency: AgencyStanding(AgencyState.PENDING) for agency in rulebook.agencies}
        file = File(case, agencies=pending, given=record is not None)
        file.family = [*(one.kin for one in family or ()), file.kin]
        case.awaiting = awaited(pending)
        file.new_states.update(pending)
        stated = StatedChild()
        if child is not None:
            others = (one for key, one in received.children.items() if key != child_id)
            day = clocks.day(shared.received_at)
            stated = stated_by_referrer(
                rulebook.dictionary, shared.referral, child, day, others, record or NOTHING_ON_RECORD
            )
            if found_by is not None:
                stated = stated.model_copy(update={"source": found_by, "found": child})
            if child.status == ChildStatus.UNIDENTIFIED:
                self.oblige(file, IDENTIFY, case.id, cause.at)
        document = Stated(shared=Nothing(), children={child_id: stated})
        keep(file, cause, EvidenceKind.RECEIVED, found_by or REFERRER, document)
        learn_stated(file.known, stated)
        if record is not None:
            file.known.said += record.stated
        to_read(clocks, case, shared.received_at if found_by is None else cause.now, coded=bool(stated.facts))
        case.immediate_danger |= stated.immediate_danger
        if child is not None and child.address is not None:
            case.locality = rulebook.places.locality(child.address.postcode)
        self.evaluate(file, Trigger.RECEIVED if found_by is None else Trigger.FOUND, cause)
        case.announced_level, case.announced_rag = case.level, case.rag
        self.settle(file)
        self.out_of_hours(file, cause)
        return file

    def answer(self, file: File, cause: Cause, reference: Reference, answer: Answer) -> Change:
        """An agency answered, or said why it does not. Each answer is evaluated once."""
        document = CheckReturned(shared=reference, children={file.case.id: answer})
        keep(file, cause, EvidenceKind.ANSWER, answer.agency, document)
        fresh = learn_answer(file.known, answer)
        self.heard(file, answer.agency, _standing(file, answer.agency))
        return self.follow(file, cause, self.evaluate(file, Trigger.ANSWER, cause, fresh))

    def correct(self, file: File, cause: Cause, reference: Reference, correction: Correction) -> Change:
        """An agency corrects or takes back what it answered: the first answer stays on record and counts no more.

        What was decided stands; whoever decided is shown that something changed.
        """
        document = CheckCorrected(shared=reference, children={file.case.id: correction})
        keep(file, cause, EvidenceKind.CORRECTION, correction.agency, document)
        fresh = learn_correction(file.known, correction)
        self.heard(file, correction.agency, _standing(file, correction.agency))
        change = self.follow(file, cause, self.evaluate(file, Trigger.CORRECTED, cause, fresh))
        self._news(file, cause)
        return change

    def link(self, file: File, cause: Cause, reference: Reference, linked: Linked) -> Change:
        """The index says who the child is, and what it knows. It is evaluated where something follows from it."""
        document = PersonLinked(shared=reference, children={file.case.id: linked})
        keep(file, cause, EvidenceKind.LINKED, INDEX, document)
        before = file.known.linked
        learn_link(file.known, linked)
        self._undecided(file, cause, before, file.known.linked)
        return self._worked_out(file, cause, Trigger.LINKED)

    def people(
        self, file: File, cause: Cause, shared: CorrectedPeople, child: ReferredChild | None
    ) -> Change:
        """Staff added or corrected adults, or this child."""
        children = {} if child is None else {file.case.id: child}
        keep(file, cause, EvidenceKind.PEOPLE, STAFF, PeopleCorrected(shared=shared, children=children))
        fresh = learn_people(file.known, shared.adults, child)
        if child is not None and child.status != ChildStatus.UNIDENTIFIED:
            file.moot.add(Obliged(IDENTIFY, file.case.id).task)
        if child is not None and child.address is not None:
            rulebook = self.thresholds.rulebook(file.case.received_at)
            file.case.locality = rulebook.places.locality(child.address.postcode)
        if fresh:
            return self.follow(file, cause, self.evaluate(file, Trigger.STAFF, cause, fresh))
        return self._worked_out(file, cause, Trigger.STAFF)

    def complete(self, file: File, cause: Cause, checks: CompletedChecks) -> Change:
        """All agencies have answered, or their time is up: the case goes to a decision queue."""
        case = file.case
        before = {agency: standing.state for agency, standing in file.agencies.items()}
        for agency, state in checks.states.items():
            known = file.agencies.get(agency)
            if known is None:
                self.heard(file, agency, AgencyStanding(state))
            elif known.state != state and not _knows_better(file, agency, known, state):
                known_times = (known.asked_at, known.due_at or checks.due_at, known.answered_at, known.late)
                self.heard(file, agency, AgencyStanding(state, None, *known_times))
        if before != {agency: standing.state for agency, standing in file.agencies.items()}:
            self.evaluate(file, Trigger.COMPLETED, cause)
        else:
            file.placement = self.thresholds.rulebook(case.received_at).placement(case.level, file.known)
        case.completed_at = case.completed_at or cause.at
        case.unrouted = not case.decided
        case.changed = True
        return self.follow(file, cause)

    def information(
        self, file: File, cause: Cause, shared: AddedInformation, child: ChildInformation | None
    ) -> Change:
        """The referrer added something. It counts whatever was decided: words wait for a person to read them, and
        on a decided case what changes nothing is looked at.
        """
        children = {} if child is None else {file.case.id: child}
        document = InformationAdded(shared=shared, children=children)
        keep(file, cause, EvidenceKind.INFORMATION, REFERRER, document)
        fresh = learn_information(file.known, shared, child)
        case, clocks = file.case, self.thresholds.clocks
        if shared.worry or shared.danger_reason or (child and (child.voice or child.whereabouts)):
            to_read(clocks, case, shared.received_at)
            self.open_again(file)
        case.immediate_danger |= shared.immediate_danger
        danger = self.evaluate(file, Trigger.INFORMATION, cause, fresh) or shared.immediate_danger
        change = self.follow(file, cause, danger)
        if not case.unread and (fresh or shared.agreements is not None):
            self._news(file, cause)
        # Told even where nothing rises: intake raises an alarm for added danger that nobody has seen.
        return change | Change.SCREENED if shared.immediate_danger else change

    def withdraw(self, file: File, cause: Cause, withdrawn: Withdrawn) -> None:
        """The referrer withdrew: kept and shown. It closes, lowers and pauses nothing."""
        keep(file, cause, EvidenceKind.WITHDRAWAL, REFERRER, withdrawn)
        file.case.withdrawn_at = file.case.withdrawn_at or withdrawn.shared.received_at

    def read(self, file: File, cause: Cause, reading: Reading) -> Change:
        """A person read the referrer's words, and stated as facts what they found in them."""
        document = RecordedReading(shared=Nothing(), children={file.case.id: reading})
        keep(file, cause, EvidenceKind.READING, STAFF, document)
        fresh = learn_reading(file.known, reading)
        was_read(file.case)
        file.case.immediate_danger |= reading.immediate_danger
        danger = self.evaluate(file, Trigger.STAFF, cause, fresh) or reading.immediate_danger
        return self.follow(file, cause, danger)

    def find(self, file: File, cause: Cause, finding: Finding) -> Change:
        """A member of staff was told, saw or read something: it counts at once."""
        document = RecordedFinding(shared=Nothing(), children={file.case.id: finding})
        keep(file, cause, EvidenceKind.FINDING, STAFF, document)
        fresh = learn_finding(file.known, finding)
        return self._found(file, cause, Trigger.STAFF, fresh, finding)

    def amend(self, file: File, cause: Cause, change: FindingChange) -> Change:
        """A member of staff corrects or takes back what was added: the entry stays on record and counts no more.

        What was decided stands; whoever decided is shown that something changed.
        """
        document = RecordedFindingChange(shared=Nothing(), children={file.case.id: change})
        keep(file, cause, EvidenceKind.FINDING_CHANGED, STAFF, document)
        fresh = learn_finding_change(file.known, change)
        return self._found(file, cause, Trigger.CORRECTED, fresh, change.told)

    def _found(
        self, file: File, cause: Cause, trigger: Trigger, fresh: list[StatedFact], told: Told | None
    ) -> Change:
        danger = told is not None and told.immediate_danger
        file.case.immediate_danger |= danger
        change = self.follow(file, cause, self.evaluate(file, trigger, cause, fresh) or danger)
        self._news(file, cause)
        return change

    def repair(self, file: File, cause: Cause) -> Change:
        """Checks never completed: the case goes on with what is known, and what is missing stays unknown."""
        self.evaluate(file, Trigger.REPAIR, cause)
        file.case.completed_at = cause.now
        file.case.unrouted = not file.case.decided
        return self.follow(file, cause)

    def decided(self, file: File, number: int, level: Level, destination: Destination, now: datetime) -> None:
        """A person decided, having the referrer's words before them, and whoever had to sign has signed.

        The contact becomes a statutory referral when section 17 or 47 services of ours may be needed (Children Act
        1989), and keeps the day on which it first did. What goes to an open case, or elsewhere, is none.
        """
        case = file.case
        case.decision, case.at_risk = number, False
        case.decided_level, case.decided_to = level, destination
        case.proposed_at = case.hand_over_due_at = case.closed_at = None
        if destination not in PASSED_ON and need_of(level, destination) >= Level.SECTION_17:
            case.statutory_at = case.statutory_at or now
        case.unrouted = False
        case.pauses = resumed(case.pauses, now)
        was_read(case)
        case.announced_level, case.announced_rag = case.level, case.rag
        self._changed(file)

    def signing(self, file: File, proposed_at: datetime | None) -> None:
        """A decision waits for a signature from now on, or does not wait any more.

        Whoever proposed it had the referrer's words before them.
        """
        file.case.signing += 1
        file.case.proposed_at = proposed_at
        was_read(file.case)
        self._changed(file)

    def handing_over(self, file: File, due_at: datetime | None) -> None:
        """The receiving end is asked to accept by then, or has accepted (None)."""
        file.case.hand_over_due_at = due_at
        self._changed(file)

    def refused(self, file: File, cause: Cause) -> Change:
        """The receiving end refused: the case comes back to whoever decides, with a clock of its own."""
        file.case.hand_over_due_at = None
        return self.reopened(file, cause)

    def closed(self, family: Sequence[File], now: datetime) -> None:
        """Nothing more is to be done about any child of the referral."""
        for file in family:
            file.case.closed_at = now
            self._changed(file)

    def reopened(self, file: File, cause: Cause) -> Change:
        """A person, or the receiving end, asks that somebody decides anew. The decision stays on record."""
        self.put_at_risk(file, cause)
        file.case.reopened_at = cause.now
        self._changed(file)
        return Change.REOPENED

    def danger(self, case: Case) -> None:
        """A message about this child is blocked and tells of immediate danger: nobody waits for it."""
        case.immediate_danger = True
        case.rag = Rag.RED
        rate(self.thresholds.clocks, case, case.counts_from)
        self.refresh(case)

    def _changed(self, file: File) -> None:
        file.case.changed = True
        self.refresh(file.case)

    def _worked_out(self, file: File, cause: Cause, trigger: Trigger) -> Change:
        """Evaluates a case anew where something follows that did not before."""
        file.case.changed = True
        before = file.known.worked_out
        fresh = self.work_out(file, cause)
        if file.known.worked_out is before:
            return Change.NONE
        change = self.follow(file, cause, self.evaluate(file, trigger, cause, fresh))
        self._news(file, cause)
        return change

    def _news(self, file: File, cause: Cause) -> None:
        """Whoever decided looks at what became known since, where it puts nothing at risk by itself."""
        if file.case.decided:
            self.oblige(file, LOOK_AT_NEWS, about(file.case, cause), cause.now)
            self.open_again(file)

    def _undecided(self, file: File, cause: Cause, before: Linked | None, now: Linked | None) -> None:
        """A person says who the child is, and what tells of one event, where the index is not sure."""
        waited, waits = _open_questions(file.case, before), _open_questions(file.case, now)
        for one in waits:
            if one not in waited:
                self.oblige(file, one.kind, one.about, cause.now)
        file.moot |= {one.task for one in waited if one not in waits}
        if now is not None and now.band == Band.SAME and file.known.status == ChildStatus.UNIDENTIFIED:
            file.moot.add(Obliged(IDENTIFY, file.case.id).task)


def _open_questions(case: Case, linked: Linked | None) -> list[Obliged]:
    if linked is None:
        return []
    matches = [one.person_id for one in linked.candidates if one.band != Band.NONE]
    repeats = [one.case_id for one in linked.history.duplicates if one.decided is None]
    return [
        *(Obliged(POSSIBLE_MATCH, uuid5(case.id, one.hex)) for one in matches),
        *(Obliged(POSSIBLE_DUPLICATE, uuid5(case.id, one.hex)) for one in repeats),
    ]


def _standing(file: File, agency: str) -> AgencyStanding:
    known: Known = file.known
    asked: Sequence[Sequence[Answer]] = [
        answers for answers in known.answers.values() if answers and answers[0].agency == agency
    ]
    for gone in known.taken_back.values():
        if gone.agency == agency and gone.open_beside(asked):
            before = file.agencies.get(agency) or AgencyStanding(AgencyState.PENDING)
            return replace(before, state=AgencyState.UNAVAILABLE, reason=gone.shown)
    return standing_of(asked)


def _knows_better(file: File, agency: str, known: AgencyStanding, state: AgencyState | str) -> bool:
    """Whether the agency's own answers say more than the state that is told at the end: a silence undoes no answer,
    and an answer to one question closes no gap that another left.
    """
    if known.state in SPOKEN or known.reason in NO_LONGER_SAID:
        return state not in SPOKEN or known.reason in NO_LONGER_SAID
    return state in SPOKEN and any(one.agency == agency for one in file.known.given)
