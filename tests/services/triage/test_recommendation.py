"""What is recommended for a case: who owns it and who lists it, why, and which locality's panel it is."""

from dataclasses import replace
from typing import Any

import pytest

from libs.messaging.event import Event
from libs.schemas.levels import Destination, Level
from libs.schemas.person import Address
from services.triage.case import is_low
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.staff import Person


def living_at(event: Event, postcode: str) -> Event:
    """The same referral with an address for its children."""
    address = Address(postcode=postcode)
    children = {
        key: one.model_copy(update={"address": address}) for key, one in event.payload.children.items()
    }
    return replace(event, payload=event.payload.model_copy(update={"children": children}))


AGREED = {"early_help": {"answer": "given"}, "panel": {"answer": "given"}}
READY = (stated("family.early_help_assessment_complete", True), stated("family.services_needed_together", 3))


async def recommended(hub: HubWorld, worker: Person, event: Event, story: Story) -> dict[str, Any]:
    await hub.take(event, story.completed())
    await worker.read(story.child_ids[0])
    view, _ = await worker.open(story.child_ids[0])
    found: dict[str, Any] = view["recommendation"]
    return found


@pytest.mark.parametrize(("postcode", "panel"), [("PE4 7AA", "north_and_west"), ("ZZ1 1AA", None)])
async def test_a_panel_is_that_of_the_locality_where_the_child_lives(
    hub: HubWorld, worker: Person, postcode: str, panel: str | None
) -> None:
    story = Story()
    event = living_at(story.received(READY, agreements=AGREED), postcode)
    found = await recommended(hub, worker, event, story)
    assert (found["destination"], found["panel"]) == ("masg", panel)
    assert found["because"].startswith("Several services must meet")


async def test_one_destination_owns_a_case_and_others_list_it(hub: HubWorld, worker: Person) -> None:
    story = Story()
    danger = (stated("child.self_harm", "attempt"), stated("child.open_plan", "child_in_need"))
    found = await recommended(hub, worker, story.received(danger), story)
    assert (found["destination"], found["listed"]) == ("csc_section_47", ["allocated_worker"])
    assert {"strategy_discussion", "tell_allocated_worker_same_day"} == set(found["next_steps"])


async def test_a_refusal_that_went_up_says_what_to_do(hub: HubWorld, worker: Person) -> None:
    story = Story()
    event = story.received(READY, agreements={"panel": {"answer": "refused"}})
    found = await recommended(hub, worker, event, story)
    assert (found["level"], found["destination"]) == ("section_17", "csc_section_17")
    assert found["next_steps"] == ["agreement_refused_with_concern"]
    assert found["panel"] is None


async def test_a_low_need_is_not_passed_on_before_a_person_has_read_the_words(
    hub: HubWorld, worker: Person
) -> None:
    story = Story()
    needs = (stated("child.lives_elsewhere", True), stated("child.young_carer", True))
    await hub.take(story.received(needs), story.completed())
    view, tag = await worker.open(story.child_ids[0])
    assert view["recommendation"] is None
    assert [row["case_id"] for row in await queue(worker, tag="to_be_read")] == [str(story.child_ids[0])]
    refused = await worker.decide(story.child_ids[0], tag, level="early_help", destination="other_authority")
    assert (refused.status_code, refused.json()["code"]) == (409, "to-be-read")


@pytest.mark.parametrize("destination", [None, Destination.ALLOCATED_WORKER, Destination.OTHER_AUTHORITY])
def test_what_is_passed_on_is_as_low_as_its_level(destination: Destination | None) -> None:
    assert [level for level in Level if is_low(level, destination)] == [
        Level.UNIVERSAL,
        Level.EARLY_HELP,
        Level.TARGETED,
    ]


async def test_a_high_need_is_passed_on_at_once(hub: HubWorld, worker: Person) -> None:
    story = Story()
    needs = (stated("child.open_plan", "child_in_need"), stated("child.substantial_disability", True))
    await hub.take(story.received(needs), story.completed())
    view, _ = await worker.open(story.child_ids[0])
    assert view["recommendation"]["destination"] == "allocated_worker"
    assert await queue(worker, tag="to_be_read") == []


async def queue(worker: Person, **filters: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await worker.get("/v1/queue", **filters)).json()["items"]
    return found
