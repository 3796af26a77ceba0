"""Staff's commands: checked against record and token, kept, told in the same transaction, and shown with their end."""

import uuid
from typing import Any
from uuid import UUID

import httpx
import pytest

from libs.schemas.commands import OrderAction, PersonAction
from libs.schemas.people import Band, Candidate
from tests.services.triage.conftest import HubWorld, Story
from tests.services.triage.staff import CANARY, Person
from tests.services.triage.test_family import HUNGRY, counts, level

PERSON = UUID("11111111-1111-4111-8111-111111111111")
DOUBTFUL = Candidate(person_id=PERSON, band=Band.LIKELY, score=81)
REASON = f"{CANARY} told us on the telephone."


@pytest.fixture
async def story(hub: HubWorld) -> Story:
    story = Story(children=2)
    await hub.take(story.received([HUNGRY], []), story.linked(candidates=(DOUBTFUL,), band=Band.NONE))
    return story


def path(story: Story, what: str, child: int = 0) -> str:
    return f"/v1/cases/{story.child_ids[child]}/{what}"


async def link(who: Person, story: Story, tag: str | None = None, **body: Any) -> httpx.Response:
    tag = tag or (await who.open(story.child_ids[0]))[1]
    given = {"action": "link", "person_id": str(PERSON), "reason": REASON, **body}
    return await who.post(path(story, "person-decisions"), given, tag=tag)


async def last(hub: HubWorld, story: Story) -> tuple[str, Any]:
    return (await hub.emitted(story.id))[-1]


async def test_a_link_is_told_kept_and_done_once_the_index_has_taken_it_up(
    hub: HubWorld, worker: Person, story: Story
) -> None:
    answer = await link(worker, story)
    assert answer.status_code == 201, answer.text
    given = answer.json()
    assert (given["by"], given["became"]) == ("staff-sw-1", "waiting")
    name, payload = await last(hub, story)
    decision = payload.children[story.child_ids[0]]
    assert (name, decision.action, decision.person_id) == ("person-decided", PersonAction.LINK, PERSON)
    assert (decision.by, decision.reason, str(decision.command_id)) == (
        "staff-sw-1",
        REASON,
        given["command_id"],
    )
    [task] = await hub.rows("SELECT done_by FROM task WHERE kind = 'possible_match'")
    assert task["done_by"] == "staff-sw-1"

    linked = story.linked(revision=2)
    child = linked.payload.children[story.child_ids[0]]
    linked.payload.children[story.child_ids[0]] = child.model_copy(update={"person_id": PERSON})
    await hub.take(linked)
    view, _ = await worker.open(story.child_ids[0])
    assert [one["became"] for one in view["commands"]] == ["done"]


async def test_a_link_can_be_undone_and_the_case_shows_it(
    hub: HubWorld, worker: Person, story: Story
) -> None:
    first = (await link(worker, story)).json()["command_id"]
    answer = await link(worker, story, action="undo", person_id=None, undoes=first)
    assert answer.status_code == 201, answer.text
    view, _ = await worker.open(story.child_ids[0])
    assert [one["became"] for one in view["commands"]] == ["undone", "waiting"]
    other = await link(worker, story, action="undo", person_id=None, undoes=str(uuid.uuid4()))
    assert (other.status_code, other.json()["errors"][0]["code"]) == (422, "unknown_command")


async def test_who_links_has_seen_what_the_index_says_now_and_answers_refuse_nothing(
    hub: HubWorld, worker: Person, story: Story
) -> None:
    _, tag = await worker.open(story.child_ids[0])
    await hub.take(story.answer("police", HUNGRY))
    assert (await link(worker, story, tag)).status_code == 201
    await hub.take(story.linked(revision=2))
    refused = await link(worker, story, tag)
    assert (refused.status_code, refused.json()["code"]) == (412, "changed-meanwhile")
    without = await worker.post(path(story, "person-decisions"), {"action": "link", "reason": "x"})
    assert without.status_code == 428


async def test_the_same_request_is_the_same_command_and_the_key_serves_no_other(
    hub: HubWorld, worker: Person, story: Story
) -> None:
    order = {"agency": "police", "action": "chase", "reason": REASON}
    first = await worker.post(path(story, "check-orders"), order, key="k")
    again = await worker.post(path(story, "check-orders"), order, key="k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert (await hub.names(story.id)).count("check-ordered") == 1
    other = await worker.post(path(story, "check-orders", 1), order, key="k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


async def test_a_command_needs_a_decider_and_a_reason(worker: Person, operator: Person, story: Story) -> None:
    order = {"agency": "police", "action": "chase", "reason": REASON}
    assert (await operator.post(path(story, "check-orders"), order)).status_code == 403
    missing = await worker.post(path(story, "check-orders"), {"agency": "police", "action": "chase"})
    assert (missing.status_code, missing.json()["errors"][0]["pointer"]) == (422, "/reason")


async def test_who_has_not_the_pen_says_nothing_of_who_the_child_is(
    worker: Person, manager: Person, story: Story
) -> None:
    await manager.put(path(story, "claim"), {})
    refused = await link(worker, story)
    assert (refused.status_code, refused.json()["code"]) == (409, "claimed")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "link"}, "/person_id"),
        ({"action": "merge", "person_id": str(PERSON)}, "/other_id"),
        ({"action": "merge", "person_id": str(PERSON), "other_id": str(PERSON)}, "/other_id"),
        ({"action": "same_event"}, "/case_id"),
        ({"action": "undo", "undoes": str(PERSON), "person_id": str(PERSON)}, "/person_id"),
        ({"action": "unknown", "person_id": str(PERSON)}, "/action"),
    ],
)
async def test_a_command_names_what_its_action_needs_and_nothing_else(
    worker: Person, story: Story, body: dict[str, Any], pointer: str
) -> None:
    _, tag = await worker.open(story.child_ids[0])
    refused = await worker.post(path(story, "person-decisions"), {**body, "reason": REASON}, tag=tag)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer), refused.text
    assert CANARY not in refused.text


ASK = {"agency": "police", "action": "ask", "purpose": "Enquiry", "basis": "Section 47", "reason": REASON}
EMERGENCY = {**ASK, "emergency": True, "approver": "staff-mgr-1"}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"purpose": None}, "/purpose"),
        ({"basis": None}, "/basis"),
        ({"agency": "nobody"}, "/agency"),
        ({"emergency": True}, "/approver"),
        ({"approver": "staff-mgr-1"}, "/approver"),
        ({**EMERGENCY, "approver": "Staff-SW-1 "}, "/approver"),
        ({**EMERGENCY, "action": "stop", "purpose": None, "basis": None}, "/emergency"),
    ],
)
async def test_asking_by_hand_names_purpose_and_basis_and_an_emergency_another_persons_approval(
    hub: HubWorld, worker: Person, story: Story, change: dict[str, Any], pointer: str
) -> None:
    refused = await worker.post(path(story, "check-orders"), {**ASK, **change})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer), refused.text
    assert "check-ordered" not in await hub.names(story.id)


async def test_an_order_is_done_when_the_agency_has_answered_after_it(
    hub: HubWorld, worker: Person, story: Story
) -> None:
    answer = await worker.post(path(story, "check-orders"), EMERGENCY)
    assert answer.status_code == 201, answer.text
    name, payload = await last(hub, story)
    order = payload.children[story.child_ids[0]]
    assert (name, order.action, order.approver) == ("check-ordered", OrderAction.ASK, "staff-mgr-1")
    await hub.take(story.answer("police", HUNGRY, answered_at=hub.clock.now()))
    view, _ = await worker.open(story.child_ids[0])
    assert [(one["kind"], one["became"]) for one in view["commands"]] == [("check", "done")]


async def test_an_adult_whom_staff_add_counts_at_once_for_every_child(
    hub: HubWorld, worker: Person, story: Story
) -> None:
    before = len(await hub.rows("SELECT 1 FROM evaluation"))
    adult = {"roles": ["carer"], "thought_to_harm": True, "works_with_children": "yes"}
    answer = await worker.post(path(story, "people"), {"adults": [adult], "reason": REASON})
    assert (answer.status_code, answer.json()["became"]) == (201, "done"), answer.text
    for child in (0, 1):
        assert ("household.adult_risk", "derived") in await counts(hub, story, child)
        assert ("referral.adult_works_with_children", "derived") in await counts(hub, story, child)
    assert len(await hub.rows("SELECT 1 FROM evaluation")) == before + 2
    name, payload = await last(hub, story)
    assert (name, payload.shared.by, payload.shared.adults[0].thought_to_harm) == (
        "people-corrected",
        "staff-sw-1",
        True,
    )


async def test_a_corrected_child_is_stated_anew_and_what_was_said_stays(
    hub: HubWorld, worker: Person, story: Story
) -> None:
    before = await level(hub, story, 0)
    fact = {"fact": "child.disclosed_physical_abuse", "value": True, "basis": "child_said"}
    child = {"case_id": str(story.child_ids[0]), "child": {"born": {"on": "2026-11-01"}, "facts": [fact]}}
    answer = await worker.post(path(story, "people"), {"children": [child], "reason": REASON})
    assert answer.status_code == 201, answer.text
    said = await counts(hub, story, 0)
    assert ("child.disclosed_physical_abuse", "staff") in said
    assert ("child.non_mobile", "derived") in said
    assert said.count(("child.age", "derived")) == 2
    assert before < (risen := await level(hub, story, 0))
    # Corrected once more, of something else, the child is as young as before.
    child = {"case_id": str(story.child_ids[0]), "child": {"given_name": "Jo"}}
    answer = await worker.post(path(story, "people"), {"children": [child], "reason": REASON})
    assert answer.status_code == 201, answer.text
    assert ("child.non_mobile", "derived") in await counts(hub, story, 0)
    assert await level(hub, story, 0) == risen


async def test_an_added_child_has_a_case_once_enrichment_has_seen_that_it_is_new(
    hub: HubWorld, worker: Person, story: Story
) -> None:
    body = {"children": [{"child": {"given_name": CANARY}}], "reason": REASON}
    answer = await worker.post(path(story, "people"), body)
    assert answer.json()["became"] == "waiting"
    _, payload = await last(hub, story)
    [(child_id, child)] = payload.children.items()
    found = story.found(child, source="staff")
    found.payload.children.clear()
    found.payload.children[child_id] = child
    await hub.take(found)
    view, _ = await worker.open(story.child_ids[0])
    assert view["commands"][0]["became"] == "done"
    assert (await hub.case(child_id)).child_number == 3


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"children": [{"case_id": str(PERSON), "child": {}}]}, "/children/0/case_id"),
        (
            {"children": [{"child": {"facts": [{"fact": "child.nothing", "value": 1, "basis": "record"}]}}]},
            "/children/0/child/facts/0/fact",
        ),
    ],
)
async def test_people_who_cannot_be_are_refused_with_their_place(
    worker: Person, story: Story, body: dict[str, Any], pointer: str
) -> None:
    refused = await worker.post(path(story, "people"), {**body, "reason": REASON})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer), refused.text
