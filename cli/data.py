"""`mash migrate`, `mash rebase` and `mash reset`: what the system keeps."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import Annotated

import asyncpg
import typer

from cli.console import explained, fail, out
from cli.options import Data
from cli.state import DATA, alone_on
from libs.messaging.rebase import rebase as renumber
from libs.platform.migrations import migrate as bring_up
from libs.platform.provision import prepare
from libs.schemas.events import Service
from sandbox.postgres import EmbeddedPostgres
from sandbox.servers import try_database
from sandbox.stack import Events

PARTS = ("postgres", "kafka", "sandbox", "logs")
FILES = ("run.json", "sent", "cursor-secret", "passwords.json", "postgres.log", "kafka.log")


@explained
def migrate(
    events: Annotated[
        Events, typer.Option(help="What carries events: decides who may read which outbox.")
    ] = "kafka",
    data: Data = DATA,
) -> None:
    """Bring the database to this release: schemas, roles, rights and tables. Running it again changes nothing.

    Uses MASH_DATABASE_URL where it is set (an administrator's address), else the local system's own database, which
    must not be running.
    """
    url = os.environ.get("MASH_DATABASE_URL")
    if url:
        asyncio.run(try_database(url))
        asyncio.run(_migrate(url, events))
        return
    with alone_on(data), EmbeddedPostgres(data.absolute() / "postgres", progress=out().print) as server:
        asyncio.run(_migrate(server.dsn(), events))


async def _migrate(url: str, events: Events) -> None:
    await prepare(url, events)
    for service in Service:
        revision = await bring_up(url, service, transport=events)
        out().print(f"{service.value}: at revision {revision}")


@explained
def rebase(data: Data = DATA) -> None:
    """Make a database that was restored from a dump ready for the services, which must all be stopped.

    A dump carries the old server's transaction numbers, by which the event log is ordered; they are replaced, and
    every reader goes on where it was. Uses MASH_DATABASE_URL where it is set (an administrator's address), else the
    local system's own database. Running it again changes nothing that anybody sees.
    """
    url = os.environ.get("MASH_DATABASE_URL")
    if url:
        asyncio.run(try_database(url))
        asyncio.run(_rebase(url))
        return
    if not (data / "postgres").exists():
        fail(f"There is no database in {data}.")
    with alone_on(data), EmbeddedPostgres(data.absolute() / "postgres", progress=out().print) as server:
        asyncio.run(_rebase(server.dsn()))


async def _rebase(url: str) -> None:
    admin = await asyncpg.connect(url)
    try:
        counts = await renumber(admin)
    except asyncpg.LockNotAvailableError:
        fail("A service still uses the event log: stop every service first. Nothing was changed.")
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        fail("The event log's tables are not there: restore the dump, or run `mash migrate`.")
    finally:
        await admin.close()
    for service, count in counts.items():
        out().print(f"{service.value}: {count} {'event' if count == 1 else 'events'} rebased")


@explained
def reset(data: Data = DATA) -> None:
    """Remove the local system's data: database, event log, messages, keys and logs."""
    if not data.exists():
        out().print(f"There is nothing in {data}.")
        return
    with alone_on(data):
        for name in PARTS:
            shutil.rmtree(data / name, ignore_errors=True)
        for name in FILES:
            (data / name).unlink(missing_ok=True)
    if not any(data.iterdir()):
        data.rmdir()
        out().print(f"Removed {data}.")
    else:
        out().print(f"Removed the system's data. What else lies in {data} is not ours and stays.")
