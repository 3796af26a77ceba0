"""The register of disclosures with tokens of the sandbox's issuer, on a database of the test's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from libs.messaging.codec import PlainCodec
from libs.messaging.ledger import Ledger
from libs.platform.auth import Authenticator
from libs.platform.clock import SystemClock
from libs.platform.cursors import Cursors
from libs.platform.database import create_pool, role_dsn
from libs.platform.service import create_app
from libs.platform.telemetry import setup
from libs.schemas.events import Service
from sandbox.issuer import Issuer, issuer_router, load_clients, load_key
from services.enrichment.settings import EnrichmentSettings
from services.enrichment.sharing.api import Register, router
from tests.sandbox.serving import NO_TLS, serve

ISSUER = "https://issuer.example.org"


@dataclass
class Caller:
    """Calls the service's API as a client of the sandbox."""

    http: httpx.AsyncClient
    tokens: Issuer

    async def get(self, path: str, client: str | None, **query: Any) -> httpx.Response:
        """Reads, with the client's token; None is nobody's."""
        headers = {} if client is None else {"Authorization": f"Bearer {self.tokens.token(client)}"}
        return await self.http.get(path, headers=headers, params=query)


@pytest.fixture
async def api(hub_database: str, scratch: Path) -> AsyncIterator[Caller]:
    key = load_key(scratch / "sharing-issuer")
    tokens = Issuer(key, load_clients(), issuer=ISSUER, audience="mash", clock=SystemClock())
    issuing = FastAPI()
    issuing.include_router(issuer_router(tokens))
    pool = await create_pool(role_dsn(hub_database, Service.ENRICHMENT), service=Service.ENRICHMENT)
    settings = EnrichmentSettings(
        environment="test",
        database_url="postgresql://unused",
        events="postgres",
        issuer=ISSUER,
        jwks_url="http://issuer.example.org/jwks.json",
        cursor_secret="s" * 32,
        people_secret="p" * 32,
    )
    clock = SystemClock()
    ledger = Ledger(pool, Service.ENRICHMENT, partnership="peterborough", codec=PlainCodec(), clock=clock)
    telemetry = setup(Service.ENRICHMENT, settings, install=False)
    app = create_app("Test", settings, telemetry, [router], _nothing_beside, description="Disclosures.")
    app.state.disclosures = Register(ledger, Cursors(settings.cursor_secret))
    async with serve(issuing) as url, httpx.AsyncClient(verify=NO_TLS) as keys:
        app.state.authenticator = Authenticator(f"{url}/issuer/jwks.json", ISSUER, "mash", keys, clock)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://mash.example.org") as http:
            yield Caller(http, tokens)
    telemetry.shutdown()
    await pool.close()


@asynccontextmanager
async def _nothing_beside(_: FastAPI) -> AsyncIterator[None]:
    yield
