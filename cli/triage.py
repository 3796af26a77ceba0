"""Triage's own database, for the commands that work on what is stored."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg

from cli.console import fail, out
from libs.platform.database import connect, role_dsn
from libs.platform.migrations import SchemaMismatch, check_schema
from libs.schemas.events import Service
from sandbox.postgres import EmbeddedPostgres, running_dsn


@contextmanager
def triage_dsn(data: Path) -> Iterator[str]:
    """The address of triage's database: MASH_DATABASE_URL (an administrator's or triage's own), else the local
    system's, which is started for the while where it does not run.
    """
    url = os.environ.get("MASH_DATABASE_URL")
    cluster = data.absolute() / "postgres"
    if url:
        yield url
    elif (dsn := running_dsn(cluster)) is not None:
        yield role_dsn(dsn, Service.TRIAGE)
    elif cluster.exists():
        with EmbeddedPostgres(cluster, progress=out().print) as server:
            yield role_dsn(server.dsn(), Service.TRIAGE)
    else:
        fail(f"There is no database in {data}: start the system with `mash up`, or set MASH_DATABASE_URL.")


@asynccontextmanager
async def triage_connection(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection in triage's schema, on a database of this release."""
    try:
        connection = await connect(dsn, service=Service.TRIAGE)
    except (OSError, ValueError, asyncpg.PostgresError) as error:
        fail(f"The database cannot be reached ({type(error).__name__}).")
    try:
        await check_schema(connection, Service.TRIAGE)
        yield connection
    except SchemaMismatch as mismatch:
        fail(str(mismatch))
    finally:
        await connection.close()
