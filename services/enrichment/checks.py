"""The state of a child's checks, and what screening, a reply or the passing of a deadline changes in it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from libs.schemas.findings import SETTLED, AgencyState, Answer
from libs.schemas.levels import Level, Rag
from services.enrichment.agency import Reply
from services.enrichment.partnership import AgencyTerms, CheckTerms
from services.enrichment.question import question_id
from services.enrichment.sharing.agreement import Agreement
from services.enrichment.sharing.employers import employed_by
from services.enrichment.sharing.permission import Circumstances, Permission

FIRST_RETRY = timedelta(seconds=0.5)
LONGEST_RETRY = timedelta(seconds=30)


@dataclass(slots=True)
class Check:
    """One agency's check of one child.

    `ask_at` is when somebody may ask next; while a question is out it is the end of its lease. `silence` is what
    the silence means so far (`no_answer` or `unavailable`), which becomes the state when the deadline passes.
    """

    agency: str
    question_id: UUID
    due_at: datetime
    state: AgencyState = AgencyState.PENDING
    silence: AgencyState = AgencyState.NO_ANSWER
    reason: str | None = None
    asked_at: datetime | None = None
    answered_at: datetime | None = None
    late: bool = False
    attempts: int = 0
    chases: int = 0
    ask_at: datetime | None = None
    answer: Answer | None = None
    changed: bool = False

    def told(self, reply: Reply | None = None) -> Answer:
        """The check as an answer for others."""
        return Answer(
            agency=self.agency,
            question_id=str(self.question_id),
            state=self.state,
            reason=self.reason,
            asked_at=self.asked_at,
            due_at=self.due_at,
            answered_at=self.answered_at,
            late=self.late,
            as_of=reply.as_of if reply else None,
            coverage_from=reply.coverage_from if reply else None,
            coverage_to=reply.coverage_to if reply else None,
            facts=reply.facts if reply else (),
            narrative=reply.narrative if reply else None,
            dash=reply.dash if reply else None,
            plans=reply.plans if reply else (),
            worker=reply.worker if reply else None,
            people=reply.people if reply else (),
        )


@dataclass(slots=True)
class Child:
    """One child's checks. `level` and `rag` are None until triage has screened the child."""

    id: UUID
    referral_id: UUID
    number: int
    identifiers: frozenset[str]
    level: Level | None = None
    rag: Rag | None = None
    due_at: datetime | None = None
    screened_at: datetime | None = None
    completed_at: datetime | None = None
    trace: str | None = None
    checks: dict[str, Check] = field(default_factory=dict)
    changed: bool = False


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
class Completed:
    """A child's checks are complete, or their time is up."""

    child: Child


@dataclass(frozen=True, slots=True)
class Due:
    """A child's deadline stands at this moment, replacing an earlier one."""

    child: Child
    at: datetime


Effect = Returned | Completed | Due


@dataclass(frozen=True, slots=True)
class Desk:
    """Decides, by the partnership's terms, what happens to checks."""

    terms: CheckTerms
    agencies: Mapping[str, AgencyTerms]
    agreement: Agreement

    def permission(
        self,
        agency: str,
        *,
        level: Level | None,
        agreement: str,
        identifiers: frozenset[str],
        employers: Collection[str],
        now: datetime,
    ) -> Permission:
        """What an agency may be asked about a child at this instant. `employers`: as `Referral` has them."""
        clients = {each.id: each.clients for each in self.agencies.values()} if employers else {}
        return self.agreement.decide(
            agency,
            Circumstances(
                level=level,
                agreement=agreement,
                identifiers=identifiers,
                at=now,
                suspect_works_for=employed_by(employers, clients),
            ),
        )

    def screened(
        self, referral: Referral, child: Child, level: Level, rag: Rag, trace: str | None, now: datetime
    ) -> list[Effect]:
        """Triage has screened a child, for the first time or again. Neither level nor urgency ever falls here."""
        child.level = level if child.level is None else max(child.level, level)
        child.rag = rag if child.rag is None else max(child.rag, rag)
        child.trace = child.trace or trace
        child.screened_at = child.screened_at or now
        child.changed = True
        effects: list[Effect] = []
        due = now + self.terms.deadline(child.rag)
        shortened = child.completed_at is None and child.due_at is not None and due < child.due_at
        if child.due_at is None or shortened:
            child.due_at = due
            for check in child.checks.values():
                if check.state is AgencyState.PENDING and check.due_at > due:
                    check.due_at, check.changed = due, True
            effects.append(Due(child, due))
        return effects + self.permitted(referral, child, now)

    def permitted(self, referral: Referral, child: Child, now: datetime) -> list[Effect]:
        """Asks what may be asked now, and holds back what may not, after level or agreement changed."""
        if child.rag is None:
            return []
        effects: list[Effect] = []
        late_due: datetime | None = None
        for agency in self.agencies.values():
            permission = self.permission(
                agency.id,
                level=child.level,
                agreement=referral.agreement,
                identifiers=child.identifiers,
                employers=referral.employers,
                now=now,
            )
            check = child.checks.get(agency.id)
            fresh = check is None
            if check is None:
                due = now if child.due_at is None else child.due_at
                check = Check(agency.id, question_id(child.id, agency.id), due)
                child.checks[agency.id] = check
            if permission.granted and (fresh or check.state is AgencyState.NOT_REQUESTED):
                if check.due_at <= now or child.completed_at is not None:
                    late_due = check.due_at = now + self.terms.deadline(child.rag)
                check.state, check.reason, check.ask_at, check.changed = AgencyState.PENDING, None, now, True
            elif permission.granted and check.ask_at is None and check.state not in SETTLED:
                check.ask_at, check.changed = now, True
            elif not permission.granted and (fresh or self._never_asked(check)):
                check.state, check.reason, check.ask_at = AgencyState.NOT_REQUESTED, permission.reason, None
                check.late, check.changed = child.completed_at is not None, True
                effects.append(Returned(child, check.told()))
            elif not permission.granted and check.ask_at is not None and check.asked_at is not None:
                # What was asked cannot be unasked; what may not be asked any more is not chased.
                check.ask_at, check.changed = None, True
        if late_due is not None:
            effects.append(Due(child, late_due))
        return effects + self._complete_if_settled(child, now)

    def replied(
        self, child: Child, agency: str, attempt: int, reply: Reply, now: datetime, jitter: float
    ) -> list[Effect]:
        """One attempt to ask has ended. `jitter` is a random number from 0 to 1.

        The first answer counts, also where the question was out when asking stopped being permitted: what was
        said is kept. What a second process brings for the same question is dropped, and so is the failure of an
        attempt that another has overtaken.
        """
        check = child.checks.get(agency)
        if check is None or check.answered_at is not None:
            return []
        if reply.settled:
            check.state, check.reason, check.ask_at, check.changed = reply.state, reply.reason, None, True
            if reply.state is not AgencyState.NOT_REQUESTED:
                check.answered_at = now
            check.late = child.completed_at is not None or now > check.due_at
            answer = check.told(reply)
            check.answer = answer if reply.has_content else None
            return [Returned(child, answer), *self._complete_if_settled(child, now)]
        if check.attempts != attempt or check.state is AgencyState.NOT_REQUESTED:
            return []
        check.silence, check.reason, check.changed = reply.state, reply.reason, True
        if check.ask_at is not None:
            check.ask_at = now + self._wait(check, reply, now, jitter)
        return []

    def time_up(self, child: Child, now: datetime) -> list[Effect]:
        """A child's deadline has passed: silence is told as what it is, and the decision goes on without it."""
        effects: list[Effect] = []
        for check in child.checks.values():
            if check.state is AgencyState.PENDING and check.due_at <= now:
                check.state, check.changed = check.silence, True
                check.reason = check.reason or ("never_asked" if check.asked_at is None else "deadline")
                effects.append(Returned(child, check.told()))
        if child.completed_at is None and child.due_at is not None and child.due_at <= now:
            child.completed_at, child.changed = now, True
            effects.append(Completed(child))
        return effects

    def _complete_if_settled(self, child: Child, now: datetime) -> list[Effect]:
        if child.completed_at is not None or not _all_settled(child.checks.values()):
            return []
        child.completed_at, child.changed = now, True
        return [Completed(child)]

    def _wait(self, check: Check, reply: Reply, now: datetime, jitter: float) -> timedelta:
        wished = timedelta(seconds=reply.retry_after or 0.0)
        if now < check.due_at:
            backoff = min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(check.attempts - 1, 16))
            return wished or backoff * (0.5 + jitter / 2)
        wait = self.terms.chase(check.chases)
        check.chases += 1
        return max(wait, wished)

    @staticmethod
    def _never_asked(check: Check) -> bool:
        return check.state is AgencyState.PENDING and check.asked_at is None


def _all_settled(checks: Collection[Check]) -> bool:
    return bool(checks) and all(check.state in SETTLED for check in checks)
