"""Writes events beside their effects, in the transaction of the effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from libs.schemas.base import Payload
from libs.schemas.events import EventType


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event that a unit has emitted and not written yet."""

    id: UUID
    type: EventType[Any]
    referral_id: UUID
    payload: Payload[Any, Any] = field(repr=False)
    traceparent: str | None
    tracestate: str | None


class OutboxRow(NamedTuple):
    """An event's columns, in the order of OUTBOX_COLUMNS, for a statement that inserts it on its own."""

    event_id: UUID
    type: str
    topic: str
    source: str
    referral_id: UUID
    sequence: int
    time: datetime
    traceparent: str | None
    tracestate: str | None
    payload: bytes


OUTBOX_COLUMNS = ", ".join(OutboxRow._fields)

_APPEND = """
WITH event AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::int[], $6::text[], $7::text[], $8::bytea[])
      WITH ORDINALITY
      AS e (event_id, type, topic, referral_id, behind, traceparent, tracestate, payload, place)
), counted AS (
    INSERT INTO stream AS s (referral_id, sequence)
    SELECT referral_id, count(*) FROM event GROUP BY referral_id
    ON CONFLICT (referral_id) DO UPDATE SET sequence = s.sequence + EXCLUDED.sequence
    RETURNING referral_id, sequence
)
INSERT INTO outbox (event_id, type, topic, source, referral_id, sequence, time, traceparent, tracestate, payload)
SELECT e.event_id, e.type, e.topic, $9, e.referral_id, c.sequence - e.behind, $10, e.traceparent, e.tracestate,
       e.payload
  FROM event AS e JOIN counted AS c USING (referral_id)
 ORDER BY e.place
"""


async def append(
    connection: asyncpg.Connection,
    events: Sequence[Outgoing],
    values: Sequence[bytes],
    source: str,
    now: datetime,
) -> None:
    """Writes the events in their order, in one statement, and numbers them within each referral.

    The transaction must hold the lock of each referral: that is what makes the log's order theirs.
    """
    behind: list[int] = []
    later: dict[UUID, int] = {}
    for event in reversed(events):
        behind.append(later.get(event.referral_id, 0))
        later[event.referral_id] = behind[-1] + 1
    behind.reverse()
    await connection.execute(
        _APPEND,
        [event.id for event in events],
        [event.type.name for event in events],
        [event.type.topic for event in events],
        [event.referral_id for event in events],
        behind,
        [event.traceparent for event in events],
        [event.tracestate for event in events],
        values,
        source,
        now,
    )
