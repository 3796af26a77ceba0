"""One instance of a group reads an outbox, the others stand by, and nothing is passed over at a change."""

from __future__ import annotations

import asyncio
from unittest import mock
from uuid import UUID, uuid4

import pytest

from libs.messaging.event import Record
from libs.messaging.log import RestoredLog
from libs.messaging.transport import Backlog
from libs.messaging.transports.postgres import PostgresTransport
from libs.schemas.events import CASE_SCREENED, CHECK_RETURNED, WITHDRAWN, Service
from tests.libs.messaging.conftest import World, until, withdraw


def ids(records: list[Record]) -> list[UUID]:
    return [UUID(record.headers["ce_id"].decode()) for record in records]


async def opened(world: World) -> PostgresTransport:
    transport = world.transport(Service.TRIAGE, [WITHDRAWN, CHECK_RETURNED])
    await transport.start()
    return transport


async def test_a_standby_gets_nothing_until_the_reader_leaves_and_then_what_was_not_committed(
    world: World,
) -> None:
    intake = await world.ledger(Service.INTAKE)
    events = await withdraw(intake, [uuid4() for _ in range(9)])
    reader, standby = await opened(world), await opened(world)
    first = await reader.poll(3, 1)
    await reader.commit(first)
    second = await reader.poll(3, 1)
    assert ids(first + second) == events[:6]
    assert await standby.poll(100, 1) == []
    assert (await reader.backlog()).records == 6
    await reader.stop()
    taken: list[Record] = []

    async def took_over() -> bool:
        taken.extend(await standby.poll(100, 0.2))
        return bool(taken)

    await until(took_over)
    assert ids(taken) == events[3:]
    await standby.commit(taken)
    assert (await standby.backlog()).records == 0
    await standby.stop()


async def test_a_consumer_that_nobody_waits_for_looks_less_often_at_empty_outboxes(world: World) -> None:
    looks: dict[float, int] = {}
    for linger in (0.0, 0.3):
        transport = PostgresTransport(
            lambda: world.connect(Service.TRIAGE),
            Service.TRIAGE,
            [WITHDRAWN],
            clock=world.clock,
            linger=linger,
        )
        (log,) = [source.log for source in transport._sources]
        looked = mock.AsyncMock(wraps=log.read)
        with mock.patch.object(log, "read", looked):
            assert await transport.poll(1, 1.0) == []
        looks[linger] = looked.await_count
        await transport.stop()
    assert looks[0.3] < looks[0.0] / 1.5


async def test_what_is_abandoned_comes_again(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    events = await withdraw(intake, [uuid4() for _ in range(4)])
    transport = await opened(world)
    records = await transport.poll(3, 1)
    await transport.abandon(records)
    assert ids(await transport.poll(10, 1)) == events
    await transport.stop()


async def test_a_reader_whose_place_was_moved_by_another_stops_reading(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    events = await withdraw(intake, [uuid4() for _ in range(4)])
    transport = await opened(world)
    records = await transport.poll(2, 1)
    await world.fetch(
        "UPDATE triage.log_cursor SET (xid, id) = (SELECT xid, id FROM intake.outbox WHERE event_id = $1)"
        " WHERE name = 'triage<intake'",
        events[2],
    )
    await transport.commit(records)
    later: list[Record] = []

    async def read_again() -> bool:
        later.extend(await transport.poll(10, 0.2))
        return bool(later)

    await until(read_again)
    assert ids(later) == events[3:], "from where the other one put it"
    await transport.stop()


async def test_a_pause_gives_nothing_and_loses_nothing(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    events = await withdraw(intake, [uuid4()])
    transport = await opened(world)
    transport.pause()
    assert await transport.poll(10, 0.1) == []
    transport.resume()
    assert ids(await transport.poll(10, 1)) == events
    await transport.stop()


async def test_a_backlog_tells_the_time_of_its_oldest_event(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    then = world.clock.now()
    await withdraw(intake, [uuid4()])
    world.clock.forward(minutes=3)
    await withdraw(intake, [uuid4()])
    transport = await opened(world)
    await transport.poll(1, 1)
    backlog = await transport.backlog()
    assert (backlog.records, backlog.oldest) == (2, then)
    await transport.stop()


async def test_asking_what_waits_opens_no_connection_that_nobody_would_close(world: World) -> None:
    transport = world.transport(Service.TRIAGE, [WITHDRAWN])
    assert await transport.backlog() == Backlog(0, None)
    await transport.start()
    await asyncio.gather(transport.stop(), transport.backlog())
    assert await transport.backlog() == Backlog(0, None)
    [connection] = world.connections
    assert connection.is_closed()


async def test_a_restored_outbox_is_not_read(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    await withdraw(intake, [uuid4()])
    await world.fetch("UPDATE intake.outbox SET xid = '9000000000'")
    transport = await opened(world)
    with pytest.raises(RestoredLog, match="rebase"):
        await transport.poll(10, 1)
    await transport.stop()


async def test_only_the_outboxes_of_the_types_producers_are_read(world: World) -> None:
    transport = world.transport(Service.INTAKE, [CASE_SCREENED])
    assert [source.producer for source in transport._sources] == [Service.TRIAGE]
