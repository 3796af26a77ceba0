"""Calls inside a process are made as whoever is signed in; nobody outside can say who they are that way."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI

from libs.platform import problems
from libs.platform.auth import CALLER, Principal, requires
from libs.platform.inside import Inside, Streamed
from tests.sandbox.serving import NO_TLS, serve

SOMEBODY = Principal(subject="staff-sw-1", client_id="pages", scopes=frozenset({"case:read"}))


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    problems.install(app)

    @app.get("/who")
    async def who(caller: Annotated[Principal, requires("case:read")]) -> str:
        return caller.subject

    @app.get("/managers")
    async def managers(caller: Annotated[Principal, requires("case:read", ("manager",))]) -> str:
        return caller.subject

    return app


@pytest.fixture
async def url(app: FastAPI) -> AsyncIterator[str]:
    async with serve(app) as address:
        yield address


async def test_a_page_calls_an_operation_as_who_is_signed_in(app: FastAPI) -> None:
    inside = Inside(app)
    assert (await inside.call(SOMEBODY, "GET", "/who")).json() == "staff-sw-1"
    nobody = Principal(subject="auditor-1", client_id="pages")
    assert (await inside.call(nobody, "GET", "/who")).json()["code"] == "scope-missing"
    assert (await inside.call(SOMEBODY, "GET", "/managers")).json()["code"] == "role-missing"


FORGED: list[tuple[str, dict[str, Any]]] = [
    ("header", {"headers": {CALLER: "staff-sw-1"}}),
    ("headers", {"headers": {"mash-caller": "staff-sw-1", "x-forwarded-user": "staff-sw-1"}}),
    ("query", {"params": {CALLER: "staff-sw-1"}}),
    ("cookie", {"headers": {"cookie": f"{CALLER}=staff-sw-1"}}),
    ("body", {"headers": {"content-type": "application/json"}, "content": f'{{"{CALLER}": "staff-sw-1"}}'}),
]


@pytest.mark.parametrize(("what", "sent"), FORGED, ids=[what for what, _ in FORGED])
async def test_nobody_on_the_network_can_say_so(url: str, what: str, sent: dict[str, Any]) -> None:
    async with httpx.AsyncClient(base_url=url, verify=NO_TLS) as client:
        assert (await client.request("GET", "/who", **sent)).status_code == 401


async def test_what_a_server_itself_could_put_there_is_nobody(app: FastAPI) -> None:
    class Told:
        """A server that fills every text it can into the scope."""

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, CALLER: {"subject": "staff-sw-1", "scopes": ["case:read"]}}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(Told()), base_url="http://x") as client:
        assert (await client.get("/who")).status_code == 401


async def test_a_stream_is_passed_on_without_the_pages_cookies(app: FastAPI) -> None:
    seen: list[dict[str, Any]] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await app(scope, receive, send)

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        await Streamed(inner, SOMEBODY, "/who")(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://x") as client:
        headers = {"cookie": "mash=secret", "authorization": "Bearer x", "last-event-id": "7"}
        answer = await client.get("/console/queue/events?x=1", headers=headers)
    assert answer.json() == "staff-sw-1"
    assert dict(seen[0]["headers"])[b"last-event-id"] == b"7"
    assert not {b"cookie", b"authorization"} & set(dict(seen[0]["headers"]))
    assert seen[0]["query_string"] == b""
