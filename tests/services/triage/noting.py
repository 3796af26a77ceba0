"""Holds the service to what every test of it rests on: whatever shows or changes something of a child is noted."""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncpg
import httpx

TELLS_OF_NO_CHILD = re.compile(
    r"/(policy|openapi\.json)|/v1/(policies(/.*)?|offers|colleagues|clocks/preview)"
)

Hook = Callable[[Any], Awaitable[None]]


def noting(pool: asyncpg.Pool) -> Mapping[str, list[Hook]]:
    """Hooks for a client of the service: they raise AssertionError where a request succeeded and nobody noted it.

    The same request by the same person again is the same act. A list without anybody on it tells of nobody, and so does
    an answer without content: what puts nothing down gives the same one.
    """
    noted: dict[httpx.Request, int] = {}
    done: set[tuple[str, ...]] = set()

    async def count() -> int:
        number: int = await pool.fetchval("SELECT count(*) FROM access")
        return number

    async def before(request: httpx.Request) -> None:
        noted[request] = await count()

    async def after(response: httpx.Response) -> None:
        request = response.request
        was, act = noted.pop(request), _act(request)
        if not response.is_success or TELLS_OF_NO_CHILD.fullmatch(request.url.path):
            return
        await response.aread()
        if (request.method != "GET" and act in done) or _is_empty(response):
            return
        done.add(act)
        assert await count() > was, f"{request.method} {request.url.path} left no note of who saw or did it"

    return {"request": [before], "response": [after]}


def _act(request: httpx.Request) -> tuple[str, ...]:
    claims = request.headers.get("authorization", "..").split(".")[1]
    by = json.loads(urlsafe_b64decode(claims + "==") or "{}").get("sub", "")
    return (by, request.method, str(request.url), request.content.decode())


def _is_empty(response: httpx.Response) -> bool:
    kind = response.headers.get("content-type", "")
    if "json" not in kind:
        # A table of nobody has its heads.
        return not response.content or ("csv" in kind and response.text.count("\n") == 1)
    document = response.json()
    shown = [document[name] for name in ("items", "reviews") if name in document]
    return bool(shown) and not any(shown)
