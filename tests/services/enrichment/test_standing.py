"""Staff see which agency does not answer, since when and who waits; nobody else's questions are slowed by it."""

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from services.enrichment.standing import standing_words
from tests.services.enrichment.conftest import FOUR, Case, Sandbox, World, until, until_completed

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


def test_every_metric_that_an_alert_reads_is_one_that_enrichment_has() -> None:
    source = Path("services/enrichment/standing.py").read_text(encoding="utf-8")
    named = {name.replace(".", "_") for name in re.findall(r'"(mash\.[a-z_.]+)"', source)}
    assert set(re.findall(r"mash_agencies[a-z_]+", ALERTS.read_text(encoding="utf-8"))) <= named
