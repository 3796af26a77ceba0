"""Who a child is and what came before: worked out live, kept for replays, and doubts left to a person."""

import uuid
from datetime import date
from uuid import uuid5

from libs.schemas.codes import ChildStatus
from libs.schemas.history import EarlierPlan, EarlierReport, PossibleDuplicate, SameEvent
from libs.schemas.levels import Level
from libs.schemas.people import Band, Candidate, LinkMethod
from libs.schemas.person import Date
from libs.schemas.plans import Dash, Plan, PlanKind
from libs.schemas.referral import ReferredChild
from services.triage.policies.replay import Result
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.test_family import counts, replays

POOR = stated("child.home_conditions", "poor")


def earlier(
    on: str = "2026-06-01", decided: str | None = "2026-06-03", event: str | None = None
) -> EarlierReport:
    return EarlierReport(
        on=date.fromisoformat(on),
        decided_on=date.fromisoformat(decided) if decided else None,
        event=event,
        facts=(POOR,),
        case_id=uuid.uuid4(),
    )


def plan(kind: PlanKind, opened: str, closed: str | None = None) -> Plan:
    return Plan(
        kind=kind, opened=date.fromisoformat(opened), closed=date.fromisoformat(closed) if closed else None
    )


async def derived(hub: HubWorld, story: Story, child: int = 0) -> set[str]:
    return {name for name, source in await counts(hub, story, child) if source == "derived"}


async def open_tasks(hub: HubWorld, story: Story) -> list[str]:
    rows = await hub.rows("SELECT kind FROM task WHERE referral_id = $1 AND done_at IS NULL", story.id)
    return sorted(row[0] for row in rows)


async def test_a_re_referral_raises_by_the_rules(hub: HubWorld) -> None:
    await hub.policies.start(hub.ledger)
    story = Story()
    await hub.take(story.received([POOR]))
    before = await hub.case(story.child_ids[0])
    await hub.take(story.linked(earlier(), earlier("2026-08-01", "2026-08-02")))

    after = await hub.case(story.child_ids[0])
    assert {"family.re_referral_12_months", "family.same_worry_12_months"} <= await derived(hub, story)
    assert after.level is Level.SECTION_17 > before.level
    assert (await hub.names(story.id)).count("case-screened") == 2, "a rise permits more questions"
    assert await replays(hub, story) == {Result.SAME}


async def test_a_report_of_the_same_event_is_no_re_referral(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([POOR]), story.linked(earlier(event="E"), event="E"))
    assert not {"family.re_referral_12_months", "family.contacts_12_months"} & await derived(hub, story)


async def test_the_latest_revision_replaces_the_ones_before_and_an_older_one_changes_nothing(
    hub: HubWorld,
) -> None:
    story = Story()
    await hub.take(story.received([POOR]), story.linked(earlier(), revision=1))
    level = (await hub.case(story.child_ids[0])).level
    # The child was not that person after all.
    await hub.take(story.linked(revision=3, band=Band.NONE, method=LinkMethod.STAFF))
    assert "family.re_referral_12_months" not in await derived(hub, story)
    assert (await hub.case(story.child_ids[0])).level <= level
    await hub.take(story.linked(earlier(), revision=2))
    assert "family.re_referral_12_months" not in await derived(hub, story)
    assert len(await hub.rows("SELECT 1 FROM evidence WHERE kind = 'linked'")) == 3, "all stay on record"


async def test_what_changes_nothing_is_kept_and_not_evaluated(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([POOR]), story.linked())
    assert len(await hub.rows("SELECT 1 FROM evaluation")) == 1
    assert len(await hub.rows("SELECT 1 FROM evidence WHERE kind = 'linked'")) == 1


async def test_plans_and_a_dash_count_as_their_agency_tells_of_them(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([]))
    plans = (
        plan(PlanKind.CHILD_IN_NEED, "2026-01-01"),
        plan(PlanKind.CHILD_PROTECTION, "2025-01-01", "2026-09-01"),
    )
    await hub.take(
        story.answer("social_care", state="returned", plans=plans),
        story.answer("marac", state="returned", dash=Dash(yes=15, asked=20)),
    )
    assert {
        "child.open_plan",
        "child.plan_closed_12_months",
        "child.protection_plan_closed_6_months",
        "household.dash_score",
    } <= await derived(hub, story)


async def test_no_open_plan_is_known_only_where_social_care_answered_in_full(hub: HubWorld) -> None:
    for reason, known in ((None, True), ("held_back", False)):
        story = Story()
        held = {"plans": "level"} if reason else {}
        await hub.take(story.received([]))
        assert "child.open_plan" not in await derived(hub, story)
        await hub.take(story.answer("social_care", state="returned", reason=reason, held_back=held))
        assert ("child.open_plan" in await derived(hub, story)) is known


async def test_a_plan_told_of_for_an_earlier_referral_counts_until_social_care_has_answered_in_full(
    hub: HubWorld,
) -> None:
    await hub.policies.start(hub.ledger)
    story = Story()
    remembered = EarlierPlan(
        kind=PlanKind.CHILD_PROTECTION,
        opened=date(2026, 5, 4),
        told_on=date(2026, 6, 1),
        agency="social_care",
    )
    await hub.take(story.received([POOR]))
    before = (await hub.case(story.child_ids[0])).level
    await hub.take(story.linked(plans=(remembered,)))
    assert "child.open_plan" in await derived(hub, story)
    assert (await hub.case(story.child_ids[0])).level > before
    for state, reason in (("unavailable", "timeout"), ("returned", "held_back")):
        held = {"help": "level"} if reason == "held_back" else {}
        await hub.take(story.answer("social_care", state=state, reason=reason, held_back=held))
        assert "child.open_plan" in await derived(hub, story)
    assert await replays(hub, story) == {Result.SAME}
    told = Story()
    await hub.take(told.received([POOR]), told.linked(plans=(remembered,)))
    await hub.take(told.answer("social_care", state="nothing_held"))
    assert (await hub.case(told.child_ids[0])).level == before


async def test_the_index_adds_a_date_of_birth_that_the_form_lacks(hub: HubWorld) -> None:
    story = Story()
    received = story.received([])
    [child_id] = story.child_ids
    received.payload.children[child_id] = ReferredChild(given_name="A")
    await hub.take(received, story.linked(born=Date(on=date(2026, 9, 1))))
    assert {"child.age", "child.non_mobile"} <= await derived(hub, story)


async def test_a_doubtful_match_waits_for_a_person_until_it_is_decided_and_again_when_that_is_undone(
    hub: HubWorld,
) -> None:
    story = Story()
    person = uuid.uuid4()
    doubtful = Candidate(person_id=person, band=Band.LIKELY, score=80)
    sure_not = Candidate(person_id=uuid.uuid4(), band=Band.NONE, score=10)
    await hub.take(story.received([POOR]))
    await hub.take(story.linked(candidates=(doubtful, sure_not), band=Band.NONE))
    assert (await open_tasks(hub, story)).count("possible_match") == 1
    await hub.take(story.linked(candidates=(doubtful,), band=Band.NONE, revision=2))
    assert (await open_tasks(hub, story)).count("possible_match") == 1
    await hub.take(story.linked(revision=3))
    assert "possible_match" not in await open_tasks(hub, story)
    await hub.take(story.linked(candidates=(doubtful,), band=Band.NONE, revision=4))
    assert (await open_tasks(hub, story)).count("possible_match") == 1
    [row] = await hub.rows("SELECT id FROM task WHERE kind = 'possible_match'")
    assert row[0] == uuid5(uuid5(story.child_ids[0], person.hex), "possible_match")


async def test_a_possible_duplicate_waits_for_a_person(hub: HubWorld) -> None:
    story = Story()
    doubt = PossibleDuplicate(case_id=uuid.uuid4(), reference="7H3-K2M", because=("same_day",))
    await hub.take(story.received([POOR]), story.linked(duplicates=(doubt,)))
    assert "possible_duplicate" in await open_tasks(hub, story)
    decided = doubt.model_copy(update={"decided": SameEvent.OTHER})
    await hub.take(story.linked(duplicates=(decided,), revision=2))
    assert "possible_duplicate" not in await open_tasks(hub, story)


async def test_an_unidentified_child_is_to_be_identified_until_the_index_knows_it(hub: HubWorld) -> None:
    story = Story()
    received = story.received([])
    received.payload.children[story.child_ids[0]] = ReferredChild(status=ChildStatus.UNIDENTIFIED)
    await hub.take(received)
    assert "identify_child" in await open_tasks(hub, story)
    await hub.take(story.linked())
    assert "identify_child" not in await open_tasks(hub, story)


async def test_history_that_raises_a_decided_case_asks_for_a_new_look(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([POOR]), story.completed())
    case_id = story.child_ids[0]
    await hub.rows("UPDATE child_case SET decision = 1, unread = false WHERE id = $1", case_id)
    await hub.take(story.linked(earlier(), earlier("2026-08-01", "2026-08-02")))
    assert (await hub.case(case_id)).at_risk
    assert (await hub.names(story.id))[-1] == "case-reopened"
