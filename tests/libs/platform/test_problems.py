from collections.abc import AsyncIterator
from typing import Annotated

import asyncpg
import httpx
import pytest
from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException

from libs.platform.etags import IfMatch
from libs.platform.idempotency import IdempotencyKey
from libs.platform.problems import Problem
from libs.platform.service import create_app
from libs.platform.settings import ServiceSettings
from libs.platform.telemetry import Telemetry
from tests.libs.platform.conftest import Client

AWAY: dict[str, Exception] = {
    "refused": ConnectionRefusedError("Canary"),
    "every_address_refused": OSError("Multiple exceptions: Canary"),
    "timed_out": TimeoutError("Canary"),
    "pool_closed": asyncpg.InterfaceError("pool is closing: Canary"),
    "shut_down": asyncpg.AdminShutdownError("Canary"),
    "starting": asyncpg.CannotConnectNowError("Canary"),
    "full": asyncpg.TooManyConnectionsError("Canary"),
    "lost": asyncpg.ConnectionDoesNotExistError("Canary"),
    "wrapped": asyncpg.ConnectionDoesNotExistError("Canary"),
}


@pytest.fixture
async def http(
    settings: ServiceSettings, instruments: Telemetry, client: Client
) -> AsyncIterator[httpx.AsyncClient]:
    router = APIRouter()

    @router.get("/v1/numbers/{number}")
    async def number(number: int, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> int:
        return number

    @router.put("/v1/numbers/{number}")
    async def change(number: int, seen: IfMatch) -> int:
        seen.require('"v2"', changed=["facts"])
        return number

    @router.post("/v1/numbers")
    async def make(key: IdempotencyKey) -> str:
        return key

    @router.get("/v1/fails")
    async def fails() -> None:
        raise RuntimeError("Canary Smith, 12 High Street")

    @router.get("/v1/away/{name}")
    async def away(name: str) -> None:
        cause = AWAY[name]
        raise cause if name != "wrapped" else RuntimeError("Canary") from cause

    @router.get("/v1/limited")
    async def limited() -> None:
        raise HTTPException(429, "Canary", headers={"Retry-After": "7"})

    @router.get("/v1/refuses")
    async def refuses() -> None:
        raise Problem(409, "already-decided", "Somebody decided before you", extra={"decision": 2})

    async with client(create_app("Numbers", settings, instruments, [router])) as http:
        yield http


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("DELETE", "/v1/numbers/1", 405, "method-not-allowed"),
        ("GET", "/v1/numbers/canary", 422, "parameters-invalid"),
        ("GET", "/v1/numbers/1?limit=0", 422, "parameters-invalid"),
        ("POST", "/v1/numbers", 400, "idempotency-key-missing"),
        ("PUT", "/v1/numbers/1", 428, "if-match-missing"),
        ("GET", "/v1/limited", 429, "too-many-requests"),
        ("GET", "/v1/fails", 500, "internal-error"),
        ("GET", "/v1/refuses", 409, "already-decided"),
    ],
)
async def test_every_refusal_and_failure_is_a_problem_document(
    http: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await http.request(method, path)
    document = answer.json()
    assert (answer.status_code, document["status"], document["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["title"]
    assert len(document["trace_id"]) == 32
    assert answer.headers["cache-control"] == "no-store"
    assert "anary" not in answer.text


@pytest.mark.parametrize("name", AWAY)
async def test_a_database_that_is_away_is_no_fault_of_the_request(http: httpx.AsyncClient, name: str) -> None:
    answer = await http.get(f"/v1/away/{name}")
    document = answer.json()
    assert (answer.status_code, document["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "anary" not in answer.text


async def test_allow_names_all_methods_of_a_path(http: httpx.AsyncClient) -> None:
    assert (await http.delete("/v1/numbers/1")).headers["allow"] == "GET, PUT"


async def test_headers_of_a_refusal_are_kept(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/limited")).headers["retry-after"] == "7"


async def test_further_members_stand_beside_the_standard_ones(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/refuses")).json()["decision"] == 2


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256])
async def test_a_malformed_idempotency_key_is_refused_as_one(http: httpx.AsyncClient, key: str) -> None:
    answer = await http.post("/v1/numbers", headers={b"idempotency-key": key.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-invalid")


async def test_a_good_idempotency_key_is_given_on(http: httpx.AsyncClient) -> None:
    key = "8e03978e-40d5-43e8-bc93-6894a57f9324"
    assert (await http.post("/v1/numbers", headers={"idempotency-key": key})).json() == key


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        ('"v2"', 200),
        ('"other", "v2"', 200),
        ("*", 200),
        ('"v1"', 412),
        ('W/"v2"', 412),
        ("v2", 412),
    ],
)
async def test_only_who_has_seen_the_present_state_changes_it(
    http: httpx.AsyncClient, tag: str, status: int
) -> None:
    answer = await http.put("/v1/numbers/1", headers={"if-match": tag})
    assert answer.status_code == status
    if status == 412:
        assert answer.json()["changed"] == ["facts"]
        assert answer.headers["etag"] == '"v2"'


async def test_the_reference_page_loads_nothing_from_elsewhere(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs")
    assert page.status_code == 200
    assert "/v1/numbers/{number}" in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "<script" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
