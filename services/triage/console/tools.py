"""Tools used about a child: which, when, by whom, with what result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from libs.platform.pages import PageRoute
from services.triage.console.forms import Faults, attempt, read_day, whole
from services.triage.console.frame import Visit, posted, visit

SCOPE = "case:read"

router = APIRouter(prefix="/console/cases/{case_id}/tools", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def show_tools(request: Request, case_id: UUID) -> Response:
    """The tools that were used, and the form to record one."""
    there = visit(request, SCOPE)
    return await _shown(there, case_id, await there.kept(), Faults())


@router.post("")
async def record(request: Request, case_id: UUID) -> Response:
    """Records that a tool was used."""
    there, fields = await posted(request, "case:write")
    faults = Faults()
    faults.needed(fields, tool="Select the tool", by="Enter who used it")
    on = read_day(fields, "on", faults, now=there.console.clock.now())
    if on is None:
        faults.add("on-day", "Enter the day on which it was used")
    numbers = {name: fields.get(f"answers_{name}", "") for name in ("yes", "no", "unknown")}
    answers: dict[str, int] = {}
    if any(numbers.values()):
        for name, text in numbers.items():
            number = whole(text)
            if number is None:
                faults.add(f"answers_{name}", "Enter a whole number")
            else:
                answers[name] = number
    if not faults:
        body: dict[str, Any] = {
            "tool": fields["tool"],
            "on": on,
            "by": fields["by"],
            "result": fields.get("result") or None,
            "answers": answers or None,
            "note": fields.get("note") or None,
        }
        path = f"/v1/cases/{case_id}/tools"
        await attempt(there.operations.post(path, body, fields.get("key")), faults, fields)
        if not faults:
            return await there.done(there.path, "tool")
    return await _shown(there, case_id, fields, faults)


async def _shown(there: Visit, case_id: UUID, values: Mapping[str, str], faults: Faults) -> Response:
    case = await there.operations.get(f"/v1/cases/{case_id}")
    items = (await there.operations.get(f"/v1/cases/{case_id}/tools"))["items"]
    counts = (await there.operations.get("/v1/tools/counts"))["items"]
    return there.form(
        "tools.html",
        values,
        faults,
        case=case,
        items=items,
        tools=[(one["tool"], one["label"]) for one in counts],
    )
