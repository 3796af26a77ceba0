"""Hand-overs: what waits to be accepted, the answer of the receiving end, and opening a referral again."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.triage.console.family import family
from services.triage.console.forms import Faults, attempt
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute

SCOPE = "case:read"

router = APIRouter(prefix="/console", route_class=ConsoleRoute, include_in_schema=False)


@router.get("/handovers")
async def show_handovers(request: Request) -> Response:
    """What the receiving ends have not answered yet."""
    there = visit(request, "queue:read")
    team = request.query_params.get("team", "")
    page = await there.operations.get("/v1/handovers", team=team, limit=100)
    teams = sorted({one["team"] for one in page["items"]} | ({team} if team else set()))
    return there.page(
        "handovers.html", items=page["items"], more=page["more"], teams=teams, chosen={"team": team}
    )


@router.get("/cases/{case_id}/handover")
async def show_handover(request: Request, case_id: UUID) -> Response:
    """How the child was handed over, and the form to answer."""
    there = visit(request, SCOPE)
    return await _shown(there, case_id, await there.kept(), Faults())


@router.post("/cases/{case_id}/handover")
async def answer(request: Request, case_id: UUID) -> Response:
    """Accepts the child, or refuses with the reason."""
    there, fields = await posted(request, SCOPE)
    faults = Faults()
    answered = fields.get("answer")
    if answered not in ("accept", "refuse"):
        faults.add("answer", "Select whether the child is accepted")
    faults.needed(fields, by="Enter who answers for the receiving end")
    if answered == "refuse":
        faults.needed(fields, note="Enter why the child is refused")
    number = fields.get("decision", "")
    if not faults and number.isascii() and number.isdigit():
        path = f"/v1/cases/{case_id}/handover"
        common, by = {"decision": int(number)}, there.people.called(fields["by"])
        if answered == "accept":
            body = {**common, "accepted_by": by, "note": fields.get("note") or None}
            await attempt(there.operations.put(f"{path}/acceptance", body), faults, fields)
        else:
            body = {**common, "refused_by": by, "reason": fields["note"]}
            await attempt(there.operations.put(f"{path}/refusal", body), faults, fields)
        if not faults:
            return await there.done(there.path, "accepted" if answered == "accept" else "refused")
    return await _shown(there, case_id, fields, faults)


async def _shown(there: Visit, case_id: UUID, values: Mapping[str, str], faults: Faults) -> Response:
    case = await there.operations.get(f"/v1/cases/{case_id}")
    items = (await there.operations.get(f"/v1/cases/{case_id}/handover"))["items"]
    waits = items[-1] if items and items[-1]["answer"] is None else None
    message = None
    if case["decisions"]:
        message = await there.operations.maybe(f"/v1/cases/{case_id}/handover/message")
    return there.form("handover.html", values, faults, case=case, items=items, waits=waits, message=message)


@router.get("/cases/{case_id}/reopening")
async def show_reopening(request: Request, case_id: UUID) -> Response:
    """The form to open a referral again."""
    there = visit(request, "decision:write")
    return await _reopening(there, case_id, await there.kept(), Faults())


@router.post("/cases/{case_id}/reopening")
async def reopen(request: Request, case_id: UUID) -> Response:
    """Somebody decides anew on the children who were chosen."""
    there, fields = await posted(request, "decision:write")
    faults = Faults()
    cases = await family(there, case_id)
    wanted = [one["case_id"] for one in cases if f"child.{one['child_number']}" in fields]
    if not wanted:
        faults.add("chosen", "Select at least one child")
    faults.needed(fields, reason="Enter why the referral is opened again")
    if not faults:
        body = {"reason": fields["reason"], "case_ids": wanted}
        path = f"/v1/referrals/{cases[0]['reference']}/reopening"
        await attempt(there.operations.post(path, body, fields.get("key")), faults, fields)
        if not faults:
            return await there.done(f"/console/cases/{case_id}/family", "reopened")
    return await _reopening(there, case_id, fields, faults)


async def _reopening(there: Visit, case_id: UUID, values: Mapping[str, str], faults: Faults) -> Response:
    cases = await family(there, case_id)
    here = next(one for one in cases if one["case_id"] == str(case_id))
    return there.form("reopening.html", values, faults, case=here, cases=cases)
