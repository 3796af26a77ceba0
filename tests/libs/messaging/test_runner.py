"""What a consumer may rely on: each event once, in its referral's order, and nobody else's trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from libs.messaging.codec import ERASED, PlainCodec
from libs.messaging.consumer import Parked
from libs.messaging.errors import Permanent, Transient
from libs.messaging.event import Event
from libs.messaging.ledger import Unit
from libs.messaging.limits import Limits
from libs.messaging.runner import Runner
from libs.schemas.events import (
    CHECK_RETURNED,
    RECEIVED,
    WITHDRAWN,
    CheckReturned,
    Reference,
    Service,
)
from tests.libs.messaging.conftest import QUICK, Late, Recorder, World, running, until, withdraw


async def start(world: World, consumer: Recorder, limits: Limits = QUICK) -> Runner:
    ledger = await world.ledger(Service.TRIAGE)
    transport = world.transport(Service.TRIAGE, list(consumer.types))
    return Runner(ledger, transport, consumer, limits=limits)


async def taken_in(world: World, count: int) -> None:
    """Waits until the consumer's inbox has so many events."""

    async def enough() -> bool:
        return bool((await world.fetch("SELECT count(*) >= $1 AS yes FROM triage.inbox", count))[0]["yes"])

    await until(enough)


async def seen(world: World) -> list[tuple[UUID, int]]:
    rows = await world.fetch("SELECT referral_id, sequence FROM triage.seen ORDER BY place")
    return [(row["referral_id"], row["sequence"]) for row in rows]


async def parked(world: World) -> dict[UUID, tuple[str, str]]:
    rows = await world.fetch("SELECT event_id, state, code FROM triage.parked ORDER BY number")
    return {row["event_id"]: (row["state"], row["code"]) for row in rows}


async def test_a_batch_is_applied_once_and_in_each_referrals_order(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    referrals = [uuid4() for _ in range(15)]
    for _ in range(5):
        await withdraw(intake, referrals)
    consumer = Recorder()
    async with running(await start(world, consumer)):
        await taken_in(world, 75)
    assert consumer.calls == [75]
    for referral in referrals:
        assert [number for each, number in await seen(world) if each == referral] == [1, 2, 3, 4, 5]


async def test_a_large_batch_is_shared_out_evenly_whoever_comes_together_and_each_keeps_its_order(
    world: World,
) -> None:
    intake = await world.ledger(Service.INTAKE)
    referrals = [UUID(int=uuid4().int & ~1) for _ in range(41)]
    for _ in range(5):
        await withdraw(intake, referrals)
    consumer = Recorder()
    async with running(await start(world, consumer)):
        await taken_in(world, 205)
    assert sorted(consumer.calls) == [100, 105]
    for referral in referrals:
        assert [number for each, number in await seen(world) if each == referral] == [1, 2, 3, 4, 5]


async def test_where_one_part_of_a_batch_fails_for_a_while_the_other_has_its_effect_once(
    world: World,
) -> None:
    intake = await world.ledger(Service.INTAKE)
    referrals = [uuid4() for _ in range(100)]
    await withdraw(intake, referrals)
    unlucky = referrals[0]
    consumer, down = Recorder(), iter([True, True])
    consumer.fail = lambda event: (
        Transient("agency-down") if event.referral_id == unlucky and next(down, False) else None
    )
    async with running(await start(world, consumer)):
        await taken_in(world, 100)
    assert consumer.calls == [50, 50, 50, 50]
    assert sorted(each for each, _ in await seen(world)) == sorted(referrals)
    assert await parked(world) == {}


async def test_where_one_part_of_a_batch_fails_the_batch_comes_again_once_the_other_has_ended(
    world: World,
) -> None:
    intake = await world.ledger(Service.INTAKE)
    referrals = [uuid4() for _ in range(100)]
    await withdraw(intake, referrals)
    under_way: list[int] = []

    class Uneven(Recorder):
        working = 0

        async def handle(self, unit: Unit, events: Sequence[Event]) -> None:
            if referrals[0] in {event.referral_id for event in events}:
                under_way.append(self.working)
                if len(under_way) == 1:
                    await asyncio.sleep(0.05)
                    raise Transient("agency-down")
            self.working += 1
            await unit.connection.execute("SELECT pg_sleep(0.3)")
            await super().handle(unit, events)
            self.working -= 1

    async with running(await start(world, Uneven())):
        await taken_in(world, 100)
    assert len(under_way) > 1
    assert under_way[1] == 0


async def test_what_comes_while_a_consumer_lingers_is_one_batch_and_a_stop_does_not_wait(
    world: World,
) -> None:
    intake, consumer = await world.ledger(Service.INTAKE), Recorder()
    await withdraw(intake, [uuid4()])
    async with running(await start(world, consumer, Limits(poll_timeout=0.05, linger=1.0))):
        await taken_in(world, 1)
        for _ in range(4):
            await withdraw(intake, [uuid4()])
        await taken_in(world, 5)
        stopping = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - stopping < 0.9
    assert consumer.calls == [1, 4]


async def test_what_is_delivered_again_has_no_second_effect(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    await withdraw(intake, [uuid4()])
    consumer = Recorder()
    async with running(await start(world, consumer)):
        await taken_in(world, 1)
    await world.fetch("UPDATE triage.log_cursor SET xid = '0', id = 0")
    await withdraw(intake, [uuid4()])
    async with running(await start(world, consumer)):
        await taken_in(world, 2)
    assert len(await seen(world)) == 2


async def test_types_that_the_consumer_does_not_read_are_passed(world: World) -> None:
    triage = await world.ledger(Service.TRIAGE)
    intake = await world.ledger(Service.INTAKE)
    consumer = Recorder()
    consumer.types = frozenset({RECEIVED, CHECK_RETURNED})
    await withdraw(intake, [uuid4()])
    async with running(await start(world, consumer)):

        async def passed() -> bool:
            rows = await world.fetch("SELECT id FROM triage.log_cursor WHERE name = 'triage<intake'")
            return bool(rows) and rows[0]["id"] == 1

        await until(passed)
    assert consumer.calls == []
    assert triage.service is Service.TRIAGE


@pytest.mark.parametrize(
    ("error", "state"), [(Permanent("bad-fact"), "bad-fact"), (KeyError("Alice Example"), "key-error")]
)
async def test_a_parked_message_delays_nobody_elses_referral(
    world: World, error: Exception, state: str
) -> None:
    intake = await world.ledger(Service.INTAKE)
    referrals = [uuid4() for _ in range(40)]
    culprit = referrals[17]
    ids = await withdraw(intake, referrals)
    later = await withdraw(intake, [culprit])
    consumer = Recorder()
    consumer.fail = lambda event: error if event.id == ids[17] else None
    async with running(await start(world, consumer)):
        await taken_in(world, 41)
    assert {referral for referral, _ in await seen(world)} == set(referrals) - {culprit}
    assert await parked(world) == {ids[17]: ("failed", state), later[0]: ("waiting", "behind")}
    assert [(each.event_id, each.first) for each in consumer.told] == [(ids[17], True), (later[0], False)]


async def test_an_unknown_error_that_passes_is_not_parked(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    await withdraw(intake, [uuid4()])
    consumer = Recorder()
    left = iter([True, True, False])
    consumer.fail = lambda event: RuntimeError() if next(left) else None
    async with running(await start(world, consumer)):
        await taken_in(world, 1)
    assert consumer.calls == [1, 1, 1]
    assert await parked(world) == {}


async def test_a_dependency_that_fails_pauses_and_parks_nothing(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    ids = await withdraw(intake, [uuid4() for _ in range(8)])
    consumer = Recorder()
    down = True
    consumer.fail = lambda event: Transient("agency-down") if down and event.id == ids[5] else None
    async with running(await start(world, consumer)):

        async def tried() -> bool:
            return len(consumer.calls) >= 5

        await until(tried)
        assert ids[5] not in {
            row["event_id"] for row in await world.fetch("SELECT event_id FROM triage.seen")
        }
        down = False
        await taken_in(world, 8)
    assert len(await seen(world)) == 8
    assert await parked(world) == {}


async def test_a_batch_that_is_too_large_for_the_databases_limits_passes_in_parts(world: World) -> None:
    intake, consumer = await world.ledger(Service.INTAKE), Recorder()
    await withdraw(intake, [uuid4() for _ in range(60)])
    consumer.fail = lambda event: asyncpg.TransactionTimeoutError() if consumer.calls[-1] > 10 else None
    async with running(await start(world, consumer)):
        await taken_in(world, 60)
        await withdraw(intake, [uuid4() for _ in range(5)])
        await taken_in(world, 65)
        # Batches have grown again.
        assert consumer.calls[-1] > 1
    assert await parked(world) == {}
    assert len(await seen(world)) == 65


async def test_a_blocked_referral_stays_blocked_across_topics(world: World) -> None:
    intake, enrichment = await world.ledger(Service.INTAKE), await world.ledger(Service.ENRICHMENT)
    stuck, free = uuid4(), uuid4()
    (first,) = await withdraw(intake, [stuck])
    consumer = Recorder()
    consumer.fail = lambda event: Permanent("bad-fact") if event.id == first else None
    async with running(await start(world, consumer)):
        await taken_in(world, 1)
        async with enrichment.unit([stuck, free]) as unit:
            answer = CheckReturned(shared=Reference(reference="K7TM-P2RW-Q", at=unit.now))
            behind = unit.emit(CHECK_RETURNED, stuck, answer, trace=None)
            unit.emit(CHECK_RETURNED, free, answer, trace=None)
        await taken_in(world, 3)
    assert await seen(world) == [(free, 1)]
    assert (await parked(world))[behind] == ("waiting", "behind")


async def test_a_payload_that_is_not_what_its_type_says_is_parked_unread(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    bad, good = uuid4(), uuid4()
    ids = await withdraw(intake, [bad, good, bad])
    await world.fetch("UPDATE intake.outbox SET payload = '{\"shared\": 5}' WHERE event_id = $1", ids[0])
    consumer = Recorder()
    async with running(await start(world, consumer)):
        await taken_in(world, 3)
    assert await parked(world) == {ids[0]: ("failed", "contract"), ids[2]: ("waiting", "behind")}
    assert [(each.code, each.event is None) for each in consumer.told] == [
        ("contract", True),
        ("behind", False),
    ]
    assert await seen(world) == [(good, 1)]


async def test_what_was_erased_stops_nothing_that_comes_after_it(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    referral = uuid4()
    await withdraw(intake, [referral])

    class Forgetful(PlainCodec):
        async def decode(self, items: Sequence[Any]) -> list[Any]:
            read = await super().decode(items)
            forgotten.append(None)
            return [ERASED, *read[1:]] if len(forgotten) == 1 else read

    forgotten: list[None] = []
    consumer = Recorder()
    runner = await start(world, consumer)
    runner._ledger.codec = Forgetful()
    async with running(runner):
        await taken_in(world, 1)
        await withdraw(intake, [referral])
        await taken_in(world, 2)
    assert (await parked(world), consumer.calls) == ({}, [1])
    assert await seen(world) == [(referral, 2)]


async def test_a_message_is_parked_even_where_that_cannot_be_made_visible(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    (first,) = await withdraw(intake, [uuid4()])
    alarms: list[tuple[str, dict[str, str]]] = []

    class Blind(Recorder):
        async def stopped(self, unit: Unit, parked: Sequence[Parked]) -> None:
            raise RuntimeError("Alice Example")

    async def alarm(code: str, ids: dict[str, str]) -> None:
        alarms.append((code, ids))

    consumer = Blind()
    consumer.fail = lambda event: Permanent("bad-fact")
    runner = await start(world, consumer)
    runner._alarm = alarm
    async with running(runner):
        await taken_in(world, 1)
    assert await parked(world) == {first: ("failed", "bad-fact")}
    assert consumer.calls == [1], "what can never be processed is not tried again"
    assert [code for code, _ in alarms] == ["stopped-unseen"]
    assert "Alice" not in repr(alarms)


async def test_a_message_that_fails_while_another_instance_stops_its_referral_waits_behind(
    world: World,
) -> None:
    intake = await world.ledger(Service.INTAKE)
    (ours,) = await withdraw(intake, [uuid4()])

    class Overtaken(Recorder):
        async def handle(self, unit: Unit, events: Sequence[Event]) -> None:
            await world.fetch(
                "INSERT INTO triage.parked (consumer, event_id, referral_id, type, topic, partition, position, key,"
                " headers, payload, state, error_class, code, attempts, parked_at)"
                " VALUES ('triage', $1, $2, '', '', 0, 0, '', '{}', '', 'failed', 'permanent', 'theirs', 1, now())"
                " ON CONFLICT DO NOTHING",
                events[0].referral_id,
                events[0].referral_id,
            )
            raise Permanent("ours")

    consumer = Overtaken()
    async with running(await start(world, consumer)):
        await taken_in(world, 1)
    assert (await parked(world))[ours] == ("waiting", "behind")
    assert [each.first for each in consumer.told] == [False]


async def test_two_instances_share_the_work_without_doubling_it(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    consumer = Recorder()
    first, second = await start(world, consumer), await start(world, consumer)
    async with running(second):
        async with running(first):
            await withdraw(intake, [uuid4() for _ in range(50)])
            await taken_in(world, 50)
        await withdraw(intake, [uuid4() for _ in range(50)])
        await taken_in(world, 100)
    assert len(await seen(world)) == 100


async def test_a_standby_takes_over_when_the_readers_connection_dies(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    consumer = Recorder()
    async with running(await start(world, consumer), await start(world, consumer)):
        await withdraw(intake, [uuid4() for _ in range(5)])
        await taken_in(world, 5)
        await world.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
        )
        await withdraw(intake, [uuid4() for _ in range(5)])
        await taken_in(world, 10)
    assert len(await seen(world)) == 10


async def test_what_comes_before_its_referral_is_applied_when_that_comes(world: World) -> None:
    intake, enrichment = await world.ledger(Service.INTAKE), await world.ledger(Service.ENRICHMENT)
    referral = uuid4()
    for _ in range(3):
        await withdraw(intake, [referral])
    async with running(await start(world, Late())):
        await taken_in(world, 3)
        assert await seen(world) == []
        async with enrichment.unit([referral]) as unit:
            answer = CheckReturned(shared=Reference(reference="K7TM-P2RW-Q", at=unit.now))
            unit.emit(CHECK_RETURNED, referral, answer, trace=None)
        await taken_in(world, 4)
    rows = await world.fetch("SELECT type, sequence FROM triage.seen ORDER BY place")
    assert [(row["type"], row["sequence"]) for row in rows] == [
        (CHECK_RETURNED.name, 1),
        (WITHDRAWN.name, 1),
        (WITHDRAWN.name, 2),
        (WITHDRAWN.name, 3),
    ]
    assert await world.fetch("SELECT * FROM triage.held") == []
