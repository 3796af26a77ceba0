"""The operations of panels and lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from libs.messaging.ledger import Ledger
from libs.platform.auth import Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.problems import Problem, responses
from libs.schemas.base import Identifier, IsoDate
from services.triage.access import note
from services.triage.panels.lists import ListView, list_of
from services.triage.panels.panels import Panels
from services.triage.panels.spreadsheet import agenda_as_csv, list_as_csv
from services.triage.panels.views import Agenda, CorrectionBody, MembersBody, OutcomeBody, PanelsView
from services.triage.restricted.rights import on_case

QueueReader = Annotated[Principal, requires("queue:read")]
CaseReader = Annotated[Principal, requires("case:read")]
Panelist = Annotated[Principal, requires("panel:write")]
ChildsPanelist = Annotated[Principal, on_case("panel:write")]

READS = responses(400, 401, 403, 404, 422, 503)
CSV = "text/csv"
TABLES = {**READS, 200: {"content": {CSV: {"schema": {"type": "string"}}}}}
WRITES = responses(400, 401, 403, 404, 409, 413, 415, 422, 503)


@dataclass(frozen=True, slots=True)
class Chamber:
    """What the operations work with; set as `app.state.chamber`."""

    ledger: Ledger
    panels: Panels


async def _chamber(request: Request) -> Chamber:
    chamber: Chamber = request.app.state.chamber
    return chamber


InChamber = Annotated[Chamber, Depends(_chamber)]
PanelId = Annotated[Identifier, Path(description="The panel, by its id.")]
Day = Annotated[IsoDate, Path(description="The day of the meeting.")]

router = APIRouter(prefix="/v1", tags=["panels"])


@router.get("/panels", responses=responses(401, 403, 503), summary="The panels and their next meetings")
async def list_panels(caller: QueueReader, chamber: InChamber) -> PanelsView:
    """How many children stand on each agenda, and when it closes."""
    now = chamber.ledger.clock.now()
    async with chamber.ledger.pool.acquire() as connection:
        await note(connection, now, caller, "panels.read")
        return await chamber.panels.overview(connection, caller, now)


@router.get(
    "/panels/{panel}/meetings/{day}",
    responses=TABLES,
    summary="One meeting's agenda, to print or export",
    response_model=Agenda,
)
async def read_agenda(
    request: Request, caller: CaseReader, panel: PanelId, day: Day, chamber: InChamber
) -> Agenda | Response:
    """The children who stand on it, who sits there, and what was come to: JSON, or with `Accept: text/csv` a table of
    the children. Reading is recorded for every child.
    """
    async with chamber.ledger.pool.acquire() as connection:
        agenda = await chamber.panels.agenda(connection, panel, day, caller)
    return _file(agenda_as_csv(agenda), f"{panel}-{day}") if _as_table(request) else agenda


@router.put(
    "/panels/{panel}/meetings/{day}/items/{case_id}",
    responses=WRITES,
    openapi_extra=json_body(OutcomeBody),
    summary="Write down what the panel came to about a child",
)
async def settle_item(
    request: Request, caller: ChildsPanelist, panel: PanelId, day: Day, case_id: UUID, chamber: InChamber
) -> Agenda:
    """Outcome, note and review date. Where the outcome says so, somebody decides anew on the child."""
    body, _ = await read_json_body(request, OutcomeBody)
    return await chamber.panels.settle(panel, day, case_id, body, caller)


@router.put(
    "/panels/{panel}/meetings/{day}/items/{case_id}/correction",
    responses=WRITES,
    openapi_extra=json_body(CorrectionBody),
    summary="Correct what the panel came to about a child",
)
async def correct_item(
    request: Request, caller: ChildsPanelist, panel: PanelId, day: Day, case_id: UUID, chamber: InChamber
) -> Agenda:
    """With a reason; what was written down before stays on record, and what followed from it is not taken back. 409
    where somebody else corrected it first.
    """
    body, _ = await read_json_body(request, CorrectionBody)
    return await chamber.panels.settle(panel, day, case_id, body, caller)


@router.put(
    "/panels/{panel}/meetings/{day}/members",
    responses=WRITES,
    openapi_extra=json_body(MembersBody),
    summary="Write down who sat on the panel",
)
async def keep_members(
    request: Request, caller: Panelist, panel: PanelId, day: Day, chamber: InChamber
) -> Agenda:
    """Who was there for which agency; an agency without anybody shows as missing."""
    body, _ = await read_json_body(request, MembersBody)
    now = chamber.ledger.clock.now()
    async with chamber.ledger.pool.acquire() as connection, connection.transaction():
        await chamber.panels.keep_members(connection, panel, day, body, caller)
        await note(connection, now, caller, "panel.members")
        return await chamber.panels.agenda(connection, panel, day, caller)


@router.get(
    "/lists/{name}",
    responses=TABLES,
    summary="A list of children, to print or export",
    response_model=ListView,
)
async def read_list(
    request: Request,
    caller: CaseReader,
    name: Annotated[Identifier, Path(description="The list, by its name.")],
    chamber: InChamber,
) -> ListView | Response:
    """JSON, or with `Accept: text/csv` a table. Reading is recorded for every child."""
    kept = chamber.panels.programme.lists.get(name)
    if kept is None:
        raise Problem(404, "list-not-found", "There is no such list")
    now = chamber.ledger.clock.now()
    async with chamber.ledger.pool.acquire() as connection:
        view = await list_of(connection, chamber.ledger.codec, kept, caller, now)
        for item in view.items:
            await note(connection, now, caller, "list.read", item.case_id)
    day = chamber.panels.programme.calendar.day(now)
    return _file(list_as_csv(view), f"{kept.id}-{day}") if _as_table(request) else view


def _as_table(request: Request) -> bool:
    return CSV in request.headers.get("accept", "")


def _file(table: str, name: str) -> Response:
    disposition = f'attachment; filename="{name}.csv"'
    return Response(table, media_type=CSV, headers={"Content-Disposition": disposition})
