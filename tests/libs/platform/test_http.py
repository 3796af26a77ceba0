import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator
from io import StringIO

import httpx
import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import SpanKind, StatusCode

from libs.platform.alarms import Alarms
from libs.platform.clock import ManualClock
from libs.platform.http import IDLE_SECONDS, http_client, outcome, retry_after
from libs.platform.telemetry import Telemetry, TraceParent
from tests.libs.platform.conftest import Collected


@pytest.fixture(autouse=True)
def globals_of(instruments: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opentelemetry.propagate._HTTP_TEXT_FORMAT", TraceParent())
    monkeypatch.setattr("libs.platform.http.trace.get_tracer", lambda name: instruments.tracer)


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """Answers its request's headers; says nothing at all below /silent."""

    over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if "/hangup" in head:
            pass
        elif "/silent" not in head:
            body = json.dumps(dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])).encode()
            status = "503 Busy" if "/busy" in head else "200 OK"
            headers = f"content-length: {len(body)}\r\nretry-after: 7\r\nset-cookie: a=b"
            writer.write(f"HTTP/1.1 {status}\r\n{headers}\r\n\r\n".encode() + body)
            await writer.drain()
        else:
            await over.wait()
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        over.set()
        await asyncio.sleep(0)


async def test_a_request_carries_the_trace_and_its_span_holds_no_address(
    server: str, collected: Collected
) -> None:
    async with http_client(server, peer="police") as http:
        sent = (await http.get("/children/canary?name=canary")).json()
    (span,) = collected.spans
    assert span.context is not None
    assert sent["traceparent"].split("-")[1] == format(span.context.trace_id, "032x")
    assert (span.name, span.kind) == ("GET police", SpanKind.CLIENT)
    assert "canary" not in span.to_json()


async def test_cookies_are_not_kept_between_requests_about_different_children(server: str) -> None:
    async with http_client(server, peer="police") as http:
        await http.get("/")
        assert "cookie" not in (await http.get("/")).json()


async def test_a_silent_peer_costs_no_more_than_its_time(server: str, collected: Collected) -> None:
    timeout = httpx.Timeout(1, read=0.1)
    async with http_client(server, peer="police", timeout=timeout) as http:
        with pytest.raises(httpx.TimeoutException) as silence:
            await http.get("/silent")
    assert outcome(silence.value) == "timeout"
    assert collected.spans[0].status.status_code is StatusCode.ERROR


async def test_a_peer_that_is_not_there_is_unreachable() -> None:
    async with http_client("http://127.0.0.1:9", peer="police") as http:
        with pytest.raises(httpx.HTTPError) as refusal:
            await http.get("/")
    assert outcome(refusal.value) == "unreachable"


async def test_a_connection_that_is_lost_after_sending_is_not_called_unreachable(server: str) -> None:
    async with http_client(server, peer="police") as http:
        with pytest.raises(httpx.HTTPError) as loss:
            await http.post("/hangup", json={})
    assert outcome(loss.value) == "lost"


async def test_what_is_sent_after_a_rest_is_not_lost_on_a_connection_that_the_peer_gives_up() -> None:
    taken = list[socket.socket]()

    def answer(listening: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listening.accept()
            taken.append(connection)
            connection.recv(10_000)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=answer, args=(listening,), daemon=True).start()
        async with http_client(f"http://127.0.0.1:{listening.getsockname()[1]}", peer="police") as http:
            assert (await http.post("/first")).status_code == 200
            await asyncio.sleep(IDLE_SECONDS + 0.1)
            # Nothing runs between this and the request: the client cannot have heard of it.
            taken[0].close()
            assert (await http.post("/second")).status_code == 200
    taken[1].close()


async def test_the_wait_that_a_peer_asks_for_is_read(server: str) -> None:
    async with http_client(server, peer="police") as http:
        assert retry_after(await http.get("/busy")) == 7
    assert retry_after(httpx.Response(503, headers={b"retry-after": "²".encode()})) is None
    assert retry_after(httpx.Response(503)) is None


async def test_an_alarm_is_logged_and_posted_without_content(logged: StringIO, clock: ManualClock) -> None:
    posted: list[dict[str, str]] = []

    def take(request: httpx.Request) -> httpx.Response:
        posted.append(json.loads(request.content))
        return httpx.Response(204)

    async with httpx.AsyncClient(transport=httpx.MockTransport(take)) as http:
        alarms = Alarms(
            "intake", clock, NoOpMeterProvider().get_meter("x"), http, "http://alarm.example.org/"
        )
        assert await alarms.raise_alarm("referral-unseen", referral_id="r1")
    assert posted == [
        {"code": "referral-unseen", "service": "intake", "at": clock.now().isoformat(), "referral_id": "r1"}
    ]
    line = json.loads(logged.getvalue())
    assert (line["level"], line["code"], line["referral_id"]) == ("critical", "referral-unseen", "r1")


async def test_an_alarm_that_cannot_be_posted_is_still_logged(logged: StringIO, clock: ManualClock) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("down")

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        alarms = Alarms("intake", clock, NoOpMeterProvider().get_meter("x"), http, "http://a.example.org/")
        assert not await alarms.raise_alarm("x")
    assert [json.loads(line)["event"] for line in logged.getvalue().splitlines()] == [
        "alarm",
        "alarm not passed on",
    ]
