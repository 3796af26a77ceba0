"""A child's chronology: as a picture over time, and as a table that says the same."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.triage.console.case import child_of
from services.triage.console.frame import visit
from services.triage.console.given import ConsoleRoute
from services.triage.console.picture import pictures

SCOPE = "case:read"

router = APIRouter(
    prefix="/console/cases/{case_id}/chronology", route_class=ConsoleRoute, include_in_schema=False
)


@router.get("")
async def show_chronology(request: Request, case_id: UUID) -> Response:
    """Everything that is known to have happened."""
    there = visit(request, SCOPE)
    case = await there.operations.get(f"/v1/cases/{case_id}")
    entries = (await there.operations.get(f"/v1/cases/{case_id}/chronology"))["items"]
    return there.page(
        "chronology.html",
        case=case,
        child=child_of(case),
        entries=entries,
        pictures=pictures(entries),
        live=[case["case_id"]],
    )
