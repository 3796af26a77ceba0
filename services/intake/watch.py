"""Alarms staff when a referral waits unseen: by a path that uses no event log, so that it works when that is down.

An instance claims referrals under a lease, raises the alarm outside any transaction and records the level. Two
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
from services.intake.status import SEEN_WITHIN, SEEN_WITHIN_IN_DANGER

ESCALATIONS = (1, 5, 30)
"""An alarm goes out when the time within which a referral should be seen has passed so many times."""

ALARM = "referral-unseen"
ALARM_IN_DANGER = "referral-unseen-in-danger"

LEASE = timedelta(seconds=30)
AT_ONCE = 100

_LEVEL = """(CASE WHEN immediate_danger
             THEN (SELECT count(*) FROM unnest($2::timestamptz[]) AS t (at) WHERE received_at < at)
             ELSE (SELECT count(*) FROM unnest($1::timestamptz[]) AS t (at) WHERE received_at < at) END)"""
_DUE = f"""screened_at IS NULL AND received_at < greatest(($1::timestamptz[])[1], ($2::timestamptz[])[1])
           AND alarm_level < {_LEVEL} AND coalesce(alarm_lease, '-infinity') < $3"""
# Without a candidate no row is locked and no transaction id is taken: an idle watch holds nothing up.
_ANY = f"SELECT EXISTS (SELECT 1 FROM referral WHERE {_DUE})"  # noqa: S608 - constants of this module
_CLAIM = f"""
UPDATE referral AS r SET alarm_lease = $4
  FROM (SELECT id, {_LEVEL} AS level FROM referral WHERE {_DUE}
         ORDER BY received_at LIMIT $5 FOR UPDATE SKIP LOCKED) AS due
 WHERE r.id = due.id
RETURNING r.id, r.reference, r.received_at, r.immediate_danger, due.level
"""  # noqa: S608 - constants of this module
_RECORD = """
UPDATE referral AS r SET alarm_level = t.level, alarm_lease = NULL
  FROM unnest($1::uuid[], $2::smallint[]) AS t (id, level) WHERE r.id = t.id
"""


@dataclass(frozen=True, slots=True)
class Unseen:
    """A referral that nobody has screened in time."""

    id: UUID
    reference: str
    received_at: datetime
    immediate_danger: bool
    level: int
    """1 for the first alarm about it, up to len(ESCALATIONS)."""


class UnseenWatch:
    """Looks for referrals that wait unseen and alarms once for each level of escalation."""

    def __init__(
        self,
        ledger: Ledger,
        alarm: Alarm,
        *,
        seen_within: timedelta = SEEN_WITHIN,
        seen_within_in_danger: timedelta = SEEN_WITHIN_IN_DANGER,
    ) -> None:
        self._ledger = ledger
        self._alarm = alarm
        self._within = seen_within
        self._within_in_danger = seen_within_in_danger

    async def look(self) -> int:
        """Alarms about what has become due; gives how many referrals it named."""
        named = 0
        while unseen := await self._claim():
            await asyncio.gather(*(self._tell(each) for each in unseen))
            await self._ledger.pool.execute(
                _RECORD, [each.id for each in unseen], [each.level for each in unseen]
            )
            named += len(unseen)
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

    async def _tell(self, unseen: Unseen) -> None:
        waited = self._ledger.clock.now() - unseen.received_at
        await self._alarm.raise_alarm(
            ALARM_IN_DANGER if unseen.immediate_danger else ALARM,
            reference=unseen.reference,
            level=unseen.level,
            waited_seconds=int(waited.total_seconds()),
        )

    async def _claim(self) -> list[Unseen]:
        now = self._ledger.clock.now()
        ordinary = [now - self._within * times for times in ESCALATIONS]
        danger = [now - self._within_in_danger * times for times in ESCALATIONS]
        async with self._ledger.pool.acquire() as connection:
            if not await connection.fetchval(_ANY, ordinary, danger, now):
                return []
            rows = await connection.fetch(_CLAIM, ordinary, danger, now, now + LEASE, AT_ONCE)
        return [Unseen(**dict(row)) for row in rows]
