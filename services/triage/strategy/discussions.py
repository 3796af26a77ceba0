"""Records strategy discussions, and sees to what follows from one."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID, uuid5

from libs.messaging.ledger import Ledger, Unit
from libs.platform.auth import Principal
from libs.platform.problems import Problem, invalid_body
from libs.platform.validation import FieldError
from libs.schemas.base import Nothing
from libs.schemas.events import DISCUSSION_RECORDED, Reference, StrategyDiscussionRecorded
from libs.schemas.outcomes import RecordedDiscussionOfChild
from services.triage.access import note
from services.triage.case import Case
from services.triage.claims.claim import writes
from services.triage.decision.record import referral_of
from services.triage.desk import SELECT_CASES, case_of
from services.triage.live.changes import touch
from services.triage.strategy.record import KEPT, Discussion, Discussions, RecordedDiscussion, discussions_of
from services.triage.strategy.rules import Enquiry, StrategyBody, caisu_knows, faults
from services.triage.tasks.finishing import finish_tasks
from services.triage.tasks.raising import NewTask, raise_tasks
from services.triage.tasks.terms import STRATEGY, TELL_CAISU
from services.triage.thresholds import Thresholds

CONFERENCE = "conference"
"""The clock that a discussion starts which leads to an enquiry: the conference is within 15 working days of it (Working
Together to Safeguard Children 2023, chapter 3).
"""

_KEEP = """
INSERT INTO strategy_discussion (case_id, number, held_at, outcome, recorded_by, recorded_at, fingerprint, document)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_ASKED = "SELECT true FROM task WHERE case_id = $1 AND kind = $2 AND done_at IS NULL"


class StatutoryClocks(Protocol):
    """Starts and stops the clocks that a case keeps beside its own."""

    async def start(self, unit: Unit, case: Case, clock: str, at: datetime) -> None:
        """From when it runs."""

    async def stop(self, unit: Unit, case: Case, clock: str, at: datetime) -> Any:
        """From when it does not."""


class Strategy:
    """The rules of strategy discussions."""

    def __init__(
        self,
        ledger: Ledger,
        thresholds: Thresholds,
        clocks: StatutoryClocks,
        afterwards: Callable[[Unit, UUID], Awaitable[None]],
    ) -> None:
        """`afterwards`: what is done for a referral when a task of it is, in the same unit."""
        self._ledger = ledger
        self._thresholds = thresholds
        self._clocks = clocks
        self._afterwards = afterwards

    async def read(self, case_id: UUID, caller: Principal) -> Discussions:
        """The discussions of a case. The reading is recorded."""
        async with self._ledger.pool.acquire() as connection:
            await note(connection, self._ledger.clock.now(), caller, "strategy.read", case_id)
            return Discussions(items=tuple(await discussions_of(connection, self._ledger.codec, case_id)))

    async def record(
        self, case_id: UUID, body: StrategyBody, fingerprint: bytes, caller: Principal
    ) -> Discussion:
        """Records a discussion, or one that corrects the last; the same sent again is the same answer.

        It takes the case's task as done, starts the clock of the conference where there is an enquiry, and asks for
        CAISU to be told where a crime may have occurred and it does not know. A person's decision stays as it is.
        Raises Problem: 404, 409 where the referral is closed or somebody else has the pen, 422.
        """
        referral_id = await referral_of(self._ledger, case_id)
        codec = self._ledger.codec
        async with self._ledger.unit([referral_id]) as unit:
            rows = await unit.connection.fetch(KEPT, case_id)
            if rows and rows[-1]["fingerprint"] == fingerprint and rows[-1]["recorded_by"] == caller.subject:
                return (await discussions_of(unit.connection, codec, case_id))[-1]
            case = case_of(await unit.connection.fetchrow(f"{SELECT_CASES} WHERE id = $1", case_id))
            if case.closed_at is not None:
                raise Problem(409, "referral-closed", "The referral is closed", "open it again first")
            found = [FieldError(*one) for one in faults(body, case.received_at, unit.now)]
            if found:
                raise invalid_body(found)
            await writes(unit.connection, case_id, caller, unit.now)
            number = len(rows) + 1
            (document,) = await codec.encode([RecordedDiscussion(shared=Nothing(), children={case_id: body})])
            await unit.connection.execute(
                _KEEP,
                case_id,
                number,
                body.held_at,
                str(body.outcome),
                caller.subject,
                unit.now,
                fingerprint,
                document,
            )
            await self._follows(unit, case, body, number, caller)
            _tell(unit, case, body, number)
            await touch(unit.connection, [case_id])
            await note(unit.connection, unit.now, caller, "strategy.record", case_id)
            return (await discussions_of(unit.connection, codec, case_id))[-1]

    async def _follows(
        self, unit: Unit, case: Case, body: StrategyBody, number: int, caller: Principal
    ) -> None:
        if body.outcome == Enquiry.NO_ENQUIRY:
            await self._clocks.stop(unit, case, CONFERENCE, unit.now)
        else:
            await self._clocks.start(unit, case, CONFERENCE, body.held_at)
        on_record = f"Discussion {number} is on record."
        finished = [STRATEGY]
        if body.crime_may_have_occurred and not caisu_knows(body):
            due = self._thresholds.flow_due(TELL_CAISU, unit.now)
            # Each record asks anew: that an earlier one asked in vain, or was taken back, answers for no later one.
            asks = uuid5(case.id, f"discussion/{number}")
            task = NewTask(case.referral_id, case.id, TELL_CAISU, unit.now, due, about=asks, trace=case.trace)
            if not await unit.connection.fetchval(_ASKED, case.id, TELL_CAISU):
                await raise_tasks(unit, [task])
        else:
            finished.append(TELL_CAISU)
        await finish_tasks(unit, self._ledger.codec, case.id, finished, caller, on_record)
        await self._afterwards(unit, case.referral_id)


def _tell(unit: Unit, case: Case, body: StrategyBody, number: int) -> None:
    child = RecordedDiscussionOfChild(
        number=number,
        held_at=body.held_at,
        outcome=str(body.outcome),
        crime_may_have_occurred=body.crime_may_have_occurred,
    )
    about = Reference(reference=case.reference or "", at=unit.now)
    payload = StrategyDiscussionRecorded(shared=about, children={case.id: child})
    unit.emit(DISCUSSION_RECORDED, case.referral_id, payload, trace=case.trace)
