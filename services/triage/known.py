"""What is known of a child, put together from all evidence; and how each piece of evidence adds to it.

Statements are joined and never replaced. Only what is worked out is worked out anew, and only who said something can
take it back: what was said stays on record.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from libs.schemas.base import Payload
from libs.schemas.codes import AgreementAnswer, ChildStatus
from libs.schemas.dictionary import DERIVED, REFERRER, STAFF
from libs.schemas.events import (
    AddedInformation,
    CheckCorrected,
    CheckReturned,
    InformationAdded,
    PeopleCorrected,
    PersonLinked,
)
from libs.schemas.findings import PARTIAL, AgencyState, Answer, Correction, Fact
from libs.schemas.people import Linked
from libs.schemas.person import Date, FoundPerson
from libs.schemas.plans import Dash, Plan, Worker
from libs.schemas.referral import Adult, ChildInformation, ReferredChild
from services.triage.documents import (
    Reading,
    RecordedFinding,
    RecordedFindingChange,
    RecordedJoined,
    RecordedReading,
    Stated,
    StatedChild,
    WorkedOut,
    WorkedOutChild,
)
from services.triage.facts import agreed, danger_fact
from services.triage.findings.finding import Finding, FindingChange, OnRecord, Told
from services.triage.joined.report import JoinedReport
from services.triage.policy import StatedFact
from services.triage.standing import TakenBack

NOTHING_WORKED_OUT = WorkedOutChild()

SOCIAL_CARE = "social_care"
"""The council's own records of social care, as an agency of the dictionary."""


@dataclass(slots=True)
class Known:
    """What is known of a child."""

    said: list[StatedFact] = field(default_factory=list)
    """What referrer and staff state of this child."""
    beside: list[StatedFact] = field(default_factory=list)
    """What the form states of the home with another child, and what follows from the form."""
    findings: dict[UUID, OnRecord] = field(default_factory=dict)
    """What staff were told, saw or read, by the entry's id, with what became of it."""
    joined: dict[UUID, JoinedReport] = field(default_factory=dict)
    """What other reports of the same event say, by the case that they opened."""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    """Every answer that counts, by its question, as they came."""
    taken_back: dict[str, TakenBack] = field(default_factory=dict)
    """What is open since, for each question whose answer was taken back and not replaced."""
    linked: Linked | None = None
    """What the index says last."""
    adults: list[Adult] = field(default_factory=list)
    """Adults whom staff added or corrected."""
    corrected: list[ReferredChild] = field(default_factory=list)
    """The child as staff corrected it."""
    worked_out: WorkedOutChild = NOTHING_WORKED_OUT
    """What follows from all of this, as it was worked out last."""
    early_help: AgreementAnswer | str | None = None
    panel: AgreementAnswer | str | None = None
    closing_plan: bool = False
    household: str | None = None
    """The label of the home where the child lives; who has the same lives there too."""
    status: ChildStatus | str = ChildStatus.BORN
    born: Date | None = None
    speaks_for: str = REFERRER
    """The agency whose worry the referrer's is."""

    @property
    def child(self) -> ReferredChild:
        """The child as it was referred, with what staff corrected in its place."""
        form = ReferredChild.model_construct(status=self.status, born=self.born, household=self.household)
        return as_corrected(form, self.corrected) or form

    @property
    def own(self) -> list[StatedFact]:
        """What anybody states of this very child."""
        return [
            *self.said,
            *self.found_out,
            *self.told_again,
            *(one for answer in self.given for one in answer_facts(answer)),
        ]

    @property
    def found_out(self) -> list[StatedFact]:
        """What staff's entries state, as far as they count."""
        entries = (one.standing for one in self.findings.values())
        return [one for told in entries if told is not None for one in told_facts(told)]

    @property
    def told_again(self) -> list[StatedFact]:
        """What other reports of the same event state."""
        return [one for report in self.joined.values() for one in joined_facts(report)]

    @property
    def stated(self) -> list[StatedFact]:
        """Everything that counts for this child."""
        home = [StatedFact(one.fact, one.source) for one in self.worked_out.home]
        derived = [StatedFact(fact, DERIVED) for fact in self.worked_out.derived]
        return [*self.beside, *self.own, *home, *derived]

    @property
    def given(self) -> list[Answer]:
        """Every answer that counts."""
        return [answer for answers in self.answers.values() for answer in answers]

    @property
    def plans(self) -> list[Plan]:
        """The plans of social care that answers tell of; until social care itself has answered, also those that were
        told of for earlier referrals.
        """
        told = [plan for answer in self.given for plan in answer.plans]
        if any(answer.agency == SOCIAL_CARE and spoken_in_full(answer) for answer in self.given):
            return told
        return [*told, *(self.linked.history.plans if self.linked is not None else ())]

    @property
    def dash(self) -> Dash | None:
        """The gravest DASH assessment that an answer holds."""
        found = [answer.dash for answer in self.given if answer.dash is not None]
        return max(found, key=lambda one: (one.yes, -one.asked), default=None)

    @property
    def people(self) -> list[FoundPerson]:
        """Whom answers and the index name."""
        index = [] if self.linked is None else [one for one in self.linked.household if not one.left]
        return [*(one for answer in self.given for one in answer.people), *index]

    def worker(self, agency: str) -> Worker | None:
        """Whose case the child is at that agency, as it said last."""
        found = [one.worker for one in self.given if one.agency == agency and one.worker is not None]
        return found[-1] if found else None


def spoken_in_full(answer: Answer) -> bool:
    """Whether an answer leaves nothing open of what was asked."""
    held = answer.state in (AgencyState.RETURNED, AgencyState.NOTHING_HELD)
    return held and answer.reason not in PARTIAL


def answer_facts(answer: Answer) -> list[StatedFact]:
    """An answer's statements."""
    return [StatedFact(fact, answer.agency) for fact in answer.facts]


def told_facts(told: Told) -> list[StatedFact]:
    """An entry's statements."""
    danger = _by(STAFF, (danger_fact(),)) if told.immediate_danger else []
    return [*_by(told.speaker, told.dated), *danger]


def joined_facts(report: JoinedReport) -> list[StatedFact]:
    """A second report's statements, as far as they count."""
    if not report.counts:
        return []
    danger = _by(REFERRER, (danger_fact(),)) if report.immediate_danger else []
    return [*(StatedFact(one.fact, one.source) for one in report.said), *danger]


def learn(known: Known, case_id: UUID, document: Payload[Any, Any]) -> None:
    """Adds what a stored piece of evidence says."""
    child = document.children.get(case_id)
    if isinstance(document, InformationAdded):
        learn_information(known, document.shared, child)
    elif isinstance(document, PeopleCorrected):
        learn_people(known, document.shared.adults, child)
    elif child is None:
        return
    elif isinstance(document, Stated):
        learn_stated(known, child)
    elif isinstance(document, CheckReturned):
        learn_answer(known, child)
    elif isinstance(document, CheckCorrected):
        learn_correction(known, child)
    elif isinstance(document, RecordedReading):
        learn_reading(known, child)
    elif isinstance(document, RecordedFinding):
        learn_finding(known, child)
    elif isinstance(document, RecordedFindingChange):
        learn_finding_change(known, child)
    elif isinstance(document, RecordedJoined):
        learn_joined(known, child)
    elif isinstance(document, PersonLinked):
        learn_link(known, child)
    elif isinstance(document, WorkedOut):
        known.worked_out = child


def learn_stated(known: Known, stated: StatedChild) -> None:
    """Adds what the referral says, or who else named the child."""
    known.said += _by(stated.source, stated.facts)
    known.beside += [*_by(REFERRER, stated.shared), *_by(DERIVED, stated.derived)]
    if stated.immediate_danger:
        known.said += _by(REFERRER, (danger_fact(),))
    known.early_help, known.panel = stated.early_help, stated.panel
    known.closing_plan |= stated.closing_plan
    known.household, known.speaks_for = stated.household, stated.speaks_for
    known.status, known.born = stated.status, stated.born


def learn_answer(known: Known, answer: Answer) -> list[StatedFact]:
    """Adds what an agency said. Gives what it stated."""
    known.answers.setdefault(answer.question_id, []).append(answer)
    known.taken_back.pop(answer.question_id, None)
    return answer_facts(answer)


def learn_correction(known: Known, correction: Correction) -> list[StatedFact]:
    """What the agency answered to the question counts no more, and what it says instead does. Gives the latter."""
    before = known.answers.get(correction.question_id, [])
    known.answers[correction.question_id] = []
    if correction.answer is None:
        items = frozenset(item for answer in before for item in answer.items)
        known.taken_back[correction.question_id] = TakenBack(
            correction.agency, correction.reason, correction.corrected_at, items
        )
        return []
    # The correction says which question it is about, whatever the new answer calls itself.
    return learn_answer(known, correction.answer.model_copy(update={"question_id": correction.question_id}))


def learn_information(
    known: Known, shared: AddedInformation, child: ChildInformation | None
) -> list[StatedFact]:
    """Adds what the referrer said later; a later answer about an agreement is the family's present one."""
    fresh = [] if child is None else _by(REFERRER, child.facts)
    if shared.immediate_danger:
        fresh += _by(REFERRER, (danger_fact(),))
    known.said += fresh
    early_help, panel = agreed(shared.agreements)
    known.early_help = early_help or known.early_help
    known.panel = panel or known.panel
    return fresh


def learn_reading(known: Known, reading: Reading) -> list[StatedFact]:
    """Adds what a member of staff found in the referrer's words."""
    fresh = _by(STAFF, reading.facts)
    if reading.immediate_danger:
        fresh += _by(STAFF, (danger_fact(),))
    known.said += fresh
    return fresh


def learn_finding(known: Known, finding: Finding) -> list[StatedFact]:
    """Adds what a member of staff was told, saw or read."""
    known.findings[finding.id] = OnRecord(finding)
    return told_facts(finding)


def learn_finding_change(known: Known, change: FindingChange) -> list[StatedFact]:
    """What an entry said counts no more, and what it says instead does. Gives the latter."""
    entry = known.findings.get(change.finding_id)
    if entry is None:
        return []
    entry.changes.append(change)
    return [] if change.told is None else told_facts(change.told)


def learn_joined(known: Known, report: JoinedReport) -> list[StatedFact]:
    """Takes what another report of the same event says in place of what it said before. Gives what is new."""
    before = known.joined.get(report.case_id)
    known.joined[report.case_id] = report
    already = [] if before is None else joined_facts(before)
    return [one for one in joined_facts(report) if one not in already]


def learn_link(known: Known, linked: Linked) -> None:
    """Takes what the index says in place of what it said before; what came out of turn is older."""
    if known.linked is None or linked.revision >= known.linked.revision:
        known.linked = linked


def learn_people(known: Known, adults: Sequence[Adult], child: ReferredChild | None) -> list[StatedFact]:
    """Adds the adults and the child as staff gave them. What was said before stays said."""
    known.adults += adults
    if child is None:
        return []
    known.corrected.append(child)
    known.household = child.household or known.household
    fresh = _by(STAFF, child.facts)
    known.said += fresh
    return fresh


_CORRECTED = ("status", "given_name", "family_name", "born", "expected", "disabilities", "address")


def as_corrected(child: ReferredChild | None, corrections: Iterable[ReferredChild]) -> ReferredChild | None:
    """A child as it was referred, with what staff corrected in its place: a correction that is silent of something
    leaves it as it was, and an unborn child of whose birth nothing is said stays unborn. None where nothing is known
    of it.
    """
    for one in corrections:
        given = {name: value for name in _CORRECTED if (value := getattr(one, name)) not in (None, ())}
        unborn = child is not None and child.status == ChildStatus.UNBORN
        if unborn and one.born is None and one.status == ChildStatus.BORN:
            del given["status"]
        if "born" in given or "expected" in given:
            given = {"born": None, "expected": None} | given
        if given.get("status") == ChildStatus.UNBORN:
            given["born"] = None
        child = (child or ReferredChild()).model_copy(update=given)
    return child


def _by(source: str, facts: Iterable[Fact]) -> list[StatedFact]:
    return [StatedFact(fact, source) for fact in facts]
