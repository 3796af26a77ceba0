"""What a unit promises: its effects together or not at all, and only about what it holds."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from libs.messaging.errors import Transient
from libs.messaging.ledger import RolledBack
from libs.schemas.events import CASE_SCREENED, WITHDRAWN, Service
from tests.libs.messaging.conftest import World, until, waits_for_a_lock, withdrawal


async def test_a_unit_whose_statement_failed_never_passes_for_committed(world: World) -> None:
    triage = await world.ledger(Service.TRIAGE)
    told: list[str] = []

    async def passes_over() -> None:
        async with triage.unit([uuid4()]) as unit:
            unit.committed.append(lambda: told.append("committed"))
            await unit.connection.execute("INSERT INTO seen (event_id) VALUES ($1)", uuid4())
            with contextlib.suppress(asyncpg.PostgresError):
                await unit.connection.execute("SELECT 1 / 0")

    with pytest.raises(RolledBack):
        await passes_over()
    assert (told, await world.fetch("SELECT * FROM triage.seen")) == ([], [])


@pytest.mark.parametrize(("ended", "expected"), [(True, Transient), (False, KeyError)])
async def test_whatever_is_made_of_a_connection_that_was_lost_pauses(
    world: World, ended: bool, expected: type[Exception]
) -> None:
    triage = await world.ledger(Service.TRIAGE)

    async def stumbles() -> None:
        async with triage.unit([uuid4()]) as unit:
            if ended:
                await world.fetch("SELECT pg_terminate_backend($1, 5000)", unit.connection.get_server_pid())
                with contextlib.suppress(Exception):
                    await unit.connection.execute("SELECT 1")
            raise KeyError("made of it")

    with pytest.raises(expected):
        await stumbles()


async def test_a_unit_writes_only_about_referrals_that_it_has_locked(world: World) -> None:
    intake = await world.ledger(Service.INTAKE)
    async with intake.unit([uuid4()]) as unit:
        with pytest.raises(ValueError, match="lock"):
            unit.emit(WITHDRAWN, uuid4(), withdrawal(unit.now), trace=None)
        with pytest.raises(ValueError, match="lock"):
            unit.arm("deadline", uuid4(), uuid4(), unit.now)
    triage = await world.ledger(Service.TRIAGE)
    referral = uuid4()
    wrong: Any = withdrawal(world.clock.now())
    async with triage.unit([referral]) as unit:
        with pytest.raises(ValueError, match="does not produce"):
            unit.emit(WITHDRAWN, referral, withdrawal(unit.now), trace=None)
        with pytest.raises(TypeError, match="payload"):
            unit.emit(CASE_SCREENED, referral, wrong, trace=None)


async def test_who_waits_for_a_units_effects_is_called_once_they_are_there(world: World) -> None:
    triage = await world.ledger(Service.TRIAGE)
    told: list[str] = []
    async with triage.unit([uuid4()]) as unit:
        unit.committed.append(lambda: told.append("committed"))
        await unit.connection.execute("INSERT INTO seen (event_id) VALUES ($1)", uuid4())
        assert told == []
    assert told == ["committed"]


@pytest.mark.parametrize("from_the_start", [True, False])
async def test_what_belongs_to_several_referrals_is_one_units_at_a_time(
    world: World, from_the_start: bool
) -> None:
    triage = await world.ledger(Service.TRIAGE)
    order: list[str] = []

    async def second() -> None:
        names = ["person/7"]
        async with triage.unit([uuid4()], locks=names if from_the_start else ()) as unit:
            if not from_the_start:
                await unit.lock(names)
            order.append("second")

    async def waits() -> bool:
        return behind.done() or await waits_for_a_lock(world)

    async with triage.unit([uuid4()], locks=["person/7"]):
        behind = asyncio.create_task(second())
        await until(waits)
        order.append("first")
    await behind
    assert order == ["first", "second"]
