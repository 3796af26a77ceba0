"""An issuer of real tokens, and an application that uses everything of the room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from libs.platform import telemetry
from libs.platform.auth import Authenticator
from libs.platform.clock import ManualClock
from libs.platform.logging import configure
from libs.platform.settings import ServiceSettings
from libs.platform.spans import AllowListExporter

ISSUER = "https://issuer.example.org"
START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture(autouse=True)
def logged(clock: ManualClock) -> StringIO:
    """What was logged, as the lines of a process."""
    stream = StringIO()
    configure("intake", "info", clock, stream)
    return stream


@pytest.fixture
def settings() -> ServiceSettings:
    return ServiceSettings(
        environment="test",
        database_url="postgresql://mash_intake@127.0.0.1/none",
        events="postgres",
        issuer=ISSUER,
        jwks_url=f"{ISSUER}/jwks",
        cursor_secret="k" * 32,
        port=0,
    )


@dataclass
class Issuer:
    """Signs tokens and publishes keys; counts how often the keys were fetched."""

    clock: ManualClock
    keys: list[ECKey] = field(default_factory=list)
    fetched: int = 0
    down: bool = False

    def __post_init__(self) -> None:
        self.rotate()

    def rotate(self) -> None:
        self.keys = [ECKey.generate_key("P-256", {"kid": f"k{len(self.keys)}{self.fetched}"}), *self.keys]

    def token(self, *, header: dict[str, Any] | None = None, key: ECKey | None = None, **claims: Any) -> str:
        now = int(self.clock.now().timestamp())
        body: dict[str, Any] = {
            "iss": ISSUER,
            "aud": "mash",
            "sub": "police-system",
            "client_id": "police-system",
            "agency": "police",
            "jti": "t1",
            "iat": now,
            "exp": now + 600,
            "scope": "referral:submit referral:read:own",
            **claims,
        }
        key = key or self.keys[0]
        return jwt.encode(
            {"alg": "ES256", "typ": "at+jwt", "kid": key.kid, **(header or {})},
            {name: value for name, value in body.items() if value is not None},
            key,
            algorithms=["ES256", "HS256"],
        )

    async def answer(self, request: httpx.Request) -> httpx.Response:
        # As over a network, others come meanwhile.
        await asyncio.sleep(0)
        self.fetched += 1
        if self.down:
            raise httpx.ConnectError("down")
        return httpx.Response(200, json=KeySet(list(self.keys)).as_dict(private=False))


@pytest.fixture
def issuer(clock: ManualClock) -> Issuer:
    return Issuer(clock)


@pytest.fixture
async def authenticator(issuer: Issuer, clock: ManualClock) -> AsyncIterator[Authenticator]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(issuer.answer)) as http:
        yield Authenticator(f"{ISSUER}/jwks", ISSUER, "mash", http, clock)


class Collected(SpanExporter):
    """Spans as a collector would get them."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Any) -> SpanExportResult:
        self.spans.extend(spans)
        return SpanExportResult.SUCCESS


@pytest.fixture
def collected() -> Collected:
    return Collected()


@pytest.fixture
def instruments(settings: ServiceSettings, collected: Collected) -> telemetry.Telemetry:
    processor = SimpleSpanProcessor(AllowListExporter(collected))
    return telemetry.setup("intake", settings, processor=processor, install=False)


Client = Callable[[Any], httpx.AsyncClient]


@pytest.fixture
def client() -> Client:
    def of(app: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mash.example.org")

    return of
