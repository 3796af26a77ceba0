"""What happens when a case's clock nears its end, and when it runs out: the case is marked, whoever waits for it is
told, and people are alarmed.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from functools import partial

from opentelemetry import metrics

from libs.messaging.ledger import Unit
from libs.messaging.runner import Alarm
from libs.messaging.timers import Handler, Timer
from libs.schemas.events import CASE_OVERDUE, CaseOverdue, Reference
from libs.schemas.outcomes import OverdueCase
from services.triage.case import OWN_CLOCKS, Case, warning
from services.triage.clocks.hub import Hub
from services.triage.desk import SELECT_CASES, case_of
from services.triage.live.changes import touch

ALARM = "case-overdue"

_KEPT = "SELECT due_at FROM kept_clock WHERE case_id = $1 AND clock = $2 AND stopped_at IS NULL"
_WARNED = "UPDATE kept_clock SET warned_at = $3 WHERE case_id = $1 AND clock = $2 AND stopped_at IS NULL"
_MARK = "UPDATE child_case SET warned = array_append(array_remove(warned, $2), $2) WHERE id = $1"
_UNMARK = "UPDATE child_case SET warned = array_remove(warned, $2) WHERE id = $1"
_BREACH = "INSERT INTO breach (case_id, clock, due_at, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"


class Overdue:
    """Handles clocks that are to warn or run out, and raises the alarms as a part of its own, after what led to them
    is written.

    A clock that ran out stands on record until somebody says why: the case keeps its place in the queue until somebody
    acts.
    """

    def __init__(self, alarm: Alarm, hub: Hub, meter: metrics.Meter | None = None) -> None:
        self._alarm = alarm
        self._kinds = {*hub.clocks, *OWN_CLOCKS}
        self._waiting: asyncio.Queue[dict[str, str] | None] = asyncio.Queue()
        meter = meter or metrics.get_meter("services.triage.clocks")
        self._warnings = meter.create_counter("mash.clock.warnings", "{clock}")
        self._breaches = meter.create_counter("mash.clock.breaches", "{clock}")

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What each of the cases' clocks sets off."""
        return dict.fromkeys(self._kinds, self._fire)

    async def run(self) -> None:
        """Raises alarms until `stop`, and then those that wait."""
        while (ids := await self._waiting.get()) is not None:
            await self._alarm(ALARM, ids)

    def stop(self) -> None:
        """Asks `run` to return."""
        self._waiting.put_nowait(None)

    async def _fire(self, unit: Unit, timer: Timer) -> None:
        row = await unit.connection.fetchrow(f"{SELECT_CASES} WHERE id = $1", timer.subject)
        if row is None:
            return
        case = case_of(row)
        # What moved a clock armed it anew, and what stopped it left nothing to tell.
        if await self._due(unit, case, timer.kind) != timer.due_at:
            return
        if unit.now < timer.due_at:
            await self._warn(unit, case, timer)
        else:
            await self._run_out(unit, case, timer)

    async def _due(self, unit: Unit, case: Case, clock: str) -> datetime | None:
        if clock in OWN_CLOCKS:
            return case.clocks().get(clock)
        due_at: datetime | None = await unit.connection.fetchval(_KEPT, case.id, clock)
        return due_at

    async def _warn(self, unit: Unit, case: Case, timer: Timer) -> None:
        unit.arm(timer.kind, case.referral_id, case.id, timer.due_at, trace=timer.trace)
        await unit.connection.execute(_MARK, case.id, warning(timer.kind, timer.due_at))
        if timer.kind not in OWN_CLOCKS:
            await unit.connection.execute(_WARNED, case.id, timer.kind, unit.now)
        await touch(unit.connection, [case.id])
        unit.committed.append(partial(self._warnings.add, 1, {"clock": timer.kind}))

    async def _run_out(self, unit: Unit, case: Case, timer: Timer) -> None:
        await unit.connection.execute(_BREACH, case.id, timer.kind, timer.due_at, unit.now)
        await unit.connection.execute(_UNMARK, case.id, warning(timer.kind, timer.due_at))
        await touch(unit.connection, [case.id])
        ids = {
            "referral_id": str(case.referral_id),
            "case_id": str(case.id),
            "kind": timer.kind,
            "due_at": timer.due_at.isoformat(),
        }
        unit.committed += [
            partial(self._waiting.put_nowait, ids),
            partial(self._breaches.add, 1, {"clock": timer.kind}),
        ]
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
