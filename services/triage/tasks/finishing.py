"""Takes tasks as done where what they ask for is on record."""

from collections.abc import Sequence
from uuid import UUID

from libs.messaging.codec import Codec
from libs.messaging.ledger import Unit
from libs.platform.auth import Principal
from services.triage.documents import RecordedNote, TaskNote
from services.triage.tasks.raising import TASK_CLOCK

_FINISH = """
UPDATE task SET done_at = $3, done_by = $4, outcome = 'done', document = $5
 WHERE case_id = $1 AND kind = ANY ($2) AND done_at IS NULL RETURNING id
"""


async def finish_tasks(
    unit: Unit, codec: Codec, case_id: UUID, kinds: Sequence[str], caller: Principal, note: str
) -> None:
    """Takes the open tasks of these kinds of a case as done by the caller, and stops their clocks."""
    (document,) = await codec.encode([RecordedNote(shared=TaskNote(note=note, done_by=caller.subject))])
    rows = await unit.connection.fetch(_FINISH, case_id, kinds, unit.now, caller.subject, document)
    for row in rows:
        unit.disarm(TASK_CLOCK, row["id"])
