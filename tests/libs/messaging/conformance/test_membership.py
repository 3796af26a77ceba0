"""Rounds of poll, commit and abandon, and handing over between instances of a group."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from libs.messaging.event import Event, Record
from libs.schemas.events import Service
from tests.libs.messaging.conformance.world import LIMITS, Recorder, World, eventually, take


def places(records: list[Record]) -> list[tuple[str, int, int]]:
    return [(record.topic, record.partition, record.position) for record in records]


async def test_what_was_committed_is_not_delivered_to_the_next_instance(world: World) -> None:
    await world.emit_many([uuid4() for _ in range(4)], 1)
    first = world.transport()
    await first.start()
    await first.commit(await take(first, 4))
    await first.stop()
    later = await world.emit_many([uuid4()], 3)
    second = world.transport()
    await second.start()
    records = await take(second, 3)
    assert [record.headers["ce_id"].decode() for record in records] == [str(each) for each in later]


async def test_what_was_not_committed_is_delivered_to_the_next_instance(world: World) -> None:
    await world.emit_many([uuid4() for _ in range(4)], 2)
    first = world.transport()
    await first.start()
    before = await take(first, 8)
    await first.abandon(before)
    await first.stop()
    second = world.transport()
    await second.start()
    assert sorted(places(await take(second, 8))) == sorted(places(before))


async def test_an_abandoned_batch_comes_again_in_the_same_order(world: World) -> None:
    await world.emit_many([uuid4()], 5)
    transport = world.transport()
    await transport.start()
    before = await take(transport, 5)
    await transport.abandon(before)
    again = await take(transport, 5)
    assert places(again) == places(before)
    await transport.commit(again)
    assert await transport.poll(10, 0.2) == []


async def test_a_pause_gives_nothing_and_loses_nothing(world: World) -> None:
    transport = world.transport()
    await transport.start()
    await world.emit_many([uuid4()], 1)
    await transport.commit(await take(transport, 1))
    transport.pause()
    await world.emit_many([uuid4()], 2)
    for _ in range(5):
        assert await transport.poll(10, 0.1) == []
    transport.resume()
    assert len(await take(transport, 2)) == 2


async def test_a_poll_gives_no_more_than_was_asked_for(world: World) -> None:
    await world.emit_many([uuid4()], 7)
    transport = world.transport()
    await transport.start()
    sizes: list[int] = []
    while sum(sizes) < 7:
        records = await transport.poll(3, 1.0)
        await transport.commit(records)
        sizes.append(len(records))
    assert max(sizes) == 3


async def test_the_backlog_counts_what_is_not_committed(world: World) -> None:
    transport = world.transport()
    await transport.start()
    await world.emit_many([uuid4()], 3)
    records = await take(transport, 3)
    backlog = await transport.backlog()
    assert backlog.records == 3
    oldest = await world.ledgers[Service.INTAKE].pool.fetchval("SELECT min(time) FROM outbox")
    assert backlog.oldest == oldest
    await transport.commit(records)
    backlog = await transport.backlog()
    assert (backlog.records, backlog.oldest) == (0, None)


async def test_of_two_instances_one_delivers_each_record(world: World) -> None:
    first, second = world.transport(), world.transport()
    await asyncio.gather(first.start(), second.start())
    await world.emit_many([uuid4() for _ in range(12)], 2)
    records: list[Record] = []

    async def all_came() -> bool:
        for transport in (first, second):
            got = await transport.poll(100, 0.05)
            await transport.commit(got)
            records.extend(got)
        return len(records) >= 24

    await eventually(all_came)
    assert len(set(places(records))) == len(records) == 24


async def test_the_other_instance_takes_over_when_one_leaves(world: World) -> None:
    first, second = world.join(Recorder()), world.join(Recorder())
    await world.until_seen(await world.emit_many([uuid4() for _ in range(10)], 1))
    await first.stop()
    await world.until_seen(await world.emit_many([uuid4() for _ in range(10)], 1))
    assert not second.task.done()


async def test_a_batch_in_hand_is_finished_and_committed_before_an_instance_leaves(world: World) -> None:
    held, entered = asyncio.Event(), asyncio.Event()

    async def wait(_: Event) -> None:
        entered.set()
        await held.wait()

    slow, other = Recorder(), Recorder()
    slow.before = wait
    ids = await world.emit_many([uuid4()], 4)
    first = world.join(slow)
    await asyncio.wait_for(entered.wait(), 30)
    leaving = asyncio.create_task(first.stop())
    await asyncio.sleep(0.1)
    assert not leaving.done()
    held.set()
    await leaving
    world.join(other)
    last = await world.emit(uuid4())
    await world.until_seen([*ids, last])
    assert {event.id for event in other.events} <= {last, *ids} - {event.id for event in slow.events}
    assert len(await world.seen_ids()) == 5


async def test_a_newcomer_waits_for_the_batch_in_hand(world: World) -> None:
    held, entered = asyncio.Event(), asyncio.Event()

    async def wait(_: Event) -> None:
        entered.set()
        await held.wait()

    slow, other = Recorder(), Recorder()
    slow.before = wait
    ids = await world.emit_many([uuid4() for _ in range(6)], 2)
    world.join(slow, limits=LIMITS)
    await asyncio.wait_for(entered.wait(), 30)
    world.join(other)
    await asyncio.sleep(0.3)
    assert other.events == []
    held.set()
    await world.until_seen(ids)
    assert sorted(await world.seen_ids()) == sorted(ids)
