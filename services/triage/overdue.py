"""What happens when a case's clock runs out: everybody who waits for the case is told. The clock itself stays."""

from collections.abc import Mapping

from libs.messaging.ledger import Unit
from libs.messaging.timers import Handler, Timer
from libs.schemas.events import CASE_OVERDUE, CaseOverdue, OverdueCase, Reference
from services.triage.case import DECISION_CLOCK, READING_CLOCK
from services.triage.desk import SELECT_CASES, case_of


async def run_out(unit: Unit, timer: Timer) -> None:
    """Tells that the clock has run out, where it still counts. A stub without a reference only shows in the queue."""
    row = await unit.connection.fetchrow(f"{SELECT_CASES} WHERE id = $1", timer.subject)
    if row is None:
        return
    case = case_of(row)
    if case.clocks().get(timer.kind) != timer.due_at or case.reference is None:
        return
    about = Reference(reference=case.reference, at=unit.now)
    overdue = OverdueCase(clock=timer.kind, due_at=timer.due_at)
    unit.emit(
        CASE_OVERDUE,
        case.referral_id,
        CaseOverdue(shared=about, children={case.id: overdue}),
        trace=timer.trace,
    )


HANDLERS: Mapping[str, Handler] = {DECISION_CLOCK: run_out, READING_CLOCK: run_out}
"""What each of triage's clocks sets off."""
