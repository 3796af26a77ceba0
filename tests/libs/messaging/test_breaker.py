"""Too many failures one after the other are a bad deploy: the consumer waits, and finds its way back."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from uuid import uuid4

from libs.messaging.errors import Permanent, Transient
from libs.messaging.limits import Limits
from libs.schemas.events import Service
from tests.libs.messaging.conftest import Recorder, World, running, until, withdraw
from tests.libs.messaging.test_runner import parked, seen, start, taken_in


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


async def test_after_each_pause_one_more_is_parked_however_many_wait(world: World) -> None:
    intake, consumer = await world.ledger(Service.INTAKE), Recorder()
    await withdraw(intake, [uuid4() for _ in range(100)])
    consumer.fail = lambda event: Permanent("nothing works")
    counts: list[int] = []

    async def alarm(code: str, ids: dict[str, str]) -> None:
        counts.append(len(await parked(world)))

    limits = Limits(
        poll_timeout=0.05, quick_retries=0, pause=0.01, max_consecutive_parked=5, breaker_pause=0.05
    )
    runner = await start(world, consumer, limits)
    runner._alarm = alarm
    async with running(runner):

        async def thrice() -> bool:
            return len(counts) >= 3

        await until(thrice)
    assert [later - earlier for earlier, later in pairwise(counts[:3])] == [1, 1]
