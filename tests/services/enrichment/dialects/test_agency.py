"""An agency is asked as its file describes, to the last page or not at all."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from libs.schemas.findings import EXISTENCE_ONLY, PARTLY_UNDERSTOOD, AgencyState, Basis, Period
from services.enrichment.dialects.asking import body_of_page
from services.enrichment.dialects.loading import load_dialect
from services.enrichment.dialects.terms import Pages
from services.enrichment.partnership import agency_file, agency_terms
from tests.services.enrichment.conftest import Sandbox
from tests.services.enrichment.dialects.conftest import MIA, NOBODY, WREN, Asking

RETURNED, NOTHING, UNAVAILABLE = AgencyState.RETURNED, AgencyState.NOTHING_HELD, AgencyState.UNAVAILABLE


async def test_police_are_searched_with_a_token_and_every_granted_section_is_read_to_its_last_page(
    asking: Asking,
) -> None:
    reply = await asking.ask("police", MIA)
    assert (reply.state, reply.reason) == (RETURNED, None)
    stated = {fact.fact: (fact.value, fact.basis) for fact in reply.facts}
    assert stated["household.strangulation_or_weapon"] == (True, Basis.RECORD)
    assert stated["household.domestic_abuse_incidents_6_months"] == (3, Basis.RECORD)
    assert reply.narrative is not None
    assert reply.coverage_from is not None
    steps = await asking.steps("police")
    assert {"search", "involvements", "warnings", "associates"} <= steps.keys()


async def test_only_sections_of_granted_items_are_fetched(asking: Asking) -> None:
    reply = await asking.ask("police", MIA, items=("whereabouts",))
    assert reply.state is RETURNED
    steps = await asking.steps("police")
    assert "involvements" in steps
    assert not steps.keys() & {"warnings", "associates"}


@pytest.mark.parametrize("name", ["police", "education", "social_care", "early_help"])
async def test_of_what_may_only_be_asked_whether_it_exists_no_section_is_fetched(
    asking: Asking, name: str
) -> None:
    child = WREN if name != "police" else MIA
    reply = await asking.ask(name, child, items=("help", "safety"), existence_only=("help", "safety"))
    assert (reply.state, reply.reason) == (RETURNED, EXISTENCE_ONLY)
    assert (reply.facts, reply.narrative, reply.plans, reply.worker) == ((), None, (), None)


@pytest.mark.parametrize("name", ["police", "education", "social_care", "early_help"])
async def test_whom_an_agency_does_not_know_is_nothing_held_with_its_coverage(
    asking: Asking, name: str
) -> None:
    reply = await asking.ask(name, NOBODY)
    assert (reply.state, reply.reason) == (NOTHING, None)
    assert reply.coverage_from is not None


async def test_pages_that_are_counted_are_read_to_the_last_and_never_round_in_a_circle(
    asking: Asking, sandbox: Sandbox
) -> None:
    housing = connected(asking)
    reply = await housing.ask("housing", WREN)
    # What is unsafe stands on the second page only.
    assert ("child.home_conditions", "unsafe") in {(fact.fact, fact.value) for fact in reply.facts}
    await sandbox.tell("housing", "fail", fault="endless", step="visits")
    reply = await housing.ask("housing", WREN)
    assert (reply.state, reply.reason) == (UNAVAILABLE, "endless_pages")
    assert not reply.has_content


def test_where_a_page_is_asked_for_with_a_body_its_number_stands_there() -> None:
    pages = Pages(lists=(), number="paging.page", first=0)
    body = {"paging": {"size": 10}, "name": "Wren"}
    assert body_of_page(body, pages, 2) == {"paging": {"size": 10, "page": 2}, "name": "Wren"}
    assert body_of_page(body, None, 2) == body


def connected(asking: Asking) -> Asking:
    """With the housing service of the examples."""
    fields = agency_file(Path("examples/agencies/housing.yaml"))
    return replace(
        asking,
        terms={"housing": agency_terms("housing", fields)},
        dialects={"housing": load_dialect(fields["dialect"], asking.dictionary)},
    )


async def test_an_unborn_child_is_looked_for_by_the_mother(asking: Asking) -> None:
    mother = {"given_name": "Robyn", "family_name": "Quill-Test"}
    for name in ("police", "social_care"):
        reply = await asking.ask(name, {"family_name": "Quill-Test"}, mother=mother)
        assert reply.state is RETURNED, name
        assert "household.substance_misuse" in {fact.fact for fact in reply.facts}


async def test_education_is_submitted_once_and_fetched_when_it_is_ready(
    asking: Asking, sandbox: Sandbox
) -> None:
    await sandbox.tell("education", "late", seconds=3)
    agency = asking.agency("education")
    try:
        replies = [await _asked(agency, WREN), await _asked(agency, WREN)]
    finally:
        await agency.close()
    assert [(one.state, one.reason) for one in replies] == [(AgencyState.NO_ANSWER, "accepted")] * 2
    assert all(one.retry_after for one in replies)
    assert (await asking.steps("education"))["submit"] == 1


async def test_a_result_that_has_expired_is_submitted_again_under_the_same_id(
    asking: Asking, sandbox: Sandbox
) -> None:
    await sandbox.tell("education", "fail", fault="result_expired", step="poll", times=1)
    reply = await asking.ask("education", WREN)
    assert reply.state is RETURNED
    (asked,) = await sandbox.asked("education")
    assert asked["idempotency_keys"] == ["q"]
    assert (await asking.steps("education"))["submit"] == 2


async def test_a_token_that_is_refused_is_fetched_anew_once(asking: Asking, sandbox: Sandbox) -> None:
    await sandbox.tell("police", "fail", fault="token_expired", step="involvements", times=1)
    assert (await asking.ask("police", MIA)).state is RETURNED
    await sandbox.tell("police", "fail", fault="token_expired", step="involvements")
    reply = await asking.ask("police", MIA, question_id="again")
    assert (reply.state, reply.reason) == (UNAVAILABLE, "http_401")


async def test_a_wrong_secret_is_told_apart_from_an_agency_that_is_away(asking: Asking) -> None:
    assert (await asking.ask("police", MIA, key="wrong")).reason == "not_authorised"
    assert (await asking.ask("social_care", MIA, key="wrong")).reason == "http_401"
    reply = await asking.ask("social_care", MIA, url="http://127.0.0.1:9")
    assert (reply.state, reply.reason) == (UNAVAILABLE, "cannot_connect")


async def test_a_rate_limit_says_how_long_to_wait(asking: Asking, sandbox: Sandbox) -> None:
    await sandbox.tell("police", "fail", fault="status", status=429, retry_after=7, step="warnings")
    reply = await asking.ask("police", MIA)
    assert (reply.state, reply.reason, reply.retry_after) == (UNAVAILABLE, "http_429", 7.0)


FAULTS = {
    "malformed": "not_json",
    "html": "not_json",
    "truncated": "broken_off",
    "not_utf8": "not_utf8",
    "duplicate_key": "contract",
    "too_large": "too_large",
    "future_date": "future_date",
    "uncertain": "not_certain",
    "someone_else": "about_someone_else",
}


@pytest.mark.parametrize(("fault", "reason"), FAULTS.items())
@pytest.mark.parametrize("name", ["police", "social_care"])
async def test_what_cannot_be_relied_on_is_unavailable_with_its_reason(
    asking: Asking, sandbox: Sandbox, name: str, fault: str, reason: str
) -> None:
    await sandbox.tell(name, "fail", fault=fault)
    reply = await asking.ask(name, MIA)
    assert (reply.state, reply.reason) == (UNAVAILABLE, reason)
    assert not reply.has_content


@pytest.mark.parametrize("fault", ["status", "html", "truncated", "endless", "other_origin", "malformed"])
@pytest.mark.parametrize("step", ["involvements", "page"])
async def test_an_answer_that_is_cut_off_in_the_middle_is_no_answer(
    asking: Asking, sandbox: Sandbox, fault: str, step: str
) -> None:
    if (fault, step) == ("endless", "involvements"):
        step = "search"
    await sandbox.tell("police", "fail", fault=fault, step=step)
    reply = await asking.ask("police", MIA)
    assert reply.state is UNAVAILABLE
    assert not reply.has_content


async def test_a_code_that_is_on_no_list_is_counted_and_leaves_a_gap(
    asking: Asking, sandbox: Sandbox
) -> None:
    await sandbox.tell("police", "fail", fault="unknown_fact")
    reply = await asking.ask("police", MIA)
    assert (reply.state, reply.reason) == (RETURNED, PARTLY_UNDERSTOOD)
    assert sum(reply.dropped.values()) >= 1


async def test_social_care_brings_plans_the_allocated_worker_and_whoever_lives_there(asking: Asking) -> None:
    reply = await asking.ask("social_care", WREN)
    assert [plan.kind for plan in reply.plans] == ["child_in_need"]
    assert reply.worker is not None
    assert reply.worker.team == "Adolescents"
    finch = next(one for one in reply.people if one.given_name == "Finch")
    assert (finch.relation, finch.same_household) == ("sibling", True)
    assert any(one.thought_to_harm for one in reply.people)
    assert Period.CONTINUING in {fact.period for fact in reply.facts}


async def _asked(agency: Any, child: Any) -> Any:
    from services.enrichment.asking.question import Question, Subject

    question = Question(
        question_id="q",
        purpose="p",
        basis="b",
        items=("education", "help"),
        child=Subject.model_validate(child),
    )
    return await agency.ask(question, trace=None)
