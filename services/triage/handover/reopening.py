"""What is still to be done about a referral that was closed opens it again, until it is done."""

from libs.messaging.ledger import Unit
from services.triage.casework import Casework
from services.triage.desk import Desk
from services.triage.tasks.raising import NewTask

_RAISED = "SELECT true FROM task WHERE id = $1"


async def ask(unit: Unit, casework: Casework, desk: Desk, task: NewTask) -> None:
    """Raises a task of a referral as a whole. One that was raised before opens nothing: it was done, or is open still.
    The caller saves the desk.
    """
    desk.task(task)
    closed = [file for file in desk.by_referral.get(task.referral_id, ()) if file.case.closed_at is not None]
    if closed and not await unit.connection.fetchval(_RAISED, task.id):
        casework.open_again(closed[0])
