import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO

import pytest
from fastapi import APIRouter, FastAPI, Request

from libs.platform import process
from libs.platform.http import http_client
from libs.platform.migrations import open_pool
from libs.platform.process import serve, stop_on_signals
from libs.platform.service import create_app
from libs.platform.settings import ServiceSettings
from libs.platform.telemetry import Telemetry
from libs.schemas.document import DocumentError
from libs.schemas.events import Service
from sandbox.processes import free_port


def routes() -> APIRouter:
    router = APIRouter()

    @router.get("/v1/slow")
    async def slow() -> str:
        await asyncio.sleep(0.3)
        return "done"

    @router.post("/v1/takes")
    async def takes(request: Request) -> None:
        await request.body()

    return router


async def test_requests_in_progress_end_before_the_service_does(
    settings: ServiceSettings, instruments: Telemetry
) -> None:
    app = create_app("Slow", settings, instruments, [routes()])
    stop, bound = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(app, settings, stop=stop, ready=bound.set_result))
    port = await bound
    async with http_client(f"http://127.0.0.1:{port}", peer="self") as http:
        slow = asyncio.create_task(http.get("/v1/slow"))
        await asyncio.sleep(0.1)
        stop.set()
        assert (await slow).json() == "done"
    await serving
    assert app.state.stop.is_set()


@pytest.mark.parametrize("head", ["Content-Length: 10500000", "Transfer-Encoding: chunked"])
async def test_whoever_still_sends_a_body_that_is_too_large_can_read_the_refusal(
    settings: ServiceSettings, instruments: Telemetry, head: str
) -> None:
    app = create_app("Small", settings, instruments, [routes()])
    stop, bound = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(app, settings, stop=stop, ready=bound.set_result))
    reader, writer = await asyncio.open_connection("127.0.0.1", await bound)
    kind = "Content-Type: application/json"
    writer.write(f"POST /v1/takes HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}\r\n{head}\r\n\r\n".encode())
    body = b"x" * 10_500_000
    writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if "chunked" in head else body)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    stop.set()
    await serving
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"body-too-large"' in answer.replace(b'": "', b'":"')


@pytest.mark.parametrize(
    "request_line", ["BREW /v1/slow HTTP/1.1", "GET /v1/slow HTTP/1.1 twice", "\x16\x03\x01"]
)
async def test_what_is_no_http_gets_a_problem_document(
    settings: ServiceSettings, instruments: Telemetry, request_line: str
) -> None:
    app = create_app("Slow", settings, instruments, [routes()])
    stop, bound = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(app, settings, stop=stop, ready=bound.set_result))
    reader, writer = await asyncio.open_connection("127.0.0.1", await bound)
    writer.write(f"{request_line}\r\nHost: 127.0.0.1\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    stop.set()
    await serving
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"x-content-type-options: nosniff" in head
    assert json.loads(body)["code"] == "http-invalid"


async def test_what_stands_in_front_may_send_on_after_a_rest(
    settings: ServiceSettings, instruments: Telemetry
) -> None:
    app = create_app("Slow", settings, instruments, [routes()])
    stop, bound = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(app, settings, stop=stop, ready=bound.set_result))
    reader, writer = await asyncio.open_connection("127.0.0.1", await bound)
    for rest in (5.5, 0):
        writer.write(b"GET /v1/slow HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        assert await reader.readexactly(len(b'"done"')) == b'"done"'
        await asyncio.sleep(rest)
    # A connection at rest keeps nothing from ending.
    stop.set()
    await serving
    writer.close()


async def test_a_signal_stops_in_order_and_ends_nothing_by_itself(
    settings: ServiceSettings, instruments: Telemetry
) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        bound = asyncio.get_running_loop().create_future()
        app = create_app("Slow", settings, instruments, [])
        serving = asyncio.create_task(serve(app, settings, stop=stop_on_signals(), ready=bound.set_result))
        await bound
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(serving, 30)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


async def test_a_taken_port_is_named(settings: ServiceSettings, instruments: Telemetry) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        busy = settings.model_copy(update={"port": port})
        with pytest.raises(
            SystemExit, match=f"port {port} on 127.0.0.1 is taken .* \\(MASH_PORT, MASH_HOST\\)"
        ):
            await serve(create_app("x", busy, instruments, []), busy, stop=asyncio.Event())


async def test_a_failing_start_is_logged_without_its_text(
    settings: ServiceSettings, instruments: Telemetry, logged: StringIO
) -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if app.title:
            raise RuntimeError("postgresql://mash_intake:hunter2@db")
        yield

    app = create_app("x", settings, instruments, [], lifespan)
    with pytest.raises(SystemExit, match=r"^Cannot start: the log says why \(RuntimeError\)\.$"):
        await serve(app, settings, stop=asyncio.Event())
    said = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert any(
        line["event"] == "start failed" and line["exception"]["type"] == "builtins.RuntimeError"
        for line in said
    )
    assert "hunter2" not in logged.getvalue()


async def test_a_database_that_is_away_is_said_in_a_sentence_without_its_password(
    settings: ServiceSettings, instruments: Telemetry, logged: StringIO
) -> None:
    away = settings.model_copy(
        update={"database_url": f"postgresql://me:hunter2@127.0.0.1:{free_port()}/mash"}
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_pool(away, Service.INTAKE):
            yield

    why = "the database of MASH_DATABASE_URL cannot be used (ConnectionRefusedError)"
    with pytest.raises(SystemExit) as stopped:
        await serve(create_app("x", away, instruments, [], lifespan), away, stop=asyncio.Event())
    assert str(stopped.value) == f"Cannot start: {why}."
    assert "hunter2" not in logged.getvalue()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            DocumentError(["wording.yaml:3:1: `receipts` is not a key of this file"]),
            r"\n.*wording\.yaml:3:1",
        ),
        (FileNotFoundError(2, "none", "/etc/hub/wording.yaml"), r"there is no file /etc/hub/wording\.yaml"),
    ],
)
def test_a_wrong_or_missing_file_of_the_partnership_is_said_and_not_thrown(
    monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    monkeypatch.setenv("MASH_DATABASE_URL", "postgresql://nobody@127.0.0.1/nothing")
    monkeypatch.setenv("MASH_ISSUER", "https://issuer.example.org")
    monkeypatch.setenv("MASH_JWKS_URL", "https://issuer.example.org/jwks.json")
    monkeypatch.setenv("MASH_CURSOR_SECRET", "k" * 32)
    monkeypatch.setenv("MASH_EVENTS", "postgres")

    def build(settings: ServiceSettings, **parts: object) -> FastAPI:
        raise error

    with pytest.raises(SystemExit, match=f"^Cannot start: .*{said}"):
        process.main(Service.NOTIFY, ServiceSettings, build)
