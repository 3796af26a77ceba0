"""Enrichment with every way of asking as it is deployed: clients over HTTP, and an interface for who fetches."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from fastapi import APIRouter, FastAPI
from joserfc.jwk import ECKey

from libs.platform.auth import Authenticator
from libs.platform.clock import SystemClock
from libs.platform.service import create_app
from libs.platform.telemetry import Telemetry, setup
from libs.schemas.events import Service
from sandbox.agencies.pulling import MARAC_CLIENT, pulling
from sandbox.issuer import Issuer, load_clients
from services.enrichment.partnership import load_agencies
from services.enrichment.pulled import api
from services.enrichment.settings import EnrichmentSettings
from tests.sandbox.serving import serve
from tests.services.enrichment.conftest import PARTNERSHIP, Instance, Sandbox, World

ISSUER = "https://issuer.example.org"


@dataclass
class Hub:
    """A running enrichment that asks every agency in the agency's own way."""

    instance: Instance
    url: str
    tokens: Issuer


@asynccontextmanager
async def interface(
    settings: EnrichmentSettings, tell: Callable[[FastAPI, Telemetry], APIRouter]
) -> AsyncIterator[tuple[str, Issuer]]:
    """An interface of the service on a socket, with tokens to call it by; `tell` gives it what it answers from."""
    telemetry = setup(Service.ENRICHMENT, settings, install=False)
    key = ECKey.generate_key("P-256", {"kid": "test", "use": "sig", "alg": "ES256"})
    tokens = Issuer(key, load_clients(), issuer=ISSUER, audience="mash", clock=SystemClock())
    keys = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=tokens.jwks())))
    authenticator = Authenticator(ISSUER, ISSUER, "mash", keys, SystemClock())
    app = create_app("Enrichment", settings, telemetry, [], authenticator=authenticator)
    app.include_router(tell(app, telemetry))
    async with serve(app) as url:
        yield url, tokens
    await keys.aclose()
    telemetry.shutdown()


@asynccontextmanager
async def hub(world: World, sandbox: Sandbox) -> AsyncIterator[Hub]:
    """Starts it, with MARAC's team looking for its questions."""
    world.terms = load_agencies(PARTNERSHIP / "agencies")
    instance = await world.start(check_deadline_cap_seconds=None)

    def answering(app: FastAPI, _: Telemetry) -> APIRouter:
        app.state.answering = instance.checks.answering
        return api.router

    async with interface(world.settings, answering) as (url, tokens):
        async with pulling(sandbox.suppliers["marac"], url, lambda: tokens.token(MARAC_CLIENT)):
            yield Hub(instance, url, tokens)
        # Whoever still answers does so before the database goes.
        await asyncio.sleep(0)
