"""The strategy discussion: who took part, what came of it, and how the child is safe meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.triage.console.clocks import moment_of
from services.triage.console.forms import Faults, attempt
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute
from services.triage.console.words import ENQUIRIES

SCOPE = "case:read"
CORE: Mapping[str, str] = {
    "childrens_social_care": "Children’s social care",
    "police": "Police",
    "health": "Health",
}
"""Who always takes part (Working Together to Safeguard Children, strategy discussions)."""

ATTENDING: Mapping[str, str] = {
    **CORE,
    "caisu": "Police, child abuse investigation unit",
    "education": "Education",
    "early_help": "Early help",
    "housing": "Housing",
    "adult_services": "Adult services",
    "referrer": "The referrer",
    "other": "Somebody else",
}
MEMBERS = 8

router = APIRouter(
    prefix="/console/cases/{case_id}/strategy-discussion", route_class=ConsoleRoute, include_in_schema=False
)


@router.get("")
async def show_discussions(request: Request, case_id: UUID) -> Response:
    """What was recorded, and the form to record one."""
    there = visit(request, SCOPE)
    return await _shown(there, case_id, await there.kept(), Faults())


@router.post("")
async def record(request: Request, case_id: UUID) -> Response:
    """Records a discussion, or shows what is missing."""
    there, fields = await posted(request, "case:write")
    faults = Faults()
    body = _discussion(there, fields, faults)
    if not faults:
        path = f"/v1/cases/{case_id}/strategy-discussion"
        await attempt(there.operations.put(path, body), faults, fields)
        if not faults:
            return await there.done(there.path, "strategy")
    return await _shown(there, case_id, fields, faults)


def _discussion(there: Visit, fields: Mapping[str, str], faults: Faults) -> dict[str, Any]:
    now = there.console.clock.now()
    held_at = moment_of(fields, "held", faults, now)
    faults.needed(
        fields,
        chaired_by="Enter who chaired it",
        rationale="Enter the reasons",
        safety_plan="Enter how the child is safe meanwhile",
    )
    if fields.get("outcome") not in ENQUIRIES:
        faults.add("outcome", "Select what came of it")
    if fields.get("crime") not in ("yes", "no"):
        faults.add("crime", "Select whether a crime may have occurred")
    members = []
    for row in range(1, MEMBERS + 1):
        agency, name = fields.get(f"agency_{row}", ""), fields.get(f"name_{row}", "")
        if agency and name:
            members.append({"agency": agency, "name": name})
        elif agency or name:
            faults.add(f"name_{row}", "Enter the person and whom they speak for, or leave both empty")
    if not members:
        faults.add("name_1", "Enter at least one person who took part")
    absences = [
        {"agency": agency, "reason": fields[f"absent_{agency}"]}
        for agency in CORE
        if fields.get(f"absent_{agency}")
    ]
    body: dict[str, Any] = {
        "held_at": held_at,
        "chaired_by": fields.get("chaired_by"),
        "members": members,
        "absences": absences,
        "crime_may_have_occurred": fields.get("crime") == "yes",
        "outcome": fields.get("outcome"),
        "rationale": fields.get("rationale"),
        "safety_plan": fields.get("safety_plan"),
    }
    if fields.get("caisu_by"):
        told_at = moment_of(fields, "caisu", faults, now)
        body["caisu_told"] = {
            "at": told_at,
            "by": fields["caisu_by"],
            "reference": fields.get("caisu_reference") or None,
        }
    if fields.get("dissent_name") or fields.get("dissent_reason"):
        faults.needed(fields, dissent_name="Enter who does not agree", dissent_reason="Enter why")
        body["dissent"] = [{"name": fields.get("dissent_name"), "reason": fields.get("dissent_reason")}]
    return body


async def _shown(there: Visit, case_id: UUID, values: Mapping[str, str], faults: Faults) -> Response:
    case = await there.operations.get(f"/v1/cases/{case_id}")
    items = (await there.operations.get(f"/v1/cases/{case_id}/strategy-discussion"))["items"]
    return there.form(
        "strategy.html",
        values,
        faults,
        case=case,
        items=items,
        attending=list(ATTENDING.items()),
        core=list(CORE.items()),
        outcomes=list(ENQUIRIES.items()),
        members=MEMBERS,
    )
