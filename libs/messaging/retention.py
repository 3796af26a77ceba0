"""Prunes what nobody needs any more, in small batches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from libs.messaging.alarm import Alarm, log_only
from libs.messaging.ledger import Ledger
from libs.messaging.log import Cursor
from libs.messaging.tables import RELAY, cursor_name
from libs.schemas.events import EVENT_TYPES, RETENTION_DAYS, Service

_log = structlog.get_logger(__name__)

OUTBOX_AGE = timedelta(days=RETENTION_DAYS)
INBOX_AGE = timedelta(days=35)
"""Longer than any event can come again: the log's retention and the time to restore a backup."""
TIMER_AGE = timedelta(days=35)
PARKED_AGE = timedelta(days=35)
"""So long the content of a settled parked message can still be read, to carry over what was missed."""
HELD_AGE = timedelta(days=1)
"""What waits for its referral for longer than this waits for one that will not come, unless a person finds it."""
PRUNE_BATCH = 2_000

_OUTBOX = """
DELETE FROM outbox WHERE (xid, id) IN (
    SELECT xid, id FROM outbox AS o WHERE (xid, id) <= ($1, $2) AND time < $3
       AND NOT EXISTS (SELECT FROM outbox_dead AS d WHERE d.event_id = o.event_id AND d.state = 'unsent')
     ORDER BY xid, id LIMIT $4)
"""
_INBOX = """
DELETE FROM inbox WHERE ctid = ANY (ARRAY(
    SELECT i.ctid FROM inbox AS i WHERE i.processed_at < $1
       AND NOT EXISTS (SELECT FROM parked AS p
                        WHERE p.consumer = i.consumer AND p.event_id = i.event_id AND p.state IN ('failed', 'waiting'))
     LIMIT $2))
"""
_TIMERS = """
DELETE FROM timer WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM timer WHERE state <> 'armed' AND changed_at < $1 LIMIT $2))
"""
_PARKED = """
UPDATE parked SET payload = '', headers = '{}', key = '' WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM parked WHERE state IN ('done', 'discarded') AND resolved_at < $1
       AND (payload <> '' OR headers <> '{}' OR key <> '') LIMIT $2))
"""
_HELD = """
SELECT referral_id, count(*) AS events, min(held_at) AS since FROM held
 WHERE held_at < $1 GROUP BY referral_id ORDER BY since LIMIT $2
"""


class Retention:
    """A sweep for the reconciler: `Sweep("retention", 600, Retention(ledger, readers).prune)`.

    `readers`: names of the cursors that the outbox must still wait for, see `outbox_readers`. Of a settled parked
    message ids, codes and the audit stay, its content goes. What is held is never dropped: `alarm` names it each day.
    """

    def __init__(
        self, ledger: Ledger, readers: Sequence[tuple[Service, str]], *, alarm: Alarm = log_only
    ) -> None:
        self._ledger = ledger
        self._readers = tuple(readers)
        self._alarm = alarm
        self._told: dict[UUID, datetime] = {}

    async def prune(self) -> int:
        """Deletes what is old enough and read by all. Gives how many outbox rows went; that is no repair."""
        now = self._ledger.clock.now()
        behind = await self._behind_all()
        if behind is not None:
            await self._repeat(_OUTBOX, behind.xid, behind.id, now - OUTBOX_AGE)
        await self._repeat(_INBOX, now - INBOX_AGE)
        await self._repeat(_TIMERS, now - TIMER_AGE)
        await self._repeat(_PARKED, now - PARKED_AGE)
        await self._name_held(now)
        return 0

    async def _name_held(self, now: datetime) -> None:
        rows = await self._ledger.pool.fetch(_HELD, now - HELD_AGE, PRUNE_BATCH)
        self._told = {
            row["referral_id"]: self._told[row["referral_id"]]
            for row in rows
            if row["referral_id"] in self._told
        }
        for row in rows:
            referral_id: UUID = row["referral_id"]
            if referral_id in self._told and now - self._told[referral_id] < HELD_AGE:
                continue
            self._told[referral_id] = now
            await self._alarm(
                "held-without-referral",
                {
                    "consumer": self._ledger.service.value,
                    "referral_id": str(referral_id),
                    "count": str(row["events"]),
                    "age_seconds": str(int((now - row["since"]).total_seconds())),
                },
            )

    async def _repeat(self, statement: str, *values: object) -> None:
        while True:
            status = await self._ledger.pool.execute(statement, *values, PRUNE_BATCH)
            if int(status.rpartition(" ")[2]) < PRUNE_BATCH:
                return

    async def _behind_all(self) -> Cursor | None:
        """The place that every reader has passed; None where one of them has never been seen."""
        places: list[Cursor] = []
        for service, name in self._readers:
            schema = "" if service is self._ledger.service else f'"{service.value}".'
            try:
                row = await self._ledger.pool.fetchrow(f"SELECT xid, id FROM {schema}log_position($1)", name)  # noqa: S608 - a service's name
            except (
                asyncpg.UndefinedFunctionError,
                asyncpg.InvalidSchemaNameError,
                asyncpg.InsufficientPrivilegeError,
            ):
                row = None
            if row is None or row["xid"] is None:
                _log.info("outbox-kept", cursor=name)
                return None
            places.append(Cursor(row["xid"], row["id"]))
        return min(places, default=None)


def outbox_readers(service: Service, transport: str) -> list[tuple[Service, str]]:
    """Whose cursors stand in a service's outbox, and in whose schema: on `kafka` the relay's, on `postgres` those
    of the services that read any of its types.
    """
    if transport == "kafka":
        return [(service, RELAY)]
    readers = {reader for kind in EVENT_TYPES if kind.producer is service for reader in kind.readers}
    return [(reader, cursor_name(reader, service)) for reader in sorted(readers)]
