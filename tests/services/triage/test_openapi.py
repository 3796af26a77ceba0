"""Schemathesis plays staff and machines that send anything to the running service."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import ECKey

from libs.platform.auth import Authenticator
from libs.platform.clock import SystemClock
from libs.platform.process import serve
from libs.platform.service import create_app
from libs.platform.telemetry import setup
from libs.schemas.events import Service
from sandbox.issuer import Issuer, load_clients
from services.triage.app import furnish, routers
from services.triage.live.api import router as live_router
from services.triage.settings import TriageSettings
from services.triage.thresholds import Thresholds
from tests.fuzzing import LIMIT, Record, faults_found
from tests.services.triage.bell import Bell
from tests.services.triage.conftest import ISSUER, HubWorld, Story, parts_of, stated

SCOPES = (
    *("queue:read", "case:read", "case:write", "decision:write", "panel:write", "handover:accept"),
    *("restricted:read", "operations:read", "policy:read"),
)

COMMANDS = "/(people|person-decisions|check-orders)$"


@pytest.mark.soak
@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize("large", [False, True], ids=["all", "commands"])
async def test_schemathesis_finds_nothing(
    hub: HubWorld,
    settings: TriageSettings,
    thresholds: Thresholds,
    issuer_key: ECKey,
    tmp_path: Path,
    record_property: Record,
    large: bool,
) -> None:
    clock = SystemClock()
    story = Story(at=datetime(2026, 11, 23, 10, 0, tzinfo=UTC))
    await hub.policies.start(hub.ledger)
    policy = hub.policies.rulebooks.directory.fingerprint
    await hub.take(story.received([stated("child.disclosed_sexual_abuse", True)]), story.completed())
    [task] = [row[0] for row in await hub.rows("SELECT id FROM task ORDER BY kind LIMIT 1")]
    issuer = Issuer(issuer_key, load_clients(), issuer=ISSUER, audience="mash", clock=clock)
    token = issuer.token("staff-mgr-1", scopes=SCOPES)
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    telemetry = setup(Service.TRIAGE, settings, install=False)
    keys = httpx.MockTransport(lambda request: httpx.Response(200, json=issuer.jwks()))
    async with httpx.AsyncClient(transport=keys) as client:
        authenticator = Authenticator(settings.jwks_url, ISSUER, "mash", client, clock)
        # A stream of events does not end, and is tested by itself.
        rooms = [one for one in routers() if one is not live_router]
        app = create_app("Triage", settings, telemetry, rooms, authenticator=authenticator)
        furnish(app, parts_of(hub, thresholds, settings, Bell()))
        ephemeral = settings.model_copy(update={"port": 0})
        serving = asyncio.create_task(serve(app, ephemeral, stop=stop, ready=ready.set_result))
        url = f"http://127.0.0.1:{await ready}"
        parameters = {
            "path.case_id": str(story.child_ids[0]),
            "reference": story.reference,
            "task_id": str(task),
            "fingerprint": policy,
        }
        # Whether a decision is taken hangs on the case's state, not on the request's form alone.
        found = await faults_found(
            url,
            token,
            tmp_path,
            parameters=parameters,
            record=record_property,
            at_least=6 if large else 150,
            large=True,
            valid_is_taken=False,
            # What staff may send of a child is as large as a referral: a run of its own tries that.
            paths=COMMANDS if large else f"^(?!.*{COMMANDS})",
            share=1 if large else 3,
            # Of two parameters in a path, the one that is given here stands in for a generated wrong one.
            operations='[[operations]]\ninclude-name = "GET /v1/cases/{case_id}/evaluations/{number}"\n'
            "checks.negative_data_rejection.enabled = false\n",
        )
        stop.set()
        await serving
    telemetry.shutdown()
    assert found is None, found
