from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest

from sandbox.postgres import EmbeddedPostgres
from tests.conftest import execute
from tests.libs.messaging.conformance.world import World, furnish, opened

TEMPLATE = "conformance_template"


@pytest.fixture
async def database(cluster: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database of this test's own that has every service's schema."""
    with contextlib.suppress(asyncpg.DuplicateDatabaseError):
        await execute(cluster.dsn(), f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
        await furnish(cluster.dsn(TEMPLATE))
    name = f"t_{uuid.uuid4().hex[:12]}"
    await execute(cluster.dsn(), f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    yield cluster.dsn(name)
    await execute(cluster.dsn(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["kafka", "postgres"])
async def world(request: pytest.FixtureRequest, database: str) -> AsyncIterator[World]:
    """Each behaviour is shown on both transports; Kafka is the real one."""
    kind = request.param
    bootstrap = request.getfixturevalue("kafka") if kind == "kafka" else None
    async with opened(kind, database, bootstrap) as world:
        yield world
