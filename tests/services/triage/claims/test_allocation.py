"""Whose case it is: a named worker's across shifts, until it is decided; managers see load and unattended work."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from libs.platform.clock import ManualClock
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person

HUNGRY = stated("child.hunger", "persistent")


@pytest.fixture
async def path(hub: HubWorld, worker: Person) -> str:
    story = Story()
    await hub.take(story.received([HUNGRY]), story.completed({"police": "no_answer"}))
    return f"/v1/cases/{story.child_ids[0]}"


async def test_anybody_takes_what_nobody_has_and_keeps_it_across_shifts(
    path: str, worker: Person, clock: ManualClock
) -> None:
    taken = await worker.put(f"{path}/allocation", {"worker": worker.id})
    assert (taken.status_code, taken.json()["worker"]) == (200, worker.id)
    clock.advance(timedelta(hours=20))
    attendance = (await worker.get(f"{path}/attendance")).json()
    assert attendance["allocation"]["worker"] == worker.id
    assert attendance["claim"] is None


async def test_a_worker_neither_gives_a_case_to_somebody_else_nor_takes_a_colleagues(
    path: str, worker: Person, manager: Person
) -> None:
    given = await worker.put(f"{path}/allocation", {"worker": "staff-sw-9"})
    assert (given.status_code, given.json()["code"]) == (403, "manager-needed")
    assert (await manager.put(f"{path}/allocation", {"worker": "staff-sw-9"})).status_code == 200
    taken = await worker.put(f"{path}/allocation", {"worker": worker.id})
    assert (taken.status_code, taken.json()["worker"]) == (409, "staff-sw-9")


async def test_a_manager_gives_it_on_with_a_reason_and_every_hand_stays_on_record(
    path: str, worker: Person, manager: Person, hub: HubWorld
) -> None:
    await worker.put(f"{path}/allocation", {"worker": worker.id})
    refused = await manager.put(f"{path}/allocation", {"worker": "staff-sw-9"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/reason")
    moved = await manager.put(f"{path}/allocation", {"worker": "staff-sw-9", "reason": f"{CANARY} moved."})
    assert moved.status_code == 200
    attendance = (await worker.get(f"{path}/attendance")).json()
    assert [(one["worker"], one["by"], one["reason"]) for one in attendance["allocations"]] == [
        (worker.id, worker.id, None),
        ("staff-sw-9", manager.id, f"{CANARY} moved."),
    ]


async def test_the_same_allocation_again_changes_nothing(path: str, worker: Person, hub: HubWorld) -> None:
    first = await worker.put(f"{path}/allocation", {"worker": worker.id})
    again = await worker.put(f"{path}/allocation", {"worker": worker.id})
    assert first.json() == again.json()
    assert len(await hub.rows("SELECT 1 FROM allocation")) == 1


async def test_of_many_who_take_a_case_at_once_one_gets_it_and_whoever_has_the_queue_open_learns_of_it(
    path: str, hub: HubWorld, worker: Person, manager: Person
) -> None:
    [before] = await hub.rows("SELECT xid FROM case_change")
    answers = await asyncio.gather(
        *(one.put(f"{path}/allocation", {"worker": one.id}) for one in [worker, manager] * 4)
    )
    assert {answer.status_code for answer in answers} in ({200, 409}, {200, 422})
    assert len(await hub.rows("SELECT 1 FROM allocation")) == 1
    [after] = await hub.rows("SELECT xid FROM case_change")
    assert before["xid"] < after["xid"]
    assert len(await hub.rows("SELECT 1 FROM access WHERE action = 'case.allocate'")) == 1


async def test_managers_see_load_and_what_nobody_has(
    path: str, worker: Person, manager: Person, hub: HubWorld, clock: ManualClock
) -> None:
    other = Story()
    await hub.take(other.received([HUNGRY]))
    await worker.put(f"{path}/allocation", {"worker": worker.id})
    clock.advance(timedelta(days=3))
    load = (await manager.get("/v1/workload")).json()
    assert [(one["worker"], one["cases"], one["overdue"]) for one in load["workers"]] == [(worker.id, 1, 1)]
    assert (load["unattended"]["cases"], load["unattended"]["overdue"]) == (1, 1)
    assert await hub.rows("SELECT 1 FROM access WHERE action = 'workload.read'")
    refused = await worker.get("/v1/workload")
    assert refused.status_code == 403


async def test_a_case_weighs_on_its_worker_until_it_is_handed_on(
    path: str, worker: Person, manager: Person
) -> None:
    await worker.put(f"{path}/allocation", {"worker": worker.id})
    case_id = UUID(path.rpartition("/")[2])
    await worker.read(case_id)
    _, tag = await worker.open(case_id)
    assert (await worker.decide(case_id, tag)).status_code == 200
    assert (await manager.get("/v1/workload")).json()["workers"][0]["cases"] == 1
    await worker.accept(case_id)
    assert (await manager.get("/v1/workload")).json()["workers"] == []
