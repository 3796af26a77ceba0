"""The clocks of a case: each with its rule in words, and what people say of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.triage.console.forms import Faults, attempt, read_day, read_time
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute
from services.triage.console.words import LONDON

SCOPE = "case:read"
REASONS: Mapping[str, str] = {"pause": "pause", "resume": "resumption", "explain": "breach"}
"""What is said with a reason, and the operation that takes it."""

KINDS: Mapping[str, str] = {
    "workload": "There was too much work",
    "agency_late": "An agency answered late, or not",
    "family_not_reached": "The family could not be reached",
    "told_late": "The hub was told late",
    "signature_late": "The signature came late",
    "receiver_late": "The receiving end accepted late",
    "system": "A system did not work",
    "recorded_late": "It was done in time and recorded late",
    "other": "Something else",
}
"""The kinds of reasons for a clock that ran out, as the operation counts them."""

router = APIRouter(
    prefix="/console/cases/{case_id}/clocks", route_class=ConsoleRoute, include_in_schema=False
)


@router.get("")
async def show_clocks(request: Request, case_id: UUID) -> Response:
    """Every clock."""
    there = visit(request, SCOPE)
    return await _shown(there, case_id, await there.kept(), Faults())


@router.post("")
async def tell(request: Request, case_id: UUID) -> Response:
    """Stops a clock, lets the target stand still or go on, or says why a clock ran out."""
    there, fields = await posted(request, "case:write")
    faults = Faults()
    action, _, clock = fields.get("action", "").partition(" ")
    path = f"/v1/cases/{case_id}/clocks/{clock}"
    if action == "stop":
        at = moment_of(fields, f"at_{clock}", faults, there.console.clock.now())
        if not faults:
            body = {"at": at, "note": fields.get(f"note_{clock}") or None}
            await attempt(there.operations.put(f"{path}/stop", body), faults, fields)
    elif action in REASONS:
        faults.needed(fields, **{f"note_{clock}": "Enter why"})
        if action == "explain":
            faults.needed(fields, **{f"why_{clock}": "Select the kind of reason"})
        if not faults:
            body = {"reason": fields[f"note_{clock}"]}
            if action == "explain":
                body["why"] = fields[f"why_{clock}"]
            await attempt(there.operations.put(f"{path}/{REASONS[action]}", body), faults, fields)
    else:
        faults.add("form", "Select what you want to say of a clock")
    if not faults:
        return await there.done(there.path, "clock")
    return await _shown(there, case_id, fields, faults)


def moment_of(fields: Mapping[str, str], name: str, faults: Faults, now: datetime) -> str | None:
    """A day and a time of the hub's wall, as an instant."""
    on = read_day(fields, name, faults, now=now)
    at = read_time(fields.get(f"{name}-time", ""))
    if on is None:
        faults.add(f"{name}-day", "Enter the day")
        return None
    if at is None:
        faults.add(f"{name}-time", "Enter the time, such as 14:30")
        return None
    return datetime.fromisoformat(f"{on}T{at}").replace(tzinfo=LONDON).isoformat()


async def _shown(there: Visit, case_id: UUID, values: Mapping[str, str], faults: Faults) -> Response:
    case = await there.operations.get(f"/v1/cases/{case_id}")
    clocks = await there.operations.get(f"/v1/cases/{case_id}/clocks")
    return there.form(
        "clocks.html",
        values,
        faults,
        case=case,
        clocks=clocks["clocks"],
        pauses=clocks["pauses"],
        kinds=KINDS,
    )
