"""What only a broker's client can do wrong: lose its place, stop silently, hang in a hand-over."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from libs.messaging.event import Event
from libs.messaging.transports.kafka import KafkaTransport
from libs.messaging.transports.watch import Stuck
from libs.schemas.events import WITHDRAWN
from tests.libs.messaging.conformance.conftest import database, furnished
from tests.libs.messaging.conformance.world import (
    PARTITIONS,
    QUICK,
    Recorder,
    World,
    eventually,
    opened,
    take,
)

__all__ = ["database", "furnished"]


@pytest.fixture
async def world(database: str, kafka: str) -> AsyncIterator[World]:
    async with opened("kafka", database, kafka) as world:
        yield world


def member_of(world: World, **timing: float) -> KafkaTransport:
    transport = world.transport(timing=dataclasses.replace(QUICK, **timing))
    assert isinstance(transport, KafkaTransport)
    return transport


async def test_a_place_that_the_broker_no_longer_has_is_an_incident_and_what_is_left_is_read(
    world: World,
) -> None:
    first, referral = member_of(world), uuid4()
    await first.start()
    await world.emit(referral)
    await first.commit(await take(first, 1))
    await first.stop()
    for _ in range(3):
        await world.emit(referral)
    other = world.transport()
    await other.start()
    await other.abandon(await take(other, 3))
    await other.stop()
    await prune(world, 3)
    second = member_of(world)
    await second.start()
    with structlog.testing.capture_logs() as logs:
        (record,) = await take(second, 1)
    assert record.position == 3
    incident = [line for line in logs if line["event"] == "committed-place-gone"]
    assert [(line["log_level"], line["offset"]) for line in incident] == [("critical", 1)]


async def test_a_group_that_was_never_there_begins_quietly_at_the_first_record(world: World) -> None:
    await world.emit(uuid4())
    transport = member_of(world)
    with structlog.testing.capture_logs() as logs:
        await transport.start()
        await take(transport, 1)
    # The client says so itself when a busy broker is slow to tell it an offset, and asks again.
    ours = [line for line in logs if not line.get("logger", "").startswith("aiokafka")]
    assert [line for line in ours if line["log_level"] in ("critical", "error")] == []


async def test_a_client_that_stopped_fetching_is_rebuilt_and_goes_on(world: World) -> None:
    transport = member_of(world, stuck=0.5)
    await transport.start()
    await world.emit(uuid4())
    await transport.commit(await take(transport, 1))
    assert transport._consumer is not None
    transport._consumer._fetcher._fetch_task.cancel()
    # The request that is under way would still bring what comes now.
    await asyncio.sleep(0.4)
    second = await world.emit(uuid4())
    with structlog.testing.capture_logs() as logs:
        (record,) = await take(transport, 1)
    assert record.headers["ce_id"].decode() == str(second)
    assert "consumer-rebuilt" in [line["event"] for line in logs]


async def test_a_client_that_is_stuck_again_after_it_was_rebuilt_ends_the_process(world: World) -> None:
    transport = member_of(world, stuck=0.5)
    await transport.start()
    await world.emit(uuid4())
    with pytest.raises(Stuck):
        await polled_without_fetching(transport)


async def test_a_client_without_anything_to_read_is_left_alone(world: World) -> None:
    transport = member_of(world, stuck=0.3)
    await transport.start()
    before = transport._consumer
    for _ in range(10):
        assert await transport.poll(10, 0.1) == []
    assert transport._consumer is before


async def test_a_newcomer_gets_nothing_of_the_batch_in_hand_until_it_is_committed(world: World) -> None:
    first, second = member_of(world, session=2.0), member_of(world, session=2.0)
    await first.start()
    await world.emit_many([uuid4() for _ in range(12)], 1)
    in_hand = await take(first, 12)
    joining = asyncio.create_task(second.start())
    await asyncio.sleep(1.5)
    assert not joining.done()
    await first.commit(in_hand)
    polling = asyncio.create_task(take(first, 1))
    await asyncio.wait_for(joining, 30)
    assert await second.poll(100, 0.5) == []
    polling.cancel()


async def test_a_poll_that_outlasts_a_hand_over_loses_nothing_of_what_it_reads(world: World) -> None:
    first, second = member_of(world, session=2.0), member_of(world, session=2.0)
    await first.start()
    assert first._consumer is not None
    # Else finding where to begin would end the wait.
    await first._consumer.commit(dict.fromkeys(first._consumer.assignment(), 0))
    polling = asyncio.create_task(first.poll(100, 8.0))
    await asyncio.sleep(0.3)
    await asyncio.wait_for(second.start(), 30)
    assert not polling.done()
    ids = await world.emit_many([uuid4() for _ in range(24)], 1)
    records = await polling
    await first.commit(records)
    read = list(records)
    # Once more for each after the last, in case something comes twice.
    while found := [*await first.poll(100, 1.0), *await second.poll(100, 1.0)]:
        read += found
    assert sorted(record.headers["ce_id"].decode() for record in read) == sorted(map(str, ids))


async def test_a_batch_that_hangs_delays_a_hand_over_only_so_long(world: World) -> None:
    held, entered = asyncio.Event(), asyncio.Event()

    async def hang(_: Event) -> None:
        entered.set()
        await held.wait()

    slow = Recorder()
    slow.before = hang
    ids = await world.emit_many([uuid4() for _ in range(12)], 1)
    world.join(slow, transport=member_of(world, hand_over=0.5))
    await asyncio.wait_for(entered.wait(), 30)
    quick = member_of(world)
    await asyncio.wait_for(quick.start(), 30)
    async with asyncio.timeout(20):
        while not (records := await quick.poll(100, 0.1)):
            pass
    await quick.abandon(records)
    await quick.stop()
    held.set()
    slow.before = None
    await world.until_seen(ids)
    assert sorted(await world.seen_ids()) == sorted(ids)


async def test_a_commit_for_partitions_that_went_elsewhere_is_left_out(world: World) -> None:
    transport = member_of(world)
    await transport.start()
    await world.emit_many([uuid4() for _ in range(12)], 1)
    records = await take(transport, 12)
    await transport.commit(records[:6])
    await transport.revoke([TopicPartition("any", 0)])
    await transport.commit(records[6:])
    assert transport._positions.uncommitted == {}
    assert transport._consumer is not None
    committed = 0
    for number in range(PARTITIONS):
        place = TopicPartition(world.kafka().named(WITHDRAWN.topic), number)
        committed += await transport._consumer.committed(place) or 0
    assert committed == 6


async def polled_without_fetching(transport: KafkaTransport) -> None:
    async with asyncio.timeout(15):
        while True:
            if transport._consumer is not None:
                transport._consumer._fetcher._fetch_task.cancel()
            await transport.poll(10, 0.05)


async def prune(world: World, below: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    await admin.start()
    topic = world.kafka().named(WITHDRAWN.topic)
    await admin.delete_records(
        {place: RecordsToDelete(before_offset=below) for place in await filled(world, topic, below)}
    )
    await admin.close()


async def filled(world: World, topic: str, least: int) -> list[TopicPartition]:
    """Partitions that hold at least so many records."""
    transport = member_of(world)
    await transport.start()
    assert transport._consumer is not None
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    ends = await transport._consumer.end_offsets(places)
    await transport.stop()
    return [place for place in places if ends[place] >= least]


class NotUtf8(str):
    """A header's name as another producer may write it."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\xfe"


async def test_a_record_that_the_client_cannot_read_is_parked_and_nothing_around_it_is_lost(
    world: World,
) -> None:
    referrals = [uuid4() for _ in range(8)]
    before = await world.emit_many(referrals, 2)
    recorder = Recorder()
    member = world.join(recorder)
    await world.until_seen(before)
    await member.stop()
    await world.emit_many(referrals, 1)
    topic = world.kafka().named(WITHDRAWN.topic)
    batch = BatchBuilder(10_000, 0, is_transactional=False, key_serializer=None, value_serializer=None)
    batch._builder = _DefaultRecordBatchBuilderPy(2, 0, False, -1, -1, 0, 10_000)
    for headers in ([(NotUtf8("x"), b"1")], [("ce_id", None), ("n\x00l", None)], [(NotUtf8("y"), None)]):
        batch.append(timestamp=None, key=None, value=b"{}", headers=headers)
    batch.close()
    async with AIOKafkaProducer(bootstrap_servers=world.bootstrap) as producer:
        await (await producer.send_batch(batch, topic, partition=1))
    after = await world.emit_many(referrals, 2)
    with structlog.testing.capture_logs() as logs:
        second = world.join(recorder)
        await world.until_seen(after)

        async def all_parked() -> bool:
            return len(await world.parked()) == 3

        await eventually(all_parked)
        await second.stop()
    seen = await world.seen_ids()
    assert len(seen) == len(set(seen)) == 8 * 5
    assert [row["code"] for row in await world.parked()] == ["envelope"] * 3
    named = {(each["partition"], each["offset"]) for each in logs if each["event"] == "record-unreadable"}
    assert named == {(row["partition"], row["position"]) for row in await world.parked()}
