"""Real servers for the tests: one PostgreSQL cluster for each xdist worker, one Kafka broker for the whole run."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from sandbox.postgres import EmbeddedPostgres

# Survives SIGKILL of the server all the same: only a crash of the machine needs fsync.
FAST = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "4GB", "autovacuum_naptime": "5min"}


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory for servers' data, removed at the end; tests' own files belong into `tmp_path`."""
    path = Path(tempfile.mkdtemp(prefix="mash-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(scratch: Path) -> Iterator[EmbeddedPostgres]:
    """This worker's own PostgreSQL cluster; tests that kill a server start one of their own instead.

    The outbox fence reads the oldest transaction of the whole cluster, so workers must not share one.
    """
    with EmbeddedPostgres(scratch / "postgres", settings=FAST) as server:
        yield server


@pytest.fixture(scope="session")
def postgres(cluster: EmbeddedPostgres) -> str:
    """The superuser's DSN of this worker's cluster."""
    return cluster.dsn()


@pytest.fixture
async def database(cluster: EmbeddedPostgres) -> AsyncIterator[str]:
    """The superuser's DSN of an empty database that is this test's alone."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    # Copying files takes 15 ms where the WAL-logged copy takes 60; without fsync its checkpoints cost little.
    await execute(cluster.dsn(), f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY FILE_COPY")
    yield cluster.dsn(name)
    await execute(cluster.dsn(), f"DROP DATABASE {name} WITH (FORCE)")


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
