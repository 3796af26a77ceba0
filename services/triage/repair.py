"""Finds cases whose checks never completed and lets them go on with what is known: what is missing stays unknown."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import structlog

from libs.messaging.errors import ErrorClass, classify, code_of
from libs.messaging.ledger import Ledger
from services.triage.casework import Casework
from services.triage.consumer import tell
from services.triage.desk import load, save
from services.triage.policies.store import Policies
from services.triage.reckoning import Cause

EVERY_SECONDS = 60.0
AT_ONCE = 200

_STUCK = """
SELECT referral_id, min(received_at) AS since FROM child_case
 WHERE completed_at IS NULL AND NOT stub AND decision = 0 AND received_at < $1
 GROUP BY referral_id HAVING (min(received_at), referral_id) > ($2, $3)
 ORDER BY 2, 1 LIMIT $4
"""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_log = structlog.get_logger(__name__)


class Repair:
    """The sweep over cases that stand still."""

    def __init__(self, ledger: Ledger, casework: Casework, policies: Policies, patience: timedelta) -> None:
        self._ledger = ledger
        self._casework = casework
        self._policies = policies
        self._patience = patience

    async def sweep(self) -> int:
        """Routes what has waited too long, from its stored facts. Gives how many cases.

        A referral that cannot be repaired is logged and tried again by the next sweep; the others go on.
        """
        before = self._ledger.clock.now() - self._patience
        since, last = _EPOCH, UUID(int=0)
        repaired = 0
        while stuck := await self._ledger.pool.fetch(_STUCK, before, since, last, AT_ONCE):
            for row in stuck:
                try:
                    repaired += await self._repair(row["referral_id"])
                except Exception as error:
                    if classify(error) is ErrorClass.TRANSIENT:
                        raise
                    _log.error("repair-failed", referral_id=str(row["referral_id"]), code=code_of(error))
            since, last = stuck[-1]["since"], stuck[-1]["referral_id"]
        return repaired

    async def _repair(self, referral_id: UUID) -> int:
        async with self._ledger.unit([referral_id]) as unit:
            desk = await load(unit, self._ledger.codec, self._policies, [referral_id])
            changes = []
            for file in desk.by_referral.get(referral_id, ()):
                if file.case.completed_at is None and file.case.decision == 0:
                    cause = Cause(uuid5(file.case.id, "repair"), unit.now, unit.now)
                    changes.append((file, self._casework.repair(file, cause)))
            if changes:
                tell(unit, changes, changes[0][0].case.trace)
                await save(unit, self._ledger.codec, self._policies, desk)
        return len(changes)
