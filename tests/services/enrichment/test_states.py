"""Every kind of nothing, reached through the real agencies over HTTP, and kept apart."""

from typing import Any

from libs.schemas.findings import PARTLY_UNDERSTOOD, AgencyState, Answer
from tests.services.enrichment.conftest import (
    FINCH,
    FOUR,
    WREN,
    Case,
    Instance,
    Sandbox,
    World,
    until_completed,
    until_time_is_up,
)


async def _answer(instance: Instance, case: Case, agency: str) -> Answer:
    (answer,) = [each for each in await instance.answers(case.child) if each.agency == agency]
    return answer


async def test_agencies_that_know_the_child_are_told_apart_from_those_that_hold_nothing(world: World) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    await instance.take(case.received(), case.screened())
    assert await until_completed(instance, case.child) == {
        "police": "declined",
        "health": "returned",
        "education": "returned",
        "early_help": "returned",
    }
    answer = await _answer(instance, case, "health")
    assert [(fact.fact, fact.value) for fact in answer.facts] == [("child.self_harm", "single_episode")]
    assert answer.narrative is not None
    assert answer.as_of is not None
    assert answer.asked_at is not None
    assert answer.answered_at is not None
    assert not answer.late


KINDS: list[tuple[dict[str, Any], AgencyState, str | None]] = [
    ({"behaviour": "nothing_held"}, AgencyState.NOTHING_HELD, None),
    ({"behaviour": "outside_coverage"}, AgencyState.OUTSIDE_COVERAGE, None),
    ({"behaviour": "decline"}, AgencyState.DECLINED, "agency_declined"),
    ({"behaviour": "late", "seconds": 60}, AgencyState.NO_ANSWER, "accepted"),
    ({"behaviour": "fail", "fault": "hang"}, AgencyState.NO_ANSWER, "deadline"),
    ({"behaviour": "fail", "fault": "status"}, AgencyState.UNAVAILABLE, "http_503"),
    ({"behaviour": "fail", "fault": "status", "status": 404}, AgencyState.UNAVAILABLE, "http_404"),
    ({"behaviour": "fail", "fault": "malformed"}, AgencyState.UNAVAILABLE, "not_json"),
    ({"behaviour": "fail", "fault": "html"}, AgencyState.UNAVAILABLE, "not_json"),
    ({"behaviour": "fail", "fault": "truncated"}, AgencyState.UNAVAILABLE, "broken_off"),
    ({"behaviour": "fail", "fault": "too_large"}, AgencyState.UNAVAILABLE, "too_large"),
    ({"behaviour": "fail", "fault": "not_utf8"}, AgencyState.UNAVAILABLE, "not_utf8"),
    ({"behaviour": "fail", "fault": "future_date"}, AgencyState.UNAVAILABLE, "future_date"),
    ({"behaviour": "fail", "fault": "unknown_state"}, AgencyState.UNAVAILABLE, "unknown_state"),
    ({"behaviour": "fail", "fault": "someone_else"}, AgencyState.UNAVAILABLE, "about_someone_else"),
]
NUMBERS = [
    "9990041024",
    "9990041032",
    "9990041040",
    "9990041059",
    "9990041067",
    "9990041075",
    "9990041083",
    "9990041091",
    "9990041105",
    "9990041113",
    "9990041121",
    "9990041148",
    "9990041156",
    "9990041164",
    "9990041172",
]


async def test_each_kind_of_nothing_is_told_as_what_it_is(world: World, sandbox: Sandbox) -> None:
    cases = []
    for (behaviour, _, _), number in zip(KINDS, NUMBERS, strict=True):
        await sandbox.tell("health", **behaviour, child={"nhs_number": number})
        cases.append(
            Case(children=({"given_name": "Lark", "family_name": "Plover-Test", "nhs_number": number},))
        )
    instance = await world.start(check_deadline_cap_seconds=None)
    await instance.take(*(case.received() for case in cases), *(case.screened() for case in cases))
    for (behaviour, state, reason), case in zip(KINDS, cases, strict=True):
        instance.hanging = ["health"] if behaviour.get("fault") == "hang" else []
        states = await until_time_is_up(instance, case.child)
        answer = await _answer(instance, case, "health")
        assert (states["health"], answer.state, answer.reason) == (state, state, reason), behaviour
        assert answer.facts == ()
        assert (answer.answered_at is None) == (state in (AgencyState.NO_ANSWER, AgencyState.UNAVAILABLE))


async def test_a_drip_of_bytes_is_cut_off_and_is_no_answer_that_can_be_relied_on(
    world: World, sandbox: Sandbox
) -> None:
    await sandbox.tell("health", "fail", fault="drip")
    world.with_terms(total_seconds=0.3)
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    await instance.take(case.received(), case.screened())
    assert (await until_time_is_up(instance, case.child))["health"] == "unavailable"
    assert (await _answer(instance, case, "health")).reason == "too_slow"


async def test_an_agency_that_cannot_be_reached_is_unavailable(world: World) -> None:
    instance = await world.start(agencies_url="http://127.0.0.1:9", check_deadline_cap_seconds=None)
    case = Case()
    await instance.take(case.received(), case.screened())
    assert await until_time_is_up(instance, case.child) == dict.fromkeys(FOUR, "unavailable")
    assert {answer.reason for answer in await instance.answers(case.child)} == {"cannot_connect"}


async def test_a_fact_that_is_not_understood_is_dropped_and_the_words_are_kept(
    world: World, sandbox: Sandbox
) -> None:
    await sandbox.tell("health", "fail", fault="unknown_fact")
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    await instance.take(case.received(), case.screened())
    assert (await until_completed(instance, case.child))["health"] == "returned"
    answer = await _answer(instance, case, "health")
    assert (answer.facts, answer.reason) == ((), PARTLY_UNDERSTOOD)
    assert answer.narrative == "The rest is in words."


async def test_what_was_not_asked_is_told_with_its_reason_and_no_agency_hears_of_it(
    world: World, sandbox: Sandbox
) -> None:
    instance, case = await world.start(check_deadline_cap_seconds=None), Case(agreement="refused")
    await instance.take(case.received(), case.screened())
    assert await until_completed(instance, case.child) == dict.fromkeys(FOUR, "not_requested")
    assert {answer.reason for answer in await instance.answers(case.child)} == {"agreement_refused"}
    assert [await sandbox.asked(agency) for agency in FOUR] == [[], [], [], []]


async def test_a_child_whom_nothing_identifies_is_asked_about_nowhere(world: World, sandbox: Sandbox) -> None:
    instance, case = (
        await world.start(check_deadline_cap_seconds=None),
        Case(children=({"status": "unidentified"},)),
    )
    await instance.take(case.received(), case.screened())
    assert await until_completed(instance, case.child) == dict.fromkeys(FOUR, "not_requested")
    assert {answer.reason for answer in await instance.answers(case.child)} == {"not_identifiable"}
    assert await sandbox.asked("police") == []


async def test_an_unborn_child_is_found_by_the_mother(world: World) -> None:
    mother = {"given_name": "Robyn", "family_name": "Quill-Test", "roles": ["mother"]}
    child = {"status": "unborn", "family_name": "Quill-Test", "address": {"lines": ["Room 4"]}}
    case = Case(children=(child,), body={"adults": [mother]})
    instance = await world.start(check_deadline_cap_seconds=None)
    await instance.take(case.received(), case.screened())
    states = await until_completed(instance, case.child)
    assert (states["health"], states["education"]) == ("returned", "not_requested")
    answer = await _answer(instance, case, "health")
    assert "household.earlier_child_removed" in {fact.fact for fact in answer.facts}


async def test_one_childs_silent_agency_leaves_the_sibling_alone(world: World, sandbox: Sandbox) -> None:
    await sandbox.tell("police", "fail", fault="hang", child={"nhs_number": FINCH["nhs_number"]})
    instance, case = await world.start(check_deadline_cap_seconds=60), Case(children=(FINCH, WREN))
    await instance.take(case.received(), case.screened())
    silent, heard = case.child_ids
    assert (await until_completed(instance, heard))["police"] == "declined"
    assert await instance.completed(silent) == []


async def test_a_failure_that_passes_is_asked_again_with_the_same_key(world: World, sandbox: Sandbox) -> None:
    await sandbox.tell("health", "fail", fault="status", times=1, retry_after=0)
    instance, case = await world.start(check_deadline_cap_seconds=None), Case()
    await instance.take(case.received(), case.screened())
    assert (await until_completed(instance, case.child))["health"] == "returned"
    (question,) = await sandbox.asked("health")
    assert (question["requests"], question["idempotency_keys"]) == (2, [question["question_id"]])
    answer = await _answer(instance, case, "health")
    assert answer.question_id == question["question_id"]


async def test_no_agency_hears_a_confidential_address(world: World, sandbox: Sandbox) -> None:
    child = {**FINCH, "address": {"lines": ["9 Sandbox Refuge"], "postcode": "PE1 9AA", "confidential": True}}
    open_child = {**WREN, "address": {"lines": ["9 Sandbox Street"], "postcode": "PE1 9AA"}}
    instance = await world.start(check_deadline_cap_seconds=None)
    for case, expected in ((Case(children=(child,)), False), (Case(children=(open_child,)), True)):
        await instance.take(case.received(), case.screened())
        await until_completed(instance, case.child)
        bodies = (await sandbox.http.get("/agencies/police/questions")).json()
        assert ("address" in bodies[-1]["fields"]) is expected
