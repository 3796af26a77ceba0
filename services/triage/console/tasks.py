"""Tasks: what must be done beside deciding, whose it is and by when."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from libs.platform.problems import Problem
from services.triage.console.forms import Faults, attempt
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute

SCOPE = "queue:read"
OUTCOMES: Mapping[str, str] = {"done": "Done", "not_needed": "Not needed"}
OTHER = "other"
"""The kind of what staff set each other in words of their own."""

router = APIRouter(prefix="/console", route_class=ConsoleRoute, include_in_schema=False)


@router.get("/tasks")
async def show_tasks(request: Request) -> Response:
    """Open tasks of all cases, the most urgent first."""
    there = visit(request, SCOPE)
    mine = request.query_params.get("mine") == "yes"
    overdue = request.query_params.get("overdue") == "yes"
    owner = there.session.subject if mine else None
    page = await there.operations.get(
        "/v1/tasks", owner=owner, overdue="true" if overdue else None, limit=100
    )
    return there.page("tasks.html", tasks=page["items"], more=page["more"], mine=mine, overdue=overdue)


@router.get("/cases/{case_id}/tasks")
async def show_case_tasks(request: Request, case_id: UUID) -> Response:
    """The tasks of one case."""
    there = visit(request, SCOPE)
    return await _case_tasks(there, case_id, await there.kept(), Faults())


@router.post("/cases/{case_id}/tasks")
async def work_on_task(request: Request, case_id: UUID) -> Response:
    """A task is done, given to somebody, or raised."""
    there, fields = await posted(request, "case:write")
    faults = Faults()
    action, operations = fields.get("action"), there.operations
    if action == "raise":
        said = "task-raised"
        faults.needed(fields, what="Enter what must be done")
        owner = there.people.account(fields.get("owner", ""), "owner", faults)
        if not faults:
            body = {"kind": OTHER, "what": fields["what"], "owner": owner or None}
            call = operations.post(f"/v1/cases/{case_id}/tasks", body, fields.get("key"))
            await attempt(call, faults, fields)
    elif action == "give":
        task, said = _id(fields), "task-given"
        faults.needed(fields, **{f"owner.{task}": "Enter who owns the task"})
        owner = there.people.account(fields.get(f"owner.{task}", ""), f"owner.{task}", faults)
        if not faults:
            call = operations.put(f"/v1/tasks/{task}/owner", {"owner": owner})
            await attempt(call, faults, fields)
    else:
        task, said = _id(fields), "task-done"
        faults.needed(fields, **{f"note.{task}": "Enter what was done, or why it is not needed"})
        outcome = fields.get(f"outcome.{task}")
        if outcome not in OUTCOMES:
            faults.add(f"outcome.{task}", "Select what became of the task")
        if not faults:
            call = operations.put(f"/v1/tasks/{task}", {"note": fields[f"note.{task}"], "outcome": outcome})
            await attempt(call, faults, fields)
    if not faults:
        return await there.done(there.path, said)
    return await _case_tasks(there, case_id, fields, faults)


def _id(fields: Mapping[str, str]) -> UUID:
    try:
        return UUID(fields.get("task", ""))
    except ValueError:
        raise Problem(404, "task-not-found", "There is no such task") from None


async def _case_tasks(there: Visit, case_id: UUID, values: Mapping[str, str], faults: Faults) -> Response:
    case = await there.operations.get(f"/v1/cases/{case_id}")
    page = await there.operations.get("/v1/tasks", case_id=str(case_id), limit=100)
    done = [one for one in case["tasks"] if one["done_at"] is not None]
    return there.form(
        "case_tasks.html",
        values,
        faults,
        case=case,
        tasks=page["items"],
        done=done,
        outcomes=list(OUTCOMES.items()),
    )
