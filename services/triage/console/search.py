"""Search: by POST, so that nothing of what was looked for is in an address; the result says codes and times only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.triage.console.forms import Faults, attempt, read_day
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute, given

SCOPE = "case:read"
TEXTS = ("name", "reference", "nhs_number", "upn", "postcode")

router = APIRouter(prefix="/console/search", route_class=ConsoleRoute, include_in_schema=False)


@router.get("")
async def show_search(request: Request) -> Response:
    """The empty form. What somebody looked for is never kept as a draft to come back to."""
    there = visit(request, SCOPE)
    sent = given(request)
    return _form(there, {} if sent is None else sent.fields, Faults(), None)


@router.post("")
async def search(request: Request) -> Response:
    """The cases that answer everything that was given."""
    there, fields = await posted(request, SCOPE, drafts=False)
    faults = Faults()
    born = read_day(fields, "born", faults, now=there.console.clock.now())
    body: dict[str, Any] = {name: fields[name] for name in TEXTS if fields.get(name)}
    for name in ("nhs_number", "upn"):
        if name in body:
            body[name] = "".join(body[name].split()).upper()
    if born is not None:
        body["date_of_birth"] = born
    if not body and not faults:
        faults.add("name", "Enter at least one thing to look for")
    found = None
    if not faults:
        found = await attempt(there.operations.post("/v1/search", body), faults, fields)
    return _form(there, fields, faults, found)


def _form(
    there: Visit, values: Mapping[str, str], faults: Faults, found: Mapping[str, Any] | None
) -> Response:
    return there.form("search.html", values, faults, found=found)
