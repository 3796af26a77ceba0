"""Who the child is: possible matches side by side, and reports that may tell of the same event. A person says."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.triage.console.case import child_of
from services.triage.console.forms import Faults, attempt
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute

SCOPE = "case:read"
ACTIONS: Mapping[str, str] = {
    "link": "person_id",
    "unlink": "person_id",
    "same_event": "case_id",
    "other_event": "case_id",
    "undo": "undoes",
}
"""What may be said, and which field names whom it is said of."""

router = APIRouter(
    prefix="/console/cases/{case_id}/matches", route_class=ConsoleRoute, include_in_schema=False
)


@router.get("")
async def show_matches(request: Request, case_id: UUID) -> Response:
    """Everybody who may be the child, field by field."""
    there = visit(request, SCOPE)
    return await _shown(there, case_id, await there.kept(), Faults())


@router.post("")
async def say_who(request: Request, case_id: UUID) -> Response:
    """Links, un-links, or says of a report whether it tells of the same event."""
    there, fields = await posted(request, SCOPE)
    faults = Faults()
    action, _, about = fields.get("action", "").partition(" ")
    if action not in ACTIONS:
        faults.add("form", "Select what you want to say")
    faults.needed(fields, reason="Enter how you know")
    if not faults:
        body = {"action": action, ACTIONS[action]: about, "reason": fields["reason"]}
        call = there.operations.post(
            f"/v1/cases/{case_id}/person-decisions", body, fields.get("key"), fields.get("tag") or '"none"'
        )
        await attempt(call, faults, fields)
        if not faults:
            return await there.done(there.path, "linked")
        fields = {**fields, "tag": "", "key": ""}
    return await _shown(there, case_id, fields, faults)


async def _shown(there: Visit, case_id: UUID, values: Mapping[str, str], faults: Faults) -> Response:
    case, tag = await there.operations.read(f"/v1/cases/{case_id}")
    index = case["evidence"]["index"]
    return there.form(
        "matches.html",
        values,
        faults,
        case=case,
        child=child_of(case),
        index=index,
        candidates=[] if index is None else index["candidates"],
        duplicates=[] if index is None else index["history"]["duplicates"],
        given=[one for one in case["commands"] if one["person"] is not None],
        tag=values.get("tag") or tag,
    )
