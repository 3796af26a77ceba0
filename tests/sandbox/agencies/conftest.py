"""The suppliers in the process, each asked as its own documentation says."""

import base64
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from libs.platform.clock import SystemClock
from sandbox.agencies import agencies_router
from sandbox.families import load_families
from sandbox.settings import AGENCY_KEY

FAMILIES = load_families()
BASIC = "Basic " + base64.b64encode(f"mash-hub:{AGENCY_KEY}".encode()).decode()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(agencies_router(FAMILIES, key=AGENCY_KEY, clock=SystemClock()))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.example.org") as client:
        yield client


async def token(http: httpx.AsyncClient) -> str:
    """An access token of the police."""
    form = {"grant_type": "client_credentials", "scope": "nominal.read"}
    answer = await http.post("/agencies/police/oauth2/token", data=form, headers={"authorization": BASIC})
    granted: str = answer.json()["access_token"]
    return granted


async def police_headers(http: httpx.AsyncClient, question: str = "q") -> dict[str, str]:
    return {"authorization": f"Bearer {await token(http)}", "x-request-reference": question}


async def police(http: httpx.AsyncClient, child: dict[str, Any], question: str = "q") -> httpx.Response:
    subject = {"surname": child.get("family_name"), "forenames": child.get("given_name")}
    if child.get("born"):
        year, month, day = child["born"].split("-")
        subject["dob"] = f"{day}/{month}/{year}"
    via = "MOTHER" if child.get("mother") else "SUBJECT"
    return await http.post(
        "/agencies/police/v2/nominals/search",
        json={"reason": "CHILD_SAFEGUARDING", "subject": subject, "via": via},
        headers=await police_headers(http, question),
    )


async def education(http: httpx.AsyncClient, child: dict[str, Any], question: str = "q") -> httpx.Response:
    learner = {"legalSurname": child.get("family_name"), "legalForename": child.get("given_name")}
    learner |= {"dateOfBirth": child.get("born"), "upn": child.get("upn")}
    submitted = await http.post(
        "/agencies/education/api/checks",
        json={"learner": learner, "sections": ["ATT", "EXC", "WEL", "SUP"]},
        headers={"x-api-key": AGENCY_KEY, "idempotency-key": question},
    )
    assert submitted.status_code == 202, submitted.text
    return await http.get(submitted.headers["location"], headers={"x-api-key": AGENCY_KEY})


async def social_care(http: httpx.AsyncClient, child: dict[str, Any], question: str = "q") -> httpx.Response:
    body: dict[str, Any] = {"nhsNumber": child.get("nhs_number"), "surname": child.get("family_name")}
    body |= {"forename": child.get("given_name"), "dateOfBirth": child.get("born")}
    if child.get("mother"):
        body = {"unbornOf": {"surname": child["family_name"], "forename": child["given_name"]}}
    headers = {"authorization": BASIC, "x-correlation-id": question}
    return await http.post("/agencies/social_care/v1/people/search", json=body, headers=headers)


async def early_help(http: httpx.AsyncClient, child: dict[str, Any], question: str = "q") -> httpx.Response:
    person = {"familyName": child.get("family_name"), "givenName": child.get("given_name")}
    person |= {"birthDate": child.get("born")}
    parts = ["assessment", "reviews", "outcome"]
    return await http.post(
        "/agencies/early_help/records/query",
        json={"request": {"reference": question, "parts": parts}, "child": person},
        headers={"authorization": f"Bearer {AGENCY_KEY}"},
    )


HOUSING = {"ocp-apim-subscription-key": AGENCY_KEY, "api-version": "2"}


async def housing(http: httpx.AsyncClient, child: dict[str, Any], question: str = "q") -> httpx.Response:
    person = {"lastName": child.get("family_name"), "firstName": child.get("given_name")}
    person |= {"birthDate": child.get("born")}
    return await http.post(
        "/agencies/housing/api/households/lookup",
        json={"person": person, "include": ["tenancy", "notices", "property", "household"]},
        headers=HOUSING | {"x-correlation-id": question},
    )


async def health(http: httpx.AsyncClient, child: dict[str, Any], question: str = "q") -> httpx.Response:
    patient: dict[str, Any] = {"resourceType": "Patient", "birthDate": child.get("born")}
    patient["name"] = [
        {
            "use": "official",
            "family": child.get("family_name"),
            "given": [child["given_name"]] if child.get("given_name") else [],
        }
    ]
    return await http.post(
        "/agencies/health/fhir/Patient/$match",
        json={"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": patient}]},
        headers={"apikey": AGENCY_KEY, "x-request-id": question},
    )


Ask = Callable[..., Coroutine[Any, Any, httpx.Response]]
ASKS: dict[str, Ask] = {
    "police": police,
    "education": education,
    "social_care": social_care,
    "early_help": early_help,
    "housing": housing,
    "health": health,
}
WREN = {"given_name": "Wren", "family_name": "Kestrel-Test", "born": "2015-02-11", "nhs_number": "9990041008"}
MIA = {"given_name": "Mia", "family_name": "Farthing-Test", "born": "2022-03-14", "nhs_number": "9990001006"}
LARK = {"given_name": "Lark", "family_name": "Plover-Test", "born": "2016-06-06", "nhs_number": "9990041024"}
ROBYN = {"given_name": "Robyn", "family_name": "Quill-Test", "mother": True}


async def told(http: httpx.AsyncClient, agency: str, behaviour: str, **more: Any) -> None:
    """Tells an agency how to treat questions, and takes back what it was told before."""
    await http.delete(f"/agencies/{agency}/behaviour")
    answer = await http.put(f"/agencies/{agency}/behaviour", json={"behaviour": behaviour, **more})
    assert answer.status_code == 200, answer.text
