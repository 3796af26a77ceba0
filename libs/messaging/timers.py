"""Clocks that survive: rows that are armed, replaced and disarmed with their effects, and fire once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg


@dataclass(frozen=True, slots=True)
class Timer:
    """A clock. (kind, subject) names it: arming it again replaces it and counts the generation up."""

    kind: str
    subject: UUID
    generation: int
    referral_id: UUID
    due_at: datetime
    data: Mapping[str, str | int]
    """Ids, codes and numbers only, never personal data."""
    trace: str | None
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Arm:
    """A clock to be started, not written yet."""

    kind: str
    subject: UUID
    referral_id: UUID
    due_at: datetime
    data: Mapping[str, str | int]
    trace: str | None


_ARM = """
INSERT INTO timer AS t (kind, subject, generation, referral_id, state, due_at, claim_at, data, traceparent, changed_at)
SELECT kind, subject, 1, referral_id, 'armed', due_at, due_at, data, traceparent, $7
  FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::jsonb[], $6::text[])
    AS given (kind, subject, referral_id, due_at, data, traceparent)
ON CONFLICT (kind, subject) DO UPDATE
   SET generation = t.generation + 1, referral_id = EXCLUDED.referral_id, state = 'armed', attempts = 0,
       due_at = EXCLUDED.due_at, claim_at = EXCLUDED.claim_at, data = EXCLUDED.data,
       traceparent = EXCLUDED.traceparent, changed_at = EXCLUDED.changed_at
"""
_DISARM = """
UPDATE timer AS t SET state = 'disarmed', changed_at = $3
  FROM unnest($1::text[], $2::uuid[]) AS given (kind, subject)
 WHERE t.kind = given.kind AND t.subject = given.subject AND t.state = 'armed'
"""


async def arm(connection: asyncpg.Connection, timers: Sequence[Arm], now: datetime) -> None:
    """Starts or replaces the clocks, in one statement. Each (kind, subject) occurs once."""
    await connection.execute(
        _ARM,
        [timer.kind for timer in timers],
        [timer.subject for timer in timers],
        [timer.referral_id for timer in timers],
        [timer.due_at for timer in timers],
        [json.dumps(dict(timer.data)) for timer in timers],
        [timer.trace for timer in timers],
        now,
    )


async def disarm(connection: asyncpg.Connection, names: Sequence[tuple[str, UUID]], now: datetime) -> None:
    """Stops the clocks of these (kind, subject), in one statement; those that do not run stay as they are."""
    await connection.execute(_DISARM, [kind for kind, _ in names], [subject for _, subject in names], now)
