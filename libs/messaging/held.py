"""Keeps events that came before their referral, because topics are not ordered against each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.messaging.codec import Codec, Undecodable
from libs.messaging.errors import Permanent
from libs.messaging.event import Event, known_type

_HOLD = """
INSERT INTO held (event_id, type, source, referral_id, sequence, time, traceparent, tracestate, payload, held_at)
SELECT *, $10 FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::bigint[], $6::timestamptz[], $7::text[],
                          $8::text[], $9::bytea[])
ON CONFLICT DO NOTHING
"""
_TAKE = """
DELETE FROM held WHERE referral_id = ANY ($1::uuid[])
RETURNING event_id, type, source, referral_id, sequence, time, traceparent, tracestate, payload
"""


async def hold(connection: asyncpg.Connection, codec: Codec, events: Sequence[Event], now: datetime) -> None:
    """Stores the events as they came."""
    bare = [event.payload for event in events if not event.value]
    encoded = iter(await codec.encode(bare)) if bare else iter(())
    await connection.execute(
        _HOLD,
        [event.id for event in events],
        [event.type.name for event in events],
        [event.source for event in events],
        [event.referral_id for event in events],
        [event.sequence for event in events],
        [event.time for event in events],
        [event.trace for event in events],
        [event.tracestate for event in events],
        [event.value or next(encoded) for event in events],
        now,
    )


async def take(connection: asyncpg.Connection, codec: Codec, referral_ids: Iterable[UUID]) -> list[Event]:
    """Takes back what is held for the referrals, each producer's events in the order of their sequence.

    An event whose shared part is erased is gone. Raises Permanent where one cannot be read for another reason.
    """
    rows = await connection.fetch(_TAKE, list(referral_ids))
    rows.sort(key=lambda row: (row["source"], row["referral_id"], row["sequence"]))
    types = [known_type(row["type"]) for row in rows]
    known = [(row, kind) for row, kind in zip(rows, types, strict=True) if kind is not None]
    if len(known) < len(rows):
        raise Permanent("held-type")
    decoded = await codec.decode([(kind.payload, row["payload"]) for row, kind in known])
    events: list[Event] = []
    for (row, kind), payload in zip(known, decoded, strict=True):
        if isinstance(payload, Undecodable):
            if payload.code != "erased":
                raise Permanent(f"held-{payload.code}")
            continue
        events.append(
            Event(
                id=row["event_id"],
                type=kind,
                source=row["source"],
                referral_id=row["referral_id"],
                sequence=row["sequence"],
                time=row["time"],
                payload=payload.payload,
                erased=payload.erased,
                trace=row["traceparent"],
                tracestate=row["tracestate"],
                value=row["payload"],
            )
        )
    return events
