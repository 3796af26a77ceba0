"""Schemathesis plays staff and machines that send anything to the running service."""

import asyncio
from functools import partial
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import ECKey

from libs.messaging.errors import Refused
from libs.messaging.parked import ParkedMessages
from libs.platform.auth import Authenticator
from libs.platform.clock import SystemClock
from libs.platform.parked_api import parked_router
from libs.platform.process import serve
from libs.platform.service import create_app
from libs.platform.telemetry import setup
from libs.schemas.events import Service
from sandbox.issuer import Issuer, load_clients
from services.triage.app import furnish, routers
from services.triage.live.api import router as live_router
from services.triage.restricted.rights import withheld
from services.triage.settings import TriageSettings
from services.triage.thresholds import Thresholds
from tests.fuzzing import LIMIT, LONG, Record, faults_found, parked_ways
from tests.services.triage.bell import Bell
from tests.services.triage.conftest import ISSUER, HubWorld, parts_of
from tests.services.triage.ways import Hub, ways_into

SCOPES = (
    *("queue:read", "case:read", "case:write", "decision:write", "policy:read"),
    *("restricted:read", "operations:read", "parked:manage"),
)

COMMANDS = "/(people|person-decisions|check-orders)$"


@pytest.mark.soak
@pytest.mark.timeout(LIMIT)
async def test_schemathesis_finds_nothing(
    hub: HubWorld,
    settings: TriageSettings,
    thresholds: Thresholds,
    issuer_key: ECKey,
    tmp_path: Path,
    record_property: Record,
) -> None:
    clock = SystemClock()
    await hub.policies.start(hub.ledger)
    policy = hub.policies.rulebooks.directory.fingerprint
    issuer = Issuer(issuer_key, load_clients(), issuer=ISSUER, audience="mash", clock=clock)
    token = issuer.token("staff-mgr-1", scopes=SCOPES)
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    telemetry = setup(Service.TRIAGE, settings, install=False)
    keys = httpx.MockTransport(lambda request: httpx.Response(200, json=issuer.jwks()))
    async with httpx.AsyncClient(transport=keys) as client:
        authenticator = Authenticator(settings.jwks_url, ISSUER, "mash", client, clock)
        # A stream of events does not end, and is tested by itself.
        rooms = [*(one for one in routers() if one is not live_router), parked_router(Refused, withheld)]
        app = create_app("Triage", settings, telemetry, rooms, authenticator=authenticator)
        parts = parts_of(hub, thresholds, settings, Bell())
        furnish(app, parts)
        app.state.parked = ParkedMessages(hub.ledger, hub.consumer)
        ephemeral = settings.model_copy(update={"port": 0})
        serving = asyncio.create_task(serve(app, ephemeral, stop=stop, ready=ready.set_result))
        url = f"http://127.0.0.1:{await ready}"
        async with httpx.AsyncClient(base_url=url) as http:
            async with hub.ledger.pool.acquire() as connection:
                parked = await parked_ways(connection, Service.TRIAGE)
            ways = parked | await ways_into(Hub(hub, http, issuer, thresholds, parts.partnership, policy))
        # Whether a decision is taken hangs on the case's state, not on the request's form alone.
        tried = partial(
            faults_found, url, token, tmp_path, record=record_property, large=True, valid_is_taken=False
        )
        # What staff may send of a child is as large as a referral, and would take the time of all the others.
        groups = [(f"^(?!.*{COMMANDS})", 3), (COMMANDS, 1)] if LONG else [(".*", 1)]
        found = [await tried(ways=ways, paths=paths, share=share) for paths, share in groups]
        stop.set()
        await serving
    telemetry.shutdown()
    assert not any(found), "\n".join(one for one in found if one)
