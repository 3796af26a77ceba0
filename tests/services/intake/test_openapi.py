"""Schemathesis plays partner systems that send anything to the running service."""

import asyncio
import sys

import pytest

from libs.platform.clock import SystemClock
from libs.platform.service import serve
from sandbox.issuer import Issuer, load_clients
from tests.services.intake.conftest import ISSUER, served

SECONDS = 15


@pytest.mark.timeout(90)
async def test_schemathesis_finds_nothing(intake_database: str, issuer_key: object) -> None:
    clock = SystemClock()
    issuer = Issuer(issuer_key, load_clients(), issuer=ISSUER, audience="mash", clock=clock)  # type: ignore[arg-type]
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with served(intake_database, issuer, clock, port=0, lifespan=False) as app:
        serving = asyncio.create_task(serve(app, app.state.settings, stop=stop, ready=ready.set_result))
        url = f"http://127.0.0.1:{await ready}"
        run = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
            *("--workers", "1", "--max-time", str(SECONDS), "--phases", "examples,coverage,fuzzing"),
            *("--header", f"Authorization: Bearer {issuer.token('st_ives_primary')}"),
            *("--seed", "1", "--no-color"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await run.communicate()
        stop.set()
        await serving
    assert run.returncode == 0, output.decode()[-6000:]
