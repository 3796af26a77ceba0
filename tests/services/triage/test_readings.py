"""Nothing is inferred from words: a person reads them, and states what they found."""

import pytest

from libs.schemas.levels import Destination, Level, Rag, Stage
from tests.services.triage.conftest import CANARY, HubWorld, Person, Story

ABUSED = {"fact": "child.disclosed_sexual_abuse", "value": True, "basis": "child_said"}


@pytest.fixture
async def story(hub: HubWorld) -> Story:
    story = Story()
    await hub.take(story.received())
    return story


async def test_an_unread_case_shows_the_words_and_no_recommendation(story: Story, worker: Person) -> None:
    view, _ = await worker.open(story.child_ids[0])
    assert CANARY in view["evidence"]["received"]["referral"]["worry"]
    assert view["recommendation"] is None
    assert view["evaluation"] is None
    assert view["stage"] == "to_be_read"
    assert {clock["clock"] for clock in view["clocks"]} == {"decision", "reading", "urgency"}


async def test_reading_lets_a_complete_case_be_routed_low(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    child = story.child_ids[0]
    await hub.take(story.completed())
    answer = await worker.put(f"/v1/cases/{child}/reading", {"note": "Nothing beside hunger."})
    assert (answer.status_code, answer.json()["stage"]) == (200, "decision")

    case = await hub.case(child)
    assert (case.destination, case.unread) == (Destination.UNIVERSAL_ADVICE, False)
    assert await hub.names(story.id) == ["case-screened", "case-routed"]
    armed = await hub.rows("SELECT kind FROM timer WHERE state = 'armed'")
    assert [row[0] for row in armed] == ["decision"]


async def test_what_a_reader_finds_is_evaluated_at_once(hub: HubWorld, story: Story, worker: Person) -> None:
    child = story.child_ids[0]
    answer = await worker.put(f"/v1/cases/{child}/reading", {"facts": [ABUSED]})
    assert answer.json()["level"] == "section_47"

    case = await hub.case(child)
    assert (case.level, case.rag, case.immediate_danger, case.stage) == (
        Level.SECTION_47,
        Rag.RED,
        True,
        Stage.CHECKS,
    )
    assert await hub.names(story.id) == ["case-screened", "case-screened"]
    view, _ = await worker.open(child)
    [evidence] = view["evaluation"]["outcome"]["fired"][0]["evidence"]
    assert evidence["source"] == "staff"


async def test_a_reader_may_find_danger_that_no_fact_names(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    child = story.child_ids[0]
    await worker.put(f"/v1/cases/{child}/reading", {"immediate_danger": True})
    case = await hub.case(child)
    assert (case.immediate_danger, case.team, case.level) == (True, "duty", Level.SECTION_47)


async def test_the_same_reading_again_is_the_same_answer(hub: HubWorld, story: Story, worker: Person) -> None:
    path = f"/v1/cases/{story.child_ids[0]}/reading"
    first = await worker.put(path, {"facts": [ABUSED]})
    again = await worker.put(path, {"facts": [ABUSED]})
    assert (again.status_code, again.json()) == (200, first.json())
    assert len(await hub.rows("SELECT 1 FROM evidence WHERE kind = 'reading'")) == 1
    other = await worker.put(path, {})
    assert (other.status_code, other.json()["code"]) == (409, "nothing-to-read")


async def test_a_fact_outside_the_dictionary_is_refused_by_its_place(story: Story, worker: Person) -> None:
    body = {"facts": [ABUSED, {"fact": "child.hungr", "value": CANARY, "basis": "observed"}]}
    answer = await worker.put(f"/v1/cases/{story.child_ids[0]}/reading", body)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/facts/1/fact", "unknown_fact")
    assert CANARY not in answer.text


async def test_unread_words_refuse_a_low_decision(hub: HubWorld, story: Story, manager: Person) -> None:
    child = story.child_ids[0]
    _, tag = await manager.open(child)
    answer = await manager.decide(child, tag)
    assert (answer.status_code, answer.json()["code"]) == (409, "to-be-read")


async def test_a_high_decision_is_a_reading(hub: HubWorld, story: Story, worker: Person) -> None:
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    answer = await worker.decide(
        child, tag, level="section_47", destination="csc_section_47", departure_reason="The words say it."
    )
    assert answer.json()["stage"] == "decided"
    assert not (await hub.case(child)).unread


async def test_further_words_wait_for_a_reader_again(hub: HubWorld, story: Story, worker: Person) -> None:
    child = story.child_ids[0]
    await worker.put(f"/v1/cases/{child}/reading", {})
    await hub.take(story.information(worry="His uncle has moved in."))
    assert (await hub.case(child)).stage is Stage.TO_BE_READ
    assert (await worker.put(f"/v1/cases/{child}/reading", {})).status_code == 200
