"""A message that outlasts the database's limits is told from a database that is slow with every message."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from libs.messaging.errors import Transient
from libs.messaging.event import Event
from libs.messaging.ledger import Unit
from libs.messaging.runner import Runner
from libs.schemas.events import Service
from tests.libs.messaging.conftest import QUICK, Recorder, World, running, until, withdraw
from tests.libs.messaging.test_runner import parked, seen, start, taken_in

LIMITS = replace(QUICK, max_records=4, overlong=0.1)


class Heavy(Recorder):
    """Works on some events for longer than a transaction may last, which is a fifth of a second here."""

    def __init__(self, heavy: Collection[UUID]) -> None:
        super().__init__()
        self.heavy = heavy
        self.begun: list[list[UUID]] = []

    async def handle(self, unit: Unit, events: Sequence[Event]) -> None:
        self.begun.append([event.id for event in events])
        await unit.connection.execute("SET LOCAL transaction_timeout = '200ms'")
        if any(event.id in self.heavy for event in events):
            await unit.connection.execute("SELECT pg_sleep(20)")
        await super().handle(unit, events)


async def suspected(runner: Runner) -> None:
    """Waits until one message is."""

    async def stands() -> bool:
        return runner._suspect.stands

    await until(stands)


async def test_messages_that_outlast_the_databases_limits_delay_nobody_elses_referral(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    referrals = [uuid4() for _ in range(12)]
    ids = await withdraw(intake, referrals)
    behind = await withdraw(intake, referrals[2:3])
    async with running(await start(world, Heavy(ids[2:4]), LIMITS)):
        await taken_in(world, 13)
    assert await parked(world) == {
        ids[2]: ("failed", "out-of-time"),
        ids[3]: ("failed", "out-of-time"),
        behind[0]: ("waiting", "behind"),
    }
    assert {referral for referral, _ in await seen(world)} == set(referrals) - set(referrals[2:4])


async def test_a_database_that_is_slow_with_everything_parks_nothing_and_is_not_tried_with_everybody(
    world: World,
) -> None:
    intake = await world.ledger(Service.INTAKE)
    ids = await withdraw(intake, [uuid4() for _ in range(9)])
    consumer = Heavy(ids)
    runner = await start(world, consumer, LIMITS)
    async with running(runner):
        await suspected(runner)
        consumer.begun.clear()

        async def looked() -> bool:
            return len(consumer.begun) > 6

        await until(looked)
        alone = {each[0] for each in consumer.begun if len(each) == 1}
        tries = len(await world.fetch("SELECT 1 FROM triage.inbox"))
        consumer.heavy = ()
        await taken_in(world, 9)
    assert len(alone) <= LIMITS.overlong_tries + 1
    assert (tries, await parked(world), len(await seen(world))) == (0, {}, 9)


async def test_a_message_that_passes_at_last_is_suspected_no_more(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    ids = await withdraw(intake, [uuid4()])
    consumer = Heavy(ids)
    runner = await start(world, consumer, LIMITS)
    async with running(runner):
        await suspected(runner)
        consumer.heavy = ()
        await taken_in(world, 1)
        await withdraw(intake, [uuid4()])
        await taken_in(world, 2)
        assert not runner._suspect.stands
    assert await parked(world) == {}


async def test_a_dependency_that_fails_at_once_is_waited_for_however_often_and_whoever_passes(
    world: World,
) -> None:
    intake = await world.ledger(Service.INTAKE)
    ids = await withdraw(intake, [uuid4() for _ in range(4)])
    consumer, down = Heavy([ids[0]]), False
    consumer.fail = lambda event: Transient("agency-down") if down and event.id == ids[0] else None
    runner = await start(world, consumer, LIMITS)

    async def tried_alone(times: int) -> None:
        consumer.begun.clear()

        async def enough() -> bool:
            return consumer.begun.count([ids[0]]) >= times

        await until(enough)

    async with running(runner):
        await suspected(runner)
        consumer.heavy, down = (), True
        await tried_alone(3)
        assert await parked(world) == {}, "what outlasted the limits before may fail for another reason now"
        down = False
        await taken_in(world, 4)
        down, ids = True, await withdraw(intake, [uuid4()])
        await tried_alone(LIMITS.overlong_tries + 2)
        assert not runner._suspect.stands
        down = False
        await taken_in(world, 5)
    assert await parked(world) == {}
