"""Panels: who meets when, one meeting's agenda with what came of each child, and the lists that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from libs.platform.problems import Problem
from services.triage.console.forms import Faults, attempt, read_day, whole
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute

CSV = "text/csv"

router = APIRouter(prefix="/console", route_class=ConsoleRoute, include_in_schema=False)


@router.get("/panels")
async def show_panels(request: Request) -> Response:
    """Every panel with its next meetings, and the lists."""
    there = visit(request, "queue:read")
    found = await there.operations.get("/v1/panels")
    return there.page("panels.html", panels=found["panels"], lists=found["lists"])


@router.get("/panels/{panel}/{day}")
async def show_agenda(request: Request, panel: str, day: date) -> Response:
    """One meeting."""
    there = visit(request, "case:read")
    return await _agenda(there, panel, day, await there.kept(), Faults())


@router.post("/panels/{panel}/{day}")
async def write_down(request: Request, panel: str, day: date) -> Response:
    """What the panel came to about a child, or who was there."""
    there, fields = await posted(request, "panel:write")
    faults = Faults()
    path = f"/v1/panels/{_segment(panel)}/meetings/{day}"
    if fields.get("action") == "members":
        faults.needed(fields, chair="Enter who chaired the meeting")
        present = [
            {"agency": name.removeprefix("present."), "name": value}
            for name, value in fields.items()
            if name.startswith("present.") and value
        ]
        if not faults:
            body: dict[str, Any] = {"chair": fields["chair"], "present": present}
            await attempt(there.operations.put(f"{path}/members", body), faults, fields)
        said = "members"
    else:
        case, number = _case(fields), whole(fields.get("corrects", ""))
        if number is not None:
            faults.needed(fields, **{f"reason.{case}": "Enter why the outcome is corrected"})
        faults.needed(
            fields,
            **{
                f"outcome.{case}": "Select what the panel came to",
                f"note.{case}": "Enter what the panel agreed, and why",
            },
        )
        review_on = read_day(fields, f"review_{case}", faults)
        again_on = read_day(fields, f"again_{case}", faults)
        if not faults:
            body = {"outcome": fields[f"outcome.{case}"], "note": fields[f"note.{case}"]}
            body |= {"review_on": review_on, "again_on": again_on}
            if number is None:
                call = there.operations.put(f"{path}/items/{case}", body)
            else:
                body |= {"corrects": number, "reason": fields[f"reason.{case}"]}
                call = there.operations.put(f"{path}/items/{case}/correction", body)
            await attempt(call, faults, fields)
        said = "outcome" if number is None else "outcome-corrected"
    if not faults:
        return await there.done(there.path, said)
    return await _agenda(there, panel, day, fields, faults)


@router.get("/panels/{panel}/{day}/export")
async def export_agenda(request: Request, panel: str, day: date) -> Response:
    """The agenda as a table for a spreadsheet."""
    there = visit(request, "case:read")
    return await _table(there, f"/v1/panels/{_segment(panel)}/meetings/{day}")


async def _agenda(there: Visit, panel: str, day: date, values: Mapping[str, str], faults: Faults) -> Response:
    agenda = await there.operations.get(f"/v1/panels/{_segment(panel)}/meetings/{day}")
    names = {one["agency"]: one["name"] for one in agenda["present"]}
    return there.form("agenda.html", values, faults, agenda=agenda, names=names)


@router.get("/lists/{name}")
async def show_list(request: Request, name: str) -> Response:
    """A list of children, to print."""
    there = visit(request, "case:read")
    return there.page("list.html", list=await there.operations.get(f"/v1/lists/{_segment(name)}"), name=name)


@router.get("/lists/{name}/export")
async def export_list(request: Request, name: str) -> Response:
    """The same as a table for a spreadsheet."""
    return await _table(visit(request, "case:read"), f"/v1/lists/{_segment(name)}")


async def _table(there: Visit, path: str) -> Response:
    answer = await there.operations.export(path, CSV)
    headers = {"cache-control": "no-store", "content-disposition": answer.headers["content-disposition"]}
    return Response(answer.content, media_type=CSV, headers=headers)


def settled(item: Mapping[str, Any]) -> dict[str, str]:
    """What was written down about a child of an agenda, as the form that corrects it shows it."""
    case = item["case_id"]
    fields = {f"outcome.{case}": item["outcome"] or "", f"note.{case}": item["note"] or ""}
    if item["review_on"]:
        on = date.fromisoformat(item["review_on"])
        parts = {"day": on.day, "month": on.month, "year": on.year}
        fields |= {f"review_{case}-{part}": str(number) for part, number in parts.items()}
    return fields


def _segment(text: str) -> str:
    """A part of a path that names a panel or a list. Raises Problem 404 for what no such name can be."""
    if not text.isascii() or not text.replace("_", "").replace("-", "").isalnum():
        raise Problem(404, "not-found", "There is no such page")
    return text


def _case(fields: Mapping[str, str]) -> UUID:
    try:
        return UUID(fields.get("case", ""))
    except ValueError:
        raise Problem(404, "case-not-found", "There is no such case") from None
