"""What people must do beside deciding: obliged actions, and what went wrong on the way."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import asyncpg

from libs.messaging.codec import Codec, Decoded
from libs.messaging.ledger import Ledger, Unit
from libs.platform.auth import Principal
from libs.platform.problems import Problem
from libs.schemas.base import Model, Text
from services.triage.access import note
from services.triage.documents import RecordedNote, TaskNote
from services.triage.restricted.rights import sees, sees_of, visible_of
from services.triage.views import TaskView

MOST_TASKS = 200
"""Tasks that one answer lists; the most urgent come first, and done ones leave the list."""

_SELECT = (
    "SELECT id, case_id, referral_id, kind, reason, raised_at, due_at, done_at, done_by, document FROM task"
)
_OPEN = f"""
{_SELECT}
 WHERE done_at IS NULL
   AND ($1::uuid IS NULL OR case_id = $1
        OR (case_id IS NULL AND referral_id = (SELECT referral_id FROM child_case WHERE id = $1)))
   AND {{seen}}
 ORDER BY due_at, id LIMIT $2
"""  # noqa: S608 - a constant

Finishing = Callable[[Unit, UUID], Awaitable[None]]


class TaskDone(Model):
    """What was done about a task."""

    note: Text


class TaskPage(Model):
    """Open tasks, most urgent first."""

    items: tuple[TaskView, ...]
    more: bool


class Tasks:
    """Lists tasks and takes them as done."""

    def __init__(self, ledger: Ledger, finishing: Mapping[str, Finishing], afterwards: Finishing) -> None:
        """`finishing`: what else is done when a task of that kind is, for its referral, in the same unit;
        `afterwards`: what is done when any is.
        """
        self._ledger = ledger
        self._afterwards = afterwards
        self._finishing = finishing

    async def open(self, case_id: UUID | None, limit: int, caller: Principal) -> TaskPage:
        """Open tasks, of one case with what its referral needs, or of all that the caller may see."""
        now = self._ledger.clock.now()
        async with self._ledger.pool.acquire() as connection:
            opened = case_id is not None and await sees(connection, case_id, caller, now)
            seen = "TRUE" if opened else visible_of(caller, "task.case_id", "task.referral_id")
            rows = await connection.fetch(
                _OPEN.format(seen=seen),
                case_id,
                limit + 1,
            )
            items = [await _view(self._ledger.codec, row) for row in rows[:limit]]
        return TaskPage(items=tuple(items), more=len(rows) > limit)

    async def done(self, task_id: UUID, body: TaskDone, caller: Principal) -> TaskView:
        """Records what was done. Raises Problem 404, or 409 where somebody else did it."""
        (document,) = await self._ledger.codec.encode(
            [RecordedNote(shared=TaskNote(note=body.note, done_by=caller.subject))]
        )
        referral_id = await self._ledger.pool.fetchval("SELECT referral_id FROM task WHERE id = $1", task_id)
        async with self._ledger.unit([] if referral_id is None else [referral_id]) as unit:
            row = await unit.connection.fetchrow(f"{_SELECT} WHERE id = $1 FOR UPDATE", task_id)
            if row is None or not await sees_of(
                unit.connection, row["case_id"], row["referral_id"], caller, unit.now
            ):
                raise Problem(404, "task-not-found", "There is no such task")
            if row["done_at"] is not None:
                view = await _view(self._ledger.codec, row)
                if view.done_by == caller.subject and view.note == body.note:
                    return view
                raise Problem(
                    409,
                    "task-done-already",
                    "This task is done already",
                    extra={"done_by": row["done_by"], "done_at": row["done_at"].isoformat()},
                )
            row = await unit.connection.fetchrow(
                "UPDATE task SET done_at = $2, done_by = $3, document = $4 WHERE id = $1 RETURNING *",
                task_id,
                unit.now,
                caller.subject,
                document,
            )
            if row["kind"] in self._finishing:
                await self._finishing[row["kind"]](unit, row["referral_id"])
            await self._afterwards(unit, row["referral_id"])
            await note(
                unit.connection, unit.now, caller, "task.done", row["case_id"], referral_id=row["referral_id"]
            )
            return await _view(self._ledger.codec, row)


async def task_views(
    connection: asyncpg.Connection, codec: Codec, *, referral_id: UUID, case_id: UUID
) -> tuple[TaskView, ...]:
    """All tasks of a case and of its referral, done ones with them."""
    rows = await connection.fetch(
        f"{_SELECT} WHERE referral_id = $1 AND (case_id IS NULL OR case_id = $2) ORDER BY due_at, id",
        referral_id,
        case_id,
    )
    return tuple([await _view(codec, row) for row in rows])


async def _view(codec: Codec, row: Any) -> TaskView:
    values = dict(row)
    document = values.pop("document")
    text = None
    if document is not None:
        (item,) = await codec.decode([(RecordedNote, document)])
        text = item.payload.shared.note if isinstance(item, Decoded) else None
    return TaskView(**values, note=text)
