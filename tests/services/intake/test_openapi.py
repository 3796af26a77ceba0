"""Schemathesis plays partner systems that send anything to the running service."""

import asyncio
from pathlib import Path

import asyncpg
import httpx
import pytest
from joserfc.jwk import ECKey

from libs.platform.clock import SystemClock
from libs.platform.process import serve
from libs.schemas.events import Service
from sandbox.issuer import Issuer, load_clients
from tests.fuzzing import LIMIT, Record, Way, faults_found, parked_ways
from tests.services.intake.conftest import ISSUER, REFERRAL, Caller, served
from tests.services.intake.test_additions import KINDS


@pytest.mark.soak
@pytest.mark.timeout(LIMIT)
async def test_schemathesis_finds_nothing(
    hub_database: str, issuer_key: ECKey, tmp_path: Path, record_property: Record
) -> None:
    # What a schema cannot say, such as a fact of the dictionary, may be refused: so valid data need not be accepted.
    clock = SystemClock()
    issuer = Issuer(issuer_key, load_clients(), issuer=ISSUER, audience="mash", clock=clock)
    token = issuer.token("st_ives_primary")
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with served(hub_database, issuer, clock, port=0, lifespan=False) as app:
        serving = asyncio.create_task(serve(app, app.state.settings, stop=stop, ready=ready.set_result))
        url = f"http://127.0.0.1:{await ready}"
        async with httpx.AsyncClient(base_url=url) as http:
            reference = (await Caller(http, token).refer()).json()["reference"]
        connection = await asyncpg.connect(hub_database)
        ways = await parked_ways(connection, Service.INTAKE, issuer.token("operations"))
        await connection.close()
        path = {"reference": reference}
        ways |= {"POST /v1/referrals": Way(body=REFERRAL), "GET /v1/referrals/{reference}": Way(path)}
        ways |= {f"POST /v1/referrals/{{reference}}/{kind}": Way(path, body) for kind, body in KINDS}
        found = await faults_found(
            url, token, tmp_path, ways=ways, record=record_property, valid_is_taken=False, share=2, large=True
        )
        stop.set()
        await serving
    assert found is None, found
