import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from libs.platform.database import connect, create_pool, role_dsn
from libs.platform.provision import _scram, grant, prepare, readers_of
from libs.platform.telemetry import Telemetry
from libs.schemas.events import Service
from tests.libs.platform.conftest import Collected


async def run(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


TABLES = [
    statement
    for service in Service
    for statement in (
        f"CREATE TABLE IF NOT EXISTS {service.value}.outbox (id bigint)",
        f"CREATE TABLE IF NOT EXISTS {service.value}.secret (id bigserial)",
    )
]


async def prepared(dsn: str, transport: str) -> None:
    await prepare(dsn, transport)  # type: ignore[arg-type]
    await run(dsn, *TABLES)
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await grant(connection, transport)  # type: ignore[arg-type]
    finally:
        await connection.close()


@pytest.fixture
async def triage(database: str) -> AsyncIterator[asyncpg.Pool]:
    await prepare(database, "kafka")
    pool = await create_pool(role_dsn(database, Service.TRIAGE), service=Service.TRIAGE, size=2)
    yield pool
    await pool.close()


async def test_preparing_again_changes_nothing(database: str) -> None:
    await prepared(database, "postgres")
    await prepared(database, "postgres")


async def test_databases_of_one_cluster_are_prepared_side_by_side(database: str, postgres: str) -> None:
    await asyncio.gather(prepare(database, "kafka"), prepare(postgres, "kafka"))


async def test_a_role_works_in_its_own_schema_and_reads_no_others(database: str) -> None:
    await prepared(database, "kafka")
    for service in Service:
        connection = await connect(role_dsn(database, service), service=service)
        try:
            await connection.execute("INSERT INTO secret DEFAULT VALUES")
            await connection.execute("UPDATE secret SET id = 2")
            for refused in ("DROP TABLE secret", "TRUNCATE secret", "CREATE TABLE more (id int)"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(refused)
            for other in set(Service) - {service}:
                for table in ("secret", "outbox"):
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await connection.execute(f"SELECT * FROM {other.value}.{table}")
        finally:
            await connection.close()


async def test_on_the_postgres_transport_readers_see_outboxes_and_nothing_else(database: str) -> None:
    await prepared(database, "postgres")
    for reader in Service:
        connection = await connect(role_dsn(database, reader), service=reader)
        try:
            for producer in set(Service) - {reader}:
                if reader in readers_of(producer):
                    await connection.execute(f"SELECT * FROM {producer.value}.outbox")
                else:
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await connection.execute(f"SELECT * FROM {producer.value}.outbox")
                for refused in (
                    f"DELETE FROM {producer.value}.outbox",
                    f"SELECT * FROM {producer.value}.secret",
                ):
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await connection.execute(refused)
        finally:
            await connection.close()


async def test_going_over_to_kafka_closes_the_outboxes_again(database: str) -> None:
    await prepared(database, "postgres")
    await prepare(database, "kafka")
    connection = await connect(role_dsn(database, Service.TRIAGE), service=Service.TRIAGE)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT * FROM intake.outbox")
    finally:
        await connection.close()


async def test_a_role_sees_who_holds_the_fence(database: str, triage: asyncpg.Pool) -> None:
    writer = await asyncpg.connect(database, server_settings={"application_name": "long-writer"})
    try:
        async with writer.transaction():
            await writer.fetchval("SELECT pg_current_xact_id()")
            seen = await triage.fetchval(
                "SELECT backend_xid IS NOT NULL FROM pg_stat_activity WHERE application_name = 'long-writer'"
            )
        assert seen
    finally:
        await writer.close()


async def test_the_server_ends_a_transaction_that_is_left_open(triage: asyncpg.Pool) -> None:
    async with triage.acquire() as connection:
        shown = {
            name: await connection.fetchval("SELECT current_setting($1)", name)
            for name in ("idle_in_transaction_session_timeout", "transaction_timeout", "search_path")
        }
        assert shown == {
            "idle_in_transaction_session_timeout": "10s",
            "transaction_timeout": "30s",
            "search_path": "triage",
        }
    async with triage.acquire() as connection:
        await connection.execute("SET idle_in_transaction_session_timeout = '50ms'")
        await connection.execute("BEGIN")
        await asyncio.sleep(0.3)
        with pytest.raises((asyncpg.IdleInTransactionSessionTimeoutError, asyncpg.InterfaceError, OSError)):
            await connection.execute("SELECT 1")
    assert await triage.fetchval("SELECT 1") == 1


async def test_the_server_frees_the_locks_of_a_machine_that_is_gone_within_a_minute(
    triage: asyncpg.Pool,
) -> None:
    names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
    idle, interval, count, unanswered = [
        int(await triage.fetchval("SELECT setting FROM pg_settings WHERE name = $1", name)) for name in names
    ]
    assert 0 < idle + interval * count <= 60
    assert 0 < unanswered <= 60_000


async def test_limits_hold_even_for_a_client_that_does_not_ask_for_them(database: str) -> None:
    await prepare(database, "kafka")
    connection = await asyncpg.connect(role_dsn(database, Service.NOTIFY))
    try:
        assert await connection.fetchval("SHOW transaction_timeout") == "30s"
        assert await connection.fetchval("SHOW search_path") == "notify"
    finally:
        await connection.close()


async def test_a_failed_transaction_leaves_a_clean_connection_in_the_pool(triage: asyncpg.Pool) -> None:
    for _ in range(4):
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with triage.acquire() as connection, connection.transaction():
                await connection.fetchval("SELECT 1/0")
    assert await triage.fetchval("SELECT 1") == 1


async def test_statements_are_spans_only_where_it_is_asked_for_and_hold_no_data(
    database: str, instruments: Telemetry, collected: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.platform.database.trace.get_tracer", lambda name: instruments.tracer)
    await prepare(database, "kafka")
    inner = []
    for asked in (False, True):
        dsn = role_dsn(database, Service.TRIAGE)
        pool = await create_pool(dsn, service=Service.TRIAGE, size=1, trace_sql=asked)
        with instruments.tracer.start_as_current_span("outer"):
            with pytest.raises(asyncpg.DataError):
                await pool.fetchval("select ($1::text || 'canary')::int", "canary")
            await asyncio.sleep(0)
        await pool.close()
        inner = [span for span in collected.spans if span.name != "outer"]
        assert len(inner) == asked
    assert (inner[0].name, inner[0].parent) == ("SELECT sql", collected.spans[-1].context)
    assert all("canary" not in span.to_json() for span in collected.spans)


async def test_passwords_are_made_once_and_kept(database: str) -> None:
    parts = urlsplit(database)
    with_password = parts._replace(netloc=f"{parts.username}:anything@{parts.hostname}:{parts.port}").geturl()
    made = await prepare(with_password, "kafka")
    assert set(made) == set(Service)
    assert len(set(made.values())) == len(Service)
    assert await prepare(with_password, "kafka", made) == made
    await prepare(database, "kafka")
    connection = await asyncpg.connect(database)
    try:
        stored = await connection.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'mash_intake'")
        assert stored.startswith("SCRAM-SHA-256$")
        assert made[Service.INTAKE] not in stored
    finally:
        await connection.close()


def test_a_verifier_is_the_one_that_rfc_5803_describes() -> None:
    kind, iterations_and_salt, keys = _scram("pencil").split("$")
    assert kind == "SCRAM-SHA-256"
    assert iterations_and_salt.partition(":")[0] == "4096"
    assert len(keys.split(":")) == 2


def test_a_roles_address_keeps_everything_but_the_sign_in() -> None:
    admin = "postgresql://admin:p%40ss@db.example.org:5433/mash?sslmode=require"
    assert (
        role_dsn(admin, Service.NOTIFY, "a/b@c")
        == "postgresql://mash_notify:a%2Fb%40c@db.example.org:5433/mash?sslmode=require"
    )
    assert (
        role_dsn("postgresql:///mash?host=/run", Service.NOTIFY) == "postgresql://mash_notify@/mash?host=/run"
    )


async def test_what_was_planned_on_an_empty_table_does_not_read_all_of_it_once_it_has_grown(
    database: str, triage: asyncpg.Pool
) -> None:
    texts = ", ".join(f"t{number} text" for number in range(12))
    await run(
        database,
        f"CREATE TABLE triage.wide (of uuid, {texts})",
        "CREATE INDEX ON triage.wide (of)",
        "GRANT SELECT ON triage.wide TO mash_triage",
    )
    async with triage.acquire() as connection:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute("PREPARE looked AS SELECT * FROM wide WHERE of = ANY ($1::uuid[])")
        plan = await connection.fetch("EXPLAIN EXECUTE looked ('{}')")
    assert "Seq Scan" not in str(plan)
