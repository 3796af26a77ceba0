"""A task has an owner, a clock and an end: done or explained, by name; people set them too, and overdue is told."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from libs.messaging.timers import TimerLoop
from libs.schemas.events import CaseOverdue
from sandbox.issuer import Issuer
from services.triage.tasks.overdue import METRIC, TaskClock
from tests.services.triage.conftest import MONDAY, HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person

STRANGLED = stated("household.strangulation_or_weapon", True)
ELSEWHERE = stated("child.lives_elsewhere", True)
VISIT = {"kind": "visit", "what": f"See {CANARY} at school."}


@pytest.fixture
def helper(http: httpx.AsyncClient, issuer: Issuer) -> Person:
    """A worker who prepares and does not decide."""
    return Person(http, issuer, "staff-worker-1")


@pytest.fixture
async def story(hub: HubWorld) -> Story:
    """A child who lives elsewhere: one task."""
    story = Story()
    await hub.take(story.received([ELSEWHERE]), story.completed())
    return story


async def only(person: Person, **wanted: Any) -> dict[str, Any]:
    [task] = (await person.get("/v1/tasks", **wanted)).json()["items"]
    assert isinstance(task, dict)
    return task


async def kinds(person: Person, **wanted: Any) -> list[str]:
    return [one["kind"] for one in (await person.get("/v1/tasks", **wanted)).json()["items"]]


async def test_a_task_says_what_is_to_be_done_by_whom_and_by_when(
    story: Story, worker: Person, manager: Person
) -> None:
    task = await only(worker)
    assert (task["kind"], task["team"], task.get("owner")) == ("home_authority_told", "duty", None)
    assert task["label"].startswith("Tell the home authority today")
    case = f"/v1/cases/{story.child_ids[0]}"
    assert (await worker.put(f"{case}/allocation", {"worker": "staff-sw-1"})).status_code == 200
    assert (await only(worker, owner="staff-sw-1"))["id"] == task["id"], "whose case it is owns its tasks"
    given = await worker.put(f"/v1/tasks/{task['id']}/owner", {"owner": "staff-sw-2"})
    assert (given.status_code, given.json()["owner"]) == (200, "staff-sw-2")
    assert await kinds(worker, owner="staff-sw-1") == []
    view, _ = await worker.open(story.child_ids[0])
    assert view["tasks"][0]["owner"] == "staff-sw-2"


async def test_what_is_somebodys_is_given_on_by_them_or_by_a_manager(
    story: Story, worker: Person, manager: Person, helper: Person
) -> None:
    path = f"/v1/tasks/{(await only(worker))['id']}/owner"
    assert (await helper.put(path, {"owner": "staff-worker-1"})).status_code == 200
    taken = await worker.put(path, {"owner": "staff-sw-1"})
    assert (taken.status_code, taken.json()["owner"]) == (403, "staff-worker-1")
    assert (await helper.put(path, {"owner": "staff-sw-1"})).status_code == 200
    assert (await manager.put(path, {"owner": "staff-sw-2"})).json()["owner"] == "staff-sw-2"


async def test_tasks_are_listed_by_team_kind_and_what_is_overdue(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    other = Story()
    await hub.take(other.received([STRANGLED]))
    assert await kinds(worker, kind="lado") == []
    assert await kinds(worker, kind="home_authority_told", team="duty") == ["home_authority_told"]
    assert await kinds(worker, team="csc") == []
    hub.clock.advance(timedelta(hours=4, minutes=1))
    late = await kinds(worker, overdue=True)
    assert {"home_authority_told", "strategy_discussion"} <= set(late)
    assert set(await kinds(worker)) == {*late, *await kinds(worker, overdue=False)}
    assert (await worker.get("/v1/tasks", overdue=True)).json()["items"][0]["overdue"] is True


async def test_whoever_prepares_says_what_was_done_and_who_decides_says_what_is_not_needed(
    story: Story, worker: Person, helper: Person
) -> None:
    path = f"/v1/tasks/{(await only(worker))['id']}"
    explained = {"note": "They know already.", "outcome": "not_needed"}
    refused = await helper.put(path, explained)
    assert (refused.status_code, refused.json()["code"]) == (403, "decider-needed")
    assert (await only(worker))["id"] == path.rpartition("/")[2]
    first = await worker.put(path, explained)
    assert (first.json()["outcome"], first.json()["done_by"]) == ("not_needed", "staff-sw-1")
    assert (await worker.put(path, explained)).json() == first.json()
    assert (await worker.put(path, {"note": "They know already."})).status_code == 409
    assert (await helper.put(f"{path}/owner", {"owner": "staff-sw-2"})).status_code == 409


async def test_a_preparing_worker_says_what_they_did(story: Story, helper: Person) -> None:
    done = await helper.put(f"/v1/tasks/{(await only(helper))['id']}", {"note": "Rang them."})
    assert (done.status_code, done.json()["outcome"], done.json()["done_by"]) == (
        200,
        "done",
        "staff-worker-1",
    )


async def test_a_strategy_discussion_is_done_when_it_is_on_record(hub: HubWorld, worker: Person) -> None:
    story = Story()
    await hub.take(story.received([STRANGLED]))
    path = f"/v1/tasks/{(await only(worker, kind='strategy_discussion'))['id']}"
    refused = await worker.put(path, {"note": "We spoke."})
    assert (refused.status_code, refused.json()["code"]) == (409, "discussion-not-recorded")
    assert (await worker.put(path, {"note": "Held already.", "outcome": "not_needed"})).status_code == 200


async def test_a_task_set_by_hand_keeps_the_referral_open_until_it_is_done(
    hub: HubWorld, story: Story, helper: Person, worker: Person, manager: Person
) -> None:
    path, key = f"/v1/cases/{story.child_ids[0]}/tasks", "one"
    first = await helper.post(path, {**VISIT, "owner": "staff-sw-2"}, key)
    assert first.status_code == 201, first.text
    task = first.json()
    assert (task["what"], task["owner"], task["raised_by"]) == (VISIT["what"], "staff-sw-2", "staff-worker-1")
    assert task["due_at"] == "2026-11-24T08:30:00Z"
    assert (await helper.post(path, {**VISIT, "owner": "staff-sw-2"}, key)).json() == task
    other = await helper.post(path, VISIT, key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert sorted(await kinds(worker)) == ["home_authority_told", "visit"]
    [row] = await hub.rows("SELECT * FROM task WHERE kind = 'visit'")
    assert CANARY not in str({name: value for name, value in dict(row).items() if name != "request"})

    child = story.child_ids[0]
    await manager.read(child)
    _, tag = await manager.open(child)
    elsewhere = {"level": "universal", "destination": "other_authority"}
    decided = await manager.decide(child, tag, **elsewhere)
    assert decided.status_code == 200, decided.text
    await manager.accept(child)
    await manager.put(
        f"/v1/tasks/{(await only(worker, kind='home_authority_told'))['id']}", {"note": "Rang."}
    )
    assert "referral-closed" not in await hub.names(story.id)
    await manager.put(f"/v1/tasks/{task['id']}", {"note": "Seen."})
    assert (await hub.names(story.id))[-1] == "referral-closed"
    refused = await manager.post(path, VISIT)
    assert (refused.status_code, refused.json()["code"]) == (409, "referral-closed")


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"kind": "identify_child"}, "/kind"),
        ({"kind": "nothing_known"}, "/kind"),
        ({"due_at": "2026-11-23T10:00:00Z"}, "/due_at"),
        ({"what": " "}, "/what"),
    ],
)
async def test_what_makes_no_task_is_refused(
    story: Story, worker: Person, wrong: dict[str, Any], pointer: str
) -> None:
    answer = await worker.post(f"/v1/cases/{story.child_ids[0]}/tasks", {**VISIT, **wrong})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert await kinds(worker) == ["home_authority_told"]


async def test_an_obliged_action_may_be_set_by_hand_with_its_own_clock(story: Story, worker: Person) -> None:
    path = f"/v1/cases/{story.child_ids[0]}/tasks"
    made = await worker.post(path, {"kind": "police_now", "what": "She is outside the house."})
    assert made.json()["due_at"] == "2026-11-23T10:15:00Z"


def counted(reader: InMemoryMetricReader) -> dict[str, Any]:
    data = reader.get_metrics_data()
    assert data is not None
    points: list[Any] = [
        point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == METRIC
        for point in metric.data.data_points
    ]
    return {point.attributes["kind"]: point.value for point in points}


async def fire(hub: HubWorld, reader: InMemoryMetricReader) -> None:
    clock = TaskClock(MeterProvider([reader]).get_meter("test"))
    await TimerLoop(hub.ledger, clock.handlers).fire_due()


async def test_an_overdue_task_is_an_event_and_counted_once(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    made = await worker.post(
        f"/v1/cases/{story.child_ids[0]}/tasks", {**VISIT, "due_at": "2026-11-23T11:00:00Z"}
    )
    assert (await worker.put(f"/v1/tasks/{made.json()['id']}", {"note": "Seen."})).status_code == 200
    reader = InMemoryMetricReader()
    hub.clock.advance(timedelta(hours=4, minutes=1))
    await fire(hub, reader)
    assert counted(reader) == {"home_authority_told": 1}, "what is done is not overdue"
    await fire(hub, InMemoryMetricReader())
    events = [one for name, one in await hub.emitted(story.id) if name == "case-overdue"]
    [event] = events
    assert isinstance(event, CaseOverdue)
    overdue = event.children[story.child_ids[0]]
    assert (overdue.clock, overdue.due_at) == ("task.home_authority_told", MONDAY + timedelta(hours=4))
    [row] = await hub.rows("SELECT overdue_at FROM task WHERE kind = 'home_authority_told'")
    assert row[0] == hub.clock.now()
    assert await kinds(worker) == ["home_authority_told"], "it stays until somebody did or explained it"


async def test_an_overdue_task_of_the_whole_referral_is_told_of_each_child(hub: HubWorld) -> None:
    story = Story(children=2)
    await hub.take(story.received([], []), story.completed())
    await hub.rows(
        "INSERT INTO task (id, referral_id, kind, raised_at, due_at) VALUES ($1, $1, 'tell_school', $2, $2)",
        story.id,
        MONDAY,
    )
    async with hub.ledger.unit([story.id]) as unit:
        unit.arm("task", story.id, story.id, MONDAY)
    await fire(hub, InMemoryMetricReader())
    [event] = [one for name, one in await hub.emitted(story.id) if name == "case-overdue"]
    assert {*event.children} == {*story.child_ids}


async def test_a_task_that_is_raised_again_keeps_its_first_clock(hub: HubWorld, story: Story) -> None:
    hub.clock.advance(timedelta(hours=1))
    await hub.take(story.information(ELSEWHERE))
    rows = await hub.rows("SELECT due_at, state FROM timer WHERE kind = 'task'")
    assert [tuple(row) for row in rows] == [(MONDAY + timedelta(hours=4), "armed")]


async def test_what_was_done_another_way_is_not_overdue(hub: HubWorld, story: Story) -> None:
    await hub.rows("UPDATE task SET done_at = $1, done_by = 'enrichment'", MONDAY)
    hub.clock.advance(timedelta(hours=4, minutes=1))
    await fire(hub, InMemoryMetricReader())
    assert "case-overdue" not in await hub.names(story.id)
