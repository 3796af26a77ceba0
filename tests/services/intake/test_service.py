"""The service as it is put together: it starts, is ready and accepts with or without Kafka."""

import asyncio
import contextlib
import time

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from libs.messaging.errors import Transient
from libs.messaging.failpoints import Failpoints
from libs.messaging.ledger import Ledger
from libs.platform.clock import ManualClock
from libs.platform.migrations import SchemaMismatch, differences
from libs.schemas.events import Service
from sandbox.issuer import Issuer
from sandbox.processes import free_port
from services.intake import tables
from tests.databases import execute
from tests.libs.messaging.conftest import until
from tests.services.intake.conftest import Caller, referral, served


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://intake.example.org")


async def test_without_kafka_it_starts_is_ready_accepts_and_answers(
    hub_database: str, issuer: Issuer, clock: ManualClock
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    async with (
        served(hub_database, issuer, clock, events="kafka", kafka_bootstrap=nowhere) as app,
        client(app) as http,
    ):
        assert (await http.get("/readyz")).json() == {"status": "ok", "checks": {"database": "ok"}}
        school = Caller(http, issuer.token("st_ives_primary"))
        begun = time.perf_counter()
        answers = [await school.refer() for _ in range(10)]
        assert {answer.status_code for answer in answers} == {201}
        assert time.perf_counter() - begun < 5
        assert (await school.status(answers[0].json()["reference"])).status_code == 200
        assert (await http.get("/readyz")).status_code == 200


async def test_an_event_log_that_cannot_go_on_is_an_alarm_and_it_accepts_all_the_same(
    hub_database: str, issuer: Issuer, clock: ManualClock
) -> None:
    await execute(
        hub_database,
        "INSERT INTO intake.outbox (xid, event_id, type, topic, source, referral_id, sequence, time, payload)"
        " VALUES ('9000000000', gen_random_uuid(), 't', 't', 's', gen_random_uuid(), 1, '2026-03-02Z', '')",
    )
    nowhere = f"127.0.0.1:{free_port()}"
    with capture_logs() as logs:
        async with (
            served(hub_database, issuer, clock, events="kafka", kafka_bootstrap=nowhere) as app,
            client(app) as http,
        ):

            async def alarmed() -> bool:
                codes = [(line.get("code"), line.get("worker")) for line in logs]
                return codes.count(("part-restarted", "relay")) >= 2

            await until(alarmed)
            assert not app.state.stop.is_set()
            assert app.state.failed is None
            school = Caller(http, issuer.token("st_ives_primary"))
            assert (await school.refer()).status_code == 201
            assert (await http.get("/readyz")).status_code == 200


async def test_readiness_depends_on_the_database_alone(
    hub_database: str, issuer: Issuer, clock: ManualClock
) -> None:
    async with served(hub_database, issuer, clock) as app, client(app) as http:
        assert (await http.get("/readyz")).status_code == 200
        await app.state.pool.close()
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/livez")).status_code == 200


async def test_parked_messages_can_be_listed(hub_database: str, issuer: Issuer, clock: ManualClock) -> None:
    async with served(hub_database, issuer, clock) as app, client(app) as http:
        operations = Caller(http, issuer.token("operations"))
        listed = await http.get("/v1/parked", headers=operations.headers())
        assert listed.json() == {"items": [], "next_after": None}
        school = Caller(http, issuer.token("st_ives_primary"))
        assert (await http.get("/v1/parked", headers=school.headers())).status_code == 403


async def test_it_refuses_to_start_on_a_schema_that_is_not_this_releases(
    hub_database: str, issuer: Issuer, clock: ManualClock
) -> None:
    await execute(hub_database, "DELETE FROM intake.alembic_version")
    with pytest.raises(SchemaMismatch, match="mash migrate"):
        async with served(hub_database, issuer, clock):
            pass


@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")
async def test_models_and_revisions_agree(hub_database: str) -> None:
    assert await differences(hub_database, Service.INTAKE, tables.metadata) == []


async def test_a_crash_between_commit_and_reply_loses_nothing_and_doubles_nothing(
    school: Caller, app: FastAPI, ledger: Ledger
) -> None:
    ledger.failpoints = Failpoints.parse("intake.after_commit=fail:1")
    with contextlib.suppress(Transient):
        lost = await school.refer(key="k-1")
        assert lost.status_code == 500
    again = await school.refer(key="k-1")

    assert again.status_code == 201
    rows = await ledger.pool.fetch("SELECT reference FROM referral")
    assert [row["reference"] for row in rows] == [again.json()["reference"]]
    assert await ledger.pool.fetchval("SELECT count(*) FROM outbox") == 1


async def test_the_relay_is_woken_by_the_commit(school: Caller, ledger: Ledger) -> None:
    waiting = asyncio.create_task(ledger.appended.wait(5))
    await asyncio.sleep(0)
    await school.refer(referral())
    assert await waiting
