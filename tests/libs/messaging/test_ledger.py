"""What a unit promises: its effects together or not at all, and only about what it holds."""

from __future__ import annotations

import contextlib
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from libs.messaging.ledger import RolledBack
from libs.schemas.events import CASE_SCREENED, WITHDRAWN, Service
from tests.libs.messaging.conftest import World, withdrawal


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
