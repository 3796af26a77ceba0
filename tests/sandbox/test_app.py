"""One process stands for everything outside the services, and starts nowhere but in dev and test."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from libs.platform.clock import SystemClock
from sandbox.agencies import AGENCIES
from sandbox.alarms import alarms_router
from sandbox.app import build
from sandbox.settings import SandboxSettings, load_settings
from services.enrichment.partnership import load_agencies

PARTNERSHIP = Path("deploy/partnership")


def test_the_partnership_asks_only_agencies_that_there_are() -> None:
    assert set(load_agencies(PARTNERSHIP / "agencies")) <= set(AGENCIES)


async def test_alarms_are_listed_newest_first() -> None:
    app = FastAPI()
    app.include_router(alarms_router(SystemClock()))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.example.org") as http:
        for code in ("first", "second"):
            assert (await http.post("/alarms", json={"code": code})).status_code == 202
        assert [each["alarm"]["code"] for each in (await http.get("/alarms")).json()] == ["second", "first"]
        assert (await http.post("/alarms", content=b"x" * 20_000)).status_code == 413
        assert (await http.delete("/alarms")).status_code == 204
        assert (await http.get("/alarms")).json() == []


def test_the_sandbox_starts_nowhere_but_in_dev_and_test(monkeypatch: pytest.MonkeyPatch) -> None:
    for environment in (None, "production"):
        if environment is None:
            monkeypatch.delenv("MASH_ENVIRONMENT", raising=False)
        else:
            monkeypatch.setenv("MASH_ENVIRONMENT", environment)
        with pytest.raises(SystemExit, match="MASH_ENVIRONMENT is dev or test"):
            load_settings()
    monkeypatch.setenv("MASH_ENVIRONMENT", "dev")
    assert load_settings().port == 8100


async def test_one_process_answers_for_everything_outside_the_services() -> None:
    app = build(SandboxSettings(environment="test"))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://sandbox.example.org"
        ) as http,
    ):
        assert (await http.get("/livez")).status_code == 200
        page = (await http.get("/")).text
        for href in ("/traces", "/notify/messages", "/alarms", "/agencies/asked", "/openapi.json"):
            assert f'href="{href}"' in page
            assert (await http.get(href)).status_code == 200
        assert (await http.get("/issuer/jwks.json")).json()["keys"]
