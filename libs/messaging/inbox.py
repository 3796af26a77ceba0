"""Takes each event in once, whatever is delivered again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a transaction may work on."""

    fresh: frozenset[UUID]
    """Events that nobody has taken in before; the transaction has."""
    blocked: frozenset[UUID]
    """Referrals with parked messages, behind which later ones wait."""
    holding: frozenset[UUID]
    """Referrals for which events that came too early are held."""


_CLAIM = """
WITH fresh AS (
    INSERT INTO inbox (consumer, event_id, type, processed_at)
    SELECT $1, event_id, type, $5 FROM unnest($2::uuid[], $3::text[]) AS given (event_id, type)
    ON CONFLICT DO NOTHING
    RETURNING event_id
)
SELECT 'fresh' AS what, event_id AS id FROM fresh
UNION ALL
SELECT DISTINCT 'blocked', referral_id FROM parked
 WHERE consumer = $1 AND referral_id = ANY ($4::uuid[]) AND state IN ('failed', 'waiting')
UNION ALL
SELECT DISTINCT 'holding', referral_id FROM held WHERE referral_id = ANY ($4::uuid[])
"""


async def claim(
    connection: asyncpg.Connection,
    consumer: str,
    event_ids: Sequence[UUID],
    types: Sequence[str],
    referral_ids: Sequence[UUID],
    now: datetime,
) -> Claimed:
    """Takes in those events that are new to the consumer, in one statement.

    The transaction must hold the referrals' locks, so that what is blocked or held cannot change under it.
    """
    found: dict[str, list[UUID]] = {"fresh": [], "blocked": [], "holding": []}
    for what, item in await connection.fetch(_CLAIM, consumer, event_ids, types, referral_ids, now):
        found[what].append(item)
    return Claimed(frozenset(found["fresh"]), frozenset(found["blocked"]), frozenset(found["holding"]))
