"""Events without a broker: each consumer group reads the producers' outboxes directly.

One instance of a group reads a producer's outbox, the others stand by: the reader holds a session advisory lock on
a connection of its own, in autocommit, so that it never holds the fence. Its place is a cursor in the consumer's
schema, moved by compare-and-set. When the reader's process or connection dies, the server frees the lock.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import asyncpg
import structlog

from libs.messaging.errors import ErrorClass, classify
from libs.messaging.event import Record
from libs.messaging.failpoints import NEVER, Failpoints
from libs.messaging.log import START, Cursor, OutboxLog, advance_cursor, load_cursor
from libs.messaging.tables import cursor_name
from libs.messaging.transport import Backlog
from libs.schemas.clock import Clock
from libs.schemas.events import EventType, Service

_log = structlog.get_logger(__name__)

Connect = Callable[[], Awaitable[asyncpg.Connection]]
"""Opens a connection in the consumer's schema that may select from the producers' outboxes."""

STANDBY_INTERVAL = 0.5
"""Seconds between two attempts to become the reader of an outbox."""

SHORTEST_NAP = 0.01
LONGEST_NAP = 0.05
"""Seconds between two looks at outboxes that have nothing new: grows while nothing comes, for a consumer that
lingers up to the time that it does.
"""


@dataclass(slots=True)
class _Source:
    """One producer's outbox as this group reads it."""

    producer: Service
    log: OutboxLog
    cursor_name: str
    lock: int
    reading: bool = False
    committed: Cursor = START
    read: Cursor = START


class PostgresTransport:
    """The Transport of one consumer group's instance on the outboxes of the producers of `types`."""

    system = "postgresql_log"

    def __init__(
        self,
        connect: Connect,
        group: Service,
        types: Collection[EventType[Any]],
        *,
        clock: Clock,
        linger: float = 0.0,
        failpoints: Failpoints = NEVER,
    ) -> None:
        """`linger`: seconds that events may wait for a consumer that nobody waits for."""
        self._connect = connect
        self._group = group
        self._clock = clock
        self._longest_nap = max(LONGEST_NAP, linger)
        self._failpoints = failpoints
        self._connection: asyncpg.Connection | None = None
        self._busy = asyncio.Lock()
        self._paused = False
        self._next_attempt = 0.0
        self._turn = 0
        producers = sorted({kind.producer for kind in types})
        self._sources = [
            _Source(each, OutboxLog(each), cursor_name(group, each), _lock_key(group, each))
            for each in producers
        ]

    async def start(self) -> None:
        async with self._using():
            pass

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        nap = SHORTEST_NAP
        while True:
            if not self._paused:
                async with self._using() as connection:
                    records = await self._read(connection, max_records)
                if records:
                    return records
            left = until - loop.time()
            if left <= 0:
                return []
            await asyncio.sleep(min(nap, left))
            nap = min(nap * 1.5, self._longest_nap)

    async def commit(self, records: Sequence[Record]) -> None:
        async with self._using() as connection:
            for source in self._sources:
                if source.reading and source.read > source.committed:
                    await self._advance(connection, source)

    async def abandon(self, records: Sequence[Record]) -> None:
        for source in self._sources:
            source.read = source.committed

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    async def backlog(self) -> Backlog:
        async with self._busy:
            connection = self._connection
            # It is asked for before `start` and after `stop` too: nobody would close what it opened.
            if connection is None or connection.is_closed():
                return Backlog(0, None)
            rows = [
                await source.log.backlog(connection, source.committed)
                for source in self._sources
                if source.reading
            ]
        times = [row["oldest"] for row in rows if row["oldest"] is not None]
        return Backlog(sum(row["records"] for row in rows), min(times, default=None))

    async def stop(self) -> None:
        async with self._busy:
            await self._failpoints.hit("postgres.revoke")
            connection, self._connection = self._connection, None
            for source in self._sources:
                source.reading = False
            if connection is not None:
                with contextlib.suppress(
                    OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError
                ):
                    await connection.close(timeout=2.0)

    async def _read(self, connection: asyncpg.Connection, max_records: int) -> list[Record]:
        await self._stand_for(connection)
        records: list[Record] = []
        # Another outbox comes first each time, so that none starves behind another's backlog.
        self._turn += 1
        turn = self._turn % max(len(self._sources), 1)
        for source in self._sources[turn:] + self._sources[:turn]:
            if not source.reading or len(records) >= max_records:
                continue
            rows, _, _ = await source.log.read(connection, source.read, max_records - len(records))
            if rows:
                source.read = rows[-1].cursor
                records.extend(row.record() for row in rows)
        return records

    async def _advance(self, connection: asyncpg.Connection, source: _Source) -> None:
        now = self._clock.now()
        if await advance_cursor(connection, source.cursor_name, source.committed, source.read, now):
            source.committed = source.read
            return
        # Somebody else has moved it: this instance's lock was lost without its noticing.
        _log.warning("log-cursor-moved", consumer=self._group.value, cursor=source.cursor_name)
        await connection.execute("SELECT pg_advisory_unlock($1)", source.lock)
        source.reading = False

    async def _stand_for(self, connection: asyncpg.Connection) -> None:
        """Becomes the reader of the outboxes that nobody reads."""
        waiting = [source for source in self._sources if not source.reading]
        now = asyncio.get_running_loop().time()
        if not waiting or now < self._next_attempt:
            return
        self._next_attempt = now + STANDBY_INTERVAL
        for source in waiting:
            if await connection.fetchval("SELECT pg_try_advisory_lock($1)", source.lock):
                source.committed = await load_cursor(connection, source.cursor_name, self._clock.now())
                await source.log.refuse_if_restored(connection, source.committed)
                source.read = source.committed
                source.reading = True

    @contextlib.asynccontextmanager
    async def _using(self) -> AsyncIterator[asyncpg.Connection]:
        """The connection that holds the locks, for one task at a time. One that failed is given up with them."""
        async with self._busy:
            if self._connection is None or self._connection.is_closed():
                for source in self._sources:
                    source.reading = False
                self._next_attempt = 0.0
                self._connection = await self._connect()
            try:
                yield self._connection
            except Exception as error:
                if classify(error) is ErrorClass.TRANSIENT:
                    self._connection.terminate()
                raise


def _lock_key(group: Service, producer: Service) -> int:
    digest = blake2b(f"log-reader/{group.value}/{producer.value}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
