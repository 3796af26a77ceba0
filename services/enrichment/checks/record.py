"""What is kept of a child's checks: one record for each question to an agency, and what they mean together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid5

from libs.schemas.commands import CheckOrder
from libs.schemas.findings import (
    EXISTENCE_ONLY,
    HELD_BACK,
    PARTIAL,
    SETTLED,
    AgencyState,
    Answer,
    Correction,
)
from libs.schemas.levels import Level, Rag
from services.enrichment.asking.agency import Reply
from services.enrichment.sharing.permission import Mode

ANSWERED = frozenset((AgencyState.RETURNED, AgencyState.NOTHING_HELD))
"""The states that say something of the child."""

_WORST_FIRST = (
    AgencyState.PENDING,
    AgencyState.NO_ANSWER,
    AgencyState.UNAVAILABLE,
    AgencyState.DECLINED,
    AgencyState.OUTSIDE_COVERAGE,
    AgencyState.NOT_REQUESTED,
    AgencyState.RETURNED,
    AgencyState.NOTHING_HELD,
)
"""Of an agency's several questions the one that leaves most open speaks for all: a gap is never covered by an answer
to something else.
"""


@dataclass(slots=True)
class Check:
    """One question to an agency about a child, or that there may be none.

    `items` are what it asks for, `existence` those of which only the existence is asked. `ask_at` is when somebody may
    ask next; while a question is out it is the end of its lease. `silence` is what the silence means so far
    (`no_answer` or `unavailable`), which becomes the state when the deadline passes. `with_question` is the question
    about a brother or sister that asks for the same of their home. `again` is the earlier question that this one
    repeats by order. `corrected_at`: the agency has taken back what it answered, or replaced it by `instead`, which is
    not loaded. `reused_of` is the question of another referral whose answer counts for this one as well.
    """

    agency: str
    question_id: UUID
    due_at: datetime
    items: frozenset[str] = frozenset()
    existence: frozenset[str] = frozenset()
    held_back: Mapping[str, str] = field(default_factory=dict)
    state: AgencyState = AgencyState.PENDING
    silence: AgencyState = AgencyState.NO_ANSWER
    reason: str | None = None
    asked_at: datetime | None = None
    answered_at: datetime | None = None
    late: bool = False
    attempts: int = 0
    chases: int = 0
    ask_at: datetime | None = None
    stopped: bool = False
    with_question: UUID | None = None
    again: UUID | None = None
    corrected_at: datetime | None = None
    reused_from: datetime | None = None
    reused_of: UUID | None = None
    answer: Answer | None = None
    instead: Answer | None = None
    changed: bool = False

    @property
    def open(self) -> bool:
        """Whether asking the agency could still bring an answer."""
        return self.state not in SETTLED and self.with_question is None

    def covers(self, item: str, mode: Mode) -> bool:
        """Whether it asks for as much of the item."""
        return item in self.items and (mode is Mode.EXISTENCE or item not in self.existence)

    def told(self, reply: Reply | None = None) -> Answer:
        """The question's state as an answer for others."""
        said = reply or Reply(self.state)
        return Answer(
            agency=self.agency,
            question_id=str(self.question_id),
            state=self.state,
            reason=self._reason(),
            asked_at=self.asked_at,
            due_at=self.due_at,
            answered_at=self.answered_at,
            late=self.late,
            as_of=said.as_of,
            coverage_from=said.coverage_from,
            coverage_to=said.coverage_to,
            facts=said.facts,
            narrative=said.narrative,
            items=tuple(sorted(self.items)),
            held_back=dict(sorted(self.held_back.items())),
            plans=said.plans,
            dash=said.dash,
            worker=said.worker,
            people=said.people,
            reused_from=self.reused_from,
        )

    def _reason(self) -> str | None:
        """What the answer itself leaves open weighs more than what it was not asked for."""
        if self.reason is not None or self.state not in ANSWERED:
            return self.reason
        if self.existence and self.state is AgencyState.RETURNED:
            return EXISTENCE_ONLY
        return HELD_BACK if self.held_back else None


@dataclass(slots=True)
class Child:
    """One child's checks, by their questions. `level` and `rag` are None until triage has screened the child.

    `home` is the lowest number of the children who are said to live there with the child; None where nothing is said.
    """

    id: UUID
    referral_id: UUID
    number: int
    identifiers: frozenset[str]
    home: int | None = None
    level: Level | None = None
    rag: Rag | None = None
    due_at: datetime | None = None
    screened_at: datetime | None = None
    completed_at: datetime | None = None
    trace: str | None = None
    orders: tuple[CheckOrder, ...] = ()
    checks: dict[UUID, Check] = field(default_factory=dict)
    changed: bool = False

    def of(self, agency: str) -> list[Check]:
        """The questions to one agency, as they were put."""
        return [check for check in self.checks.values() if check.agency == agency]

    @property
    def pending(self) -> list[Check]:
        """The questions whose deadline has not passed and that are not answered."""
        return [check for check in self.checks.values() if check.state is AgencyState.PENDING]

    @property
    def states(self) -> dict[str, AgencyState]:
        """What each agency's answers and silences mean together."""
        by_agency: dict[str, list[Check]] = {}
        for check in self.checks.values():
            by_agency.setdefault(check.agency, []).append(check)
        return {agency: merged(checks) for agency, checks in by_agency.items()}


@dataclass(slots=True)
class Referral:
    """A referral's checks. `agreement` is what became of asking the family's agreement to them.

    `erased`: its children who were erased before enrichment heard of them; nobody is asked about them.
    `employers`: the agencies that employ somebody thought to harm, as the referral names them.
    """

    id: UUID
    reference: str
    agreement: str
    withdrawn_at: datetime | None = None
    erased: frozenset[UUID] = frozenset()
    employers: frozenset[str] = frozenset()
    children: dict[UUID, Child] = field(default_factory=dict)
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Returned:
    """An agency's answer, or its silence at the deadline, is to be told."""

    child: Child
    answer: Answer


@dataclass(frozen=True, slots=True)
class Corrected:
    """An agency corrects or takes back an answer. `repeats`: the questions whose answers had replaced it till now."""

    child: Child
    correction: Correction
    repeats: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Completed:
    """A child's checks are complete, or their time is up."""

    child: Child


@dataclass(frozen=True, slots=True)
class Due:
    """The next deadline of a child's questions stands at this moment, replacing an earlier one."""

    child: Child
    at: datetime


@dataclass(frozen=True, slots=True)
class Opens:
    """From this moment on an agreement is in force that is not yet: more may then be asked about a child."""

    child: Child
    at: datetime


Effect = Returned | Corrected | Completed | Due | Opens


def merged(checks: Iterable[Check]) -> AgencyState:
    """One state for an agency's several questions about a child. Never milder than the one that leaves most open.

    What was not asked and then asked after all is left aside; so is what another question has answered in full.
    """
    known = list(checks)
    asked = [check for check in known if check.items] or known
    answered = {
        item
        for check in asked
        if check.state in ANSWERED and check.reason not in PARTIAL
        for item in check.items - check.existence
    }
    counting = [
        check for check in asked if check.state in ANSWERED or not _answered_elsewhere(check, answered)
    ]
    return min((check.state for check in counting), key=_WORST_FIRST.index)


def _answered_elsewhere(check: Check, answered: set[str]) -> bool:
    return bool(check.items) and check.items <= answered


def asked_id(
    child_id: UUID, agency: str, items: Iterable[str], existence: frozenset[str], by: UUID | None = None
) -> UUID:
    """The id of a question that asks an agency for these items: the same however often it must be sent.

    `by` is the order that has something asked once more.
    """
    names = " ".join(f"{item}?" if item in existence else item for item in sorted(items))
    return uuid5(child_id, f"{agency}/{names}" if by is None else f"{agency}/{names}/{by}")
