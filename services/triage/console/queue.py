"""The queue: what needs somebody, the most urgent first, and how much waits where."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from libs.platform.inside import Streamed
from libs.platform.pages import NotSignedIn
from libs.platform.problems import Problem
from services.triage.console.frame import HOME, visit
from services.triage.console.given import ConsoleRoute
from services.triage.console.words import COLOURS, RAGS, STAGES

SCOPE = "queue:read"
FILTERS = ("team", "stage", "rag", "tag", "awaiting", "locality")
MINE = {"pen": "claimed_by", "allocated": "worker"}
TAGS = (
    "immediate_danger",
    "to_be_read",
    "processing_stopped",
    "decision_at_risk",
    "overdue",
    "due_soon",
    "reopened",
    "withdrawn",
    "unborn",
    "missing",
    "re_referral",
    "restricted",
)
PAGE = 25

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)


@router.get("/")
@router.get("/console")
@router.get("/console/")
async def start(request: Request) -> Response:
    """The console begins with the queue."""
    return RedirectResponse(HOME, 303)


@router.get(HOME)
async def show_queue(request: Request) -> Response:
    """One page of the queue. Codes and times only: names are shown once a case is opened."""
    there = visit(request, SCOPE)
    asked = {name: value for name in FILTERS if (value := request.query_params.get(name))}
    mine = request.query_params.get("mine", "")
    own = {MINE[mine]: there.session.subject} if mine in MINE else {}
    unallocated = {"unallocated": "true"} if mine == "nobody" else {}
    cursor = request.query_params.get("cursor")
    page = await there.operations.get("/v1/queue", **asked, **own, **unallocated, cursor=cursor, limit=PAGE)
    counts = (await there.operations.get("/v1/queue/counts"))["counts"]
    chosen = {**asked, **({"mine": mine} if mine else {})}
    now = there.console.clock.now()
    following = page.get("next_cursor")
    return there.page(
        "queue.html",
        rows=[_row(item, now) for item in page["items"]],
        counts=[{**one, "link": _link({"team": one["team"], "stage": one["stage"]})} for one in counts],
        total=sum(one["cases"] for one in counts),
        chosen=chosen,
        teams=sorted({one["team"] for one in counts} | ({asked["team"]} if "team" in asked else set())),
        stages=STAGES,
        rags=RAGS,
        tags=TAGS,
        agencies=there.console.dictionary.agencies,
        first=_link(chosen),
        next=None if following is None else _link({**chosen, "cursor": following}),
        later=cursor is not None,
    )


@router.get("/console/queue/events")
async def listen(request: Request) -> Response:
    """What changes in the queue as it changes, for the script: the operation's own stream. It uses no session up."""
    try:
        there = visit(request, SCOPE)
    except NotSignedIn:
        raise Problem(401, "not-signed-in", "You are not signed in") from None
    return Streamed(request.app, there.session.principal, "/v1/queue/events")


def _link(query: Mapping[str, str]) -> str:
    return f"{HOME}?{urlencode(query)}" if query else HOME


def _row(item: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    late = datetime.fromisoformat(item["act_by"]) < now
    return {**item, "late": late, "colour": COLOURS.get(item["rag"], "grey")}
