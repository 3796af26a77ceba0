"""Nothing is inferred from words: a person reads them, and states what they found."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.schemas.evaluation import Outcome
from libs.schemas.events import INFORMATION_ADDED, InformationAdded
from libs.schemas.levels import Destination, Level, Rag, Stage
from libs.schemas.referral import ChildInformation, Voice
from services.triage import reckoning
from services.triage.facts import danger_fact
from services.triage.policy import ChildFacts, Policy, evaluate
from tests.services.triage.conftest import NEGLECTED, HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person

ABUSED = {"fact": "child.disclosed_sexual_abuse", "value": True, "basis": "child_said"}
READ_BY = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def without_the_flag(policy: Policy, facts: ChildFacts) -> Outcome:
    """What a policy says that has no rule about the flag of danger."""
    read = tuple(one for one in facts.stated if one.fact.fact != danger_fact().fact)
    return evaluate(policy, replace(facts, stated=read))


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
    answer = await worker.read(child, note="Nothing beside hunger.")
    assert (answer.status_code, answer.json()["stage"]) == (200, "decision")

    case = await hub.case(child)
    assert (case.destination, case.unread) == (Destination.UNIVERSAL_ADVICE, False)
    assert await hub.names(story.id) == ["case-screened", "case-routed"]
    armed = await hub.rows("SELECT kind FROM timer WHERE state = 'armed' ORDER BY kind")
    assert [row[0] for row in armed] == ["decision", "urgency"]


async def test_what_a_reader_finds_is_evaluated_at_once(hub: HubWorld, story: Story, worker: Person) -> None:
    child = story.child_ids[0]
    answer = await worker.read(child, facts=[ABUSED])
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
    await worker.read(child, immediate_danger=True)
    case = await hub.case(child)
    assert (case.immediate_danger, case.team, case.level) == (True, "duty", Level.SECTION_47)


async def test_the_same_reading_again_is_the_same_answer(hub: HubWorld, story: Story, worker: Person) -> None:
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    first = await worker.read(child, tag, facts=[ABUSED])
    again = await worker.read(child, tag, facts=[ABUSED])
    assert (again.status_code, again.json()) == (200, first.json())
    assert len(await hub.rows("SELECT 1 FROM evidence WHERE kind = 'reading'")) == 1
    other = await worker.read(child)
    assert (other.status_code, other.json()["code"]) == (409, "nothing-to-read")


async def test_a_fact_outside_the_dictionary_is_refused_by_its_place(story: Story, worker: Person) -> None:
    facts = [ABUSED, {"fact": "child.hungr", "value": CANARY, "basis": "observed"}]
    answer = await worker.read(story.child_ids[0], facts=facts)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/facts/1/fact", "unknown_fact")
    assert CANARY not in answer.text


async def test_unread_words_refuse_a_low_decision(hub: HubWorld, story: Story, manager: Person) -> None:
    child = story.child_ids[0]
    _, tag = await manager.open(child)
    answer = await manager.decide(child, tag)
    assert (answer.status_code, answer.json()["code"]) == (409, "to-be-read")


async def test_a_high_decision_is_a_reading(hub: HubWorld, story: Story, manager: Person) -> None:
    child = story.child_ids[0]
    _, tag = await manager.open(child)
    answer = await manager.decide(
        child, tag, level="section_47", destination="csc_section_47", departure_reason="The words say it."
    )
    assert answer.json()["stage"] == "hand_over"
    assert not (await hub.case(child)).unread


async def test_further_words_wait_for_a_reader_again(hub: HubWorld, story: Story, worker: Person) -> None:
    child = story.child_ids[0]
    await worker.read(child)
    await hub.take(story.information(worry="His uncle has moved in."))
    assert (await hub.case(child)).stage is Stage.TO_BE_READ
    assert (await worker.read(child)).status_code == 200
    case = await hub.case(child)
    assert (case.stage, case.unread) == (Stage.CHECKS, False)


@pytest.mark.parametrize(
    "said", [{"voice": Voice(words="I sleep in the car.")}, {"whereabouts": "At her uncle's since Friday."}]
)
async def test_what_the_child_says_or_where_it_is_waits_for_a_reader_too(
    hub: HubWorld, story: Story, worker: Person, said: dict[str, Any]
) -> None:
    child = story.child_ids[0]
    await worker.read(child)
    shared = story.information().payload.shared
    later = InformationAdded(shared=shared, children={child: ChildInformation(child=1, **said)})
    await hub.take(story.event(INFORMATION_ADDED, later))
    assert (await hub.case(child)).stage is Stage.TO_BE_READ


@pytest.mark.parametrize("before", [False, True], ids=["the first", "one more"])
@pytest.mark.parametrize("how", ["referral", "information", "reading", "telephone"])
async def test_a_flag_of_danger_is_danger_though_a_policy_has_no_rule_about_it(
    hub: HubWorld, manager: Person, monkeypatch: pytest.MonkeyPatch, how: str, before: bool
) -> None:
    monkeypatch.setattr(reckoning, "evaluate", without_the_flag)
    story = Story()
    child = story.child_ids[0]
    await hub.take(story.received(NEGLECTED, immediate_danger=before or how == "referral"))
    if how != "referral":
        high = {"level": "section_47", "destination": "csc_section_47", "departure_reason": "Seen today."}
        decided = await manager.decide(child, (await manager.open(child))[1], **high)
        assert decided.json()["stage"] == "hand_over", decided.text
    if how == "information":
        await hub.take(story.information(immediate_danger=True))
    elif how == "reading":
        await hub.take(story.information(worry="His uncle has moved in."))
        assert (await manager.read(child, immediate_danger=True)).status_code == 200
    elif how == "telephone":
        call = {"source": "family", "how": "telephone", "said_by": "his mother", "on": "2026-11-20"}
        told = {**call, "facts": [], "immediate_danger": True, "note": "She rang."}
        added = await manager.post(f"/v1/cases/{child}/facts", told)
        assert added.status_code == 201, added.text
    case = await hub.case(child)
    assert (case.immediate_danger, case.rag, case.at_risk) == (True, Rag.RED, how != "referral")


async def test_further_words_buy_no_time_for_those_that_wait(hub: HubWorld, story: Story) -> None:
    hub.clock.advance(timedelta(hours=1))
    story.at = hub.clock.now()
    await hub.take(story.information(worry="His uncle has moved in."))
    assert (await hub.case(story.child_ids[0])).reading_due == READ_BY


async def test_a_reading_says_what_was_seen(story: Story, worker: Person) -> None:
    path = f"/v1/cases/{story.child_ids[0]}/reading"
    answer = await worker.put(path, {})
    assert (answer.status_code, answer.json()["code"]) == (428, "if-match-missing")
    for tag in ("*", '"nonsense"', '"1.2.3"', 'W/"1.0.1.0"'):
        assert (await worker.put(path, {}, tag)).status_code == 412


async def test_words_that_came_while_somebody_read_are_not_taken_as_read(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    await hub.take(story.information(worry="His uncle has moved in."))
    answer = await worker.read(child, tag)
    assert (answer.status_code, answer.json()["code"]) == (412, "changed-meanwhile")
    assert "evidence" in answer.json()["changed"]
    assert (await hub.case(child)).unread
    assert await hub.rows("SELECT 1 FROM evidence WHERE kind = 'reading'") == []


async def test_an_agencys_answer_meanwhile_refuses_no_reading(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    await hub.take(story.answer("police"))
    assert (await worker.read(child, tag)).status_code == 200


async def test_of_two_who_read_the_same_words_the_second_learns_of_the_first(
    story: Story, worker: Person, manager: Person
) -> None:
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    assert (await worker.read(child, tag)).status_code == 200
    assert (await manager.read(child, tag, facts=[ABUSED])).status_code == 412


async def test_a_trivial_fact_beside_the_words_recommends_nothing_low_before_they_are_read(
    hub: HubWorld, worker: Person
) -> None:
    story = Story()
    await hub.take(story.received([stated("child.hunger", "none")]), story.completed())
    child = story.child_ids[0]
    case = await hub.case(child)
    assert (case.stage, case.team, case.act_by) == (Stage.TO_BE_READ, "duty", READ_BY)
    assert await hub.names(story.id) == ["case-screened"]
    view, _ = await worker.open(child)
    assert view["recommendation"] is None
    [item] = (await worker.get("/v1/queue", tag="to_be_read")).json()["items"]
    assert (item["case_id"], item["level"], "to_be_read" in item["tags"]) == (str(child), None, True)

    assert (await worker.read(child)).json()["stage"] == "decision"
    view, _ = await worker.open(child)
    assert view["recommendation"]["destination"] == "universal_advice"


async def test_what_facts_place_higher_is_routed_at_once_and_asks_for_no_reading(
    hub: HubWorld, worker: Person
) -> None:
    story = Story()
    await hub.take(story.received(NEGLECTED))
    child = story.child_ids[0]
    assert (await hub.case(child)).stage is Stage.CHECKS
    await hub.take(story.completed())
    case = await hub.case(child)
    assert (case.stage, case.destination, case.to_be_read) == (Stage.DECISION, Destination.SECTION_17, False)
    assert (await worker.get("/v1/queue", tag="to_be_read")).json()["items"] == []
    armed = await hub.rows("SELECT kind FROM timer WHERE state = 'armed' ORDER BY kind")
    assert [row[0] for row in armed] == ["decision", "urgency"]


async def test_a_low_decision_on_a_higher_recommendation_still_needs_a_reader(
    hub: HubWorld, manager: Person
) -> None:
    story = Story()
    await hub.take(story.received(NEGLECTED), story.completed())
    child = story.child_ids[0]
    _, tag = await manager.open(child)
    low = {"level": "early_help", "destination": "early_help", "departure_reason": "Seen today."}
    assert (await manager.decide(child, tag, **low)).json()["code"] == "to-be-read"
    await manager.read(child)
    _, tag = await manager.open(child)
    assert (await manager.decide(child, tag, **low)).status_code == 200


async def test_what_becomes_low_later_is_read_first(hub: HubWorld) -> None:
    """Placement may turn milder with the family's agreement; the clock is that of the receipt all the same."""
    story = Story()
    refused = {"early_help": {"answer": "refused"}}
    await hub.take(story.received([stated("child.hunger", "persistent")], agreements=refused))
    assert (await hub.case(story.child_ids[0])).level is Level.SECTION_17
    await hub.take(story.agreement("given"), story.completed())
    case = await hub.case(story.child_ids[0])
    assert (case.stage, case.destination, case.reading_due) == (
        Stage.TO_BE_READ,
        Destination.EARLY_HELP,
        READ_BY,
    )
