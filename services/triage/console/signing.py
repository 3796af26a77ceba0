"""Signing a decision that somebody else made, or returning it to them."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from libs.platform.problems import Problem
from services.triage.console.case import child_of
from services.triage.console.forms import Faults
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute
from services.triage.console.words import changed

SCOPE = "decision:write"

router = APIRouter(
    prefix="/console/cases/{case_id}/sign-off", route_class=ConsoleRoute, include_in_schema=False
)


@router.get("")
async def show_proposal(request: Request, case_id: UUID) -> Response:
    """The decision that waits, and why it needs a signature."""
    there = visit(request, SCOPE)
    return await _shown(there, case_id, await there.kept(), Faults())


@router.post("")
async def sign(request: Request, case_id: UUID) -> Response:
    """Signed, or returned."""
    there, fields = await posted(request, SCOPE)
    faults = Faults()
    agree = fields.get("agree")
    if agree not in ("yes", "no"):
        faults.add("agree", "Select whether you sign")
    if agree == "no":
        faults.needed(fields, note="Enter why you return the decision")
    if not faults:
        body = {"agree": agree == "yes", "note": fields.get("note") or None}
        try:
            await there.operations.put(f"/v1/cases/{case_id}/sign-off", body, fields.get("tag") or '"none"')
            return await there.done(f"/console/cases/{case_id}", "signed" if agree == "yes" else "returned")
        except Problem as problem:
            if problem.code != "changed-meanwhile":
                raise
            told = changed(problem.extra.get("changed", []))
            faults.add("form", f"The case has changed since you opened this page: {told}. Read it again")
            fields = {**fields, "tag": ""}
    return await _shown(there, case_id, fields, faults)


async def _shown(there: Visit, case_id: UUID, values: Mapping[str, str], faults: Faults) -> Response:
    case, tag = await there.operations.read(f"/v1/cases/{case_id}")
    waits = case["proposal"] if case["stage"] == "sign_off" else None
    return there.page(
        "signing.html",
        status=422 if faults else 200,
        case=case,
        child=child_of(case),
        waits=waits,
        labels={task["kind"]: task["label"] for task in case["tasks"]},
        own=waits is not None and waits["proposal"]["proposed_by"] == there.session.subject,
        values=values,
        wrong=faults.texts,
        errors=faults.summary,
        tag=values.get("tag") or tag,
        live=[case["case_id"]],
    )
