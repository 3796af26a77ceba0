"""A clock that runs out tells a person by a path that does not use the event log."""

import asyncio
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint

from libs.messaging.timers import Timer, TimerLoop
from services.triage.overdue import PATIENCE, Overdue
from services.triage.thresholds import Thresholds
from tests.services.triage.bell import Bell
from tests.services.triage.conftest import MONDAY, HubWorld, Story
from tests.services.triage.staff import CANARY

ALERTS = Path("deploy/prometheus/alerts.yml")


async def ran_out(hub: HubWorld, bell: Bell, thresholds: Thresholds) -> Overdue:
    overdue = Overdue(hub.ledger, bell, thresholds.clocks)
    running = asyncio.create_task(overdue.run())
    hub.clock.advance(timedelta(days=3))
    await TimerLoop(hub.ledger, overdue.handlers).fire_due()
    await TimerLoop(hub.ledger, overdue.handlers).fire_due()
    overdue.stop()
    async with asyncio.timeout(30):
        await running
    return overdue


async def test_each_clock_that_runs_out_is_an_alarm(hub: HubWorld, thresholds: Thresholds) -> None:
    story, bell = Story(), Bell()
    await hub.take(story.received())
    await ran_out(hub, bell, thresholds)
    case = await hub.case(story.child_ids[0])
    ids = {"referral_id": story.id, "case_id": case.id}
    assert bell.rung == [
        ("case-overdue", {**ids, "kind": "reading", "due_at": case.read_due_at.isoformat()}),
        ("case-overdue", {**ids, "kind": "decision", "due_at": case.due_at.isoformat()}),
    ]


async def test_the_clock_of_what_nobody_could_read_is_an_alarm_too(
    hub: HubWorld, thresholds: Thresholds
) -> None:
    story, bell = Story(), Bell()
    await hub.park(story.received(), value=b"\xff")
    await ran_out(hub, bell, thresholds)
    assert [(code, ids["case_id"], ids["kind"]) for code, ids in bell.rung] == [
        ("case-overdue", story.id, "urgency"),
        ("case-overdue", story.id, "decision"),
    ]


async def test_an_alarm_that_reached_nobody_is_raised_again_until_it_does(
    hub: HubWorld, thresholds: Thresholds
) -> None:
    deaf = Bell(works=False)
    await hub.take(Story().received())
    overdue = await ran_out(hub, deaf, thresholds)
    first = list(deaf.rung)
    assert await overdue.sweep() == 0, "it may be on its way"
    hub.clock.advance(PATIENCE + timedelta(seconds=1))
    assert (await overdue.sweep(), deaf.rung) == (0, first * 2)
    deaf.works = True
    assert (await overdue.sweep(), await overdue.sweep()) == (len(first), 0)
    assert deaf.rung == first * 3


async def test_what_a_process_that_died_had_to_alarm_is_alarmed_by_another(
    hub: HubWorld, thresholds: Thresholds
) -> None:
    await hub.take(Story().received())
    hub.clock.advance(timedelta(days=3))
    died = Overdue(hub.ledger, Bell(), thresholds.clocks)
    await TimerLoop(hub.ledger, died.handlers).fire_due()
    hub.clock.advance(PATIENCE + timedelta(seconds=1))
    bell = Bell()
    assert await Overdue(hub.ledger, bell, thresholds.clocks).sweep() == len(bell.rung) > 0


async def test_a_clock_that_was_moved_or_stopped_says_nothing_at_its_old_time(
    hub: HubWorld, thresholds: Thresholds
) -> None:
    story = Story()
    await hub.take(story.received())
    hub.clock.advance(timedelta(days=3))
    handlers = Overdue(hub.ledger, Bell(), thresholds.clocks).handlers
    due_at = (await hub.case(story.child_ids[0])).due_at

    async def fire(clock: str, at: datetime) -> list[str]:
        async with hub.ledger.unit([story.id]) as unit:
            await handlers[clock](unit, Timer(clock, story.child_ids[0], 1, story.id, at, {}, None))
        return [row["clock"] for row in await hub.rows("SELECT clock FROM breach")]

    assert await fire("decision", due_at - timedelta(hours=1)) == []
    assert await fire("hand_over", due_at) == []
    assert await fire("decision", due_at) == ["decision"]


async def test_nothing_is_alarmed_that_was_not_committed(
    hub: HubWorld, monkeypatch: pytest.MonkeyPatch, thresholds: Thresholds
) -> None:
    story, bell = Story(), Bell()
    await hub.take(story.received())
    overdue = Overdue(hub.ledger, bell, thresholds.clocks)
    running = asyncio.create_task(overdue.run())
    hub.clock.advance(timedelta(days=3))
    failed: list[str] = []

    async def fails(*_: object) -> None:
        failed.append(CANARY)
        raise ValueError(CANARY)

    with monkeypatch.context() as patched:
        patched.setattr("libs.messaging.outbox.append", fails)
        await TimerLoop(hub.ledger, overdue.handlers).fire_due()
    overdue.stop()
    await running
    assert failed
    assert bell.rung == []


async def test_warnings_and_breaches_are_counted_by_clock_under_the_names_that_the_alerts_use(
    hub: HubWorld, thresholds: Thresholds
) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    overdue = Overdue(hub.ledger, Bell(), thresholds.clocks, provider.get_meter("clocks"))
    await hub.take(Story().received())
    for at in (
        MONDAY + timedelta(hours=1, minutes=45),
        MONDAY + timedelta(hours=31),
        MONDAY + timedelta(days=2),
    ):
        hub.clock.set(at)
        await TimerLoop(hub.ledger, overdue.handlers).fire_due()
    data = reader.get_metrics_data()
    assert data is not None
    counted = {
        (one.name, str((point.attributes or {})["clock"])): point.value
        for one in data.resource_metrics[0].scope_metrics[0].metrics
        for point in one.data.data_points
        if isinstance(point, NumberDataPoint)
    }
    provider.shutdown()
    assert counted == {
        ("mash.clock.warnings", "reading"): 1,
        ("mash.clock.warnings", "decision"): 1,
        ("mash.clock.breaches", "reading"): 1,
        ("mash.clock.breaches", "decision"): 1,
    }
    named = {f"{name.replace('.', '_')}_total" for name, _ in counted}
    assert set(re.findall(r"mash_clock[a-z_]+", ALERTS.read_text(encoding="utf-8"))) == named
