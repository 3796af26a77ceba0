"""Who restricts a case, what is restricted with it, and how the glass is broken."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.messaging.parked import ParkedMessages
from libs.platform.auth import Principal
from libs.platform.restricted import RIGHT
from libs.schemas.events import (
    DISCARDED,
    NOTIFY_RESUMED,
    NOTIFY_STOPPED,
    RECEIVED,
    ProcessingResumed,
    ProcessingStopped,
    Resumed,
    Stopped,
)
from libs.schemas.history import EarlierReport
from libs.schemas.levels import Stage
from libs.schemas.referral import ReferredChild
from services.triage.restricted.glass import PATIENCE, BreakGlass
from services.triage.restricted.rights import withheld
from services.triage.restricted.untold import Untold
from tests.services.triage.bell import Bell
from tests.services.triage.conftest import HubWorld, Story
from tests.services.triage.restricted.test_leaks import HUNGRY, STAFF, restricted
from tests.services.triage.staff import CANARY, Person


async def told_of(hub: HubWorld, story: Story) -> list[dict[UUID, bool]]:
    """What the other services were told of a referral's restrictions, the first word first."""
    told = [payload.children for name, payload in await hub.emitted(story.id) if name == "case-restricted"]
    return [{child: part.restricted for child, part in each.items()} for each in told]


async def test_a_manager_restricts_all_children_of_a_referral_with_kind_and_reason(
    hub: HubWorld, worker: Person, manager: Person, trusted: Person
) -> None:
    story = Story(children=2)
    await hub.take(story.received([HUNGRY], [HUNGRY]))
    path = f"/v1/cases/{story.child_ids[0]}/restriction"
    assert (await worker.put(path, STAFF)).status_code == 403
    missing = await manager.put(path, {"restricted": True, "reason": "x"})
    assert (missing.status_code, missing.json()["errors"][0]["pointer"]) == (422, "/kind")
    first = await manager.put(path, STAFF)
    assert first.status_code == 200, first.text
    # A manager without the right does not see it any more, and yet their second attempt is the same answer.
    assert (await manager.put(path, STAFF)).json() == first.json()
    assert (await manager.put(path, {**STAFF, "reason": "Another one."})).status_code == 404
    for child in story.child_ids:
        assert (await manager.get(f"/v1/cases/{child}")).status_code == 404
        seen = (await trusted.get(f"/v1/cases/{child}/restriction")).json()
        assert (seen["kind"], seen["by"], seen["reason"]) == ("staff_family", manager.id, STAFF["reason"])
    lifted = {"restricted": False, "reason": "Left the council."}
    assert (await trusted.put(path, lifted)).status_code == 200
    for child in story.child_ids:
        assert (await worker.get(f"/v1/cases/{child}")).status_code == 200
    assert len(await hub.rows("SELECT 1 FROM restriction")) == 4, "both acts stay on record"
    assert await told_of(hub, story) == [
        dict.fromkeys(story.child_ids, restricted) for restricted in (True, False)
    ]


async def test_restricting_a_child_covers_its_other_referrals_and_showing_it_does_not(
    hub: HubWorld, worker: Person, manager: Person, trusted: Person
) -> None:
    first, second, third = Story(children=2), Story(), Story()
    person = uuid4()
    await hub.take(first.received([HUNGRY], [HUNGRY]), second.received([HUNGRY]))
    await hub.take(first.linked(person_id=person), second.linked(person_id=person))
    here, there = (f"/v1/cases/{one.child_ids[0]}" for one in (first, second))
    answer = await manager.put(f"{here}/restriction", {**STAFF, "family": False})
    assert answer.status_code == 200, answer.text
    assert [(await worker.get(path)).status_code for path in (here, there)] == [404, 404]
    assert (await worker.get(f"/v1/cases/{first.child_ids[1]}")).status_code == 200
    seen = (await trusted.get(f"{there}/restriction")).json()
    assert (seen["by"], seen["reason"]) == (manager.id, STAFF["reason"])
    assert "case-restricted" in await hub.names(second.id)
    await hub.take(third.received([HUNGRY]), third.linked(person_id=person))
    assert (await worker.get(f"/v1/cases/{third.child_ids[0]}")).status_code == 404
    assert "case-restricted" in await hub.names(third.id)
    await trusted.put(f"{here}/restriction", {"restricted": False, "reason": "Left the council."})
    assert [(await worker.get(path)).status_code for path in (here, there)] == [200, 404]


async def test_a_child_who_is_linked_while_another_case_of_theirs_is_restricted_is_restricted_too(
    hub: HubWorld, worker: Person, manager: Person
) -> None:
    first, second, person = Story(), Story(), uuid4()
    await hub.take(first.received([HUNGRY]), first.linked(person_id=person), second.received([HUNGRY]))
    here, there = (f"/v1/cases/{one.child_ids[0]}" for one in (first, second))
    async with hub.ledger.unit([second.id]) as unit:
        await hub.consumer.handle(unit, [second.linked(person_id=person)])
        restricting = asyncio.create_task(manager.put(f"{here}/restriction", STAFF))
        await asyncio.wait({restricting}, timeout=0.5)
    assert (await restricting).status_code == 200
    assert [(await worker.get(path)).status_code for path in (here, there)] == [404, 404]


async def test_a_case_that_takes_the_place_of_a_restricted_stand_in_is_restricted(
    hub: HubWorld, worker: Person, manager: Person
) -> None:
    story = Story()
    received = story.received([HUNGRY])
    await hub.park(received)
    path = f"/v1/cases/{story.child_ids[0]}"
    assert (await manager.put(f"{path}/restriction", STAFF)).status_code == 200
    await hub.take(received)
    assert (await worker.get(path)).status_code == 404


async def test_what_could_not_be_told_of_a_restriction_is_told_once_it_can(
    hub: HubWorld, worker: Person, manager: Person
) -> None:
    story = Story(children=2)
    received = story.received([HUNGRY], [HUNGRY])
    await hub.park(received, value=b"\xff")
    # Nobody can make out the children: what is restricted stands for them all.
    assert (await manager.put(f"/v1/cases/{story.id}/restriction", STAFF)).status_code == 200
    assert await Untold(hub.ledger).sweep() == 0
    await hub.take(received)
    assert [(await worker.get(f"/v1/cases/{one}")).status_code for one in story.child_ids] == [404, 404]
    assert await Untold(hub.ledger).sweep() == 0
    # As it was before a restriction was an event.
    await hub.rows("UPDATE restriction SET told = false RETURNING 1")
    assert [await Untold(hub.ledger).sweep() for _ in range(2)] == [1, 0]
    assert await told_of(hub, story) == [
        {story.id: True},
        *[dict.fromkeys(story.child_ids, True)] * 2,
    ]


@pytest.mark.parametrize("readable", [True, False])
async def test_what_a_person_takes_up_by_hand_stays_restricted(
    hub: HubWorld, trusted: Person, manager: Person, readable: bool
) -> None:
    """Its messages are still there, here and in the other services, and nobody will ever know its children."""
    story, operations = Story(), Principal("operations", "operations")
    received = story.received([HUNGRY])
    await hub.park(received, value=None if readable else b"\xff")
    stand_in = story.child_ids[0] if readable else story.id
    assert (await manager.put(f"/v1/cases/{stand_in}/restriction", STAFF)).status_code == 200
    assert await told_of(hub, story) == [{stand_in: True}]
    await ParkedMessages(hub.ledger, hub.consumer).discard(
        received.id, reason="sent by hand", by="operations"
    )
    [task] = await hub.rows("SELECT id FROM task WHERE kind = 'take_up_unread_referral'")
    done = await trusted.put(f"/v1/tasks/{task['id']}", {"note": "Rang the school."})
    assert done.status_code == 200, done.text
    assert await hub.rows("SELECT 1 FROM child_case") == []
    assert await told_of(hub, story) == [{stand_in: True}] * (1 if readable else 2), (
        "the last word, said once more"
    )
    request: Any = SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(office=hub)))
    assert await withheld(request, operations, story.id)
    assert not await withheld(request, operations, Story().id)
    seeing = replace(operations, scopes=frozenset({RIGHT}))
    assert not await withheld(request, seeing, story.id)


async def test_what_stood_for_a_restricted_child_stays_hidden_when_the_last_service_goes_on(
    hub: HubWorld, trusted: Person, manager: Person
) -> None:
    story, operations = Story(), Principal("operations", "operations")
    received, child, at = story.received([HUNGRY]), story.child_ids[0], hub.clock.now()
    await hub.park(received)
    stopped = Stopped(
        consumer="notify", event_id=received.id, event_type=RECEIVED.name, reason=DISCARDED, at=at
    )
    await hub.take(story.event(NOTIFY_STOPPED, ProcessingStopped(shared=stopped)))
    assert (await manager.put(f"/v1/cases/{child}/restriction", STAFF)).status_code == 200
    await ParkedMessages(hub.ledger, hub.consumer).discard(received.id, reason="by hand", by="operations")
    [task] = await hub.rows("SELECT id FROM task WHERE kind = 'take_up_unread_referral'")
    assert (await trusted.put(f"/v1/tasks/{task['id']}", {"note": "Rang the school."})).status_code == 200
    assert (await hub.case(child)).stub
    await hub.take(story.event(NOTIFY_RESUMED, ProcessingResumed(shared=Resumed(consumer="notify", at=at))))

    assert await hub.rows("SELECT 1 FROM child_case") == []
    request: Any = SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(office=hub)))
    assert await withheld(request, operations, story.id)
    listed = [(await one.get("/v1/tasks")).json()["items"] for one in (trusted, manager)]
    assert [[task["kind"] for task in each] for each in listed] == [["tell_referrer_by_telephone"], []]
    body = {"note": "Rang her."}
    answers = [await one.put(f"/v1/tasks/{listed[0][0]['id']}", body) for one in (manager, trusted)]
    assert [answer.status_code for answer in answers] == [404, 200]


async def test_glass_that_is_broken_opens_the_referral_to_that_person_for_an_hour(
    hub: HubWorld, worker: Person, manager: Person, trusted: Person, alarms: Bell
) -> None:
    story = await restricted(hub, manager, 2)
    first, second = (f"/v1/cases/{one}" for one in story.child_ids)
    assert (await worker.post(f"{first}/break-glass", {"reason": ""})).status_code == 422
    broken = await worker.post(f"{first}/break-glass", {"reason": f"{CANARY} is at the hospital now."})
    assert broken.status_code == 201, broken.text
    assert (await worker.post(f"{second}/break-glass", {"reason": "Again."})).json()["at"] == broken.json()[
        "at"
    ]
    assert alarms.rung == [("glass-broken", {"referral_id": story.id, "case_id": story.child_ids[0]})]
    for path in (first, second):
        assert (await worker.get(path)).status_code == 200
        assert (await worker.put(f"{path}/claim", {})).status_code == 200
        assert (await manager.get(path)).status_code == 404, "it is opened to nobody else"
    assert (await worker.get("/v1/queue")).json()["items"] == [], "and opens no list"
    rows = await hub.rows("SELECT subject, case_id FROM access WHERE action = 'case.break-glass' ORDER BY id")
    assert [tuple(row) for row in rows] == [(worker.id, child_id) for child_id in story.child_ids]
    [by] = (await trusted.get(f"{second}/restriction")).json()["broken"]
    assert (by["by"], by["reason"]) == (worker.id, f"{CANARY} is at the hospital now.")
    hub.clock.advance(timedelta(minutes=61))
    assert (await worker.get(first)).status_code == 404


async def test_nothing_is_broken_that_hides_nothing(
    hub: HubWorld, worker: Person, trusted: Person, manager: Person, alarms: Bell
) -> None:
    story, hidden = Story(), await restricted(hub, manager)
    await hub.take(story.received([HUNGRY]))
    body = {"reason": "Must see it."}
    assert (await worker.post(f"/v1/cases/{story.child_ids[0]}/break-glass", body)).status_code == 409
    assert (await trusted.post(f"/v1/cases/{hidden.child_ids[0]}/break-glass", body)).status_code == 409
    assert (await worker.post(f"/v1/cases/{Story().child_ids[0]}/break-glass", body)).status_code == 404
    assert alarms.rung == []


async def test_an_alarm_that_reached_nobody_is_raised_again(
    hub: HubWorld, worker: Person, manager: Person, alarms: Bell
) -> None:
    story, sweep = await restricted(hub, manager), BreakGlass(hub.ledger, alarms).sweep
    alarms.works = False
    await worker.post(f"/v1/cases/{story.child_ids[0]}/break-glass", {"reason": "Now."})
    hub.clock.advance(PATIENCE + timedelta(seconds=1))
    assert await sweep() == 0
    alarms.works = True
    assert await sweep() == 1
    assert await sweep() == 0
    assert len(alarms.rung) == 3


async def test_a_child_found_in_a_restricted_referral_is_restricted_with_it(
    hub: HubWorld, worker: Person, manager: Person, trusted: Person
) -> None:
    story = await restricted(hub, manager)
    await hub.take(story.found(ReferredChild(given_name="Zed")))
    found = f"/v1/cases/{story.child_ids[1]}"
    assert (await worker.get(found)).status_code == 404
    assert (await trusted.get(f"{found}/restriction")).json()["by"] == "triage"


async def test_a_new_referral_of_a_restricted_child_is_restricted_until_a_manager_shows_it(
    hub: HubWorld, worker: Person, manager: Person, trusted: Person
) -> None:
    earlier, later = await restricted(hub, manager), Story()
    report = EarlierReport(
        on=hub.clock.now().date(), reference=earlier.reference, case_id=earlier.child_ids[0]
    )
    await hub.take(later.received([HUNGRY]))
    path = f"/v1/cases/{later.child_ids[0]}"
    assert (await worker.get(path)).status_code == 200
    await hub.take(later.linked(report))
    assert (await worker.get(path)).status_code == 404
    assert (await trusted.get(f"{path}/restriction")).json()["kind"] == "staff_family"
    await trusted.put(f"{path}/restriction", {"restricted": False, "reason": "Another child."})
    await hub.take(later.linked(report, revision=2))
    assert (await worker.get(path)).status_code == 200


async def test_a_closed_referral_stays_hidden_until_somebody_with_the_right_shows_it(
    hub: HubWorld, worker: Person, manager: Person, trusted: Person
) -> None:
    story = Story()
    await hub.take(
        story.received([HUNGRY], agreements={"early_help": {"answer": "given"}}), story.completed()
    )
    path = f"/v1/cases/{story.child_ids[0]}"
    assert (await manager.put(f"{path}/restriction", STAFF)).status_code == 200
    await trusted.read(story.child_ids[0])
    decided = await trusted.decide(story.child_ids[0], (await trusted.open(story.child_ids[0]))[1])
    assert decided.status_code == 200, decided.text
    await trusted.accept(story.child_ids[0])
    assert (await hub.case(story.child_ids[0])).stage is Stage.CLOSED
    assert (await worker.get(path)).status_code == 404
    lifted = await trusted.put(f"{path}/restriction", {"restricted": False, "reason": "Left the council."})
    assert lifted.status_code == 200, lifted.text
    assert (await worker.get(path)).json()["stage"] == "closed"
    assert (await told_of(hub, story))[-1] == {story.child_ids[0]: False}
