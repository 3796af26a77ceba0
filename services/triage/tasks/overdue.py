"""What happens when a task's clock runs out: whoever waits for the case is told, and it is counted."""

from collections.abc import Mapping
from functools import partial

from opentelemetry.metrics import Meter

from libs.messaging.ledger import Unit
from libs.messaging.timers import Handler, Timer
from libs.schemas.events import CASE_OVERDUE, CaseOverdue, Reference
from libs.schemas.outcomes import OverdueCase
from services.triage.live.changes import touch
from services.triage.tasks.raising import TASK_CLOCK

METRIC = "mash.tasks.overdue"

_OPEN = "SELECT referral_id, case_id, kind, due_at FROM task WHERE id = $1 AND done_at IS NULL"
_LATE = "UPDATE task SET overdue_at = $2 WHERE id = $1"
_CASES = """
SELECT id, reference FROM child_case
 WHERE referral_id = $1 AND ($2::uuid IS NULL OR id = $2) ORDER BY child_number
"""


class TaskClock:
    """Handles the clocks of tasks. The task itself stays until somebody has done or explained it."""

    def __init__(self, meter: Meter) -> None:
        self._overdue = meter.create_counter(
            METRIC, unit="{task}", description="Tasks that ran over their time, by kind."
        )

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What a task's clock sets off."""
        return {TASK_CLOCK: self._run_out}

    async def _run_out(self, unit: Unit, timer: Timer) -> None:
        task = await unit.connection.fetchrow(_OPEN, timer.subject)
        if task is None or task["due_at"] != timer.due_at:
            return
        await unit.connection.execute(_LATE, timer.subject, unit.now)
        unit.committed.append(partial(self._overdue.add, 1, {"kind": task["kind"]}))
        cases = await unit.connection.fetch(_CASES, task["referral_id"], task["case_id"])
        if not cases:
            return
        await touch(unit.connection, [row["id"] for row in cases])
        reference = cases[0]["reference"]
        # A stub may have no reference, and without it nobody else can know the case.
        if reference is None:
            return
        overdue = OverdueCase(clock=f"{TASK_CLOCK}.{task['kind']}", due_at=task["due_at"])
        unit.emit(
            CASE_OVERDUE,
            task["referral_id"],
            CaseOverdue(
                shared=Reference(reference=reference, at=unit.now),
                children={row["id"]: overdue for row in cases},
            ),
            trace=timer.trace,
        )
