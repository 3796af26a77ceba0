"""Who may see a case: restricting it, showing it again, and opening it in an emergency."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.triage.console.forms import Faults, attempt
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute

SCOPE = "case:write"
KINDS: Mapping[str, str] = {
    "staff_family": "Somebody of the family works for the hub or a partner agency",
    "adoption": "Adoption",
    "protected_address": "Protected address",
    "other": "Another reason",
}

router = APIRouter(prefix="/console/cases/{case_id}", route_class=ConsoleRoute, include_in_schema=False)


@router.get("/restriction")
async def show_restriction(request: Request, case_id: UUID) -> Response:
    """Whether the case is restricted, by whom and why."""
    there = visit(request, SCOPE)
    return await _shown(there, case_id, await there.kept(), Faults())


@router.post("/restriction")
async def restrict(request: Request, case_id: UUID) -> Response:
    """Hides the case, or shows it again."""
    there, fields = await posted(request, SCOPE)
    faults = Faults()
    if fields.get("restricted") not in ("yes", "no"):
        faults.add("restricted", "Select whether the case is restricted")
    faults.needed(fields, reason="Enter why")
    if fields.get("restricted") == "yes" and fields.get("kind") not in KINDS:
        faults.add("kind", "Select what it is about")
    if fields.get("family") not in ("yes", "no"):
        faults.add("family", "Select for whom")
    if not faults:
        hide = fields["restricted"] == "yes"
        body = {"restricted": hide, "reason": fields["reason"], "family": fields["family"] == "yes"}
        body |= {"kind": fields["kind"]} if hide else {}
        await attempt(there.operations.put(f"/v1/cases/{case_id}/restriction", body), faults, fields)
        if not faults:
            return await there.done("/console/queue", "restricted")
    return await _shown(there, case_id, fields, faults)


async def _shown(there: Visit, case_id: UUID, values: Mapping[str, str], faults: Faults) -> Response:
    case = await there.operations.get(f"/v1/cases/{case_id}")
    restriction = await there.operations.get(f"/v1/cases/{case_id}/restriction")
    return there.form(
        "restriction.html", values, faults, case=case, restriction=restriction, kinds=list(KINDS.items())
    )


@router.get("/break-glass")
async def show_glass(request: Request, case_id: UUID) -> Response:
    """What opening a case in an emergency means. It says of no case whether it exists."""
    there = visit(request, SCOPE)
    return there.form("glass.html", await there.kept(), Faults())


@router.post("/break-glass")
async def break_glass(request: Request, case_id: UUID) -> Response:
    """Opens the case for an hour, which is recorded and alarmed."""
    there, fields = await posted(request, SCOPE)
    faults = Faults()
    faults.needed(fields, reason="Enter why you must see the case now")
    if not faults:
        body = {"reason": fields["reason"]}
        await attempt(there.operations.post(f"/v1/cases/{case_id}/break-glass", body), faults, fields)
        if not faults:
            return await there.done(f"/console/cases/{case_id}", "break-glass")
    return there.form("glass.html", fields, faults)
