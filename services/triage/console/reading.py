"""Reading the referrer's words, and adding what staff were told: both state facts of the dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from libs.platform.problems import Problem
from services.triage.console.case import child_of
from services.triage.console.forms import Faults, fact_groups, read_facts, refused
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute
from services.triage.console.words import BASES, changed

SCOPE = "decision:write"

router = APIRouter(
    prefix="/console/cases/{case_id}/reading", route_class=ConsoleRoute, include_in_schema=False
)


@router.get("")
async def show_words(request: Request, case_id: UUID) -> Response:
    """The words, and the form beside them."""
    there = visit(request, SCOPE)
    return await _shown(there, case_id, await there.kept(), Faults())


@router.post("")
async def keep_reading(request: Request, case_id: UUID) -> Response:
    """Keeps a reading, or shows what is wrong with it."""
    there, fields = await posted(request, SCOPE)
    faults = Faults()
    facts = read_facts(
        fact_groups(there.console.dictionary), fields, faults, basis=fields.get("basis") or "record"
    )
    if facts and fields.get("basis") not in BASES:
        faults.add("basis", "Select how the referrer knows it")
    if fields.get("immediate_danger") not in ("yes", "no"):
        faults.add("immediate_danger", "Select whether the words tell of danger now")
    faults.long(fields, "note")
    if not faults:
        body = {
            "facts": facts,
            "immediate_danger": fields["immediate_danger"] == "yes",
            "note": fields.get("note") or None,
        }
        try:
            await there.operations.put(f"/v1/cases/{case_id}/reading", body, fields.get("tag") or '"none"')
            return await there.done(f"/console/cases/{case_id}", "read")
        except Problem as problem:
            if problem.code == "changed-meanwhile":
                told = changed(problem.extra.get("changed", []))
                faults.add("form", f"It has changed since you opened this page: {told}. Read it again below")
                fields = {**fields, "tag": ""}
            elif problem.status == 422:
                refused(problem, faults, fields)
            else:
                raise
    return await _shown(there, case_id, fields, faults)


async def _shown(there: Visit, case_id: UUID, values: Mapping[str, str], faults: Faults) -> Response:
    case, tag = await there.operations.read(f"/v1/cases/{case_id}")
    return there.page(
        "reading.html",
        status=422 if faults else 200,
        case=case,
        evidence=case["evidence"],
        child=child_of(case),
        groups=fact_groups(there.console.dictionary),
        bases=list(BASES.items()),
        values=values,
        wrong=faults.texts,
        errors=faults.summary,
        tag=values.get("tag") or tag,
        live=[case["case_id"]],
    )
