"""Connections of a service to its own schema."""

from __future__ import annotations

from socket import gaierror
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from libs.platform.clock import epoch_ns
from libs.schemas.events import Service

IDLE_IN_TRANSACTION = "10s"
TRANSACTION = "30s"
COMMAND_SECONDS = 35.0
"""Longer than the server's own limits, which come first unless the network has gone silent."""


class CannotStart(Exception):
    """What keeps a service from starting: a sentence for the operator, without its full stop and without a secret."""


def role_name(service: Service) -> str:
    """The database role that a service signs in as."""
    return f"mash_{service.value}"


def role_dsn(admin_dsn: str, service: Service, password: str | None = None) -> str:
    """The administrator's address with the service's role in place of the administrator."""
    parts = urlsplit(admin_dsn)
    user = role_name(service) + (f":{quote(password, safe='')}" if password else "")
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}@{place}"))


def session_settings(service: Service) -> dict[str, str]:
    """What every session of a service runs with.

    A transaction that stays open holds back every reader of the event log, so the server ends it. A machine that goes
    without a word leaves its session locks behind, and nobody sends or reads the log for it, so the server asks.
    Where there is an index it is used: a plan for any parameters is kept as it was made, and on tables that are still
    empty it would read all of them, at every statement, until the server next counts their rows.
    """
    return {
        "application_name": f"mash-{service.value}",
        "search_path": service.value,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION,
        "transaction_timeout": TRANSACTION,
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "4",
        "tcp_user_timeout": "30s",
        "timezone": "UTC",
        "jit": "off",
        "enable_seqscan": "off",
    }


async def create_pool(
    dsn: str, *, service: Service, size: int = 10, trace_sql: bool = False
) -> asyncpg.Pool[asyncpg.Record]:
    """A pool whose connections see the service's own schema; `trace_sql` makes a span of each statement.

    Connections go back without a reset, which would cost a round trip each: session state (SET, LISTEN,
    session advisory locks, cursors WITH HOLD) belongs on connections of `connect`. Raises OSError or
    asyncpg.PostgresError.
    """
    pool: asyncpg.Pool[asyncpg.Record] = await asyncpg.create_pool(
        dsn,
        min_size=min(2, size),
        max_size=size,
        command_timeout=COMMAND_SECONDS,
        server_settings=session_settings(service),
        reset=_keep,
        init=_trace if trace_sql else None,
        statement_cache_size=256,
        max_inactive_connection_lifetime=0,
    )
    return pool


async def connect(dsn: str, *, service: Service) -> asyncpg.Connection[asyncpg.Record]:
    """A connection of its own, for session locks and LISTEN."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        dsn, command_timeout=COMMAND_SECONDS, server_settings=session_settings(service)
    )
    return connection


PASSING_SQLSTATES = frozenset(
    {
        "25P03",  # idle_in_transaction_session_timeout
        "25P04",  # transaction_timeout
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "55P03",  # lock_not_available
        "57014",  # query_canceled
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now
        "57P05",  # idle_session_timeout
    }
)
PASSING_SQLSTATE_CLASSES = frozenset({"08", "53", "58"})
"""PostgreSQL's codes (appendix A of its manual) that say that the server or the way to it failed, not the request."""


def is_passing(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, says that the database or the way to it is away: the same can work later."""
    while error is not None:
        state = getattr(error, "sqlstate", None)
        if isinstance(state, str) and (state in PASSING_SQLSTATES or state[:2] in PASSING_SQLSTATE_CLASSES):
            return True
        if isinstance(error, ConnectionError | TimeoutError | gaierror | asyncpg.InternalClientError):
            return True
        # Several addresses that all refuse are one bare OSError.
        if type(error) is OSError or (isinstance(error, asyncpg.InterfaceError) and "clos" in str(error)):
            return True
        error = error.__cause__
    return False


async def _keep(connection: Any) -> None:
    """Leaves the session as it is."""


async def _trace(connection: Any) -> None:
    connection.add_query_logger(_span)


def _span(query: Any) -> None:
    """Makes the span of a statement that has just ended: its verb and duration, never its text or arguments."""
    end = epoch_ns()
    verb = str(query.query).split(None, 1)[0].upper()[:20]
    span = trace.get_tracer("mash.sql").start_span(
        f"{verb} sql",
        kind=SpanKind.CLIENT,
        attributes={"db.system.name": "postgresql", "db.operation.name": verb},
        start_time=end - int(query.elapsed * 1e9),
    )
    if query.exception is not None:
        span.set_attribute("error.type", type(query.exception).__name__)
        span.set_status(StatusCode.ERROR)
    span.end(end)
