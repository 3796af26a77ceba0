"""The console's pages together, and what they are built from."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, Depends, FastAPI
from starlette.responses import Response

from libs.messaging.ledger import Ledger
from libs.platform.inside import Inside
from libs.platform.pages import PageRoute, Pages, pages_router
from libs.platform.problems import Problem
from libs.platform.signin import SignIn
from libs.schemas.dictionary import Dictionary
from services.triage.console import (
    agencies,
    alerts,
    breaches,
    case,
    challenges,
    chronology,
    clocks,
    decision,
    facts,
    family,
    handovers,
    matches,
    numbers,
    overview,
    panels,
    queue,
    reading,
    restriction,
    search,
    signing,
    strategy,
    tasks,
    telephone,
    tools,
)
from services.triage.console.drafts import Drafts
from services.triage.console.filters import Names, filters
from services.triage.console.frame import HOME, NAME, SCRIPT, TEMPLATES, Console, Neighbours, acquaint


def console_router() -> APIRouter:
    """Every page."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False)
    areas = (queue, family, case, chronology, reading, decision, signing, tasks)
    more = (facts, matches, agencies, handovers, restriction, overview, telephone, search)
    flow = (clocks, alerts, strategy, tools, panels, challenges, numbers, breaches)
    for area in (*areas, *more, *flow):
        router.include_router(area.router, dependencies=[Depends(acquaint)])
    router.include_router(pages_router())
    router.add_api_route("/console/{rest:path}", elsewhere, methods=["GET"])
    return router


async def elsewhere() -> Response:
    """Whatever else somebody types is answered to a person, not to a system."""
    raise Problem(404, "not-found", "Check the address")


def pages_of(signin: SignIn, dictionary: Dictionary, names: Names, rooms: Iterable[APIRouter]) -> Pages:
    """How the console's pages are shown. `rooms`: the operations that they may lead to."""
    offered = frozenset(getattr(route, "path", "") for room in rooms for route in room.routes)
    return Pages(
        NAME,
        HOME,
        signin,
        TEMPLATES,
        script=SCRIPT,
        filters=filters(dictionary, names),
        shared={"offered": offered, "localities": names.localities},
    )


def offer(
    app: FastAPI, pages: Pages, ledger: Ledger, dictionary: Dictionary, neighbours: Neighbours
) -> Drafts:
    """Sets up the console on the application whose operations it calls; gives the drafts, which are to be pruned."""
    drafts = Drafts(ledger)
    app.state.console = Console(Inside(app), drafts, dictionary, ledger.clock, neighbours)
    app.state.pages = pages
    return drafts
