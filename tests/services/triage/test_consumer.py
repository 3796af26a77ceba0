"""What a case becomes when events arrive, on a real database."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest

from libs.messaging.event import Event
from libs.platform.migrations import differences
from libs.schemas.events import (
    NOTICE_FAILED,
    RECEIVED,
    REFERRER_UNTELLABLE,
    NoticeFailed,
    NoticeResult,
    Received,
    ReferrerUntellable,
    Service,
    UntellableReferrer,
)
from libs.schemas.levels import Destination, Level, Rag, Stage
from libs.schemas.notice import NoticeChannel, NoticeKind
from libs.schemas.person import Date
from services.triage.tables import metadata
from tests.services.triage.conftest import AGENCIES, MONDAY, NEGLECTED, HubWorld, Story, stated
from tests.services.triage.staff import Person

HUNGRY = stated("child.hunger", "persistent")
HIT = stated("child.disclosed_physical_abuse", True)
STRANGLED = stated("household.strangulation_or_weapon", True)


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")
async def test_the_migration_makes_what_the_tables_say(hub_database: str) -> None:
    assert await differences(hub_database, Service.TRIAGE, metadata) == []


async def test_danger_is_in_the_duty_teams_queue_before_any_check(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY], immediate_danger=True))

    case = await hub.case(story.child_ids[0])
    assert (case.team, case.rag, case.immediate_danger) == ("duty", Rag.RED, True)
    assert case.act_by == MONDAY
    assert case.completed_at is None
    [(name, screened)] = await hub.emitted(story.id)
    assert name == "case-screened"
    assert screened.children[case.id].immediate_danger


async def test_a_fact_that_the_policy_marks_is_danger_without_the_referrers_flag(hub: HubWorld) -> None:
    story = Story(children=2)
    await hub.take(story.received([stated("child.disclosed_sexual_abuse", True)], [HUNGRY]))

    first, second = [await hub.case(child) for child in story.child_ids]
    assert (first.immediate_danger, first.rag, first.level) == (True, Rag.RED, Level.SECTION_47)
    assert (second.immediate_danger, second.level) == (False, Level.SECTION_17), (
        "a brother or sister was harmed"
    )


async def test_every_child_gets_a_case_and_one_event_screens_them_all(hub: HubWorld) -> None:
    story = Story(children=3)
    await hub.take(story.received([HUNGRY], [HIT]))

    [(name, screened)] = await hub.emitted(story.id)
    assert name == "case-screened"
    assert list(screened.children) == story.child_ids
    numbers = await hub.rows("SELECT child_number FROM child_case ORDER BY child_number")
    assert [row[0] for row in numbers] == [1, 2, 3]
    levels = [screened.children[child].level for child in story.child_ids]
    assert levels == [Level.SECTION_17, Level.SECTION_47, Level.SECTION_17], "a brother or sister was harmed"


async def test_what_is_added_reaches_no_child_whose_part_of_it_was_erased(hub: HubWorld) -> None:
    story = Story(children=2)
    await hub.take(story.received([HUNGRY], [HUNGRY]))
    gone, other = story.child_ids
    added = story.information(immediate_danger=True)
    await hub.take(replace(added, erased=frozenset((gone,))))
    assert [(await hub.case(child)).immediate_danger for child in (gone, other)] == [False, True]
    told = await hub.rows("SELECT case_id FROM evidence WHERE kind = 'information'")
    assert [row["case_id"] for row in told] == [other]


async def test_an_event_says_nothing_of_another_referrals_child(hub: HubWorld) -> None:
    story, other = Story(), Story()
    await hub.take(story.received([HUNGRY]), other.received([HUNGRY]))
    theirs = other.answer("police", HIT)
    await hub.take(replace(theirs, referral_id=story.id), other.answer("health"))
    assert (await hub.case(other.child_ids[0])).level < Level.SECTION_47
    await hub.take(replace(theirs, id=uuid4()))
    assert (await hub.case(other.child_ids[0])).level is Level.SECTION_47


async def test_children_keep_their_numbers_when_one_of_them_is_erased(hub: HubWorld) -> None:
    story = Story(children=3)
    story.child_ids.sort()
    received = story.received([HUNGRY], [HIT], [HUNGRY])
    erased = story.child_ids[0]
    del received.payload.children[erased]
    await hub.take(replace(received, erased=frozenset((erased,))))
    assert [(await hub.case(child)).child_number for child in story.child_ids] == [1, 2, 3]


async def test_words_without_facts_wait_for_a_reader_for_two_hub_hours(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received())

    case = await hub.case(story.child_ids[0])
    assert case.stage is Stage.TO_BE_READ
    assert case.read_due_at == datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    armed = await hub.rows("SELECT kind, due_at FROM timer WHERE subject = $1 AND state = 'armed'", case.id)
    assert {row["kind"]: row["due_at"] for row in armed} == {
        "decision": datetime(2026, 11, 24, 17, 30, tzinfo=UTC),
        "reading": case.read_due_at,
        "urgency": case.rag_due_at,
    }


async def test_nothing_low_is_recommended_before_a_person_has_read_the_words(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received(), story.completed())

    case = await hub.case(story.child_ids[0])
    assert case.withheld
    assert case.stage is Stage.TO_BE_READ
    assert await hub.names(story.id) == ["case-screened"]


async def test_what_is_not_low_is_routed_though_nobody_has_read_the_words(hub: HubWorld) -> None:
    story = Story()
    await hub.take(
        story.received(), story.answer("police", STRANGLED), story.completed({"police": "returned"})
    )

    case = await hub.case(story.child_ids[0])
    assert (case.stage, case.destination, case.unread) == (Stage.DECISION, Destination.SECTION_47, True)


async def test_each_answer_is_evaluated_once(hub: HubWorld) -> None:
    story = Story()
    answers = [story.answer(agency) for agency in AGENCIES]
    await hub.take(story.received([HUNGRY]))
    await hub.take(*answers[:3])
    await hub.take(*answers[3:], story.completed())

    rows = await hub.rows("SELECT number, trigger, event_id FROM evaluation ORDER BY number")
    assert [row["trigger"] for row in rows] == ["received", *["answer" for _ in AGENCIES]]
    assert [row["event_id"] for row in rows[1:]] == [answer.id for answer in answers]
    case = await hub.case(story.child_ids[0])
    # One more piece of evidence: that social care holds nothing means that no plan is open.
    assert (case.evaluation, case.answers) == (1 + len(AGENCIES), len(AGENCIES) + 1)


async def test_a_rise_before_completion_is_told_again_and_only_then(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]))
    await hub.take(story.answer("health"), story.answer("police", STRANGLED), story.answer("marac"))

    events = await hub.emitted(story.id)
    assert [name for name, _ in events] == ["case-screened", "case-screened"]
    assert events[1][1].children[story.child_ids[0]].level is Level.SECTION_47


async def test_completion_routes_once_and_silence_stays_unknown(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received(NEGLECTED), story.answer("health"))
    await hub.take(
        story.completed({"police": "no_answer", "marac": "unavailable", "education": "not_requested"})
    )

    case = await hub.case(story.child_ids[0])
    assert (case.stage, case.destination, case.team) == (Stage.DECISION, Destination.SECTION_17, "csc")
    assert await hub.names(story.id) == ["case-screened", "case-routed"]
    states = await hub.rows("SELECT agency, state FROM agency_state ORDER BY agency")
    assert [tuple(row) for row in states] == [
        ("early_help", "nothing_held"),
        ("education", "not_requested"),
        ("health", "nothing_held"),
        ("marac", "unavailable"),
        ("police", "no_answer"),
        ("social_care", "nothing_held"),
    ]
    assert case.could_rise_to is Level.SECTION_47


async def test_a_late_fact_reopens_a_routed_case(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received(NEGLECTED), story.completed({"police": "no_answer"}))
    await hub.take(story.answer("police", STRANGLED, late=True))

    case = await hub.case(story.child_ids[0])
    assert (case.stage, case.level, case.destination) == (
        Stage.DECISION,
        Level.SECTION_47,
        Destination.SECTION_47,
    )
    assert await hub.names(story.id) == ["case-screened", "case-routed", "case-screened", "case-reopened"]


async def test_a_late_answer_that_raises_nothing_changes_no_route(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received(NEGLECTED), story.completed({"police": "no_answer"}))
    await hub.take(story.answer("police", late=True))

    assert await hub.names(story.id) == ["case-screened", "case-routed"]
    assert (await hub.case(story.child_ids[0])).evaluation == 3


async def test_a_silence_never_undoes_an_answer(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]), story.answer("police", STRANGLED))
    await hub.take(story.answer("police", state="unavailable"), story.completed({"police": "no_answer"}))

    [row] = await hub.rows("SELECT state FROM agency_state WHERE agency = 'police'")
    assert row[0] == "returned"
    assert (await hub.case(story.child_ids[0])).level is Level.SECTION_47


async def test_an_unknown_state_is_kept_and_read_as_unknown(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]))
    event = story.answer("police")
    answer = event.payload.children[story.child_ids[0]]
    odd = type(event.payload)(
        shared=event.payload.shared,
        children={story.child_ids[0]: answer.model_copy(update={"state": "moved"})},
    )
    await hub.take(story.event(event.type, odd))

    [row] = await hub.rows("SELECT state FROM agency_state WHERE agency = 'police'")
    assert row[0] == "moved"
    assert (await hub.case(story.child_ids[0])).could_rise_to is Level.SECTION_47


async def test_information_joins_and_its_danger_waits_for_nothing(hub: HubWorld) -> None:
    story = Story(children=2)
    await hub.take(story.received([HUNGRY], [HUNGRY]), story.completed())
    await hub.take(story.information(worry="He is at the door.", immediate_danger=True))

    for child in story.child_ids:
        case = await hub.case(child)
        assert (case.team, case.rag, case.immediate_danger) == ("duty", Rag.RED, True)
        assert case.act_by == MONDAY
        assert case.unread


async def test_a_withdrawal_closes_lowers_and_pauses_nothing(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]))
    before = await hub.case(story.child_ids[0])
    await hub.take(story.withdrawn())

    after = await hub.case(story.child_ids[0])
    assert after.withdrawn_at == MONDAY
    assert (after.stage, after.level, after.due_at, after.act_by) == (
        before.stage,
        before.level,
        before.due_at,
        before.act_by,
    )
    armed = await hub.rows("SELECT 1 FROM timer WHERE kind = 'decision' AND state = 'armed'")
    assert len(armed) == 1


async def test_what_arrives_before_its_referral_is_applied_when_that_comes(hub: HubWorld) -> None:
    story = Story()
    received = story.received([HUNGRY])
    await hub.take(story.answer("police", STRANGLED), story.completed({"police": "returned"}))
    assert await hub.rows("SELECT 1 FROM child_case") == []

    await hub.take(received)
    case = await hub.case(story.child_ids[0])
    assert (case.stage, case.level) == (Stage.DECISION, Level.SECTION_47)
    assert await hub.rows("SELECT 1 FROM held") == []


async def test_what_comes_before_its_referral_in_one_batch_keeps_its_order(hub: HubWorld) -> None:
    story = Story()
    received = story.received([HUNGRY])
    first, second = story.answer("police", STRANGLED), story.answer("police", state="no_answer")
    await hub.take(first, received, second)

    rows = await hub.rows("SELECT event_id FROM evidence WHERE kind = 'answer' ORDER BY number")
    assert [row[0] for row in rows] == [first.id, second.id]


async def test_obliged_actions_are_tasks_at_once_and_once(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([stated("child.disclosed_sexual_abuse", True)]))
    await hub.take(story.answer("police", HIT), story.completed({"police": "returned"}))

    rows = await hub.rows("SELECT kind FROM task WHERE case_id = $1 ORDER BY kind", story.child_ids[0])
    assert [row[0] for row in rows] == ["do_not_alert_household", "strategy_discussion"]


async def test_a_notice_that_failed_becomes_one_task(hub: HubWorld) -> None:
    story = Story()
    result = NoticeResult(
        reference=story.reference,
        notice_id=story.id,
        kind=NoticeKind.RECEIPT,
        channel=NoticeChannel.EMAIL,
        at=MONDAY,
        reason="permanent-failure",
    )
    failed = story.event(NOTICE_FAILED, NoticeFailed(shared=result))
    again = story.event(NOTICE_FAILED, NoticeFailed(shared=result))
    await hub.take(failed, story.received([HUNGRY]))
    await hub.take(again)

    rows = await hub.rows("SELECT kind, reason, due_at FROM task WHERE case_id IS NULL")
    assert [tuple(row) for row in rows] == [
        ("tell_referrer_by_telephone", "permanent-failure", datetime(2026, 11, 23, 12, 0, tzinfo=UTC))
    ]


async def test_a_referrer_who_cannot_be_told_is_noted(hub: HubWorld) -> None:
    story = Story()
    untellable = UntellableReferrer(reference=story.reference, reason="anonymous", at=MONDAY)
    await hub.take(
        story.received([HUNGRY]), story.event(REFERRER_UNTELLABLE, ReferrerUntellable(shared=untellable))
    )
    [row] = await hub.rows("SELECT untellable FROM referral")
    assert row[0] == "anonymous"


def untold(story: Story, reason: str, step: UUID | None = None) -> Event:
    shared = UntellableReferrer(reference=story.reference, reason=reason, at=MONDAY, step=step)
    return story.event(REFERRER_UNTELLABLE, ReferrerUntellable(shared=shared))


@pytest.mark.parametrize("reason", ["no_usable_channel", "conditions"])
async def test_a_referrer_whom_only_a_person_can_tell_is_rung(
    hub: HubWorld, manager: Person, reason: str
) -> None:
    story = Story()
    await hub.take(story.received(NEGLECTED), story.completed(), untold(story, reason), untold(story, reason))
    rows = await hub.rows("SELECT id, kind, reason FROM task")
    assert [tuple(row)[1:] for row in rows] == [("tell_referrer_by_telephone", reason)]
    await manager.put(f"/v1/tasks/{rows[0]['id']}", {"note": "Rang: received."})

    _, tag = await manager.open(story.child_ids[0])
    decision = {"level": "section_17", "destination": "csc_section_17"}
    assert (await manager.decide(story.child_ids[0], tag, **decision)).status_code == 200
    await hub.take(untold(story, reason))
    assert len(await hub.rows("SELECT 1 FROM task WHERE done_at IS NULL")) == 1

    steps = (UUID(int=7), UUID(int=8), UUID(int=8))
    await hub.take(*(untold(story, reason, step) for step in steps))
    assert len(await hub.rows("SELECT 1 FROM task WHERE done_at IS NULL")) == 3, "once for each step"


@pytest.mark.parametrize("reason", ["anonymous", "suspect_may_read", "forbidden", "no_contact", "erased"])
async def test_nobody_is_rung_where_it_is_not_possible_or_not_safe(hub: HubWorld, reason: str) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]), untold(story, reason))
    assert await hub.rows("SELECT 1 FROM task") == []


async def test_a_childs_age_is_that_of_the_hubs_day(hub: HubWorld) -> None:
    """At half past eleven at night in UTC, a summer's next day has begun in England."""
    story = Story(at=datetime(2026, 7, 13, 23, 30, tzinfo=UTC))
    event = story.received([stated("household.domestic_abuse", "repeated")])
    [child] = event.payload.children.values()
    fifth_birthday = Date(on=date(2021, 7, 14))
    born = child.model_copy(update={"born": fifth_birthday})
    await hub.take(
        story.event(RECEIVED, Received(shared=event.payload.shared, children={story.child_ids[0]: born}))
    )
    [row] = await hub.rows("SELECT document FROM evidence WHERE kind = 'received'")
    assert b'"fact":"child.age","value":5' in row[0].replace(b" ", b"")


async def test_a_referral_taken_in_again_changes_nothing(hub: HubWorld) -> None:
    story = Story()
    received = story.received([HUNGRY])
    await hub.take(received)
    await hub.take(received)
    assert await hub.names(story.id) == ["case-screened"]
    assert (await hub.case(story.child_ids[0])).evaluation == 1


async def test_the_case_keeps_the_referrals_trace(hub: HubWorld) -> None:
    story = Story()
    received = story.received([HUNGRY])
    await hub.take(received)
    rows = await hub.rows("SELECT trace AS t FROM child_case UNION ALL SELECT traceparent FROM timer")
    assert {row["t"] for row in rows} == {received.trace}
