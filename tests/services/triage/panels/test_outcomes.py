"""What a panel comes to about a child is told, stands on the case, and can be corrected."""

import csv
import io
from datetime import date, timedelta

import httpx
import pytest

from libs.schemas.levels import Stage
from sandbox.issuer import Issuer
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.panels.test_panels import PANEL, decided, path_of
from tests.services.triage.staff import CANARY, Person


@pytest.fixture
def chair(http: httpx.AsyncClient, issuer: Issuer) -> Person:
    return Person(http, issuer, "panel-chair-1")


async def test_an_outcome_is_written_once_and_sets_the_review(
    hub: HubWorld, manager: Person, chair: Person
) -> None:
    story = await decided(hub, manager, **PANEL)
    path = await path_of(chair, "masg_central_and_east")
    item = f"{path}/items/{story.child_ids[0]}"
    body = {"outcome": "plan_agreed", "note": f"School meets {CANARY}'s mother."}
    answer = await chair.put(item, body)
    assert answer.status_code == 200, answer.text
    [kept] = answer.json()["items"]
    assert (kept["outcome"], kept["settled_by"]) == ("plan_agreed", chair.id)
    assert kept["outcome_words"] == answer.json()["outcomes"]["plan_agreed"]
    seen = await hub.rows("SELECT subject, case_id FROM access WHERE action = 'panel.settle'")
    assert [tuple(row) for row in seen] == [(chair.id, story.child_ids[0])]
    day = date.fromisoformat(answer.json()["day"])
    assert kept["review_on"] == str(day + timedelta(weeks=12))
    assert (await chair.put(item, body)).json() == answer.json()
    reads = await hub.rows("SELECT case_id FROM access WHERE action = 'agenda.read'")
    assert [row[0] for row in reads] == story.child_ids * 2, "both answers show it"
    other = await chair.put(item, {"outcome": "no_panel_help", "note": "No."})
    assert (other.status_code, other.json()["settled_by"]) == (409, chair.id)
    case_id = story.child_ids[0]
    [shown] = (await manager.open(case_id))[0]["panels"]
    assert (shown["outcome"], shown["note"], shown["counts"]) == ("plan_agreed", body["note"], True)
    items = (await manager.get(f"/v1/cases/{case_id}/chronology")).json()["items"]
    [entry] = [one for one in items if one["kind"] == "panel_outcome"]
    assert entry["on"] == str(day)
    assert shown["name"] in entry["words"]
    [told] = [payload for name, payload in await hub.emitted(story.id) if name == "panel-concluded"]
    assert told.children[case_id].model_dump(mode="json") == {
        "panel": "masg_central_and_east",
        "day": str(day),
        "number": 1,
        "outcome": "plan_agreed",
        "review_on": kept["review_on"],
    }
    assert (await hub.case(case_id)).stage is Stage.HAND_OVER
    await corrected_with_a_reason(hub, story, manager, chair, item)
    await exported(chair, path)


async def test_a_panel_says_nothing_of_a_child_who_is_not_on_its_agenda(
    hub: HubWorld, manager: Person, chair: Person
) -> None:
    await decided(hub, manager, **PANEL)
    path, elsewhere = await path_of(chair, "masg_central_and_east"), Story()
    await hub.take(elsewhere.received(), elsewhere.completed())
    answer = await chair.put(
        f"{path}/items/{elsewhere.child_ids[0]}", {"outcome": "plan_agreed", "note": "Hers."}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "not-on-the-agenda")


async def test_the_day_of_review_that_a_panel_names_stands(
    hub: HubWorld, manager: Person, chair: Person
) -> None:
    story = await decided(hub, manager, **PANEL)
    path = await path_of(chair, "masg_central_and_east")
    nearer = str(date.fromisoformat(path.rpartition("/")[2]) + timedelta(weeks=2))
    body = {"outcome": "plan_agreed", "note": "School meets her mother.", "review_on": nearer}
    answer = await chair.put(f"{path}/items/{story.child_ids[0]}", body)
    [kept] = answer.json()["items"]
    assert kept["review_on"] == nearer


async def corrected_with_a_reason(
    hub: HubWorld, story: Story, manager: Person, chair: Person, item: str
) -> None:
    [case_id] = story.child_ids
    correction = {
        "outcome": "not_for_this_panel",
        "note": "=Nothing fits.",
        "reason": "Wrong child.",
        "corrects": 1,
    }
    early = await chair.put(f"{item}/correction", {**correction, "corrects": 2})
    assert (early.status_code, early.json()["number"]) == (409, 1)
    assert (await manager.put(f"{item}/correction", correction)).status_code == 403
    answer = await chair.put(f"{item}/correction", correction)
    assert answer.status_code == 200, answer.text
    assert (await chair.put(f"{item}/correction", correction)).json() == answer.json()
    late = await chair.put(f"{item}/correction", {**correction, "note": "Another."})
    assert (late.status_code, late.json()["outcome"]) == (409, "not_for_this_panel")
    first, second = (await manager.open(case_id))[0]["panels"]
    assert (first["outcome"], first["counts"], first["reason"]) == ("plan_agreed", False, None)
    assert (second["outcome"], second["counts"], second["reason"]) == (
        "not_for_this_panel",
        True,
        "Wrong child.",
    )
    numbers = [
        payload.children[case_id].number
        for name, payload in await hub.emitted(story.id)
        if name == "panel-concluded"
    ]
    assert numbers == [1, 2]
    assert (await hub.case(case_id)).stage is Stage.DECISION, "that outcome asks for a new decision"
    once_more = {**correction, "note": "=Nothing fits her.", "corrects": 2}
    assert (await chair.put(f"{item}/correction", once_more)).status_code == 200
    assert (await hub.names(story.id)).count("case-reopened") == 1, "and asks for it once"


async def exported(chair: Person, path: str) -> None:
    token = {"Authorization": f"Bearer {chair.token}", "Accept": "text/csv"}
    answer = await chair.http.get(path, headers=token)
    _, _, day = path.rpartition("/")
    assert answer.headers["content-disposition"] == f'attachment; filename="masg_central_and_east-{day}.csv"'
    [row] = csv.DictReader(io.StringIO(answer.text))
    told = ("name", "corrected_because", "stage", "level", "destination", "seen_as")
    assert [row[name] for name in told] == [
        CANARY,
        "Wrong child.",
        "To be decided",
        "Targeted support",
        "The Multi-Agency Support Group",
        "For the panel",
    ]
    assert row["note"] == "'=Nothing fits her."


async def test_an_outcome_that_says_so_asks_for_a_new_decision(
    hub: HubWorld, manager: Person, chair: Person
) -> None:
    story = await decided(hub, manager, **PANEL)
    path = await path_of(chair, "masg_central_and_east")
    await chair.put(
        f"{path}/items/{story.child_ids[0]}",
        {"outcome": "not_for_this_panel", "note": "Needs an assessment."},
    )
    assert (await hub.case(story.child_ids[0])).stage is Stage.DECISION
    assert (await hub.names(story.id))[-1] == "case-reopened"


async def test_a_panel_that_only_lists_a_child_reads_of_them_and_opens_nothing(
    hub: HubWorld, manager: Person, chair: Person
) -> None:
    story = await decided(hub, manager, stated("family.services_needed_together", 3))
    case_id, path = story.child_ids[0], await path_of(chair, "masg_central_and_east")
    [item] = (await chair.get(path)).json()["items"]
    assert (item["decided_to"], item["listed"]) == ("early_help", True)
    again = str(date.fromisoformat(path.rpartition("/")[2]) + timedelta(weeks=2))
    said = {"outcome": "not_for_this_panel", "note": "Early help does it.", "again_on": again}
    assert (await chair.put(f"{path}/items/{case_id}", said)).status_code == 200
    assert (await hub.case(case_id)).stage is Stage.HAND_OVER
    [item] = (await chair.get(f"{path.rpartition('/')[0]}/{again}")).json()["items"]
    assert (item["outcome"], item["listed"]) == (None, True)
