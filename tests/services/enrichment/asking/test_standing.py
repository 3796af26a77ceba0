"""Staff see which agency does not answer, since when and who waits; nobody else's questions are slowed by it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import structlog
import yaml
from fastapi import APIRouter, FastAPI

from libs.platform.alarms import Alarms
from libs.platform.telemetry import Telemetry
from libs.schemas.events import Service
from libs.schemas.findings import AgencyState
from services.enrichment.asking.agency import Reply
from services.enrichment.asking.standing import Standings, router, standing_words
from services.enrichment.checks.deadlines import OVERDUE_AFTER
from services.enrichment.partnership import load_check_terms
from tests.databases import execute
from tests.sandbox.serving import NO_TLS
from tests.services.enrichment.conftest import FOUR, PARTNERSHIP, Case, Sandbox, World, until, until_completed
from tests.services.enrichment.serving import interface

ALERTS = Path("deploy/prometheus/alerts.yml")


async def test_an_agency_that_fails_is_shown_with_who_waits_and_taken_up_when_it_answers(
    world: World, sandbox: Sandbox
) -> None:
    await sandbox.tell("police", "fail", status=503)
    instance = await world.start(check_deadline_cap_seconds=None)
    cases = [Case() for _ in range(7)]
    with structlog.testing.capture_logs() as logged:
        await instance.take(*(case.received() for case in cases), *(case.screened() for case in cases))

        async def alarmed() -> bool:
            alarms = [(one.get("code"), one.get("agency")) for one in logged if one["event"] == "alarm"]
            return ("agency-not-answering", "police") in alarms

        await until(alarmed)
    assert instance.checks.standings.away == {"police"}
    told = {one.agency: one for one in await instance.checks.standings.standings()}
    assert not told["police"].answering
    assert told["police"].waiting == len(cases)
    assert re.search(r"not answering since \d\d:\d\d; 7 children waiting", told["police"].words)

    async def others_answered() -> bool:
        answers = [await instance.answers(case.child) for case in cases]
        return all({each.agency for each in one} >= FOUR - {"police"} for one in answers)

    await until(others_answered)
    told = {one.agency: one for one in await instance.checks.standings.standings()}
    assert all(told[name].answering and told[name].waiting == 0 for name in FOUR - {"police"})

    # Who was never sent to it is told at the deadline why, which is another fact than that nobody answered in time.
    last = Case()
    await instance.take(last.received(), last.screened())

    async def waits_for_police_alone() -> bool:
        return {each.agency for each in await instance.answers(last.child)} >= FOUR - {"police"}

    await until(waits_for_police_alone)
    past = instance.ledger.clock.now() - OVERDUE_AFTER - timedelta(seconds=1)
    for table, key in (("child", "id"), ("agency_check", "child_id")):
        await instance.ledger.pool.execute(
            f"UPDATE {table} SET due_at = $2 WHERE {key} = $1", last.child, past
        )
    await instance.checks.deadlines.reconcile()
    assert (await until_completed(instance, last.child))["police"] == AgencyState.UNAVAILABLE
    (silence,) = [one for one in await instance.answers(last.child) if one.agency == "police"]
    assert (silence.state, silence.reason) == (AgencyState.UNAVAILABLE, "not_answering")

    # Whoever may read it is told by every instance, and so is whoever scrapes its metrics.
    others: list[Standings] = []

    def reading(app: FastAPI, telemetry: Telemetry) -> APIRouter:
        terms = load_check_terms(PARTNERSHIP / "checks.yaml").breaker
        zone = ZoneInfo("Europe/London")
        alarms = Alarms(Service.ENRICHMENT, instance.ledger.clock, telemetry.meter)
        others.append(Standings(instance.ledger, world.terms, terms, telemetry.meter, alarms, zone))
        app.state.standings = others[0]
        return router

    async with (
        interface(world.settings, reading) as (url, tokens),
        httpx.AsyncClient(base_url=url, verify=NO_TLS) as http,
    ):
        answers = [
            await http.get("/v1/agencies", headers={"Authorization": f"Bearer {tokens.token(client)}"})
            for client in ("st_ives_primary", "staff-worker-1")
        ]
        assert [answer.status_code for answer in (await http.get("/v1/agencies"), *answers)] == [
            401,
            403,
            200,
        ]
        (police,) = [one for one in answers[1].json() if one["agency"] == "police"]
        assert re.fullmatch(
            r"Cambridgeshire Constabulary: not answering since \d\d:\d\d; 8 children waiting", police["words"]
        )
        await others[0].count()
        metrics = (await http.get("/metrics")).text
    assert 'mash_agencies_not_answering{agency="police"} 1.0' in metrics
    assert 'mash_agencies_waiting{agency="police"} 8.0' in metrics
    read = set(re.findall(r"mash_agencies[a-z_]+", ALERTS.read_text(encoding="utf-8")))
    assert read
    assert read <= set(re.findall(r"^mash_agencies[a-z_]+", metrics, re.MULTILINE))

    # It is tried with one question; the others wait, and none is lost.
    await sandbox.tell("police", "answer")
    await instance.ledger.pool.execute("UPDATE agency_standing SET try_at = now() - interval '1 second'")
    await instance.ledger.pool.execute("UPDATE agency_check SET ask_at = now() WHERE agency = 'police'")
    for case in cases:
        assert (await until_completed(instance, case.child))["police"] != "unavailable"
    assert "police" not in instance.checks.standings.away


def test_the_words_name_the_day_only_where_it_was_another() -> None:
    zone = ZoneInfo("Europe/London")
    since = datetime(2026, 7, 1, 9, 42, tzinfo=UTC)
    assert (
        standing_words("Police", since, 14, since, zone)
        == "Police: not answering since 10:42; 14 children waiting"
    )
    later = datetime(2026, 7, 2, 9, tzinfo=UTC)
    assert standing_words("Police", since, 1, later, zone).startswith(
        "Police: not answering since 1 July 10:42; 1 child "
    )
    assert standing_words("Police", None, 0, later, zone) == "Police: answering; no child waiting"


SILENCE = Reply(AgencyState.UNAVAILABLE, "timeout")
ANSWER = Reply(AgencyState.NOTHING_HELD)


async def silent(standings: Standings, agency: str, sent: datetime) -> None:
    """Has an agency fail as often as it takes until it counts as not answering."""
    while agency not in standings.away:
        await standings.heard(agency, SILENCE, sent)


@asynccontextmanager
async def not_to_be_written(dsn: str) -> AsyncIterator[None]:
    """Standings can be read for a while, and not written."""
    for statement in (
        (
            "CREATE OR REPLACE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'not now'; END $$"
        ),
        (
            "CREATE TRIGGER refuse BEFORE INSERT OR DELETE ON enrichment.agency_standing"
            " FOR EACH STATEMENT EXECUTE FUNCTION public.refuse()"
        ),
    ):
        await execute(dsn, statement)
    yield
    await execute(dsn, "DROP TRIGGER refuse ON enrichment.agency_standing")


async def test_what_could_not_be_written_counts_here_and_is_written_when_it_can_be(world: World) -> None:
    instance = await world.start()
    standings, now = instance.checks.standings, instance.ledger.clock.now()
    rows = "SELECT agency FROM agency_standing"
    async with not_to_be_written(world.dsn):
        await silent(standings, "police", now)
        await standings.standings()
        assert standings.away == {"police"}
    await standings.standings()
    assert standings.away == {"police"}
    assert [row["agency"] for row in await instance.ledger.pool.fetch(rows)] == ["police"]
    async with not_to_be_written(world.dsn):
        await standings.heard("police", ANSWER, now)
        await standings.standings()
        assert standings.away == frozenset()
    await standings.standings()
    assert standings.away == frozenset()
    assert await instance.ledger.pool.fetch(rows) == []


async def test_hearing_of_an_agency_never_raises_whatever_the_database_does(world: World) -> None:
    instance = await world.start()
    standings, now = instance.checks.standings, instance.ledger.clock.now()
    for fault in (asyncpg.InterfaceError("closed"), asyncpg.PostgresConnectionError("away"), OSError("gone")):
        pool = FailingPool(fault)
        with patch.object(instance.ledger, "pool", pool):
            await silent(standings, "police", now)
            await standings.heard("police", ANSWER, now)
        assert pool.asked == 2


class FailingPool:
    """A pool of which every statement fails."""

    def __init__(self, fault: Exception) -> None:
        self.fault = fault
        self.asked = 0

    async def fetchval(self, *_: object) -> object:
        self.asked += 1
        raise self.fault

    async def fetch(self, *_: object) -> object:
        raise OSError("away")


async def test_nobody_takes_the_turn_to_try_an_agency_with_nothing_to_ask_it(world: World) -> None:
    instance = await world.start()
    standings, pool = instance.checks.standings, instance.ledger.pool
    await silent(standings, "police", instance.ledger.clock.now())
    due = await pool.fetchval(
        "UPDATE agency_standing SET try_at = now() - interval '1 second' RETURNING try_at"
    )
    await standings.standings()
    now = instance.ledger.clock.now()
    assert await standings.open_to({"police": 5}, now) == {}
    assert await pool.fetchval("SELECT try_at FROM agency_standing") == due


def alerts() -> list[dict[str, Any]]:
    groups = yaml.load(ALERTS.read_text(encoding="utf-8"), yaml.CSafeLoader)["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_a_number_that_an_alert_tells_is_the_one_that_its_words_name() -> None:
    # The value of `a and b` is that of `a` (Prometheus, "Logical/set binary operators").
    telling = [rule for rule in alerts() if re.search(r"\$value.* children wait", str(rule["annotations"]))]
    assert telling
    for rule in telling:
        assert "mash_agencies_waiting" in rule["expr"].split(" and ")[0]
