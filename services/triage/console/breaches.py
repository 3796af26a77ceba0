"""Clocks that ran out and for which nobody has given the reason yet: a manager asks for it, or gives it here."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from libs.platform.problems import Problem
from libs.schemas.base import Identifier
from services.triage.console.clocks import KINDS
from services.triage.console.forms import Faults, attempt
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute

SHOWN = 50
_CLOCK: TypeAdapter[str] = TypeAdapter(Identifier)

router = APIRouter(prefix="/console/breaches", route_class=ConsoleRoute, include_in_schema=False)


@router.get("")
async def show_breaches(request: Request) -> Response:
    """Those that wait longest first, of every team or of one."""
    there = visit(request, "queue:read")
    return await _shown(there, await there.kept(), Faults())


@router.post("")
async def explain(request: Request) -> Response:
    """Says why a clock of a case ran out."""
    there, fields = await posted(request, "case:write")
    faults, about = Faults(), fields.get("action", "")
    case_id, clock = _named(about)
    note, why = f"note.{about}", f"why.{about}"
    faults.needed(fields, **{note: "Enter what happened", why: "Select the kind of reason"})
    faults.long(fields, note)
    if not faults:
        body = {"reason": fields[note], "why": fields[why]}
        await attempt(
            there.operations.put(f"/v1/cases/{case_id}/clocks/{clock}/breach", body), faults, fields
        )
    if not faults:
        return await there.done(there.path, "clock", **_chosen(request))
    return await _shown(there, fields, faults)


def _named(about: str) -> tuple[UUID, str]:
    """The case and the clock that a form of the page is about. Raises Problem 422: no page of ours sends another."""
    case_id, _, clock = about.partition(".")
    try:
        return UUID(case_id), _CLOCK.validate_python(clock)
    except ValueError:
        raise Problem(422, "breach-not-named", "Choose a clock that ran out") from None


def _chosen(request: Request) -> dict[str, str]:
    team = request.query_params.get("team")
    return {"team": team} if team else {}


async def _shown(there: Visit, values: Mapping[str, str], faults: Faults) -> Response:
    chosen = _chosen(there.request)
    found = (await there.operations.get("/v1/clocks/breaches", limit=SHOWN + 1, **chosen))["items"]
    items = _by_clock(found[:SHOWN])
    waiting = (await there.operations.get("/v1/queue/counts"))["counts"]
    return there.form(
        "breaches.html",
        values,
        faults,
        items=items,
        more=len(found) > SHOWN,
        teams=sorted({one["team"] for one in (*items, *waiting)} | {*chosen.values()}),
        chosen=chosen,
        action=f"{there.path}?{urlencode(chosen)}" if chosen else there.path,
        kinds=KINDS,
    )


def _by_clock(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry for each clock of a case, with every time that it ran out: one reason is given for all of them."""

    def about(one: dict[str, Any]) -> str:
        return f"{one['case_id']}.{one['clock']}"

    gathered = {key: list(group) for key, group in groupby(sorted(found, key=about), about)}
    return [
        {**times[0], "about": key, "due": [one["due_at"] for one in times]}
        for key, times in sorted(gathered.items(), key=lambda one: one[1][0]["due_at"])
    ]
