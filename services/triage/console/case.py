"""One child's case: the evidence before the evaluation, who works on it, and what else can be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from libs.platform.problems import Problem
from services.triage.console.forms import Faults
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute, given

SCOPE = "case:read"
SPOKEN = frozenset(("returned", "nothing_held"))

router = APIRouter(prefix="/console/cases/{case_id}", route_class=ConsoleRoute, include_in_schema=False)


@router.get("")
async def show_case(request: Request, case_id: UUID) -> Response:
    """The whole case."""
    there = visit(request, SCOPE)
    try:
        return await _shown(there, case_id, await there.kept(), Faults())
    except Problem as problem:
        if problem.code != "case-not-found" or given(request) is not None:
            raise
        return there.page("absent.html", status=404, wanted=case_id)


@router.post("")
async def work_on_case(request: Request, case_id: UUID) -> Response:
    """The pen and the allocation."""
    there, fields = await posted(request, SCOPE)
    path, operations = f"/v1/cases/{case_id}", there.operations
    action, faults = fields.get("action"), Faults()
    if action == "claim":
        await operations.put(f"{path}/claim", {})
        return await there.done(there.path, "claimed")
    if action == "release":
        await operations.delete(f"{path}/claim")
        return await there.done(there.path, "released")
    if action == "take-over":
        faults.needed(fields, take_over_because="Enter why you take the case over")
        if not faults:
            await operations.put(f"{path}/claim", {"take_over_because": fields["take_over_because"]})
            return await there.done(there.path, "taken-over")
    if action == "allocate":
        faults.needed(fields, worker="Enter the worker")
        worker = there.people.account(fields.get("worker", ""), "worker", faults)
        if not faults:
            reason = {"reason": fields["reason"]} if fields.get("reason") else {}
            try:
                await operations.put(f"{path}/allocation", {"worker": worker, **reason})
                return await there.done(there.path, "allocated")
            except Problem as problem:
                if problem.status != 422:
                    raise
                faults.add("reason", "Enter why the case changes hands")
    if action == "mine":
        await operations.put(f"{path}/allocation", {"worker": there.session.subject})
        return await there.done(there.path, "allocated")
    return await _shown(there, case_id, fields, faults)


async def _shown(there: Visit, case_id: UUID, values: Mapping[str, str], faults: Faults) -> Response:
    path = f"/v1/cases/{case_id}"
    case, tag = await there.operations.read(path)
    attendance = await there.operations.get(f"{path}/attendance")
    claim = attendance["claim"]
    return there.page(
        "case.html",
        status=422 if faults else 200,
        case=case,
        evidence=case["evidence"],
        child=child_of(case),
        attendance=attendance,
        mine=claim is not None and claim["holder"] == there.session.subject,
        missing=missing(case),
        values=values,
        wrong=faults.texts,
        errors=faults.summary,
        live=[case["case_id"]],
        tag=tag,
    )


def child_of(case: Mapping[str, Any]) -> Mapping[str, Any]:
    """The child as staff corrected it last, or as the referrer gave it."""
    evidence = case["evidence"]
    if evidence["corrected"]:
        found: Mapping[str, Any] = evidence["corrected"][-1]
        return found
    received = evidence["received"]
    return (received and received["child"]) or {}


def missing(case: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The agencies that have not said what they hold, whatever the reason."""
    return [one for one in case["evidence"]["agencies"] if one["state"] not in SPOKEN]
