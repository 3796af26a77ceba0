import asyncio
from pathlib import Path
from textwrap import dedent

import asyncpg
import pytest
from sqlalchemy import exc
from sqlmodel import Field, MetaData, SQLModel

from libs.platform.database import create_pool, role_dsn
from libs.platform.migrations import SchemaMismatch, check_schema, differences, head_of, migrate, versions_of
from libs.platform.provision import prepare
from libs.schemas.events import Service

FIRST = """
    from alembic import op
    revision = "0001"
    down_revision = None

    def upgrade() -> None:
        op.execute("CREATE TABLE outbox (id bigint); CREATE TABLE thing (id bigint PRIMARY KEY, name text)")
    """
SECOND = """
    from alembic import op
    revision = "0002"
    down_revision = "0001"

    def upgrade() -> None:
        op.execute("ALTER TABLE thing ADD COLUMN more int; INSERT INTO thing VALUES (1, 'a;b', 2)")
    """
BROKEN = """
    from alembic import op
    revision = "0003"
    down_revision = "0002"

    def upgrade() -> None:
        op.execute("CREATE TABLE half (id int); INSERT INTO half VALUES (1)")
        op.execute("SELECT 1/0")
    """
CONCURRENT = """
    from alembic import op
    revision = "0003"
    down_revision = "0002"

    def upgrade() -> None:
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY thing_name ON thing (name)")
    """


def write(versions: Path, *revisions: str) -> Path:
    versions.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(revisions, start=1):
        (versions / f"{number:04}_step.py").write_text(dedent(text))
    return versions


@pytest.fixture
async def ready(database: str) -> str:
    await prepare(database, "postgres")
    return database


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    return write(tmp_path / "intake" / "migrations" / "versions", FIRST, SECOND)


async def test_missing_revisions_run_once_and_in_order(ready: str, versions: Path) -> None:
    for _ in range(2):
        assert await migrate(ready, Service.INTAKE, transport="postgres", versions=versions) == "0002"
    connection = await asyncpg.connect(ready)
    try:
        rows = await connection.fetch("SELECT id, name, more FROM intake.thing")
        assert [tuple(row) for row in rows] == [(1, "a;b", 2)]
        assert await connection.fetchval("SELECT to_regclass('public.thing')") is None
    finally:
        await connection.close()


async def test_two_releases_migrate_one_after_the_other(ready: str, versions: Path) -> None:
    reached = await asyncio.gather(
        *(migrate(ready, Service.INTAKE, transport="kafka", versions=versions) for _ in range(3))
    )
    assert reached == ["0002"] * 3


async def test_services_keep_versions_of_their_own(ready: str, versions: Path) -> None:
    await asyncio.gather(
        migrate(ready, Service.INTAKE, transport="kafka", versions=versions),
        migrate(ready, Service.TRIAGE, transport="kafka", versions=versions, to="0001"),
    )
    connection = await asyncpg.connect(ready)
    try:
        assert await connection.fetchval("SELECT version_num FROM intake.alembic_version") == "0002"
        assert await connection.fetchval("SELECT version_num FROM triage.alembic_version") == "0001"
    finally:
        await connection.close()


async def test_a_failing_revision_leaves_nothing_behind(ready: str, versions: Path) -> None:
    write(versions, FIRST, SECOND, BROKEN)
    with pytest.raises((asyncpg.DivisionByZeroError, exc.DBAPIError)):
        await migrate(ready, Service.INTAKE, transport="kafka", versions=versions)
    connection = await asyncpg.connect(ready)
    try:
        assert await connection.fetchval("SELECT to_regclass('intake.half')") is None
        assert await connection.fetchval("SELECT version_num FROM intake.alembic_version") == "0002"
    finally:
        await connection.close()


async def test_an_index_can_be_built_while_others_write(ready: str, versions: Path) -> None:
    write(versions, FIRST, SECOND, CONCURRENT)
    assert await migrate(ready, Service.INTAKE, transport="kafka", versions=versions) == "0003"


async def test_a_service_runs_on_its_own_revision_only(ready: str, versions: Path) -> None:
    pool = await create_pool(role_dsn(ready, Service.INTAKE), service=Service.INTAKE, size=1)
    try:
        with pytest.raises(
            SchemaMismatch, match="at revision none, this release needs 0002: run `mash migrate`"
        ):
            await check_schema(pool, Service.INTAKE, versions)
        await migrate(ready, Service.INTAKE, transport="kafka", versions=versions, to="0001")
        with pytest.raises(
            SchemaMismatch, match="at revision 0001, this release needs 0002: run `mash migrate`"
        ):
            await check_schema(pool, Service.INTAKE, versions)
        await migrate(ready, Service.INTAKE, transport="kafka", versions=versions)
        await check_schema(pool, Service.INTAKE, versions)
        (versions / "0002_step.py").unlink()
        with pytest.raises(SchemaMismatch, match="start the release that it was migrated for"):
            await check_schema(pool, Service.INTAKE, versions)
    finally:
        await pool.close()


async def test_a_role_cannot_change_what_it_is_migrated_to(ready: str, versions: Path) -> None:
    await migrate(ready, Service.INTAKE, transport="kafka", versions=versions)
    pool = await create_pool(role_dsn(ready, Service.INTAKE), service=Service.INTAKE, size=1)
    try:
        await pool.execute("INSERT INTO thing VALUES (5, 'x', 1)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute("UPDATE alembic_version SET version_num = '9'")
    finally:
        await pool.close()


async def test_models_that_differ_from_the_revisions_are_found(ready: str, versions: Path) -> None:
    await migrate(ready, Service.INTAKE, transport="kafka", versions=versions)

    class Base(SQLModel):
        metadata = MetaData()

    class Thing(Base, table=True):
        __tablename__ = "thing"
        id: int = Field(primary_key=True)
        name: str | None = None
        more: int | None = None
        forgotten: int | None = None

    found = await differences(ready, Service.INTAKE, Base.metadata)
    assert [(item[0], item[3].name) for item in found if isinstance(item, tuple)] == [
        ("add_column", "forgotten")
    ]


def test_two_newest_revisions_are_an_error(tmp_path: Path) -> None:
    versions = write(
        tmp_path / "x" / "migrations" / "versions", FIRST, SECOND, SECOND.replace("0002", "0003")
    )
    with pytest.raises(ValueError, match="more than one newest revision: 0002, 0003"):
        head_of(versions)


def test_every_service_has_one_newest_revision() -> None:
    for service in Service:
        if versions_of(service).exists():
            assert head_of(versions_of(service)) is not None
