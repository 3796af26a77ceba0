"""Everything is killed at its worst moment while people work with it; afterwards the books must balance.

The short form runs with all other tests and kills at every failpoint once, then Kafka and PostgreSQL; `make faults`
(MASH_FAULTS=long) does so several times (MASH_FAULTS_ROUNDS), and kills everything at random moments for minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NoReturn

import asyncpg
import pytest

from libs.schemas.events import Service
from sandbox.jars import UnavailableJars
from tests.faults.accounts import Accounts, sent_again
from tests.faults.people import People
from tests.faults.system import PLACES, UnderFire

LONG = os.environ.get("MASH_FAULTS") == "long"
ROUNDS = int(os.environ.get("MASH_FAULTS_ROUNDS", "4")) if LONG else 1
EVERY = 0.4 if LONG else 1.0
QUIET_SECONDS = 180.0 if LONG else 60.0

# In the long form, where backlogs are longer, GOV.UK Notify may be later with what it was asked before.
TIME_OUT, LOOK_UP_AFTER, LEASE = (4, 15, 25) if LONG else (2, 5, 7)
PATIENCE = {
    "MASH_SEND_TIMEOUT_SECONDS": str(TIME_OUT),
    "MASH_LOOK_UP_AFTER_SECONDS": str(LOOK_UP_AFTER),
    "MASH_SEND_LEASE_SECONDS": str(LEASE),
}
NOTIFY_LOSES_ANSWERS = {
    "send": "accept_then_time_out",
    "times": 6,
    "seconds": TIME_OUT + 1,
    # With more than notify waits before it looks up, it could not know better than to send again.
    "lookup_delay_seconds": LOOK_UP_AFTER / 4,
}


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[UnderFire]:
    try:
        system = await UnderFire.start(tmp_path / "system", PATIENCE)
    except UnavailableJars as unavailable:
        no_kafka(unavailable)
    supervisor = asyncio.create_task(system.supervise())
    try:
        yield system
    finally:
        supervisor.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await supervisor
        await asyncio.to_thread(system.end)


@pytest.fixture
async def people(system: UnderFire) -> AsyncIterator[People]:
    people = People(system.places)
    try:
        yield people
    finally:
        await people.leave()


@pytest.mark.timeout(1800 if LONG else 240)
async def test_nothing_is_lost_or_doubled_whatever_is_killed(system: UnderFire, people: People) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    # Of one child an agency never tells anything, so that deadlines fire.
    silent = {"child": {"given_name": "Ivy"}, "behaviour": "fail", "fault": "hang"}
    await asyncio.to_thread(people.tell_sandbox, "/agencies/marac", silent)
    people.begin(EVERY)
    for number in range(ROUNDS):
        await asyncio.to_thread(people.tell_sandbox, "/notify", NOTIFY_LOSES_ANSWERS)
        if number:
            system.begin_again()
        await all_failpoints_met(system)
    await people.have_decided(3, QUIET_SECONDS)
    met = loop.time()
    if LONG:
        for _ in range(ROUNDS):
            await everything_killed_at_random(system)
    else:
        await asyncio.gather(system.kill_kafka(0.2), system.kill_postgres(0.2))
    killed = loop.time()
    decided_under_fire = sum(each.decided for each in people.acknowledged)
    await people.finish(QUIET_SECONDS)
    left, violations, doubled = await settled(system, people)
    phases = [round(each) for each in (met - begun, killed - met, loop.time() - killed)]
    ambiguous = system.died_at["notify.after_send"] + system.died_at["notify at random"]
    print(f"left {left}, wrong {violations}, seconds at failpoints, at random, to rest: {phases}")
    print(
        f"acknowledged {len(people.acknowledged)}, decided {sum(each.decided for each in people.acknowledged)} "
        f"({decided_under_fire} under fire), informed {sum(each.informed for each in people.acknowledged)}, "
        f"withdrawn {sum(each.withdrawn for each in people.acknowledged)}"
    )
    print(f"died at {dict(system.died_at)}, messages sent again {doubled}, ambiguous deaths {ambiguous}")
    assert system.ended_otherwise == []
    assert people.unanswered == 0
    assert people.undecided == []
    assert len(people.acknowledged) >= 20
    assert decided_under_fire >= 1
    assert sum(each.informed for each in people.acknowledged) >= 1
    assert any(each.withdrawn for each in people.acknowledged)
    assert left == []
    assert violations == []
    # An ambiguous send is looked up before it is repeated; only a death between the two leaves a window.
    assert doubled <= ambiguous
    assert people.notify_behaviour()["send"] == "accept", "GOV.UK Notify never lost its answers"
    assert PLACES - set(system.died_at) == set(), "these failpoints were never met"


def test_messages_are_counted_by_what_notify_has_and_not_by_what_we_believe() -> None:
    references = ("a", "b", "b", "c", "b")
    assert sent_again({"reference": reference} for reference in references) == 2
    assert sent_again([]) == 0


@pytest.mark.parametrize(("ci", "outcome"), [("1", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_ci_fails_where_kafka_cannot_be_had(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome):
        no_kafka(UnavailableJars("the jars cannot be fetched"))


def no_kafka(reason: UnavailableJars) -> NoReturn:
    """CI fails without the real broker; elsewhere the test is skipped."""
    if os.environ.get("CI"):
        pytest.fail(f"CI needs the real broker. {reason}", pytrace=False)
    pytest.skip(str(reason))


async def all_failpoints_met(system: UnderFire) -> None:
    """Waits until every failpoint of this round has killed a process, at most for a while."""
    before = dict(system.died_at)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(120 if LONG else 60):
            while missed := {place for place in PLACES if system.died_at[place] <= before.get(place, 0)}:
                if "kafka.revoke" in missed:
                    await asyncio.to_thread(system.stir)
                await asyncio.sleep(0.3)


async def everything_killed_at_random(system: UnderFire) -> None:
    """Each service, Kafka and PostgreSQL, with time between them that nobody chose."""
    for service in random.sample(list(Service), len(Service)):
        system.kill_one(service)
        await asyncio.sleep(random.uniform(0.2, 1.5))
    await system.kill_kafka(random.uniform(0.2, 20.0))
    await system.kill_postgres(random.uniform(0.2, 5.0))
    await asyncio.sleep(10.0)


async def settled(system: UnderFire, people: People) -> tuple[list[str], list[str], int]:
    """What is still under way after the time for quiet, what is wrong, and how many messages were sent again."""
    loop = asyncio.get_running_loop()
    connection = await asyncpg.connect(system.stack.admin_dsn)
    try:
        accounts = Accounts(connection, people.acknowledged)
        deadline = loop.time() + QUIET_SECONDS
        while (left := await accounts.unfinished()) and loop.time() < deadline:
            await asyncio.sleep(0.3)
        messages = await asyncio.to_thread(people.messages)
        violations = [*await accounts.violations(), *await accounts.untrue_notices(messages)]
        return left, violations, sent_again(messages)
    finally:
        await connection.close()
