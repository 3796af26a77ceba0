"""Each task of the flow is raised, once, with its own clock, and the referral waits for it."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.messaging.event import Event
from libs.schemas.codes import ChildStatus
from libs.schemas.events import NOTICE_FAILED, RECEIVED, NoticeFailed, NoticeResult, Received
from libs.schemas.findings import Fact
from libs.schemas.history import PossibleDuplicate
from libs.schemas.notice import NoticeChannel, NoticeKind
from libs.schemas.people import Band, Candidate
from libs.schemas.referral import ReferredChild
from services.triage.case import Case
from services.triage.casework import Casework
from services.triage.tasks.out_of_hours import OutOfHours
from services.triage.thresholds import Thresholds
from tests.services.triage.conftest import MONDAY, HubWorld, Story, stated
from tests.services.triage.staff import Person

POOR = stated("child.home_conditions", "poor")
DUTY_TEAM = "emergency_duty_team"


def after(**length: int) -> datetime:
    return MONDAY + timedelta(**length)


async def tasks(hub: HubWorld, story: Story) -> dict[str, datetime]:
    rows = await hub.rows(
        "SELECT kind, due_at FROM task WHERE referral_id = $1 AND done_at IS NULL", story.id
    )
    assert len({row[0] for row in rows}) == len(rows), "each is raised once"
    return {row[0]: row[1] for row in rows}


async def armed(hub: HubWorld) -> set[datetime]:
    rows = await hub.rows("SELECT due_at FROM timer WHERE kind = 'task' AND state = 'armed'")
    return {row[0] for row in rows}


IN_DANGER = [stated("referral.immediate_danger", True)]
BRUISED_BABY = [stated("child.injury", "unclear"), stated("child.non_mobile", True)]
A_WORKING_DAY = after(days=1, hours=-1, minutes=-30)
BEFORE_SCHOOL = datetime(2026, 11, 24, 8, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    ("facts", "kind", "due_at"),
    [
        (IN_DANGER, "police_now", after(minutes=15)),
        (IN_DANGER, "strategy_discussion", after(hours=4)),
        (BRUISED_BABY, "same_day_paediatric_opinion", after(hours=8)),
        ([stated("referral.adult_works_with_children", True)], "lado", A_WORKING_DAY),
        ([stated("child.radicalisation", "early_worry")], "prevent_referral", A_WORKING_DAY),
        ([stated("child.missing_now", True)], "return_interview_72_hours", after(hours=72)),
        ([stated("household.domestic_abuse", "minor_incident")], "tell_school", BEFORE_SCHOOL),
        ([stated("child.lives_elsewhere", True)], "home_authority_told", after(hours=4)),
        ([stated("child.not_found", True)], "trace_child", after(hours=4)),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_what_a_rule_obliges_is_a_task_with_its_own_clock(
    hub: HubWorld, facts: list[Fact], kind: str, due_at: datetime
) -> None:
    story = Story()
    received = story.received(facts, immediate_danger=facts[0].fact == "referral.immediate_danger")
    await hub.take(received)
    await hub.take(received)
    found = await tasks(hub, story)
    assert found[kind] == due_at
    assert await armed(hub) == set(found.values())


async def test_a_message_that_was_stuck_has_used_up_its_time(hub: HubWorld) -> None:
    story = Story()
    hub.clock.advance(timedelta(hours=5))
    await hub.take(story.received([stated("referral.immediate_danger", True)], immediate_danger=True))
    assert (await tasks(hub, story))["police_now"] == after(minutes=15) < hub.clock.now()


async def test_a_child_whom_nobody_can_name_is_to_be_identified(hub: HubWorld) -> None:
    story = Story()
    event = story.received([POOR])
    assert isinstance(event.payload, Received)
    unknown = ReferredChild(status=ChildStatus.UNIDENTIFIED, description="A boy of about six.", facts=(POOR,))
    children = {story.child_ids[0]: unknown}
    await hub.take(story.event(RECEIVED, Received(shared=event.payload.shared, children=children)))
    assert (await tasks(hub, story))["identify_child"] == after(hours=4)


async def test_what_the_index_doubts_is_put_to_a_person(hub: HubWorld) -> None:
    story = Story()
    candidate = Candidate(person_id=uuid.uuid4(), band=Band.POSSIBLE, score=60)
    await hub.take(
        story.received([POOR]),
        story.linked(
            candidates=(candidate,),
            duplicates=(
                PossibleDuplicate(case_id=uuid.uuid4(), reference="K7TM-P2RW-C", because=("same_day",)),
            ),
        ),
    )
    found = await tasks(hub, story)
    assert (found["possible_match"], found["possible_duplicate"]) == (after(hours=2), after(hours=2))


async def test_a_notice_that_did_not_arrive_is_given_by_telephone(hub: HubWorld) -> None:
    story = Story()
    result = NoticeResult(
        reference=story.reference,
        notice_id=story.id,
        kind=NoticeKind.RECEIPT,
        channel=NoticeChannel.EMAIL,
        at=MONDAY,
        reason="permanent-failure",
    )
    await hub.take(story.received([POOR]), story.event(NOTICE_FAILED, NoticeFailed(shared=result)))
    assert (await tasks(hub, story))["tell_referrer_by_telephone"] == after(hours=2)
    hub.clock.advance(timedelta(hours=1))
    await hub.take(story.event(NOTICE_FAILED, NoticeFailed(shared=result)))
    assert await armed(hub) == {after(hours=2)}, "told again, it keeps its first clock"


def red(story: Story) -> Event:
    return story.received([stated("household.strangulation_or_weapon", True)])


@pytest.mark.parametrize(
    ("at", "due_at"),
    [
        (datetime(2026, 11, 24, 20, 0, tzinfo=UTC), datetime(2026, 11, 24, 20, 30, tzinfo=UTC)),
        (datetime(2026, 11, 24, 14, 0, tzinfo=UTC), datetime(2026, 11, 24, 17, 30, tzinfo=UTC)),
        (datetime(2026, 11, 27, 12, 31, tzinfo=UTC), datetime(2026, 11, 27, 16, 30, tzinfo=UTC)),
        (datetime(2026, 11, 24, 13, 0, tzinfo=UTC), None),
    ],
    ids=["closed", "closes before the target is up", "on a Friday", "open until the target is up"],
)
async def test_red_work_goes_to_the_duty_team_where_the_hub_is_not_there_for_it(
    hub: HubWorld, manager: Person, at: datetime, due_at: datetime | None
) -> None:
    hub.clock.advance(at - hub.clock.now())
    story = Story(at=at)
    await hub.take(red(story))
    assert (await tasks(hub, story)).get(DUTY_TEAM) == due_at
    await hub.take(story.answer("police", stated("child.hunger", "persistent")))
    assert (await tasks(hub, story)).get(DUTY_TEAM) == due_at

    await hub.take(story.completed())
    child = story.child_ids[0]
    _, tag = await manager.open(child)
    protection: dict[str, Any] = {"level": "section_47", "destination": "csc_section_47"}
    bare = await manager.decide(child, tag, **protection, obliged={})
    assert ("/obliged/emergency_duty_team" in bare.text) is (due_at is not None)


async def test_what_is_not_red_waits_for_the_hub_to_open(hub: HubWorld) -> None:
    hub.clock.advance(timedelta(hours=10))
    story = Story(at=hub.clock.now())
    await hub.take(story.received([POOR]))
    assert DUTY_TEAM not in await tasks(hub, story)
    await hub.take(story.answer("police", stated("household.strangulation_or_weapon", True)))
    assert DUTY_TEAM in await tasks(hub, story), "a rise out of hours goes at once"


async def test_what_is_red_and_undecided_when_the_hub_closes_is_handed_over_then(
    hub: HubWorld, thresholds: Thresholds
) -> None:
    story, calm = Story(), Story()
    await hub.take(red(story), calm.received([POOR]))
    sweep = OutOfHours(hub.ledger, Casework(thresholds), hub.policies).sweep
    assert await sweep() == 0
    assert DUTY_TEAM not in await tasks(hub, story)
    hub.clock.advance(timedelta(hours=7, minutes=31))
    assert await sweep() == 1
    assert (await tasks(hub, story))[DUTY_TEAM] == after(hours=8, minutes=1)
    assert DUTY_TEAM not in await tasks(hub, calm)
    assert await sweep() == 0


async def test_danger_told_out_of_hours_after_a_decision_is_handed_over_anew(
    hub: HubWorld, manager: Person
) -> None:
    story = Story()
    await hub.take(red(story), story.completed())
    child = story.child_ids[0]
    _, tag = await manager.open(child)
    await manager.decide(child, tag, level="section_47", destination="csc_section_47")
    hub.clock.advance(timedelta(hours=11))
    story.at = hub.clock.now()
    await hub.take(story.information(immediate_danger=True))
    case: Case = await hub.case(child)
    assert case.at_risk
    [row] = await hub.rows("SELECT due_at FROM task WHERE kind = $1", DUTY_TEAM)
    assert row[0] == hub.clock.now() + timedelta(minutes=30)


async def test_a_danger_of_another_kind_after_a_handed_over_decision_is_handed_over_anew(
    hub: HubWorld, manager: Person
) -> None:
    hub.clock.advance(timedelta(hours=10))
    story = Story(at=hub.clock.now())
    await hub.take(red(story), story.completed())
    child = story.child_ids[0]
    _, tag = await manager.open(child)
    await manager.decide(child, tag, level="section_47", destination="csc_section_47")
    hub.clock.advance(timedelta(hours=1))
    story.at = hub.clock.now()
    await hub.take(story.answer("police", stated("child.disclosed_sexual_abuse", True), late=True))
    assert (await hub.case(child)).at_risk
    rows = await hub.rows("SELECT due_at FROM task WHERE kind = $1 ORDER BY due_at", DUTY_TEAM)
    assert [row[0] for row in rows] == [after(hours=10, minutes=30), after(hours=11, minutes=30)]


async def test_what_nobody_could_read_out_of_hours_is_handed_over_once(
    hub: HubWorld, thresholds: Thresholds
) -> None:
    hub.clock.advance(timedelta(hours=10))
    story = Story(at=hub.clock.now())
    await hub.park(story.received(), value=b"\xff")
    sweep = OutOfHours(hub.ledger, Casework(thresholds), hub.policies).sweep
    assert await sweep() == 1
    assert await tasks(hub, story) == {DUTY_TEAM: hub.clock.now() + timedelta(minutes=30)}
    assert await sweep() == 0


async def test_evidence_that_cannot_be_read_keeps_nobody_from_the_duty_team(
    hub: HubWorld, thresholds: Thresholds
) -> None:
    story = Story()
    await hub.take(red(story))
    await hub.rows("UPDATE evidence SET document = '\\xff'")
    hub.clock.advance(timedelta(hours=10))
    assert await OutOfHours(hub.ledger, Casework(thresholds), hub.policies).sweep() == 1
    assert DUTY_TEAM in await tasks(hub, story)
