"""Finds what is red and waits for its decision when the hub has closed: each goes to the Emergency Duty Team."""

from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from libs.messaging.errors import ErrorClass, classify, code_of
from libs.messaging.ledger import Ledger
from services.triage.casework import Casework
from services.triage.desk import load_cases, save
from services.triage.policies.store import Policies
from services.triage.reckoning import Cause
from services.triage.tasks.due import Due
from services.triage.tasks.raising import NewTask
from services.triage.tasks.terms import DUTY_TEAM

EVERY_SECONDS = 30.0
AT_ONCE = 200

# What stands in for a referral that could not be read has no actions of its own: one task stands for all of it.
_LEFT = """
SELECT DISTINCT referral_id FROM child_case AS c
 WHERE act_by IS NOT NULL AND rag = 'red' AND (decision = 0 OR at_risk)
   AND CASE WHEN stub THEN NOT EXISTS (SELECT FROM task WHERE task.referral_id = c.referral_id AND task.kind = $1)
            ELSE NOT actions @> ARRAY[$1] END
 LIMIT $2
"""

_log = structlog.get_logger(__name__)


class OutOfHours:
    """The sweep over what the hub leaves behind when it closes, and what comes unread while it is closed."""

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
            await self._policies.fresh(unit.connection, unit.now)
            # The rows are enough, and what cannot be read any more keeps nobody from acting.
            desk = await load_cases(unit.connection, [referral_id])
            cause = Cause(uuid7(), unit.now, unit.now)
            for file in desk.files.values():
                self._casework.out_of_hours(file, cause)
            for stub in desk.stubs.get(referral_id, ()):
                due = self._casework.thresholds.task_due(DUTY_TEAM, stub.received_at, unit.now)
                desk.task(
                    NewTask(referral_id, None, DUTY_TEAM, unit.now, due or Due(stub.due_at), trace=stub.trace)
                )
            await save(unit, self._ledger.codec, self._policies, desk)
