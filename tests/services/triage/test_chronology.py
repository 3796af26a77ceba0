"""What happened to a child is one list with source and day; what no longer counts stays in it and is marked."""

from datetime import date, timedelta

from libs.schemas.codes import ContactKind
from libs.schemas.history import EarlierReport, StepDown
from libs.schemas.levels import Destination, Level
from libs.schemas.plans import Plan, PlanKind
from tests.services.triage.conftest import MONDAY, HubWorld, Story, stated
from tests.services.triage.staff import Person
from tests.services.triage.test_family import BABY, HUNGRY


async def test_a_chronology_is_one_list_with_source_and_day(hub: HubWorld, worker: Person) -> None:
    story = Story()
    seen = stated("household.domestic_abuse", "repeated").model_copy(update={"on": date(2026, 10, 2)})
    before = EarlierReport(
        on=date(2026, 3, 1),
        decided_on=date(2026, 3, 2),
        agency="st_ives_primary",
        reference="ABCD",
        level=Level.TARGETED,
        destination=Destination.EARLY_HELP,
    )
    twice = EarlierReport(on=date(2026, 11, 22), kind=ContactKind.NEW_WORRY, event="E")
    linked = story.linked(before, twice, event="E")
    [child_id] = story.child_ids
    child = linked.payload.children[child_id]
    history = child.history.model_copy(update={"step_downs": (StepDown(on=date(2026, 5, 1)),)})
    linked.payload.children[child_id] = child.model_copy(update={"history": history})
    plan = Plan(kind=PlanKind.CHILD_IN_NEED, opened=date(2025, 1, 1), closed=date(2026, 5, 1))
    later = MONDAY + timedelta(minutes=5)
    await hub.take(
        story.received([HUNGRY]),
        linked,
        story.answer("social_care", state="returned", plans=(plan,), answered_at=MONDAY),
        story.answer("police", seen, answered_at=later),
        story.corrected("police", retracted=True),
    )
    answer = await worker.get(f"/v1/cases/{child_id}/chronology")
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert [(one["on"], one["kind"], one["source"], one["counts"]) for one in items] == [
        ("2025-01-01", "plan_opened", "social_care", True),
        ("2026-03-01", "earlier_report", "index", True),
        ("2026-03-02", "earlier_decision", "index", True),
        ("2026-05-01", "plan_closed", "social_care", True),
        ("2026-05-01", "step_down", "index", True),
        ("2026-10-02", "fact", "police", False),
        ("2026-11-22", "earlier_report", "index", False),
        ("2026-11-23", "answer", "social_care", True),
        ("2026-11-23", "correction", "police", True),
        ("2026-11-23", "referral", "referrer", True),
        ("2026-11-23", "answer", "police", False),
    ]
    assert items[2]["words"] == "Decided: targeted support, to early help."
    reads = await hub.rows("SELECT action FROM access WHERE case_id = $1", child_id)
    assert "chronology.read" in {row[0] for row in reads}


async def test_a_found_childs_case_shows_who_named_it_and_how(hub: HubWorld, worker: Person) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]), story.found(BABY))
    view, _ = await worker.open(story.child_ids[1])
    received = view["evidence"]["received"]
    assert (received["found_by"], received["child"]["given_name"]) == ("social_care", "Found")
    items = (await worker.get(f"/v1/cases/{story.child_ids[1]}/chronology")).json()["items"]
    assert (
        items[0]["words"]
        == "Referral by St Ives Primary; the child was named by Children's social care, Peterborough."
    )
