"""A referral whose own message was given up stays somebody's work, and what comes for it later is still screened."""

from datetime import timedelta

import pytest

from libs.messaging.event import Event
from libs.messaging.parked import ParkedMessages
from libs.schemas.events import (
    ENRICHMENT_RESUMED,
    ENRICHMENT_STOPPED,
    NOTIFY_STOPPED,
    RECEIVED,
    ProcessingResumed,
    ProcessingStopped,
    Resumed,
    Stopped,
)
from libs.schemas.levels import Rag, Stage
from services.triage.casework import Casework
from services.triage.strays import PATIENCE, Strays
from services.triage.thresholds import Thresholds
from tests.services.triage.conftest import MONDAY, HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person

HUNGRY = stated("child.hunger", "persistent")
ABUSED = stated("child.disclosed_sexual_abuse", True)


async def give_up(hub: HubWorld, event: Event) -> None:
    parked = ParkedMessages(hub.ledger, hub.consumer)
    await parked.discard(event.id, reason="sent by hand", by="operations")


@pytest.fixture
def strays(hub: HubWorld, thresholds: Thresholds) -> Strays:
    return Strays(hub.ledger, Casework(thresholds), hub.policies)


async def test_a_discarded_referral_stays_in_the_queue_until_a_person_closes_it(
    hub: HubWorld, worker: Person
) -> None:
    story = Story()
    received = story.received()
    await hub.park(received, value=b"\xff")
    await give_up(hub, received)

    [item] = (await worker.get("/v1/queue")).json()["items"]
    assert (item["stage"], item["rag"], item["team"]) == ("processing_stopped", "red", "duty")
    [task] = (await worker.get("/v1/tasks", case_id=str(story.id))).json()["items"]
    assert task["kind"] == "take_up_unread_referral"
    armed = await hub.rows("SELECT kind FROM timer WHERE state = 'armed' ORDER BY kind")
    assert [row[0] for row in armed] == ["alert", "decision", "task", "urgency"]

    done = await worker.put(f"/v1/tasks/{task['id']}", {"note": "Rang the school; it is sent anew."})
    assert done.status_code == 200, done.text
    assert (await worker.get("/v1/queue")).json()["items"] == []
    assert await hub.rows("SELECT 1 FROM timer WHERE state = 'armed'") == []
    assert await hub.rows("SELECT 1 FROM stop") == []


async def test_what_a_person_took_up_does_not_come_back_with_what_is_blocked_and_goes_on(
    hub: HubWorld, worker: Person
) -> None:
    story = Story()
    received, later = story.received(), story.answer("police")
    await hub.park(received, value=b"\xff")
    await give_up(hub, received)
    [task] = (await worker.get("/v1/tasks")).json()["items"]
    await worker.put(f"/v1/tasks/{task['id']}", {"note": "Rang the school; it is sent anew."})
    await hub.park(later, value=b"\xff")
    assert (await hub.case(story.id)).stub
    await give_up(hub, later)
    assert await hub.case(story.id) is None
    assert await hub.rows("SELECT 1 FROM stop") == []


async def test_what_waited_behind_a_discarded_referral_is_still_screened(hub: HubWorld) -> None:
    story = Story()
    received, danger = story.received(), story.information(immediate_danger=True)
    await hub.park(received)
    assert not (await hub.case(story.child_ids[0])).immediate_danger
    await give_up(hub, received)
    await hub.take(danger)
    case = await hub.case(story.child_ids[0])
    assert (case.immediate_danger, case.rag, case.stage, case.act_by) == (
        True,
        Rag.RED,
        Stage.PROCESSING_STOPPED,
        MONDAY,
    )


async def test_a_fact_of_danger_for_a_discarded_referral_is_screened(hub: HubWorld) -> None:
    story = Story()
    received = story.received([HUNGRY])
    await hub.park(received)
    await give_up(hub, received)
    await hub.take(story.information(HUNGRY))
    assert not (await hub.case(story.child_ids[0])).immediate_danger
    await hub.take(story.information(ABUSED))
    assert (await hub.case(story.child_ids[0])).immediate_danger


async def test_another_service_that_goes_on_does_not_take_a_discarded_referral_away(hub: HubWorld) -> None:
    story = Story()
    received = story.received()
    await hub.park(received, value=b"\xff")
    await hub.take(stop(story, "enrichment", "contract"))
    await give_up(hub, received)
    await hub.take(
        story.event(ENRICHMENT_RESUMED, ProcessingResumed(shared=Resumed(consumer="enrichment", at=MONDAY)))
    )
    assert (await hub.case(story.id)).stub


async def test_a_referral_that_comes_after_all_takes_the_place_of_its_stub(
    hub: HubWorld, worker: Person
) -> None:
    story = Story()
    received = story.received([HUNGRY])
    await hub.park(received, value=b"\xff")
    await give_up(hub, received)
    await hub.take(story.information(immediate_danger=True))
    await hub.take(received)
    case = await hub.case(story.child_ids[0])
    assert (case.stub, case.stage, case.immediate_danger) == (False, Stage.CHECKS, True)
    assert await hub.case(story.id) is None
    assert "take_up_unread_referral" not in (await worker.get("/v1/tasks")).text


async def test_information_whose_referral_does_not_come_is_screened_after_a_while(
    hub: HubWorld, worker: Person, strays: Strays
) -> None:
    lost, calm, slow = Story(), Story(), Story()
    await hub.take(lost.information(immediate_danger=True), calm.information(HUNGRY))
    assert await strays.sweep() == 0
    hub.clock.advance(PATIENCE + timedelta(seconds=1))
    await hub.take(slow.information(HUNGRY))
    assert await strays.sweep() == 2
    assert await strays.sweep() == 0

    items = (await worker.get("/v1/queue")).json()["items"]
    assert [(item["case_id"], item["rag"]) for item in items] == [
        (str(lost.id), "red"),
        (str(calm.id), "green"),
    ]
    assert items[0]["reference"] == lost.reference
    await hub.take(lost.received([HUNGRY]))
    assert (await hub.case(lost.child_ids[0])).immediate_danger
    assert await hub.case(lost.id) is None


async def test_what_waits_and_can_no_longer_be_read_is_red(hub: HubWorld, strays: Strays) -> None:
    story = Story()
    await hub.take(story.information(HUNGRY))
    await hub.rows("UPDATE held SET payload = '\\xff'")
    hub.clock.advance(PATIENCE + timedelta(seconds=1))
    assert await strays.sweep() == 1
    assert (await hub.case(story.id)).rag is Rag.RED


async def test_what_a_person_has_closed_does_not_come_back_and_what_is_new_does(
    hub: HubWorld, worker: Person, strays: Strays
) -> None:
    story = Story()
    await hub.take(story.information(HUNGRY))
    hub.clock.advance(PATIENCE + timedelta(seconds=1))
    await strays.sweep()
    [task] = (await worker.get("/v1/tasks")).json()["items"]
    await worker.put(f"/v1/tasks/{task['id']}", {"note": "Done by telephone."})
    hub.clock.advance(PATIENCE + timedelta(seconds=1))
    assert await strays.sweep() == 0
    await hub.take(story.information(immediate_danger=True))
    hub.clock.advance(PATIENCE + timedelta(seconds=1))
    assert await strays.sweep() == 1
    assert (await hub.case(story.id)).immediate_danger
    assert len((await worker.get("/v1/tasks")).json()["items"]) == 1


def stop(story: Story, consumer: str, reason: str) -> Event:
    kind = ENRICHMENT_STOPPED if consumer == "enrichment" else NOTIFY_STOPPED
    shared = Stopped(consumer=consumer, event_id=story.id, event_type=RECEIVED.name, reason=reason, at=MONDAY)
    return story.event(kind, ProcessingStopped(shared=shared))


@pytest.mark.parametrize(
    ("consumer", "kind"),
    [("enrichment", "ask_agencies_by_hand"), ("notify", "tell_referrer_by_telephone")],
)
async def test_a_referral_that_another_service_gave_up_leaves_its_work_to_a_person(
    hub: HubWorld, worker: Person, consumer: str, kind: str
) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]))
    await hub.take(stop(story, consumer, "contract"))
    assert (await worker.get("/v1/tasks")).json()["items"] == []
    await hub.take(stop(story, consumer, "discarded"))
    [task] = (await worker.get("/v1/tasks")).json()["items"]
    assert (task["kind"], task["reason"]) == (kind, "discarded")


async def test_the_words_of_what_is_blocked_are_shown_to_who_reads_the_case(
    hub: HubWorld, worker: Person
) -> None:
    story = Story()
    received = story.received()
    await hub.park(received, value=b'{"shared": {"worry": "' + CANARY.encode() + b' \xff"}}')
    view, _ = await worker.open(story.id)
    [blocked] = view["blocked"]
    assert (blocked["state"], blocked["reason"]) == ("failed", "contract")
    assert CANARY in blocked["text"]
    await give_up(hub, received)
    await hub.take(story.information(worry=f"{CANARY} again"))
    view, _ = await worker.open(story.id)
    assert [one["state"] for one in view["blocked"]] == ["discarded", "held"]
    assert f"{CANARY} again" in view["blocked"][1]["text"]
    acts = await hub.rows("SELECT action FROM access WHERE case_id = $1 ORDER BY id", story.id)
    assert [row[0] for row in acts] == ["case.read", "case.read-blocked"] * 2


async def test_a_case_shows_only_what_still_blocks_it(hub: HubWorld, worker: Person) -> None:
    story, other = Story(), Story()
    await hub.take(story.received([HUNGRY]), other.received([HUNGRY]))
    answer = story.answer("police")
    await hub.park(answer, value=b"{}")
    view, _ = await worker.open(story.child_ids[0])
    assert [one["text"] for one in view["blocked"]] == ["{}"]
    await give_up(hub, answer)
    view, _ = await worker.open(story.child_ids[0])
    assert (view["blocked"], view["stage"]) == ([], "to_be_read")
    view, _ = await worker.open(other.child_ids[0])
    assert view["blocked"] == []
    acts = await hub.rows("SELECT action FROM access WHERE case_id = $1", other.child_ids[0])
    assert [row[0] for row in acts] == ["case.read"]
