"""Clocks that other rooms start and stop, in their own units."""

from datetime import UTC, datetime, timedelta

import pytest

from services.triage.clocks.kept import Clocks, running
from services.triage.thresholds import Thresholds
from tests.services.triage.conftest import MONDAY, HubWorld, Story, stated
from tests.services.triage.staff import Person

ABUSED = stated("child.disclosed_sexual_abuse", True)
ENQUIRY = {"level": "section_47", "destination": "csc_section_47"}


@pytest.fixture
def clocks(thresholds: Thresholds) -> Clocks:
    return Clocks(thresholds.clocks)


async def armed(hub: HubWorld, story: Story) -> dict[str, tuple[datetime, datetime]]:
    """When each of a child's timers is due, and when it fires first."""
    rows = await hub.rows(
        "SELECT kind, due_at, claim_at FROM timer WHERE subject = $1 AND state = 'armed'", story.child_ids[0]
    )
    return {row["kind"]: (row["due_at"], row["claim_at"]) for row in rows}


async def test_a_conference_is_due_fifteen_working_days_after_the_strategy_discussion(
    hub: HubWorld, clocks: Clocks
) -> None:
    story = Story()
    await hub.take(story.received())
    case = await hub.case(story.child_ids[0])
    async with hub.ledger.unit([story.id]) as unit:
        await clocks.start(unit, case, "conference", MONDAY)
    due = datetime(2026, 12, 14, 17, 30, tzinfo=UTC)
    assert (await armed(hub, story))["conference"] == (due, due - timedelta(days=2))
    [kept] = await running(hub.ledger.pool, case.id)
    assert (kept.started_at, kept.due_at, kept.rules) == (MONDAY, due, clocks.hub.fingerprint)


async def test_a_clock_that_runs_keeps_the_earlier_of_two_starts(hub: HubWorld, clocks: Clocks) -> None:
    story = Story()
    await hub.take(story.received())
    case = await hub.case(story.child_ids[0])
    for at in (MONDAY, MONDAY + timedelta(hours=5), MONDAY - timedelta(hours=1), MONDAY):
        async with hub.ledger.unit([story.id]) as unit:
            await clocks.start(unit, case, "child_seen", at)
    [kept] = await running(hub.ledger.pool, case.id)
    assert (kept.started_at, kept.due_at) == (
        MONDAY - timedelta(hours=1),
        MONDAY + timedelta(hours=23),
    )
    assert (await armed(hub, story))["child_seen"][0] == kept.due_at


async def test_a_clock_that_somebody_stopped_starts_anew_only_from_another_moment(
    hub: HubWorld, clocks: Clocks
) -> None:
    story = Story()
    await hub.take(story.received())
    case = await hub.case(story.child_ids[0])
    async with hub.ledger.unit([story.id]) as unit:
        await clocks.start(unit, case, "return_interview", MONDAY)
    async with hub.ledger.unit([story.id]) as unit:
        assert await clocks.stop(unit, case, "return_interview", MONDAY + timedelta(hours=3), by="staff-sw-1")
    assert "return_interview" not in await armed(hub, story)
    async with hub.ledger.unit([story.id]) as unit:
        assert not await clocks.stop(unit, case, "return_interview", MONDAY + timedelta(hours=4))
        await clocks.start(unit, case, "return_interview", MONDAY)
    assert await running(hub.ledger.pool, case.id) == []
    async with hub.ledger.unit([story.id]) as unit:
        await clocks.start(unit, case, "return_interview", MONDAY + timedelta(days=1))
    [kept] = await running(hub.ledger.pool, case.id)
    assert kept.due_at == MONDAY + timedelta(days=4)


async def test_nothing_starts_that_was_not_committed(hub: HubWorld, clocks: Clocks) -> None:
    story = Story()
    await hub.take(story.received())
    case = await hub.case(story.child_ids[0])

    async def fails() -> None:
        async with hub.ledger.unit([story.id]) as unit:
            await clocks.start(unit, case, "conference", MONDAY)
            await clocks.start(unit, case, "confrence", MONDAY)

    with pytest.raises(KeyError):
        await fails()
    assert await running(hub.ledger.pool, case.id) == []
    assert "conference" not in await armed(hub, story)


async def test_the_enquiry_starts_seeing_the_child_and_the_assessment(hub: HubWorld, manager: Person) -> None:
    story = Story()
    await hub.take(story.received([ABUSED]), story.completed())
    child = story.child_ids[0]
    hub.clock.advance(timedelta(hours=1))
    _, tag = await manager.open(child)
    assert (await manager.decide(child, tag, **ENQUIRY)).status_code == 200
    decided, timers = hub.clock.now(), await armed(hub, story)
    assert timers["child_seen"][0] == decided + timedelta(hours=24)
    assert timers["assessment"][0] == datetime(2027, 1, 28, 17, 30, tzinfo=UTC)


async def test_what_is_no_statutory_referral_starts_neither(hub: HubWorld, manager: Person) -> None:
    story = Story()
    await hub.take(story.received())
    child = story.child_ids[0]
    await manager.read(child)
    _, tag = await manager.open(child)
    theirs = {"level": "section_47", "destination": "other_authority", "departure_reason": "Lives there."}
    made = await manager.decide(child, tag, **theirs)
    assert (made.status_code, made.json()["stage"]) == (200, "hand_over"), made.text
    assert {"child_seen", "assessment"} & (await armed(hub, story)).keys() == set()
