import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from libs.messaging.ledger import Ledger
from libs.platform.clock import ManualClock
from services.intake.watch import LEASE, UnseenWatch
from tests.services.intake.conftest import Caller, referral
from tests.services.intake.test_status import accepted, tell


class Alarms:
    """Keeps what was raised, and can die like a process between alarm and record."""

    def __init__(self) -> None:
        self.raised: list[tuple[str, str, int]] = []
        self.dies = False

    async def raise_alarm(self, code: str, **ids: str | int | UUID) -> None:
        self.raised.append((code, str(ids["reference"]), int(str(ids["level"]))))
        await asyncio.sleep(0)
        if self.dies:
            raise asyncio.CancelledError


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


async def test_an_idle_watch_takes_no_transaction_id(
    school: Caller, watch: UnseenWatch, ledger: Ledger
) -> None:
    """A transaction id of its own would hold back every reader of the event log for as long as it runs."""
    await refer(school)
    before = await ledger.pool.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())")
    await watch.look()
    assert await ledger.pool.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())") == before
