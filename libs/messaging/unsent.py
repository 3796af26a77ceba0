"""Events of this service that could not be sent: as visible as a parked message, sent again or given up by a person."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import structlog

from libs.messaging.alarm import Alarm
from libs.messaging.consumer import Consumer, Parked
from libs.messaging.errors import ErrorClass, classify, code_of
from libs.messaging.event import Record
from libs.messaging.ledger import Ledger, Unit
from libs.messaging.log import COLUMNS, LogRow, row_of
from libs.messaging.parking import SYSTEM, audit

_log = structlog.get_logger(__name__)

_BURY = """
INSERT INTO outbox_dead AS dead (event_id, referral_id, type, topic, state, code, attempts, died_at)
VALUES ($1, $2, $3, $4, 'unsent', $5, 1, $6)
ON CONFLICT (event_id) DO UPDATE
   SET state = 'unsent', code = EXCLUDED.code, attempts = dead.attempts + 1, died_at = EXCLUDED.died_at,
       resolved_at = NULL
 WHERE dead.state <> 'unsent'
RETURNING true
"""
_SETTLE = """
UPDATE outbox_dead SET state = $2, resolved_at = $3 WHERE event_id = $1 AND state = 'unsent' RETURNING true
"""
_TAKE_OUT = """
DELETE FROM outbox WHERE referral_id = $1 AND event_id = $2
RETURNING event_id, type, topic, source, referral_id, sequence, time, traceparent, tracestate, payload
"""
_PUT_BACK = """
INSERT INTO outbox (event_id, type, topic, source, referral_id, sequence, time, traceparent, tracestate, payload)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_WRITTEN = f"SELECT {COLUMNS} FROM outbox WHERE referral_id = $1 AND event_id = $2"  # noqa: S608 - constants
_STANDS = """
SELECT EXISTS (SELECT FROM parked WHERE consumer = $1 AND referral_id = $2 AND state IN ('failed', 'waiting'))
    OR EXISTS (SELECT FROM outbox_dead WHERE referral_id = $2 AND state = 'unsent')
"""


async def bury(ledger: Ledger, consumer: Consumer | None, row: LogRow, code: str, alarm: Alarm) -> None:
    """Sets an event aside that the transport refuses for good, and shows its referral as stopped.

    Raises the alarm too, since what would have told the others may be what cannot be sent. Doing it again for the
    same event changes nothing. Raises what is transient.
    """
    event = row.envelope
    try:
        fresh = await _bury(ledger, consumer, row, code)
    except Exception as error:
        if consumer is None or classify(error) is ErrorClass.TRANSIENT:
            raise
        _log.error("stopped-unseen", referral_id=event.referral_id, code=code_of(error))
        fresh = await _bury(ledger, None, row, code)
    if not fresh:
        return
    ids = {"event_id": str(event.id), "event_type": event.type, "referral_id": str(event.referral_id)}
    _log.error("event-dead", code=code, **ids)
    await alarm("event-unsent", {**ids, "reason": code})


async def _bury(ledger: Ledger, consumer: Consumer | None, row: LogRow, code: str) -> bool:
    event = row.envelope
    async with ledger.unit([event.referral_id]) as unit:
        values = (event.id, event.referral_id, event.type, row.topic, code, unit.now)
        if not await unit.connection.fetchval(_BURY, *values):
            return False
        name = ledger.service.value
        await audit(unit.connection, name, event.id, event.referral_id, "unsent", SYSTEM, unit.now, code=code)
        if consumer is not None:
            stop = Parked(event.id, event.referral_id, event.type, True, code, None, unit.now)
            await consumer.stopped(unit, [stop])
    return True


async def find(connection: asyncpg.Connection, event_id: UUID) -> UUID | None:
    """The referral of an open unsent event of that id."""
    found: UUID | None = await connection.fetchval(
        "SELECT referral_id FROM outbox_dead WHERE event_id = $1 AND state = 'unsent'", event_id
    )
    return found


async def written(connection: asyncpg.Connection, referral_id: UUID, event_id: UUID) -> Record | None:
    """The event as it would have been delivered; None where the retention has taken it since it was settled."""
    row = await connection.fetchrow(_WRITTEN, referral_id, event_id)
    return None if row is None else row_of(row).record()


async def settle(unit: Unit, event_id: UUID, state: str) -> bool:
    """Closes an open unsent event. False where it is none."""
    return await unit.connection.fetchval(_SETTLE, event_id, state, unit.now) is True


async def send_again(unit: Unit, referral_id: UUID, event_id: UUID) -> bool:
    """Puts the event at the end of the log, so that the relay comes to it once more. False where it is gone."""
    row = await unit.connection.fetchrow(_TAKE_OUT, referral_id, event_id)
    if row is None:
        return False
    await unit.connection.execute(_PUT_BACK, *row)
    return True


async def stands(unit: Unit, consumer: str, referral_id: UUID) -> bool:
    """Whether anything of the referral is parked or unsent in this service."""
    return await unit.connection.fetchval(_STANDS, consumer, referral_id) is True
