"""What the pages make of an operation's answer, and what they send with a call."""

from typing import Any, cast

import httpx
import pytest

from libs.platform.auth import Principal
from libs.platform.inside import Inside
from libs.platform.problems import Problem
from services.triage.console.operations import Operations, answered, problem_of
from services.triage.console.people import People

SAM = People(
    [{"account": "sw-1", "name": "Sam Sandbox", "roles": ["worker"], "seen_at": "2026-11-23T09:00:00Z"}]
)


def refusal(status: int = 409, **document: Any) -> Problem:
    return problem_of(httpx.Response(status, json={"title": "No", **document}), SAM)


def test_who_was_first_is_named_with_since_when_before_what_to_do() -> None:
    told = refusal(code="claimed", held_by="sw-1", since="2026-11-23T10:00:00Z")
    assert told.detail == (
        "Sam Sandbox, since 23 November 2026, 10:00. Wait until they are done, or ask a manager to take the case over."
    )
    assert refusal(code="review-taken", reviewer="sw-9", detail="ask them").detail == "sw-9. Ask them"
    assert refusal(code="taken", owner="sw-1").detail == "Sam Sandbox."
    assert refusal(code="taken", worker=None, detail="look").detail == "look"


def test_what_a_program_is_advised_is_said_to_staff_in_words_for_them() -> None:
    told = refusal(412, code="changed-meanwhile", detail="send If-Match")
    assert told.detail == "Look at the case again, then decide."
    assert refusal(code="something-new", detail="look at the page").detail == "look at the page"
    assert refusal(code="something-new").detail is None


def test_a_failure_that_says_nothing_is_said_to_pass() -> None:
    told = problem_of(httpx.Response(502, text="<html>"), SAM)
    assert (told.status, told.code, told.title) == (
        502,
        "unavailable",
        "This does not work at the moment",
    )
    assert told.detail is not None
    assert told.detail.startswith("Send it again in a minute")


def test_what_was_refused_and_what_stands_now_are_kept_for_the_page() -> None:
    fault = {"pointer": "/level", "code": "missing", "detail": "is needed"}
    response = httpx.Response(
        412,
        json={
            "code": "changed-meanwhile",
            "title": "No",
            "status": 412,
            "errors": [fault],
            "changed": ["answers"],
        },
        headers={"etag": '"2"', "x-other": "1"},
    )
    told = problem_of(response, SAM)
    assert [(one.pointer, one.code, one.detail) for one in told.errors] == [
        ("/level", "missing", "is needed")
    ]
    assert told.extra == {"changed": ["answers"]}
    assert told.headers == {"etag": '"2"'}
    with pytest.raises(Problem):
        answered(response)
    assert answered(httpx.Response(204)).status_code == 204


class Answering:
    """Stands for the API: keeps what it was asked, and answers alike to everything."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    async def call(self, _: Principal, method: str, path: str, **given: Any) -> httpx.Response:
        self.asked.append((method, path, given))
        return self.response

    def operations(self) -> Operations:
        return Operations(cast("Inside", self), Principal("sw-1", "triage-pages"), SAM)


async def test_a_choice_that_nobody_made_is_not_asked_for() -> None:
    api = Answering(httpx.Response(200, json={}))
    await api.operations().get("/v1/queue", team="", rag=None, ended=False, limit=25)
    assert api.asked == [("GET", "/v1/queue", {"query": {"limit": 25}})]


@pytest.mark.parametrize(("status", "nothing"), [(403, True), (404, True), (409, False), (503, False)])
async def test_only_what_is_not_there_or_not_to_be_seen_is_nothing(status: int, nothing: bool) -> None:
    api = Answering(httpx.Response(status, json={"code": "x", "title": "No"}))
    if nothing:
        assert await api.operations().maybe("/v1/referrals/x") is None
    else:
        with pytest.raises(Problem):
            await api.operations().maybe("/v1/referrals/x")


async def test_a_change_names_what_was_read_and_an_addition_its_key() -> None:
    api = Answering(httpx.Response(204))
    operations = api.operations()
    assert await operations.put("/a", {}, '"1"') is None
    await operations.put("/b", {})
    await operations.post("/c", {}, "k", '"1"')
    await operations.post("/d", {})
    await operations.post("/e", {}, "")
    tagged, untagged, both, fresh, empty = (given["headers"] for _, _, given in api.asked)
    assert (tagged, untagged) == ({"If-Match": '"1"'}, {})
    assert both == {"Idempotency-Key": "k", "If-Match": '"1"'}
    assert len(fresh["Idempotency-Key"]) == len(empty["Idempotency-Key"]) == 32
    assert fresh != empty
