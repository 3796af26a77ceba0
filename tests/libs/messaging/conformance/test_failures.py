"""What a failing message, handler or dependency does, and to whom."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import asyncpg
import pytest

from libs.messaging.errors import Permanent, Transient
from libs.messaging.event import Event
from libs.messaging.limits import Limits
from libs.messaging.parked import ParkedMessages
from libs.schemas.events import CASE_SCREENED, CaseScreened, Service
from tests.libs.messaging.conformance.world import LIMITS, Recorder, World, eventually, reason_of
from tests.libs.schemas.goldens import golden


def refusing(*poison: UUID, error: type[Exception] = Permanent) -> Callable[[Event], Awaitable[None]]:
    async def before(event: Event) -> None:
        if event.id in poison or reason_of(event) == "poison":
            raise error("refused")

    return before


def screened() -> CaseScreened:
    return CaseScreened.model_validate_json(golden(CASE_SCREENED.name))


async def test_a_parked_message_delays_nobody_elses_referral(world: World) -> None:
    recorder = Recorder()
    recorder.before = refusing()
    poisoned = [await world.emit(uuid4(), "poison") for _ in range(2)]
    others = await world.emit_many([uuid4() for _ in range(10)], 3)
    world.join(recorder)
    await world.until_seen(others)
    await eventually(lambda: parked_are(world, poisoned))
    assert sorted(await world.seen_ids()) == sorted(others)


async def test_one_culprit_in_a_batch_is_found_and_all_others_take_effect(world: World) -> None:
    recorder = Recorder()
    recorder.before = refusing()
    good = await world.emit_many([uuid4() for _ in range(15)], 1)
    culprit = await world.emit(uuid4(), "poison")
    good += await world.emit_many([uuid4() for _ in range(15)], 1)
    world.join(recorder)
    await world.until_seen(good)
    await eventually(lambda: parked_are(world, [culprit]))
    assert sorted(await world.seen_ids()) == sorted(good)
    assert max(recorder.batches) > 1


async def test_later_events_of_a_blocked_referral_wait_behind_it_across_topics(world: World) -> None:
    recorder = Recorder()
    recorder.before = refusing()
    world.join(recorder)
    referral, other = uuid4(), uuid4()
    first = await world.emit(referral, "poison")
    await eventually(lambda: parked_are(world, [first]))
    second = await world.emit(referral, type=CASE_SCREENED, payload=screened())
    third = await world.emit(referral)
    free = await world.emit(other, type=CASE_SCREENED, payload=screened())
    await world.until_seen([free])
    await eventually(lambda: parked_are(world, [first, second, third]))
    assert await world.seen_ids() == [free]
    states = {row["event_id"]: row["state"] for row in await world.parked()}
    assert states == {first: "failed", second: "waiting", third: "waiting"}


async def test_a_retry_releases_what_waited_in_its_order(world: World) -> None:
    recorder = Recorder()
    world.join(recorder)
    referral = uuid4()
    recorder.before = refusing()
    first = await world.emit(referral, "poison")
    await eventually(lambda: parked_are(world, [first]))
    waiting = [await world.emit(referral) for _ in range(3)]
    await eventually(lambda: parked_are(world, [first, *waiting]))
    recorder.before = None
    parked = ParkedMessages(world.ledgers[Service.ENRICHMENT], recorder)
    assert (await parked.retry(first, by="duty-manager")).processed == 4
    last = await world.emit(referral)
    await world.until_seen([last])
    assert await world.seen_ids() == [first, *waiting, last]
    resumed = await world.ledgers[Service.ENRICHMENT].pool.fetch("SELECT referral_id FROM resumed")
    assert [row["referral_id"] for row in resumed] == [referral]


@pytest.mark.parametrize("error", [Transient, TimeoutError, ConnectionResetError])
async def test_a_failing_dependency_pauses_and_parks_nothing(world: World, error: type[Exception]) -> None:
    down = True
    attempts = 0

    async def before(_: Event) -> None:
        nonlocal attempts
        attempts += 1
        if down:
            raise error("down")

    recorder = Recorder()
    recorder.before = before
    world.join(recorder)
    ids = await world.emit_many([uuid4() for _ in range(4)], 3)
    await eventually(lambda: tried(lambda: attempts >= 4))
    assert await world.seen_ids() == []
    down = False
    await world.until_seen(ids)
    assert sorted(await world.seen_ids()) == sorted(ids)
    assert await world.ledgers[Service.ENRICHMENT].pool.fetchval("SELECT count(*) FROM parked") == 0


async def test_an_unknown_error_is_tried_again_before_anything_is_parked(world: World) -> None:
    left = 2

    async def before(event: Event) -> None:
        nonlocal left
        if reason_of(event) == "unlucky" and left > 0:
            left -= 1
            raise RuntimeError

    recorder = Recorder()
    recorder.before = before
    world.join(recorder)
    event_id = await world.emit(uuid4(), "unlucky")
    await world.until_seen([event_id])
    assert await world.parked() == []


async def test_a_payload_that_breaks_its_contract_is_parked_and_can_be_found(world: World) -> None:
    world.join(Recorder())
    referral, event_id = uuid4(), uuid4()
    good = await world.emit(uuid4())
    await world.ledgers[Service.INTAKE].pool.execute(
        "INSERT INTO outbox (event_id, type, topic, source, referral_id, sequence, time, payload) "
        "SELECT $1, type, topic, source, $2, 1, time, 'no json' FROM outbox LIMIT 1",
        event_id,
        referral,
    )
    await world.until_seen([good])
    await eventually(lambda: parked_are(world, [event_id]))
    (row,) = await world.parked()
    assert (row["code"], row["error_class"], row["payload"]) == ("contract", "permanent", b"no json")
    stopped = await world.ledgers[Service.ENRICHMENT].pool.fetchrow("SELECT * FROM stopped")
    assert (stopped["event_id"], stopped["referral_id"], stopped["first"]) == (event_id, referral, True)


async def test_a_bad_deploy_stops_the_consumer_before_everything_is_parked(world: World) -> None:
    recorder = Recorder()
    broken = True

    async def before(_: Event) -> None:
        if broken:
            raise Permanent("bad-deploy")

    recorder.before = before
    limits = dataclasses.replace(LIMITS, max_consecutive_parked=3, breaker_pause=0.5)
    world.join(recorder, limits=limits)
    ids = await world.emit_many([uuid4() for _ in range(30)], 1)
    await eventually(lambda: parked_count(world, 3))
    broken = False
    parked = {row["event_id"] for row in await world.parked()}
    await world.until_seen(set(ids) - parked)
    assert len(parked) < 10


async def test_a_lost_database_connection_loses_and_doubles_nothing(world: World) -> None:
    world.join(Recorder(), limits=Limits(poll_timeout=0.05, pause=0.02, longest_pause=0.2))
    referrals = [uuid4() for _ in range(8)]
    ids = await world.emit_many(referrals, 2)
    await world.until_seen(ids[:1])
    administrator = await asyncpg.connect(world.dsn)
    try:
        for _ in range(3):
            await administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'mash-enrichment'"
            )
            ids += await world.emit_many(referrals, 2)
            await asyncio.sleep(0.05)
    finally:
        await administrator.close()
    await eventually(lambda: seen_count(world, len(ids)))
    assert sorted(await world.seen_ids()) == sorted(ids)


async def parked_are(world: World, ids: list[UUID]) -> bool:
    return [row["event_id"] for row in await world.parked()] == ids or (
        {row["event_id"] for row in await world.parked()} == set(ids)
    )


async def parked_count(world: World, least: int) -> bool:
    return len(await world.parked()) >= least


async def seen_count(world: World, least: int) -> bool:
    try:
        return len(await world.seen_ids()) >= least
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return False


async def tried(condition: Callable[[], bool]) -> bool:
    return condition()
