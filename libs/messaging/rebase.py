"""Makes a restored event log readable in its new cluster.

A dump carries the old cluster's transaction ids. Where they lie ahead of the new cluster's, the fence hides the
rows, and new events would be delivered before them. Rebasing keeps their order and gives all of them the oldest
transaction id that there is; every reader's place moves with them.
"""

from __future__ import annotations

import asyncpg

from libs.messaging.tables import RELAY, cursor_name
from libs.schemas.events import Service

_OLDEST = "1"
"""Below every transaction id that PostgreSQL hands out (the first is 3), so below every fence."""

_COPY = """
CREATE TEMPORARY TABLE rebased ON COMMIT DROP AS
SELECT *, row_number() OVER (ORDER BY xid, id) AS place FROM {schema}.outbox
"""
_COLUMNS = "event_id, type, topic, source, referral_id, sequence, time, traceparent, tracestate, payload"
_WRITE = """
INSERT INTO {schema}.outbox (xid, id, {columns}) OVERRIDING SYSTEM VALUE
SELECT '{oldest}'::xid8, place, {columns} FROM rebased ORDER BY place
"""
_MOVE = """
UPDATE {schema}.log_cursor AS c
   SET xid = '{oldest}'::xid8,
       id = (SELECT count(*) FROM rebased AS r WHERE (r.xid, r.id) <= (c.xid, c.id))
 WHERE c.name = $1
"""


async def rebase(admin: asyncpg.Connection) -> dict[Service, int]:
    """Rebases every service's outbox, in one transaction; gives how many events each has.

    `admin`: the administrator's connection. Every service must be stopped: raises asyncpg.LockNotAvailableError
    where one still reads or writes.
    """
    counts: dict[Service, int] = {}
    async with admin.transaction():
        await admin.execute("SET LOCAL lock_timeout = '2s'")
        tables = ", ".join(f"{service.value}.outbox, {service.value}.log_cursor" for service in Service)
        await admin.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
        for producer in Service:
            schema = producer.value
            await admin.execute(_COPY.format(schema=schema))
            await admin.execute(f"TRUNCATE {schema}.outbox")
            await admin.execute(_WRITE.format(schema=schema, columns=_COLUMNS, oldest=_OLDEST))
            await admin.execute(_MOVE.format(schema=schema, oldest=_OLDEST), RELAY)
            for reader in Service:
                await admin.execute(
                    _MOVE.format(schema=reader.value, oldest=_OLDEST), cursor_name(reader, producer)
                )
            counts[producer] = await admin.fetchval("SELECT count(*) FROM rebased")
            await admin.execute("DROP TABLE rebased")
    return counts
