"""Professional challenge: what waits to be reviewed, and one challenge from beginning to end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.triage.console.forms import Faults, attempt
from services.triage.console.frame import Visit, posted, visit
from services.triage.console.given import ConsoleRoute

COLLEAGUE = "colleague"
"""The choice that it is nobody's of an agency."""

CHANNELS: Mapping[str, str] = {
    "telephone": "By telephone",
    "meeting": "At a meeting",
    "letter": "By letter or email",
    "colleague": "A colleague says so, or I do",
}
OUTCOMES: Mapping[str, str] = {
    "stands": "The decision stands",
    "decide_anew": "Somebody decides anew",
    "withdrawn": "It was withdrawn",
}
UP = "up"
"""The choice that a challenge goes up a stage."""


router = APIRouter(prefix="/console", route_class=ConsoleRoute, include_in_schema=False)


@router.get("/challenges")
async def show_challenges(request: Request) -> Response:
    """Challenges by when they are due."""
    there = visit(request, "queue:read")
    settled = request.query_params.get("settled") == "yes"
    page = await there.operations.get("/v1/challenges", settled="true" if settled else None, limit=100)
    return there.page(
        "challenges.html",
        items=page["items"],
        more=page["more"],
        settled=settled,
        chosen={"settled": "yes" if settled else ""},
        outcomes=OUTCOMES,
    )


@router.get("/cases/{case_id}/challenges")
async def show_of_case(request: Request, case_id: UUID) -> Response:
    """The challenges of one child's decisions, and the form to take one."""
    there = visit(request, "case:read")
    return await _of_case(there, case_id, await there.kept(), Faults())


@router.post("/cases/{case_id}/challenges")
async def raise_one(request: Request, case_id: UUID) -> Response:
    """Keeps a challenge that somebody told, or that whoever is signed in makes."""
    there, fields = await posted(request, "case:write")
    faults = Faults()
    faults.needed(
        fields,
        agency="Select whose challenge it is",
        channel="Select how it reached the hub",
        challenger="Enter who disagrees, with their role",
        because="Enter what they disagree with, and why",
        safe_meanwhile="Enter how the child is safe meanwhile",
    )
    faults.long(fields, "because", "safe_meanwhile")
    if not faults:
        names = ("challenger", "channel", "reach", "because", "safe_meanwhile")
        body: dict[str, Any] = {name: fields[name] for name in names if fields.get(name)}
        if fields["agency"] != COLLEAGUE:
            body["agency"] = fields["agency"]
        path = f"/v1/cases/{case_id}/challenges"
        made = await attempt(there.operations.post(path, body, fields.get("key")), faults, fields)
        if not faults:
            said = "challenged" if len(made["steps"]) == 1 else "challenge-joined"
            return await there.done(f"/console/challenges/{made['id']}", said)
    return await _of_case(there, case_id, fields, faults)


@router.get("/challenges/{challenge_id}")
async def show_challenge(request: Request, challenge_id: UUID) -> Response:
    """One challenge with everything that was said, and what can be done next."""
    there = visit(request, "case:read")
    return await _shown(there, challenge_id, await there.kept(), Faults())


@router.post("/challenges/{challenge_id}")
async def go_on(request: Request, challenge_id: UUID) -> Response:
    """Takes the review, takes it up a stage, or settles it."""
    there, fields = await posted(request, "decision:write")
    faults, path, operations = Faults(), f"/v1/challenges/{challenge_id}", there.operations
    if fields.get("action") == "review":
        said, because = "review-taken", fields.get("take_over_because")
        if because is not None:
            faults.needed(fields, take_over_because="Enter why you take the review over")
            faults.long(fields, "take_over_because")
        if not faults:
            taken = operations.put(
                f"{path}/review", {} if because is None else {"take_over_because": because}
            )
            await attempt(taken, faults, fields)
    else:
        said = _wrong(fields, faults)
        if not faults and said == "challenge-up":
            body: dict[str, Any] = {
                "because": fields["because"],
                "safe_meanwhile": fields["safe_meanwhile"],
            }
            await attempt(operations.put(f"{path}/escalation", body), faults, fields)
        elif not faults:
            body = {"outcome": fields["outcome"], "agreed": fields["agreed"] == "yes"}
            body["because"] = fields["because"]
            await attempt(operations.put(f"{path}/resolution", body), faults, fields)
    if not faults:
        return await there.done(there.path, said)
    return await _shown(there, challenge_id, fields, faults)


def _wrong(fields: Mapping[str, str], faults: Faults) -> str:
    """Notes what is missing; gives what is said when it is done."""
    outcome = fields.get("outcome")
    if outcome != UP and outcome not in OUTCOMES:
        faults.add("outcome", "Select how it goes on")
    if outcome == UP:
        faults.needed(fields, safe_meanwhile="Enter how the child is safe meanwhile")
    elif fields.get("safe_meanwhile"):
        # Nothing is open any more that it could stand beside, and what somebody wrote is not thrown away unread.
        faults.add(
            "safe_meanwhile", "This is kept where it goes up a stage; write it into the reasons instead"
        )
    if outcome != UP and fields.get("agreed") not in ("yes", "no"):
        faults.add("agreed", "Select whether whoever challenged agrees")
    faults.needed(fields, because="Enter the reasons")
    faults.long(fields, "because", "safe_meanwhile")
    return "challenge-up" if outcome == UP else "challenge-settled"


async def _of_case(there: Visit, case_id: UUID, values: Mapping[str, str], faults: Faults) -> Response:
    case = await there.operations.get(f"/v1/cases/{case_id}")
    page = await there.operations.get("/v1/challenges", case_id=case_id, settled="true", limit=100)
    return there.form(
        "case_challenges.html",
        values,
        faults,
        case=case,
        items=page["items"],
        open=next((one for one in page["items"] if one["outcome"] is None), None),
        agencies=there.console.dictionary.agencies,
        channels=list(CHANNELS.items()),
        outcomes=OUTCOMES,
        colleague=COLLEAGUE,
    )


async def _shown(there: Visit, challenge_id: UUID, values: Mapping[str, str], faults: Faults) -> Response:
    challenge = await there.operations.get(f"/v1/challenges/{challenge_id}")
    case = await there.operations.get(f"/v1/cases/{challenge['case_id']}")
    reviews = challenge["reviewer"] == there.session.subject
    choices = list(OUTCOMES.items()) if reviews else []
    goes_up = reviews or challenge["reviewer"] is None or there.may("decision:write", "manager")
    if not challenge["last"] and goes_up:
        choices.append((UP, "It goes up a stage"))
    return there.form(
        "challenge.html",
        values,
        faults,
        case=case,
        challenge=challenge,
        reviews=reviews,
        choices=choices,
        channels={**CHANNELS, "system": "By the referrer’s own system"},
        outcomes=OUTCOMES,
        up=UP,
    )
