"""Tools used about a child: which, when, by whom, with what result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.triage.console.forms import Faults, attempt, read_day, whole
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute
from services.triage.console.words import words

SCOPE = "case:read"
NO_RESULT = "none"
"""The choice that a tool came to no result, which is never its mildest."""

router = APIRouter(prefix="/console/cases/{case_id}/tools", route_class=ConsoleRoute, include_in_schema=False)


@router.get("")
async def show_tools(request: Request, case_id: UUID) -> Response:
    """The tools that were used, and the form to record one: first which, then what it came to."""
    there = visit(request, SCOPE)
    faults = Faults()
    chosen = request.query_params.get("tool")
    if chosen == "":
        faults.add("tool", "Select the tool")
    kept = await there.kept()
    return await _shown(there, case_id, kept or ({"tool": chosen} if chosen else {}), faults)


@router.post("")
async def record(request: Request, case_id: UUID) -> Response:
    """Records that a tool was used."""
    there, fields = await posted(request, "case:write")
    faults = Faults()
    faults.needed(
        fields, tool="Select the tool", by="Enter who used it", result="Select what the tool came to"
    )
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
            "result": None if fields["result"] == NO_RESULT else fields["result"],
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
    found = await there.operations.get(f"/v1/cases/{case_id}/tools")
    offered = {one["tool"]: one for one in found["offered"]}
    tool = offered.get(values.get("tool", ""))
    results = [] if tool is None else [(code, words(code)) for code in tool["results"]]
    return there.form(
        "tools.html",
        values,
        faults,
        case=case,
        items=found["items"],
        tool=tool,
        tools=[(one["tool"], one["label"]) for one in offered.values()],
        results=[*results, (NO_RESULT, "It came to no result")],
    )
