"""Starts, moves and stops the timers of the clocks that a case's own row holds."""

from collections.abc import Mapping
from datetime import datetime

from libs.messaging.ledger import Unit
from services.triage.case import Case


def keep_clocks(unit: Unit, case: Case, running: Mapping[str, datetime]) -> None:
    """Sees to it that exactly those of a case's clocks run that must. `running`: those that do, as they were armed.

    A timer fires first to warn, and then when it is due.
    """
    wanted = case.clocks()
    for clock, due_at in wanted.items():
        if running.get(clock) != due_at:
            fires_at = min(case.warns_at.get(clock, due_at), due_at)
            unit.arm(clock, case.referral_id, case.id, due_at, trace=case.trace, fires_at=fires_at)
    for clock in running.keys() - wanted.keys():
        unit.disarm(clock, case.id)
