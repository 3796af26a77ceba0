"""The service as a process: killed at the worst moment, started again, and searched for what must not leave it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from libs.platform.clock import SystemClock
from libs.platform.database import role_dsn
from libs.platform.migrations import differences
from libs.schemas.events import Received, Service
from libs.schemas.referral import SafeContact
from sandbox.messages import Behaviour, Messages
from sandbox.notify import NotifyApi, callback_post, load_templates, notify_router
from sandbox.processes import free_port
from services.notify.tables import metadata
from tests.sandbox.serving import NO_TLS, serve
from tests.services.notify.conftest import CALLBACK_TOKEN, KEY, PARTNERSHIP, Story, open_ledger, until

CANARIES = ("canary.referrer@example.org", "Zebedee", "Canary-Test", "breakfast")


@pytest.mark.filterwarnings("ignore:Did not recognize type")  # of the event log's own tables
async def test_the_models_are_the_tables(hub_database: str) -> None:
    assert await differences(hub_database, Service.NOTIFY, metadata) == []


@asynccontextmanager
async def running(log: Path, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MASH_")}
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.notify"),
            env={**environment, **settings},
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def receive(dsn: str, story: Story) -> None:
    """Intake's event, in intake's own outbox."""
    event = story.received()
    assert isinstance(event.payload, Received)
    async with (
        open_ledger(dsn, SystemClock(), Service.INTAKE) as intake,
        intake.unit([story.id]) as unit,
    ):
        unit.emit(event.type, story.id, event.payload, trace=event.trace)


@pytest.mark.timeout(60)
async def test_killed_between_sending_and_recording_it_sends_once_and_tells_nobody_else(
    hub_database: str, tmp_path: Path
) -> None:
    log = tmp_path / "notify.log"
    port = free_port()
    clock = SystemClock()
    async with httpx.AsyncClient(verify=NO_TLS) as http:
        post = callback_post(http, f"http://127.0.0.1:{port}/v1/notify/callback", CALLBACK_TOKEN)
        messages = Messages(None, clock=clock, post=post, behaviour=Behaviour(delivery_seconds=0.1))
        app = FastAPI()
        templates = load_templates(PARTNERSHIP / "wording.yaml")
        app.include_router(notify_router(NotifyApi(messages, templates, api_key=KEY, clock=clock)))
        async with serve(app) as govuk, open_ledger(hub_database, clock) as ledger:
            settings = {
                "MASH_ENVIRONMENT": "test",
                "MASH_DATABASE_URL": role_dsn(hub_database, Service.NOTIFY),
                "MASH_EVENTS": "postgres",
                "MASH_ISSUER": "https://issuer.example.org",
                "MASH_JWKS_URL": "http://127.0.0.1:9/jwks.json",
                "MASH_CURSOR_SECRET": "x" * 32,
                "MASH_PORT": str(port),
                "MASH_NOTIFY_URL": govuk,
                "MASH_NOTIFY_API_KEY": KEY,
                "MASH_NOTIFY_CALLBACK_TOKEN": CALLBACK_TOKEN,
                "MASH_SEND_LEASE_SECONDS": "1",
                "MASH_LOOK_UP_AFTER_SECONDS": "0.5",
                "MASH_POLL_AFTER_SECONDS": "30",
            }
            contact = SafeContact(channel="email", email=CANARIES[0])
            await receive(hub_database, Story(contacts=(contact,)))
            async with running(log, **settings, MASH_FAILPOINTS="notify.after_send=kill:1") as doomed:
                assert await doomed.wait() == -signal.SIGKILL
            assert len(messages.everything()) == 1
            assert await ledger.pool.fetchval("SELECT state FROM notice") == "unsure"
            async with running(log, **settings):

                async def delivered() -> bool:
                    return bool(await ledger.pool.fetchval("SELECT state FROM notice") == "delivered")

                await until(delivered, 20)
                bad = await http.post(
                    f"http://127.0.0.1:{port}/v1/notify/callback",
                    json={"id": CANARIES[1], "to": CANARIES[0]},
                    headers={"Authorization": f"Bearer {CALLBACK_TOKEN}"},
                )
                shown = bad.text + (await http.get(f"http://127.0.0.1:{port}/metrics")).text
                shown += (await http.get(f"http://127.0.0.1:{port}/openapi.json")).text
            assert len(messages.everything()) == 1
            types = await ledger.pool.fetch("SELECT type FROM outbox")
            assert [row["type"] for row in types] == ["uk.mash.notice.delivered.v1"]
            columns = await ledger.pool.fetch(
                "SELECT type, topic, source, traceparent, referral_id FROM outbox"
            )
            shown += repr(columns)
        await messages.stop()
    shown += log.read_text()
    assert '"listening"' in shown
    assert [canary for canary in CANARIES if canary in shown] == []
