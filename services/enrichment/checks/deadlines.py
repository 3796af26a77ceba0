"""Deadlines of checks: by timer when they pass, and by the reconciler where a timer was lost."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from libs.messaging.errors import ErrorClass, Permanent, classify, code_of
from libs.messaging.ledger import Ledger, Unit
from libs.messaging.timers import Timer
from services.enrichment.checks.desk import Desk
from services.enrichment.checks.effects import carry_out
from services.enrichment.checks.store import Store

AT_ONCE = 200
OVERDUE_AFTER = timedelta(seconds=60)
"""How long after a deadline the reconciler takes it that the timer was lost."""

_OVERDUE = """
SELECT referral_id, min(due_at) AS since, array_agg(id ORDER BY number) AS children FROM child
 WHERE completed_at IS NULL AND due_at IS NOT NULL AND due_at < $1
 GROUP BY referral_id HAVING (min(due_at), referral_id) > ($2, $3)
 ORDER BY 2, 1 LIMIT $4
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_log = structlog.get_logger(__name__)


class Deadlines:
    """Completes a child's checks when their time is up. `away`: the agencies that answer nobody at present."""

    def __init__(self, ledger: Ledger, store: Store, desk: Desk, away: Callable[[], Collection[str]]) -> None:
        self._ledger = ledger
        self._store = store
        self._desk = desk
        self._away = away

    async def passed(self, unit: Unit, timer: Timer) -> None:
        """A child's timer has fired."""
        await self._complete(unit, timer.referral_id, [timer.subject])

    async def reconcile(self) -> int:
        """Completes the children whose deadline passed unnoticed. Gives their number.

        A referral that cannot be read is logged and tried again by the next sweep; the others go on.
        """
        before = self._ledger.clock.now() - OVERDUE_AFTER
        since, last = _EPOCH, UUID(int=0)
        completed = 0
        while rows := await self._ledger.pool.fetch(_OVERDUE, before, since, last, AT_ONCE):
            for row in rows:
                try:
                    async with self._ledger.unit([row["referral_id"]]) as unit:
                        await self._complete(unit, row["referral_id"], row["children"])
                except Exception as error:
                    if classify(error) is ErrorClass.TRANSIENT:
                        raise
                    _log.error("deadline-failed", referral_id=str(row["referral_id"]), code=code_of(error))
                else:
                    completed += len(row["children"])
            since, last = rows[-1]["since"], rows[-1]["referral_id"]
        return completed

    async def _complete(self, unit: Unit, referral_id: UUID, children: Collection[UUID]) -> None:
        referrals = await self._store.load(unit.connection, [referral_id])
        referral = referrals.get(referral_id)
        if referral is None:
            raise Permanent("unknown-referral")
        away = self._away()
        for child_id in children:
            if child_id in referral.children:
                child = referral.children[child_id]
                carry_out(unit, referral, self._desk.time_up(referral, child, unit.now, away))
        await self._store.save(unit.connection, [referral], unit.now)
