"""Finds restrictions of which the other services were never told, and tells them."""

from uuid import UUID

import structlog

from libs.messaging.errors import ErrorClass, classify, code_of
from libs.messaging.ledger import Ledger
from services.triage.desk import load_cases
from services.triage.restricted.telling import tell_restricted

EVERY_SECONDS = 60.0
AT_ONCE = 200

_UNTOLD = """
SELECT DISTINCT c.referral_id FROM restriction AS r JOIN child_case AS c ON c.id = r.case_id
 WHERE NOT r.told AND c.restricted LIMIT $1
"""
_TOLD = "UPDATE restriction SET told = true WHERE case_id = ANY ($1) AND NOT told"

_log = structlog.get_logger(__name__)


class Untold:
    """The sweep over what was restricted before a restriction was an event."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def sweep(self) -> int:
        """Tells of each such referral, once. Gives how many.

        One that cannot be told of is logged and tried again by the next sweep; the others go on.
        """
        told = 0
        for (referral_id,) in await self._ledger.pool.fetch(_UNTOLD, AT_ONCE):
            try:
                await self._tell(referral_id)
                told += 1
            except Exception as error:
                if classify(error) is ErrorClass.TRANSIENT:
                    raise
                _log.error("restriction-untold", referral_id=str(referral_id), code=code_of(error))
        return told

    async def _tell(self, referral_id: UUID) -> None:
        async with self._ledger.unit([referral_id]) as unit:
            desk = await load_cases(unit.connection, [referral_id])
            cases = [file.case for file in desk.files.values()] + desk.stubs.get(referral_id, [])
            restricted = [case for case in cases if case.restricted]
            tell_restricted(unit, restricted)
            await unit.connection.execute(_TOLD, [case.id for case in restricted])
