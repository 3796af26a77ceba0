"""Each state, reached by each real way of asking: kept apart from every other, with what belongs to it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from libs.platform.clock import SystemClock
from libs.schemas.findings import AgencyState, Answer
from libs.schemas.levels import Level
from tests.services.enrichment.conftest import Case, Sandbox, World, until, until_completed, until_time_is_up
from tests.services.enrichment.serving import Hub, hub

MIA: dict[str, Any] = {
    "given_name": "Mia",
    "family_name": "Farthing-Test",
    "born": {"on": "2022-03-14"},
    "nhs_number": "9990001006",
}
WREN: dict[str, Any] = {
    "given_name": "Wren",
    "family_name": "Kestrel-Test",
    "born": {"on": "2015-02-11"},
    "nhs_number": "9990041008",
    "upn": "T874200026001",
}
KNOWN = {
    "police": (MIA, 0),
    "health": (MIA, 1),
    "education": (MIA, 2),
    "marac": (MIA, 5),
    "social_care": (WREN, 0),
    "early_help": (WREN, 0),
    "housing": (WREN, 0),
}
"""A child of whom the agency holds something, and how many days old what it holds is."""

FETCHES = frozenset(("marac",))
"""Agencies that fetch their questions: theirs is to answer, so that nothing of theirs can be unavailable."""

NUMBERS = {
    "nothing_held": "9990042012",
    "outside_coverage": "9990042020",
    "decline": "9990042039",
    "late": "9990042047",
    "hang": "9990042055",
    "status": "9990042063",
}


def child(name: str) -> dict[str, Any]:
    """A child whom no agency knows."""
    return {
        "given_name": name.replace("_", "").title(),
        "family_name": "Plover-Test",
        "born": {"on": f"201{len(name) % 10}-05-0{1 + list(NUMBERS).index(name)}"},
        "nhs_number": NUMBERS[name],
    }


@pytest.fixture
async def running(world: World, sandbox: Sandbox) -> AsyncIterator[Hub]:
    async with hub(world, sandbox) as one:
        yield one


async def answers(running: Hub, case: Case) -> dict[str, Answer]:
    """The last answer of each agency."""
    return {each.agency: each for each in await running.instance.answers(case.child)}


async def tell(sandbox: Sandbox, agencies: Any, name: str, behaviour: str, **more: Any) -> None:
    for agency in agencies:
        await sandbox.tell(agency, behaviour, child={"given_name": child(name)["given_name"]}, **more)


async def test_what_is_held_comes_with_its_dates_and_its_age(running: Hub) -> None:
    cases = {"Mia": Case(children=(MIA,)), "Wren": Case(children=(WREN,))}
    for case in cases.values():
        await running.instance.take(case.received(), case.screened(Level.SECTION_47))
        await until_completed(running.instance, case.child)
    today = SystemClock().now().date()
    for agency in running.instance.checks.answering.terms:
        known, age = KNOWN[agency]
        answer = (await answers(running, cases[known["given_name"]]))[agency]
        assert answer.state is AgencyState.RETURNED, (agency, answer.reason)
        assert answer.facts, agency
        assert (answer.as_of, answer.late) == (today - timedelta(days=age), False), agency
        assert answer.asked_at is not None, agency
        assert answer.answered_at is not None, agency
        assert answer.due_at is not None, agency
        assert answer.asked_at <= answer.answered_at <= answer.due_at, agency


async def test_each_kind_of_nothing_is_told_apart_by_every_way_of_asking(
    running: Hub, sandbox: Sandbox
) -> None:
    agencies = list(running.instance.checks.answering.terms)
    await tell(sandbox, agencies, "nothing_held", "nothing_held")
    await tell(sandbox, agencies, "outside_coverage", "outside_coverage")
    await tell(sandbox, agencies, "decline", "decline")
    await tell(sandbox, agencies, "late", "late", seconds=600)
    await tell(sandbox, agencies, "hang", "fail", fault="hang")
    await tell(sandbox, agencies, "status", "fail", fault="status", status=503)
    cases = {name: Case(children=(child(name),)) for name in NUMBERS}
    for case in cases.values():
        await running.instance.take(case.received(), case.screened(Level.SECTION_47))
    for name in ("nothing_held", "outside_coverage", "decline"):
        await until_completed(running.instance, cases[name].child)
    for name in ("late", "hang", "status"):
        running.instance.hanging = (
            [each for each in agencies if each not in FETCHES] if name == "hang" else []
        )
        assert await answers(running, cases[name]) == {}, "what is pending is told by nobody"
        pending = "SELECT array_agg(DISTINCT state) FROM agency_check WHERE child_id = $1"
        pool = running.instance.ledger.pool
        assert await pool.fetchval(pending, cases[name].child) == [AgencyState.PENDING]
        await until_time_is_up(running.instance, cases[name].child)
    said = {name: await answers(running, case) for name, case in cases.items()}
    for agency in agencies:
        nothing, outside, declined = (said[name][agency] for name in list(NUMBERS)[:3])
        assert (nothing.state, nothing.reason) == (AgencyState.NOTHING_HELD, None), agency
        assert outside.state is AgencyState.OUTSIDE_COVERAGE, agency
        assert declined.state is AgencyState.DECLINED, agency
        assert declined.reason in ("agency_declined", "not_permitted"), agency
        for answer in (nothing, outside, declined):
            assert answer.answered_at is not None, agency
        late, hung, failed = (said[name][agency] for name in list(NUMBERS)[3:])
        assert (late.state, late.reason) == (AgencyState.NO_ANSWER, "accepted"), agency
        assert hung.state is AgencyState.NO_ANSWER, agency
        if agency in FETCHES:
            assert (failed.state, failed.reason) == (AgencyState.NO_ANSWER, "accepted")
        else:
            assert (failed.state, failed.reason) == (AgencyState.UNAVAILABLE, "http_503"), agency
        for answer in (late, hung, failed):
            assert (answer.answered_at, answer.as_of) == (None, None), agency
            assert answer.asked_at is not None, agency
        for answer in (nothing, outside, declined, late, hung, failed):
            assert (answer.facts, answer.narrative) == ((), None), agency


async def test_coverage_is_told_with_its_dates(running: Hub, sandbox: Sandbox) -> None:
    agencies = list(running.instance.checks.answering.terms)
    await tell(sandbox, agencies, "outside_coverage", "outside_coverage")
    case = Case(children=(child("outside_coverage"),))
    await running.instance.take(case.received(), case.screened(Level.SECTION_47))
    await until_completed(running.instance, case.child)
    today = SystemClock().now().date()
    for agency, answer in (await answers(running, case)).items():
        assert answer.coverage_from is not None, agency
        assert answer.coverage_from < today, agency
        # Early help tells since when it has records, and not until when.
        assert answer.coverage_to == (None if agency == "early_help" else today), agency


async def test_who_was_not_asked_is_told_so_with_the_reason_and_heard_of_nothing(
    running: Hub, sandbox: Sandbox
) -> None:
    case = Case(children=(MIA,), agreement="refused")
    await running.instance.take(case.received(), case.screened())
    await until_completed(running.instance, case.child)
    for agency, answer in (await answers(running, case)).items():
        assert (answer.state, answer.reason) == (AgencyState.NOT_REQUESTED, "agreement_refused"), agency
        assert (answer.asked_at, answer.answered_at) == (None, None), agency
        assert await sandbox.asked(agency) == [], agency


async def test_an_answer_after_the_deadline_is_taken_and_told_as_late(running: Hub, sandbox: Sandbox) -> None:
    agencies = list(running.instance.checks.answering.terms)
    await tell(sandbox, agencies, "late", "late", seconds=2)
    case = Case(children=(child("late"),))
    await running.instance.take(case.received(), case.screened(Level.SECTION_47))
    await until_time_is_up(running.instance, case.child)
    assert {each.state for each in (await answers(running, case)).values()} == {AgencyState.NO_ANSWER}
    pool = running.instance.ledger.pool
    await pool.execute(
        "UPDATE agency_check SET ask_at = now() + interval '2 seconds' WHERE ask_at IS NOT NULL"
    )

    async def all_late() -> bool:
        return all(each.late for each in (await answers(running, case)).values())

    await until(all_late, 15)
    assert {each.state for each in (await answers(running, case)).values()} == {AgencyState.NOTHING_HELD}
