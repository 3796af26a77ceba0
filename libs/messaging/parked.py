"""What people do with parked messages: list, read, retry, discard. And the retries that nobody has to ask for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from libs.messaging import unsent
from libs.messaging.codec import Decoded
from libs.messaging.consumer import Consumer
from libs.messaging.errors import ErrorClass, Permanent, Refused, classify, code_of
from libs.messaging.event import Record
from libs.messaging.ledger import Ledger, Unit
from libs.messaging.message import Message, read
from libs.messaging.parking import FIRST_DELAY, SYSTEM, Reason, Words, audit, next_attempt, record_of
from libs.messaging.standing import (
    NEVER_SENT,
    OPEN,
    ParkedAction,
    ParkedDetail,
    ParkedMessage,
    ParkedState,
    Retried,
    found,
    listed,
    message_of,
)
from libs.messaging.tracing import Tracing, end
from libs.schemas.events import EVENT_TYPES, EventType

__all__ = ["ParkedMessages", "ParkedState", "discarded"]

_log = structlog.get_logger(__name__)


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
        states: Sequence[ParkedState] = OPEN,
        after: int = 0,
        limit: int = 100,
    ) -> list[ParkedMessage]:
        """Messages in the order of their parking, from the number after `after`. Shows no payload."""
        return await listed(self._ledger.pool, self._consumer.name, states, after, limit)

    async def show(self, event_id: UUID, *, by: str) -> ParkedDetail:
        """One message with its payload; that `by` (the subject of a token) read it is recorded. Raises Refused."""
        pool, codec = self._ledger.pool, self._ledger.codec
        row = await found(pool, self._consumer.name, event_id)
        if row is None:
            raise Refused("not-parked")
        if row["partition"] == NEVER_SENT:
            record = await unsent.written(pool, row["referral_id"], event_id)
            messages = await self._read(record, EVENT_TYPES) if record is not None else ()
        else:
            record = record_of(row)
            messages = await self._read(record, self._consumer.types)
        for message in messages:
            end(message.span)
        actions = await pool.fetch(_ACTIONS, self._consumer.name, event_id)
        async with pool.acquire() as connection:
            now = self._ledger.clock.now()
            await audit(connection, self._consumer.name, event_id, row["referral_id"], "read", by, now)
        text = None
        if record is not None and record.value:
            (text,) = await codec.text([record.value])
        event = messages[0].event if messages else None
        return ParkedDetail(message_of(row), event, text, await self._actions(actions))

    async def retry(self, event_id: UUID, *, by: str) -> Retried:
        """Tries the message that stops its referral again, then those that wait behind it; sends an unsent one again.

        `by`: the subject of the caller's token. Raises Refused: `not-parked`, `not-first` (another one has to be
        processed before it).
        """
        if (referral := await unsent.find(self._ledger.pool, event_id)) is not None:
            return await self._send_again(event_id, referral, by)
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
        (why,) = await self._ledger.codec.encode([Reason(shared=Words(text=reason))])
        referral = await unsent.find(self._ledger.pool, event_id)
        referral_id = referral or await self._open_referral(event_id)
        async with self._ledger.unit([referral_id]) as unit:
            if not await self._settle(
                unit, event_id, referral_id, ParkedState.DISCARDED, "discarded", by, why
            ):
                raise Refused("not-parked")
        return Retried(0, None) if referral else await self._advance(referral_id, by)

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
                    message = await self._read_again(head)
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
        reason: bytes | None = None,
    ) -> bool:
        """Closes an open message; with the referral's last one, tells the consumer that it goes on."""
        settled = await unit.connection.fetchval(
            _SETTLE,
            self._consumer.name,
            event_id,
            state.value,
            unit.now,
        )
        if not settled and not await unsent.settle(unit, event_id, state.value):
            return False
        await audit(
            unit.connection, self._consumer.name, event_id, referral_id, action, by, unit.now, reason=reason
        )
        if not await unsent.stands(unit, self._consumer.name, referral_id):
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

    async def _send_again(self, event_id: UUID, referral_id: UUID, by: str) -> Retried:
        async with self._ledger.unit([referral_id]) as unit:
            if not await unsent.send_again(unit, referral_id, event_id):
                raise Refused("not-parked")
            if not await self._settle(unit, event_id, referral_id, ParkedState.DONE, "sent-again", by):
                raise Refused("not-parked")
            unit.committed.append(self._ledger.wake)
        return Retried(1, None)

    async def _actions(self, rows: Sequence[asyncpg.Record]) -> tuple[ParkedAction, ...]:
        """What was done, with the reasons as far as they can still be read."""
        given = [row["reason"] for row in rows if row["reason"] is not None]
        reasons = iter(await self._ledger.codec.decode([(Reason, value) for value in given]) if given else ())
        actions = []
        for row in rows:
            reason = next(reasons) if row["reason"] is not None else None
            text = reason.payload.shared.text if isinstance(reason, Decoded) else None
            actions.append(ParkedAction(row["action"], row["by"], text, row["code"], row["at"]))
        return tuple(actions)

    async def _read(self, record: Record, types: Collection[EventType[Any]]) -> Sequence[Message]:
        return await read([record], types, self._ledger.codec, self._tracing)

    async def _read_again(self, row: asyncpg.Record) -> Message:
        messages = await self._read(record_of(row), self._consumer.types)
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
