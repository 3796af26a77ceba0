"""What happens when a case's clock runs out: whoever waits for the case is told, and people are alarmed."""

import asyncio
from collections.abc import Mapping
from functools import partial

from libs.messaging.ledger import Unit
from libs.messaging.runner import Alarm
from libs.messaging.timers import Handler, Timer
from libs.schemas.events import CASE_OVERDUE, CaseOverdue, OverdueCase, Reference
from services.triage.case import DECISION_CLOCK, HAND_OVER_CLOCK, READING_CLOCK
from services.triage.desk import SELECT_CASES, case_of

ALARM = "case-overdue"


class Overdue:
    """Handles clocks that run out, and raises the alarms as a part of its own, after what led to them is written.

    The clock itself stays: the case keeps its place in the queue until somebody acts.
    """

    def __init__(self, alarm: Alarm) -> None:
        self._alarm = alarm
        self._waiting: asyncio.Queue[dict[str, str] | None] = asyncio.Queue()

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What each of triage's clocks sets off."""
        return dict.fromkeys((DECISION_CLOCK, READING_CLOCK, HAND_OVER_CLOCK), self._run_out)

    async def run(self) -> None:
        """Raises alarms until `stop`, and then those that wait."""
        while (ids := await self._waiting.get()) is not None:
            await self._alarm(ALARM, ids)

    def stop(self) -> None:
        """Asks `run` to return."""
        self._waiting.put_nowait(None)

    async def _run_out(self, unit: Unit, timer: Timer) -> None:
        row = await unit.connection.fetchrow(f"{SELECT_CASES} WHERE id = $1", timer.subject)
        if row is None:
            return
        case = case_of(row)
        if case.clocks().get(timer.kind) != timer.due_at:
            return
        ids = {
            "referral_id": str(case.referral_id),
            "case_id": str(case.id),
            "kind": timer.kind,
            "due_at": timer.due_at.isoformat(),
        }
        unit.committed.append(partial(self._waiting.put_nowait, ids))
        # A stub may have no reference, and without it nobody else can know the case.
        if case.reference is None:
            return
        about = Reference(reference=case.reference, at=unit.now)
        overdue = OverdueCase(clock=timer.kind, due_at=timer.due_at)
        unit.emit(
            CASE_OVERDUE,
            case.referral_id,
            CaseOverdue(shared=about, children={case.id: overdue}),
            trace=timer.trace,
        )
