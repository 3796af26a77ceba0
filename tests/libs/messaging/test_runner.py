"""What a consumer may rely on: each event once, in its referral's order, and nobody else's trouble."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from libs.messaging.consumer import Parked
from libs.messaging.errors import Permanent, Transient
from libs.messaging.ledger import RolledBack, Unit
from libs.messaging.runner import Limits, Runner
from libs.schemas.events import (
    CASE_SCREENED,
    CHECK_RETURNED,
    RECEIVED,
    WITHDRAWN,
    CheckReturned,
    Reference,
    Service,
)
from tests.libs.messaging.conftest import QUICK, Late, Recorder, World, running, until, withdraw, withdrawal


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


async def test_a_large_batch_is_shared_out_by_referral_and_each_keeps_its_order(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    referrals = [uuid4() for _ in range(40)]
    for _ in range(5):
        await withdraw(intake, referrals)
    consumer = Recorder()
    async with running(await start(world, consumer)):
        await taken_in(world, 200)
    odd = 5 * sum(each.int % 2 for each in referrals)
    assert sorted(consumer.calls) == sorted([odd, 200 - odd])
    for referral in referrals:
        assert [number for each, number in await seen(world) if each == referral] == [1, 2, 3, 4, 5]


async def test_where_one_part_of_a_batch_fails_for_a_while_the_other_has_its_effect_once(
    world: World,
) -> None:
    intake = await world.ledger(Service.INTAKE)
    referrals = [uuid4() for _ in range(100)]
    await withdraw(intake, referrals)
    unlucky = next(each for each in referrals if each.int % 2)
    consumer, down = Recorder(), iter([True, True])
    consumer.fail = lambda event: (
        Transient("agency-down") if event.referral_id == unlucky and next(down, False) else None
    )
    async with running(await start(world, consumer)):
        await taken_in(world, 100)
    odd = sum(each.int % 2 for each in referrals)
    assert sorted(consumer.calls) == sorted([odd, odd, odd, 100 - odd])
    assert sorted(each for each, _ in await seen(world)) == sorted(referrals)
    assert await parked(world) == {}


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
        assert await seen(world) == []
        down = False
        await taken_in(world, 8)
    assert len(await seen(world)) == 8
    assert await parked(world) == {}


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
    assert [code for code, _ in alarms] == ["stopped-unseen"]
    assert "Alice" not in repr(alarms)


async def test_a_bad_deploy_stops_the_consumer_instead_of_parking_everything(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    await withdraw(intake, [uuid4() for _ in range(30)])
    consumer = Recorder()
    broken = True
    consumer.fail = lambda event: KeyError("nothing works") if broken else None
    alarms: list[str] = []

    async def alarm(code: str, ids: dict[str, str]) -> None:
        alarms.append(code)

    limits = Limits(
        poll_timeout=0.05, quick_retries=0, pause=0.01, max_consecutive_parked=5, breaker_pause=0.3
    )
    runner = await start(world, consumer, limits)
    runner._alarm = alarm
    async with running(runner):

        async def alarmed() -> bool:
            return len(alarms) >= 2

        await until(alarmed)
        assert len(await parked(world)) in (6, 7), "one more after each pause"
        broken = False
        await taken_in(world, 30)
    stopped = len(await parked(world))
    assert stopped < 10
    assert len(await seen(world)) == 30 - stopped
    assert set(alarms) == {"consumer-paused"}


async def test_many_bad_messages_at_the_head_do_not_keep_those_behind_them_waiting(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    bad, mixed, good = [uuid4() for _ in range(30)], uuid4(), [uuid4() for _ in range(10)]
    culprits = set(await withdraw(intake, [*bad, mixed]))
    await withdraw(intake, [mixed, *good, *good])
    await world.fetch("UPDATE intake.outbox SET payload = '5' WHERE event_id = ANY ($1)", list(culprits)[:20])
    consumer = Recorder()
    consumer.fail = lambda event: Permanent("bad-fact") if event.id in culprits else None
    alarms: list[str] = []

    async def alarm(code: str, ids: dict[str, str]) -> None:
        alarms.append(code)

    limits = Limits(
        poll_timeout=0.05, quick_retries=0, pause=0.01, max_consecutive_parked=5, breaker_pause=0.1
    )
    runner = await start(world, consumer, limits)
    runner._alarm = alarm
    async with running(runner):

        async def all_good() -> bool:
            return len(await seen(world)) == 20

        await until(all_good)
        assert len(alarms) == 1, "after the first pause"
        await taken_in(world, 52)
    for referral in good:
        assert [number for each, number in await seen(world) if each == referral] == [1, 2]
    states = [state for state, _ in (await parked(world)).values()]
    assert (states.count("failed"), states.count("waiting")) == (31, 1)
    assert set(alarms) == {"consumer-paused"}


async def test_surroundings_that_fail_during_a_pause_do_not_end_the_consumer(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    await withdraw(intake, [uuid4() for _ in range(30)])
    consumer, broken, away = Recorder(), True, 0
    consumer.fail = lambda event: KeyError("nothing works") if broken else None
    limits = Limits(
        poll_timeout=0.05, quick_retries=0, pause=0.01, max_consecutive_parked=5, breaker_pause=0.2
    )
    runner = await start(world, consumer, limits)
    poll, pause = runner._transport.poll, runner._transport.pause

    async def failing(max_records: int, timeout: float) -> Any:
        nonlocal away
        if away:
            away -= 1
            raise Transient("broker-away")
        return await poll(max_records, timeout)

    def paused() -> None:
        nonlocal away, broken
        pause()
        away, broken = 1, False

    runner._transport.poll, runner._transport.pause = failing, paused  # type: ignore[method-assign]
    async with running(runner):
        await taken_in(world, 30)
    stopped = len(await parked(world))
    assert (away, len(await seen(world))) == (0, 30 - stopped)


async def test_a_success_after_a_pause_closes_the_breaker(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    first = await withdraw(intake, [uuid4() for _ in range(6)])
    consumer = Recorder()
    culprits = set(first)
    consumer.fail = lambda event: Permanent("bad-fact") if event.id in culprits else None
    limits = Limits(
        poll_timeout=0.05, quick_retries=0, pause=0.01, max_consecutive_parked=5, breaker_pause=0.3
    )
    runner = await start(world, consumer, limits)
    async with running(runner):
        await taken_in(world, 6)
        await withdraw(intake, [uuid4()])
        await taken_in(world, 7)
        later = await withdraw(intake, [uuid4() for _ in range(4)])
        culprits |= set(later)
        await taken_in(world, 11)
    assert runner._consecutive == 4


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


async def test_a_unit_whose_statement_failed_never_passes_for_committed(world: World) -> None:
    triage = await world.ledger(Service.TRIAGE)
    told: list[str] = []

    async def passes_over() -> None:
        async with triage.unit([uuid4()]) as unit:
            unit.committed.append(lambda: told.append("committed"))
            await unit.connection.execute("INSERT INTO seen (event_id) VALUES ($1)", uuid4())
            with contextlib.suppress(asyncpg.PostgresError):
                await unit.connection.execute("SELECT 1 / 0")

    with pytest.raises(RolledBack):
        await passes_over()
    assert (told, await seen(world)) == ([], [])


async def test_a_unit_writes_only_about_referrals_that_it_has_locked(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    async with intake.unit([uuid4()]) as unit:
        with pytest.raises(ValueError, match="lock"):
            unit.emit(WITHDRAWN, uuid4(), withdrawal(unit.now), trace=None)
        with pytest.raises(ValueError, match="lock"):
            unit.arm("deadline", uuid4(), uuid4(), unit.now)
    triage = await world.ledger(Service.TRIAGE)
    referral = uuid4()
    wrong: Any = withdrawal(world.clock.now())
    async with triage.unit([referral]) as unit:
        with pytest.raises(ValueError, match="does not produce"):
            unit.emit(WITHDRAWN, referral, withdrawal(unit.now), trace=None)
        with pytest.raises(TypeError, match="payload"):
            unit.emit(CASE_SCREENED, referral, wrong, trace=None)
