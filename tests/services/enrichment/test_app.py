"""The whole service: two instances on the event log, what operations see of it, and what nobody sees."""

import asyncio
import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from libs.messaging.codec import PlainCodec
from libs.messaging.event import Event
from libs.messaging.ledger import Ledger
from libs.platform import logging
from libs.platform.clock import SystemClock
from libs.platform.database import create_pool, role_dsn
from libs.platform.migrations import differences
from libs.schemas.events import Service
from sandbox.agencies.pulling import MARAC_CLIENT, Pulling
from sandbox.issuer import Issuer, issuer_router, load_clients, load_key
from sandbox.settings import AGENCY_KEY
from services.enrichment.app import build
from services.enrichment.settings import EnrichmentSettings
from services.enrichment.tables import metadata
from tests.sandbox.serving import serve
from tests.services.enrichment.conftest import WREN, Case, Sandbox, until

ISSUER = "https://issuer.example.org"


@pytest.fixture
async def issuer(scratch: Path) -> AsyncIterator[tuple[str, Issuer]]:
    key = load_key(scratch / "enrichment-issuer")
    issuer = Issuer(key, load_clients(), issuer=ISSUER, audience="mash", clock=SystemClock())
    app = FastAPI()
    app.include_router(issuer_router(issuer))
    async with serve(app) as url:
        yield url, issuer


@asynccontextmanager
async def _producer(dsn: str, service: Service) -> AsyncIterator[Ledger]:
    pool = await create_pool(role_dsn(dsn, service), service=service)
    yield Ledger(pool, service, partnership="peterborough", codec=PlainCodec(), clock=SystemClock())
    await pool.close()


async def _emit(ledger: Ledger, events: Sequence[Event]) -> None:
    async with ledger.unit({event.referral_id for event in events}) as unit:
        for event in events:
            unit.emit(event.type, event.referral_id, event.payload, trace=event.trace)


@asynccontextmanager
async def _running(settings: EnrichmentSettings) -> AsyncIterator[httpx.AsyncClient]:
    app = build(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://enrichment.example.org") as client:
            yield client


@asynccontextmanager
async def _beside(marac: Pulling) -> AsyncIterator[None]:
    task = asyncio.create_task(marac.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.timeout(180)
async def test_two_instances_carry_every_referral_to_its_answers_once_and_show_no_person(
    hub_database: str, sandbox: Sandbox, issuer: tuple[str, Issuer]
) -> None:
    stream = io.StringIO()
    logging.configure(Service.ENRICHMENT, "debug", SystemClock(), stream)
    canaries = {"Zyxwren", "Qvkestrel", "9990041296", "Plughstreet", "ZZ9 9ZZ"}
    canary = {
        "given_name": "Zyxwren",
        "family_name": "Qvkestrel",
        "nhs_number": "9990041296",
        "address": {"lines": ["1 Plughstreet"], "postcode": "PE1 9ZZ"},
    }
    await sandbox.tell("health", "fail", fault="someone_else", child={"nhs_number": "9990041296"})
    await sandbox.tell("police", "fail", fault="malformed", child={"family_name": "Qvkestrel"})
    cases = [Case(children=(WREN,)) for _ in range(8)] + [Case(children=(canary,))]
    url, tokens = issuer
    settings = EnrichmentSettings(
        environment="test",
        database_url=role_dsn(hub_database, Service.ENRICHMENT),
        events="postgres",
        issuer=ISSUER,
        jwks_url=f"{url}/issuer/jwks.json",
        cursor_secret="s" * 32,
        people_secret="p" * 32,
        agencies_url=sandbox.url,
        agency_key=AGENCY_KEY,
        check_deadline_cap_seconds=25.0,
        shutdown_seconds=1.0,
    )
    async with AsyncExitStack() as stack:
        intake = await stack.enter_async_context(_producer(hub_database, Service.INTAKE))
        triage = await stack.enter_async_context(_producer(hub_database, Service.TRIAGE))
        own = await stack.enter_async_context(_producer(hub_database, Service.ENRICHMENT))
        first, second = [await stack.enter_async_context(_running(settings)) for _ in range(2)]
        marac = Pulling(sandbox.suppliers["marac"], first, lambda: tokens.token(MARAC_CLIENT))
        await stack.enter_async_context(_beside(marac))
        await asyncio.gather(
            _emit(triage, [case.screened() for case in cases]),
            _emit(intake, [case.received() for case in cases]),
        )
        count = "SELECT count(*) FROM outbox WHERE type LIKE '%checks.completed.v1'"

        async def all_completed() -> bool:
            return bool(await own.pool.fetchval(count) == len(cases))

        await until(all_completed, 120)
        types = await own.pool.fetch("SELECT type, count(*) FROM outbox GROUP BY type ORDER BY type")
        counts = dict(map(tuple, types))
        # The cases are about one child: what a later one adds is told to the earlier ones again.
        assert counts.pop("uk.mash.checks.person-linked.v1") >= len(cases)
        # Social care names whoever lives with a child.
        counts.pop("uk.mash.checks.children-found.v1", None)
        assert counts.pop("uk.mash.checks.check-returned.v1") >= 6 * len(cases)
        assert counts == {"uk.mash.checks.completed.v1": len(cases)}
        # A silence at the deadline may be followed by the answer, late; nothing is told twice.
        written = "SELECT payload FROM outbox WHERE type = 'uk.mash.checks.check-returned.v1'"
        told = Counter(
            (child, part["agency"], part["question_id"], part["state"], part["late"])
            for row in await own.pool.fetch(written)
            for child, part in json.loads(row["payload"])["children"].items()
        )
        assert max(told.values()) == 1
        assert len({(child, agency) for child, agency, *_ in told}) == 6 * len(cases)
        assert await own.pool.fetchval("SELECT count(*) FROM parked") == 0
        headers = {"Authorization": f"Bearer {tokens.token('operations')}"}
        shown = await first.get(f"/v1/journeys/{cases[-1].reference}", headers=headers)
        assert shown.status_code == 200
        by_id = await first.get(f"/v1/journeys/{cases[-1].id}", headers=headers)
        assert (by_id.status_code, by_id.json()["code"]) == (404, "referral-not-found")
        acts = await own.pool.fetch("SELECT subject, action, referral_id FROM access")
        assert ("operations", "journey.read", cases[-1].id) in [tuple(act) for act in acts]
        assert {act["action"] for act in acts} == {"journey.read", "work.claimed", "work.answered"}
        checks = {each["agency"]: each for each in shown.json()["children"][0]["checks"]}
        assert (checks["health"]["state"], checks["health"]["reason"]) == (
            "unavailable",
            "about_someone_else",
        )
        assert (checks["police"]["state"], checks["police"]["reason"]) == ("unavailable", "not_json")
        assert checks["marac"]["state"] == "nothing_held"
        metrics = [(await each.get("/metrics")).text for each in (first, second)]
        assert "mash_checks_attempts" in "".join(metrics)
        columns = await own.pool.fetch("SELECT (to_jsonb(o) - 'payload')::text AS row FROM outbox AS o")
        seen = [stream.getvalue(), shown.text, *metrics, *(row["row"] for row in columns)]
        for table in ("child", "agency_check", "timer", "inbox", "held", "home", "contact", "event_word"):
            rows = await own.pool.fetch(
                f"SELECT (to_jsonb(t) - 'answer' - 'kept' - 'payload' - 'said' - 'told' - 'given')::text FROM {table} t"
            )
            seen += [row[0] for row in rows]
        for text in seen:
            assert not [canary for canary in canaries if canary.lower() in text.lower()]
    assert "answer-about-someone-else" in stream.getvalue()


JOURNEYS: list[tuple[str, str | None, int, str | None]] = [
    ("K7TM-P2RW-Q", None, 401, "token-missing"),
    ("K7TM-P2RW-Q", "st_ives_primary", 403, "scope-missing"),
    ("K7TM-P2RW-Q", "operations", 404, "referral-not-found"),
    ("Zyxwren%20Qvkestrel", "operations", 404, "referral-not-found"),
    ("%00", "operations", 404, "referral-not-found"),
    ("x" * 60, "operations", 422, None),
]


async def test_a_journey_is_shown_to_operations_only(hub_database: str, issuer: tuple[str, Issuer]) -> None:
    url, tokens = issuer
    settings = EnrichmentSettings(
        environment="test",
        database_url=role_dsn(hub_database, Service.ENRICHMENT),
        events="postgres",
        issuer=ISSUER,
        jwks_url=f"{url}/issuer/jwks.json",
        cursor_secret="s" * 32,
        people_secret="p" * 32,
    )
    async with _running(settings) as http:
        for name, client, status, code in JOURNEYS:
            headers = {} if client is None else {"Authorization": f"Bearer {tokens.token(client)}"}
            answer = await http.get(f"/v1/journeys/{name}", headers=headers)
            assert (answer.status_code, code or answer.json()["code"]) == (status, answer.json()["code"]), (
                name
            )
            assert "Qvkestrel" not in answer.text
        assert (await http.get("/readyz")).status_code == 200


# The messaging library's tables, which are left out, have a type that SQLAlchemy does not know.
@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")
async def test_the_migrations_and_the_tables_agree(hub_database: str) -> None:
    assert await differences(hub_database, Service.ENRICHMENT, metadata) == []
