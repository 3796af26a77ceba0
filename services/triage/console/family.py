"""The family: the children of one referral side by side, what they share once, and which of them to decide together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from libs.platform.problems import Problem
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute
from services.triage.console.words import sentence, words

SCOPE = "case:read"
CHOSEN = "child."
ENDED_ON: Mapping[str, str] = {
    "to_be_read": "/reading",
    "undecided": "/decision",
    "signature": "/sign-off",
    "hand_over": "/handover",
    "task": "/tasks",
}
"""The page of a case on which somebody ends what keeps its referral open; elsewhere the case itself."""

DECIDERS = frozenset(("to_be_read", "undecided", "signature"))
"""What only somebody who decides may end."""

router = APIRouter(
    prefix="/console/cases/{case_id}/family", route_class=ConsoleRoute, include_in_schema=False
)


@router.get("")
async def show_family(request: Request, case_id: UUID) -> Response:
    """Every child of the case's referral."""
    there = visit(request, SCOPE)
    try:
        return await _shown(there, case_id, {})
    except Problem as problem:
        if problem.code != "case-not-found":
            raise
        return there.page("absent.html", status=404, wanted=case_id)


@router.post("")
async def decide_together(request: Request, case_id: UUID) -> Response:
    """On to deciding for the children who were chosen."""
    there, fields = await posted(request, SCOPE)
    chosen = [name.removeprefix(CHOSEN) for name in fields if name.startswith(CHOSEN)]
    if not chosen:
        return await _shown(there, case_id, {"chosen": "Select at least one child"})
    numbers = ",".join(sorted(number for number in chosen if number.isdigit()))
    return RedirectResponse(f"/console/cases/{case_id}/decision?children={numbers}", 303)


async def _shown(there: Visit, case_id: UUID, wrong: Mapping[str, str]) -> Response:
    cases = await family(there, case_id)
    first = cases[0]
    whole = None
    if first["reference"] is not None:
        whole = await there.operations.maybe(f"/v1/referrals/{first['reference']}")
    return there.page(
        "family.html",
        status=422 if wrong else 200,
        cases=cases,
        first=first,
        evidence=first["evidence"],
        home=home(cases),
        whole=whole,
        kept_open=[_kept_open(there, one, cases, case_id) for one in (whole or {}).get("kept_open_by", ())],
        here=str(case_id),
        wrong=wrong,
        errors=[{"text": text, "href": f"#{name}"} for name, text in wrong.items()],
        live=[one["case_id"] for one in cases],
    )


def _kept_open(
    there: Visit, kept: Mapping[str, Any], cases: Iterable[Mapping[str, Any]], here: UUID
) -> dict[str, Any]:
    """What keeps the referral open, in words, with the page on which somebody ends it."""
    of, obstacle = kept["case_id"], kept["obstacle"]
    labels = {task["kind"]: task["label"] for case in cases for task in case["tasks"]}
    said = kept["words"] if kept["task"] is None else labels.get(kept["task"]) or words(kept["task"])
    number = next((case["child_number"] for case in cases if case["case_id"] == of), None)
    ends = obstacle not in DECIDERS or there.may("decision:write")
    path = f"/console/cases/{of or here}{ENDED_ON.get(obstacle, '') if ends else ''}"
    return {"words": sentence(said), "child": number, "path": path}


async def family(there: Visit, case_id: UUID | str) -> list[dict[str, Any]]:
    """The cases of a case's referral, in the order of the children. One that this person may not see is left out."""
    case = await there.operations.get(f"/v1/cases/{case_id}")
    found = {case["child_number"]: case}
    for sibling in case["evidence"]["siblings"]:
        try:
            other = await there.operations.get(f"/v1/cases/{sibling['case_id']}")
        except Problem as problem:
            if problem.status in (403, 404):
                continue
            raise
        found[other["child_number"]] = other
    return [found[number] for number in sorted(found)]


def home(cases: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What was said of the home with any of the children, each statement once."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for case in cases:
        for one in case["evidence"]["home"]:
            fact = one["fact"]
            found.setdefault(
                (one["source"], fact["fact"], str(fact["value"])), {**fact, "source": one["source"]}
            )
    return list(found.values())
