"""Each supplier behaves as it is told, at any request of an exchange, and shows what it was asked without a name."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from stdnum.gb import nhs, upn

from libs.platform.clock import SystemClock
from sandbox.agencies import AGENCIES, SUPPLIERS
from sandbox.settings import AGENCY_KEY
from tests.sandbox.agencies.conftest import ASKS, FAMILIES, LARK, MIA, WREN, police, told

NOTHING: dict[str, tuple[int, Any]] = {
    "police": (200, lambda body: body["searchStatus"] == "COMPLETE" and body["nominals"] == []),
    "education": (200, lambda body: body["outcome"] == "NO_TRACE" and "learner" not in body),
    "social_care": (200, lambda body: body["status"] == "OK" and body["people"] == []),
    "early_help": (200, lambda body: body["found"] == "no" and "child" not in body),
    "housing": (404, lambda body: body["error"]["code"] == "NO_HOUSEHOLD"),
    "health": (200, lambda body: body["total"] == 0),
}
OUTSIDE: dict[str, tuple[int, Any]] = {
    "police": (200, lambda body: body["searchStatus"] == "OUTSIDE_HOLDINGS" and body["holdings"]["from"]),
    "education": (200, lambda body: body["outcome"] == "OUT_OF_AREA" and body["rollFrom"]),
    "social_care": (200, lambda body: body["status"] == "NOT_OURS" and body["extract"]["from"]),
    "early_help": (200, lambda body: body["found"] == "not_our_area" and body["heldSince"]),
    "housing": (409, lambda body: body["error"]["code"] == "OTHER_LANDLORD"),
    "health": (200, lambda body: "outside-coverage" in json.dumps(body)),
}
DECLINED: dict[str, tuple[int, Any]] = {
    "police": (403, lambda body: body["errors"][0]["code"] == "DISCLOSURE_REFUSED"),
    "education": (200, lambda body: body["outcome"] == "REFUSED" and body["refusal"]),
    "social_care": (200, lambda body: body["status"] == "RESTRICTED" and body["people"] == []),
    "early_help": (200, lambda body: body["found"] == "agreement_withdrawn" and "child" not in body),
    "housing": (451, lambda body: body["error"]["code"] == "WITHHELD"),
    "health": (403, lambda body: "restricted" in json.dumps(body)),
}


def test_the_families_are_synthetic_and_every_supplier_can_read_them() -> None:
    for child in FAMILIES.children:
        assert child.nhs_number is None or (
            child.nhs_number.startswith("999") and nhs.is_valid(child.nhs_number)
        )
        assert child.upn is None or upn.is_valid(child.upn)
        assert child.family_name.endswith("-Test")
        assert set(child.records) <= set(AGENCIES)
    for supplier in SUPPLIERS:
        supplier(FAMILIES, key=AGENCY_KEY, clock=SystemClock())


@pytest.mark.parametrize("agency", ASKS)
async def test_each_kind_of_nothing_has_the_suppliers_own_form(http: httpx.AsyncClient, agency: str) -> None:
    for behaviour, expected in (
        ("nothing_held", NOTHING),
        ("outside_coverage", OUTSIDE),
        ("decline", DECLINED),
    ):
        await told(http, agency, behaviour)
        for number, child in enumerate((MIA, LARK)):
            answer = await ASKS[agency](http, child, f"{behaviour}{number}")
            status, holds = expected[agency]
            assert (answer.status_code, bool(holds(answer.json()))) == (status, True), answer.text
    await http.delete(f"/agencies/{agency}/behaviour")
    answer = await ASKS[agency](http, LARK, "plainly")
    assert (answer.status_code, bool(NOTHING[agency][1](answer.json()))) == (NOTHING[agency][0], True)


@pytest.mark.parametrize("agency", ASKS)
async def test_an_answer_that_takes_time_is_accepted_first(http: httpx.AsyncClient, agency: str) -> None:
    await told(http, agency, "late", seconds=60)
    answer = await ASKS[agency](http, MIA)
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "60")
    await told(http, agency, "late", seconds=0)
    assert (await ASKS[agency](http, MIA)).status_code != 202


SPOILED: dict[str, Callable[[httpx.Response], bool]] = {
    "status": lambda answer: answer.status_code == 503,
    "malformed": lambda answer: answer.content == b'{"question_id": ',
    "html": lambda answer: answer.headers["content-type"].startswith("text/html"),
    "not_utf8": lambda answer: b"\xff" in answer.content,
    "duplicate_key": lambda answer: b": null, " in answer.content,
    "token_expired": lambda answer: answer.status_code == 401,
    "result_expired": lambda answer: answer.status_code == 410,
    "future_date": lambda answer: "2190" in answer.text,
    "unknown_state": lambda answer: "maybe" in answer.text.lower() or "perhaps" in answer.text,
    "echo": lambda answer: answer.status_code == 400 and "Farthing-Test" in answer.text,
    "someone_else": lambda answer: "1999" in answer.text,
}


@pytest.mark.parametrize("agency", ASKS)
async def test_each_fault_spoils_the_answer(http: httpx.AsyncClient, agency: str) -> None:
    for fault, seen in SPOILED.items():
        await told(http, agency, "fail", fault=fault)
        answer = await ASKS[agency](http, MIA, fault)
        assert seen(answer), (fault, answer.text)


async def test_a_fault_may_pass_and_may_be_for_one_child_one_question_or_one_request(
    http: httpx.AsyncClient,
) -> None:
    await told(http, "early_help", "fail", times=1, child={"nhs_number": MIA["nhs_number"]})
    statuses = [(await ASKS["early_help"](http, MIA)).status_code for _ in range(3)]
    assert statuses == [503, 200, 200]
    assert (await ASKS["early_help"](http, WREN, "w")).status_code == 200
    await told(http, "early_help", "fail", question_id="x")
    assert [(await ASKS["early_help"](http, MIA, one)).status_code for one in "xy"] == [503, 200]
    await told(http, "police", "fail", step="involvements")
    assert (await police(http, MIA)).status_code == 200


async def test_what_is_said_of_one_child_goes_before_what_is_said_of_all(http: httpx.AsyncClient) -> None:
    url = "/agencies/social_care/behaviour"
    one = {"behaviour": "decline", "child": {"given_name": "Wren"}}
    for behaviour in (one, {"behaviour": "outside_coverage"}):
        assert (await http.put(url, json=behaviour)).status_code == 200
    assert (await ASKS["social_care"](http, WREN)).json()["status"] == "RESTRICTED"
    assert (await ASKS["social_care"](http, MIA, "m")).json()["status"] == "NOT_OURS"
    assert (await http.put(url, json={**one, "behaviour": "answer"})).status_code == 200
    assert len((await http.get(url)).json()) == 2
    assert (await ASKS["social_care"](http, WREN)).json()["people"]
    assert (await http.delete(url)).status_code == 204
    assert (await ASKS["social_care"](http, MIA, "m")).json()["people"]


async def test_a_behaviour_with_a_mistake_is_refused(http: httpx.AsyncClient) -> None:
    for mistake in (
        {"behaviour": "sulk"},
        {"behaviour": "fail", "fualt": "html"},
        {"behaviour": "slow", "seconds": -1},
        {"behaviour": "fail", "step": "poll"},
    ):
        assert (await http.put("/agencies/health/behaviour", json=mistake)).status_code == 422
    assert (await http.put("/agencies/zoo/behaviour", json={"behaviour": "answer"})).status_code == 404


async def test_what_was_asked_is_shown_by_id_and_never_by_name(http: httpx.AsyncClient) -> None:
    for agency, ask in ASKS.items():
        for question in ("a", "b", "a"):
            await ask(http, MIA, question)
        seen = (await http.get(f"/agencies/{agency}/questions")).json()
        assert [each["question_id"] for each in seen] == ["a", "b"]
        assert [each["idempotency_keys"] for each in seen] == [["a"], ["b"]]
        assert "family_name" in seen[0]["fields"]
        assert sum(seen[0]["steps"].values()) >= 2
        shown = json.dumps(seen) + (await http.get("/agencies/asked")).text
        assert not any(text in shown for text in ("Farthing", "2022-03-14", "14/03/2022", "9990001006"))


async def test_each_supplier_documents_its_own_api_and_nothing_else(http: httpx.AsyncClient) -> None:
    for agency in ASKS:
        document = (await http.get(f"/agencies/{agency}/openapi.json")).json()
        assert document["paths"]
        assert all(path.startswith(f"/agencies/{agency}/") for path in document["paths"])


async def test_nobody_is_taken_for_somebody_else(http: httpx.AsyncClient) -> None:
    other = {**WREN, "born": "2015-02-12", "nhs_number": None}
    for agency, ask in ASKS.items():
        answer = await ask(http, other)
        assert NOTHING[agency][1](answer.json()), answer.text


async def test_a_request_without_the_secret_learns_nothing(http: httpx.AsyncClient) -> None:
    for agency in ASKS:
        document = (await http.get(f"/agencies/{agency}/openapi.json")).json()
        for path, operations in document["paths"].items():
            if path.endswith("/metadata"):
                continue
            for method in operations:
                answer = await http.request(
                    method, path, headers={"authorization": "Bearer x", "apikey": "x"}
                )
                assert answer.status_code == 401, (method, path)
        assert (await http.get(f"/agencies/{agency}/questions")).json() == []
