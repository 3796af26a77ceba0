"""A referral that cannot go on stands in the duty queue at once, and danger in a blocked message is seen."""

import json
import uuid
from datetime import UTC, date, datetime
from typing import Any

import pytest

from libs.schemas.events import (
    ENRICHMENT_RESUMED,
    ENRICHMENT_STOPPED,
    INFORMATION_ADDED,
    INTAKE_STOPPED,
    NOTIFY_STOPPED,
    RECEIVED,
    EventType,
    ProcessingResumed,
    ProcessingStopped,
    Received,
    Resumed,
    Stopped,
)
from libs.schemas.levels import Level, Rag, Stage
from libs.schemas.person import Date
from libs.schemas.referral import ReferredChild
from tests.services.triage.conftest import MONDAY, HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person

HUNGRY = stated("child.hunger", "persistent")
STRANGLED = stated("household.strangulation_or_weapon", True)
ABUSED = stated("child.disclosed_sexual_abuse", True)
DUE = datetime(2026, 11, 24, 17, 30, tzinfo=UTC)


def stop(story: Story, consumer: str = "enrichment", event_type: str = "uk.mash.x.v1") -> ProcessingStopped:
    return ProcessingStopped(
        shared=Stopped(
            consumer=consumer, event_id=uuid.uuid4(), event_type=event_type, reason="contract", at=MONDAY
        )
    )


def resume(consumer: str = "enrichment") -> ProcessingResumed:
    return ProcessingResumed(shared=Resumed(consumer=consumer, at=MONDAY))


def unreadable(story: Story, **referral: object) -> bytes:
    """A referral whose form is of no release that ever was."""
    return json.dumps(
        {
            "shared": {
                "reference": story.reference,
                "received_at": MONDAY.isoformat(),
                "referral": {"worry": {"text": CANARY}, **referral},
            },
            "children": {str(child): {"given_name": [CANARY]} for child in story.child_ids},
        }
    ).encode()


async def test_a_blocked_referral_stands_in_the_duty_queue_with_its_clock_running(
    hub: HubWorld, worker: Person
) -> None:
    story = Story(children=2)
    await hub.park(story.received([HUNGRY], [HUNGRY]))

    items = (await worker.get("/v1/queue", tag="processing_stopped")).json()["items"]
    assert {item["case_id"] for item in items} == {str(child) for child in story.child_ids}
    assert {(item["stage"], item["team"], item["reference"]) for item in items} == {
        ("processing_stopped", "duty", story.reference)
    }
    armed = await hub.rows("SELECT subject, due_at FROM timer WHERE kind = 'decision' AND state = 'armed'")
    assert {row["subject"]: row["due_at"] for row in armed} == dict.fromkeys(story.child_ids, DUE)


@pytest.mark.parametrize("facts", [[ABUSED], [HUNGRY]])
async def test_danger_in_a_blocked_referral_is_screened(hub: HubWorld, facts: list[object]) -> None:
    story = Story()
    await hub.park(story.received(facts))  # type: ignore[arg-type]
    case = await hub.case(story.child_ids[0])
    assert case.immediate_danger is (facts == [ABUSED])
    assert (case.act_by == MONDAY) is (facts == [ABUSED])


async def test_danger_that_follows_from_a_blocked_referral_is_seen(hub: HubWorld) -> None:
    """A bruise on a baby, who cannot have got it by moving, though nobody says that it cannot."""
    story = Story()
    received, child = story.received([stated("child.injury", "explained")]), story.child_ids[0]
    await hub.park(received)
    assert not (await hub.case(child)).immediate_danger
    baby = received.payload.children[child].model_copy(update={"born": Date(on=date(2026, 10, 1))})
    payload = Received(shared=received.payload.shared, children={uuid.uuid4(): baby})
    other = Story()
    await hub.park(other.event(RECEIVED, payload))
    [stub] = await hub.rows("SELECT immediate_danger FROM child_case WHERE referral_id = $1", other.id)
    assert stub["immediate_danger"]


async def test_danger_at_home_in_a_blocked_referral_is_seen_for_every_child_of_the_home(
    hub: HubWorld,
) -> None:
    story = Story(children=2)
    await hub.park(story.received([HUNGRY], [stated("household.drugs_within_reach", True)]))
    assert [(await hub.case(child)).immediate_danger for child in story.child_ids] == [True, True]


async def test_danger_is_seen_in_a_message_of_a_form_that_nobody_knows(hub: HubWorld) -> None:
    story = Story(children=2)
    await hub.park(story.received(), value=unreadable(story, immediate_danger=True))
    for child in story.child_ids:
        case = await hub.case(child)
        assert (case.immediate_danger, case.rag, case.team, case.reference) == (
            True,
            Rag.RED,
            "duty",
            story.reference,
        )
        assert case.received_at == MONDAY


@pytest.mark.parametrize("value", [b"\xff\x00", b"{}", b"[]", b'{"shared": 3}'])
async def test_where_danger_cannot_be_ruled_out_it_is_red(hub: HubWorld, value: bytes) -> None:
    story = Story()
    await hub.park(story.received(), value=value)
    stub = await hub.case(story.id)
    assert (stub.stub, stub.rag, stub.stage, stub.act_by) == (
        True,
        Rag.RED,
        Stage.PROCESSING_STOPPED,
        stub.received_at,
    )


async def test_danger_in_a_message_behind_the_blocked_one_is_seen(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]))
    await hub.park(story.answer("health"))
    assert not (await hub.case(story.child_ids[0])).immediate_danger
    await hub.park(story.information(immediate_danger=True), first=False)

    case = await hub.case(story.child_ids[0])
    assert (case.stage, case.team, case.rag, case.act_by) == (
        Stage.PROCESSING_STOPPED,
        "duty",
        Rag.RED,
        MONDAY,
    )


async def test_a_message_that_cannot_be_read_is_red_where_it_is_the_referrers_or_its_case_a_stub(
    hub: HubWorld,
) -> None:
    seen, unseen = Story(), Story()
    await hub.take(seen.received([HUNGRY]))
    await hub.park(unseen.received([HUNGRY]))
    await hub.park(seen.answer("health"), value=b"\xff")
    assert [(await hub.case(story.child_ids[0])).rag for story in (seen, unseen)] == [Rag.GREEN] * 2
    await hub.park(seen.information(), value=b"\xff", first=False)
    await hub.park(unseen.answer("health"), value=b"\xff", first=False)
    assert [(await hub.case(story.child_ids[0])).rag for story in (seen, unseen)] == [Rag.RED] * 2


async def test_a_blocked_fact_that_is_danger_only_with_what_is_known_is_seen(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([stated("child.non_mobile", True)]))
    await hub.park(story.answer("health", stated("child.injury", "explained")))
    assert (await hub.case(story.child_ids[0])).immediate_danger


async def test_when_the_message_is_processed_the_stub_becomes_the_case(hub: HubWorld) -> None:
    story = Story()
    received = story.received([HUNGRY])
    await hub.park(received, value=b"\xff")
    await hub.take(received)
    await hub.resume(story.id)

    case = await hub.case(story.child_ids[0])
    assert (case.stage, case.stub, case.level) == (Stage.TO_BE_READ, False, Level.TARGETED)
    assert await hub.case(story.id) is None
    assert await hub.names(story.id) == ["case-screened"]
    armed = await hub.rows("SELECT subject FROM timer WHERE kind = 'decision' AND state = 'armed'")
    assert [row[0] for row in armed] == [story.child_ids[0]]


async def test_a_stub_of_a_child_becomes_that_childs_case(hub: HubWorld) -> None:
    story = Story()
    received = story.received([HUNGRY])
    await hub.park(received)
    await hub.take(received)
    await hub.resume(story.id)
    case = await hub.case(story.child_ids[0])
    assert (case.stage, case.stub, case.evaluation) == (Stage.TO_BE_READ, False, 1)
    armed = await hub.rows("SELECT subject FROM timer WHERE kind = 'decision' AND state = 'armed'")
    assert [row[0] for row in armed] == [story.child_ids[0]]


async def test_another_services_stop_shows_until_every_consumer_goes_on(
    hub: HubWorld, worker: Person
) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]))
    await hub.take(
        story.event(ENRICHMENT_STOPPED, stop(story)), story.event(NOTIFY_STOPPED, stop(story, "notify"))
    )
    child = story.child_ids[0]
    assert (await hub.case(child)).stage is Stage.PROCESSING_STOPPED
    view, _ = await worker.open(child)
    assert sorted(stop["consumer"] for stop in view["stops"]) == ["enrichment", "notify"]

    await hub.take(story.event(ENRICHMENT_RESUMED, resume()))
    assert (await hub.case(child)).stage is Stage.PROCESSING_STOPPED
    await hub.take(story.event(ENRICHMENT_RESUMED, resume("notify")))
    assert (await hub.case(child)).stage is Stage.TO_BE_READ


async def test_what_goes_on_here_stays_stopped_while_another_service_does_not(hub: HubWorld) -> None:
    story, unseen = Story(), Story()
    await hub.take(story.received([HUNGRY]))
    for one in (story, unseen):
        await hub.take(one.event(ENRICHMENT_STOPPED, stop(one)))
        await hub.park(one.answer("police"))
        await hub.resume(one.id)
    case, stub = await hub.case(story.child_ids[0]), await hub.case(unseen.id)
    assert (case.stage, stub.stage) == (Stage.PROCESSING_STOPPED, Stage.PROCESSING_STOPPED)


async def test_a_child_that_is_found_while_its_referral_stands_still_stands_still_too(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]), story.event(ENRICHMENT_STOPPED, stop(story)))
    await hub.take(story.found(ReferredChild(given_name="Found")))
    assert (await hub.case(story.child_ids[1])).stage is Stage.PROCESSING_STOPPED


async def test_a_stop_before_the_referral_is_a_stub_that_the_referral_replaces(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.event(ENRICHMENT_STOPPED, stop(story)))
    assert (await hub.case(story.id)).stub
    await hub.take(story.received([HUNGRY]))
    assert await hub.case(story.id) is None
    assert (await hub.case(story.child_ids[0])).stage is Stage.PROCESSING_STOPPED


async def test_danger_in_a_blocked_referral_is_seen_on_the_stub_that_an_earlier_stop_left(
    hub: HubWorld,
) -> None:
    story = Story(children=2)
    await hub.take(story.event(ENRICHMENT_STOPPED, stop(story)))
    await hub.park(story.received([HUNGRY], [ABUSED]))
    stub = await hub.case(story.id)
    assert (stub.immediate_danger, stub.rag) == (True, Rag.RED)


@pytest.mark.parametrize("sent", [RECEIVED, INFORMATION_ADDED])
async def test_what_intake_cannot_send_may_tell_of_danger_and_is_red(
    hub: HubWorld, sent: EventType[Any]
) -> None:
    unseen, known = Story(), Story()
    await hub.take(unseen.event(INTAKE_STOPPED, stop(unseen, "intake", sent.name)))
    assert (await hub.case(unseen.id)).rag is Rag.RED
    await hub.take(known.received([HUNGRY]))
    assert (await hub.case(known.child_ids[0])).rag is Rag.GREEN
    await hub.take(known.event(INTAKE_STOPPED, stop(known, "intake", sent.name)))
    case = await hub.case(known.child_ids[0])
    assert (case.rag, case.team, case.stage) == (Rag.RED, "duty", Stage.PROCESSING_STOPPED)


async def test_nobody_decides_on_a_stub(hub: HubWorld, worker: Person) -> None:
    story = Story()
    await hub.park(story.received([HUNGRY]))
    view, tag = await worker.open(story.child_ids[0])
    assert view["recommendation"] is None
    answer = await worker.decide(story.child_ids[0], tag)
    assert (answer.status_code, answer.json()["code"]) == (409, "processing-stopped")


async def test_a_stopped_case_can_be_decided(hub: HubWorld, worker: Person) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]), story.completed())
    await hub.park(story.answer("police"))
    await worker.read(story.child_ids[0])
    _, tag = await worker.open(story.child_ids[0])
    assert (await worker.decide(story.child_ids[0], tag)).status_code == 200
    assert (await hub.case(story.child_ids[0])).stage is Stage.PROCESSING_STOPPED
    await hub.resume(story.id)
    assert (await hub.case(story.child_ids[0])).stage is Stage.HAND_OVER
