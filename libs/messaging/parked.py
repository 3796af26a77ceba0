"""What people do with parked messages: list, read, retry, discard. And the retries that nobody has to ask for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg
import structlog

from libs.messaging.consumer import Consumer
from libs.messaging.errors import ErrorClass, Permanent, Refused, classify, code_of
from libs.messaging.event import Event
from libs.messaging.ledger import Ledger, Unit
from libs.messaging.message import Message, read
from libs.messaging.parking import FIRST_DELAY, SYSTEM, audit, next_attempt, record_of
from libs.messaging.tracing import Tracing, end

_log = structlog.get_logger(__name__)


class ParkedState(StrEnum):
    """`failed` stops its referral, `waiting` waits behind it; the other two are settled."""

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


_LIST = """
SELECT consumer, event_id, number, referral_id, type, topic, partition, position, state, error_class, code, attempts,
       parked_at, next_attempt_at, resolved_at
  FROM parked
 WHERE consumer = $1 AND state = ANY ($2::text[]) AND number > $3
 ORDER BY number
 LIMIT $4
"""
_SHOW = "SELECT * FROM parked WHERE consumer = $1 AND event_id = $2"
_ACTIONS = """
SELECT action, by, reason, code, at FROM parked_action WHERE consumer = $1 AND event_id = $2 ORDER BY id
"""
_HEAD = """
SELECT * FROM parked
 WHERE consumer = $1 AND referral_id = $2 AND state IN ('failed', 'waiting')
 ORDER BY number LIMIT 1
"""
_REFERRAL = """
SELECT referral_id FROM parked WHERE consumer = $1 AND event_id = $2 AND state IN ('failed', 'waiting')
"""
_SETTLE = """
UPDATE parked SET state = $3, resolved_at = $4, next_attempt_at = NULL
 WHERE consumer = $1 AND event_id = $2 AND state IN ('failed', 'waiting')
RETURNING true
"""
_FAILED = """
UPDATE parked SET state = 'failed', attempts = $4, error_class = $5, code = $6, next_attempt_at = $7
 WHERE consumer = $1 AND event_id = $2 AND attempts = $3 AND state IN ('failed', 'waiting')
"""
_DISCARDED = """
SELECT event_id FROM parked WHERE consumer = $1 AND referral_id = $2 AND type = $3 AND state = 'discarded'
 ORDER BY number LIMIT 1
"""
_DUE = """
SELECT referral_id FROM (
    SELECT DISTINCT ON (referral_id) referral_id, state, next_attempt_at
      FROM parked WHERE consumer = $1 AND state IN ('failed', 'waiting') ORDER BY referral_id, number
) AS head
 WHERE state = 'waiting' OR next_attempt_at <= $2
 LIMIT $3
"""


class ParkedMessages:
    """The parked messages of one consumer.

    A referral's messages are processed in the order in which they were parked, each in its own transaction under
    the referral's lock, so that new messages keep waiting behind until the last is through.
    """

    def __init__(self, ledger: Ledger, consumer: Consumer, *, tracing: Tracing | None = None) -> None:
        self._ledger = ledger
        self._consumer = consumer
        self._tracing = tracing or Tracing(consumer.name, "parked")
        self._stopping = asyncio.Event()

    async def list(
        self,
        *,
        states: Sequence[ParkedState] = (ParkedState.FAILED, ParkedState.WAITING),
        after: int = 0,
        limit: int = 100,
    ) -> list[ParkedMessage]:
        """Messages in the order of their parking, from the number after `after`. Shows no payload."""
        rows = await self._ledger.pool.fetch(
            _LIST,
            self._consumer.name,
            [state.value for state in states],
            after,
            limit,
        )
        return [_message(row) for row in rows]

    async def show(self, event_id: UUID, *, by: str) -> ParkedDetail:
        """One message with its payload; that `by` (the subject of a token) read it is recorded. Raises Refused."""
        row = await self._ledger.pool.fetchrow(_SHOW, self._consumer.name, event_id)
        if row is None:
            raise Refused("not-parked")
        actions = await self._ledger.pool.fetch(
            _ACTIONS,
            self._consumer.name,
            event_id,
        )
        message = await self._read(row)
        end(message.span)
        async with self._ledger.pool.acquire() as connection:
            now = self._ledger.clock.now()
            await audit(connection, self._consumer.name, event_id, row["referral_id"], "read", by, now)
        (text,) = await self._ledger.codec.text([row["payload"]])
        return ParkedDetail(
            _message(row), message.event, text, tuple(ParkedAction(**dict(action)) for action in actions)
        )

    async def retry(self, event_id: UUID, *, by: str) -> Retried:
        """Tries the message that stops its referral again, then those that wait behind it.

        `by`: the subject of the caller's token. Raises Refused: `not-parked`, `not-first` (another one has to be
        processed before it).
        """
        referral_id = await self._open_referral(event_id)
        async with self._ledger.unit([referral_id]) as unit:
            head = await self._head(unit, referral_id)
            if head is None or head["event_id"] != event_id:
                raise Refused("not-first")
            await audit(
                unit.connection, self._consumer.name, event_id, referral_id, "retry-asked", by, unit.now
            )
        return await self._advance(referral_id, by)

    async def discard(self, event_id: UUID, *, reason: str, by: str) -> Retried:
        """Gives a message up for good, with a reason, then processes those that waited behind it.

        Raises Refused: `not-parked`, `reason-missing`.
        """
        if not reason.strip():
            raise Refused("reason-missing")
        referral_id = await self._open_referral(event_id)
        async with self._ledger.unit([referral_id]) as unit:
            if not await self._settle(
                unit, event_id, referral_id, ParkedState.DISCARDED, "discarded", by, reason
            ):
                raise Refused("not-parked")
        return await self._advance(referral_id, by)

    async def retry_due(self, limit: int = 50) -> int:
        """Tries what is due, and goes on where a process died between two messages. Gives how many it processed."""
        rows = await self._ledger.pool.fetch(_DUE, self._consumer.name, self._ledger.clock.now(), limit)
        processed = 0
        for row in rows:
            processed += (await self._advance(row["referral_id"], SYSTEM, due_only=True)).processed
        return processed

    def stop(self) -> None:
        """Asks `run` to return."""
        self._stopping.set()

    async def run(self, every: float = 5.0) -> None:
        """Tries what is due, every so many seconds, until `stop`."""
        while not self._stopping.is_set():
            try:
                await self.retry_due()
            except Exception as error:
                if classify(error) is not ErrorClass.TRANSIENT:
                    raise
                _log.warning("parked-retries-paused", consumer=self._consumer.name, code=code_of(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self._stopping.wait()

    async def _advance(self, referral_id: UUID, by: str, *, due_only: bool = False) -> Retried:
        processed = 0
        while True:
            head: asyncpg.Record | None = None
            message: Message | None = None
            failure: str | None = None
            try:
                async with self._ledger.unit([referral_id]) as unit:
                    head = await self._head(unit, referral_id)
                    if head is None:
                        return Retried(processed, None)
                    if due_only and not _is_due(head, unit.now):
                        return Retried(processed, head["code"])
                    message = await self._read(head)
                    await self._process(unit, message)
                    await self._settle(unit, head["event_id"], referral_id, ParkedState.DONE, "processed", by)
                processed += 1
            except Exception as error:
                failure = code_of(error)
                if head is None:
                    raise
                await self._failed(head, error, by)
                return Retried(processed, failure)
            finally:
                if message is not None:
                    end(message.span, failure)

    async def _process(self, unit: Unit, message: Message) -> None:
        if message.erased:
            return
        if message.event is None:
            raise Permanent(message.code or "unreadable")
        await self._consumer.handle(unit, [message.event])

    async def _settle(
        self,
        unit: Unit,
        event_id: UUID,
        referral_id: UUID,
        state: ParkedState,
        action: str,
        by: str,
        reason: str | None = None,
    ) -> bool:
        """Closes an open message; with the referral's last one, tells the consumer that it goes on."""
        settled = await unit.connection.fetchval(
            _SETTLE,
            self._consumer.name,
            event_id,
            state.value,
            unit.now,
        )
        if not settled:
            return False
        await audit(
            unit.connection, self._consumer.name, event_id, referral_id, action, by, unit.now, reason=reason
        )
        if await self._head(unit, referral_id) is None:
            await self._consumer.resumed(unit, referral_id)
        return True

    async def _failed(self, head: asyncpg.Record, error: Exception, by: str) -> None:
        kind, code = classify(error), code_of(error)
        async with self._ledger.unit([head["referral_id"]]) as unit:
            passing = kind is ErrorClass.TRANSIENT
            attempts = head["attempts"] + (0 if passing else 1)
            due = unit.now + FIRST_DELAY if passing else next_attempt(kind, attempts, unit.now)
            await unit.connection.execute(
                _FAILED,
                self._consumer.name,
                head["event_id"],
                head["attempts"],
                attempts,
                kind.value,
                code,
                due,
            )
            await audit(
                unit.connection,
                self._consumer.name,
                head["event_id"],
                head["referral_id"],
                "retry-failed",
                by,
                unit.now,
                code=code,
            )

    async def _head(self, unit: Unit, referral_id: UUID) -> asyncpg.Record | None:
        return await unit.connection.fetchrow(
            _HEAD,
            self._consumer.name,
            referral_id,
        )

    async def _open_referral(self, event_id: UUID) -> UUID:
        found: UUID | None = await self._ledger.pool.fetchval(
            _REFERRAL,
            self._consumer.name,
            event_id,
        )
        if found is None:
            raise Refused("not-parked")
        return found

    async def _read(self, row: asyncpg.Record) -> Message:
        messages = await read([record_of(row)], self._consumer.types, self._ledger.codec, self._tracing)
        if not messages:
            raise Permanent("type-no-longer-read")
        return messages[0]


async def discarded(
    connection: asyncpg.Connection, consumer: str, referral_id: UUID, type: str
) -> UUID | None:
    """The message of this type that was given up, where one of the referral was; it will not come again."""
    found: UUID | None = await connection.fetchval(_DISCARDED, consumer, referral_id, type)
    return found


def _is_due(head: asyncpg.Record, now: datetime) -> bool:
    if head["state"] == ParkedState.WAITING.value:
        return True
    return head["next_attempt_at"] is not None and head["next_attempt_at"] <= now


def _message(row: asyncpg.Record) -> ParkedMessage:
    values = {each.name: row[each.name] for each in fields(ParkedMessage)}
    return ParkedMessage(**{**values, "state": ParkedState(values["state"])})
