"""Each supplier answers as its own documentation says, for every child of the families."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from pydantic import BaseModel

from libs.platform.clock import SystemClock
from sandbox.agencies import agencies_router
from sandbox.agencies.shapes import early_help, education, housing, police, social_care
from sandbox.settings import AGENCY_KEY
from tests.sandbox.agencies.conftest import (
    ASKS,
    BASIC,
    FAMILIES,
    HOUSING,
    LARK,
    MIA,
    ROBYN,
    WREN,
    police_headers,
    told,
)

SHAPES: dict[str, dict[int, type[BaseModel]]] = {
    "police": {200: police.Searched, 403: police.Failure},
    "education": {200: education.Done},
    "social_care": {200: social_care.Searched},
    "early_help": {200: early_help.Answer},
    "housing": {200: housing.Household, 404: housing.Failure},
    "health": {},
}
CHILDREN: list[dict[str, Any]] = [
    {
        "family_name": one.family_name,
        "given_name": one.given_name,
        "born": one.born,
        "nhs_number": one.nhs_number,
    }
    for one in FAMILIES.children
    if not one.unborn
]


def fits(answer: httpx.Response, shapes: dict[int, type[BaseModel]]) -> None:
    shapes[answer.status_code].model_validate(answer.json())


async def test_every_answer_has_the_documented_shape(http: httpx.AsyncClient) -> None:
    for agency, shapes in SHAPES.items():
        for number, child in enumerate([*CHILDREN, LARK]):
            answer = await ASKS[agency](http, child, str(number))
            if agency == "health":
                Bundle.model_validate(answer.json())
            else:
                fits(answer, shapes)


async def test_the_police_tell_all_of_a_nominal_in_pages(http: httpx.AsyncClient) -> None:
    headers = await police_headers(http)
    (nominal,) = (await ASKS["police"](http, MIA)).json()["nominals"]
    assert nominal["matchGrade"] == "A"
    url = f"/agencies/police/v2/nominals/{nominal['nominalId']}"
    first = await http.get(f"{url}/involvements", headers=headers)
    second = await http.get(first.json()["links"]["next"], headers=headers)
    for page in (first, second):
        fits(page, {200: police.Involvements})
    assert [len(page.json()["involvements"]) for page in (first, second)] == [2, 1]
    assert (first.json()["counters"], "counters" in second.json()) == ({"DA6M": 3}, False)
    assert second.json()["links"]["next"] is None
    fits(await http.get(f"{url}/warnings", headers=headers), {200: police.Warnings})
    fits(await http.get(f"{url}/associates", headers=headers), {200: police.Associates})
    assert (await http.get("/agencies/police/v2/nominals/CB1/warnings", headers=headers)).status_code == 404


async def test_an_unborn_childs_record_stands_under_the_mothers_name(http: httpx.AsyncClient) -> None:
    (nominal,) = (await ASKS["police"](http, ROBYN)).json()["nominals"]
    assert (nominal["surname"], nominal["forenames"]) == ("QUILL-TEST", "Robyn")
    (person,) = (await ASKS["social_care"](http, ROBYN)).json()["people"]
    assert person["forename"] == "Robyn"


async def test_names_without_a_date_of_birth_are_only_a_probable_nominal(http: httpx.AsyncClient) -> None:
    (nominal,) = (await ASKS["police"](http, {**MIA, "born": None})).json()["nominals"]
    assert nominal["matchGrade"] == "B"


async def test_a_token_that_was_revoked_or_is_too_old_is_refused_until_a_new_one_is_fetched() -> None:
    class Later:
        ahead = timedelta()

        def now(self) -> datetime:
            return SystemClock().now() + self.ahead

    clock, app = Later(), FastAPI()
    app.include_router(agencies_router(FAMILIES, key=AGENCY_KEY, clock=clock))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://sandbox.example.org"
    ) as http:
        headers = await police_headers(http)
        url = "/agencies/police/v2/nominals/CB4410061/warnings"
        assert (await http.get(url, headers=headers)).status_code == 200
        clock.ahead = timedelta(seconds=301)
        refused = await http.get(url, headers=headers)
        assert (refused.status_code, "invalid_token" in refused.headers["www-authenticate"]) == (401, True)
        headers = await police_headers(http)
        await told(http, "police", "fail", step="warnings", fault="token_expired", times=1)
        assert (await http.get(url, headers=headers)).status_code == 401
        assert (await http.get(url, headers=headers)).status_code == 401
        assert (await http.get(url, headers=await police_headers(http))).status_code == 200


async def test_a_wrong_secret_or_grant_gets_no_token(http: httpx.AsyncClient) -> None:
    for form, authorization in (
        ({"grant_type": "client_credentials"}, "Basic eDp5"),
        ({"grant_type": "password"}, BASIC),
        ({"grant_type": "client_credentials", "scope": "everything"}, BASIC),
    ):
        answer = await http.post(
            "/agencies/police/oauth2/token", data=form, headers={"authorization": authorization}
        )
        assert answer.status_code in (400, 401)
        assert "access_token" not in answer.text


async def test_the_police_refuse_more_requests_a_second_than_were_agreed(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.agencies.police.REQUESTS_A_SECOND", 2)
    headers = await police_headers(http)
    answers = [
        await http.get("/agencies/police/v2/nominals/CB4410061/warnings", headers=headers) for _ in range(6)
    ]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].headers["retry-after"] == "1"
    fits(refused[0], {429: police.Failure})


async def test_a_check_of_education_is_accepted_once_polled_and_thrown_away(http: httpx.AsyncClient) -> None:
    headers = {"x-api-key": AGENCY_KEY, "idempotency-key": "q"}
    body = {"learner": {"upn": "T874200026001"}, "sections": ["WEL"]}
    submitted = [
        await http.post("/agencies/education/api/checks", json=body, headers=headers) for _ in range(2)
    ]
    assert len({each.headers["location"] for each in submitted}) == 1
    fits(submitted[0], {202: education.Accepted})
    where = submitted[0].headers["location"]
    done = (await http.get(where, headers=headers)).json()
    assert (done["outcome"], done["attendance"], len(done["welfare"])) == ("FOUND", None, 1)
    other = {"learner": {"upn": "G874200026002"}, "sections": ["WEL"]}
    assert (await http.post("/agencies/education/api/checks", json=other, headers=headers)).status_code == 422
    await told(http, "education", "fail", fault="result_expired", times=1)
    assert (await http.get(where, headers=headers)).status_code == 410
    again = await http.post("/agencies/education/api/checks", json=body, headers=headers)
    assert again.headers["location"] != where
    assert (await http.get(again.headers["location"], headers=headers)).status_code == 200
    assert (await http.get("/agencies/education/api/checks/none", headers=headers)).status_code == 404


async def test_social_care_tells_each_part_of_a_file_by_itself(http: httpx.AsyncClient) -> None:
    (person,) = (await ASKS["social_care"](http, WREN)).json()["people"]
    assert person["match"] == "NUMBER"
    headers = {"authorization": BASIC, "x-correlation-id": "q"}
    parts: dict[str, Any] = {}
    for part, shape in (
        ("episodes", social_care.Episodes),
        ("plans", social_care.Plans),
        ("worker", social_care.Allocation),
        ("family", social_care.Relatives),
    ):
        answer = await http.get(
            f"/agencies/social_care/v1/people/{person['personId']}/{part}", headers=headers
        )
        fits(answer, {200: shape})
        parts[part] = answer.json()
    assert parts["plans"]["plans"][0]["type"] == "CIN"
    assert parts["worker"]["worker"]["team"] == "Adolescents"
    rest = (await http.get(parts["family"]["next"], headers=headers)).json()
    assert [one["forename"] for one in [*parts["family"]["relations"], *rest["relations"]]] == [
        "Finch",
        "Robin",
        "Jay",
    ]
    assert [one["posesRisk"] for one in rest["relations"]] == [True]


async def test_early_help_and_housing_tell_only_what_was_asked_for(http: httpx.AsyncClient) -> None:
    full = (await ASKS["early_help"](http, WREN)).json()
    assert {"assessment", "reviews", "outcome", "services"} <= full.keys()
    body = {"request": {"reference": "r", "parts": ["reviews"]}, "child": {"upn": "T874200026001"}}
    headers = {"authorization": f"Bearer {AGENCY_KEY}"}
    part = (await http.post("/agencies/early_help/records/query", json=body, headers=headers)).json()
    assert (part["found"], part.keys() & {"assessment", "outcome", "services"}) == ("yes", set())
    home = {
        "person": {"lastName": "Kestrel-Test", "firstName": "Wren", "birthDate": "2015-02-11"},
        "include": ["notices"],
    }
    key = HOUSING | {"x-correlation-id": "h"}
    found = (await http.post("/agencies/housing/api/households/lookup", json=home, headers=key)).json()
    assert ([one["type"] for one in found["notices"]], "tenancy" in found) == (["POS"], False)
    visits = f"/agencies/housing/api/households/{found['householdRef']}/visits?kind=home"
    pages = [(await http.get(f"{visits}&page={number}", headers=key)).json() for number in (0, 1)]
    assert [(len(page["visits"]), page["last"]) for page in pages] == [(2, False), (1, True)]


async def test_every_resource_of_the_fhir_server_is_one_of_the_standards(http: httpx.AsyncClient) -> None:
    CapabilityStatement.model_validate((await http.get("/agencies/health/fhir/metadata")).json())
    headers = {"apikey": AGENCY_KEY, "x-request-id": "q"}
    for child in [*CHILDREN, {"family_name": "Quill-Test", "given_name": "Robyn"}]:
        matched = (await ASKS["health"](http, child)).json()
        for patient in (one["resource"]["id"] for one in matched["entry"][:-1]):
            for kind in ("Condition", "Encounter", "Flag", "Observation"):
                form = {"patient": patient, "_count": "1"}
                page = (
                    await http.post(f"/agencies/health/fhir/{kind}/_search", data=form, headers=headers)
                ).json()
                Bundle.model_validate(page)
                assert all(
                    one["resource"]["subject"]["reference"] == f"Patient/{patient}" for one in page["entry"]
                )
    unknown = await http.post("/agencies/health/fhir/Account/_search", data={}, headers=headers)
    OperationOutcome.model_validate(unknown.json())
    assert unknown.status_code == 404


async def test_a_slow_supplier_keeps_no_other_waiting(http: httpx.AsyncClient) -> None:
    await told(http, "housing", "slow", seconds=0.3, child={"given_name": "Wren"})
    slow = asyncio.create_task(ASKS["housing"](http, WREN))
    await asyncio.sleep(0.05)
    assert (await ASKS["housing"](http, LARK, "l")).status_code == 404
    assert not slow.done()
    assert (await slow).status_code == 200
