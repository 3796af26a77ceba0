"""The pen of a case: one person has it at a time, everybody else learns who, and it releases itself."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.platform.clock import ManualClock
from sandbox.issuer import Issuer
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person

HUNGRY = stated("child.hunger", "persistent")


@pytest.fixture
async def path(hub: HubWorld, worker: Person) -> str:
    """The path of a case whose words were read, and that waits for its decision."""
    story = Story()
    await hub.take(story.received([HUNGRY]), story.completed({"police": "no_answer"}))
    assert (await worker.read(story.child_ids[0])).status_code == 200
    return f"/v1/cases/{story.child_ids[0]}"


async def test_of_two_at_once_one_has_the_pen_and_the_other_learns_who_and_since_when(
    path: str, worker: Person, manager: Person, clock: ManualClock
) -> None:
    first, second = await asyncio.gather(worker.put(f"{path}/claim", {}), manager.put(f"{path}/claim", {}))
    won, lost = sorted((first, second), key=lambda answer: answer.status_code)
    assert (won.status_code, lost.status_code) == (200, 409)
    problem = lost.json()
    assert (problem["code"], problem["held_by"]) == ("claimed", won.json()["holder"])
    assert problem["since"].startswith(f"{clock.now():%Y-%m-%dT%H:%M}")


async def test_a_claim_releases_itself_after_a_quarter_of_an_hour(
    path: str, worker: Person, manager: Person, clock: ManualClock
) -> None:
    assert (await worker.put(f"{path}/claim", {})).status_code == 200
    clock.advance(timedelta(minutes=14, seconds=59))
    assert (await manager.put(f"{path}/claim", {})).status_code == 409
    clock.advance(timedelta(seconds=1))
    taken = await manager.put(f"{path}/claim", {})
    assert (taken.status_code, taken.json()["holder"]) == (200, manager.id)
    assert (await worker.put(f"{path}/claim", {})).json()["held_by"] == manager.id


async def test_work_renews_the_claim_and_renewing_keeps_since_when(
    hub: HubWorld, worker: Person, manager: Person, clock: ManualClock
) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]), story.completed({"police": "no_answer"}))
    path = f"/v1/cases/{story.child_ids[0]}"
    since = (await worker.put(f"{path}/claim", {})).json()["since"]
    clock.advance(timedelta(minutes=14))
    assert (await worker.read(story.child_ids[0])).status_code == 200
    clock.advance(timedelta(minutes=14))
    assert (await manager.put(f"{path}/claim", {})).json()["since"] == since
    assert (await worker.put(f"{path}/claim", {})).json()["since"] == since
    # What released itself is not taken again by the work of who had it.
    other = Story()
    await hub.take(other.received([HUNGRY]), other.completed({"police": "no_answer"}))
    await worker.put(f"/v1/cases/{other.child_ids[0]}/claim", {})
    clock.advance(timedelta(minutes=15))
    assert (await worker.read(other.child_ids[0])).status_code == 200
    assert (await manager.put(f"/v1/cases/{other.child_ids[0]}/claim", {})).status_code == 200


async def test_put_down_by_hand_it_is_free_at_once_and_nobody_puts_down_anothers(
    path: str, hub: HubWorld, worker: Person, manager: Person
) -> None:
    async def told() -> Any:
        return (await hub.rows("SELECT xid FROM case_change"))[0]["xid"]

    before = await told()
    await worker.put(f"{path}/claim", {})
    taken = await told()
    assert (await manager.delete(f"{path}/claim")).status_code == 204
    assert (await manager.put(f"{path}/claim", {})).status_code == 409
    assert await told() == taken
    assert (await worker.delete(f"{path}/claim")).status_code == 204
    assert before < taken < await told(), "whoever has the queue open learns of it"
    done = await hub.rows("SELECT action FROM access WHERE subject = $1 ORDER BY id DESC LIMIT 2", worker.id)
    assert [row["action"] for row in done] == ["case.release", "case.claim"]
    assert (await manager.put(f"{path}/claim", {})).status_code == 200


async def test_only_a_manager_takes_over_and_the_reason_stays_on_record(
    path: str, hub: HubWorld, worker: Person, manager: Person
) -> None:
    await manager.put(f"{path}/claim", {})
    refused = await worker.put(f"{path}/claim", {"take_over_because": "I want it."})
    assert (refused.status_code, refused.json()["code"]) == (403, "manager-needed")
    await manager.delete(f"{path}/claim")
    await worker.put(f"{path}/claim", {})
    taken = await manager.put(f"{path}/claim", {"take_over_because": f"{CANARY} cannot wait."})
    assert (taken.status_code, taken.json()["holder"]) == (200, manager.id)
    (row,) = await hub.rows("SELECT held_by, by, document FROM claim_taken_over")
    assert (row["held_by"], row["by"]) == (worker.id, manager.id)
    assert CANARY.encode() in row["document"]
    assert await hub.rows("SELECT 1 FROM access WHERE action = 'case.claim-taken-over'")


async def test_who_has_not_the_pen_does_not_decide_while_somebody_has_it(
    path: str, worker: Person, manager: Person
) -> None:
    case_id = UUID(path.rpartition("/")[2])
    _, tag = await worker.open(case_id)
    await manager.put(f"{path}/claim", {})
    refused = await worker.decide(case_id, tag)
    assert (refused.status_code, refused.json()["code"]) == (409, "claimed")
    decided = await manager.decide(case_id, tag)
    assert decided.status_code == 200, decided.text


async def test_a_claim_is_no_part_of_what_a_decision_rests_on_and_ends_with_it(
    path: str, hub: HubWorld, worker: Person
) -> None:
    case_id = UUID(path.rpartition("/")[2])
    _, tag = await worker.open(case_id)
    await worker.put(f"{path}/claim", {})
    assert (await worker.decide(case_id, tag)).status_code == 200
    assert await hub.rows("SELECT 1 FROM claim") == []


async def test_whoever_else_reads_the_case_is_seen_for_five_minutes(
    path: str, hub: HubWorld, worker: Person, manager: Person, trusted: Person, clock: ManualClock
) -> None:
    await manager.get(path)
    assert (await trusted.get(f"{path}/attendance")).status_code == 200
    assert await hub.rows("SELECT 1 FROM access WHERE action = 'attendance.read'")
    # Who only asks who is there has not read it.
    seen = (await worker.get(f"{path}/attendance")).json()["present"]
    assert [one["subject"] for one in seen] == [manager.id]
    clock.advance(timedelta(minutes=6))
    assert (await worker.get(f"{path}/attendance")).json()["present"] == []


async def test_a_case_that_does_not_exist_has_no_pen(worker: Person) -> None:
    for answer in (
        await worker.put(f"/v1/cases/{uuid4()}/claim", {}),
        await worker.delete(f"/v1/cases/{uuid4()}/claim"),
        await worker.get(f"/v1/cases/{uuid4()}/attendance"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "case-not-found")


async def test_who_may_not_write_takes_no_pen(
    path: str, operator: Person, worker: Person, issuer: Issuer
) -> None:
    assert (await operator.put(f"{path}/claim", {})).status_code == 403
    stranger = replace(worker, id="st_ives_primary")
    assert (await stranger.put(f"{path}/claim", {})).status_code == 403


async def test_fifty_at_once_on_one_case_leave_one_holder(path: str, worker: Person, manager: Person) -> None:
    people = [worker, manager] * 25
    answers = await asyncio.gather(*(person.put(f"{path}/claim", {}) for person in people))
    holders = {answer.json()["holder"] for answer in answers if answer.status_code == 200}
    named = {answer.json()["held_by"] for answer in answers if answer.status_code == 409}
    assert len(holders) == 1
    assert named == holders
