"""Makes what the services need in a PostgreSQL database: a schema and a role for each, and their rights.

The objects belong to the administrator; a service's role may read and write its own schema's rows and nothing
else. On the `postgres` transport it may also read the outboxes of the services whose events it takes.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import asyncpg
import structlog

from libs.platform.database import IDLE_IN_TRANSACTION, TRANSACTION, role_name
from libs.schemas.events import EVENT_TYPES, Service

Transport = Literal["kafka", "postgres"]

OUTBOX = "outbox"
LOCK = 0x6D617368_00000001
"""Advisory lock of whoever prepares a database."""

SERVER_VERSION = 170_000
"""PostgreSQL 17 brought `transaction_timeout`."""

_SCRAM_ITERATIONS = 4096


async def prepare(
    admin_dsn: str, transport: Transport, passwords: Mapping[Service, str] | None = None
) -> dict[Service, str]:
    """Creates or corrects schemas, roles and rights; running it again changes nothing.

    `passwords`: the roles' passwords that are kept from last time. A role that has none gets a new one when
    the administrator's address has a password too; otherwise the server is taken to trust its roles. Returns
    the passwords now in force, for the caller to keep. Raises asyncpg.PostgresError, or SystemExit on an old
    server.
    """
    needed = urlsplit(admin_dsn).password is not None
    kept = dict(passwords or {})
    if needed:
        kept = {service: kept.get(service) or secrets.token_urlsafe(24) for service in Service}
    connection = await asyncpg.connect(admin_dsn)
    try:
        if connection.get_server_version().major * 10_000 < SERVER_VERSION:
            raise SystemExit("Cannot start: PostgreSQL 17 or later is needed (MASH_DATABASE_URL).")
        await _roles(connection, kept)
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            database = await connection.fetchval("SELECT current_database()")
            for service in Service:
                await _schema(connection, service, _quoted(database))
            await grant(connection, transport)
        await _statistics(connection)
    finally:
        await connection.close()
    return kept


async def grant(connection: Any, transport: Transport) -> None:
    """Gives the roles their rights on the tables that exist now; called in a transaction after each migration."""
    # Two sessions that grant on one table at the same moment fail each other.
    await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
    for service in Service:
        role, schema = role_name(service), service.value
        await connection.execute(
            f"""
            GRANT USAGE ON SCHEMA {schema} TO {role};
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};
            GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role};
            """
        )
    for producer in Service:
        readable = await connection.fetchval(
            "SELECT to_regclass($1) IS NOT NULL", f"{producer.value}.{OUTBOX}"
        )
        for reader in Service:
            if reader is producer:
                continue
            role, schema = role_name(reader), producer.value
            await connection.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}")
            await connection.execute(f"REVOKE USAGE ON SCHEMA {schema} FROM {role}")
            if transport == "postgres" and readable and reader in readers_of(producer):
                await connection.execute(
                    f"GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON {schema}.{OUTBOX} TO {role}"
                )
    if transport == "postgres":
        # Lets a producer call its readers' `log_position`, so that it prunes nothing they have yet to read.
        for producer in Service:
            for reader in readers_of(producer) - {producer}:
                await connection.execute(f"GRANT USAGE ON SCHEMA {reader.value} TO {role_name(producer)}")


def readers_of(producer: Service) -> frozenset[Service]:
    """The services that take any event of this producer."""
    return frozenset(
        reader
        for event_type in EVENT_TYPES
        if event_type.producer is producer
        for reader in event_type.readers
    )


async def _roles(connection: Any, passwords: Mapping[Service, str]) -> None:
    for service in Service:
        role = role_name(service)
        # Roles belong to the whole cluster: two databases may be prepared at the same moment.
        if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
            with contextlib.suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
                await connection.execute(f"CREATE ROLE {role} LOGIN NOINHERIT")
        if service in passwords:
            await connection.execute(f"ALTER ROLE {role} PASSWORD '{_scram(passwords[service])}'")


async def _schema(connection: Any, service: Service, database: str) -> None:
    role, schema = role_name(service), service.value
    await connection.execute(
        f"""
        CREATE SCHEMA IF NOT EXISTS {schema};
        GRANT CONNECT ON DATABASE {database} TO {role};
        ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};
        ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE, SELECT ON SEQUENCES TO {role};
        ALTER ROLE {role} IN DATABASE {database} SET search_path = {schema};
        ALTER ROLE {role} IN DATABASE {database}
            SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION}';
        ALTER ROLE {role} IN DATABASE {database} SET transaction_timeout = '{TRANSACTION}';
        """
    )


async def _statistics(connection: Any) -> None:
    """Lets the roles see which session holds the event log's fence back."""
    for service in Service:
        role = role_name(service)
        if await connection.fetchval("SELECT pg_has_role($1, 'pg_read_all_stats', 'USAGE')", role):
            continue
        try:
            with contextlib.suppress(asyncpg.UniqueViolationError):
                await connection.execute(f"GRANT pg_read_all_stats TO {role} WITH INHERIT TRUE")
        except asyncpg.InsufficientPrivilegeError:
            structlog.get_logger().warning(
                "a role cannot be let see other sessions", code="no-pg-read-all-stats"
            )


def _scram(password: str) -> str:
    """The SCRAM-SHA-256 verifier (RFC 5803) of an ASCII password, so that no statement holds the password
    itself.
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = (base64.b64encode(part).decode() for part in (salt, stored, server))
    salt_text, stored_text, server_text = parts
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{salt_text}${stored_text}:{server_text}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
