"""What arrives, in which order, and how often."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from uuid import UUID, uuid4

from libs.messaging.event import Envelope
from libs.schemas.events import CASE_DECIDED, CASE_SCREENED, WITHDRAWN, CaseDecided, CaseScreened, Service
from tests.libs.messaging.conformance.world import Recorder, World, eventually, take
from tests.libs.schemas.goldens import golden

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def by_referral(rows: list) -> dict[UUID, list[int]]:  # type: ignore[type-arg]
    sequences: dict[UUID, list[int]] = defaultdict(list)
    for row in rows:
        sequences[row["referral_id"]].append(row["sequence"])
    return sequences


async def test_the_events_of_a_referral_take_effect_in_their_order(world: World) -> None:
    referrals = [uuid4() for _ in range(20)]
    world.join(Recorder())
    world.join(Recorder())
    ids = await world.emit_many(referrals, 10)
    await world.until_seen(ids)
    sequences = by_referral(await world.seen())
    assert sequences == {referral: list(range(1, 11)) for referral in referrals}


async def test_every_event_takes_effect_once_while_members_join_and_leave(world: World) -> None:
    referrals = [uuid4() for _ in range(10)]
    first = world.join(Recorder())
    ids = await world.emit_many(referrals, 5)
    second = world.join(Recorder())
    ids += await world.emit_many(referrals, 5)
    await first.stop()
    ids += await world.emit_many(referrals, 5)
    third = world.join(Recorder())
    await second.stop()
    ids += await world.emit_many(referrals, 5)
    await world.until_seen(ids)
    await third.stop()
    assert sorted(await world.seen_ids()) == sorted(ids)
    assert by_referral(await world.seen()) == {referral: list(range(1, 21)) for referral in referrals}


async def test_a_consumer_that_starts_late_reads_from_the_beginning(world: World) -> None:
    ids = [await world.emit(uuid4()) for _ in range(5)]
    if world.kind == "kafka":
        await eventually(lambda: sent_all(world))
    world.join(Recorder())
    await world.until_seen(ids)


async def test_two_groups_each_get_everything(world: World) -> None:
    world.join(Recorder(Service.ENRICHMENT))
    world.join(Recorder(Service.NOTIFY))
    ids = await world.emit_many([uuid4() for _ in range(5)], 2)
    await world.until_seen(ids, Service.ENRICHMENT)
    await world.until_seen(ids, Service.NOTIFY)


async def test_an_envelope_arrives_as_it_was_written(world: World) -> None:
    referral = uuid4()
    event_id = await world.emit(referral, trace=TRACE, tracestate="hub=7")
    transport = world.transport()
    await transport.start()
    (record,) = await take(transport, 1)
    stored = await world.ledgers[Service.INTAKE].pool.fetchrow("SELECT * FROM outbox")
    envelope = Envelope.parse(record.headers)
    assert envelope == Envelope(
        event_id,
        WITHDRAWN.name,
        "/peterborough/intake",
        referral,
        1,
        stored["time"],
        TRACE,
        "hub=7",
    )
    assert record.topic == WITHDRAWN.topic
    assert record.key == str(referral).encode()
    assert record.value == stored["payload"]
    assert record.headers["content-type"] == b"application/json"


async def test_a_trace_goes_on_in_what_consumes_the_event(world: World) -> None:
    recorder = Recorder()
    world.join(recorder)
    await world.until_seen([await world.emit(uuid4(), trace=TRACE)])
    trace = recorder.events[0].trace
    assert trace is not None
    assert trace.split("-")[1] == TRACE.split("-")[1]


async def test_a_large_payload_arrives_whole(world: World) -> None:
    recorder = Recorder()
    world.join(recorder)
    long = "ä" * 20_000
    payload = {
        "shared": {"reference": "K7TM-P2RW-C", "at": "2026-03-10T10:12:40Z"},
        "children": {
            str(uuid4()): {
                "level": "section_17",
                "rag": "red",
                "immediate_danger": True,
                "to_be_read": True,
                "team": "mash_duty",
                "due_at": "2026-03-10T10:12:40Z",
            }
            for _ in range(5_500)
        },
    }
    screened = CaseScreened.model_validate(payload)
    assert len(screened.model_dump_json()) > 900_000
    ids = [await world.emit(uuid4(), type=CASE_SCREENED, payload=screened) for _ in range(2)]
    ids.append(await world.emit(uuid4(), long))
    await world.until_seen(ids)
    assert screened in [event.payload for event in recorder.events]


async def test_types_that_a_consumer_does_not_read_are_passed_over(world: World) -> None:
    world.join(Recorder())
    decided = CaseDecided.model_validate_json(golden(CASE_DECIDED.name))
    for _ in range(3):
        await world.emit(uuid4(), type=CASE_DECIDED, payload=decided)
    await world.until_seen([await world.emit(uuid4())])
    await asyncio.sleep(0.2)
    assert len(await world.seen()) == 1
    assert await world.ledgers[Service.ENRICHMENT].pool.fetchval("SELECT count(*) FROM inbox") == 1


async def test_what_is_delivered_again_has_no_effect_again(world: World) -> None:
    ids = await world.emit_many([uuid4() for _ in range(5)], 4)
    member = world.join(Recorder())
    await world.until_seen(ids)
    await member.stop()
    await world.resend(Service.INTAKE)
    again = Recorder()
    world.join(again)
    last = await world.emit(uuid4())
    await world.until_seen([last])
    if world.kind == "kafka":
        await eventually(lambda: delivered_twice(world))
    assert sorted(await world.seen_ids()) == sorted([*ids, last])
    assert [event.id for event in again.events] == [last]


async def test_fields_of_a_later_release_change_nothing(world: World) -> None:
    recorder = Recorder()
    world.join(recorder)
    event_id = await world.emit(uuid4())
    await world.until_seen([event_id])
    later = recorder.events[0].value.replace(b'{"shared":{', b'{"added":1,"shared":{"added":{"x":[1]},')
    pool = world.ledgers[Service.INTAKE].pool
    next_id = uuid4()
    await pool.execute(
        "INSERT INTO outbox (event_id, type, topic, source, referral_id, sequence, time, payload) "
        "SELECT $1, type, topic, source, $2, 1, time, $3 FROM outbox LIMIT 1",
        next_id,
        uuid4(),
        later,
    )
    await world.until_seen([next_id])
    assert recorder.events[-1].payload == recorder.events[0].payload


async def sent_all(world: World) -> bool:
    pool = world.ledgers[Service.INTAKE].pool
    return bool(
        await pool.fetchval(
            "SELECT NOT EXISTS (SELECT FROM outbox o, log_cursor c "
            "WHERE c.name = 'relay' AND (o.xid, o.id) > (c.xid, c.id))"
        )
    )


async def delivered_twice(world: World) -> bool:
    return (await world.members[-1].transport.backlog()).records == 0
