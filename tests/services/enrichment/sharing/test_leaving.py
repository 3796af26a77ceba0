"""An agency hears what is on record as disclosed, and what cannot be recorded stays here."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from libs.messaging.event import Event
from libs.platform.clock import SystemClock
from libs.schemas.commands import CheckOrder
from libs.schemas.events import CHECK_ORDERED, CheckOrdered, Reference
from libs.schemas.findings import AgencyState, Basis, Fact
from libs.schemas.levels import Level, Rag
from services.enrichment.asking.agency import InstantAgency, Reply
from services.enrichment.asking.question import SENDABLE, Question
from services.enrichment.partnership import load_agencies
from tests.databases import execute
from tests.services.enrichment.conftest import (
    PARTNERSHIP,
    WREN,
    Case,
    Instance,
    World,
    until,
    until_completed,
)

OFFICER = {
    "given_name": "Suspectfirst",
    "family_name": "Suspectlast-Test",
    "thought_to_harm": True,
    "employer_agency": "cambridgeshire_police",
}
REPLY = Reply(
    AgencyState.RETURNED,
    facts=(Fact(fact="household.adult_risk", value="possible", basis=Basis.RECORD),),
    narrative="He is known for violence.",
)
OWN = {"police", "health", "education", "marac", "social_care", "early_help"}


@pytest.fixture
def heard(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, Question]:
    """What each of the partnership's agencies was asked; every agency answers at once and in full."""
    world.terms = load_agencies(PARTNERSHIP / "agencies")
    asked: dict[str, Question] = {}

    class Hearing(InstantAgency):
        def __init__(self, agency: str) -> None:
            self.agency = agency

        async def ask(self, question: Question, *, trace: str | None) -> Reply:
            asked[self.agency] = question
            return REPLY

    def reach(settings: Any, terms: Mapping[str, Any], *_: Any) -> dict[str, Hearing]:
        return {name: Hearing(name) for name in terms}

    monkeypatch.setattr("tests.services.enrichment.conftest.reach_agencies", reach)
    return asked


async def recorded(instance: Instance, direction: str) -> dict[str, Any]:
    """The recorded disclosures, by agency."""
    rows = await instance.ledger.pool.fetch("SELECT * FROM disclosure WHERE direction = $1", direction)
    return {row["agency"]: row for row in rows}


async def test_every_agency_hears_what_is_on_record_and_its_answer_is_recorded_too(
    world: World, heard: dict[str, Question]
) -> None:
    suspect = {**OFFICER, "employer_agency": None}
    instance, case = (
        await world.start(check_deadline_cap_seconds=None),
        Case(children=(WREN,), body={"adults": [suspect]}),
    )
    await instance.take(case.received(), case.screened(Level.SECTION_47, Rag.RED))
    states = await until_completed(instance, case.child)
    out, came = await recorded(instance, "out"), await recorded(instance, "in")
    assert set(out) == set(came) == set(states) == set(heard)
    assert len(heard["marac"].adults) == 1
    for agency, row in out.items():
        question = heard[agency]
        assert question.fields(SENDABLE) - {"adults", "suspect"} == set(row["fields"]) - {"adults", "suspect"}
        assert bool(question.adults) is bool({"adults", "suspect"} & set(row["fields"]))
        assert set(question.items) == set(row["items"]) == set(came[agency]["items"])
        said = json.loads(row["said"])["children"][str(case.child)]
        assert question.basis in {item["basis"] for item in said["rests_on"]}
        assert came[agency]["fields"] == ["household.adult_risk", "narrative"]


async def test_what_cannot_be_recorded_does_not_leave(world: World, heard: dict[str, Question]) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    pool = instance.ledger.pool
    schema = await pool.fetchval("SELECT current_schema()")
    await execute(world.dsn, f"ALTER TABLE {schema}.disclosure RENAME TO away")
    await instance.take(case.received(), case.screened())
    await asyncio.sleep(0.3)
    assert heard == {}
    assert await pool.fetchval("SELECT max(attempts) FROM agency_check") == 0
    await execute(world.dsn, f"ALTER TABLE {schema}.away RENAME TO disclosure")
    await until_completed(instance, case.child)
    assert set(await recorded(instance, "out")) == set(heard)


async def test_where_the_suspect_works_for_the_police_only_their_lead_is_asked(
    world: World, heard: dict[str, Question]
) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case(body={"adults": [OFFICER]})
    await instance.take(case.received(), case.screened(Level.SECTION_47, Rag.RED))

    async def others_answered() -> bool:
        return set(await recorded(instance, "in")) >= OWN - {"police"}

    await until(others_answered)
    assert "police" not in heard
    out = await recorded(instance, "out")
    assert {agency: row["audience"] for agency, row in out.items() if row["audience"] != "team"} == {
        "police": "lead"
    }


async def test_a_question_that_was_permitted_when_it_was_put_does_not_leave_once_it_is_not(
    world: World, heard: dict[str, Question]
) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    await instance.take(case.received(), case.screened(Level.SECTION_17, Rag.AMBER))
    await until_completed(instance, case.child)
    heard.clear()
    pool = instance.ledger.pool
    await pool.execute("UPDATE referral SET agreement = 'refused'")
    due = (
        "UPDATE agency_check SET state = 'no_answer', answered_at = NULL, ask_at = $1 WHERE agency = 'police'"
    )
    await pool.execute(due, instance.ledger.clock.now())
    instance.checks.asking.wake()

    async def held_back() -> bool:
        state = "SELECT state FROM agency_check WHERE agency = 'police'"
        return bool(await pool.fetchval(state) == "not_requested")

    await until(held_back)
    assert heard == {}


@pytest.mark.parametrize("agreement", ["refused", "not_sought", None, "a code of a newer release"])
async def test_without_the_familys_agreement_nothing_of_a_child_in_need_leaves_before_a_person_records_why(
    world: World, heard: dict[str, Question], agreement: str | None
) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case(agreement=agreement)
    await instance.take(case.received(), case.screened(Level.SECTION_17, Rag.AMBER))
    states = await until_completed(instance, case.child)
    assert set(states.values()) == {"not_requested"}
    assert await instance.ledger.pool.fetchval("SELECT count(*) FROM disclosure") == 0
    assert heard == {}


def ordered(case: Case, **changes: Any) -> Event:
    """An order of the hub's staff to ask the police about the first child."""
    command = CheckOrder.model_validate(
        {
            "command_id": uuid.uuid4(),
            "agency": "police",
            "action": "ask",
            "items": ["safety"],
            "purpose": "to know who was in the flat",
            "basis": "Children Act 1989 section 47",
            "reason": "He was seen there on Friday.",
            "by": "Sam Sandbox",
            "at": SystemClock().now(),
            **changes,
        }
    )
    shared = Reference(reference=case.reference, at=command.at)
    return case.event(CHECK_ORDERED, CheckOrdered(shared=shared, children={case.child: command}))


async def test_a_person_records_why_it_is_necessary_and_only_the_listed_fields_of_what_was_ordered_leave(
    world: World, heard: dict[str, Question]
) -> None:
    instance = await world.start(check_deadline_cap_seconds=None)
    case = Case(agreement="refused")
    await instance.take(case.received(), case.screened(Level.SECTION_17, Rag.AMBER))
    order = ordered(case)
    await instance.take(order)

    async def answered() -> bool:
        return set(await recorded(instance, "in")) == {"police"}

    await until(answered)
    assert heard["police"].items == ("safety",)
    assert heard["police"].purpose == "to know who was in the flat"
    (row,) = (await recorded(instance, "out")).values()
    assert (list(row["items"]), row["emergency"]) == (["safety"], False)
    assert set(row["fields"]) <= {"names", "sex", "born", "address", "mother"}
    (said,) = json.loads(row["said"])["children"][str(case.child)]["orders"]
    assert (said["by"], said["reason"]) == ("Sam Sandbox", "He was seen there on Friday.")


@pytest.mark.parametrize(
    ("approver", "asked"), [(None, False), ("sam sandbox", False), ("Morgan Sandbox", True)]
)
async def test_below_section_17_against_a_refusal_only_an_approved_emergency_leaves(
    world: World, heard: dict[str, Question], approver: str | None, asked: bool
) -> None:
    instance = await world.start(check_deadline_cap_seconds=None)
    case = Case(agreement="refused")
    await instance.take(case.received(), case.screened(Level.EARLY_HELP, Rag.GREEN))
    await instance.take(ordered(case), ordered(case, emergency=True, approver=approver))
    if asked:

        async def answered() -> bool:
            return set(await recorded(instance, "in")) == {"police"}

        await until(answered)
        (row,) = (await recorded(instance, "out")).values()
        assert row["emergency"] is True
        assert "Morgan Sandbox" in row["said"].decode()
    else:
        await asyncio.sleep(0.2)
        assert await recorded(instance, "out") == {}
    assert set(heard) == ({"police"} if asked else set())
