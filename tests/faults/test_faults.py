"""Everything is killed at its worst moment while referrals come in; afterwards the books must balance.

The short form runs with all other tests; `make faults` (MASH_FAULTS=long) kills at every failpoint several times
and then everything at random moments for minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from libs.schemas.events import Service
from tests.faults.accounts import Accounts
from tests.faults.system import KILLS, PLACES, UnderFire

LONG = os.environ.get("MASH_FAULTS") == "long"
ROUNDS = 4 if LONG else 1
EVERY = 0.25 if LONG else 0.5
QUIET_SECONDS = 180.0 if LONG else 60.0


@pytest.fixture
async def system(tmp_path: Path, kafka_is_there: None) -> AsyncIterator[UnderFire]:
    system = await UnderFire.start(tmp_path / "system")
    supervisor = asyncio.create_task(system.supervise())
    try:
        # Of one child an agency never tells anything, so that deadlines fire.
        system.behave("marac", {"child": {"given_name": "Ivy"}, "behaviour": "fail", "fault": "hang"})
        yield system
    finally:
        supervisor.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await supervisor
        await asyncio.to_thread(system.stack.stop)


@pytest.fixture
def kafka_is_there(kafka: str) -> None:
    """Fails or skips like every test on Kafka; the broker itself is one of the test's own, since it is killed."""


@pytest.mark.timeout(1800 if LONG else 240)
async def test_nothing_is_lost_or_doubled_whatever_is_killed(system: UnderFire) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    sending = asyncio.create_task(system.refer(EVERY))
    for number in range(ROUNDS):
        if number:
            system.queues.update({service: list(places) for service, places in KILLS.items()})
        await all_failpoints_met(system)
    met = loop.time()
    for _ in range(ROUNDS):
        for service in random.sample(list(Service), len(Service)):
            system.kill_one(service)
            await asyncio.sleep(random.uniform(0.2, 1.5) if LONG else 0.2)
        await system.kill_kafka(random.uniform(0.2, 20.0) if LONG else 0.5)
        await system.kill_postgres(random.uniform(0.2, 5.0) if LONG else 0.2)
        await asyncio.sleep(10.0 if LONG else 1.0)
    killed = loop.time()
    system.enough()
    await sending
    left, violations, duplicates = await settled(system)
    phases = [round(each) for each in (met - begun, killed - met, loop.time() - killed)]
    print(f"left {left}, wrong {violations}, seconds at failpoints, at random, to rest: {phases}")
    print(f"acknowledged {len(system.acknowledged)}, died at {dict(system.died_at)}, sent twice {duplicates}")
    assert system.ended_otherwise == []
    assert system.unanswered == 0
    assert len(system.acknowledged) >= 20
    assert left == []
    assert violations == []
    # An ambiguous send is looked up before it is repeated; only a death between the two leaves a window.
    assert duplicates <= system.died_at["notify.after_send"] + system.died_at["random"]
    assert PLACES - set(system.died_at) == set(), "these failpoints were never met"


async def all_failpoints_met(system: UnderFire) -> None:
    """Waits until every failpoint of this round has killed a process, at most for a while."""
    before = dict(system.died_at)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(120 if LONG else 60):
            while missed := {place for place in PLACES if system.died_at[place] <= before.get(place, 0)}:
                if "kafka.revoke" in missed:
                    await asyncio.to_thread(system.stir)
                await asyncio.sleep(3.0 if missed == {"kafka.revoke"} else 1.0)


async def settled(system: UnderFire) -> tuple[list[str], list[str], int]:
    """What is still under way after the time for quiet, what is wrong, and how many notices went out twice."""
    connection = await asyncpg.connect(system.stack.admin_dsn)
    try:
        accounts = Accounts(connection, system.acknowledged)
        deadline = asyncio.get_running_loop().time() + QUIET_SECONDS
        while (left := await accounts.unfinished()) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.3)
        return left, await accounts.violations(), await accounts.duplicate_messages()
    finally:
        await connection.close()
