"""Alerts: red work about which people on call are told, until one of them says that they have it."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from libs.platform.problems import Problem
from services.triage.console.forms import Faults, attempt
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute

SCOPE = "queue:read"

router = APIRouter(prefix="/console/alerts", route_class=ConsoleRoute, include_in_schema=False)


@router.get("")
async def show_alerts(request: Request) -> Response:
    """The alerts that nobody has taken yet, and on demand those that somebody has."""
    there = visit(request, SCOPE)
    return await _shown(there, await there.kept(), Faults())


@router.post("")
async def acknowledge(request: Request) -> Response:
    """Takes an alert: nobody else is called."""
    there, fields = await posted(request, "case:write")
    faults = Faults()
    try:
        alert = UUID(fields.get("alert", ""))
    except ValueError:
        raise Problem(404, "alert-not-found", "There is no such alert") from None
    body = {"note": fields["note"]} if fields.get("note") else {}
    await attempt(there.operations.put(f"/v1/alerts/{alert}/acknowledgement", body), faults, fields)
    if not faults:
        return await there.done(there.path, "acknowledged")
    return await _shown(there, fields, faults)


async def _shown(there: Visit, values: Mapping[str, str], faults: Faults) -> Response:
    ended = there.request.query_params.get("ended") == "yes"
    page = await there.operations.get("/v1/alerts", ended="true" if ended else None, limit=100)
    return there.form("alerts.html", values, faults, alerts=page["items"], more=page["more"], ended=ended)
