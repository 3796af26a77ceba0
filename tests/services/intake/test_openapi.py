"""Schemathesis plays partner systems that send anything to the running service."""

import asyncio
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import ECKey

from libs.platform.clock import SystemClock
from libs.platform.process import serve
from sandbox.issuer import Issuer, load_clients
from tests.fuzzing import LIMIT, Record, faults_found
from tests.services.intake.conftest import ISSUER, Caller, served

SCOPES = ("referral:submit", "referral:read", "parked:manage")


@pytest.mark.soak
@pytest.mark.timeout(LIMIT)
async def test_schemathesis_finds_nothing(
    hub_database: str, issuer_key: ECKey, tmp_path: Path, record_property: Record
) -> None:
    # What a schema cannot say, such as a fact of the dictionary, may be refused: so valid data need not be accepted.
    clock = SystemClock()
    issuer = Issuer(issuer_key, load_clients(), issuer=ISSUER, audience="mash", clock=clock)
    token = issuer.token("st_ives_primary", scopes=SCOPES)
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with served(hub_database, issuer, clock, port=0, lifespan=False) as app:
        serving = asyncio.create_task(serve(app, app.state.settings, stop=stop, ready=ready.set_result))
        url = f"http://127.0.0.1:{await ready}"
        async with httpx.AsyncClient(base_url=url) as http:
            reference = (await Caller(http, token).refer()).json()["reference"]
        found = await faults_found(
            url,
            token,
            tmp_path,
            parameters={"reference": reference},
            record=record_property,
            paths="/v1/referrals",
            valid_is_taken=False,
            share=2,
            at_least=10,
            large=True,
        )
        stop.set()
        await serving
    assert found is None, found
