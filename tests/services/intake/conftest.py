"""Intake on a real database, called in this process, with tokens of the sandbox's issuer."""

import asyncio
import contextlib
import copy
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI

from libs.messaging.codec import PlainCodec
from libs.messaging.failpoints import NEVER
from libs.messaging.ledger import Ledger
from libs.platform.auth import Authenticator
from libs.platform.clock import ManualClock
from libs.platform.database import create_pool, role_dsn
from libs.platform.service import create_app
from libs.platform.telemetry import setup
from libs.schemas.clock import Clock
from libs.schemas.events import Service
from sandbox.issuer import Client, Issuer, load_key
from sandbox.processes import free_port
from services.intake.api import router
from services.intake.app import Partnership, build, desk, load_partnership
from services.intake.settings import IntakeSettings

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ISSUER = "https://issuer.example.org"

REFERRAL: dict[str, Any] = {
    "worry": "He comes without breakfast.",
    "referrer": {"role": "teacher", "source": "2A", "name": "Example Larch"},
    "children": [
        {
            "given_name": "Tom",
            "family_name": "Wrenfield-Test",
            "facts": [{"fact": "child.hunger", "value": "persistent", "basis": "observed"}],
        },
        {"given_name": "Sam", "family_name": "Wrenfield-Test"},
    ],
}


def referral(**changes: Any) -> dict[str, Any]:
    """A referral of two children, with changes on top."""
    return {**copy.deepcopy(REFERRAL), **changes}


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    """What is logged during a test, event by event."""
    with structlog.testing.capture_logs() as events:
        yield events


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def ledger(hub_database: str, clock: ManualClock) -> AsyncIterator[Ledger]:
    pool = await create_pool(role_dsn(hub_database, Service.INTAKE), service=Service.INTAKE, size=20)
    yield Ledger(
        pool, Service.INTAKE, partnership="peterborough", codec=PlainCodec(), clock=clock, failpoints=NEVER
    )
    await pool.close()


@dataclass
class Caller:
    """A partner's system."""

    http: httpx.AsyncClient
    token: str

    def headers(self, key: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key or uuid.uuid4().hex}

    async def refer(self, body: Any = None, key: str | None = None) -> httpx.Response:
        return await self.http.post("/v1/referrals", json=body or REFERRAL, headers=self.headers(key))

    async def add(self, reference: str, kind: str, body: Any, key: str | None = None) -> httpx.Response:
        return await self.http.post(f"/v1/referrals/{reference}/{kind}", json=body, headers=self.headers(key))

    async def status(self, reference: str) -> httpx.Response:
        return await self.http.get(f"/v1/referrals/{reference}", headers=self.headers())


@pytest.fixture(scope="session")
def issuer_key(scratch: Path) -> Any:
    return load_key(scratch / "issuer")


@pytest.fixture
def issuer(issuer_key: Any, clients: Mapping[str, Client], clock: ManualClock) -> Issuer:
    return Issuer(issuer_key, clients, issuer=ISSUER, audience="mash", clock=clock)


@pytest.fixture(scope="session")
def settings() -> IntakeSettings:
    return IntakeSettings(
        environment="test",
        database_url="postgresql://unused",
        events="postgres",
        issuer=ISSUER,
        jwks_url="http://issuer.example.org/jwks.json",
        cursor_secret="s" * 32,
    )


@pytest.fixture(scope="session")
def application(settings: IntakeSettings) -> Iterator[FastAPI]:
    """The service's operations, described once for all tests of a worker."""
    telemetry = setup(Service.INTAKE, settings, install=False)
    yield create_app("Intake", settings, telemetry, [router])
    telemetry.shutdown()


@pytest.fixture(scope="session")
def partnership(settings: IntakeSettings) -> Partnership:
    return load_partnership(settings.partnership_dir)


@pytest.fixture
async def app(
    ledger: Ledger,
    settings: IntakeSettings,
    issuer: Issuer,
    clock: ManualClock,
    application: FastAPI,
    partnership: Partnership,
) -> AsyncIterator[FastAPI]:
    def keys(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=issuer.jwks())

    async with httpx.AsyncClient(transport=httpx.MockTransport(keys)) as http:
        application.state.authenticator = Authenticator(settings.jwks_url, ISSUER, "mash", http, clock)
        application.state.desk = desk(ledger, settings, partnership)
        yield application


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://intake.example.org") as client:
        yield client


@pytest.fixture
def school(http: httpx.AsyncClient, issuer: Issuer) -> Caller:
    return Caller(http, issuer.token("st_ives_primary"))


@pytest.fixture
def police(http: httpx.AsyncClient, issuer: Issuer) -> Caller:
    return Caller(http, issuer.token("cambridgeshire_police"))


async def count(ledger: Ledger, table: str) -> int:
    number: int = await ledger.pool.fetchval(f"SELECT count(*) FROM {table}")
    return number


async def written(ledger: Ledger) -> dict[str, int]:
    """How many rows stand in each table that a request could write."""
    return {table: await count(ledger, table) for table in ("referral", "addition", "outbox", "stream")}


@contextlib.asynccontextmanager
async def served(
    database: str, issuer: Issuer, clock: Clock, *, lifespan: bool = True, **changes: Any
) -> AsyncIterator[FastAPI]:
    """The built service, in its lifespan unless whoever serves it enters that; it fetches the issuer's keys."""

    async def keys(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = httpx.Response(200, json=issuer.jwks()).content
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    port = free_port()
    async with await asyncio.start_server(keys, "127.0.0.1", port):
        settings = IntakeSettings(
            environment="test",
            database_url=role_dsn(database, Service.INTAKE),
            issuer=ISSUER,
            jwks_url=f"http://127.0.0.1:{port}/jwks.json",
            cursor_secret="s" * 32,
            **{"events": "postgres", **changes},
        )
        app = build(settings, clock=clock, telemetry=setup(Service.INTAKE, settings, install=False))
        async with app.router.lifespan_context(app) if lifespan else contextlib.nullcontext():
            yield app
