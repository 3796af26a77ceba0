from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sandbox.postgres import EmbeddedPostgres
from tests.databases import Databases
from tests.libs.messaging.conformance.world import World, furnish, opened


@pytest.fixture(scope="session")
def furnished(cluster: EmbeddedPostgres) -> Databases:
    """Databases with the tables of this suite."""
    return Databases(cluster, furnish)


@pytest.fixture
async def database(furnished: Databases) -> AsyncIterator[str]:
    """A database of this test's own that has every service's schema."""
    async with furnished.lend() as dsn:
        yield dsn


@pytest.fixture(params=["kafka", "postgres"])
async def world(request: pytest.FixtureRequest, database: str) -> AsyncIterator[World]:
    """Each behaviour is shown on both transports; Kafka is the real one."""
    kind = request.param
    bootstrap = request.getfixturevalue("kafka") if kind == "kafka" else None
    async with opened(kind, database, bootstrap) as world:
        yield world
