"""Schemathesis plays partner systems that send anything to the running service."""

import asyncio
import re
import sys
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import ECKey

from libs.platform.clock import SystemClock
from libs.platform.service import serve
from sandbox.issuer import Issuer, load_clients
from tests.services.intake.conftest import ISSUER, Caller, served

SCOPES = ("referral:submit", "referral:read", "parked:manage")

SECONDS = 12
"""For all operations together: some hundred requests on an idle machine."""


@pytest.mark.timeout(120)
async def test_schemathesis_finds_nothing(intake_database: str, issuer_key: ECKey, tmp_path: Path) -> None:
    # What a schema cannot say, such as a fact of the dictionary, may be refused: so valid data need not be accepted.
    clock = SystemClock()
    issuer = Issuer(issuer_key, load_clients(), issuer=ISSUER, audience="mash", clock=clock)
    token = issuer.token("st_ives_primary", scopes=SCOPES)
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with served(intake_database, issuer, clock, port=0, lifespan=False) as app:
        serving = asyncio.create_task(serve(app, app.state.settings, stop=stop, ready=ready.set_result))
        url = f"http://127.0.0.1:{await ready}"
        async with httpx.AsyncClient(base_url=url) as http:
            reference = (await Caller(http, token).refer()).json()["reference"]
        (tmp_path / "schemathesis.toml").write_text(f'[parameters]\nreference = "{reference}"\n')
        run = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "schemathesis.cli", "--config-file", str(tmp_path / "schemathesis.toml")),
            *("run", f"{url}/openapi.json", "--workers", "1", "--phases", "coverage,fuzzing"),
            *(
                "--max-time",
                str(SECONDS),
                "--include-path-regex",
                "/v1/referrals",
                "--exclude-checks",
                "positive_data_acceptance",
            ),
            *("--header", f"Authorization: Bearer {token}", "--seed", "1", "--no-color"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await run.communicate())[0].decode()
        stop.set()
        await serving
    assert run.returncode == 0, output[-6000:]
    generated = re.search(r"(\d+) generated", output)
    assert generated is not None, output[-6000:]
    assert int(generated[1]) > 0, output[-6000:]
