import asyncio

import pytest
from fastapi import FastAPI

from libs.platform import health
from libs.platform.health import Check, health_router
from tests.libs.platform.conftest import Client


async def well() -> None:
    pass


async def broken() -> None:
    raise ConnectionError("postgresql://mash_intake:hunter2@db")


async def hanging() -> None:
    await asyncio.sleep(60)


async def hard_to_end() -> None:
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(60)


def app(**changes: object) -> FastAPI:
    built = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    built.include_router(health_router(**{"checks": {"database": well}, **changes}))  # type: ignore[arg-type]
    return built


async def test_a_service_whose_checks_pass_is_ready(client: Client) -> None:
    async with client(app()) as http:
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "checks": {"database": "ok"}})


async def test_a_failing_check_is_named_and_its_text_kept_back(client: Client) -> None:
    async with client(app(checks={"database": well, "schema": broken})) as http:
        answer = await http.get("/readyz")
        assert (await http.get("/livez")).status_code == 200
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "ok", "schema": "failed"}
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("check", [hanging, hard_to_end])
async def test_a_check_that_hangs_does_not_hang_the_probe(
    client: Client, monkeypatch: pytest.MonkeyPatch, check: Check
) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.05)
    async with client(app(checks={"database": check})) as http, asyncio.timeout(5):
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]) == (503, {"database": "slow"})


async def test_a_service_that_starts_or_stops_is_not_ready_but_alive(client: Client) -> None:
    async with client(app(started=lambda: False)) as http:
        assert [(await http.get(path)).status_code for path in ("/livez", "/startupz", "/readyz")] == [
            200,
            503,
            503,
        ]
    async with client(app(stopping=lambda: True)) as http:
        assert [(await http.get(path)).status_code for path in ("/livez", "/startupz", "/readyz")] == [
            200,
            200,
            503,
        ]
