"""Finds cases whose checks never completed and lets them go on with what is known: what is missing stays unknown."""

from datetime import timedelta
from uuid import uuid5

from libs.messaging.ledger import Ledger
from services.triage.casework import Casework, Cause
from services.triage.consumer import tell
from services.triage.desk import load, save

EVERY_SECONDS = 60.0
AT_ONCE = 200

_STUCK = """
SELECT referral_id FROM (
    SELECT DISTINCT ON (referral_id) referral_id, received_at FROM child_case
     WHERE completed_at IS NULL AND NOT stub AND decision = 0 AND received_at < $1
) AS stuck ORDER BY received_at LIMIT $2
"""


class Repair:
    """The sweep over cases that stand still."""

    def __init__(self, ledger: Ledger, casework: Casework, patience: timedelta) -> None:
        self._ledger = ledger
        self._casework = casework
        self._patience = patience

    async def sweep(self) -> int:
        """Routes what has waited too long, from its stored facts. Gives how many cases."""
        since = self._ledger.clock.now() - self._patience
        repaired = 0
        for (referral_id,) in await self._ledger.pool.fetch(_STUCK, since, AT_ONCE):
            async with self._ledger.unit([referral_id]) as unit:
                desk = await load(unit.connection, self._ledger.codec, [referral_id])
                changes = []
                for file in desk.by_referral.get(referral_id, ()):
                    if file.case.completed_at is None and file.case.decision == 0:
                        cause = Cause(uuid5(file.case.id, "repair"), unit.now, unit.now)
                        changes.append((file, self._casework.repair(file, cause)))
                if changes:
                    tell(unit, changes, changes[0][0].case.trace)
                    await save(unit, self._ledger.codec, desk)
                repaired += len(changes)
        return repaired
