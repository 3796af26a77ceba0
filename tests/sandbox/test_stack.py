"""Starting the local system again on what it left behind."""

import stat
from pathlib import Path

import asyncpg
import pytest

from libs.schemas.events import Service
from sandbox.processes import StartError
from sandbox.servers import make_topics, try_database
from sandbox.stack import PORTS, Plan, Stack


@pytest.mark.timeout(90)
async def test_a_second_start_on_a_database_with_a_password_keeps_the_roles_passwords(
    database: str, tmp_path: Path
) -> None:
    with_password = database.replace("postgres@", "postgres:any@", 1)
    assert with_password != database
    seen = []
    for _ in range(2):
        stack = Stack(Plan(tmp_path, events="postgres", ports={}, database_url=with_password))
        try:
            await stack.start_only()
            seen.append([stack.dsn(service) for service in Service])
        finally:
            stack.stop()
    assert seen[0] == seen[1]
    assert all(dsn.count(":") == 3 for dsn in seen[0])
    kept = tmp_path / "passwords.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    connection = await asyncpg.connect(seen[1][0])
    await connection.close()


def test_another_partnership_is_named_in_its_own_events(tmp_path: Path) -> None:
    def named(plan: Plan) -> str | None:
        stack = Stack(plan)
        stack.ports = dict(PORTS)
        return stack._service_environment(Service.INTAKE, 0).get("MASH_PARTNERSHIP")

    assert named(Plan(tmp_path, named="elsewhere")) == "elsewhere"
    assert named(Plan(tmp_path)) is None


@pytest.mark.parametrize("address", ["postgresql://me:secret@127.0.0.1:1/hub", "me:secret"])
async def test_a_database_that_cannot_be_used_is_named_without_its_password(address: str) -> None:
    with pytest.raises(StartError, match="MASH_DATABASE_URL") as refused:
        await try_database(address)
    assert "secret" not in str(refused.value)


async def test_a_database_that_lets_nobody_in_is_named(database: str) -> None:
    with pytest.raises(StartError, match=r"InvalidCatalogName.*an administrator's"):
        await try_database(f"{database}_that_is_not_there")


@pytest.mark.parametrize("bootstrap", ["127.0.0.1:1", "nonsense:x"])
async def test_a_broker_that_cannot_be_used_is_named(bootstrap: str) -> None:
    with pytest.raises(StartError, match="MASH_KAFKA_BOOTSTRAP"):
        await make_topics(bootstrap)
