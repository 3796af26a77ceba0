"""The board's numbers over a time: clocks that ran out, departures, challenges, tools used. They name nobody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.triage.console.challenges import OUTCOMES
from services.triage.console.clocks import KINDS
from services.triage.console.forms import Faults, read_day
from services.triage.console.frame import texts, visit
from services.triage.console.given import ConsoleRoute
from services.triage.console.words import LONDON

USUAL = timedelta(days=90)
router = APIRouter(prefix="/console/numbers", route_class=ConsoleRoute, include_in_schema=False)


@router.get("")
async def show_numbers(request: Request) -> Response:
    """The numbers from one day to another, both of them counted; of the last 90 days where none is chosen."""
    there = visit(request, "queue:read")
    faults, asked = Faults(), texts(request.query_params)
    now = there.console.clock.now()
    today = now.astimezone(LONDON).date()
    last = _day(asked, "to", faults, now) or today
    first = _day(asked, "from", faults, now) or last - USUAL
    if first > last:
        faults.add("from-day", "The first day must be before the last")
    days = {"from": first.isoformat(), "to": last.isoformat()}
    instants = {"from": _midnight(first), "to": _midnight(last + timedelta(days=1))}
    get = there.operations.get
    found = None
    if not faults:
        found = {
            "breaches": await get("/v1/clocks/breaches/counts", **instants),
            "departures": await get("/v1/departures", **instants),
            "challenges": await get("/v1/challenges/counts", **instants),
            "tools": await get("/v1/tools/counts", **days),
        }
    return there.form(
        "numbers.html",
        {**_fields("from", first), **_fields("to", last), **asked},
        faults,
        found=found,
        days=days,
        kinds=KINDS,
        outcomes=OUTCOMES,
    )


def _day(asked: Mapping[str, str], name: str, faults: Faults, now: datetime) -> date | None:
    found = read_day(asked, name, faults, now=now)
    return None if found is None else date.fromisoformat(found)


def _fields(name: str, on: date) -> dict[str, str]:
    return {f"{name}-day": str(on.day), f"{name}-month": str(on.month), f"{name}-year": str(on.year)}


def _midnight(on: date) -> str:
    return datetime.combine(on, time(), LONDON).isoformat()
