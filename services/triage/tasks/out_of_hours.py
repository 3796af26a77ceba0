"""Finds red cases that still wait for their decision when the hub has closed: each goes to the Emergency Duty Team."""

from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from libs.messaging.errors import ErrorClass, classify, code_of
from libs.messaging.ledger import Ledger
from services.triage.casework import Casework
from services.triage.desk import load, save
from services.triage.policies.store import Policies
from services.triage.reckoning import Cause
from services.triage.tasks.terms import DUTY_TEAM

EVERY_SECONDS = 30.0
AT_ONCE = 200

_LEFT = """
SELECT DISTINCT referral_id FROM child_case
 WHERE act_by IS NOT NULL AND rag = 'red' AND NOT stub AND (decision = 0 OR at_risk) AND NOT actions @> ARRAY[$1]
 LIMIT $2
"""

_log = structlog.get_logger(__name__)


class OutOfHours:
    """The sweep over what the hub leaves behind when it closes."""

    def __init__(self, ledger: Ledger, casework: Casework, policies: Policies) -> None:
        self._ledger = ledger
        self._casework = casework
        self._policies = policies

    async def sweep(self) -> int:
        """Obliges to hand over what is red and undecided. Gives how many referrals were looked at."""
        if self._casework.thresholds.clocks.calendar.is_open(self._ledger.clock.now()):
            return 0
        found = await self._ledger.pool.fetch(_LEFT, DUTY_TEAM, AT_ONCE)
        for (referral_id,) in found:
            try:
                await self._hand_over(referral_id)
            except Exception as error:
                if classify(error) is ErrorClass.TRANSIENT:
                    raise
                _log.error("out-of-hours-failed", referral_id=str(referral_id), code=code_of(error))
        return len(found)

    async def _hand_over(self, referral_id: UUID) -> None:
        async with self._ledger.unit([referral_id]) as unit:
            desk = await load(unit, self._ledger.codec, self._policies, [referral_id])
            cause = Cause(uuid7(), unit.now, unit.now)
            for file in desk.files.values():
                self._casework.out_of_hours(file, cause)
            await save(unit, self._ledger.codec, self._policies, desk)
