"""What a service's messages that stand still look like to the people who look after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg

from libs.messaging.event import Event


class ParkedState(StrEnum):
    """`failed` stops its referral, `waiting` waits behind it, `unsent` is an event of the service's own that could
    not be sent; the other two are settled.
    """

    UNSENT = "unsent"
    FAILED = "failed"
    WAITING = "waiting"
    DONE = "done"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class ParkedMessage:
    """One parked message as a list may show it: ids, codes and times."""

    consumer: str
    event_id: UUID
    number: int
    referral_id: UUID
    type: str
    topic: str
    partition: int
    position: int
    state: ParkedState
    error_class: str
    code: str
    attempts: int
    parked_at: datetime
    next_attempt_at: datetime | None
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class ParkedAction:
    """What somebody did with a parked message."""

    action: str
    by: str
    reason: str | None
    code: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class ParkedDetail:
    """One parked message with its payload, for an authorised reader, and everything that was done with it."""

    message: ParkedMessage
    event: Event | None = field(repr=False)
    """None where the payload is not what its type says."""
    text: str | None = field(repr=False)
    """All that the message says, whatever its form; None where it was erased."""
    actions: tuple[ParkedAction, ...]


@dataclass(frozen=True, slots=True)
class Retried:
    """What a retry or a discard set in motion."""

    processed: int
    """Messages of the referral that were processed, in order."""
    code: str | None
    """Why it stopped before the last; None where nothing of the referral is parked any more."""


NEVER_SENT = -1
"""The partition of an event that no topic has."""

OPEN = (ParkedState.UNSENT, ParkedState.FAILED, ParkedState.WAITING)

_ITEM = """
consumer, event_id, number, referral_id, type, topic, partition, position, state, error_class, code, attempts,
parked_at, next_attempt_at, resolved_at
"""
_UNSENT = f"""
SELECT $1::text AS consumer, event_id, number, referral_id, type, topic, {NEVER_SENT} AS partition, 0 AS position,
       state, 'permanent' AS error_class, code, attempts, died_at AS parked_at, NULL::timestamptz AS next_attempt_at,
       resolved_at
  FROM outbox_dead
"""  # noqa: S608 - made of constants
_LIST = f"""
(SELECT {_ITEM} FROM parked WHERE consumer = $1 AND state = ANY ($2::text[]) AND number > $3 ORDER BY number LIMIT $4)
UNION ALL
({_UNSENT} WHERE state = ANY ($2::text[]) AND number > $3 ORDER BY number LIMIT $4)
 ORDER BY number LIMIT $4
"""  # noqa: S608 - made of constants
_SHOW_UNSENT = f"{_UNSENT} WHERE event_id = $2"
_SHOW = "SELECT * FROM parked WHERE consumer = $1 AND event_id = $2"


async def listed(
    pool: asyncpg.Pool, consumer: str, states: Sequence[ParkedState], after: int, limit: int
) -> list[ParkedMessage]:
    """Messages in these states, in the order of their numbers, from the one after `after`."""
    rows = await pool.fetch(_LIST, consumer, [state.value for state in states], after, limit)
    return [message_of(row) for row in rows]


async def found(pool: asyncpg.Pool, consumer: str, event_id: UUID) -> asyncpg.Record | None:
    """The whole row of a message of that id; that of an unsent event has no `payload`."""
    row = await pool.fetchrow(_SHOW, consumer, event_id)
    return row if row is not None else await pool.fetchrow(_SHOW_UNSENT, consumer, event_id)


def message_of(row: asyncpg.Record) -> ParkedMessage:
    """A row as a list may show it."""
    values = {each.name: row[each.name] for each in fields(ParkedMessage)}
    return ParkedMessage(**{**values, "state": ParkedState(values["state"])})
