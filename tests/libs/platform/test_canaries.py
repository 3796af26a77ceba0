"""Planted personal data, sent in every way in which a request can be bad, must come out nowhere."""

import asyncio
import json
from collections.abc import AsyncIterator
from io import StringIO
from typing import Annotated

import asyncpg
import httpx
import pytest
from fastapi import APIRouter, Request
from pydantic import ValidationError

from libs.platform.auth import Authenticator, Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.idempotency import IdempotencyKey
from libs.platform.service import create_app
from libs.platform.settings import ServiceSettings
from libs.platform.telemetry import Telemetry, TraceParent
from libs.schemas.referral import Referral
from tests.libs.platform.conftest import Client, Collected, Issuer

CANARIES = ("Canary", "Quillfeather", "9990000018", "07700900123", "bruise")
SECRET = "Canary Quillfeather 9990000018 07700900123 bruise"

GOOD = {
    "worry": SECRET,
    "referrer": {"role": "police", "source": "2B", "name": SECRET},
    "children": [{"given_name": SECRET, "nhs_number": "9990000018"}],
}


@pytest.fixture
async def http(
    settings: ServiceSettings,
    instruments: Telemetry,
    client: Client,
    authenticator: Authenticator,
    issuer: Issuer,
    postgres: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr("opentelemetry.propagate._HTTP_TEXT_FORMAT", TraceParent())
    router = APIRouter()

    @router.post("/v1/referrals", openapi_extra=json_body(Referral))
    async def refer(
        request: Request, caller: Annotated[Principal, requires("referral:submit")], key: IdempotencyKey
    ) -> str:
        await read_json_body(request, Referral)
        return "taken"

    @router.post("/v1/fails/{how}")
    async def fails(how: str, request: Request) -> None:
        body, _ = await read_json_body(request, Referral)
        if how == "database":
            connection = await asyncpg.connect(postgres)
            try:
                await connection.fetchval("SELECT $1::text::int", body.worry)
            finally:
                await connection.close()
        if how == "contract":
            try:
                Referral.model_validate({"worry": 1, SECRET: SECRET})
            except ValidationError as error:
                raise RuntimeError(SECRET) from error
        if how == "task":
            await asyncio.gather(asyncio.create_task(_raise(body.worry)))
        raise KeyError(body.worry)

    app = create_app("Intake", settings, instruments, [router], authenticator=authenticator)
    async with client(app) as http:
        http.headers["authorization"] = f"Bearer {issuer.token(name=SECRET)}"
        http.headers["content-type"] = "application/json"
        http.headers["idempotency-key"] = "k1"
        yield http


async def _raise(text: str) -> None:
    raise ValueError(text)


def bad_bodies() -> list[bytes]:
    def changed(**changes: object) -> bytes:
        return json.dumps({**GOOD, **changes}).encode()

    text = json.dumps(GOOD)
    return [
        text[:-5].encode(),
        text.encode() + text.encode(),
        text.replace(SECRET, SECRET + "\\u0000").encode(),
        text.replace('"worry"', f'"{SECRET}"').encode(),
        text.replace("{", '{"' + SECRET + '":1,"' + SECRET + '":2,', 1).encode(),
        text.encode("utf-16"),
        b"[" * 40 + text.encode(),
        changed(worry=[SECRET]),
        changed(**{SECRET: SECRET}),
        changed(kind=SECRET, channel=SECRET, level_asked=SECRET),
        changed(children=[{"born": {"on": SECRET}, "sex": SECRET, "safe_until": SECRET, SECRET: 1}]),
        changed(children=[{"facts": [{"fact": SECRET, "value": SECRET}]}]),
        changed(children=SECRET),
        changed(agreements={SECRET: SECRET, "checks": SECRET}),
        changed(
            referrer={"role": SECRET, "source": SECRET, "contacts": [{"channel": SECRET, "email": SECRET}]}
        ),
    ]


async def test_bad_requests_and_failures_leave_no_trace_of_what_they_held(
    http: httpx.AsyncClient, collected: Collected, logged: StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    answers = [await http.post("/v1/referrals", json=GOOD)]
    assert answers[0].status_code == 200
    for body in bad_bodies():
        answers.append(await http.post("/v1/referrals", content=body))
        assert 400 <= answers[-1].status_code < 500, answers[-1].text
    for how in ("database", "contract", "task", "key"):
        answers.append(await http.post(f"/v1/fails/{how}", json=GOOD))
        assert answers[-1].status_code == 500
    paths = (f"/v1/{SECRET}", f"/v1/referrals?name={SECRET}", f"/{SECRET}?{SECRET}={SECRET}")
    answers += [await http.get(path) for path in paths]
    strange = (
        {"idempotency-key": f"{SECRET} {SECRET}"},
        {"authorization": f"Bearer {SECRET}"},
        {"content-type": SECRET},
        {"tracestate": "a=Canary", "baggage": f"name={SECRET}", "traceparent": SECRET},
    )
    answers += [await http.post("/v1/referrals", json=GOOD, headers=headers) for headers in strange]
    metrics = await http.get("/metrics")

    places = {
        "problem": "".join(answer.text + str(answer.headers) for answer in answers),
        "log": logged.getvalue() + caplog.text,
        "span": "".join(span.to_json() for span in collected.spans),
        "metric": metrics.text,
    }
    assert places["log"].count("request failed") == 4
    assert len(collected.spans) == len(answers)
    leaks = [
        (place, canary)
        for place, text in places.items()
        for canary in CANARIES
        if canary.lower() in text.lower()
    ]
    assert leaks == []
