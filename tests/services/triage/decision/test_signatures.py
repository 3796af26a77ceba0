"""Who must sign beside a decider, what waits for it, and what never does."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from libs.schemas.levels import Stage
from sandbox.issuer import Issuer
from services.triage.live.changes import START, read
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person

HUNGRY = stated("child.hunger", "persistent")
STRANGLED = stated("household.strangulation_or_weapon", True)
PROTECTION: dict[str, Any] = {"level": "section_47", "destination": "csc_section_47"}
LOWER: dict[str, Any] = {
    "level": "early_help",
    "destination": "early_help",
    "departure_reason": "Seen today.",
}
ADVICE: dict[str, Any] = {"level": "universal", "destination": "universal_advice"}


@pytest.fixture
def second(http: httpx.AsyncClient, issuer: Issuer) -> Person:
    return Person(http, issuer, "staff-mgr-2")


@pytest.fixture
def preparer(http: httpx.AsyncClient, issuer: Issuer) -> Person:
    return Person(http, issuer, "staff-worker-1")


@pytest.fixture
async def protection(hub: HubWorld) -> Story:
    """A referral for which section 47 is recommended."""
    story = Story()
    await hub.take(story.received([STRANGLED]), story.completed())
    return story


@pytest.fixture
async def targeted(hub: HubWorld, worker: Person) -> Story:
    """A referral that was read, and for which early help at the targeted level is recommended."""
    story = Story()
    await hub.take(story.received([HUNGRY]), story.completed())
    await worker.read(story.child_ids[0])
    return story


async def proposed(story: Story, by: Person, **body: Any) -> dict[str, Any]:
    child = story.child_ids[0]
    answer = await by.decide(child, (await by.open(child))[1], **body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_what_waits_for_a_signature_is_told_to_nobody_and_keeps_its_clock(
    hub: HubWorld, protection: Story, worker: Person
) -> None:
    made = await proposed(protection, worker, **PROTECTION)

    assert (made["stage"], made["decision"], made["proposal"]["proposal"]["wanted"]) == ("sign_off", None, 1)
    assert [one["id"] for one in made["proposal"]["because"]] == ["social_care"]
    assert "case-decided" not in await hub.names(protection.id)
    assert len(await hub.rows("SELECT 1 FROM timer WHERE kind = 'decision' AND state = 'armed'")) == 1
    assert not (await hub.case(protection.child_ids[0])).unread, "whoever proposed it has read the words"
    [item] = (await worker.get("/v1/queue", stage="sign_off")).json()["items"]
    assert item["case_id"] == str(protection.child_ids[0])
    # Whoever listens to the queue learns that what they have read is out of date.
    async with hub.ledger.pool.acquire() as connection:
        [change] = await read(connection, START, 2)
    assert f'"{change.version}"' == (await worker.open(protection.child_ids[0]))[1]


async def test_a_managers_signature_makes_it_stand_in_the_deciders_name(
    hub: HubWorld, protection: Story, worker: Person, manager: Person
) -> None:
    child = protection.child_ids[0]
    await proposed(protection, worker, **PROTECTION)
    view, _ = await manager.open(child)
    assert view["proposal"]["proposal"]["rationale"].startswith(CANARY)
    await manager.put(f"/v1/cases/{child}/claim", {})
    answer = await manager.sign(child)

    assert answer.status_code == 200, answer.text
    decision = answer.json()["decision"]
    assert (decision["decided_by"], [one["by"] for one in decision["signatures"]]) == (
        worker.id,
        [manager.id],
    )
    assert answer.json()["stage"] == "hand_over"
    assert (await hub.names(protection.id))[-1] == "case-decided"
    assert (await manager.open(child))[0]["proposal"] is None
    again = await manager.sign(child)
    assert again.json() == answer.json()
    assert (await hub.names(protection.id)).count("case-decided") == 1
    assert await hub.rows("SELECT 1 FROM claim") == [], "the pen is put down with it"


async def test_a_manager_decides_alone_what_needs_a_manager(protection: Story, manager: Person) -> None:
    made = await proposed(protection, manager, **PROTECTION)
    assert (made["proposal"], made["decision"]["signatures"]) == (None, [])


async def test_nobody_signs_a_decision_of_their_own_and_a_manager_below_needs_a_second(
    targeted: Story, manager: Person, second: Person
) -> None:
    child = targeted.child_ids[0]
    made = await proposed(targeted, manager, **LOWER)
    assert [one["id"] for one in made["proposal"]["because"]] == ["below_recommendation"]
    own = await manager.sign(child)
    assert (own.status_code, own.json()["code"]) == (403, "own-decision")
    assert (await second.sign(child)).json()["decision"]["departure"] == "below"


async def test_only_who_may_sign_signs(
    targeted: Story, worker: Person, http: httpx.AsyncClient, issuer: Issuer
) -> None:
    await proposed(targeted, worker, **LOWER)
    other = Person(http, issuer, "staff-sw-2")
    answer = await other.sign(targeted.child_ids[0])
    assert (answer.status_code, answer.json()["code"]) == (403, "signer-needed")


async def test_who_prepares_neither_decides_nor_signs(
    protection: Story, worker: Person, preparer: Person
) -> None:
    child = protection.child_ids[0]
    _, tag = await preparer.open(child)
    assert (await preparer.decide(child, tag, **PROTECTION)).status_code == 403
    await proposed(protection, worker, **PROTECTION)
    assert (await preparer.sign(child)).status_code == 403


async def test_a_decision_that_is_returned_says_why_and_is_taken_anew(
    hub: HubWorld, protection: Story, worker: Person, manager: Person
) -> None:
    child = protection.child_ids[0]
    await proposed(protection, worker, **PROTECTION)
    bare = await manager.sign(child, agree=False)
    assert (bare.status_code, bare.json()["errors"][0]["pointer"]) == (422, "/note")
    answer = await manager.sign(child, agree=False, note="Say what the school saw.")
    assert answer.json()["stage"] == "decision"
    signed = await manager.sign(child, note="Say what the school saw.")
    assert (signed.status_code, signed.json()["code"]) == (409, "nothing-to-sign")

    view, _ = await worker.open(child)
    assert view["proposal"]["returned"] == {
        "by": manager.id,
        "at": view["proposal"]["returned"]["at"],
        "note": "Say what the school saw.",
    }
    await proposed(protection, worker, **PROTECTION, rationale="The school saw bruises.")
    assert (await manager.sign(child)).json()["decision"]["rationale"] == "The school saw bruises."
    assert "case-decided" in await hub.names(protection.id)
    steps = "case.propose", "case.return", "case.sign", "case.decide", "authority.read"
    rows = await hub.rows("SELECT action FROM access WHERE action = ANY ($1) GROUP BY action", [*steps])
    assert {row["action"] for row in rows} == {*steps}


async def test_a_signer_has_seen_what_they_sign_and_waits_for_somebody_elses_pen(
    hub: HubWorld, targeted: Story, worker: Person, manager: Person, second: Person
) -> None:
    child = targeted.child_ids[0]
    await proposed(targeted, worker, **LOWER)
    _, tag = await manager.open(child)
    await hub.take(targeted.answer("police", late=True))
    stale = await manager.sign(child, tag)
    assert (stale.status_code, stale.json()["changed"]) == (412, ["evidence", "answers", "evaluation"])
    await hub.take(targeted.information(worry=f"{CANARY} sleeps in class."))
    await second.put(f"/v1/cases/{child}/claim", {})
    assert (await manager.sign(child)).json()["code"] == "claimed"
    await second.delete(f"/v1/cases/{child}/claim")
    unread = await manager.sign(child)
    assert (unread.status_code, unread.json()["code"]) == (409, "to-be-read")
    await manager.read(child)
    assert (await manager.sign(child)).status_code == 200


async def test_what_was_measured_by_another_recommendation_is_not_signed(
    hub: HubWorld, targeted: Story, worker: Person, manager: Person
) -> None:
    child = targeted.child_ids[0]
    higher = {"level": "section_17", "destination": "csc_section_17", "departure_reason": "Seen today."}
    await proposed(targeted, worker, **higher)
    await hub.take(targeted.answer("police", STRANGLED, late=True))
    answer = await manager.sign(child)
    assert (answer.status_code, answer.json()["code"]) == (409, "recommendation-changed")
    assert (await manager.sign(child, agree=False, note="It rose.")).json()["stage"] == "decision"


async def test_who_comes_second_learns_whose_decision_waits(
    protection: Story, worker: Person, manager: Person
) -> None:
    child = protection.child_ids[0]
    _, tag = await manager.open(child)
    await proposed(protection, worker, **PROTECTION)
    answer = await manager.decide(child, tag, **PROTECTION)
    assert answer.status_code == 409
    assert (answer.json()["decided_by"], answer.json()["stands"]) == (worker.id, False)


async def test_the_same_proposal_again_is_the_same_answer(
    hub: HubWorld, protection: Story, worker: Person, manager: Person
) -> None:
    child = protection.child_ids[0]
    _, tag = await worker.open(child)
    first = await worker.decide(child, tag, **PROTECTION)
    again = await worker.decide(child, tag, **PROTECTION)
    assert (again.json(), again.headers["etag"]) == (first.json(), first.headers["etag"])
    assert len(await hub.rows("SELECT 1 FROM proposal")) == 1
    await manager.sign(child)
    after = await worker.decide(child, tag, **PROTECTION)
    assert after.json()["decision"]["signatures"][0]["by"] == manager.id
    assert len(await hub.rows("SELECT 1 FROM decision")) == 1


async def test_of_two_signers_at_once_one_signs(
    hub: HubWorld, protection: Story, worker: Person, manager: Person, second: Person
) -> None:
    child = protection.child_ids[0]
    await proposed(protection, worker, **PROTECTION)
    _, tag = await manager.open(child)
    answers = await asyncio.gather(manager.sign(child, tag), second.sign(child, tag))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert (await hub.names(protection.id)).count("case-decided") == 1


async def test_nothing_further_is_a_social_workers_only_where_nothing_speaks_against_it(
    hub: HubWorld, worker: Person
) -> None:
    story = Story()
    child = story.child_ids[0]
    await hub.take(story.received([stated("household.protective_adult", True)]), story.completed())
    await worker.read(child)
    needed = await worker.get(f"/v1/cases/{child}/authority", **ADVICE)
    # Nobody has said whether the child was known before, which counts as holding.
    assert [one["id"] for one in needed.json()["because"]] == ["nothing_further_again"]
    made = await proposed(story, worker, **ADVICE)
    assert made["stage"] == "sign_off"


async def test_stepping_down_needs_its_reason_and_a_manager_though_it_is_recommended(
    targeted: Story, worker: Person, manager: Person
) -> None:
    child = targeted.child_ids[0]
    higher = {"level": "section_17", "destination": "csc_section_17", "departure_reason": "Seen today."}
    await proposed(targeted, manager, **higher)
    _, fresh = await worker.open(child)
    bare = await worker.decide(child, fresh)
    assert [one["pointer"] for one in bare.json()["errors"]] == ["/departure_reason", "/departure_code"]
    made = await proposed(targeted, worker, departure_reason="The mother has left him.")
    assert [one["id"] for one in made["proposal"]["because"]] == ["step_down"]


async def test_every_obliged_action_is_confirmed_or_explained(
    hub: HubWorld, protection: Story, worker: Person, manager: Person
) -> None:
    child = protection.child_ids[0]
    _, tag = await worker.open(child)
    needed = (await worker.get(f"/v1/cases/{child}/authority", **PROTECTION)).json()["obliged"]
    assert "strategy_discussion" in needed
    bare = await worker.decide(child, tag, **PROTECTION, obliged={})
    assert {one["pointer"] for one in bare.json()["errors"]} == {f"/obliged/{kind}" for kind in needed}
    under_way = {kind: {"state": "under_way"} for kind in needed}
    other = next(kind for kind in needed if kind != "strategy_discussion")
    silent = under_way | {"strategy_discussion": {"state": "not_needed"}, other: {"state": "done"}}
    silent |= {"nothing_obliged": {"state": "under_way"}}
    refused = await worker.decide(child, tag, **PROTECTION, obliged=silent)
    assert {one["pointer"] for one in refused.json()["errors"]} == {
        "/obliged/strategy_discussion/note",
        f"/obliged/{other}/note",
        f"/obliged/{len(silent) - 1}",
    }

    unrecorded = under_way | {"strategy_discussion": {"state": "done", "note": f"{CANARY}'s was at ten."}}
    refused = await worker.decide(child, tag, **PROTECTION, obliged=unrecorded)
    assert refused.json()["errors"][0]["pointer"] == "/obliged/strategy_discussion/state"

    why = f"{CANARY}'s was held yesterday, for an earlier report of this."
    said = under_way | {"strategy_discussion": {"state": "not_needed", "note": why}}
    assert (await worker.decide(child, tag, **PROTECTION, obliged=said)).status_code == 200
    still = {row[0] for row in await hub.rows("SELECT kind FROM task WHERE done_at IS NULL")}
    assert set(needed) <= still
    await manager.sign(child)
    left = {row[0] for row in await hub.rows("SELECT kind FROM task WHERE done_at IS NULL")}
    assert left == set(needed) - {"strategy_discussion"}
    [explained] = await hub.rows("SELECT done_by FROM task WHERE kind = 'strategy_discussion'")
    assert explained["done_by"] == worker.id, "who signs vouches for no deed of the decider's"


async def test_what_is_obliged_after_the_decision_was_proposed_is_not_answered_by_it(
    hub: HubWorld, protection: Story, worker: Person, manager: Person
) -> None:
    child = protection.child_ids[0]
    await proposed(protection, manager, **PROTECTION)
    hub.clock.advance(timedelta(hours=1))
    await hub.take(protection.answer("health", STRANGLED, late=True))
    needed = (await worker.get(f"/v1/cases/{child}/authority", **PROTECTION)).json()["obliged"]
    said = {kind: {"state": "not_needed", "note": "It was held this morning."} for kind in needed}
    await proposed(protection, worker, **PROTECTION, obliged=said)
    hub.clock.advance(timedelta(hours=1))
    await hub.take(protection.answer("police", STRANGLED, late=True))
    assert (await manager.sign(child)).status_code == 200
    left = await hub.rows("SELECT raised_at FROM task WHERE kind = 'strategy_discussion' AND done_at IS NULL")
    assert [row["raised_at"] for row in left] == [hub.clock.now()]


async def test_brothers_and_sisters_who_differ_ask_for_one_reason(
    hub: HubWorld, worker: Person, manager: Person, second: Person
) -> None:
    story = Story(children=2)
    await hub.take(story.received([STRANGLED], [STRANGLED]), story.completed())
    first, other = story.child_ids
    assert (await worker.decide(other, (await worker.open(other))[1], **PROTECTION)).status_code == 200
    milder = {"level": "section_17", "destination": "csc_section_17", "departure_reason": "Lives elsewhere."}
    await manager.decide(first, (await manager.open(first))[1], **milder)
    assert (await second.sign(first)).json()["stage"] == "hand_over"
    # What was proposed before the other one was decided gave no reason, and is not signed without.
    signed = await manager.sign(other)
    assert (signed.status_code, signed.json()["code"]) == (409, "recommendation-changed")
    _, tag = await manager.open(other)
    answer = await manager.decide(other, tag, **PROTECTION)
    assert [one["pointer"] for one in answer.json()["errors"]] == ["/siblings_differ_because"]
    answer = await manager.decide(
        other, tag, **PROTECTION, siblings_differ_because="He saw his father do it."
    )
    assert answer.status_code == 200, answer.text


async def test_a_destination_that_serves_more_need_than_the_level_counts_as_that(
    hub: HubWorld, targeted: Story, worker: Person, manager: Person
) -> None:
    child, wish = targeted.child_ids[0], {"level": "targeted", "destination": "csc_section_47"}
    needed = (await worker.get(f"/v1/cases/{child}/authority", **wish)).json()
    assert ([one["id"] for one in needed["because"]], needed["departure"]) == (["social_care"], "above")
    assert (await proposed(targeted, worker, **wish, departure_reason="Seen."))["stage"] == "sign_off"
    assert (await manager.sign(child)).status_code == 200
    assert (await hub.case(child)).statutory_at == hub.clock.now()
    running = {row[0] for row in await hub.rows("SELECT clock FROM kept_clock WHERE stopped_at IS NULL")}
    assert running == {"assessment", "child_seen"}


async def test_a_contact_becomes_a_referral_on_the_day_that_a_person_decides_so(
    hub: HubWorld, protection: Story, worker: Person, manager: Person
) -> None:
    child = protection.child_ids[0]
    await proposed(protection, worker, **PROTECTION)
    assert (await hub.case(child)).statutory_at is None
    await manager.sign(child)
    since = (await hub.case(child)).statutory_at
    assert since == hub.clock.now()
    hub.clock.advance(timedelta(days=1))
    await proposed(protection, manager, **PROTECTION, rationale="Seen again.")
    assert (await hub.case(child)).statutory_at == since, "decided anew, it is a referral since the first day"


async def test_help_below_section_17_is_no_referral_nor_is_news_for_a_worker(
    hub: HubWorld, targeted: Story, worker: Person, manager: Person, second: Person
) -> None:
    await proposed(targeted, worker)
    case = await hub.case(targeted.child_ids[0])
    assert (case.statutory_at, case.stage) == (None, Stage.HAND_OVER)
    news = {"level": "section_17", "destination": "allocated_worker", "departure_reason": "Theirs."}
    await proposed(targeted, manager, **news)
    assert (await second.sign(case.id)).json()["stage"] == "hand_over"
    assert (await hub.case(case.id)).statutory_at is None
