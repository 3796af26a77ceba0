"""What happens when a case's clock nears its end, and when it runs out: the case is marked, whoever waits for it is
told, and people are alarmed.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

import structlog
from opentelemetry import metrics

from libs.messaging.ledger import Ledger, Unit
from libs.messaging.timers import Handler, Timer
from libs.platform.alarms import Alarm
from libs.platform.database import is_passing
from libs.schemas.events import CASE_OVERDUE, CaseOverdue, Reference
from libs.schemas.outcomes import OverdueCase
from services.triage.case import OWN_CLOCKS, Case, warning
from services.triage.clocks.hub import Hub
from services.triage.desk import SELECT_CASES, case_of
from services.triage.live.changes import touch

ALARM = "case-overdue"
EVERY_SECONDS = 30.0
AT_ONCE = 100
PATIENCE = timedelta(seconds=10)
"""After this an alarm that whoever wrote the breach should have raised is raised by the sweep."""

_KEPT = "SELECT due_at FROM kept_clock WHERE case_id = $1 AND clock = $2 AND stopped_at IS NULL"
_WARNED = "UPDATE kept_clock SET warned_at = $3 WHERE case_id = $1 AND clock = $2 AND stopped_at IS NULL"
_MARK = "UPDATE child_case SET warned = array_append(array_remove(warned, $2), $2) WHERE id = $1"
_UNMARK = "UPDATE child_case SET warned = array_remove(warned, $2) WHERE id = $1"
_BREACH = "INSERT INTO breach (case_id, clock, due_at, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
_ALARMED = "UPDATE breach SET alarmed_at = $4 WHERE case_id = $1 AND clock = $2 AND due_at = $3"
_SILENT = """
SELECT c.referral_id, b.case_id, b.clock, b.due_at
  FROM breach AS b JOIN child_case AS c ON c.id = b.case_id
 WHERE b.alarmed_at IS NULL AND b.at < $1
 ORDER BY b.at LIMIT $2
"""


class _Breach(NamedTuple):
    """A clock that ran out."""

    referral_id: UUID
    case_id: UUID
    clock: str
    due_at: datetime


class Overdue:
    """Handles clocks that are to warn or run out, and raises the alarms as a part of its own, after what led to them
    is written.

    A clock that ran out stands on record until somebody says why: the case keeps its place in the queue until somebody
    acts. So does that people were alarmed: what a process did not come to, the sweep does.
    """

    def __init__(self, ledger: Ledger, alarms: Alarm, hub: Hub, meter: metrics.Meter | None = None) -> None:
        self._ledger = ledger
        self._alarms = alarms
        self._kinds = {*hub.clocks, *OWN_CLOCKS}
        self._waiting: asyncio.Queue[_Breach | None] = asyncio.Queue()
        meter = meter or metrics.get_meter("services.triage.clocks")
        self._warnings = meter.create_counter("mash.clock.warnings", "{clock}")
        self._breaches = meter.create_counter("mash.clock.breaches", "{clock}")

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What each of the cases' clocks sets off."""
        return dict.fromkeys(self._kinds, self._fire)

    async def run(self) -> None:
        """Raises alarms until `stop`, and then those that wait."""
        while (breach := await self._waiting.get()) is not None:
            try:
                await self._raise(breach)
            except Exception as error:
                if not is_passing(error):
                    raise
                structlog.get_logger().warning("alarm not noted", code=ALARM, exc_info=error)

    def stop(self) -> None:
        """Asks `run` to return."""
        self._waiting.put_nowait(None)

    async def sweep(self) -> int:
        """Raises the alarms that did not reach anybody yet. Gives how many."""
        silent = await self._ledger.pool.fetch(_SILENT, self._ledger.clock.now() - PATIENCE, AT_ONCE)
        return sum([await self._raise(_Breach(*row)) for row in silent])

    async def _raise(self, breach: _Breach) -> bool:
        raised = await self._alarms.raise_alarm(
            ALARM,
            referral_id=breach.referral_id,
            case_id=breach.case_id,
            kind=breach.clock,
            due_at=breach.due_at.isoformat(),
        )
        if raised:
            await self._ledger.pool.execute(_ALARMED, *breach[1:], self._ledger.clock.now())
        return raised

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
        breach = _Breach(case.referral_id, case.id, timer.kind, timer.due_at)
        unit.committed += [
            partial(self._waiting.put_nowait, breach),
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
