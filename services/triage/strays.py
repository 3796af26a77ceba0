"""Finds what waits for a referral that does not come, so that it stands in a queue and danger in it is seen."""

from datetime import timedelta

import structlog

from libs.messaging.errors import ErrorClass, classify, code_of
from libs.messaging.ledger import Ledger
from services.triage.casework import Casework
from services.triage.desk import load_cases
from services.triage.policies.store import Policies
from services.triage.stops import TAKE_UP, Stops

EVERY_SECONDS = 30.0
AT_ONCE = 200

PATIENCE = timedelta(minutes=2)
"""How long something may wait for its referral. The topics have no common order, but they are seconds apart."""

_STRAYS = """
SELECT referral_id FROM held
 WHERE held_at < $1
   AND NOT EXISTS (SELECT FROM child_case WHERE child_case.referral_id = held.referral_id)
   AND NOT EXISTS (SELECT FROM task WHERE task.referral_id = held.referral_id AND kind = $2 AND done_at >= held_at)
 GROUP BY referral_id ORDER BY min(held_at) LIMIT $3
"""

_log = structlog.get_logger(__name__)


class Strays:
    """The sweep over what is held."""

    def __init__(self, ledger: Ledger, casework: Casework, policies: Policies) -> None:
        self._ledger = ledger
        self._stops = Stops(casework, ledger.codec, policies)

    async def sweep(self) -> int:
        """Puts a stub in the queue for each referral that is awaited for too long. Gives how many."""
        before = self._ledger.clock.now() - PATIENCE
        found = 0
        for (referral_id,) in await self._ledger.pool.fetch(_STRAYS, before, TAKE_UP, AT_ONCE):
            try:
                async with self._ledger.unit([referral_id]) as unit:
                    desk = await load_cases(unit.connection, [referral_id])
                    found += await self._stops.stray(unit, desk, referral_id)
            except Exception as error:
                if classify(error) is ErrorClass.TRANSIENT:
                    raise
                _log.error("stray-failed", referral_id=str(referral_id), code=code_of(error))
        return found
