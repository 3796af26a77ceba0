"""An agreement that starts later is asked on its day, without anything else having to happen."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from libs.messaging.codec import PlainCodec
from libs.messaging.errors import Permanent
from libs.messaging.ledger import Ledger
from libs.messaging.timers import Timer, TimerLoop
from libs.platform.clock import ManualClock
from libs.platform.database import create_pool, role_dsn
from libs.schemas.events import Service
from services.enrichment.checks.desk import Desk
from services.enrichment.checks.effects import DEADLINE, STARTING
from services.enrichment.checks.starting import Starting
from services.enrichment.checks.store import Store
from services.enrichment.sharing.agreement import Agreement, load_agreement
from tests.services.enrichment.conftest import PARTNERSHIP
from tests.services.enrichment.family.conftest import DAY, Hub, Told
from tests.services.enrichment.family.conftest import desk as desk
from tests.services.enrichment.family.conftest import hub as hub
from tests.services.enrichment.family.conftest import index as index

START = date(2026, 6, 20)
MIDNIGHT = datetime(2026, 6, 19, 23, tzinfo=UTC)
"""When that day begins in England, in summer."""


@pytest.fixture
def later(scratch: Path) -> Agreement:
    """The agreement, of which the part with the police is in force from a later day on."""
    text = (PARTNERSHIP / "sharing.yaml").read_text(encoding="utf-8")
    text, times = re.subn(r"(agency: police\n.*\n    starts:) .*", rf"\1 {START}", text)
    assert times == 1
    path = scratch / "sharing.yaml"
    path.write_text(text, encoding="utf-8")
    return load_agreement(path)


@asynccontextmanager
async def at_work(
    hub: Hub, desk: Desk, database: str, clock: ManualClock, wake: Callable[[], None]
) -> AsyncIterator[Hub]:
    pool = await create_pool(role_dsn(database, Service.ENRICHMENT), service=Service.ENRICHMENT)
    try:
        codec = PlainCodec()
        ledger = Ledger(pool, Service.ENRICHMENT, partnership="peterborough", codec=codec, clock=clock)
        hub.consumer._desk = desk
        timers = TimerLoop(ledger, {STARTING: Starting(Store(codec), desk, wake).began})
        yield replace(hub, ledger=ledger, desk=desk, timers=timers)
    finally:
        await pool.close()


async def state_of(hub: Hub, case: Told) -> tuple[str, str | None]:
    question = "SELECT state, reason FROM agency_check WHERE child_id = $1 AND agency = 'police' ORDER BY put_at DESC"
    row = await hub.ledger.pool.fetchrow(question, case.child)
    assert row is not None
    return row["state"], row["reason"]


async def test_what_may_be_asked_from_a_day_on_is_asked_on_that_day_and_not_before(
    hub: Hub, desk: Desk, later: Agreement, hub_database: str
) -> None:
    clock = ManualClock(MIDNIGHT - 3 * DAY)
    woken: list[datetime] = []
    then = replace(desk, agreement=later)
    async with at_work(hub, then, hub_database, clock, lambda: woken.append(clock.now())) as now:
        waiting, decided = Told(), Told()
        for case in (waiting, decided):
            await now.take(case.received(), case.screened())
            assert await state_of(now, case) == ("not_requested", "sharing_not_started")
        await now.take(decided.decided(clock.now()))
        clock.advance(3 * DAY - timedelta(seconds=1))
        await now.settle()
        await now.ledger.pool.execute("DELETE FROM timer WHERE kind = $1", DEADLINE)
        assert (await state_of(now, waiting))[0] == "not_requested"
        clock.advance(timedelta(seconds=1))
        await now.settle()
        assert await state_of(now, waiting) == ("pending", None)
        assert (await state_of(now, decided))[0] == "not_requested"
        armed = "SELECT count(*) FROM timer WHERE kind = $1 AND state = 'armed'"
        assert await now.ledger.pool.fetchval(armed, STARTING) == 0
        # Somebody is asked at once, and waited for until a deadline.
        assert set(woken) == {MIDNIGHT}
        subjects = "SELECT subject FROM timer WHERE kind = $1 AND state = 'armed'"
        assert [row[0] for row in await now.ledger.pool.fetch(subjects, DEADLINE)] == [waiting.child]
        stray = Timer(STARTING, uuid4(), 1, uuid4(), clock.now(), {}, None)
        with pytest.raises(Permanent, match="unknown-referral"):
            async with now.ledger.unit([stray.referral_id]) as unit:
                await Starting(now.store, then, lambda: None).began(unit, stray)


def test_the_next_start_is_the_first_moment_of_its_day_in_england(later: Agreement) -> None:
    assert later.next_start(MIDNIGHT - timedelta(seconds=1)) == MIDNIGHT
    assert later.next_start(MIDNIGHT) is None
