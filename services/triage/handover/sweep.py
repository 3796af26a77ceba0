"""Finds referrals about which nothing more is to be done, whatever did the last of it."""

import structlog

from libs.messaging.errors import ErrorClass, classify, code_of
from libs.messaging.ledger import Ledger
from services.triage.handover.closing import FOLLOWS
from services.triage.handover.handovers import Handovers

EVERY_SECONDS = 60.0
AT_ONCE = 200

_FINISHED = """
SELECT DISTINCT c.referral_id FROM child_case AS c
 WHERE c.decision > 0 AND c.closed_at IS NULL
   AND NOT EXISTS (
       SELECT FROM child_case AS other
        WHERE other.referral_id = c.referral_id
          AND (other.stage NOT IN ('decided', 'closed') OR other.hand_over_due_at IS NOT NULL)
   )
   AND NOT EXISTS (
       SELECT FROM task
        WHERE task.referral_id = c.referral_id AND task.done_at IS NULL AND task.kind <> ALL ($2)
   )
   AND NOT EXISTS (SELECT FROM stop WHERE stop.referral_id = c.referral_id)
 LIMIT $1
"""

_log = structlog.get_logger(__name__)


class Closing:
    """The sweep over referrals that only wait for somebody to look."""

    def __init__(self, ledger: Ledger, handovers: Handovers) -> None:
        self._ledger = ledger
        self._handovers = handovers

    async def sweep(self) -> int:
        """Closes what is finished. Gives how many referrals were looked at."""
        found = await self._ledger.pool.fetch(_FINISHED, AT_ONCE, list(FOLLOWS))
        for (referral_id,) in found:
            try:
                async with self._ledger.unit([referral_id]) as unit:
                    await self._handovers.look(unit, referral_id)
            except Exception as error:
                if classify(error) is ErrorClass.TRANSIENT:
                    raise
                _log.error("closing-failed", referral_id=str(referral_id), code=code_of(error))
        return len(found)
