"""Tasks: what must be done beside deciding, whose it is and by when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from libs.platform.pages import PageRoute
from libs.platform.problems import Problem
from services.triage.console.forms import Faults, refused
from services.triage.console.frame import Visit, posted, visit

SCOPE = "queue:read"

router = APIRouter(prefix="/console", route_class=PageRoute, include_in_schema=False)


@router.get("/tasks")
async def show_tasks(request: Request) -> Response:
    """Open tasks of all cases, the most urgent first."""
    there = visit(request, SCOPE)
    page = await there.operations.get("/v1/tasks", limit=100)
    return there.page("tasks.html", tasks=_shown_tasks(there, page["items"]), more=page["more"])


@router.get("/cases/{case_id}/tasks")
async def show_case_tasks(request: Request, case_id: UUID) -> Response:
    """The tasks of one case."""
    there = visit(request, SCOPE)
    return await _case_tasks(there, case_id, await there.kept(), Faults())


@router.post("/cases/{case_id}/tasks")
async def work_on_task(request: Request, case_id: UUID) -> Response:
    """A task is done."""
    there, fields = await posted(request, SCOPE)
    faults = Faults()
    action, task = fields.get("action"), fields.get("task", "")
    try:
        if action == "done":
            faults.needed(fields, **{f"note.{task}": "Enter what was done, or why it is not needed"})
            if not faults:
                await there.operations.put(f"/v1/tasks/{_id(task)}", {"note": fields[f"note.{task}"]})
                return await there.done(there.path, "task-done")
    except Problem as problem:
        if problem.status != 422:
            raise
        refused(problem, faults, fields)
    return await _case_tasks(there, case_id, fields, faults)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Problem(404, "task-not-found", "There is no such task") from None


async def _case_tasks(there: Visit, case_id: UUID, values: Mapping[str, str], faults: Faults) -> Response:
    case = await there.operations.get(f"/v1/cases/{case_id}")
    page = await there.operations.get("/v1/tasks", case_id=str(case_id), limit=100)
    return there.page(
        "case_tasks.html",
        status=422 if faults else 200,
        case=case,
        tasks=_shown_tasks(there, page["items"]),
        done=[one for one in case["tasks"] if one["done_at"] is not None],
        values=values,
        wrong=faults.texts,
        errors=faults.summary,
        live=[case["case_id"]],
    )


def _shown_tasks(there: Visit, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    now = there.console.clock.now().isoformat()
    return [{**one, "late": one["due_at"] < now.replace("+00:00", "Z")} for one in items]
