from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from sandbox.postgres import EmbeddedPostgres
from tests.conftest import execute
from tests.libs.messaging.conformance.world import World, furnish, opened

TEMPLATE = "conformance_template"


@pytest.fixture(scope="session")
def furnished() -> list[str]:
    """Names the template that is made by the first test of a worker."""
    return []


@pytest.fixture
async def database(cluster: EmbeddedPostgres, furnished: list[str]) -> AsyncIterator[str]:
    """A database of this test's own that has every service's schema."""
    if not furnished:
        await execute(cluster.dsn(), f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
        await furnish(cluster.dsn(TEMPLATE))
        furnished.append(TEMPLATE)
    name = f"t_{uuid.uuid4().hex[:12]}"
    await execute(cluster.dsn(), f"CREATE DATABASE {name} TEMPLATE {furnished[0]} STRATEGY FILE_COPY")
    yield cluster.dsn(name)
    await execute(cluster.dsn(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["kafka", "postgres"])
async def world(request: pytest.FixtureRequest, database: str) -> AsyncIterator[World]:
    """Each behaviour is shown on both transports; Kafka is the real one."""
    kind = request.param
    bootstrap = request.getfixturevalue("kafka") if kind == "kafka" else None
    async with opened(kind, database, bootstrap) as world:
        yield world
