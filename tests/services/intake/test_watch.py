import asyncio
import json
from datetime import timedelta
from io import StringIO
from uuid import UUID

import httpx
import pytest
from opentelemetry.metrics import NoOpMeterProvider

from libs.messaging.ledger import Ledger
from libs.platform import logging
from libs.platform.alarms import Alarms as RealAlarms
from libs.platform.clock import ManualClock
from services.intake.watch import AGAIN_AFTER, LEASE, UnseenWatch
from tests.services.intake.conftest import Caller, referral
from tests.services.intake.test_status import Told, accepted, tell


class Alarms:
    """Keeps what was raised, and can die like a process between alarm and record, or reach nobody."""

    def __init__(self) -> None:
        self.raised: list[tuple[str, str, int]] = []
        self.dies = False
        self.reaches = True

    async def raise_alarm(self, code: str, **ids: str | int | UUID) -> bool:
        self.raised.append((code, str(ids["reference"]), int(str(ids["escalation"]))))
        await asyncio.sleep(0)
        if self.dies:
            raise asyncio.CancelledError
        return self.reaches


@pytest.fixture
def alarms() -> Alarms:
    return Alarms()


@pytest.fixture
def watch(ledger: Ledger, alarms: Alarms) -> UnseenWatch:
    return UnseenWatch(ledger, alarms)


async def refer(caller: Caller, *, danger: bool = False) -> str:
    reference: str = (await caller.refer(referral(immediate_danger=danger))).json()["reference"]
    return reference


async def test_an_unseen_referral_raises_one_alarm_after_sixty_seconds(
    school: Caller, watch: UnseenWatch, alarms: Alarms, clock: ManualClock
) -> None:
    reference = await refer(school)
    clock.advance(timedelta(seconds=60))
    assert await watch.look() == 0
    clock.advance(timedelta(seconds=1))
    assert await watch.look() == 1
    assert await watch.look() == 0
    assert alarms.raised == [("referral-unseen", reference, 1)]


async def test_in_immediate_danger_it_is_ten_seconds(
    school: Caller, watch: UnseenWatch, alarms: Alarms, clock: ManualClock
) -> None:
    reference = await refer(school, danger=True)
    await refer(school)
    clock.advance(timedelta(seconds=11))
    await watch.look()
    assert alarms.raised == [("referral-unseen-in-danger", reference, 1)]


async def test_each_level_of_escalation_alarms_once(
    school: Caller, watch: UnseenWatch, alarms: Alarms, clock: ManualClock
) -> None:
    await refer(school)
    for _ in range(40):
        clock.advance(timedelta(seconds=60.1))
        await watch.look()
    assert [level for _, _, level in alarms.raised] == [1, 2, 3]


async def test_a_referral_that_was_seen_raises_none(
    school: Caller, watch: UnseenWatch, alarms: Alarms, clock: ManualClock, ledger: Ledger
) -> None:
    told = await accepted(school, ledger)
    await tell(ledger, told.screened())
    clock.advance(timedelta(hours=1))
    assert await watch.look() == 0
    assert alarms.raised == []


async def test_two_instances_name_each_referral_once(
    school: Caller, ledger: Ledger, alarms: Alarms, clock: ManualClock
) -> None:
    references = sorted([await refer(school) for _ in range(25)])
    clock.advance(timedelta(seconds=61))
    await asyncio.gather(*(UnseenWatch(ledger, alarms).look() for _ in range(4)))
    assert sorted(reference for _, reference, _ in alarms.raised) == references


async def test_an_instance_that_dies_before_recording_leaves_the_alarm_to_another(
    school: Caller, watch: UnseenWatch, alarms: Alarms, clock: ManualClock, ledger: Ledger
) -> None:
    reference = await refer(school)
    clock.advance(timedelta(seconds=61))
    alarms.dies = True
    with pytest.raises(asyncio.CancelledError):
        await watch.look()
    alarms.dies = False
    assert await UnseenWatch(ledger, alarms).look() == 0
    clock.advance(LEASE + timedelta(seconds=1))
    assert await UnseenWatch(ledger, alarms).look() == 1
    assert alarms.raised == [("referral-unseen", reference, 1)] * 2


async def test_an_alarm_that_reached_nobody_is_raised_again_soon(
    school: Caller, watch: UnseenWatch, alarms: Alarms, clock: ManualClock
) -> None:
    reference = await refer(school, danger=True)
    clock.advance(timedelta(seconds=11))
    alarms.reaches = False
    assert await watch.look() == 0
    clock.advance(AGAIN_AFTER)
    alarms.reaches = True
    clock.advance(timedelta(seconds=1))
    assert await watch.look() == 1
    assert alarms.raised == [("referral-unseen-in-danger", reference, 1)] * 2
    assert await watch.look() == 0


async def added_danger(caller: Caller, told: Told) -> None:
    body = {"worry": "He is at the door.", "immediate_danger": True, "danger_reason": "He is at the door."}
    assert (await caller.add(told.reference, "information", body)).status_code == 201


async def test_danger_that_was_added_is_watched_like_danger_from_the_start(
    school: Caller, watch: UnseenWatch, alarms: Alarms, clock: ManualClock, ledger: Ledger
) -> None:
    told = await accepted(school, ledger)
    await tell(ledger, told.screened(), told.decided(told.children[0]))
    clock.advance(timedelta(hours=1))
    await added_danger(school, told)
    clock.advance(timedelta(seconds=10))
    assert await watch.look() == 0
    clock.advance(timedelta(seconds=1))
    assert await watch.look() == 1
    clock.advance(timedelta(seconds=40))
    await watch.look()
    assert alarms.raised == [("added-danger-unseen", told.reference, level) for level in (1, 2)]


async def test_added_danger_is_seen_when_triage_says_so_after_it(
    school: Caller, watch: UnseenWatch, alarms: Alarms, clock: ManualClock, ledger: Ledger
) -> None:
    told = await accepted(school, ledger, immediate_danger=True)
    await tell(ledger, told.screened(danger=True))
    clock.advance(timedelta(minutes=5))
    await added_danger(school, told)
    # What was said before it was added, or of no danger, is not about it.
    await tell(ledger, told.screened(seconds=5, danger=True), told.screened(seconds=301))
    clock.advance(timedelta(seconds=11))
    assert await watch.look() == 1
    await tell(ledger, *(told.screened(seconds=each, danger=True) for each in (302, 5)))
    clock.advance(timedelta(hours=1))
    assert await watch.look() == 0


async def test_information_without_danger_is_not_watched(
    school: Caller, watch: UnseenWatch, alarms: Alarms, clock: ManualClock, ledger: Ledger
) -> None:
    told = await accepted(school, ledger)
    await tell(ledger, told.screened())
    assert (await school.add(told.reference, "information", {"worry": "More."})).status_code == 201
    clock.advance(timedelta(hours=1))
    assert await watch.look() == 0


async def test_the_alarms_line_and_post_say_which_referral_it_is(
    school: Caller, ledger: Ledger, clock: ManualClock
) -> None:
    told = await accepted(school, ledger, immediate_danger=True)
    clock.advance(timedelta(seconds=11))
    stream, posted = StringIO(), list[dict[str, str]]()

    def take(request: httpx.Request) -> httpx.Response:
        posted.append(json.loads(request.content))
        return httpx.Response(202)

    logging.configure("intake", "info", clock, stream)
    async with httpx.AsyncClient(transport=httpx.MockTransport(take)) as http:
        url = "http://alarms.example.org/"
        alarms = RealAlarms("intake", clock, NoOpMeterProvider().get_meter("x"), http, url)
        assert await UnseenWatch(ledger, alarms).look() == 1
    (line,) = [json.loads(text) for text in stream.getvalue().splitlines()]
    said = {
        "code": "referral-unseen-in-danger",
        "reference": told.reference,
        "referral_id": str(told.referral_id),
        "escalation": 1,
        "waited_seconds": 11,
    }
    assert {name: line[name] for name in said} == said
    assert line["level"] == "critical"
    assert "dropped" not in line
    assert {name: posted[0][name] for name in said} == {name: str(value) for name, value in said.items()}


async def test_an_idle_watch_takes_no_transaction_id(
    school: Caller, watch: UnseenWatch, ledger: Ledger
) -> None:
    """A transaction id of its own would hold back every reader of the event log for as long as it runs."""
    await refer(school)
    before = await ledger.pool.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())")
    await watch.look()
    assert await ledger.pool.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())") == before
