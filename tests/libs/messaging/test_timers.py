"""Clocks fire once, survive what fails, and are replaced when they are armed again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import structlog

from libs.messaging.errors import Transient
from libs.messaging.failpoints import Failpoints
from libs.messaging.ledger import Ledger, Unit
from libs.messaging.timers import Timer, TimerLoop
from libs.schemas.events import CASE_SCREENED, Service
from tests.libs.messaging.conftest import World, running, screening, until


class Bells:
    """Handlers that write down what fired, and fail where the test says so."""

    def __init__(self) -> None:
        self.fired: list[Timer] = []
        self.fail: dict[UUID, Exception] = {}

    async def ring(self, unit: Unit, timer: Timer) -> None:
        if timer.subject in self.fail:
            raise self.fail[timer.subject]
        unit.emit(CASE_SCREENED, timer.referral_id, screening(unit.now), trace=timer.trace)
        self.fired.append(timer)


async def arm(ledger: Ledger, subject: UUID, *, minutes: float = 10, kind: str = "decision") -> None:
    async with ledger.unit([subject]) as unit:
        unit.arm(kind, subject, subject, unit.now + timedelta(minutes=minutes), trace=None, data={"round": 2})


async def emitted(world: World) -> int:
    count: int = (await world.fetch("SELECT count(*) AS n FROM triage.outbox"))[0]["n"]
    return count


async def test_a_timer_fires_when_it_is_due_and_only_once(world: World) -> None:
    ledger, bells, subject = await world.ledger(Service.TRIAGE), Bells(), uuid4()
    loop = TimerLoop(ledger, {"decision": bells.ring})
    await arm(ledger, subject)
    assert await loop.fire_due() == 0
    world.clock.forward(minutes=10)
    assert await loop.fire_due() == 1
    assert await loop.fire_due() == 0
    (timer,) = bells.fired
    assert (timer.subject, timer.generation, dict(timer.data)) == (subject, 1, {"round": 2})
    assert await emitted(world) == 1


async def test_the_loop_is_woken_for_a_timer_that_fires_before_it_looks_again_and_for_no_other(
    world: World,
) -> None:
    ledger, subject = await world.ledger(Service.TRIAGE), uuid4()
    await arm(ledger, subject, minutes=1)
    assert not await ledger.armed.wait(0.01)
    await arm(ledger, subject, minutes=0.01)
    assert await ledger.armed.wait(0.01)
    async with ledger.unit([subject]) as unit:
        hour = unit.now + timedelta(hours=1)
        unit.arm("decision", subject, subject, hour, fires_at=unit.now)
    assert await ledger.armed.wait(0.01)


async def test_two_instances_fire_each_timer_once(world: World) -> None:
    ledger, bells = await world.ledger(Service.TRIAGE), Bells()
    subjects = [uuid4() for _ in range(30)]
    for subject in subjects:
        await arm(ledger, subject)
    world.clock.forward(minutes=10)
    loops = [TimerLoop(ledger, {"decision": bells.ring}, batch=7) for _ in range(3)]
    for _ in range(6):
        await asyncio.gather(*(loop.fire_due() for loop in loops))
    assert sorted(timer.subject for timer in bells.fired) == sorted(subjects)
    assert await emitted(world) == 30


async def test_arming_again_replaces_and_disarming_stops(world: World) -> None:
    ledger, bells, replaced, stopped = await world.ledger(Service.TRIAGE), Bells(), uuid4(), uuid4()
    loop = TimerLoop(ledger, {"decision": bells.ring})
    await arm(ledger, replaced)
    await arm(ledger, replaced, minutes=60)
    await arm(ledger, stopped)
    async with ledger.unit([stopped]) as unit:
        unit.disarm("decision", stopped)
    world.clock.forward(minutes=30)
    assert await loop.fire_due() == 0
    world.clock.forward(minutes=30)
    assert await loop.fire_due() == 1
    assert [(timer.subject, timer.generation) for timer in bells.fired] == [(replaced, 2)]


async def test_a_timer_replaced_after_it_was_found_due_does_not_fire(world: World) -> None:
    ledger, bells, subject = await world.ledger(Service.TRIAGE), Bells(), uuid4()
    await arm(ledger, subject)
    world.clock.forward(minutes=10)
    async with ledger.unit([subject]) as unit:
        firing = asyncio.create_task(TimerLoop(ledger, {"decision": bells.ring}).fire_due())
        await asyncio.sleep(0.1)
        assert not firing.done(), "it waits for the referral's lock"
        unit.arm("decision", subject, subject, unit.now + timedelta(minutes=5), trace=None)
    await firing
    assert bells.fired == []


async def test_a_handler_that_fails_delays_no_other_timer_and_is_tried_again(world: World) -> None:
    ledger, bells = await world.ledger(Service.TRIAGE), Bells()
    subjects = [uuid4() for _ in range(9)]
    for subject in subjects:
        await arm(ledger, subject)
    bells.fail[subjects[4]] = KeyError("Alice Example")
    loop = TimerLoop(ledger, {"decision": bells.ring})
    world.clock.forward(minutes=10)
    await loop.fire_due()
    assert {
        row["subject"] for row in await world.fetch("SELECT subject FROM triage.timer WHERE state = 'armed'")
    } == {subjects[4]}
    assert await emitted(world) == 8
    assert await loop.fire_due() == 0, "not at once"
    bells.fail.clear()
    world.clock.forward(seconds=5)
    assert await loop.fire_due() == 1
    assert await emitted(world) == 9


async def test_a_handler_that_keeps_failing_is_tried_again_ever_later_and_at_least_every_five_minutes(
    world: World,
) -> None:
    ledger, bells, broken = await world.ledger(Service.TRIAGE), Bells(), uuid4()
    bells.fail[broken] = KeyError("no such case")
    loop = TimerLoop(ledger, {"decision": bells.ring})
    await arm(ledger, broken, minutes=0)
    waits: list[int] = []
    with structlog.testing.capture_logs() as logs:
        for _ in range(8):
            assert await loop.fire_due() == 1
            (row,) = await world.fetch("SELECT claim_at FROM triage.timer")
            waits.append(int((row["claim_at"] - world.clock.now()).total_seconds()))
            world.clock.forward(seconds=waits[-1])
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    failures = [line["attempts"] for line in logs if line["event"] == "timer-failed"]
    assert failures == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_a_loop_goes_on_while_its_surroundings_fail_and_ends_with_a_fault_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, bells = await world.ledger(Service.TRIAGE), Bells()
    loop = TimerLoop(ledger, {"decision": bells.ring})
    errors: list[Exception] = [Transient("database-away"), KeyError("a fault of its own")]

    async def fire_due() -> int:
        raise errors.pop(0)

    monkeypatch.setattr(loop, "fire_due", fire_due)
    with pytest.raises(KeyError):
        async with asyncio.timeout(5):
            await loop.run()
    assert errors == []


async def test_a_dependency_that_fails_leaves_the_timer_as_it_was(world: World) -> None:
    ledger, bells, subject = await world.ledger(Service.TRIAGE), Bells(), uuid4()
    await arm(ledger, subject)
    bells.fail[subject] = Transient("database-busy")
    world.clock.forward(minutes=10)
    with pytest.raises(Transient):
        await TimerLoop(ledger, {"decision": bells.ring}).fire_due()
    bells.fail.clear()
    assert await TimerLoop(ledger, {"decision": bells.ring}).fire_due() == 1


async def test_a_process_that_dies_after_claiming_loses_no_timer(world: World) -> None:
    ledger = await world.ledger(Service.TRIAGE, Failpoints.parse("timers.after_claim=fail"))
    bells, subject = Bells(), uuid4()
    await arm(ledger, subject)
    world.clock.forward(minutes=10)
    loop = TimerLoop(ledger, {"decision": bells.ring})
    with pytest.raises(Transient):
        await loop.fire_due()
    assert await loop.fire_due() == 1
    assert len(bells.fired) == 1


async def test_a_running_loop_fires_what_is_armed_meanwhile_and_leaves_other_kinds_alone(
    world: World,
) -> None:
    ledger, bells = await world.ledger(Service.TRIAGE), Bells()
    async with running(TimerLoop(ledger, {"decision": bells.ring})):
        await arm(ledger, uuid4(), minutes=-1)
        await arm(ledger, uuid4(), minutes=-1, kind="lease")

        async def rang() -> bool:
            return len(bells.fired) == 1

        await until(rang)
    assert [timer.kind for timer in bells.fired] == ["decision"]


async def test_a_handler_may_arm_its_own_timer_again(world: World) -> None:
    ledger, fired, subject = await world.ledger(Service.TRIAGE), [], uuid4()

    async def again(unit: Unit, timer: Timer) -> None:
        fired.append(timer.generation)
        unit.arm("decision", subject, subject, unit.now + timedelta(minutes=1), trace=timer.trace)

    loop = TimerLoop(ledger, {"decision": again})
    await arm(ledger, subject)
    for _ in range(3):
        world.clock.forward(minutes=10)
        await loop.fire_due()
    assert fired == [1, 2, 3]


async def test_a_handler_that_always_fails_in_passing_delays_no_other_timer(world: World) -> None:
    ledger, bells = await world.ledger(Service.TRIAGE), Bells()
    subjects = [uuid4() for _ in range(9)]
    for subject in subjects:
        await arm(ledger, subject)
    bells.fail[subjects[4]] = Transient("agency-down")
    loop = TimerLoop(ledger, {"decision": bells.ring})
    world.clock.forward(minutes=10)
    for _ in range(2):
        with pytest.raises(Transient):
            await loop.fire_due()
    assert await emitted(world) == 0, "twice it can be the surroundings"
    bells.fired.clear()
    await loop.fire_due()
    assert {timer.subject for timer in bells.fired} == set(subjects) - {subjects[4]}
    assert await emitted(world) == 8
    late = uuid4()
    await arm(ledger, late, minutes=0)
    world.clock.forward(minutes=10)
    assert await loop.fire_due() == 2
    assert bells.fired[-1].subject == late, "one that failed before is tried alone"
    bells.fail.clear()
    world.clock.forward(minutes=10)
    assert await loop.fire_due() == 1
    assert await emitted(world) == 10


async def test_a_timer_that_is_to_warn_fires_before_it_is_due_and_is_armed_again(world: World) -> None:
    ledger, subject, told = await world.ledger(Service.TRIAGE), uuid4(), list[bool]()

    async def warn(unit: Unit, timer: Timer) -> None:
        told.append(unit.now < timer.due_at)
        if unit.now < timer.due_at:
            unit.arm(timer.kind, subject, subject, timer.due_at)

    loop = TimerLoop(ledger, {"decision": warn})
    async with ledger.unit([subject]) as unit:
        due_at = unit.now + timedelta(minutes=10)
        unit.arm("decision", subject, subject, due_at, fires_at=due_at - timedelta(minutes=4))
    for minutes in (5, 1, 3, 1, 5):
        world.clock.forward(minutes=minutes)
        await loop.fire_due()
    assert told == [True, False]
