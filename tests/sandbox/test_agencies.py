"""The sandbox's agencies answer for synthetic families, and do as they are told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from stdnum.gb import nhs, upn

from libs.platform.clock import SystemClock
from libs.schemas.dictionary import load_dictionary
from libs.schemas.findings import AgencyState, Fact
from sandbox.agencies import AGENCIES, agencies_router
from sandbox.alarms import alarms_router
from sandbox.app import build
from sandbox.families import load_families
from sandbox.settings import AGENCY_KEY, SandboxSettings, load_settings
from services.enrichment.partnership import load_agencies

PARTNERSHIP = Path("deploy/partnership")
FAMILIES = load_families()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(agencies_router(FAMILIES, key=AGENCY_KEY, clock=SystemClock()))
    app.include_router(alarms_router(SystemClock()))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.example.org") as client:
        yield client


async def ask(
    http: httpx.AsyncClient, agency: str = "health", *, question_id: str = "q", **child: Any
) -> Any:
    answer = await http.post(
        f"/agencies/{agency}/questions",
        json={"question_id": question_id, "child": child or {"nhs_number": "9990041008"}},
        headers={"Authorization": f"Bearer {AGENCY_KEY}", "Idempotency-Key": question_id},
    )
    assert answer.status_code == 200
    return answer.json()


def test_the_families_are_synthetic_and_speak_the_dictionary() -> None:
    dictionary = load_dictionary(PARTNERSHIP / "facts.yaml")
    for child in FAMILIES.children:
        assert child.nhs_number is None or (
            child.nhs_number.startswith("999") and nhs.is_valid(child.nhs_number)
        )
        assert child.upn is None or upn.is_valid(child.upn)
        assert child.family_name.endswith("-Test")
        assert set(child.agencies) == {"police", "health", "education", "marac"}
        for knowledge in child.agencies.values():
            assert bool(knowledge.facts or knowledge.narrative) == (knowledge.state is AgencyState.RETURNED)
            for fact in knowledge.facts:
                stated = Fact(fact=fact.fact, value=fact.value, basis=fact.basis)
                assert dictionary.check(stated) is None, fact.fact


def test_the_partnership_asks_the_agencies_that_there_are() -> None:
    assert set(load_agencies(PARTNERSHIP / "agencies")) <= set(AGENCIES)


@pytest.mark.parametrize(
    "child",
    [
        {"nhs_number": "9990041008"},
        {"upn": "T874200026001"},
        {"given_name": "wren", "family_name": "KESTREL-TEST", "born": {"on": "2015-02-11"}},
    ],
)
async def test_a_child_is_found_by_a_number_or_by_names_and_birth(
    http: httpx.AsyncClient, child: dict[str, Any]
) -> None:
    assert (await ask(http, **child))["state"] == "returned"


@pytest.mark.parametrize(
    "child",
    [
        {"nhs_number": "9990041024"},
        {"given_name": "Wren", "family_name": "Kestrel-Test"},
        {"given_name": "Wren", "family_name": "Kestrel-Test", "born": {"on": "2015-02-12"}},
        {"family_name": "Quill-Test"},
    ],
)
async def test_nobody_is_taken_for_somebody_else(http: httpx.AsyncClient, child: dict[str, Any]) -> None:
    assert (await ask(http, **child))["state"] == "nothing_held"


async def test_an_answer_names_whom_it_is_about(http: httpx.AsyncClient) -> None:
    child: Any = {"given_name": "Wren", "family_name": "Kestrel-Test", "born": {"on": "2015-02-11"}}
    answer = await ask(http, question_id="q7", **child)
    assert answer["question_id"] == "q7"
    assert answer["child"] == {"given_name": "Wren", "family_name": "Kestrel-Test", "born": "2015-02-11"}


async def test_a_question_needs_the_key_and_its_id(http: httpx.AsyncClient) -> None:
    bearer = {"Authorization": f"Bearer {AGENCY_KEY}"}
    url = "/agencies/police/questions"
    assert (await http.post(url, json={}, headers={"Idempotency-Key": "q"})).status_code == 401
    assert (await http.post(url, json={}, headers={**bearer})).status_code == 400
    assert (await http.post("/agencies/zoo/questions", json={}, headers=bearer)).status_code == 404
    assert (await http.get("/agencies/police/questions")).json() == []


async def test_what_is_said_of_one_child_goes_before_what_is_said_of_all(http: httpx.AsyncClient) -> None:
    url = "/agencies/health/behaviour"
    one = {"behaviour": "decline", "child": {"nhs_number": "9990041008"}}
    for behaviour in (one, {"behaviour": "outside_coverage"}):
        assert (await http.put(url, json=behaviour)).status_code == 200
    assert (await ask(http))["state"] == "declined"
    assert (await ask(http, nhs_number="9990041016"))["state"] == "outside_coverage"
    assert (await http.put(url, json={**one, "behaviour": "answer"})).status_code == 200
    assert len((await http.get(url)).json()) == 2
    assert (await ask(http))["state"] == "returned"
    assert (await http.delete(url)).status_code == 204
    assert (await ask(http, nhs_number="9990041016"))["state"] == "nothing_held"


async def test_a_known_child_is_recognised_by_what_the_question_does_not_say(http: httpx.AsyncClient) -> None:
    told = {"behaviour": "nothing_held", "child": {"nhs_number": "9990041008"}}
    await http.put("/agencies/education/behaviour", json=told)
    assert (await ask(http, "education", upn="T874200026001"))["state"] == "nothing_held"


async def test_the_same_question_is_counted_once_however_often_it_is_sent(http: httpx.AsyncClient) -> None:
    for question_id in ("a", "b", "a"):
        await ask(http, question_id=question_id)
    questions = (await http.get("/agencies/health/questions")).json()
    assert [(each["question_id"], each["requests"], each["answered"]) for each in questions] == [
        ("a", 2, 2),
        ("b", 1, 1),
    ]


async def test_a_behaviour_with_a_mistake_is_refused(http: httpx.AsyncClient) -> None:
    for mistake in (
        {"behaviour": "sulk"},
        {"behaviour": "fail", "fualt": "html"},
        {"behaviour": "slow", "seconds": -1},
    ):
        assert (await http.put("/agencies/health/behaviour", json=mistake)).status_code == 422


async def test_alarms_are_listed_newest_first(http: httpx.AsyncClient) -> None:
    for code in ("first", "second"):
        assert (await http.post("/alarms", json={"code": code})).status_code == 202
    assert [each["alarm"]["code"] for each in (await http.get("/alarms")).json()] == ["second", "first"]
    assert (await http.post("/alarms", content=b"x" * 20_000)).status_code == 413
    assert (await http.delete("/alarms")).status_code == 204
    assert (await http.get("/alarms")).json() == []


def test_the_sandbox_starts_nowhere_but_in_dev_and_test(monkeypatch: pytest.MonkeyPatch) -> None:
    for environment in (None, "production"):
        if environment is None:
            monkeypatch.delenv("MASH_ENVIRONMENT", raising=False)
        else:
            monkeypatch.setenv("MASH_ENVIRONMENT", environment)
        with pytest.raises(SystemExit, match="MASH_ENVIRONMENT is dev or test"):
            load_settings()
    monkeypatch.setenv("MASH_ENVIRONMENT", "dev")
    assert load_settings().port == 8100


async def test_one_process_answers_for_everything_outside_the_services() -> None:
    app = build(SandboxSettings(environment="test"))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://sandbox.example.org"
        ) as http,
    ):
        assert (await http.get("/livez")).status_code == 200
        page = (await http.get("/")).text
        for href in ("/traces", "/notify/messages", "/alarms", "/agencies/asked", "/openapi.json"):
            assert f'href="{href}"' in page
            assert (await http.get(href)).status_code == 200
        assert (await http.get("/issuer/jwks.json")).json()["keys"]
