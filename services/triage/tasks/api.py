"""The operations of tasks."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from libs.platform.auth import Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.idempotency import IdempotencyKey
from libs.platform.parameters import TRUE_FALSE, WHOLE
from libs.platform.problems import responses
from libs.schemas.base import Identifier, Line
from services.triage.restricted.rights import on_case
from services.triage.tasks.record import TaskFilter, TaskPage
from services.triage.tasks.tasks import MOST_TASKS, OwnerBody, TaskBody, TaskDone, Tasks
from services.triage.views import TaskView

QueueReader = Annotated[Principal, requires("queue:read")]
Worker = Annotated[Principal, requires("case:write")]
CaseWorker = Annotated[Principal, on_case("case:write")]

READS = responses(400, 401, 403, 404, 422, 503)
WRITES = responses(400, 401, 403, 404, 409, 413, 415, 422, 503)


async def _tasks(request: Request) -> Tasks:
    tasks: Tasks = request.app.state.tasks
    return tasks


InTasks = Annotated[Tasks, Depends(_tasks)]

router = APIRouter(prefix="/v1", tags=["tasks"])


@router.get("/tasks", responses=READS, summary="What else must be done, most urgent first")
async def list_tasks(
    caller: QueueReader,
    tasks: InTasks,
    case_id: UUID | None = None,
    owner: Annotated[Line | None, Query(description="Only what this person owns.")] = None,
    team: Annotated[Identifier | None, Query(description="Only this team's work.")] = None,
    kind: Identifier | None = None,
    overdue: Annotated[
        bool | None, Query(description="Only what is overdue, or what is not."), TRUE_FALSE
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_TASKS), WHOLE] = 50,
) -> TaskPage:
    """Open tasks: obliged actions, what the flow of a case leaves to people, and what staff set each other."""
    wanted = TaskFilter(case_id=case_id, owner=owner, team=team, kind=kind, overdue=overdue)
    return await tasks.open(wanted, limit, caller)


@router.put(
    "/tasks/{task_id}",
    responses=WRITES,
    openapi_extra=json_body(TaskDone),
    summary="Say that a task is done, or not needed",
)
async def finish_task(request: Request, caller: Worker, task_id: UUID, tasks: InTasks) -> TaskView:
    """Takes a task as done, with what was done, or as not needed, with why. The same sent again is the same answer."""
    body, _ = await read_json_body(request, TaskDone)
    return await tasks.done(task_id, body, caller)


@router.put(
    "/tasks/{task_id}/owner",
    responses=WRITES,
    openapi_extra=json_body(OwnerBody),
    summary="Say who does a task",
)
async def give_task(request: Request, caller: Worker, task_id: UUID, tasks: InTasks) -> TaskView:
    """Anybody takes or gives what nobody has. What is somebody's they give on themselves, or a manager does."""
    body, _ = await read_json_body(request, OwnerBody)
    return await tasks.give(task_id, body, caller)


@router.post(
    "/cases/{case_id}/tasks",
    status_code=201,
    responses=WRITES,
    openapi_extra=json_body(TaskBody),
    summary="Set a task",
)
async def set_task(
    request: Request, caller: CaseWorker, case_id: UUID, key: IdempotencyKey, tasks: InTasks
) -> TaskView:
    """Something that somebody must do about this child. It keeps the referral open until it is done or explained."""
    body, fingerprint = await read_json_body(request, TaskBody)
    return await tasks.set(case_id, body, caller, key, fingerprint)
