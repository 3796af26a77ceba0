"""Tools that were used go on record, finish the task that asked for them, and are counted."""

from typing import Any

import pytest

from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person

DASH: dict[str, Any] = {
    "tool": "dash",
    "on": "2026-11-20",
    "by": "PC Shah, response",
    "result": "medium",
    "answers": {"yes": 9, "no": 12, "unknown": 3},
    "note": f"{CANARY} was asleep.",
}
SCREEN: dict[str, Any] = {
    "tool": "child_exploitation",
    "on": "2026-11-23",
    "by": "Lee Park, youth worker",
    "result": "moderate",
}


@pytest.fixture
async def story(hub: HubWorld) -> Story:
    story = Story()
    await hub.take(story.received([stated("child.youth_violence", "weapon_or_serious")]), story.completed())
    return story


def path(story: Story) -> str:
    return f"/v1/cases/{story.child_ids[0]}/tools"


async def test_a_tools_use_says_which_when_by_whom_and_with_what_result(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    first = await worker.post(path(story), DASH, "one")
    assert first.status_code == 201, first.text
    assert (await worker.post(path(story), DASH, "one")).json() == first.json()
    other = await worker.post(path(story), SCREEN, "one")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    [used] = (await worker.get(path(story))).json()["items"]
    assert (used["tool"], used["on"], used["by"], used["result"]) == (
        "dash",
        "2026-11-20",
        DASH["by"],
        "medium",
    )
    assert (used["answers"]["unknown"], used["could_be_graver"]) == (3, True)
    assert (used["recorded_by"], used["note"]) == ("staff-sw-1", DASH["note"])
    view, _ = await worker.open(story.child_ids[0])
    assert view["tools"] == [used]
    items = (await worker.get(f"/v1/cases/{story.child_ids[0]}/chronology")).json()["items"]
    [entry] = [one for one in items if one["kind"] == "tool"]
    assert (entry["on"], entry["words"]) == (
        "2026-11-20",
        "DASH risk checklist, used by PC Shah, response: medium.",
    )
    [told] = [payload for name, payload in await hub.emitted(story.id) if name == "tool-recorded"]
    assert told.children[story.child_ids[0]].model_dump(mode="json") == {
        "tool": "dash",
        "on": "2026-11-20",
        "result": "medium",
        "could_be_graver": True,
    }
    [row] = await hub.rows("SELECT * FROM tool_used")
    assert CANARY not in str({name: value for name, value in dict(row).items() if name != "document"})


async def test_a_dash_reaches_the_marac_list_where_the_threshold_says_so_and_an_open_question_is_no_no(
    hub: HubWorld, worker: Person
) -> None:
    story = Story()
    await hub.take(story.received([stated("child.hunger", "persistent")]), story.completed())
    case_id = story.child_ids[0]

    async def listed() -> list[Any]:
        return [one["child"]["dash"] for one in (await worker.get("/v1/lists/marac_weekly")).json()["items"]]

    await worker.read(case_id)
    below = {**DASH, "answers": {"yes": 13, "no": 8, "unknown": 3}}
    await worker.post(path(story), below)
    assert await listed() == []
    outcome = (await worker.open(case_id))[0]["evaluation"]["outcome"]
    assert outcome["level"] != "section_47"
    assert outcome["could_rise_to"] == "section_47", "three open questions may be three yes"
    grave = {**DASH, "answers": {"yes": 14, "no": 8, "unknown": 2}}
    assert (await worker.post(path(story), grave)).status_code == 201
    assert await listed() == [{"yes": 14, "no": 8, "unknown": 2}]
    view, _ = await worker.open(case_id)
    assert view["evaluation"]["outcome"]["level"] == "section_47"
    assert len(view["evidence"]["findings"]) == 2


async def test_the_screening_tool_finishes_the_task_that_asked_for_it(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    asked = "SELECT done_by FROM task WHERE kind = 'exploitation_screen'"
    assert [row[0] for row in await hub.rows(asked)] == [None]
    await worker.post(path(story), DASH)
    assert [row[0] for row in await hub.rows(asked)] == [None]
    assert (await worker.post(path(story), SCREEN)).status_code == 201
    assert [row[0] for row in await hub.rows(asked)] == ["staff-sw-1"]


async def test_tools_are_counted_by_result_over_days_and_without_what_is_hidden(
    hub: HubWorld, story: Story, worker: Person, trusted: Person
) -> None:
    other = Story()
    await hub.take(other.received([stated("child.hunger", "persistent")]))
    await worker.post(path(story), DASH)
    await worker.post(path(other), DASH)
    await worker.post(path(other), {**DASH, "result": None, "on": "2026-01-02"})
    await hub.rows("UPDATE child_case SET restricted = true WHERE id = $1", other.child_ids[0])

    async def counted(person: Person, **days: str) -> dict[str, list[tuple[str | None, int]]]:
        answer = await person.get("/v1/tools/counts", **days)
        return {
            one["tool"]: [(each["result"], each["times"]) for each in one["results"]]
            for one in answer.json()["items"]
        }

    assert (await counted(trusted))["dash"] == [("medium", 2), (None, 1)]
    assert (await counted(trusted))["quality_of_care"] == []
    assert (await counted(worker))["dash"] == [("medium", 1)]
    assert (await counted(trusted, **{"from": "2026-11-01"}))["dash"] == [("medium", 2)]
    assert (await counted(trusted, **{"from": "2026-11-21"}))["dash"] == []


async def test_what_no_tool_says_is_refused_with_its_place(story: Story, worker: Person) -> None:
    refused = await worker.post(path(story), {**DASH, "answers": None})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/answers")
    assert (await worker.get(path(story))).json()["items"] == []
