"""A decision puts a child on the next agenda; what the panel comes to stands on record; lists print and export."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.schemas.document import DocumentError
from libs.schemas.findings import Fact
from libs.schemas.levels import Destination, Stage
from libs.schemas.plans import Dash
from sandbox.issuer import Issuer
from services.triage.clocks.calendar import Calendar
from services.triage.panels.calendar import Panel, Programme
from services.triage.panels.lists import ListView
from services.triage.panels.spreadsheet import list_as_csv
from services.triage.partnership import load_partnership
from services.triage.thresholds import Thresholds
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.shipped import PARTNERSHIP
from tests.services.triage.staff import CANARY, Person

HUNGRY = stated("child.hunger", "persistent")
STRANGLED = stated("household.strangulation_or_weapon", True)
PANEL: dict[str, Any] = {
    "level": "targeted",
    "destination": "masg",
    "departure_reason": "The panel knows the family.",
}


@pytest.fixture
def chair(http: httpx.AsyncClient, issuer: Issuer) -> Person:
    return Person(http, issuer, "panel-chair-1")


@pytest.fixture
def programme(thresholds: Thresholds) -> Programme:
    return load_partnership(PARTNERSHIP, thresholds).programme


async def decided(hub: HubWorld, by: Person, *facts: Fact, **body: Any) -> Story:
    story = Story()
    await hub.take(story.received([HUNGRY, *facts]), story.completed())
    case_id = story.child_ids[0]
    await by.read(case_id)
    answer = await by.decide(case_id, (await by.open(case_id))[1], **body)
    assert answer.status_code == 200, answer.text
    return story


async def path_of(person: Person, panel: str) -> str:
    """The path of the panel's meeting on whose agenda somebody stands."""
    panels = (await person.get("/v1/panels")).json()["panels"]
    [one] = [one for one in panels if one["id"] == panel]
    [meeting] = [meeting for meeting in one["meetings"] if meeting["children"]]
    path: str = meeting["path"]
    return path


async def test_a_decision_puts_the_child_on_the_next_agenda_by_name(
    hub: HubWorld, manager: Person, chair: Person
) -> None:
    story = await decided(hub, manager, **PANEL)
    path = await path_of(manager, "masg_central_and_east")
    agenda = (await chair.get(path)).json()
    [item] = agenda["items"]
    assert (item["case_id"], item["child"]["name"], item["listed"]) == (
        str(story.child_ids[0]),
        CANARY,
        False,
    )
    assert agenda["day"] > "2026-11-23"
    assert agenda["missing"] == agenda["members"]
    assert CANARY not in path
    assert len(await hub.rows("SELECT 1 FROM access WHERE action = 'agenda.read'")) == 1

    # Staff correct where and when the child was born, one after the other, and say nothing of the name.
    [case_id] = story.child_ids
    for one in ({"address": {"postcode": "PE4 7AA"}, "born": {"on": "2011-01-02"}}, {"family_name": "Day"}):
        body = {"children": [{"case_id": str(case_id), "child": one}], "reason": "The school said so."}
        assert (await manager.post(f"/v1/cases/{case_id}/people", body)).status_code == 201
    anew = PANEL | {"rationale": "They have moved."}
    assert (await manager.decide(case_id, (await manager.open(case_id))[1], **anew)).status_code == 200
    assert (await chair.get(path)).json()["items"] == []
    [item] = (await chair.get(await path_of(chair, "masg_north_and_west"))).json()["items"]
    assert (item["child"]["name"], item["child"]["born"]["on"]) == (f"{CANARY} Day", "2011-01-02")
    message = (await manager.get(f"/v1/cases/{case_id}/handover/message")).json()
    assert message["name"] == f"{CANARY} Day"
    assert "parenting_course" not in {one["id"] for one in message["offers"]}, "the child is fifteen"


async def test_a_later_decision_takes_the_child_off_the_agenda(
    hub: HubWorld, manager: Person, chair: Person
) -> None:
    story = await decided(hub, manager, **PANEL)
    path = await path_of(manager, "masg_central_and_east")
    case_id = story.child_ids[0]
    higher = {"level": "section_17", "destination": "csc_section_17", "departure_reason": "Seen again."}
    assert (await manager.decide(case_id, (await manager.open(case_id))[1], **higher)).status_code == 200
    assert (await chair.get(path)).json()["items"] == []


async def test_a_child_may_stand_on_a_later_agenda_again(
    hub: HubWorld, manager: Person, chair: Person
) -> None:
    story = await decided(hub, manager, **PANEL)
    path = await path_of(chair, "masg_central_and_east")
    day = date.fromisoformat(path.rpartition("/")[2])
    later = {
        "outcome": "more_information",
        "note": "The school's report.",
        "again_on": str(day + timedelta(days=1)),
    }
    item = f"{path}/items/{story.child_ids[0]}"
    wrong = await chair.put(item, later)
    assert wrong.json()["errors"][0]["pointer"] == "/again_on"
    again = day + timedelta(weeks=2)
    assert (await chair.put(item, later | {"again_on": str(again)})).status_code == 200
    [next_one] = (await chair.get(f"{path.rpartition('/')[0]}/{again}")).json()["items"]
    assert next_one["outcome"] is None


async def test_the_panel_looks_again_when_its_outcome_says_so(
    hub: HubWorld, manager: Person, chair: Person, programme: Programme
) -> None:
    stories = [await decided(hub, manager, **PANEL) for _ in range(2)]
    path = await path_of(chair, "masg_central_and_east")
    for story, outcome in zip(stories, ("plan_agreed", "no_panel_help"), strict=True):
        said = {"outcome": outcome, "note": f"{CANARY} is seen each week."}
        assert (await chair.put(f"{path}/items/{story.child_ids[0]}", said)).status_code == 200
    items = {item["outcome"]: item["review_on"] for item in (await chair.get(path)).json()["items"]}
    assert items["no_panel_help"] is None

    panel = programme.panels["masg_central_and_east"]
    due = date.fromisoformat(items["plan_agreed"])
    day = next(panel.meetings(due, programme.calendar))
    agenda = (await chair.get(f"{path.rpartition('/')[0]}/{day}")).json()
    assert agenda["items"] == []
    [review] = agenda["reviews"]
    assert (review["case_id"], review["outcome"]) == (str(stories[0].child_ids[0]), "plan_agreed")
    assert review["note"].startswith(CANARY)
    reads = "SELECT 1 FROM access WHERE action = 'agenda.read' AND case_id = $1"
    assert len(await hub.rows(reads, stories[0].child_ids[0])) == 4, "two answers to an outcome show it too"
    for other in (panel.meeting_before(day, programme.calendar), day + panel.every):
        assert (await chair.get(f"{path.rpartition('/')[0]}/{other}")).json()["reviews"] == []
    await hub.rows("UPDATE child_case SET restricted = true RETURNING 1")
    assert (await chair.get(f"{path.rpartition('/')[0]}/{day}")).json()["reviews"] == []
    await hub.rows("UPDATE child_case SET restricted = false RETURNING 1")
    case_id = stories[0].child_ids[0]
    higher = {"level": "section_17", "destination": "csc_section_17", "departure_reason": "Seen again."}
    assert (await manager.decide(case_id, (await manager.open(case_id))[1], **higher)).status_code == 200
    assert (await chair.get(f"{path.rpartition('/')[0]}/{day}")).json()["reviews"] == []
    assert len((await chair.get(path)).json()["items"]) == 2, "what a panel came to stays on its agenda"


async def test_a_meeting_that_left_a_child_without_an_outcome_stays_in_sight(
    hub: HubWorld, manager: Person, chair: Person
) -> None:
    story, other = [await decided(hub, manager, **PANEL) for _ in range(2)]
    path = await path_of(chair, "masg_central_and_east")
    hub.clock.advance(timedelta(weeks=5))
    assert await path_of(chair, "masg_central_and_east") == path
    anew = {"level": "section_17", "destination": "csc_section_17", "departure_reason": "Seen again."}
    [case_id] = other.child_ids
    assert (await manager.decide(case_id, (await manager.open(case_id))[1], **anew)).status_code == 200
    [panel] = [
        one
        for one in (await chair.get("/v1/panels")).json()["panels"]
        if one["id"] == "masg_central_and_east"
    ]
    assert (panel["meetings"][0]["unsettled"], len(panel["meetings"])) == (1, 7)
    said = {"outcome": "no_panel_help", "note": "The school helps."}
    assert (await chair.put(f"{path}/items/{story.child_ids[0]}", said)).status_code == 200
    assert not [
        meeting
        for one in (await chair.get("/v1/panels")).json()["panels"]
        for meeting in one["meetings"]
        if meeting["children"]
    ]
    # What the panel says of the earlier decision puts nothing in question that was decided since.
    said = {"outcome": "not_for_this_panel", "note": "Needs an assessment."}
    assert (await chair.put(f"{path}/items/{case_id}", said)).status_code == 200
    assert (await hub.case(case_id)).stage is Stage.HAND_OVER


async def test_a_day_on_which_children_stand_keeps_its_agenda_when_the_partnership_moves_its_meetings(
    hub: HubWorld, manager: Person, chair: Person
) -> None:
    await decided(hub, manager, **PANEL)
    [row] = await hub.rows("UPDATE panel_item SET day = day + 1 RETURNING day")
    path = await path_of(chair, "masg_central_and_east")
    assert path.endswith(str(row["day"]))
    assert len((await chair.get(path)).json()["items"]) == 1
    nobody = f"{path.rpartition('/')[0]}/{row['day'] + timedelta(days=1)}"
    assert (await chair.get(nobody)).json()["code"] == "meeting-not-found"


async def test_who_was_there_is_kept_and_an_agency_without_anybody_is_missing(
    hub: HubWorld, manager: Person, chair: Person
) -> None:
    await decided(hub, manager, **PANEL)
    path = await path_of(chair, "masg_central_and_east")
    there = [{"agency": "police", "name": "Sergeant Day"}, {"agency": "health", "name": "Nurse Day"}]
    answer = await chair.put(f"{path}/members", {"chair": "Perry", "present": there})
    assert set(answer.json()["missing"]) == {"early_help", "education", "social_care"}
    acts = await hub.rows("SELECT action FROM access WHERE subject = $1 ORDER BY id", chair.id)
    assert [row[0] for row in acts] == ["panels.read", "panel.members", "agenda.read"]
    wrong = await chair.put(
        f"{path}/members", {"chair": "Perry", "present": [{"agency": "marac", "name": "X"}]}
    )
    assert wrong.json()["errors"][0]["pointer"] == "/present/0/agency"
    assert (await manager.put(f"{path}/members", {"chair": "Me", "present": []})).status_code == 403


async def test_no_agenda_or_list_shows_a_restricted_child_to_who_may_not_see_it(
    hub: HubWorld, manager: Person, chair: Person, http: httpx.AsyncClient, issuer: Issuer
) -> None:
    story = await decided(hub, manager, **PANEL)
    path = await path_of(chair, "masg_central_and_east")
    await hub.rows("UPDATE child_case SET restricted = true RETURNING 1")
    assert (await chair.get(path)).json()["items"] == []
    assert (await chair.get("/v1/lists/masg")).json()["items"] == []
    assert all(
        meeting["children"] == 0
        for panel in (await chair.get("/v1/panels")).json()["panels"]
        for meeting in panel["meetings"]
    )
    hidden = await chair.put(f"{path}/items/{story.child_ids[0]}", {"outcome": "plan_agreed", "note": "Yes."})
    assert (hidden.status_code, hidden.json()["code"]) == (404, "case-not-found")
    entitled = Person(http, issuer, "staff-mgr-2")
    assert len((await entitled.get("/v1/lists/masg")).json()["items"]) == 1


async def test_maracs_list_shows_what_was_not_asked_as_unknown(hub: HubWorld, manager: Person) -> None:
    story = Story()
    await hub.take(
        story.received([STRANGLED]),
        story.answer("police", STRANGLED, dash=Dash(yes=7, asked=10)),
        story.completed(),
    )
    [item] = (await manager.get("/v1/lists/marac_daily")).json()["items"]
    assert item["child"]["dash"] == {"yes": 7, "no": 3, "unknown": 14}
    hub.clock.advance(timedelta(hours=25))
    assert (await manager.get("/v1/lists/marac_daily")).json()["items"] == []
    assert len((await manager.get("/v1/lists/marac_weekly")).json()["items"]) == 1
    # The conference hears of a child whatever became of the referral meanwhile.
    await hub.rows(
        "UPDATE child_case SET stage = 'closed', closed_at = received_at, decision = 1 RETURNING 1"
    )
    assert len((await manager.get("/v1/lists/marac_weekly")).json()["items"]) == 1


async def test_maracs_list_shows_the_gravest_dash_that_anybody_told_of(
    hub: HubWorld, manager: Person
) -> None:
    story = Story()
    await hub.take(
        story.received([STRANGLED, stated("household.dash_score", 16)]),
        story.answer("police", STRANGLED, dash=Dash(yes=7, asked=10)),
    )
    [item] = (await manager.get("/v1/lists/marac_daily")).json()["items"]
    assert item["child"]["dash"] == {"yes": 16, "no": 8, "unknown": 0}


async def test_a_list_exports_as_a_table_that_runs_no_formula(hub: HubWorld, manager: Person) -> None:
    await decided(hub, manager, **PANEL)
    token = {"Authorization": f"Bearer {manager.token}", "Accept": "text/csv"}
    answer = await manager.http.get("/v1/lists/masg", headers=token)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="masg-2026-11-23.csv"'
    [row] = csv.DictReader(io.StringIO(answer.text))
    assert (row["name"], row["dash_unknown"]) == (CANARY, "unknown")
    assert [row[name] for name in ("stage", "urgency", "level", "destination")] == [
        "Waits to be accepted",
        "Green",
        "Targeted support",
        "The Multi-Agency Support Group",
    ]
    view = (await manager.get("/v1/lists/masg")).json()
    trick = ListView.model_validate(view)
    for formula in ("=cmd|' /C calc'!A0", "  +1", "\t@SUM(A1)", "\uff1d1"):
        child = trick.items[0].child.model_copy(update={"name": formula})
        harmful = trick.items[0].model_copy(update={"child": child})
        [row] = csv.DictReader(io.StringIO(list_as_csv(trick.model_copy(update={"items": (harmful,)}))))
        assert row["name"] == f"'{formula}"
    *_, last = csv.DictReader(io.StringIO(list_as_csv(trick.model_copy(update={"more": True}))))
    assert last["reference"] == "There are more than these 1: those received last are left off."
    assert (await manager.get("/v1/lists/nothing")).json()["code"] == "list-not-found"


@settings(deadline=None)
@given(st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2031, 1, 1)))
def test_the_next_agenda_is_of_a_working_day_and_still_open(moment: datetime) -> None:
    programme = SHIPPED()
    now, calendar = moment.replace(tzinfo=UTC), programme.calendar
    for panel in programme.panels.values():
        day = panel.next_after(now, calendar)
        assert panel.meets(day, calendar)
        assert calendar.is_working_day(day)
        assert panel.starts(day, calendar) - panel.papers > now
        before = panel.meeting_before(day, calendar)
        assert before < panel.first or panel.starts(before, calendar) - panel.papers <= now
        assert [one for one in meetings_of_the_rule(panel, calendar) if before < one < day] == []


def meetings_of_the_rule(panel: Panel, calendar: Calendar) -> list[date]:
    """Every meeting up to 2031, turn by turn."""
    turns = [panel.first + count * panel.every for count in range(5 * 53)]
    held = []
    for turn in turns:
        while not calendar.is_working_day(turn):
            turn += timedelta(days=1)
        held.append(turn)
    return held


def test_no_panel_meets_on_christmas_day(programme: Programme) -> None:
    panel, calendar = programme.panels["access_to_support"], programme.calendar
    days = list(islice(panel.meetings(date(2026, 12, 18), calendar), 4))
    # 25 December is a Friday, and the 28th is kept for Boxing Day.
    assert days == [date(2026, 12, 18), date(2026, 12, 29), date(2027, 1, 4), date(2027, 1, 8)]
    assert not panel.meets(date(2026, 12, 25), calendar)
    assert panel.meeting_before(date(2027, 1, 4), calendar) == date(2026, 12, 29)


def _shipped() -> Callable[[], Programme]:
    from services.triage.thresholds import load_thresholds

    found: list[Programme] = []

    def once() -> Programme:
        if not found:
            found.append(load_partnership(PARTNERSHIP, load_thresholds(PARTNERSHIP)).programme)
        return found[0]

    return once


SHIPPED = _shipped()


def test_every_locality_has_a_panel_and_an_unknown_address_one_too(programme: Programme) -> None:
    for locality in ("north_and_west", "central_and_east", "south", None):
        panel = programme.panel_for(Destination.MASG, locality)
        assert panel is not None
        assert locality is None or panel.locality == locality
    assert programme.panel_for(Destination.SECTION_47, "south") is None


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("locality: south", "locality: suth", "unknown locality `suth`; did you mean `south`?"),
        ("members: [health, social_care]", "members: [helth, social_care]", "unknown agency `helth`"),
        ("members: [health, social_care]", "members: [health, health]", "`health` stands twice"),
        ("every_weeks: 1", "every_weeks: 0", "at least 1"),
        ("from: 2026-01-05", "from: 5 January", "expected a date"),
        ("from: 2026-01-05", "from: 2026-01-04", "the hub is closed on that weekday"),
        ('at: "13:30"', 'at: "1.30 pm"', "expected a time as HH:MM"),
        ("reopens: yes, reviews: no", "reopens: yes", "`reviews`"),
        ("for: unborn_baby_panel", "for: unborn_baby", "unknown destination `unborn_baby`"),
        ("action: marac_referral", "action: marac", "unknown action `marac`"),
        ("no_locality: masg_central_and_east", "no_locality: masg", "unknown panel `masg`"),
        ("title: Unborn babies, of:", "title: Unborn babies, action: lado, of:", "either `of`"),
        ("    locality: south\n", "", "no panel serves the locality `south`"),
    ],
)
def test_a_mistake_is_refused_with_its_place(
    tmp_path: Path, thresholds: Thresholds, right: str, wrong: str, said: str
) -> None:
    for name in ("authority.yaml", "handover.yaml", "panels.yaml", "offers.yaml"):
        (tmp_path / name).write_text((PARTNERSHIP / name).read_text())
    text = (tmp_path / "panels.yaml").read_text()
    assert right in text
    (tmp_path / "panels.yaml").write_text(text.replace(right, wrong, 1))
    with pytest.raises(DocumentError) as refused:
        load_partnership(tmp_path, thresholds)
    assert said in str(refused.value)
