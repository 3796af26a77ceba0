"""What the relay does when Kafka, the database or an event gives it trouble."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.record import default_records

from libs.messaging.errors import Transient
from libs.messaging.kafka import KafkaConnection, SlowClient
from libs.messaging.log import Cursor, RestoredLog
from libs.messaging.parked import ParkedMessages
from libs.messaging.producer import EventProducer
from libs.messaging.relay import Relay
from libs.messaging.transports.kafka import KafkaTransport
from libs.schemas.events import WITHDRAWN, Service
from sandbox.kafka import EmbeddedKafka
from sandbox.processes import free_port
from tests.libs.messaging.conformance.conftest import database, furnished
from tests.libs.messaging.conformance.world import QUICK, Recorder, World, eventually, opened, take, withdrawn

__all__ = ["database", "furnished"]

INTAKE = Service.INTAKE


@pytest.fixture
async def world(database: str, kafka: str) -> AsyncIterator[World]:
    async with opened("kafka", database, kafka) as world:
        yield world


async def test_an_event_that_kafka_will_never_take_is_set_aside_and_the_others_go_on(world: World) -> None:
    await limit_messages(world, 3_000)
    await world.stop_relay(INTAKE)
    referral = uuid4()
    before = await world.emit_many([referral, uuid4()], 1)
    large = await world.emit(referral, "x" * 6_000)
    after = await world.emit_many([referral, uuid4()], 1)
    world.join(Recorder())
    with structlog.testing.capture_logs() as logs:
        world.start_relay(INTAKE)
        await world.until_seen([*before, *after])

        async def alarmed() -> bool:
            return any(line.get("code") == "event-unsent" for line in logs)

        # Those of the same wave pass before the refused one is set aside.
        await eventually(alarmed)
    dead = await world.ledgers[INTAKE].pool.fetch("SELECT * FROM outbox_dead")
    assert [(row["event_id"], row["referral_id"]) for row in dead] == [(large, referral)]
    assert dead[0]["code"] == "message-size-too-large-error"
    assert large not in await world.seen_ids()
    critical = [line for line in logs if line["log_level"] == "critical"]
    assert [(line["code"], line["event_id"]) for line in critical] == [("event-unsent", str(large))]
    (stopped,) = await world.ledgers[INTAKE].pool.fetch("SELECT * FROM stopped")
    assert (stopped["event_id"], stopped["referral_id"], stopped["first"]) == (large, referral, True)
    assert "xxx" not in str(logs)
    assert [line for line in logs if line["event"] == "relay-paused"] == []
    await limit_messages(world, 1_000_000)
    await ParkedMessages(world.ledgers[INTAKE], Recorder(INTAKE)).retry(large, by="person-7")
    await world.until_seen([large])


async def test_a_producer_that_lost_its_sequence_is_rebuilt(world: World) -> None:
    await world.stop_relay(INTAKE)
    producer = EventProducer(world.kafka())
    relay = Relay(world.ledgers[INTAKE], producer, world.connect_as(INTAKE))
    world.relays[INTAKE] = asyncio.create_task(relay.run())
    world.join(Recorder())
    referral = uuid4()
    await world.until_seen([await world.emit(referral)])
    broken = producer._producer
    assert broken is not None
    numbers = broken._txn_manager._sequence_numbers
    for place in list(numbers):
        numbers[place] += 7
    ids = [await world.emit(referral) for _ in range(3)]
    await world.until_seen(ids)
    assert producer._producer is not broken
    assert (await world.seen_ids())[1:] == ids


@pytest.mark.timeout(90)
async def test_kafka_away_at_the_start_and_later_delays_events_and_loses_none(
    database: str,
    tmp_path: Path,
) -> None:
    broker = EmbeddedKafka(tmp_path / "kafka", port=free_port())
    async with opened("postgres", database, None) as world:
        world.kind, world.bootstrap = "kafka", f"127.0.0.1:{broker._port}"
        world.start_relay(INTAKE)
        member = world.join(Recorder())
        ids = await world.emit_many([uuid4() for _ in range(3)], 2)
        with pytest.raises(Transient):
            await world.transport().start()
        try:
            await asyncio.to_thread(broker.start)
            await broker.create_topics([world.kafka().named(kind.topic) for kind in Recorder().types], 2)
            await world.until_seen(ids)
            await asyncio.to_thread(broker.kill)
            ids += await world.emit_many([uuid4() for _ in range(3)], 2)
            await asyncio.sleep(0.5)
            assert not member.task.done()
            assert not world.relays[INTAKE].done()
            await asyncio.to_thread(broker.start)
            await world.until_seen(ids, timeout=25.0)
            assert sorted(await world.seen_ids()) == sorted(ids)
            # What the broker took before it was killed is still there for whoever reads from the beginning.
            await all_are_on_the_topic(world, ids)
            await member.stop()
            await world.stop_relay(INTAKE)
        finally:
            await asyncio.to_thread(broker.stop)


async def test_a_second_relay_stands_by_and_nothing_is_sent_twice(world: World) -> None:
    transport = world.transport()
    await transport.start()
    ids = [await world.emit(uuid4())]
    await transport.commit(await take(transport, 1))
    second = Relay(world.ledgers[INTAKE], EventProducer(world.kafka()), world.connect_as(INTAKE))
    task = asyncio.create_task(second.run())
    ids += await world.emit_many([uuid4() for _ in range(5)], 3)
    records = await take(transport, 15)
    assert await transport.poll(10, 0.3) == []
    assert sorted(record.headers["ce_id"].decode() for record in records) == sorted(map(str, ids[1:]))
    assert not second.leading
    task.cancel()
    await asyncio.wait([task])


async def test_a_relay_sends_nothing_of_a_log_that_was_restored_into_another_cluster(world: World) -> None:
    await world.stop_relay(INTAKE)
    await world.emit(uuid4())
    await world.ledgers[INTAKE].pool.execute("UPDATE outbox SET xid = '9000000000'")
    relay = Relay(world.ledgers[INTAKE], EventProducer(world.kafka()), world.connect_as(INTAKE))
    with pytest.raises(RestoredLog):
        async with asyncio.timeout(20):
            await relay.run()


async def test_how_old_the_oldest_unsent_event_is_shows_until_it_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.messaging.relay.GAUGE_SECONDS", 0.02)
    await world.stop_relay(INTAKE)
    await world.emit(uuid4())
    await world.ledgers[INTAKE].pool.execute("UPDATE outbox SET time = now() - interval '10 minutes'")
    relay = Relay(world.ledgers[INTAKE], EventProducer(world.kafka()), world.connect_as(INTAKE))
    ages: list[float] = []
    monkeypatch.setattr(relay, "_age", SimpleNamespace(set=ages.append))
    world.relays[INTAKE] = asyncio.create_task(relay.run())

    async def nothing_is_left() -> bool:
        return bool(ages) and ages[-1] == 0

    await eventually(nothing_is_left)
    assert 600 <= ages[0] < 660


async def test_a_relay_whose_cursor_another_has_moved_stops_sending_and_reads_anew(world: World) -> None:
    transport, referral = world.transport(), uuid4()
    await transport.start()
    first = await world.emit(referral)
    await transport.commit(await take(transport, 1))
    pool = world.ledgers[INTAKE].pool
    row = await pool.fetchrow("SELECT xid, id FROM outbox WHERE event_id = $1", first)
    there = Cursor(row["xid"], row["id"])

    async def stands_there() -> bool:
        place = await pool.fetchrow("SELECT xid, id FROM log_cursor WHERE name = 'relay'")
        return Cursor(place["xid"], place["id"]) == there

    await eventually(stands_there)
    await pool.execute("UPDATE log_cursor SET xid = '0', id = 0 WHERE name = 'relay'")
    second = await world.emit(referral)
    with structlog.testing.capture_logs() as logs:
        records = await take(transport, 3)
    names = [record.headers["ce_id"].decode() for record in records]
    assert names == [str(second), str(first), str(second)]
    assert "relay-lost-leadership" in [line["event"] for line in logs]


async def test_the_broker_stamps_its_own_time_so_that_an_old_backlog_is_not_pruned_at_once(
    world: World,
) -> None:
    await world.stop_relay(INTAKE)
    await world.emit(uuid4())
    pool = world.ledgers[INTAKE].pool
    await pool.execute("UPDATE outbox SET time = '2020-03-09T14:05:31Z'")
    consumer = AIOKafkaConsumer(
        world.kafka().named(WITHDRAWN.topic), bootstrap_servers=world.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        world.start_relay(INTAKE)
        record = await asyncio.wait_for(consumer.getone(), 30)
    finally:
        await consumer.stop()
    assert datetime.fromtimestamp(record.timestamp / 1000, UTC).year > 2025
    assert dict(record.headers)["ce_time"] == b"2020-03-09T14:05:31Z"


async def test_no_payload_reaches_a_log_even_where_debugging_is_on(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await world.stop_relay(INTAKE)
    world.start_relay(INTAKE)
    recorder = Recorder()
    world.join(recorder)
    await world.until_seen([await world.emit(uuid4(), "Quillfeather-canary")])
    assert "Quillfeather" not in caplog.text
    assert "UXVpbGxmZWF0aGVy" not in caplog.text


async def test_a_referrals_events_are_where_any_kafka_client_looks_for_its_key(world: World) -> None:
    transport, referrals = world.transport(), [uuid4() for _ in range(60)]
    await transport.start()
    await world.emit_many(referrals, 2)
    records = await take(transport, 120)
    topic = world.kafka().named(WITHDRAWN.topic)
    async with AIOKafkaProducer(bootstrap_servers=world.bootstrap) as client:
        for each in referrals:
            sent = await client.send_and_wait(topic, b"", key=str(each).encode())
            assert {one.partition for one in records if one.key == str(each).encode()} == {sent.partition}
    assert len({one.partition for one in records}) > 1


async def test_a_wave_ends_where_a_batch_is_full_and_keeps_the_order_of_a_referral(world: World) -> None:
    await world.stop_relay(INTAKE)
    referral = uuid4()
    async with world.ledgers[INTAKE].unit([referral]) as unit:
        ids = [unit.emit(WITHDRAWN, referral, withdrawn("y" * 19_000), trace=None) for _ in range(120)]
    world.join(Recorder())
    world.start_relay(INTAKE)
    await world.until_seen(ids)
    assert await world.seen_ids() == ids


def test_a_client_without_its_c_extensions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        default_records, "DefaultRecordBatchBuilder", default_records._DefaultRecordBatchBuilderPy
    )
    with pytest.raises(SlowClient):
        KafkaConnection("127.0.0.1:1", "test").arguments()


async def test_nothing_is_left_running_where_kafka_cannot_be_reached() -> None:
    nowhere = KafkaConnection(f"127.0.0.1:{free_port()}", "test")
    with pytest.raises(Transient):
        await KafkaTransport(nowhere, "enrichment", ["mash.referral.v1"], timing=QUICK).start()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def all_are_on_the_topic(world: World, ids: Collection[UUID]) -> None:
    """Reads from the beginning until each was there; some may be there twice."""
    missing = {str(each).encode() for each in ids}
    consumer = AIOKafkaConsumer(
        world.kafka().named(WITHDRAWN.topic), bootstrap_servers=world.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            while missing:
                missing.discard(dict((await consumer.getone()).headers)["ce_id"])
    finally:
        await consumer.stop()


async def limit_messages(world: World, size: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    await admin.start()
    name = world.kafka().named(WITHDRAWN.topic)
    await admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, {"max.message.bytes": str(size)})]
    )
    await admin.close()
