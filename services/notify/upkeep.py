"""Finds notices that make no progress, and says so where a person must know."""

from __future__ import annotations

from datetime import timedelta

from opentelemetry.metrics import Meter

from libs.messaging.ledger import Ledger
from libs.platform.alarms import Alarm

SWEEP_SECONDS = 60.0

_ADRIFT = """
UPDATE notice SET due_at = $1
 WHERE due_at IS NULL AND state IN ('to_send', 'unsure', 'sent')
RETURNING id
"""
_OLDEST = """
SELECT count(*) AS notices, min(created_at) AS oldest FROM notice
 WHERE state IN ('to_send', 'unsure') AND created_at < $1
"""


class Upkeep:
    """A sweep for the reconciler. `patience`: a notice not sent for longer raises an alarm."""

    def __init__(self, ledger: Ledger, alarms: Alarm, meter: Meter, patience: timedelta) -> None:
        self._ledger = ledger
        self._alarms = alarms
        self._patience = patience
        self._age = meter.create_gauge(
            "mash.notices.unsent_age_seconds",
            "s",
            "Age of the oldest notice that is not sent, once it is late.",
        )
        self._alarmed = False

    async def sweep(self) -> int:
        """Takes up again what has no next step; raises an alarm once for as long as notices stay unsent."""
        now = self._ledger.clock.now()
        adrift = await self._ledger.pool.fetch(_ADRIFT, now)
        late = await self._ledger.pool.fetchrow(_OLDEST, now - self._patience)
        self._age.set((now - late["oldest"]).total_seconds() if late["oldest"] else 0.0)
        if not late["notices"]:
            self._alarmed = False
        elif not self._alarmed:
            # One that reached nobody is raised again by the next sweep.
            self._alarmed = await self._alarms.raise_alarm("notices-not-sent", count=late["notices"])
        return len(adrift)
