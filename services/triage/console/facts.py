"""Facts from staff: what somebody was told by telephone, saw on a visit or read in a record, and changing it later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from libs.platform.problems import Problem
from libs.schemas.levels import Level
from services.triage.console.case import child_of
from services.triage.console.forms import FACT, Faults, attempt, fact_groups, read_day, read_facts
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute
from services.triage.console.words import BASES

SCOPE = "case:write"
SOURCES: Mapping[str, str] = {
    "child": "The child",
    "family": "The family",
    "professional": "A professional",
    "agency": "An agency, for its records",
    "public": "Somebody else",
    "staff": "I saw it myself",
}
WAYS: Mapping[str, str] = {
    "telephone": "By telephone",
    "visit": "On a visit",
    "meeting": "In a meeting",
    "record": "From a record",
    "written": "In writing",
}

router = APIRouter(prefix="/console/cases/{case_id}/facts", route_class=ConsoleRoute, include_in_schema=False)


@router.get("")
async def show_form(request: Request, case_id: UUID) -> Response:
    """The form to add what was told, with the entries so far."""
    there = visit(request, SCOPE)
    return await _shown(there, case_id, await there.kept(), Faults())


@router.post("")
async def add(request: Request, case_id: UUID) -> Response:
    """Adds it; it counts at once."""
    there, fields = await posted(request, SCOPE)
    faults = Faults()
    body = _told(there, fields, faults)
    if not faults:
        before = await there.operations.get(f"/v1/cases/{case_id}")
        kept = await attempt(
            there.operations.post(f"/v1/cases/{case_id}/facts", body, fields.get("key")), faults, fields
        )
        if not faults:
            then = None if before["recommendation"] is None else before["recommendation"]["level"]
            rose = then is not None and kept["level"] is not None and Level(kept["level"]) > Level(then)
            said = "fact-raised" if rose else "fact-added"
            return await there.done(f"/console/cases/{case_id}", said)
    return await _shown(there, case_id, fields, faults)


@router.get("/{entry_id}")
async def show_entry(request: Request, case_id: UUID, entry_id: UUID) -> Response:
    """One entry as it counts now, to be corrected or taken back."""
    there = visit(request, SCOPE)
    values = await there.kept()
    entry = await _entry(there, case_id, entry_id)
    return await _shown(there, case_id, values or _as_fields(entry), Faults(), entry)


@router.post("/{entry_id}")
async def change(request: Request, case_id: UUID, entry_id: UUID) -> Response:
    """Corrects the entry, or takes it back, with the reason."""
    there, fields = await posted(request, SCOPE)
    faults = Faults()
    path = f"/v1/cases/{case_id}/facts/{entry_id}"
    faults.needed(fields, reason="Enter why it is changed")
    if fields.get("action") == "retract":
        if not faults:
            call = there.operations.put(f"{path}/retraction", {"reason": fields["reason"]})
            await attempt(call, faults, fields)
    else:
        body = _told(there, fields, faults)
        if not faults:
            call = there.operations.put(f"{path}/correction", {**body, "reason": fields["reason"]})
            await attempt(call, faults, fields)
    if not faults:
        said = "taken-back" if fields.get("action") == "retract" else "corrected"
        return await there.done(f"/console/cases/{case_id}", said)
    return await _shown(there, case_id, fields, faults, await _entry(there, case_id, entry_id))


def _told(there: Visit, fields: Mapping[str, str], faults: Faults) -> dict[str, Any]:
    facts = read_facts(
        fact_groups(there.console.dictionary), fields, faults, basis=fields.get("basis") or "record"
    )
    if facts and fields.get("basis") not in BASES:
        faults.add("basis", "Select how it is known")
    if fields.get("source") not in SOURCES:
        faults.add("source", "Select whose word it is")
    if fields.get("source") == "agency":
        faults.needed(fields, agency="Select the agency")
    if fields.get("how") not in WAYS:
        faults.add("how", "Select how you came to know it")
    if fields.get("immediate_danger") not in ("yes", "no"):
        faults.add("immediate_danger", "Select whether it tells of danger now")
    on = read_day(fields, "on", faults, now=there.console.clock.now())
    if on is None:
        faults.add("on-day", "Enter the day of the call, the visit or the entry")
    if not facts and not fields.get("note") and not faults:
        faults.add("note", "State at least one fact, or write a note")
    faults.long(fields, "note")
    return {
        "facts": facts,
        "immediate_danger": fields.get("immediate_danger") == "yes",
        "source": fields.get("source"),
        "agency": fields.get("agency") or None if fields.get("source") == "agency" else None,
        "said_by": fields.get("said_by") or None,
        "how": fields.get("how"),
        "on": on,
        "note": fields.get("note") or None,
    }


async def _entry(there: Visit, case_id: UUID, entry_id: UUID) -> dict[str, Any]:
    case = await there.operations.get(f"/v1/cases/{case_id}")
    for one in case["evidence"]["findings"]:
        if one["finding"]["id"] == str(entry_id):
            found: dict[str, Any] = one
            return found
    raise Problem(404, "entry-not-found", "There is no such entry")


def _as_fields(entry: Mapping[str, Any]) -> dict[str, str]:
    """What an entry says now, as the form shows it."""
    changes = entry["changes"]
    told = changes[-1]["told"] if changes and changes[-1]["told"] is not None else entry["finding"]
    year, month, day = str(told["on"]).split("-")
    fields = {
        "source": told["source"],
        "agency": told["agency"] or "",
        "said_by": told["said_by"] or "",
        "how": told["how"],
        "note": told["note"] or "",
        "immediate_danger": "yes" if told["immediate_danger"] else "no",
        "on-day": str(int(day)),
        "on-month": str(int(month)),
        "on-year": year,
    }
    for fact in told["facts"]:
        value = fact["value"]
        fields[f"{FACT}{fact['fact']}"] = (
            {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        )
        fields["basis"] = fact["basis"]
    return fields


async def _shown(
    there: Visit,
    case_id: UUID,
    values: Mapping[str, str],
    faults: Faults,
    entry: Mapping[str, Any] | None = None,
) -> Response:
    case = await there.operations.get(f"/v1/cases/{case_id}")
    return there.form(
        "facts.html",
        values,
        faults,
        case=case,
        child=child_of(case),
        entry=entry,
        groups=fact_groups(there.console.dictionary),
        bases=list(BASES.items()),
        sources=list(SOURCES.items()),
        ways=list(WAYS.items()),
        agencies=there.console.dictionary.agencies,
    )
