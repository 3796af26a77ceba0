"""A clock that runs out tells a person by a path that does not use the event log."""

import asyncio
from datetime import timedelta

import pytest

from libs.messaging.timers import TimerLoop
from services.triage.overdue import Overdue
from services.triage.thresholds import Thresholds
from tests.services.triage.conftest import HubWorld, Story
from tests.services.triage.staff import CANARY


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
    async with asyncio.timeout(5):
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
