"""Deadlines of checks: by timer when they pass, and by the reconciler where a timer was lost."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from libs.messaging.errors import Permanent
from libs.messaging.ledger import Ledger, Unit
from libs.messaging.timers import Timer
from services.enrichment.checks import Desk
from services.enrichment.effects import carry_out
from services.enrichment.store import Store

OVERDUE_AFTER = timedelta(seconds=60)
"""How long after a deadline the reconciler takes it that the timer was lost."""

_OVERDUE = """
SELECT referral_id, id FROM child
 WHERE completed_at IS NULL AND due_at IS NOT NULL AND due_at < $1 ORDER BY due_at LIMIT 200
"""


class Deadlines:
    """Completes a child's checks when their time is up."""

    def __init__(self, ledger: Ledger, store: Store, desk: Desk) -> None:
        self._ledger = ledger
        self._store = store
        self._desk = desk

    async def passed(self, unit: Unit, timer: Timer) -> None:
        """A child's timer has fired."""
        await self._complete(unit, timer.referral_id, [timer.subject])

    async def reconcile(self) -> int:
        """Completes the children whose deadline passed unnoticed. Gives their number."""
        now = self._ledger.clock.now()
        rows = await self._ledger.pool.fetch(_OVERDUE, now - OVERDUE_AFTER)
        by_referral: dict[UUID, list[UUID]] = {}
        for row in rows:
            by_referral.setdefault(row["referral_id"], []).append(row["id"])
        for referral_id, children in by_referral.items():
            async with self._ledger.unit([referral_id]) as unit:
                await self._complete(unit, referral_id, children)
        return len(rows)

    async def _complete(self, unit: Unit, referral_id: UUID, children: Collection[UUID]) -> None:
        referrals = await self._store.load(unit.connection, [referral_id])
        referral = referrals.get(referral_id)
        if referral is None:
            raise Permanent("unknown-referral")
        for child_id in children:
            if child_id in referral.children:
                carry_out(unit, referral, self._desk.time_up(referral.children[child_id], unit.now))
        await self._store.save(unit.connection, [referral], unit.now)
