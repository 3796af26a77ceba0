"""Services as messaging sees them: a schema and a ledger each, on a database of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from libs.messaging.codec import PlainCodec
from libs.messaging.consumer import Consumer, Parked
from libs.messaging.event import Event, Record
from libs.messaging.failpoints import NEVER, Failpoints
from libs.messaging.ledger import Ledger, Unit
from libs.messaging.limits import Limits
from libs.messaging.log import START, OutboxLog
from libs.messaging.runner import Runner
from libs.messaging.tables import create_sql
from libs.messaging.tasks import Part
from libs.messaging.transport import Backlog
from libs.messaging.transports.postgres import PostgresTransport
from libs.schemas.base import Nothing
from libs.schemas.events import (
    CASE_SCREENED,
    CHECK_RETURNED,
    RECEIVED,
    WITHDRAWN,
    CaseScreened,
    EventType,
    Reference,
    Service,
    Withdrawn,
    WithdrawnReferral,
)
from sandbox.postgres import EmbeddedPostgres
from tests.databases import Databases, execute


class Hands:
    """A clock that moves by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def forward(self, **by: float) -> None:
        self.time += timedelta(**by)


@dataclass
class World:
    """Every service's schema in one database."""

    dsn: str
    clock: Hands
    pools: dict[Service, asyncpg.Pool] = field(default_factory=dict)
    connections: list[asyncpg.Connection] = field(default_factory=list)

    async def connect(self, service: Service) -> asyncpg.Connection:
        connection = await asyncpg.connect(
            self.dsn,
            server_settings={"search_path": service.value, "application_name": f"mash-{service.value}"},
        )
        self.connections.append(connection)
        return connection

    async def ledger(self, service: Service, failpoints: Failpoints = NEVER) -> Ledger:
        if service not in self.pools:
            self.pools[service] = await asyncpg.create_pool(
                self.dsn,
                min_size=1,
                max_size=20,
                server_settings={"search_path": service.value, "application_name": f"mash-{service.value}"},
            )
        return Ledger(
            self.pools[service],
            service,
            partnership="peterborough",
            codec=PlainCodec(),
            clock=self.clock,
            failpoints=failpoints,
        )

    def transport(self, group: Service, types: Sequence[EventType[Any]]) -> PostgresTransport:
        return PostgresTransport(lambda: self.connect(group), group, types, clock=self.clock)

    async def fetch(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return rows
        finally:
            await connection.close()


async def fill(dsn: str) -> None:
    """Every service's schema, and a table of what triage has seen."""
    for service in Service:
        await execute(dsn, f"CREATE SCHEMA {service}; SET search_path = {service}; {create_sql()}")
    await execute(
        dsn,
        "CREATE TABLE triage.seen (place bigint GENERATED ALWAYS AS IDENTITY, event_id uuid PRIMARY KEY, type text,"
        " referral_id uuid, sequence bigint, trace text)",
    )


@pytest.fixture(scope="session")
def databases(cluster: EmbeddedPostgres) -> Databases:
    """Databases with every service's schema."""
    return Databases(cluster, fill)


@pytest.fixture
async def world(databases: Databases) -> AsyncIterator[World]:
    async with databases.lend() as dsn:
        made = World(dsn, Hands())
        yield made
        for each in made.connections:
            with contextlib.suppress(Exception):
                await each.close(timeout=1)
        for pool in made.pools.values():
            await pool.close()


class Recorder:
    """A consumer of triage's that writes down what it sees, and fails where the test says so."""

    name = "triage"
    types: frozenset[EventType[Any]] = frozenset({RECEIVED, WITHDRAWN, CHECK_RETURNED})

    def __init__(self) -> None:
        self.fail: Callable[[Event], Exception | None] = lambda event: None
        self.calls: list[int] = []
        self.told: list[Parked] = []
        self.went_on: list[UUID] = []

    async def handle(self, unit: Unit, events: Sequence[Event]) -> None:
        self.calls.append(len(events))
        for event in events:
            error = self.fail(event)
            if error is not None:
                raise error
            await unit.connection.execute(
                "INSERT INTO seen (event_id, type, referral_id, sequence, trace) VALUES ($1, $2, $3, $4, $5)",
                event.id,
                event.type.name,
                event.referral_id,
                event.sequence,
                event.trace,
            )

    async def stopped(self, unit: Unit, parked: Sequence[Parked]) -> None:
        self.told.extend(parked)

    async def resumed(self, unit: Unit, referral_id: UUID) -> None:
        self.went_on.append(referral_id)


class Late(Recorder):
    """Keeps what comes before its referral, which a check's answer stands for here."""

    async def handle(self, unit: Unit, events: Sequence[Event]) -> None:
        known = {event.referral_id for event in events if event.type is CHECK_RETURNED}
        known |= {
            row["referral_id"] for row in await unit.connection.fetch("SELECT DISTINCT referral_id FROM seen")
        }
        await unit.hold([event for event in events if event.referral_id not in known])
        released = await unit.release(known)
        await super().handle(unit, [*(event for event in events if event.referral_id in known), *released])


def withdrawal(now: datetime, words: str = "changed my mind") -> Withdrawn:
    """A small payload that intake produces."""
    shared = WithdrawnReferral(
        reference="K7TM-P2RW-Q", received_at=now, agency="school", by="teacher", reason=words
    )
    return Withdrawn(shared=shared, children={uuid4(): Nothing()})


def screening(now: datetime) -> CaseScreened:
    """A small payload that triage produces."""
    return CaseScreened(shared=Reference(reference="K7TM-P2RW-Q", at=now))


async def withdraw(
    ledger: Ledger, referral_ids: Sequence[UUID], *, words: str = "changed my mind"
) -> list[UUID]:
    """Has intake emit one event for each id in turn, in one unit. Gives the events' ids."""
    async with ledger.unit(referral_ids) as unit:
        return [unit.emit(WITHDRAWN, each, withdrawal(unit.now, words), trace=None) for each in referral_ids]


async def screen(ledger: Ledger, referral_ids: Sequence[UUID]) -> list[UUID]:
    """Has triage emit one event for each id in turn, in one unit."""
    async with ledger.unit(referral_ids) as unit:
        return [unit.emit(CASE_SCREENED, each, screening(unit.now), trace=None) for each in referral_ids]


QUICK = Limits(poll_timeout=0.05, quick_delay=0.001, pause=0.01, longest_pause=0.02, breaker_pause=0.2)
"""A runner's pace in tests."""


@contextlib.asynccontextmanager
async def running(*parts: Part) -> AsyncIterator[None]:
    """Runs these beside the test; what they raise fails it."""
    tasks = [asyncio.create_task(part.run()) for part in parts]
    try:
        yield
    finally:
        for part in parts:
            part.stop()
        await asyncio.gather(*tasks)


async def until(condition: Callable[[], Awaitable[bool]], timeout: float = 45.0) -> None:
    """Waits until the condition holds. Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        while not await condition():
            await asyncio.sleep(0.01)


async def waits_for_a_lock(world: World) -> bool:
    """Whether somebody waits for a referral, or for a name, that another unit holds."""
    rows = await world.fetch(
        "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return bool(rows)


class Once:
    """A transport that gives what it was handed, and then asks its runner to stop."""

    system = "test"

    def __init__(self, records: Sequence[Record]) -> None:
        self.left = list(records)
        self.runner: Runner | None = None

    async def start(self) -> None: ...

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        batch, self.left = self.left[:max_records], self.left[max_records:]
        if not batch and self.runner is not None:
            self.runner.stop()
        return batch

    async def commit(self, records: Sequence[Record]) -> None: ...

    async def abandon(self, records: Sequence[Record]) -> None:
        self.left = [*records, *self.left]

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    async def backlog(self) -> Backlog:
        return Backlog(len(self.left), None)

    async def stop(self) -> None: ...


async def deliver(world: World, consumer: Consumer, producer: Service, ids: Sequence[UUID]) -> None:
    """Has triage's consumer take these events of the producer's outbox, in one batch, and returns when it has."""
    ledger = await world.ledger(Service.TRIAGE)
    pool = (await world.ledger(producer)).pool
    rows = [row for row in (await OutboxLog().read(pool, START, 100_000)).rows if row.envelope.id in set(ids)]
    assert len(rows) == len(ids)
    transport = Once([row.record() for row in rows])
    transport.runner = Runner(ledger, transport, consumer, limits=QUICK)
    await transport.runner.run()
