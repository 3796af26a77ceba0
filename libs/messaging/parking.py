"""The rows of messages that were put aside, and the audit of what was done with them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.messaging.consumer import Parked
from libs.messaging.errors import ErrorClass
from libs.messaging.event import Record
from libs.messaging.message import Message
from libs.schemas.base import Model, Nothing, Payload

SYSTEM = "system"
"""Who acts where no person does."""

FIRST_DELAY = timedelta(seconds=30)
LONGEST_DELAY = timedelta(hours=1)
AUTOMATIC_ATTEMPTS = 12
"""After these, some seven hours, a failed message waits for a person."""

BEHIND = "behind"
"""The code of a message that waits behind another."""


class Words(Model):
    """What a person typed."""

    text: str = Field(repr=False)


class Reason(Payload[Words, Nothing]):
    """Why a person gave a message up, as it is stored with the action."""


@dataclass(frozen=True, slots=True)
class Parking:
    """A message to be put aside: the one that stops its referral, or one that waits behind it."""

    message: Message
    first: bool
    error_class: ErrorClass
    code: str
    attempts: int = 1

    def parked(self, now: datetime) -> Parked:
        """What the consumer is told."""
        message = self.message
        return Parked(
            message.id, message.referral_id, message.type, self.first, self.code, message.event, now
        )


def next_attempt(kind: ErrorClass, attempts: int, now: datetime) -> datetime | None:
    """When a failed message is tried again without anybody's asking; None where only a person can help.

    `attempts` counts how often it failed, from 1. Permanent errors are never tried again on their own.
    """
    if kind is ErrorClass.PERMANENT or attempts > AUTOMATIC_ATTEMPTS:
        return None
    return now + min(FIRST_DELAY * float(2 ** (attempts - 1)), LONGEST_DELAY)


_ESCAPE = re.compile(r"\\[0\\]")

_PARK = """
WITH given AS (
    SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::int[], $7::bigint[], $8::bytea[],
                         $9::jsonb[], $10::bytea[], $11::text[], $12::text[], $13::text[], $14::int[],
                         $15::timestamptz[])
      WITH ORDINALITY
      AS g (event_id, referral_id, type, topic, partition, position, key, headers, payload, state, error_class, code,
            attempts, next_attempt_at, place)
), audited AS (
    INSERT INTO parked_action (consumer, event_id, referral_id, action, by, code, at)
    SELECT $1, event_id, referral_id, 'parked', $17, code, $16 FROM given ORDER BY place
)
INSERT INTO parked (consumer, event_id, referral_id, type, topic, partition, position, key, headers, payload, state,
                    error_class, code, attempts, next_attempt_at, parked_at)
SELECT $1, event_id, referral_id, type, topic, partition, position, key, headers, payload, state,
       error_class, code, attempts, next_attempt_at, $16
  FROM given ORDER BY place
"""


async def park(
    connection: asyncpg.Connection, consumer: str, parkings: Sequence[Parking], now: datetime
) -> None:
    """Puts messages aside in their order, in the transaction that took them into the inbox."""
    records = [parking.message.record for parking in parkings]
    await connection.execute(
        _PARK,
        consumer,
        [parking.message.id for parking in parkings],
        [parking.message.referral_id for parking in parkings],
        [parking.message.type for parking in parkings],
        [record.topic for record in records],
        [record.partition for record in records],
        [record.position for record in records],
        [record.key for record in records],
        [headers_text(record) for record in records],
        [record.value for record in records],
        ["failed" if parking.first else "waiting" for parking in parkings],
        [parking.error_class.value for parking in parkings],
        [parking.code for parking in parkings],
        [parking.attempts for parking in parkings],
        [next_attempt(each.error_class, each.attempts, now) if each.first else None for each in parkings],
        now,
        SYSTEM,
    )


async def audit(
    connection: asyncpg.Connection,
    consumer: str,
    event_id: UUID,
    referral_id: UUID,
    action: str,
    by: str,
    now: datetime,
    *,
    reason: bytes | None = None,
    code: str | None = None,
) -> None:
    """Records an action on a parked message, in the transaction of the action. `reason`: an encoded Reason."""
    await connection.execute(
        "INSERT INTO parked_action (consumer, event_id, referral_id, action, by, reason, code, at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        consumer,
        event_id,
        referral_id,
        action,
        by,
        reason,
        code,
        now,
    )


def record_of(row: asyncpg.Record) -> Record:
    """The record as it was delivered."""
    stored: dict[str, str] = json.loads(row["headers"])
    headers = {_raw(name).decode("utf-8", "surrogatepass"): _raw(value) for name, value in stored.items()}
    return Record(row["topic"], row["partition"], row["position"], row["key"], headers, row["payload"])


def headers_text(record: Record) -> str:
    """The headers as JSON that gives every byte back, also those that `jsonb` cannot hold."""
    return json.dumps(
        {
            _escaped(name.encode("utf-8", "surrogatepass")): _escaped(value)
            for name, value in record.headers.items()
        }
    )


def _escaped(raw: bytes) -> str:
    # Latin-1 keeps every byte; NUL is the one character that jsonb cannot hold.
    return raw.decode("latin-1").replace("\\", "\\\\").replace("\x00", "\\0")


def _raw(escaped: str) -> bytes:
    return _ESCAPE.sub(lambda found: "\x00" if found[0] == "\\0" else "\\", escaped).encode("latin-1")
