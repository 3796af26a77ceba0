"""Alarms staff when a referral, or danger that was added to one, waits unseen: by a path that uses no event log.

An instance claims what waits under a lease, raises the alarm outside any transaction and records the level. Two
instances never claim the same; where one dies between alarm and record, the alarm comes once more after the lease.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from libs.messaging.errors import ErrorClass, classify
from libs.messaging.ledger import Ledger
from libs.platform.alarms import Alarm
from services.intake.status import SeenWithin

ESCALATIONS = (1, 5, 30)
"""An alarm goes out when the time within which a referral should be seen has passed so many times."""

ALARM = "referral-unseen"
ALARM_IN_DANGER = "referral-unseen-in-danger"
ALARM_ADDED_DANGER = "added-danger-unseen"

LEASE = timedelta(seconds=30)
AGAIN_AFTER = timedelta(seconds=5)
"""An alarm that reached nobody is raised again after this."""
AT_ONCE = 100

_LEVEL = """(CASE WHEN immediate_danger
             THEN (SELECT count(*) FROM unnest($2::timestamptz[]) AS t (at) WHERE received_at < at)
             ELSE (SELECT count(*) FROM unnest($1::timestamptz[]) AS t (at) WHERE received_at < at) END)"""
_DUE = f"""received_at < greatest(($1::timestamptz[])[1], ($2::timestamptz[])[1])
           AND alarm_level < {_LEVEL} AND coalesce(alarm_lease, '-infinity') < $3"""


class _Watched:
    """The statements about one table whose rows wait to be seen. `unseen`: which do."""

    def __init__(self, table: str, unseen: str, referral: str) -> None:
        due = f"FROM {table} WHERE {unseen} AND {_DUE}"
        # Without a candidate no row is locked and no transaction id is taken: an idle watch holds nothing up.
        self.any = f"SELECT EXISTS (SELECT 1 {due})"
        self.claim = f"""
            UPDATE {table} AS w SET alarm_lease = $4
              FROM (SELECT id, {_LEVEL} AS level {due}
                     ORDER BY received_at LIMIT $5 FOR UPDATE SKIP LOCKED) AS due, referral AS r
             WHERE w.id = due.id AND r.id = w.{referral}
            RETURNING w.id, r.id AS referral_id, r.reference, w.received_at, w.immediate_danger, due.level
            """  # noqa: S608 - constants of this module
        self.record = f"""
            UPDATE {table} AS w SET alarm_level = t.level, alarm_lease = NULL
              FROM unnest($1::uuid[], $2::smallint[]) AS t (id, level) WHERE w.id = t.id
            """  # noqa: S608 - constants of this module
        self.again = f"UPDATE {table} SET alarm_lease = $2 WHERE id = ANY ($1::uuid[])"  # noqa: S608 - the same


_REFERRALS = _Watched("referral", "screened_at IS NULL", "id")
_ADDITIONS = _Watched("addition", "seen_at IS NULL AND immediate_danger", "referral_id")


@dataclass(frozen=True, slots=True)
class Unseen:
    """A referral, or an addition to one, that nobody has seen in time."""

    id: UUID
    referral_id: UUID
    reference: str
    received_at: datetime
    immediate_danger: bool
    level: int
    """1 for the first alarm about it, up to len(ESCALATIONS)."""


class UnseenWatch:
    """Looks for what waits unseen and alarms once for each level of escalation."""

    def __init__(self, ledger: Ledger, alarm: Alarm, seen_within: SeenWithin | None = None) -> None:
        self._ledger = ledger
        self._alarm = alarm
        self._within = seen_within or SeenWithin()

    async def look(self) -> int:
        """Alarms about what has become due; gives how many alarms reached whom they are for."""
        return await self._look(_ADDITIONS) + await self._look(_REFERRALS)

    async def _look(self, watched: _Watched) -> int:
        named = 0
        while unseen := await self._claim(watched):
            reached = await asyncio.gather(*(self._tell(watched, each) for each in unseen))
            told = [each for each, told in zip(unseen, reached, strict=True) if told]
            missed = [each.id for each, told in zip(unseen, reached, strict=True) if not told]
            await self._ledger.pool.execute(
                watched.record, [each.id for each in told], [each.level for each in told]
            )
            if missed:
                again = self._ledger.clock.now() + AGAIN_AFTER
                await self._ledger.pool.execute(watched.again, missed, again)
            named += len(told)
            if len(unseen) < AT_ONCE:
                break
        return named

    async def run(self, every: float = 1.0) -> None:
        """Looks every so many seconds, for ever. A database that is away is waited for; any other error is raised."""
        while True:
            try:
                await self.look()
            except Exception as error:
                if classify(error) is not ErrorClass.TRANSIENT:
                    raise
                structlog.get_logger().warning("unseen referrals cannot be looked for", exc_info=error)
            await asyncio.sleep(every)

    async def _tell(self, watched: _Watched, unseen: Unseen) -> bool:
        waited = self._ledger.clock.now() - unseen.received_at
        code = ALARM_IN_DANGER if unseen.immediate_danger else ALARM
        return await self._alarm.raise_alarm(
            ALARM_ADDED_DANGER if watched is _ADDITIONS else code,
            reference=unseen.reference,
            referral_id=unseen.referral_id,
            escalation=unseen.level,
            waited_seconds=int(waited.total_seconds()),
        )

    async def _claim(self, watched: _Watched) -> list[Unseen]:
        now = self._ledger.clock.now()
        ordinary = [now - self._within.ordinary * times for times in ESCALATIONS]
        danger = [now - self._within.in_danger * times for times in ESCALATIONS]
        async with self._ledger.pool.acquire() as connection:
            if not await connection.fetchval(watched.any, ordinary, danger, now):
                return []
            rows = await connection.fetch(watched.claim, ordinary, danger, now, now + LEASE, AT_ONCE)
        return [Unseen(**dict(row)) for row in rows]
