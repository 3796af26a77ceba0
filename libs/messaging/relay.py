"""Carries a service's outbox to Kafka: one reader of the log among others, in the process that writes it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import structlog
from aiokafka.errors import KafkaError
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind

from libs.messaging.alarm import Alarm, log_only
from libs.messaging.consumer import Consumer
from libs.messaging.errors import ErrorClass, Transient, classify, code_of
from libs.messaging.ledger import Ledger
from libs.messaging.log import Cursor, LogRow, OutboxLog, advance_cursor, load_cursor
from libs.messaging.producer import TOO_LARGE, EventProducer, Sent
from libs.messaging.tables import RELAY
from libs.messaging.tracing import MOST_LINKS, end, span_context
from libs.messaging.unsent import bury

Connect = Callable[[], Awaitable["asyncpg.Connection[Any]"]]

BATCH = 500
FIRST_POLL_SECONDS = 0.004
POLL_SECONDS = 0.05
"""Without a ring the outbox is looked at this often: a row can wait for the fence after its commit rang."""
STANDBY_SECONDS = 1.0
"""How often a process that is not the leader tries to become it."""
LONGEST_PAUSE = 2.0
GAUGE_SECONDS = 5.0

_LEAD = "SELECT pg_try_advisory_lock($1)"


class LostLeadership(RuntimeError):
    """Another process has moved the cursor."""


class Relay:
    """Sends every event once at least, in each referral's order, and remembers how far it came.

    `connect` opens a connection of its own in the service's schema: it holds the session lock that makes this process
    the one sender. Others stand by and take over when it ends. An event that Kafka will never take (too large)
    becomes a row of `outbox_dead`, stops its referral where `consumer`, the service's own, makes that visible, raises
    the alarm, and does not stop the others. A crash between the acknowledgement and the cursor sends up to one batch
    again; consumers know events by their id.
    """

    def __init__(
        self,
        ledger: Ledger,
        producer: EventProducer,
        connect: Connect,
        *,
        consumer: Consumer | None = None,
        alarm: Alarm = log_only,
    ) -> None:
        self._ledger = ledger
        self._consumer = consumer
        self._alarm = alarm
        self._producer = producer
        self._connect = connect
        self._outbox = OutboxLog()
        self._key = ledger.lock_key(RELAY)
        self._log = structlog.get_logger().bind(worker="relay")
        self._tracer = trace.get_tracer("libs.messaging")
        meter = metrics.get_meter("libs.messaging")
        self._sent = meter.create_counter("messaging.client.sent.messages", "{message}")
        self._dead = meter.create_counter(
            "outbox_dead_events", "{event}", "Events that Kafka will never take."
        )
        self._failures = meter.create_counter("relay_failures", "{failure}", "Pauses of the relay.")
        self._age = meter.create_gauge("outbox_unsent_age_seconds", "s", "Age of the oldest event not sent.")
        self.leading = False
        """Whether this process is the sender."""

    async def run(self) -> None:
        """Until cancelled. Nothing that Kafka or the database does ends it; RestoredLog and SlowClient do."""
        failures = 0
        try:
            while True:
                try:
                    async with self._leadership() as connection:
                        failures = 0
                        await self._carry(connection)
                except (
                    KafkaError,
                    OSError,
                    Transient,
                    asyncpg.PostgresError,
                    asyncpg.InterfaceError,
                    # What asyncpg makes of a connection whose server dies between two of its messages.
                    asyncpg.InternalClientError,
                ) as error:
                    failures += 1
                    if (
                        isinstance(error, asyncpg.PostgresError)
                        and classify(error) is not ErrorClass.TRANSIENT
                    ):
                        self._log.error("relay-database-refuses", code=code_of(error))
                    await self._pause(error, failures)
                except LostLeadership:
                    self._log.warning("relay-lost-leadership")
        finally:
            await self._producer.stop()

    @contextlib.asynccontextmanager
    async def _leadership(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        connection = await self._connect()
        try:
            while not await connection.fetchval(_LEAD, self._key):  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(STANDBY_SECONDS)
            # A crash may lose the last cursors and so send some events again, which is cheaper than a flush for each.
            await connection.execute("SET synchronous_commit = off")
            self.leading = True
            self._log.info("relay-leads")
            yield connection
        finally:
            self.leading = False
            connection.terminate()

    async def _carry(self, connection: asyncpg.Connection[Any]) -> None:
        cursor = await load_cursor(connection, RELAY, self._ledger.clock.now())
        await self._outbox.refuse_if_restored(connection, cursor)
        delay, gauge_at, failures = FIRST_POLL_SECONDS, 0.0, 0
        while True:
            page = await self._outbox.read(connection, cursor, BATCH)
            now = asyncio.get_running_loop().time()
            if now >= gauge_at:
                gauge_at = now + GAUGE_SECONDS
                await self._gauge(connection, cursor)
            if page.rows:
                delay = FIRST_POLL_SECONDS
                await self._ledger.failpoints.hit("relay.after_read")
                try:
                    cursor = await self._send(connection, cursor, page.rows)
                    failures = 0
                except (KafkaError, OSError) as error:
                    if connection.is_closed():
                        raise
                    failures += 1
                    await self._producer.discard()
                    await self._pause(error, failures)
                    cursor = await load_cursor(connection, RELAY, self._ledger.clock.now())
                    continue
            if page.full:
                continue
            rung = await self._ledger.appended.wait(delay if page.held else POLL_SECONDS)
            delay = FIRST_POLL_SECONDS if rung else min(POLL_SECONDS, delay * 2)

    async def _send(self, connection: asyncpg.Connection[Any], cursor: Cursor, rows: list[LogRow]) -> Cursor:
        alone = 0
        while rows:
            sent = await self._sent_wave(rows, 1 if alone else None)
            await self._ledger.failpoints.hit("relay.after_ack")
            good = sent.acknowledged
            if good:
                cursor = await self._move(connection, cursor, rows[good - 1].cursor)
            rows = rows[good:]
            alone = max(0, alone - good)
            if not sent.failures:
                continue
            error = sent.failures[good]
            if not isinstance(error, TOO_LARGE):
                raise error
            # A refused batch leaves a gap in the producer's sequence numbers.
            await self._producer.discard()
            if alone or sent.taken == 1:
                await bury(self._ledger, self._consumer, rows[0], code_of(error), self._alarm)
                self._dead.add(1, {"messaging.destination.name": rows[0].topic})
                cursor = await self._move(connection, cursor, rows[0].cursor)
                rows = rows[1:]
                alone = max(0, alone - 1)
            else:
                alone = sent.taken - good
        return cursor

    async def _move(self, connection: asyncpg.Connection[Any], old: Cursor, new: Cursor) -> Cursor:
        await self._ledger.failpoints.hit("relay.before_cursor")
        if not await advance_cursor(connection, RELAY, old, new, self._ledger.clock.now()):
            raise LostLeadership
        return new

    async def _gauge(self, connection: asyncpg.Connection[Any], cursor: Cursor) -> None:
        oldest = (await self._outbox.backlog(connection, cursor))["oldest"]
        age = 0.0 if oldest is None else max(0.0, (self._ledger.clock.now() - oldest).total_seconds())
        self._age.set(age)

    async def _sent_wave(self, rows: list[LogRow], limit: int | None) -> Sent:
        """One wave, as a CLIENT span that links to what created its events; nothing is injected into them."""
        contexts = (span_context(row.envelope.traceparent, row.envelope.tracestate) for row in rows[:limit])
        links = [Link(context) for context in contexts if context is not None and context.trace_flags.sampled]
        topic = rows[0].topic
        attributes = {
            "messaging.system": "kafka",
            "messaging.operation.name": "send",
            "messaging.destination.name": topic,
        }
        span = None
        if links:
            span = self._tracer.start_span(
                f"send {topic}",
                context=Context(),
                kind=SpanKind.CLIENT,
                links=links[:MOST_LINKS],
                attributes={**attributes, "messaging.operation.type": "send"},
            )
        failure: str | None = "abandoned"
        try:
            sent = await self._producer.send(rows, limit)
            failure = code_of(next(iter(sent.failures.values()))) if sent.failures else None
            self._sent.add(sent.acknowledged, attributes)
            if span is not None:
                span.set_attribute("messaging.batch.message_count", sent.taken)
        finally:
            end(span, failure)
        return sent

    async def _pause(self, error: Exception, failures: int) -> None:
        seconds = random.uniform(0.5, 1.0) * min(LONGEST_PAUSE, 0.1 * 2 ** min(failures, 10))  # noqa: S311
        self._failures.add(1, {"error.type": code_of(error)})
        self._log.warning(
            "relay-paused",
            code=code_of(error),
            attempt=failures,
            delay_seconds=round(seconds, 2),
        )
        await asyncio.sleep(seconds)
