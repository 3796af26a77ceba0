"""Calls the next person when an alert's clock runs out, takes what became of calls, and alarms on silence."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import asyncpg
from opentelemetry.metrics import Meter
from uuid_utils.compat import uuid7

from libs.messaging.ledger import Ledger, Unit
from libs.messaging.timers import Handler, Timer
from libs.platform.alarms import Alarm
from libs.schemas.alerts import AlertCalled, CallResult, OnCallCall
from libs.schemas.base import Nothing, Payload
from libs.schemas.events import ALERT_CALLED
from libs.schemas.on_call import OnCall, Urgency
from services.triage.alerts.ladder import next_to_call, on_call_at
from services.triage.alerts.raising import TIMER
from services.triage.clocks.calendar import Calendar
from services.triage.live.changes import touch

ALARM = "alert-unanswered"
AGE = "mash.alerts.unacknowledged_age_seconds"
EVERY_SECONDS = 5.0
AT_ONCE = 100

_OPEN = "SELECT * FROM alert WHERE id = $1 AND ended_at IS NULL FOR UPDATE"
_CALLED = "SELECT contact FROM alert_call WHERE alert_id = $1 AND round = $2"
_CALL = """
INSERT INTO alert_call (id, alert_id, number, round, contact, called_at, state)
SELECT $1, $2, 1 + count(*), $3, $4, $5, 'called' FROM alert_call WHERE alert_id = $2
"""
_NEXT = "UPDATE alert SET next_at = $2 WHERE id = $1"
_SILENCE = "UPDATE alert SET round = round + 1, next_at = $2 WHERE id = $1"
_TOLD = """
UPDATE alert_call SET state = $3, told_at = $4, channel = $5, reason = $6
 WHERE id = $2 AND alert_id = $1 AND state = 'called'
RETURNING number = (SELECT max(number) FROM alert_call WHERE alert_id = $1) AS latest, round
"""
_SILENT = """
SELECT id, referral_id, round FROM alert WHERE ended_at IS NULL AND round - 1 > alarmed ORDER BY id LIMIT $1
"""
_ALARMED = "UPDATE alert SET alarmed = greatest(alarmed, $2) WHERE id = $1"
_OLDEST = "SELECT min(raised_at) FROM alert WHERE ended_at IS NULL"


class Calling:
    """The on-call list at work.

    The first call is made by the clock too, at once, so that no writer of cases has to know the list.
    """

    def __init__(
        self, ledger: Ledger, on_call: OnCall, calendar: Calendar, alarms: Alarm, meter: Meter
    ) -> None:
        self._ledger = ledger
        self._on_call = on_call
        self._calendar = calendar
        self._alarms = alarms
        self._calls = meter.create_counter("mash.alerts.calls", "{call}", "Calls of people who are on call.")
        self._age = meter.create_gauge(AGE, "s", "Age of the oldest alert that nobody acknowledged.")

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What an alert's clock sets off."""
        return {TIMER: self._climb}

    async def sweep(self) -> int:
        """Alarms operations for every time that the list came to its end in silence, until the alarm got through."""
        async with self._ledger.pool.acquire() as connection:
            oldest = await connection.fetchval(_OLDEST)
            self._age.set((self._ledger.clock.now() - oldest).total_seconds() if oldest else 0.0)
            silent = await connection.fetch(_SILENT, AT_ONCE)
            return sum([await self._alarm(connection, row) for row in silent])

    async def _alarm(self, connection: asyncpg.Connection, row: asyncpg.Record) -> bool:
        rounds = row["round"] - 1
        raised = await self._alarms.raise_alarm(
            ALARM, alert_id=row["id"], referral_id=row["referral_id"], rounds=rounds
        )
        if raised:
            await connection.execute(_ALARMED, row["id"], rounds)
        return raised

    async def _climb(self, unit: Unit, timer: Timer) -> None:
        alert = await unit.connection.fetchrow(_OPEN, timer.subject)
        if alert is None:
            return
        listed = on_call_at(self._on_call, self._calendar, unit.now)
        called = {row["contact"] for row in await unit.connection.fetch(_CALLED, alert["id"], alert["round"])}
        contact = next_to_call(listed, called)
        if contact is None:
            due_at = unit.now + timedelta(minutes=self._on_call.again_after)
            await unit.connection.execute(_SILENCE, alert["id"], due_at)
        else:
            urgency = Urgency(alert["urgency"])
            due_at = unit.now + timedelta(minutes=self._on_call.answer_within[urgency])
            await self._call(unit, alert, contact, urgency, timer.trace)
            await unit.connection.execute(_NEXT, alert["id"], due_at)
        unit.arm(TIMER, alert["referral_id"], alert["id"], due_at, trace=timer.trace)
        await touch(unit.connection, alert["case_ids"])

    async def _call(
        self, unit: Unit, alert: asyncpg.Record, contact: str, urgency: Urgency, trace: str | None
    ) -> None:
        call = OnCallCall(
            alert_id=alert["id"], call_id=uuid7(), contact=contact, urgency=urgency, at=unit.now
        )
        await unit.connection.execute(_CALL, call.call_id, alert["id"], alert["round"], contact, unit.now)
        unit.emit(ALERT_CALLED, alert["referral_id"], AlertCalled(shared=call), trace=trace)
        unit.committed.append(lambda: self._calls.add(1, {"urgency": urgency.value}))


async def call_ended(
    unit: Unit, referral_id: UUID, payload: Payload[CallResult, Nothing], *, failed: bool
) -> None:
    """Keeps what became of a call. Where the latest one did not get through, the next person is called at once."""
    result = payload.shared
    state = "failed" if failed else "delivered"
    row = await unit.connection.fetchrow(
        _TOLD, result.alert_id, result.call_id, state, result.at, result.channel, result.reason
    )
    if not failed or row is None or not row["latest"]:
        return
    alert = await unit.connection.fetchrow(_OPEN, result.alert_id)
    if alert is None or alert["round"] != row["round"] or alert["referral_id"] != referral_id:
        return
    await unit.connection.execute(_NEXT, alert["id"], unit.now)
    unit.arm(TIMER, referral_id, alert["id"], unit.now)
