"""How the agencies stand, and asking one by hand, chasing it, or leaving it."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.triage.console.forms import Faults, attempt
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute

SCOPE = "decision:write"
ACTIONS: Mapping[str, str] = {"ask": "Ask it", "chase": "Chase it", "stop": "Stop chasing it"}

router = APIRouter(prefix="/console", route_class=ConsoleRoute, include_in_schema=False)


@router.get("/agencies")
async def show_agencies(request: Request) -> Response:
    """Whether each agency answers, and how many children wait for it."""
    there = visit(request, "checks:read")
    return there.page("agencies.html", agencies=await there.console.neighbours.agencies())


@router.get("/cases/{case_id}/agencies")
async def show_orders(request: Request, case_id: UUID) -> Response:
    """The form to order a check by hand."""
    there = visit(request, SCOPE)
    return await _shown(there, case_id, await there.kept(), Faults())


@router.post("/cases/{case_id}/agencies")
async def order(request: Request, case_id: UUID) -> Response:
    """Orders a check, or shows what is missing."""
    there, fields = await posted(request, SCOPE)
    faults = Faults()
    action = fields.get("action", "")
    faults.needed(fields, agency="Select the agency", reason="Enter why")
    if action not in ACTIONS:
        faults.add("action", "Select what is to be done")
    if action == "ask":
        faults.needed(fields, purpose="Enter the purpose", basis="Enter the lawful basis")
    approver = there.people.account(fields.get("approver", ""), "approver", faults)
    if not faults:
        names = ("agency", "action", "purpose", "basis", "reason")
        body: dict[str, object] = {name: fields[name] for name in names if fields.get(name)}
        if approver:
            body |= {"approver": approver, "emergency": True}
        await attempt(
            there.operations.post(f"/v1/cases/{case_id}/check-orders", body, fields.get("key")),
            faults,
            fields,
        )
        if not faults:
            return await there.done(f"/console/cases/{case_id}", "ordered")
    return await _shown(there, case_id, fields, faults)


async def _shown(there: Visit, case_id: UUID, values: Mapping[str, str], faults: Faults) -> Response:
    case = await there.operations.get(f"/v1/cases/{case_id}")
    return there.form(
        "orders.html",
        values,
        faults,
        case=case,
        agencies=there.console.dictionary.agencies,
        actions=list(ACTIONS.items()),
    )
