import ast
import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

import libs
import services
from libs.platform.service import create_app
from libs.platform.settings import ServiceSettings
from libs.platform.telemetry import Telemetry
from tests.libs.platform.conftest import Client


def routes() -> APIRouter:
    router = APIRouter()

    @router.get("/v1/slow")
    async def slow(request: Request) -> str:
        await asyncio.sleep(0.3)
        return "done"

    @router.get("/page")
    async def page() -> HTMLResponse:
        return HTMLResponse("x", headers={"content-security-policy": "default-src 'self'"})

    return router


async def test_every_answer_has_the_security_headers_and_a_page_may_set_its_own(
    settings: ServiceSettings, instruments: Telemetry, client: Client
) -> None:
    async with client(create_app("x", settings, instruments, [routes()])) as http:
        for path in ("/page", "/nothing", "/openapi.json"):
            answer = await http.get(path)
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
        assert (await http.get("/page")).headers["content-security-policy"] == "default-src 'self'"
        assert (
            (await http.get("/nothing")).headers["content-security-policy"].startswith("default-src 'none'")
        )


async def test_a_stream_that_breaks_midway_is_cut_not_completed(
    settings: ServiceSettings, instruments: Telemetry, client: Client
) -> None:
    from starlette.responses import StreamingResponse

    router = APIRouter()

    @router.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"x"
            raise RuntimeError("broken")

        return StreamingResponse(pieces())

    async with client(create_app("x", settings, instruments, [router])) as http:
        with pytest.raises((RuntimeError, httpx.HTTPError)):
            await http.get("/stream")


THREADED = re.compile(r"\b(Depends|Security)\(|^\s*@.*\.(get|post|put|patch|delete)\(", re.MULTILINE)
"""Stands in every file with a dependency or an operation: the others need not be parsed."""


def test_no_dependency_or_operation_runs_in_a_thread() -> None:
    """FastAPI runs plain functions in a thread pool: some 100 microseconds and a queue of 40 for each request."""
    threaded = list[str]()
    for package in (services, libs):
        for file in Path(package.__file__ or "").parent.rglob("*.py"):
            text = file.read_text()
            if not THREADED.search(text):
                continue
            nodes = list(ast.walk(ast.parse(text)))
            named = {
                call.args[0].id
                for call in nodes
                if isinstance(call, ast.Call)
                and isinstance(call.func, ast.Name)
                and call.func.id in ("Depends", "Security")
                and call.args
                and isinstance(call.args[0], ast.Name)
            }
            threaded += [
                f"{file.name}:{item.lineno} {item.name}"
                for item in nodes
                if isinstance(item, ast.FunctionDef)
                and (item.name in named or any(map(_is_route, item.decorator_list)))
            ]
    assert threaded == []


def _is_route(decorator: ast.expr) -> bool:
    return (
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr in ("get", "post", "put", "patch", "delete")
    )
