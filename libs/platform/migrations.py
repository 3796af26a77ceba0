"""Brings a service's schema to its newest revision, and refuses to run on any other.

Each service keeps its revisions in `services/<name>/migrations/versions`; they write unqualified table names.
SQLAlchemy and Alembic are imported only where revisions run: a serving process needs neither.
"""

from __future__ import annotations

import ast
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog

from libs.platform.database import CannotStart, create_pool
from libs.platform.provision import Transport, grant
from libs.platform.settings import ServiceSettings
from libs.schemas.events import Service

if TYPE_CHECKING:
    from sqlalchemy import Connection, MetaData

VERSION_TABLE = "alembic_version"
LOCK_TIMEOUT = "5s"
"""A revision waits this long for a table's lock, so that it never queues everybody else behind it."""
WAIT_SECONDS = 60.0

_LOCK = 0x6D617368_00000002
"""Advisory lock of whoever migrates. One for all services: Alembic's `op` is one for the process."""
_ROOT = Path(__file__).resolve().parents[2]


class SchemaMismatch(CannotStart):
    """The database is not at the revision that this release needs."""


def versions_of(service: Service) -> Path:
    """Where a service keeps its revisions."""
    return _ROOT / "services" / service.value / "migrations" / "versions"


def head_of(versions: Path) -> str | None:
    """The newest revision in a directory, read without importing it; None when there is none.

    Raises ValueError when there is more than one.
    """
    revisions, earlier = set[str](), set[str]()
    for file in sorted(versions.glob("*.py")):
        names = _constants(file)
        if isinstance(revision := names.get("revision"), str):
            revisions.add(revision)
            if isinstance(down := names.get("down_revision"), str):
                earlier.add(down)
    heads = revisions - earlier
    if len(heads) > 1:
        raise ValueError(
            f"{versions.parent.parent.name} has more than one newest revision: {', '.join(sorted(heads))}"
        )
    return heads.pop() if heads else None


async def migrate(
    admin_dsn: str, service: Service, *, transport: Transport, versions: Path | None = None, to: str = "head"
) -> str | None:
    """Runs the revisions that are missing, one transaction each, and gives the role its rights on new tables.

    One at a time in a database, by a session advisory lock. Returns the revision reached. Raises
    TimeoutError when another migration runs for longer than a minute, and what PostgreSQL raises.
    """
    guard = await asyncpg.connect(admin_dsn)
    try:
        # No open transaction while waiting or migrating: it would hold the event log's fence.
        async with asyncio.timeout(WAIT_SECONDS):
            # Trying, not waiting: a waiting statement's snapshot would block CREATE INDEX CONCURRENTLY.
            while not await guard.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await _upgrade(admin_dsn, service, versions or versions_of(service), to)
        async with guard.transaction():
            await grant(guard, transport)
            await guard.execute(
                f"REVOKE INSERT, UPDATE, DELETE ON {service.value}.{VERSION_TABLE} FROM mash_{service.value}"
            )
        return await revision_of(guard, service)
    finally:
        await guard.close()


async def revision_of(connection: Any, service: Service) -> str | None:
    """The revision that a service's schema is at; None before the first."""
    try:
        revision: str | None = await connection.fetchval(
            f"SELECT version_num FROM {service.value}.{VERSION_TABLE}"  # noqa: S608 - two constants
        )
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return None
    return revision


async def check_schema(connection: Any, service: Service, versions: Path | None = None) -> None:
    """Raises SchemaMismatch unless the schema is at this release's newest revision. Takes a connection or
    pool.
    """
    expected = head_of(versions or versions_of(service))
    actual = await revision_of(connection, service)
    if actual == expected:
        return
    known = {path.stem for path in (versions or versions_of(service)).glob("*.py")}
    newer = actual is not None and not any(stem.startswith(actual) for stem in known)
    remedy = "start the release that it was migrated for" if newer else "run `mash migrate`"
    raise SchemaMismatch(
        f"the {service.value} schema is at revision {actual or 'none'}, "
        f"this release needs {expected or 'none'}: {remedy}"
    )


@asynccontextmanager
async def open_pool(
    settings: ServiceSettings, service: Service
) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    """The connections of a service whose schema is this release's. Raises CannotStart."""
    try:
        pool = await create_pool(
            settings.database_url, service=service, size=settings.pool_size, trace_sql=settings.trace_sql
        )
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CannotStart(
            f"the database of MASH_DATABASE_URL cannot be used ({type(error).__name__})"
        ) from error
    async with pool:
        await check_schema(pool, service)
        yield pool


async def differences(admin_dsn: str, service: Service, metadata: MetaData) -> list[Any]:
    """What Alembic would still change to bring the schema to the metadata: empty when revisions and models
    agree.

    Tables that the metadata does not have (those of the messaging library) are left out.
    """

    def compare(connection: Connection) -> list[Any]:
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        options = {
            "include_object": lambda item, name, kind, reflected, other: (
                not (kind == "table" and reflected and other is None)
            )
        }
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    found: list[Any] = await _on_alembics_connection(admin_dsn, service, compare)
    return found


async def _upgrade(admin_dsn: str, service: Service, versions: Path, to: str) -> None:
    def run(connection: Connection) -> None:
        from alembic.config import Config
        from alembic.runtime.environment import EnvironmentContext
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(versions.parent).replace("%", "%%"))
        config.set_main_option("version_locations", str(versions).replace("%", "%%"))
        config.set_main_option("path_separator", "newline")
        script = ScriptDirectory.from_config(config)
        environment = EnvironmentContext(
            config, script, fn=lambda revision, _: script._upgrade_revs(to, revision), destination_rev=to
        )
        with environment:
            environment.configure(
                connection=connection,
                version_table=VERSION_TABLE,
                version_table_schema=service.value,
                transaction_per_migration=True,
            )
            environment.run_migrations()
        structlog.get_logger().info("schema migrated", revision=script.get_current_head())

    await _on_alembics_connection(admin_dsn, service, run)


async def _on_alembics_connection(admin_dsn: str, service: Service, work: Any) -> Any:
    """Runs Alembic's synchronous work on SQLAlchemy's asyncpg driver, with the service's schema as the
    search path.
    """
    from sqlalchemy import event, pool
    from sqlalchemy.ext.asyncio import create_async_engine

    # The address goes to asyncpg itself, which reads every form that libpq does; SQLAlchemy's own parser does
    # not.
    async def connect(*_: Any, **__: Any) -> Any:
        return await asyncpg.connect(
            admin_dsn,
            server_settings={
                "search_path": service.value,
                "lock_timeout": LOCK_TIMEOUT,
                "application_name": f"mash-migrate-{service.value}",
            },
        )

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=pool.NullPool)
    event.listen(engine.sync_engine, "do_execute", _run_script)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def _run_script(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
    """Runs a text of several statements as one script: prepared statements, which asyncpg uses, hold only
    one.
    """
    if parameters or ";" not in statement.rstrip().rstrip(";"):
        return False
    # The adapter opens the transaction with its first own statement.
    cursor.execute("SELECT 1", ())
    context.root_connection.connection.dbapi_connection.run_async(lambda raw: raw.execute(statement))
    return True


def _constants(file: Path) -> dict[str, object]:
    found = dict[str, object]()
    for statement in ast.parse(file.read_text(encoding="utf-8")).body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        for target in targets:
            value = getattr(statement, "value", None)
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
                found[target.id] = value.value
    return found
