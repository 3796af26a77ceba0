"""A panel's agenda: what came of a child, when it is looked at again, who was there, and who may write it down."""

import re

import pytest

from tests.services.triage.console.conftest import HUNGRY, Browser, Office, case_path
from tests.services.triage.console.test_pages import words_of
from tests.services.triage.console.test_work import chosen, decide


@pytest.fixture
async def agenda(office: Office) -> tuple[str, str]:
    """The page of a meeting and the case of the child on its agenda."""
    story = await office.told([HUNGRY], agreements={"panel": {"answer": "given"}})
    manager = await office.at("staff-mgr-1", case_path(story, 0, "/reading"))
    await manager.submit({"immediate_danger": "no"}, "/reading")
    await manager.get(case_path(story, 0, "/decision"))
    await manager.submit(chosen(1, level="targeted", destination="masg"), "/decision")
    await decide(manager, **{"departure_code.1": "agreement", "departure_reason.1": "They ask for it."})
    await manager.get("/console/panels")
    for path in re.findall(r'href="(/console/panels/[^"]+)"', manager.page.text):
        if case_path(story) in (await manager.get(path)).text:
            return path, str(story.child_ids[0])
    raise AssertionError("no agenda has the child")


def on(name: str, case: str, day: str, month: str, year: str) -> dict[str, str]:
    """A day of a child's form."""
    return {f"{name}_{case}-day": day, f"{name}_{case}-month": month, f"{name}_{case}-year": year}


async def settle(chair: Browser, agenda: str, case: str, outcome: str, note: str, **days: str) -> None:
    """Writes down what came of a child."""
    said = {f"outcome.{case}": outcome, f"note.{case}": note}
    await chair.submit({"case": case, "action": "outcome", **said, **days}, agenda)


async def test_an_outcome_needs_what_it_is_and_what_was_agreed(
    office: Office, agenda: tuple[str, str]
) -> None:
    path, case = agenda
    chair = await office.at("panel-chair-1", path)
    await settle(chair, path, case, "", "")
    assert chair.page.status_code == 422
    for wanted in ("Select what the panel came to", "Enter what the panel agreed, and why"):
        assert chair.page.text.count(wanted) == 2
    assert "Enter why the outcome is corrected" not in chair.page.text
    assert await office.hub.rows("SELECT * FROM panel_outcome") == []


async def test_a_day_to_look_again_is_kept_and_stands_in_the_form_that_corrects_it(
    office: Office, agenda: tuple[str, str]
) -> None:
    path, case = agenda
    chair = await office.at("panel-chair-1", path)
    said = ("plan_agreed", "A play worker.")
    await settle(chair, path, case, *said, **on("review", case, "32", "1", "2027"))
    assert "Enter a day, a month and a year, such as 27 3 2026" in chair.page.text
    assert "A play worker." in chair.page.text
    await settle(chair, path, case, *said, **on("review", case, "5", "1", "2027"))
    assert "The outcome is kept." in chair.page.text, words_of(chair)
    assert "Review on 5 January 2027" in words_of(chair)
    values = dict(re.findall(rf'name="review_{case}-([a-z]+)"[^>]*value="(\d+)"', chair.page.text))
    assert values == {"day": "5", "month": "1", "year": "2027"}
    assert f'name="outcome.{case}" type="radio" value="plan_agreed" checked' in chair.page.text
    assert ">A play worker.</textarea>" in chair.page.text


async def test_a_child_stands_on_a_later_agenda_where_the_panel_wants_it(
    office: Office, agenda: tuple[str, str]
) -> None:
    path, case = agenda
    chair = await office.at("panel-chair-1", "/console/panels")
    panel = path.rpartition("/")[0]
    meetings = [one for one in re.findall(r'href="([^"]+)"', chair.page.text) if one.startswith(panel)]
    later = next(one for one in sorted(meetings) if one > path)
    year, month, day = later.rpartition("/")[2].split("-")
    await chair.get(path)
    await settle(chair, path, case, "more_information", "Nobody came.", **on("again", case, day, month, year))
    assert "The outcome is kept." in chair.page.text, words_of(chair)
    assert f'href="/console/cases/{case}"' in (await chair.get(later)).text


async def test_who_was_there_is_written_down_by_agency_and_needs_a_chair(
    office: Office, agenda: tuple[str, str]
) -> None:
    path, _ = agenda
    chair = await office.at("panel-chair-1", path)
    there = {"present.health": "Nurse Marlow", "present.education": "", "action": "members"}
    await chair.submit(there | {"chair": ""}, path, -1)
    assert chair.page.status_code == 422
    assert "Enter who chaired the meeting" in chair.page.text
    await chair.submit(there | {"chair": "Perry"}, path, -1)
    assert "The panel’s members are kept." in chair.page.text
    said = words_of(chair)
    assert "Chair Perry" in said
    present = said.partition("Present ")[2].partition("Nobody yet for")
    assert "Nurse Marlow (Community health" in present[0]
    assert "Community health" not in present[2].partition("The page prints")[0]
    assert re.search(r'name="present\.health"[^>]*value="Nurse Marlow"', chair.page.text)


async def test_who_is_no_chair_reads_the_agenda_and_writes_nothing(
    office: Office, agenda: tuple[str, str]
) -> None:
    path, case = agenda
    worker = await office.at("staff-sw-1", path)
    assert case in worker.page.text
    assert "Write down the outcome" not in worker.page.text
    assert f'name="outcome.{case}"' not in worker.page.text
    assert 'name="chair"' not in worker.page.text
    await worker.get("/console/queue")
    (csrf,) = {*re.findall(r'name="csrf" value="([^"]+)"', worker.page.text)}
    sent = {"csrf": csrf, "case": case, f"outcome.{case}": "no_role", f"note.{case}": "None."}
    assert (await worker.http.post(path, data=sent)).status_code == 403
    assert await office.hub.rows("SELECT * FROM panel_outcome") == []


@pytest.mark.parametrize(
    "path",
    [
        "/console/panels/no.such/2026-11-24",
        "/console/panels/no.such/2026-11-24/export",
        "/console/panels/..%2F..%2Fcases/2026-11-24",
        "/console/lists/no.such",
        "/console/lists/m%C3%A4rac",
        "/console/lists/no.such/export",
        "/console/lists/none_such",
    ],
)
async def test_a_name_that_is_no_panels_and_no_lists_leads_nowhere(office: Office, path: str) -> None:
    browser = await office.at("staff-mgr-1")
    assert (await browser.get(path)).status_code == 404


async def test_an_outcome_of_no_case_is_kept_nowhere(office: Office, agenda: tuple[str, str]) -> None:
    path, _ = agenda
    chair = await office.at("panel-chair-1", path)
    await chair.submit({"case": "the first", "note.x": "A play worker.", "action": "outcome"}, path)
    assert chair.page.status_code == 404
    assert "A play worker." in chair.page.text


async def test_an_agenda_is_exported_whole_and_to_nobody_who_reads_no_cases(
    office: Office, agenda: tuple[str, str]
) -> None:
    path, _ = agenda
    chair = await office.at("panel-chair-1", path)
    table = await chair.http.get(f"{path}/export")
    assert table.headers["cache-control"] == "no-store"
    assert "attachment" in table.headers["content-disposition"]
    auditor = await office.at("auditor-1", "/console/queue")
    for page in (f"{path}/export", path, "/console/lists/marac_daily/export", "/console/lists/marac_daily"):
        assert (await auditor.http.get(page)).status_code == 403, page
