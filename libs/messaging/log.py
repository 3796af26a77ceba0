"""Reads an outbox in commit order without ever passing a row that is still to come.

A cursor on the id alone loses rows: an id is taken at INSERT and becomes visible at COMMIT, and a later id can
commit first. Rows are therefore ordered by (transaction id, id), and only rows below the fence are read: below the
oldest transaction that is still in progress anywhere in the cluster (`pg_snapshot_xmin`), since every row with a
smaller transaction id is either visible or rolled back. Both conditions are in one statement, so one snapshot.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from libs.messaging.event import Envelope, Record
from libs.schemas.events import Service


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in an outbox: everything up to and including this row has been read."""

    xid: int
    id: int


START = Cursor(0, 0)
"""Before the first row."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One stored event and its place."""

    cursor: Cursor
    topic: str
    envelope: Envelope
    value: bytes = field(repr=False)

    def record(self) -> Record:
        """The same event as a transport gives it."""
        return Record(
            topic=self.topic,
            partition=0,
            position=self.cursor.id,
            key=str(self.envelope.referral_id).encode(),
            headers=dict(self.envelope.headers()),
            value=self.value,
            token=self.cursor,
        )


@dataclass(frozen=True, slots=True)
class FenceHolder:
    """The session whose open transaction keeps later rows from being read."""

    pid: int | None
    """None for a prepared transaction, which has no session."""
    application_name: str
    state: str


class Page(NamedTuple):
    """What one look at an outbox found."""

    rows: list[LogRow]
    held: bool
    """Whether committed rows follow that the fence holds: they can be read once an older transaction has ended."""
    full: bool
    """Whether more may follow than was asked for."""


class RestoredLog(RuntimeError):
    """The outbox, or a place in it, has transaction ids that this cluster has not reached: rows would stay unread."""


_PLACE = "xid, id, event_id, type, topic, source, referral_id, sequence, time, traceparent, tracestate"
COLUMNS = f"{_PLACE}, payload"
_ROWS = f"""
(SELECT {COLUMNS} FROM {{table}}
  WHERE (xid, id) > ($1, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid, id LIMIT $3)
UNION ALL
(SELECT {_PLACE}, NULL FROM {{table}}
  WHERE (xid, id) > ($1, $2) AND xid >= pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid, id LIMIT 1)
 ORDER BY xid, id
"""  # noqa: S608 - made of constants
_RESTORED = """
SELECT greatest($1::xid8, (SELECT xid FROM {table} ORDER BY xid DESC, id DESC LIMIT 1))
       >= pg_snapshot_xmax(pg_current_snapshot())
"""
_UNREAD = """
SELECT count(*) AS records, min(time) AS oldest
  FROM (SELECT time FROM {table} WHERE (xid, id) > ($1, $2) ORDER BY xid, id LIMIT $3) AS unread
"""
_LOAD = "SELECT xid, id FROM log_cursor WHERE name = $1"
_CREATE = "INSERT INTO log_cursor (name, xid, id, moved_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
_ADVANCE = """
UPDATE log_cursor SET xid = $4, id = $5, moved_at = $6 WHERE name = $1 AND xid = $2 AND id = $3 RETURNING true
"""
_FENCE = """
SELECT pg_snapshot_xmin(s) AS fence, pg_snapshot_xmin(s) < pg_snapshot_xmax(s) AS held FROM pg_current_snapshot() AS s
"""
_HOLDER = """
SELECT pid, application_name, state FROM pg_stat_activity
 WHERE backend_xid IS NOT NULL AND backend_xid::text::bigint = $1 & 4294967295
"""
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]*")
COUNT_LIMIT = 10_000
"""Counting stops here: a backlog of that size is told by its age, not by its number."""


class OutboxLog:
    """One service's outbox, read in commit order by any connection that may select from it.

    `schema`: whose outbox; None for the connection's own search_path.
    """

    def __init__(self, schema: str | Service | None = None) -> None:
        if schema is not None and not _SCHEMA.fullmatch(schema):
            raise ValueError("a schema's name has lower-case letters, digits and underscores only")
        table = "outbox" if schema is None else f'"{schema}".outbox'
        self.name = table
        self._rows, self._restored, self._unread = (
            text.format(table=table) for text in (_ROWS, _RESTORED, _UNREAD)
        )

    async def read(self, connection: asyncpg.Connection, after: Cursor, limit: int) -> Page:
        """The rows after the cursor that no later commit can precede, in order, at most `limit`."""
        found = await connection.fetch(self._rows, after.xid, after.id, limit)
        rows = [row_of(row) for row in found if row["payload"] is not None]
        return Page(rows, len(rows) < len(found), len(rows) == limit)

    async def backlog(self, connection: asyncpg.Connection, after: Cursor) -> asyncpg.Record:
        """`records` (counted up to COUNT_LIMIT) and `oldest` (their least time) after the cursor, fence or not."""
        return await connection.fetchrow(self._unread, after.xid, after.id, COUNT_LIMIT)

    async def refuse_if_restored(self, connection: asyncpg.Connection, after: Cursor) -> None:
        """To be called once at start, with the reader's place: it may lie ahead where the log itself is empty.

        Raises RestoredLog where a dump was loaded into a younger cluster.
        """
        if await connection.fetchval(self._restored, after.xid):
            raise RestoredLog(
                f"{self.name} or its reader's place comes from another cluster (it was restored from a dump): its "
                "transaction ids lie ahead of this cluster's, so events would be delivered out of order or not at "
                "all; stop every service and run `mash rebase` before they start"
            )


async def load_cursor(connection: asyncpg.Connection, name: str, now: datetime) -> Cursor:
    """Where the reader of that name stands, in its own service's schema; a new one stands at the start."""
    row = await connection.fetchrow(_LOAD, name)
    if row is None:
        await connection.execute(_CREATE, name, START.xid, START.id, now)
        row = await connection.fetchrow(_LOAD, name)
    return Cursor(row["xid"], row["id"])


async def advance_cursor(
    connection: asyncpg.Connection, name: str, before: Cursor, after: Cursor, now: datetime
) -> bool:
    """Moves the reader on. False where it stands elsewhere: another one has read, and this one must stop."""
    moved = await connection.fetchval(_ADVANCE, name, before.xid, before.id, after.xid, after.id, now)
    return moved is True


@dataclass(frozen=True, slots=True)
class Fence:
    """The oldest transaction in progress of the cluster."""

    xid: int
    held: bool
    """Whether a later transaction has ended already, so that its rows may have to wait; otherwise nothing waits."""


async def read_fence(connection: asyncpg.Connection) -> Fence:
    """Where the fence stands now."""
    row = await connection.fetchrow(_FENCE)
    return Fence(row["fence"], row["held"])


async def find_holder(connection: asyncpg.Connection, fence: Fence) -> FenceHolder | None:
    """Who holds the fence; None when the transaction has ended since. Needs `pg_read_all_stats` for other roles."""
    row = await connection.fetchrow(_HOLDER, fence.xid)
    if row is not None:
        return FenceHolder(row["pid"], row["application_name"] or "", row["state"] or "")
    prepared: Sequence[Any] = await connection.fetch(
        "SELECT gid FROM pg_prepared_xacts WHERE transaction::text::bigint = $1 & 4294967295", fence.xid
    )
    return FenceHolder(None, "prepared transaction", "prepared") if prepared else None


def row_of(row: asyncpg.Record) -> LogRow:
    """An outbox row as it was selected."""
    return LogRow(
        cursor=Cursor(row["xid"], row["id"]),
        topic=row["topic"],
        envelope=Envelope(
            row["event_id"],
            row["type"],
            row["source"],
            row["referral_id"],
            row["sequence"],
            row["time"],
            row["traceparent"],
            row["tracestate"],
        ),
        value=row["payload"],
    )
