"""Takes tasks as done where what they ask for is on record."""

from collections.abc import Sequence
from uuid import UUID

from libs.messaging.codec import Codec
from libs.messaging.ledger import Unit
from libs.platform.auth import Principal
from services.triage.documents import RecordedNote, TaskNote
from services.triage.tasks.raising import TASK_CLOCK
from services.triage.views import TaskOutcome

_FINISH = """
UPDATE task SET done_at = $3, done_by = $4, outcome = $6, document = $5
 WHERE case_id = $1 AND kind = ANY ($2) AND done_at IS NULL RETURNING id
"""


async def finish_tasks(
    unit: Unit, codec: Codec, case_id: UUID, kinds: Sequence[str], caller: Principal, note: str
) -> None:
    """Takes the open tasks of these kinds of a case as done by the caller, and stops their clocks."""
    await _finish(unit, codec, case_id, kinds, caller.subject, note, TaskOutcome.DONE)


async def no_longer_needed(
    unit: Unit, codec: Codec, case_id: UUID, kinds: Sequence[str], by: str, note: str
) -> None:
    """Takes them as not needed any more, by what that person did, and stops their clocks."""
    await _finish(unit, codec, case_id, kinds, by, note, TaskOutcome.NOT_NEEDED)


async def _finish(
    unit: Unit, codec: Codec, case_id: UUID, kinds: Sequence[str], by: str, note: str, outcome: TaskOutcome
) -> None:
    (document,) = await codec.encode([RecordedNote(shared=TaskNote(note=note, done_by=by))])
    rows = await unit.connection.fetch(_FINISH, case_id, kinds, unit.now, by, document, outcome.value)
    for row in rows:
        unit.disarm(TASK_CLOCK, row["id"])
