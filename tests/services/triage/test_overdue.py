"""A clock that runs out tells a person by a path that does not use the event log."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint

from libs.messaging.timers import TimerLoop
from services.triage.overdue import Overdue
from services.triage.thresholds import Thresholds
from tests.services.triage.conftest import MONDAY, HubWorld, Story
from tests.services.triage.staff import CANARY

ALERTS = Path("deploy/prometheus/alerts.yml")


class Bells:
    """Alarms, as they are raised."""

    def __init__(self) -> None:
        self.raised: list[tuple[str, dict[str, str]]] = []

    async def __call__(self, code: str, ids: dict[str, str]) -> None:
        self.raised.append((code, ids))


async def ran_out(hub: HubWorld, bells: Bells, thresholds: Thresholds) -> None:
    overdue = Overdue(bells, thresholds.clocks)
    running = asyncio.create_task(overdue.run())
    hub.clock.advance(timedelta(days=3))
    await TimerLoop(hub.ledger, overdue.handlers).fire_due()
    await TimerLoop(hub.ledger, overdue.handlers).fire_due()
    overdue.stop()
    async with asyncio.timeout(30):
        await running


async def test_each_clock_that_runs_out_is_an_alarm(hub: HubWorld, thresholds: Thresholds) -> None:
    story, bells = Story(), Bells()
    await hub.take(story.received())
    await ran_out(hub, bells, thresholds)
    case = await hub.case(story.child_ids[0])
    ids = {"referral_id": str(story.id), "case_id": str(case.id)}
    assert bells.raised == [
        ("case-overdue", {**ids, "kind": "reading", "due_at": case.read_due_at.isoformat()}),
        ("case-overdue", {**ids, "kind": "decision", "due_at": case.due_at.isoformat()}),
    ]


async def test_the_clock_of_what_nobody_could_read_is_an_alarm_too(
    hub: HubWorld, thresholds: Thresholds
) -> None:
    story, bells = Story(), Bells()
    await hub.park(story.received(), value=b"\xff")
    await ran_out(hub, bells, thresholds)
    assert [(code, ids["case_id"], ids["kind"]) for code, ids in bells.raised] == [
        ("case-overdue", str(story.id), "urgency"),
        ("case-overdue", str(story.id), "decision"),
    ]


async def test_nothing_is_alarmed_that_was_not_committed(
    hub: HubWorld, monkeypatch: pytest.MonkeyPatch, thresholds: Thresholds
) -> None:
    story, bells = Story(), Bells()
    await hub.take(story.received())
    overdue = Overdue(bells, thresholds.clocks)
    running = asyncio.create_task(overdue.run())
    hub.clock.advance(timedelta(days=3))

    async def fails(place: str) -> None:
        raise ValueError(CANARY)

    with monkeypatch.context() as patched:
        patched.setattr("libs.messaging.outbox.append", fails)
        await TimerLoop(hub.ledger, overdue.handlers).fire_due()
    overdue.stop()
    await running
    assert bells.raised == []


async def test_warnings_and_breaches_are_counted_by_clock_under_the_names_that_the_alerts_use(
    hub: HubWorld, thresholds: Thresholds
) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    overdue = Overdue(Bells(), thresholds.clocks, provider.get_meter("clocks"))
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
