"""The whole service: two instances on the event log, one message that nobody can read, and what nobody sees."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from libs.messaging.codec import PlainCodec
from libs.messaging.event import Event
from libs.messaging.ledger import Ledger
from libs.platform import logging
from libs.platform.clock import SystemClock
from libs.platform.database import create_pool, role_dsn
from libs.schemas.base import Payload
from libs.schemas.document import DocumentError
from libs.schemas.events import Service
from sandbox.issuer import Issuer, issuer_router, load_clients, load_key
from services.triage.app import build
from services.triage.settings import TriageSettings
from tests.sandbox.serving import serve
from tests.services.triage.conftest import AGENCIES, ISSUER, NEGLECTED, Story, stated
from tests.services.triage.staff import CANARY

HUNGRY = stated("child.hunger", "persistent")


class Garbled(PlainCodec):
    """What an intake of a broken release would write: a referral whose form is of no release, in danger."""

    async def encode(self, payloads: Sequence[Payload[Any, Any]]) -> list[bytes]:
        found = []
        for payload in payloads:
            document = json.loads(payload.model_dump_json())
            document["shared"]["referral"]["worry"] = {"text": CANARY}
            found.append(json.dumps(document).encode())
        return found


@asynccontextmanager
async def writing(dsn: str, service: Service, codec: PlainCodec | None = None) -> AsyncIterator[Ledger]:
    pool = await create_pool(role_dsn(dsn, service), service=service, size=2)
    yield Ledger(pool, service, partnership="peterborough", codec=codec or PlainCodec(), clock=SystemClock())
    await pool.close()


async def emit(ledger: Ledger, *events: Event) -> None:
    async with ledger.unit({event.referral_id for event in events}) as unit:
        for event in events:
            unit.emit(event.type, event.referral_id, event.payload, trace=event.trace)


@asynccontextmanager
async def running(settings: TriageSettings) -> AsyncIterator[httpx.AsyncClient]:
    app = build(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://triage.example.org") as client:
            yield client


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 40.0) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.05)


@pytest.mark.timeout(60)
async def test_two_instances_screen_and_route_all_that_can_be_read_and_show_what_cannot(
    hub_database: str, scratch: Path
) -> None:
    stream = io.StringIO()
    logging.configure(Service.TRIAGE, "debug", SystemClock(), stream)
    key = load_key(scratch / "triage-issuer")
    issuer = Issuer(key, load_clients(), issuer=ISSUER, audience="mash", clock=SystemClock())
    keys = FastAPI()
    keys.include_router(issuer_router(issuer))
    stories = [Story() for _ in range(20)]
    broken = Story()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serve(keys))
        settings = TriageSettings(
            environment="test",
            database_url=role_dsn(hub_database, Service.TRIAGE),
            events="postgres",
            issuer=ISSUER,
            jwks_url=f"{url}/issuer/jwks.json",
            cursor_secret="s" * 32,
            search_secret="k" * 32,
            shutdown_seconds=1.0,
        )
        intake = await stack.enter_async_context(writing(hub_database, Service.INTAKE))
        garbled = await stack.enter_async_context(writing(hub_database, Service.INTAKE, Garbled()))
        enrichment = await stack.enter_async_context(writing(hub_database, Service.ENRICHMENT))
        own = await stack.enter_async_context(writing(hub_database, Service.TRIAGE))
        first, second = [await stack.enter_async_context(running(settings)) for _ in range(2)]

        await emit(enrichment, *(story.answer(agency) for story in stories for agency in AGENCIES))
        await emit(garbled, broken.received([HUNGRY], immediate_danger=True))
        await emit(intake, broken.information(worry=CANARY))
        await emit(enrichment, *(story.completed() for story in stories))
        await emit(intake, *(story.received(NEGLECTED) for story in stories))

        async def routed() -> bool:
            count = await own.pool.fetchval(
                "SELECT count(*) FROM outbox WHERE type = 'uk.mash.triage.case-routed.v1'"
            )
            parked = await own.pool.fetchval("SELECT count(*) FROM parked")
            return bool(count == len(stories) and parked == 2)

        await until(routed)
        evaluations = await own.pool.fetch(
            "SELECT case_id, count(*) FROM evaluation WHERE trigger = 'answer' GROUP BY case_id"
        )
        assert {row[0]: row[1] for row in evaluations} == {
            story.child_ids[0]: len(AGENCIES) for story in stories
        }

        # The clocks' rules are on record from the start, whoever of the two wrote them.
        assert await own.pool.fetchval("SELECT count(*) FROM clock_rules") == 1

        staff = {"Authorization": f"Bearer {issuer.token('staff-sw-1')}"}
        page = (await first.get("/v1/queue", headers=staff)).json()
        assert page["items"][0]["case_id"] == str(broken.child_ids[0])
        assert page["items"][0]["stage"] == "processing_stopped"
        assert "immediate_danger" in page["items"][0]["tags"]
        assert len(page["items"]) == len(stories) + 1

        operations = {"Authorization": f"Bearer {issuer.token('operations')}"}
        parked = (await second.get("/v1/parked", headers=operations)).json()["items"]
        assert [one["state"] for one in parked] == ["failed", "waiting"]
        assert CANARY not in json.dumps(parked)
        read = (await second.get(f"/v1/parked/{parked[0]['event_id']}", headers=operations)).json()
        assert read["payload"] is None
        assert CANARY in json.loads(read["text"])["shared"]["referral"]["worry"]["text"]
        assert (await first.get("/readyz")).status_code == 200
        metrics = (await first.get("/metrics")).text
    shown = stream.getvalue()
    assert '"parked"' in shown
    for text in (shown, metrics):
        assert CANARY not in text
        assert "9990000018" not in text


async def test_a_partnerships_mistake_is_named_and_nothing_starts(tmp_path: Path) -> None:
    settings = TriageSettings(
        environment="test",
        database_url="postgresql://unused",
        events="postgres",
        partnership_dir=tmp_path,
        issuer=ISSUER,
        jwks_url="http://issuer.example.org/jwks.json",
        cursor_secret="s" * 32,
        search_secret="k" * 32,
    )
    with pytest.raises(DocumentError, match=r"facts\.yaml"):
        build(settings)
