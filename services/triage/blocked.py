"""What of a referral triage could not take in, word for word: a person carries on by hand with it."""

import asyncpg

from libs.messaging.codec import Codec
from libs.schemas.events import Service
from services.triage.case import Case
from services.triage.views import BlockedView

_PARKED = """
SELECT event_id, type, state, code, parked_at, payload FROM parked
 WHERE consumer = $1 AND referral_id = $2 AND (state IN ('failed', 'waiting') OR (state = 'discarded' AND $3))
 ORDER BY number
"""
_HELD = """
SELECT event_id, type, 'held', NULL, held_at, payload FROM held WHERE referral_id = $1
 ORDER BY held_at, source, sequence
"""


async def blocked(connection: asyncpg.Connection, codec: Codec, case: Case) -> tuple[BlockedView, ...]:
    """The messages behind a case that stands still; behind a stub, also those that nobody waits for any more."""
    rows = []
    if case.stopped or case.stub:
        rows += await connection.fetch(_PARKED, Service.TRIAGE.value, case.referral_id, case.stub)
    if case.stub:
        rows += await connection.fetch(_HELD, case.referral_id)
    texts = await codec.text([row["payload"] for row in rows]) if rows else []
    return tuple(
        BlockedView(event_id=row[0], event_type=row[1], state=row[2], reason=row[3], at=row[4], text=text)
        for row, text in zip(rows, texts, strict=True)
    )
