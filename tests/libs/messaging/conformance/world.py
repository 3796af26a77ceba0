"""Two producers, two consumer groups and what carries events between them, in a database of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from libs.messaging.codec import PlainCodec
from libs.messaging.consumer import Parked
from libs.messaging.event import Event
from libs.messaging.failpoints import NEVER, Failpoints
from libs.messaging.kafka import KafkaConnection
from libs.messaging.ledger import Ledger, Unit
from libs.messaging.limits import Limits
from libs.messaging.producer import EventProducer
from libs.messaging.relay import Relay
from libs.messaging.runner import Runner
from libs.messaging.tables import create_sql, cursor_name
from libs.messaging.transport import Transport
from libs.messaging.transports.kafka import KafkaTiming, KafkaTransport
from libs.messaging.transports.postgres import PostgresTransport
from libs.platform.clock import SystemClock
from libs.platform.database import connect, create_pool
from libs.schemas.base import Payload
from libs.schemas.events import (
    CASE_SCREENED,
    TOPICS,
    WITHDRAWN,
    EventType,
    Service,
    Withdrawn,
    WithdrawnReferral,
)
from sandbox.kafka import create_topics

PRODUCERS = (Service.INTAKE, Service.TRIAGE)
GROUPS = (Service.ENRICHMENT, Service.NOTIFY)
SERVICES = (*PRODUCERS, *GROUPS)
CURSORS = "log_cursor"
TYPES: frozenset[EventType[Any]] = frozenset({WITHDRAWN, CASE_SCREENED})
"""What the recorders read; other types are on the same topics."""

PARTITIONS = 4
QUICK = KafkaTiming(session=6.0, hand_over=5.0, request=5.0)
"""Six seconds is the shortest session that a broker accepts by default."""

LIMITS = Limits(poll_timeout=0.05, quick_delay=0.001, pause=0.02, longest_pause=0.2)

SEEN = """
CREATE TABLE seen (
    place       bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    event_id    uuid   NOT NULL,
    referral_id uuid   NOT NULL,
    type        text   NOT NULL,
    sequence    bigint NOT NULL
);
CREATE TABLE stopped (event_id uuid NOT NULL, referral_id uuid NOT NULL, first boolean NOT NULL, code text NOT NULL);
CREATE TABLE resumed (referral_id uuid NOT NULL);
"""


async def furnish(dsn: str) -> None:
    """Makes every service's schema in an empty database."""
    for service in SERVICES:
        connection = await connect(dsn, service=service)
        await connection.execute(f"CREATE SCHEMA {service.value}")
        await connection.execute(create_sql())
        await connection.execute(SEEN)
        await connection.close()


class Recorder:
    """A consumer whose effect is one row for each event; a test may make it fail."""

    def __init__(self, group: Service = Service.ENRICHMENT, types: frozenset[EventType[Any]] = TYPES) -> None:
        self.name = group.value
        self.types = types
        self.before: Callable[[Event], Awaitable[None]] | None = None
        """Called for each event of a batch before any effect of it."""
        self.events: list[Event] = []
        """Every event that a handler was given, again when it was given again."""
        self.batches: list[int] = []

    async def handle(self, unit: Unit, events: Sequence[Event]) -> None:
        self.events += events
        self.batches.append(len(events))
        for event in events:
            if self.before is not None:
                await self.before(event)
        await unit.connection.executemany(
            "INSERT INTO seen (event_id, referral_id, type, sequence) VALUES ($1, $2, $3, $4)",
            [(event.id, event.referral_id, event.type.name, event.sequence) for event in events],
        )

    async def stopped(self, unit: Unit, parked: Sequence[Parked]) -> None:
        await unit.connection.executemany(
            "INSERT INTO stopped VALUES ($1, $2, $3, $4)",
            [(each.event_id, each.referral_id, each.first, each.code) for each in parked],
        )

    async def resumed(self, unit: Unit, referral_id: UUID) -> None:
        await unit.connection.execute("INSERT INTO resumed VALUES ($1)", referral_id)


@dataclass
class Member:
    """One running instance of a consumer."""

    runner: Runner
    transport: Transport
    task: asyncio.Task[None]

    async def stop(self) -> None:
        """As on SIGTERM: finishes the batch in hand and leaves the group."""
        self.runner.stop()
        await self.task


@dataclass
class World:
    """Where one test runs. `kind`: `kafka` or `postgres`."""

    kind: str
    dsn: str
    bootstrap: str | None
    namespace: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}.")
    ledgers: dict[Service, Ledger] = field(default_factory=dict)
    relays: dict[Service, asyncio.Task[None]] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)
    transports: list[Transport] = field(default_factory=list)

    async def open(self) -> None:
        for service in SERVICES:
            pool = await create_pool(self.dsn, service=service, size=6)
            self.ledgers[service] = self.new_ledger(service, pool)
        if self.bootstrap:
            names = [self.kafka().named(TOPICS[producer]) for producer in PRODUCERS]
            await create_topics(self.bootstrap, names, PARTITIONS)
            for producer in PRODUCERS:
                self.start_relay(producer)

    def new_ledger(self, service: Service, pool: asyncpg.Pool, failpoints: Failpoints = NEVER) -> Ledger:
        return Ledger(
            pool,
            service,
            partnership="peterborough",
            codec=PlainCodec(),
            clock=SystemClock(),
            failpoints=failpoints,
        )

    def kafka(self) -> KafkaConnection:
        assert self.bootstrap is not None
        return KafkaConnection(self.bootstrap, "conformance", self.namespace)

    def start_relay(self, producer: Service) -> None:
        relay = Relay(
            self.ledgers[producer],
            EventProducer(self.kafka()),
            self.connect_as(producer),
            consumer=Recorder(producer),
        )
        self.relays[producer] = asyncio.create_task(relay.run())

    async def stop_relay(self, producer: Service) -> None:
        """Does nothing where there is none."""
        if (task := self.relays.pop(producer, None)) is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def connect_as(self, service: Service) -> Callable[[], Awaitable[Any]]:
        return functools.partial(connect, self.dsn, service=service)

    def transport(
        self,
        group: Service = Service.ENRICHMENT,
        types: Collection[EventType[Any]] = TYPES,
        *,
        timing: KafkaTiming = QUICK,
        failpoints: Failpoints = NEVER,
    ) -> Transport:
        transport: Transport
        if self.kind == "kafka":
            topics = {each.topic for each in types}
            transport = KafkaTransport(
                self.kafka(), group.value, topics, timing=timing, failpoints=failpoints
            )
        else:
            transport = PostgresTransport(
                self.connect_as(group), group, types, clock=SystemClock(), failpoints=failpoints
            )
        self.transports.append(transport)
        return transport

    def join(
        self,
        recorder: Recorder,
        *,
        limits: Limits = LIMITS,
        transport: Transport | None = None,
        failpoints: Failpoints = NEVER,
    ) -> Member:
        """Starts one more instance of the recorder's group."""
        group = Service(recorder.name)
        ledger = self.new_ledger(group, self.ledgers[group].pool, failpoints)
        transport = transport or self.transport(group, recorder.types)
        runner = Runner(ledger, transport, recorder, limits=limits)
        member = Member(runner, transport, asyncio.create_task(runner.run()))
        self.members.append(member)
        return member

    async def emit(
        self,
        referral: UUID,
        reason: str = "as agreed",
        *,
        type: EventType[Any] = WITHDRAWN,
        payload: Payload[Any, Any] | None = None,
        trace: str | None = None,
        tracestate: str | None = None,
    ) -> UUID:
        ledger = self.ledgers[type.producer]
        async with ledger.unit([referral]) as unit:
            return unit.emit(type, referral, payload or withdrawn(reason), trace=trace, tracestate=tracestate)

    async def emit_many(self, referrals: Sequence[UUID], count: int) -> list[UUID]:
        """`count` events for every referral, in transactions of one event for each."""
        ids: list[UUID] = []
        for number in range(count):
            async with self.ledgers[Service.INTAKE].unit(referrals) as unit:
                ids += [unit.emit(WITHDRAWN, each, withdrawn(f"{number}"), trace=None) for each in referrals]
        return ids

    async def seen(self, group: Service = Service.ENRICHMENT) -> list[asyncpg.Record]:
        return list(await self.ledgers[group].pool.fetch("SELECT * FROM seen ORDER BY place"))

    async def seen_ids(self, group: Service = Service.ENRICHMENT) -> list[UUID]:
        return [row["event_id"] for row in await self.seen(group)]

    async def until_seen(
        self, ids: Collection[UUID], group: Service = Service.ENRICHMENT, timeout: float = 15.0
    ) -> None:
        """Waits until each of the events has had its effect."""
        wanted = set(ids)

        async def all_there() -> bool:
            return wanted <= set(await self.seen_ids(group))

        await eventually(all_there, timeout)

    async def parked(self, group: Service = Service.ENRICHMENT) -> list[asyncpg.Record]:
        query = "SELECT * FROM parked WHERE state IN ('failed', 'waiting') ORDER BY number"
        return list(await self.ledgers[group].pool.fetch(query))

    async def resend(self, producer: Service) -> None:
        """Everything of the producer is delivered once more, as after a crash that lost all cursors."""
        if self.kind == "kafka":
            await self.stop_relay(producer)
            await self.ledgers[producer].pool.execute(f"UPDATE {CURSORS} SET xid = '0', id = 0")
            self.start_relay(producer)
        else:
            for group in GROUPS:
                await self.ledgers[group].pool.execute(
                    f"UPDATE {CURSORS} SET xid = '0', id = 0 WHERE name = $1", cursor_name(group, producer)
                )

    async def close(self) -> None:
        for member in self.members:
            member.runner.stop()
        done = await asyncio.gather(*(member.task for member in self.members), return_exceptions=True)
        for transport in self.transports:
            await transport.stop()
        for producer in PRODUCERS:
            await self.stop_relay(producer)
        for ledger in self.ledgers.values():
            await ledger.pool.close()
        failed = [each for each in done if isinstance(each, Exception)]
        if failed:
            raise failed[0]


def withdrawn(reason: str) -> Withdrawn:
    return Withdrawn(
        shared=WithdrawnReferral.model_validate(
            {
                "reference": "K7TM-P2RW-C",
                "received_at": "2026-03-09T14:05:31Z",
                "agency": "hampton_primary",
                "by": "headteacher",
                "reason": reason,
            }
        )
    )


def reason_of(event: Event) -> str:
    return str(event.payload.shared.reason) if event.type is WITHDRAWN else ""


async def eventually(condition: Callable[[], Awaitable[bool]], timeout: float = 40.0) -> None:
    """Waits until the condition holds. Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        while not await condition():
            await asyncio.sleep(0.05)


async def take(transport: Transport, count: int, timeout: float = 40.0) -> list[Any]:
    """Polls until `count` records came; commits nothing between."""
    records: list[Any] = []
    async with asyncio.timeout(timeout):
        while len(records) < count:
            records += await transport.poll(500, 0.05)
    return records


@contextlib.asynccontextmanager
async def opened(kind: str, dsn: str, bootstrap: str | None) -> AsyncIterator[World]:
    world = World(kind, dsn, bootstrap)
    await world.open()
    try:
        yield world
    finally:
        await world.close()
