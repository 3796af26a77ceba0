"""What becomes known after a person decided counts like anything else: danger at once, the rest by being looked at."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from libs.schemas.findings import Fact
from libs.schemas.history import EarlierReport
from libs.schemas.levels import Level, Rag, Stage
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.staff import Person

HUNGRY = stated("child.hunger", "persistent")
SOMETIMES_HUNGRY = stated("child.hunger", "occasional")
STRANGLED = stated("household.strangulation_or_weapon", True)
BELIEVED = stated("household.child_in_carers_beliefs", True)
THREATENED = stated("child.threat_to_life", True)
ABUSED = stated("child.disclosed_sexual_abuse", True)
FRIDAY_EVENING = datetime(2026, 11, 27, 19, 0, tzinfo=UTC)
HIGHEST = {"level": "section_47", "destination": "csc_section_47"}


@pytest.fixture
async def red(hub: HubWorld, manager: Person) -> Story:
    """A referral that was decided at the highest level, in danger already."""
    story = Story()
    await hub.take(story.received([ABUSED], immediate_danger=True), story.completed())
    _, tag = await manager.open(story.child_ids[0])
    assert (await manager.decide(story.child_ids[0], tag, **HIGHEST)).status_code == 200
    assert (await hub.case(story.child_ids[0])).stage is Stage.HAND_OVER
    return story


async def in_front_of_the_duty_team(hub: HubWorld, manager: Person, story: Story) -> None:
    case = await hub.case(story.child_ids[0])
    assert (case.team, case.immediate_danger, case.at_risk, case.rag) == ("duty", True, True, Rag.RED)
    assert case.act_by == case.received_at
    assert (await hub.names(story.id))[-1] == "case-reopened"
    [item] = (await manager.get("/v1/queue", team="duty", tag="decision_at_risk")).json()["items"]
    assert item["case_id"] == str(case.id)
    armed = await hub.rows("SELECT due_at FROM timer WHERE kind = 'decision' AND state = 'armed'")
    assert [row[0] for row in armed] == [case.due_at]
    assert case.due_at > hub.clock.now()


async def test_new_danger_after_the_highest_decision_is_the_duty_teams_at_once(
    hub: HubWorld, manager: Person, red: Story
) -> None:
    hub.clock.set(FRIDAY_EVENING)
    red.at = FRIDAY_EVENING
    await hub.take(red.information(immediate_danger=True))
    await in_front_of_the_duty_team(hub, manager, red)


async def test_danger_told_in_words_on_a_friday_evening_waits_for_no_office_hours(
    hub: HubWorld, manager: Person, red: Story
) -> None:
    hub.clock.set(FRIDAY_EVENING)
    red.at = FRIDAY_EVENING
    await hub.take(red.information(worry="He is at the door.", immediate_danger=True))
    await in_front_of_the_duty_team(hub, manager, red)
    assert (await hub.case(red.child_ids[0])).unread


async def test_danger_that_a_reader_finds_after_a_decision_is_the_duty_teams_at_once(
    hub: HubWorld, manager: Person, red: Story
) -> None:
    await hub.take(red.information(worry="He is at the door."))
    assert (await manager.read(red.child_ids[0], immediate_danger=True)).json()["stage"] == "decision"
    await in_front_of_the_duty_team(hub, manager, red)


@pytest.mark.parametrize("fact", [THREATENED, ABUSED], ids=["another", "the same once more"])
async def test_a_late_fact_of_danger_puts_the_highest_decision_at_risk(
    hub: HubWorld, manager: Person, red: Story, fact: Fact
) -> None:
    await hub.take(red.answer("police", fact, late=True))
    await in_front_of_the_duty_team(hub, manager, red)


async def test_danger_in_the_home_that_is_told_of_one_child_puts_the_brothers_decision_at_risk_too(
    hub: HubWorld, manager: Person
) -> None:
    story = Story(children=2)
    await hub.take(story.received([ABUSED], [ABUSED], immediate_danger=True), story.completed())
    for child in story.child_ids:
        _, tag = await manager.open(child)
        assert (await manager.decide(child, tag, **HIGHEST)).status_code == 200
    await hub.take(story.answer("health", BELIEVED, child=0, late=True))
    assert [(await hub.case(child)).at_risk for child in story.child_ids] == [True, True]


async def test_what_says_nothing_of_danger_leaves_the_highest_decision_alone(
    hub: HubWorld, red: Story
) -> None:
    await hub.take(red.answer("health", late=True), red.answer("police", HUNGRY, late=True))
    case = await hub.case(red.child_ids[0])
    assert (case.stage, case.at_risk) == (Stage.HAND_OVER, False)


async def test_whoever_decides_the_same_again_after_danger_has_looked_again(
    hub: HubWorld, manager: Person, red: Story
) -> None:
    child = red.child_ids[0]
    await hub.take(red.information(immediate_danger=True))
    assert (await hub.case(child)).at_risk
    _, tag = await manager.open(child)
    assert (await manager.decide(child, tag, **HIGHEST)).json()["decision"]["number"] == 2
    assert not (await hub.case(child)).at_risk


async def test_checks_that_end_after_a_decision_route_nothing_when_it_comes_to_be_at_risk(
    hub: HubWorld, manager: Person
) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]))
    early = {"level": "section_47", "destination": "csc_section_47", "departure_reason": "The words say it."}
    _, tag = await manager.open(story.child_ids[0])
    assert (await manager.decide(story.child_ids[0], tag, **early)).json()["stage"] == "hand_over"
    await hub.take(story.completed())
    await hub.take(story.information(immediate_danger=True))
    assert (await hub.case(story.child_ids[0])).at_risk
    assert "case-reopened" in await hub.names(story.id)
    assert "case-routed" not in await hub.names(story.id)


async def tasks(hub: HubWorld, story: Story) -> list[str]:
    rows = await hub.rows("SELECT kind FROM task WHERE referral_id = $1 ORDER BY kind", story.id)
    return [row[0] for row in rows]


async def test_an_obliged_action_is_asked_for_anew_when_its_ground_is_told_anew_after_a_decision(
    hub: HubWorld, red: Story
) -> None:
    assert (await tasks(hub, red)).count("police_now") == 1
    told = red.information(immediate_danger=True)
    await hub.take(told)
    assert (await tasks(hub, red)).count("police_now") == 2
    due = await hub.rows("SELECT due_at FROM task WHERE kind = 'police_now' ORDER BY due_at")
    assert due[-1][0] > hub.clock.now()


@pytest.fixture
async def mild(hub: HubWorld, manager: Person) -> Story:
    """A referral that was decided as early help."""
    story = Story()
    await hub.take(story.received([HUNGRY]), story.completed())
    child = story.child_ids[0]
    await manager.read(child)
    _, tag = await manager.open(child)
    assert (await manager.decide(child, tag)).status_code == 200
    return story


@pytest.mark.parametrize("facts", [[], [SOMETIMES_HUNGRY]], ids=["alone", "beside a fact"])
async def test_the_referrers_later_words_are_read_whatever_was_decided(
    hub: HubWorld, manager: Person, mild: Story, facts: list[Fact]
) -> None:
    await hub.take(mild.information(*facts, worry="His uncle has moved in."))
    case = await hub.case(mild.child_ids[0])
    assert (case.stage, case.unread, case.decision) == (Stage.TO_BE_READ, True, 1)
    [item] = (await manager.get("/v1/queue", tag="to_be_read")).json()["items"]
    assert item["case_id"] == str(case.id)


async def test_facts_that_change_nothing_on_a_decided_case_are_looked_at(
    hub: HubWorld, manager: Person, mild: Story
) -> None:
    await hub.take(mild.information(SOMETIMES_HUNGRY))
    await hub.take(mild.information(SOMETIMES_HUNGRY))
    day = date(2026, 6, 1)
    await hub.take(
        mild.linked(EarlierReport(on=day, decided_on=day, level="early_help", destination="early_help"))
    )
    case = await hub.case(mild.child_ids[0])
    assert (case.stage, case.at_risk) == (Stage.HAND_OVER, False)
    items = (await manager.get("/v1/tasks", case_id=str(case.id))).json()["items"]
    kinds = [item["kind"] for item in items]
    assert kinds.count("look_at_new_information") == 3
    # What early help still needs stands beside it.
    assert {*kinds} == {
        "look_at_new_information",
        "seek_agreement_to_early_help",
        "complete_early_help_assessment",
    }


async def test_the_familys_later_answer_on_a_decided_case_is_looked_at_for_each_child_and_facts_for_theirs(
    hub: HubWorld, manager: Person
) -> None:
    story = Story(children=2)
    await hub.take(story.received([STRANGLED], [STRANGLED]), story.completed())
    for child in story.child_ids:
        _, tag = await manager.open(child)
        await manager.decide(child, tag, **HIGHEST)
    await hub.take(story.information(SOMETIMES_HUNGRY, child=1))
    rows = await hub.rows("SELECT case_id FROM task WHERE kind = 'look_at_new_information'")
    assert [row[0] for row in rows] == [story.child_ids[1]]
    await hub.take(story.agreement("given"))
    assert len(await hub.rows("SELECT 1 FROM task WHERE kind = 'look_at_new_information'")) == 3


async def test_a_rise_after_routing_is_told_to_those_who_ask_the_agencies(hub: HubWorld) -> None:
    story = Story()
    await hub.take(
        story.received([stated("child.substantial_disability", True)]),
        story.completed(dict.fromkeys(("police", "marac"), "not_requested")),
    )
    await hub.take(story.information(stated("child.disclosed_physical_abuse", True)))

    events = await hub.emitted(story.id)
    assert [name for name, _ in events][-2:] == ["case-screened", "case-reopened"]
    assert events[-2][1].children[story.child_ids[0]].level is Level.SECTION_47


async def test_a_reading_that_raises_and_routes_is_told_to_those_who_ask_the_agencies(
    hub: HubWorld, manager: Person
) -> None:
    story = Story()
    await hub.take(story.received(), story.completed())
    found: dict[str, Any] = {"fact": "child.disclosed_physical_abuse", "value": True, "basis": "child_said"}
    await manager.read(story.child_ids[0], facts=[found])
    assert (await hub.names(story.id))[-2:] == ["case-screened", "case-routed"]


@pytest.mark.parametrize(("theirs", "level"), [("home", "section_47"), ("flat", "universal")])
async def test_news_about_the_home_counts_for_every_child_who_may_live_there(
    hub: HubWorld, theirs: str, level: str
) -> None:
    story = Story(children=2)
    received = story.received()
    households = dict(zip(story.child_ids, ("home", theirs), strict=True))
    children = {
        key: one.model_copy(update={"household": households[key]})
        for key, one in received.payload.children.items()
    }
    received = replace(received, payload=received.payload.model_copy(update={"children": children}))
    await hub.take(received)
    await hub.take(story.information(stated("household.strangulation_or_weapon", True)))
    assert [(await hub.case(child)).level for child in story.child_ids] == ["section_47", level]
