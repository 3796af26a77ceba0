"""Breaking the glass: whoever has no right opens a restricted referral for an hour, and people are alarmed."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from libs.messaging.ledger import Ledger
from libs.platform.alarms import Alarm
from libs.platform.auth import Principal
from libs.platform.problems import Problem
from libs.platform.restricted import sees_all
from services.triage.access import note
from services.triage.restricted.record import Glass, GlassBody, broken, keep_broken
from services.triage.restricted.rights import OPEN_FOR, no_such_case

ALARM = "glass-broken"
EVERY_SECONDS = 30.0
AT_ONCE = 100

PATIENCE = timedelta(seconds=10)
"""After this an alarm that whoever broke the glass should have set off is raised by the sweep."""

_CASE = "SELECT referral_id, restricted FROM child_case WHERE id = $1"
_SILENT = """
SELECT id, referral_id, case_id FROM broken_glass WHERE alarmed_at IS NULL AND at < $1 ORDER BY at LIMIT $2
"""
_ALARMED = "UPDATE broken_glass SET alarmed_at = $2 WHERE id = $1"


class BreakGlass:
    """Opens restricted referrals in an emergency."""

    def __init__(self, ledger: Ledger, alarms: Alarm) -> None:
        self._ledger = ledger
        self._alarms = alarms

    async def open(self, case_id: UUID, body: GlassBody, caller: Principal) -> Glass:
        """Opens the case, with its brothers and sisters, to the caller for an hour.

        While it is open, asking again changes nothing, and is noted. Raises Problem 404, or 409 where nothing hides the
        case.
        """
        now = self._ledger.clock.now()
        async with self._ledger.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(f"{_CASE} FOR NO KEY UPDATE", case_id)
            if row is None:
                raise no_such_case()
            referral_id = row["referral_id"]
            if sees_all(caller) or not row["restricted"]:
                raise Problem(409, "not-hidden", "Nothing hides this case from you", "read it")
            await note(connection, now, caller, "case.break-glass", case_id, referral_id=referral_id)
            glass = await broken(connection, referral_id, case_id, caller.subject, now)
            if glass is not None:
                return glass
            glass = Glass(case_id=case_id, at=now, expires_at=now + OPEN_FOR)
            number = await keep_broken(
                connection, self._ledger.codec, referral_id, glass, caller.subject, body.reason
            )
        async with self._ledger.pool.acquire() as connection:
            await self._raise(connection, number, referral_id, case_id)
        return glass

    async def sweep(self) -> int:
        """Raises the alarms that did not reach anybody yet. Gives how many."""
        now = self._ledger.clock.now()
        async with self._ledger.pool.acquire() as connection:
            silent: Sequence[asyncpg.Record] = await connection.fetch(_SILENT, now - PATIENCE, AT_ONCE)
            return sum([await self._raise(connection, *row) for row in silent])

    async def _raise(
        self, connection: asyncpg.Connection, number: int, referral_id: UUID, case_id: UUID
    ) -> bool:
        raised = await self._alarms.raise_alarm(ALARM, referral_id=referral_id, case_id=case_id)
        if raised:
            await connection.execute(_ALARMED, number, self._ledger.clock.now())
        return raised
