"""An agency that speaks FHIR is asked over HTTP, followed to its last page, and never taken at less than its word."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from libs.schemas.findings import EXISTENCE_ONLY, PARTLY_UNDERSTOOD, AgencyState, Basis, Period
from tests.services.enrichment.fhir.conftest import ITEMS, Health, ago

WREN = {
    "given_name": "Wren",
    "family_name": "Kestrel-Test",
    "born": {"on": "2015-02-11"},
    "nhs_number": "9990041008",
}
MIA = {"nhs_number": "9990001006"}
TOM = {"nhs_number": "9990001014"}


class Sent(httpx.AsyncByteStream):
    """A body that comes over the network."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = json.dumps(body).encode()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


UNKNOWN = {"given_name": "Lark", "family_name": "Plover-Test", "nhs_number": "9990041024"}


async def test_what_is_held_comes_as_facts_with_basis_time_and_the_words_beside_them(health: Health) -> None:
    reply = await health.ask(WREN)
    assert (reply.state, reply.reason) == (AgencyState.RETURNED, None)
    (fact,) = reply.facts
    assert (fact.fact, fact.value, fact.basis) == ("child.self_harm", "single_episode", Basis.RECORD)
    assert (fact.on, fact.period) == (ago(200), Period.LAST_12_MONTHS)
    assert reply.narrative == "Seen once in the emergency department; followed up, no recurrence known."
    assert (reply.as_of, reply.coverage_from, reply.coverage_to) == (ago(4), ago(3650), ago(0))


async def test_a_patient_whom_the_server_does_not_know_is_nothing_held(health: Health) -> None:
    reply = await health.ask(UNKNOWN)
    assert (reply.state, reply.reason, reply.coverage_to) == (AgencyState.NOTHING_HELD, None, ago(0))


async def test_an_unborn_child_is_found_under_the_mother(health: Health) -> None:
    reply = await health.ask(
        {"family_name": "Quill-Test"}, mother={"given_name": "Robyn", "family_name": "Quill-Test"}
    )
    assert {fact.fact for fact in reply.facts} == {
        "household.earlier_child_removed",
        "pregnancy.late_booking",
    }


async def test_only_resources_of_items_that_are_granted_are_fetched(health: Health) -> None:
    reply = await health.ask(TOM, items=("help",))
    assert await health.steps() == {"match": 1, "Observation": 1}
    assert reply.state is AgencyState.RETURNED
    assert await health.ask(TOM, items=(), question_id="none") == await health.ask(
        TOM, items=(), question_id="n"
    )
    assert await health.steps("none") == {"match": 1}


async def test_of_what_may_only_be_asked_whether_it_exists_no_content_is_fetched(health: Health) -> None:
    reply = await health.ask(TOM, items=("health",), existence_only=("health",))
    assert (reply.state, reply.reason) == (AgencyState.RETURNED, EXISTENCE_ONLY)
    assert (reply.facts, reply.narrative) == ((), None)
    assert await health.steps() == {"match": 1}


async def test_all_pages_are_read(health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.enrichment.fhir.agency.PAGE_SIZE", 1)
    reply = await health.ask(TOM)
    assert (await health.steps())["page"] == 2
    assert [fact.on for fact in reply.facts] == [ago(70), ago(160)]


KINDS: list[tuple[dict[str, Any], AgencyState, str | None]] = [
    ({"behaviour": "nothing_held"}, AgencyState.NOTHING_HELD, None),
    ({"behaviour": "outside_coverage"}, AgencyState.OUTSIDE_COVERAGE, None),
    ({"behaviour": "decline"}, AgencyState.DECLINED, "agency_declined"),
    ({"behaviour": "late", "seconds": 60}, AgencyState.NO_ANSWER, "accepted"),
    ({"fault": "status"}, AgencyState.UNAVAILABLE, "http_503"),
    ({"fault": "status", "status": 404}, AgencyState.UNAVAILABLE, "http_404"),
    ({"fault": "status", "status": 429, "retry_after": 7}, AgencyState.UNAVAILABLE, "http_429"),
    ({"fault": "token_expired"}, AgencyState.UNAVAILABLE, "http_401"),
    ({"fault": "result_expired"}, AgencyState.UNAVAILABLE, "http_410"),
    ({"fault": "echo"}, AgencyState.UNAVAILABLE, "http_400"),
    ({"fault": "malformed"}, AgencyState.UNAVAILABLE, "not_json"),
    ({"fault": "html"}, AgencyState.UNAVAILABLE, "not_json"),
    ({"fault": "truncated"}, AgencyState.UNAVAILABLE, "broken_off"),
    ({"fault": "too_large"}, AgencyState.UNAVAILABLE, "too_large"),
    ({"fault": "not_utf8"}, AgencyState.UNAVAILABLE, "not_utf8"),
    ({"fault": "duplicate_key"}, AgencyState.UNAVAILABLE, "contract"),
    ({"fault": "future_date"}, AgencyState.UNAVAILABLE, "future_date"),
    ({"fault": "unknown_state"}, AgencyState.UNAVAILABLE, "unknown_state"),
    ({"fault": "uncertain"}, AgencyState.UNAVAILABLE, "not_certain"),
    ({"fault": "someone_else"}, AgencyState.UNAVAILABLE, "about_someone_else"),
]
BREAKS: list[tuple[str, dict[str, Any], str]] = [
    ("Condition", {"fault": "status", "status": 429, "retry_after": 3}, "http_429"),
    ("Encounter", {"fault": "status", "status": 500}, "http_500"),
    ("page", {"fault": "status", "status": 500}, "http_500"),
    ("page", {"fault": "truncated"}, "broken_off"),
    ("page", {"fault": "html"}, "not_json"),
    ("page", {"fault": "endless"}, "endless_pages"),
    ("Encounter", {"fault": "other_origin"}, "other_origin"),
    ("Observation", {"fault": "someone_else"}, "about_someone_else"),
    ("Observation", {"fault": "future_date"}, "future_date"),
    ("Flag", {"fault": "not_utf8"}, "not_utf8"),
]


@pytest.mark.parametrize("child", [WREN, UNKNOWN], ids=["known", "unknown"])
async def test_each_kind_of_nothing_is_told_as_what_it_is(health: Health, child: dict[str, Any]) -> None:
    for number, (behaviour, state, reason) in enumerate(KINDS):
        await health.sandbox.tell("health", **{"behaviour": "fail", **behaviour})
        reply = await health.ask(child, question_id=f"q{number}")
        assert (reply.state, reply.reason) == (state, reason), behaviour
        assert (reply.facts, reply.narrative) == ((), None)
        wished = 60.0 if behaviour.get("behaviour") == "late" else behaviour.get("retry_after")
        assert reply.retry_after == wished
        if state is AgencyState.OUTSIDE_COVERAGE:
            assert reply.coverage_from is not None


async def test_an_exchange_that_fails_in_the_middle_is_no_answer_at_all(
    health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.enrichment.fhir.agency.PAGE_SIZE", 1)
    monkeypatch.setattr("services.enrichment.fhir.agency.MAX_PAGES", 4)
    for number, (step, behaviour, reason) in enumerate(BREAKS):
        await health.sandbox.http.delete("/agencies/health/behaviour")
        await health.sandbox.tell("health", "fail", step=step, **behaviour)
        reply = await health.ask(TOM, question_id=f"q{number}")
        assert (reply.state, reply.reason) == (AgencyState.UNAVAILABLE, reason), step
        assert (reply.facts, reply.narrative) == ((), None)


async def test_a_page_that_was_lost_is_missed_by_the_count(health: Health) -> None:
    def shorter(request: httpx.Request) -> httpx.Response:
        body: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": 3, "entry": []}
        if request.url.path.endswith("$match"):
            patient = {"resourceType": "Patient", "id": "p1", "birthDate": "2015-02-11"}
            body["entry"] = [{"resource": patient, "search": {"mode": "match", "score": 1}}]
        return httpx.Response(200, stream=Sent(body), headers={"content-type": "application/fhir+json"})

    reply = await health.ask(WREN, transport=httpx.MockTransport(shorter))
    assert (reply.state, reply.reason) == (AgencyState.UNAVAILABLE, "incomplete")


async def test_a_code_on_no_list_makes_an_answer_partly_understood_and_keeps_the_words(
    health: Health,
) -> None:
    await health.sandbox.tell("health", "fail", fault="unknown_fact")
    reply = await health.ask(UNKNOWN)
    assert (reply.state, reply.reason) == (AgencyState.RETURNED, PARTLY_UNDERSTOOD)
    assert (reply.facts, reply.narrative) == ((), "The rest is in words.")
    assert reply.dropped == {"unknown_code": 1}


async def test_a_slow_server_is_no_answer_and_a_dripping_one_cannot_be_relied_on(health: Health) -> None:
    await health.sandbox.tell("health", "fail", fault="hang")
    assert (await health.ask(WREN, total_seconds=0.2)).state is AgencyState.NO_ANSWER
    await health.sandbox.tell("health", "fail", fault="drip")
    reply = await health.ask(WREN, total_seconds=0.2)
    assert (reply.state, reply.reason) == (AgencyState.UNAVAILABLE, "too_slow")


async def test_a_server_that_is_away_is_unavailable(health: Health) -> None:
    health.sandbox.url = "http://127.0.0.1:9"
    reply = await health.ask(WREN)
    assert (reply.state, reply.reason) == (AgencyState.UNAVAILABLE, "cannot_connect")


async def test_a_wrong_key_is_unavailable(health: Health) -> None:
    health.key = "another"
    assert (await health.ask(WREN)).reason == "http_401"


async def test_no_address_that_is_asked_holds_anything_of_the_child(health: Health) -> None:
    seen: list[str] = []
    inner = httpx.AsyncHTTPTransport()

    class Watched(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(str(request.url))
            return await inner.handle_async_request(request)

    await health.ask(WREN, items=ITEMS, transport=Watched())
    await inner.aclose()
    assert len(seen) == 5
    for text in ("Wren", "Kestrel", "2015", "9990041008", "p-4410081"):
        assert not any(text in url for url in seen)


async def test_a_question_sent_again_is_one_question_to_the_server(health: Health) -> None:
    for _ in range(2):
        await health.ask(WREN)
    (one,) = await health.sandbox.asked("health")
    assert (one["question_id"], one["idempotency_keys"]) == ("q", ["q"])
