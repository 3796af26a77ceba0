"""Tasks as they stand on record and are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.messaging.codec import Codec, Decoded
from libs.platform.auth import Principal
from libs.schemas.base import Model
from services.triage.documents import RecordedNote, RecordedRequest
from services.triage.restricted.rights import sees, visible_of
from services.triage.thresholds import Thresholds
from services.triage.views import TaskView

_SELECT = """
SELECT task.id, task.case_id, task.referral_id, task.kind, task.reason, task.raised_at, task.raised_by, task.due_at,
       task.done_at, task.done_by, task.outcome, task.document, task.request, c.team,
       c.reference, c.child_number, coalesce(task.owner, a.worker) AS owner
  FROM task
  LEFT JOIN child_case AS c ON c.id = task.case_id
  LEFT JOIN allocated AS a ON a.case_id = task.case_id
"""
_OPEN = f"""
{_SELECT}
 WHERE task.done_at IS NULL
   AND ($1::uuid IS NULL OR task.case_id = $1
        OR (task.case_id IS NULL AND task.referral_id = (SELECT referral_id FROM child_case WHERE id = $1)))
   AND ($2::text IS NULL OR coalesce(task.owner, a.worker) = $2)
   AND ($3::text IS NULL OR coalesce(c.team, $4) = $3)
   AND ($5::text IS NULL OR task.kind = $5)
   AND ($6::bool IS NULL OR (task.due_at < $7) = $6)
   AND {{seen}}
 ORDER BY task.due_at, task.id LIMIT $8
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which open tasks are listed; None leaves a filter out."""

    case_id: UUID | None = None
    owner: str | None = None
    team: str | None = None
    kind: str | None = None
    overdue: bool | None = None


class TaskPage(Model):
    """Open tasks, most urgent first."""

    items: tuple[TaskView, ...]
    more: bool


async def open_tasks(
    connection: asyncpg.Connection,
    codec: Codec,
    thresholds: Thresholds,
    wanted: TaskFilter,
    limit: int,
    caller: Principal,
    now: datetime,
) -> TaskPage:
    """Open tasks, of one case with what its referral needs, or of all that the caller may see."""
    opened = wanted.case_id is not None and await sees(connection, wanted.case_id, caller, now)
    seen = "TRUE" if opened else visible_of(caller, "task.case_id", "task.referral_id")
    rows = await connection.fetch(
        _OPEN.format(seen=seen),
        wanted.case_id,
        wanted.owner,
        wanted.team,
        thresholds.teams.duty,
        wanted.kind,
        wanted.overdue,
        now,
        limit + 1,
    )
    items = await _views(codec, thresholds, rows[:limit], now)
    return TaskPage(items=tuple(items), more=len(rows) > limit)


async def task_views(
    connection: asyncpg.Connection,
    codec: Codec,
    thresholds: Thresholds,
    now: datetime,
    *,
    referral_id: UUID,
    case_id: UUID,
) -> tuple[TaskView, ...]:
    """All tasks of a case and of its referral, done ones with them."""
    rows = await connection.fetch(
        f"{_SELECT} WHERE task.referral_id = $1 AND (task.case_id IS NULL OR task.case_id = $2)"
        " ORDER BY task.due_at, task.id",
        referral_id,
        case_id,
    )
    return tuple(await _views(codec, thresholds, rows, now))


async def one_task(
    connection: asyncpg.Connection, codec: Codec, thresholds: Thresholds, task_id: UUID, now: datetime
) -> TaskView | None:
    """A task as it stands now, None where there is none."""
    rows = await connection.fetch(f"{_SELECT} WHERE task.id = $1", task_id)
    found = await _views(codec, thresholds, rows, now)
    return found[0] if found else None


async def request_of(connection: asyncpg.Connection, codec: Codec, task_id: UUID) -> str | None:
    """The fingerprint of the request that set a task by hand; None where none did or it was erased."""
    row = await connection.fetchrow("SELECT case_id, request FROM task WHERE id = $1", task_id)
    if row is None or row["request"] is None:
        return None
    (item,) = await codec.decode([(RecordedRequest, row["request"])])
    part = item.payload.children.get(row["case_id"]) if isinstance(item, Decoded) else None
    return None if part is None else part.fingerprint


async def _views(codec: Codec, thresholds: Thresholds, rows: Sequence[Any], now: datetime) -> list[TaskView]:
    sealed = [(RecordedNote, row["document"]) for row in rows if row["document"] is not None]
    asked = [(RecordedRequest, row["request"]) for row in rows if row["request"] is not None]
    notes = iter(await codec.decode(sealed))
    requests = iter(await codec.decode(asked))
    actions = thresholds.rulebooks.directory.policy.actions
    views = []
    for row in rows:
        values = {name: value for name, value in dict(row).items() if name not in ("document", "request")}
        note, what = None, None
        if row["document"] is not None and isinstance(item := next(notes), Decoded):
            note = item.payload.shared.note
        if row["request"] is not None and isinstance(asked_for := next(requests), Decoded):
            part = asked_for.payload.children.get(row["case_id"])
            what = None if part is None else part.what
        values["team"] = row["team"] or thresholds.teams.duty
        views.append(
            TaskView(
                **values,
                label=thresholds.tasks.label(row["kind"], actions),
                overdue=row["done_at"] is None and row["due_at"] < now,
                note=note,
                what=what,
            )
        )
    return views
