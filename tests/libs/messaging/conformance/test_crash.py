"""An instance is killed (SIGKILL) at the worst moments; another goes on, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from libs.schemas.events import Service
from tests.libs.messaging.conformance.world import Recorder, World, eventually


@contextlib.asynccontextmanager
async def instance(
    world: World, role: str, failpoints: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.libs.messaging.conformance.process",
        role,
        world.kind,
        world.dsn,
        world.bootstrap or "",
        world.namespace,
        env={**os.environ, "MASH_FAILPOINTS": failpoints},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def killed(process: asyncio.subprocess.Process) -> None:
    assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGKILL


async def test_a_crash_between_the_effect_and_its_commit_doubles_nothing(world: World) -> None:
    async with instance(world, "member", "runner.after_commit=kill:2") as process:
        ids = await world.emit_many([uuid4() for _ in range(5)], 2)
        await world.until_seen(ids[:1])
        ids += await world.emit_many([uuid4() for _ in range(5)], 2)
        await killed(process)
    before = await world.seen_ids()
    assert before
    recorder = Recorder()
    world.join(recorder)
    ids += await world.emit_many([uuid4() for _ in range(5)], 2)
    await world.until_seen(ids)
    assert sorted(await world.seen_ids()) == sorted(ids)
    assert not {event.id for event in recorder.events} & set(before)


async def test_a_standing_instance_takes_over_from_one_that_was_killed(world: World) -> None:
    async with instance(world, "member") as process:
        ids = await world.emit_many([uuid4() for _ in range(5)], 1)
        await world.until_seen(ids)
        world.join(Recorder())
        ids += await world.emit_many([uuid4() for _ in range(5)], 1)
        await world.until_seen(ids)
        process.kill()
        await process.wait()
        ids += await world.emit_many([uuid4() for _ in range(20)], 2)
        await world.until_seen(ids)
    assert sorted(await world.seen_ids()) == sorted(ids)


@pytest.mark.parametrize("world", ["kafka"], indirect=True)
async def test_a_crash_while_handing_over_loses_and_doubles_nothing(world: World) -> None:
    async with instance(world, "member", "kafka.revoke=kill:1") as process:
        ids = await world.emit_many([uuid4() for _ in range(10)], 2)
        await world.until_seen(ids)
        world.join(Recorder())
        ids += await world.emit_many([uuid4() for _ in range(10)], 2)
        await killed(process)
        ids += await world.emit_many([uuid4() for _ in range(10)], 2)
        await world.until_seen(ids)
    assert sorted(await world.seen_ids()) == sorted(ids)


@pytest.mark.parametrize("place", ["relay.after_read", "relay.after_ack", "relay.before_cursor"])
@pytest.mark.parametrize("world", ["kafka"], indirect=True)
async def test_a_relay_killed_at_any_place_loses_and_doubles_nothing(world: World, place: str) -> None:
    await world.stop_relay(Service.INTAKE)
    world.join(Recorder())
    async with instance(world, "relay", f"{place}=kill:2") as process:
        ids = await world.emit_many([uuid4() for _ in range(5)], 2)
        await world.until_seen(ids[:5])
        ids += await world.emit_many([uuid4() for _ in range(5)], 2)
        await killed(process)
    world.start_relay(Service.INTAKE)
    ids += await world.emit_many([uuid4() for _ in range(5)], 2)
    await world.until_seen(ids)
    await asyncio.sleep(0.1)
    assert sorted(await world.seen_ids()) == sorted(ids)


@pytest.mark.parametrize("world", ["kafka"], indirect=True)
async def test_a_standby_relay_takes_over_when_the_sender_is_killed(world: World) -> None:
    await world.stop_relay(Service.INTAKE)
    world.join(Recorder())
    async with instance(world, "relay") as process:
        first = await world.emit(uuid4())
        await world.until_seen([first])
        world.start_relay(Service.INTAKE)
        second = await world.emit(uuid4())
        await world.until_seen([second])
        process.kill()
        await process.wait()
        third = await world.emit(uuid4())
        await world.until_seen([third])
    assert await world.seen_ids() == [first, second, third]


async def test_nothing_of_the_crashed_process_holds_the_log(world: World) -> None:
    async with instance(world, "member", "runner.after_commit=kill:1") as process:
        first = await world.emit(uuid4())
        await killed(process)

    async def fence_is_free() -> bool:
        pool = world.ledgers[Service.INTAKE].pool
        return not await pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND datname = current_database()"
        )

    await eventually(fence_is_free)
    assert await world.seen_ids() == [first]
