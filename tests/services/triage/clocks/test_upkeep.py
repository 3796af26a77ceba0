"""A calendar that changes works every due time out anew, and a timer that is missing comes back."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from libs.schemas.levels import Destination
from services.triage.casework import Casework
from services.triage.clocks.calendar import Unit
from services.triage.clocks.hub import Hub
from services.triage.clocks.kept import Clocks, running
from services.triage.clocks.loading import load_hub
from services.triage.clocks.rules import Length, WorkingDays
from services.triage.clocks.upkeep import SETTLED, Upkeep
from services.triage.handover.terms import Terms
from services.triage.tasks.due import Due
from services.triage.tasks.raising import NewTask, raise_tasks
from services.triage.thresholds import Thresholds, ruled_by
from tests.services.triage.conftest import MONDAY, NEGLECTED, HubWorld, Story
from tests.services.triage.shipped import PARTNERSHIP
from tests.services.triage.staff import Person

PROCLAIMED = date(2026, 11, 24)
TUESDAY_NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WEDNESDAY_CLOSE = datetime(2026, 11, 25, 17, 30, tzinfo=UTC)


@pytest.fixture
def proclaimed(thresholds: Thresholds) -> Thresholds:
    """The same partnership, after Tuesday was proclaimed a holiday."""
    hub = thresholds.clocks
    closed = replace(hub.calendar, closed=frozenset({PROCLAIMED}))
    school = replace(thresholds.tasks.school, closed=thresholds.tasks.school.closed | {PROCLAIMED})
    clocks = Hub(closed, hub.clocks, hub.targets, "with Tuesday closed")
    return replace(thresholds, clocks=clocks, tasks=replace(thresholds.tasks, school=school))


def upkeep(hub: HubWorld, thresholds: Thresholds) -> Upkeep:
    return Upkeep(hub.ledger, Casework(thresholds))


async def armed(hub: HubWorld) -> dict[str, Any]:
    rows = await hub.rows("SELECT kind, due_at FROM timer WHERE state = 'armed'")
    return {row["kind"]: row["due_at"] for row in rows}


async def test_a_proclaimed_holiday_moves_what_is_due_and_tells_whoever_waits(
    hub: HubWorld, thresholds: Thresholds, proclaimed: Thresholds
) -> None:
    story = Story()
    await hub.take(story.received())
    case = await hub.case(story.child_ids[0])
    async with hub.ledger.unit([story.id]) as unit:
        await Clocks(thresholds.clocks).start(unit, case, "conference", MONDAY)
    assert await upkeep(hub, thresholds).sweep() == 0
    assert await upkeep(hub, proclaimed).sweep() == 1

    case = await hub.case(case.id)
    assert (case.due_at, case.rules) == (WEDNESDAY_CLOSE, "with Tuesday closed")
    assert case.act_by == case.read_due_at == MONDAY + timedelta(hours=2)
    [conference] = await running(hub.ledger.pool, case.id)
    assert conference.due_at == datetime(2026, 12, 15, 17, 30, tzinfo=UTC)
    assert conference.rules == "with Tuesday closed"
    timers = await armed(hub)
    assert (timers["decision"], timers["conference"]) == (case.due_at, conference.due_at)
    assert timers["urgency"] == case.rag_due_at
    name, told = (await hub.emitted(story.id))[-1]
    assert (name, told.children[case.id].due_at) == ("case-screened", WEDNESDAY_CLOSE)
    assert await upkeep(hub, proclaimed).sweep() == 0


async def test_what_was_decided_keeps_its_past_and_the_hand_over_moves(
    hub: HubWorld, proclaimed: Thresholds, worker: Person, manager: Person
) -> None:
    story = Story()
    await hub.take(story.received(NEGLECTED), story.completed())
    child = story.child_ids[0]
    await worker.read(child)
    _, tag = await manager.open(child)
    wish = {"level": "section_17", "destination": "csc_section_17"}
    assert (await manager.decide(child, tag, **wish)).status_code == 200
    before = await hub.case(child)
    assert before.hand_over_due_at == datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
    await upkeep(hub, proclaimed).sweep()
    case = await hub.case(child)
    assert (case.due_at, case.decision) == (before.due_at, 1)
    assert case.hand_over_due_at == datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
    assert (await armed(hub))["hand_over"] == case.hand_over_due_at
    [asked] = await hub.rows("SELECT due_at, rule FROM handover")
    assert (asked["due_at"], asked["rule"]) == (case.hand_over_due_at, "480 working")

    sooner = Terms({Destination.SECTION_17: Length(60, Unit.ELAPSED)})
    clocks = ruled_by(proclaimed.clocks, proclaimed.tasks.school, sooner)
    await upkeep(hub, replace(proclaimed, clocks=clocks, terms=sooner)).sweep()
    assert (await hub.case(child)).hand_over_due_at == MONDAY + timedelta(hours=1)
    [asked] = await hub.rows("SELECT due_at, rule FROM handover")
    assert (asked["due_at"], asked["rule"]) == (MONDAY + timedelta(hours=1), "60 elapsed")


def test_whatever_works_out_an_instant_takes_part_in_the_rules_fingerprint(shipped: Thresholds) -> None:
    hub, school = load_hub(PARTNERSHIP / "clocks.yaml"), shipped.tasks.school
    holiday = replace(school, closed=school.closed | {PROCLAIMED})
    made = [
        ruled_by(hub, *given)
        for given in ((school, shipped.terms), (holiday, shipped.terms), (school, Terms({})))
    ]
    assert len({hub.fingerprint, *(one.fingerprint for one in made)}) == 4
    assert made[0] == shipped.clocks


async def test_a_proclaimed_holiday_moves_the_tasks_that_its_day_counts_for(
    hub: HubWorld, thresholds: Thresholds, proclaimed: Thresholds
) -> None:
    story = Story()
    await hub.take(story.received())
    [child], days = story.child_ids, thresholds.days
    dues = {
        "lado": thresholds.task_due("lado", MONDAY, MONDAY),
        "tell_school": thresholds.task_due("tell_school", MONDAY, MONDAY),
        "police_now": thresholds.task_due("police_now", MONDAY, MONDAY),
        "review_challenge": days.due(WorkingDays(1), MONDAY),
        "visit": Due(TUESDAY_NOON),
    }
    async with hub.ledger.unit([story.id]) as unit:
        tasks = [NewTask(story.id, child, kind, MONDAY, due) for kind, due in dues.items() if due is not None]
        assert len(tasks) == len(dues)
        await raise_tasks(unit, tasks)
    await hub.ledger.pool.execute(
        "INSERT INTO challenge (id, case_id, referral_id, decision, channel, stage, raised_by, raised_at, due_at,"
        " fingerprint) VALUES ($1, $1, $2, 1, 'telephone', 'first', 'one', $3, $3, '')",
        child,
        story.id,
        MONDAY,
    )
    # All of them ran over their time, and were told of, before anybody knew of the holiday.
    hub.clock.advance(timedelta(days=2))
    await hub.ledger.pool.execute("UPDATE task SET overdue_at = due_at")
    await hub.ledger.pool.execute("DELETE FROM timer WHERE kind = 'task'")
    await hub.ledger.pool.execute("DELETE FROM case_change")
    # The hub waits for nothing here: what is left to do is the receiving end's.
    await hub.ledger.pool.execute("UPDATE child_case SET act_by = NULL, rules = 'with Tuesday closed'")
    assert await upkeep(hub, proclaimed).sweep() == 1

    rows = await hub.rows("SELECT kind, due_at, overdue_at IS NOT NULL AS late FROM task")
    assert {row["kind"]: (row["due_at"], row["late"]) for row in rows} == {
        "lado": (datetime(2026, 11, 25, 8, 30, tzinfo=UTC), True),
        "tell_school": (datetime(2026, 11, 25, 8, 40, tzinfo=UTC), True),
        "police_now": (MONDAY + timedelta(minutes=15), True),
        "review_challenge": (WEDNESDAY_CLOSE, False),
        "visit": (TUESDAY_NOON, True),
    }
    again = await hub.rows("SELECT due_at FROM timer WHERE kind = 'task' AND state = 'armed'")
    assert [row[0] for row in again] == [WEDNESDAY_CLOSE], "only what is late no more is told of again"
    assert [row[0] for row in await hub.rows("SELECT case_id FROM case_change")] == [child]
    [challenge] = await hub.rows("SELECT due_at FROM challenge")
    assert challenge["due_at"] == WEDNESDAY_CLOSE
    await hub.ledger.pool.execute("DELETE FROM timer WHERE kind = 'task'")
    assert await upkeep(hub, proclaimed).sweep() == 1
    assert (await armed(hub))["task"] == WEDNESDAY_CLOSE


async def test_while_a_version_is_rolled_out_the_older_one_leaves_the_newers_times_alone(
    hub: HubWorld, thresholds: Thresholds, proclaimed: Thresholds
) -> None:
    story = Story()
    await hub.take(story.received())
    older, newer = upkeep(hub, thresholds), upkeep(hub, proclaimed)
    await older.sweep()
    await newer.sweep()
    assert await older.sweep() == 0
    assert (await hub.case(story.child_ids[0])).due_at == WEDNESDAY_CLOSE
    # Only the older one is left: its rules hold again.
    hub.clock.advance(SETTLED + timedelta(seconds=1))
    assert await older.sweep() == 1
    assert (await hub.case(story.child_ids[0])).due_at == datetime(2026, 11, 24, 17, 30, tzinfo=UTC)


async def test_every_clock_of_every_open_case_is_armed_again_where_its_timer_is_gone(
    hub: HubWorld, thresholds: Thresholds
) -> None:
    stories = [Story() for _ in range(3)]
    for story in stories:
        await hub.take(story.received())
    await hub.park(Story().received(), value=b"\xff")
    case = await hub.case(stories[0].child_ids[0])
    async with hub.ledger.unit([stories[0].id]) as unit:
        await Clocks(thresholds.clocks).start(unit, case, "child_seen", MONDAY)
    every = (
        "SELECT kind, subject, due_at, claim_at FROM timer"
        " WHERE state = 'armed' AND kind NOT IN ('alert', 'task') ORDER BY 1, 2"
    )
    before = [tuple(row) for row in await hub.rows(every)]
    assert len(before) == 3 * 3 + 2 + 1
    assert await upkeep(hub, thresholds).sweep() == 0
    await hub.ledger.pool.execute("DELETE FROM timer WHERE kind NOT IN ('urgency', 'alert', 'task')")
    await hub.ledger.pool.execute(
        "UPDATE timer SET due_at = due_at + interval '1 day' WHERE kind = 'urgency'"
    )
    assert await upkeep(hub, thresholds).sweep() == 4
    assert [tuple(row) for row in await hub.rows(every)] == before
    assert await upkeep(hub, thresholds).sweep() == 0
    late = "UPDATE timer SET due_at = due_at + interval '1 hour' WHERE kind = 'decision' AND subject = $1"
    await hub.ledger.pool.execute(late, case.id)
    assert await upkeep(hub, thresholds).sweep() == 1
    assert [tuple(row) for row in await hub.rows(every)] == before


async def test_what_ran_out_and_stands_on_record_is_not_told_again(
    hub: HubWorld, thresholds: Thresholds
) -> None:
    story = Story()
    await hub.take(story.received())
    case = await hub.case(story.child_ids[0])
    await hub.ledger.pool.execute("UPDATE timer SET state = 'fired' WHERE kind = 'reading'")
    await hub.ledger.pool.execute(
        "INSERT INTO breach (case_id, clock, due_at, at) VALUES ($1, 'reading', $2, $2)",
        case.id,
        case.read_due_at,
    )
    assert await upkeep(hub, thresholds).sweep() == 0
    assert "reading" not in await armed(hub)


async def test_one_referral_that_cannot_be_repaired_delays_no_other(
    hub: HubWorld, thresholds: Thresholds, monkeypatch: pytest.MonkeyPatch
) -> None:
    stories = [Story() for _ in range(3)]
    for story in stories:
        await hub.take(story.received())
    await hub.ledger.pool.execute("DELETE FROM timer")
    bad = stories[1].child_ids[0]
    real = Casework.refresh

    def fails(self: Casework, case: Any) -> None:
        if case.id == bad:
            raise ValueError
        real(self, case)

    with monkeypatch.context() as patched:
        patched.setattr(Casework, "refresh", fails)
        assert await upkeep(hub, thresholds).sweep() == 2
    assert await upkeep(hub, thresholds).sweep() == 1
