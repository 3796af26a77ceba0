"""The operations of tools used."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from libs.platform.auth import Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.idempotency import IdempotencyKey
from libs.platform.problems import responses
from libs.schemas.base import IsoDate
from services.triage.restricted.rights import on_case
from services.triage.tools.catalogue import ToolBody
from services.triage.tools.record import ToolsUsed, ToolView
from services.triage.tools.tools import ToolCounts, Tools

Reader = Annotated[Principal, on_case("case:read")]
Worker = Annotated[Principal, on_case("case:write")]
Counter = Annotated[Principal, requires("queue:read")]

READS = responses(400, 401, 403, 404, 422, 503)
WRITES = responses(400, 401, 403, 404, 409, 413, 415, 422, 503)
YEAR = timedelta(days=365)


async def _tools(request: Request) -> Tools:
    tools: Tools = request.app.state.tools
    return tools


InTools = Annotated[Tools, Depends(_tools)]

router = APIRouter(prefix="/v1", tags=["tools used"])


@router.get("/cases/{case_id}/tools", responses=READS, summary="Which tools were used about a child")
async def read_tools(caller: Reader, case_id: UUID, tools: InTools) -> ToolsUsed:
    """Which, when, by whom, and with what result. What was left open is unknown. Reading is recorded."""
    return await tools.of_case(case_id, caller)


@router.post(
    "/cases/{case_id}/tools",
    status_code=201,
    responses=WRITES,
    openapi_extra=json_body(ToolBody),
    summary="Record that a tool was used",
)
async def record_tool(
    request: Request, caller: Worker, case_id: UUID, key: IdempotencyKey, tools: InTools
) -> ToolView:
    """Where an obliged action asks for the tool, its task is done with it. Where its yes answers count for a fact, as
    those of a DASH do, the child is evaluated at once, every question that was left open being unknown; the entry is
    corrected and taken back as any other of staff. What else it tells of the child counts once it is added as facts.
    """
    body, fingerprint = await read_json_body(request, ToolBody)
    return await tools.record(case_id, body, caller, key, fingerprint)


@router.get("/tools/counts", responses=READS, summary="How often each tool was used")
async def count_tools(
    request: Request,
    caller: Counter,
    tools: InTools,
    first: Annotated[
        IsoDate | None, Query(alias="from", description="First day; a year ago where it is absent.")
    ] = None,
    last: Annotated[IsoDate | None, Query(alias="to", description="Last day; today where absent.")] = None,
) -> ToolCounts:
    """By tool and result, over the days on which they were used. Numbers only."""
    today = request.app.state.hub.day(request.app.state.office.ledger.clock.now())
    last = last or today
    return await tools.counts(first or last - YEAR, last, caller)
