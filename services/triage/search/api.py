"""The operation of searching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from libs.messaging.ledger import Ledger
from libs.platform.auth import Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.problems import invalid_body, responses
from services.triage.access import note
from services.triage.search.search import Search, SearchBody, SearchResult

Reader = Annotated[Principal, requires("case:read")]


@dataclass(frozen=True, slots=True)
class Finder:
    """What the operation works with; set as `app.state.finder` once the database is there."""

    ledger: Ledger
    search: Search


async def _finder(request: Request) -> Finder:
    finder: Finder = request.app.state.finder
    return finder


Found = Annotated[Finder, Depends(_finder)]

router = APIRouter(prefix="/v1", tags=["casework"])


@router.post(
    "/search",
    responses=responses(400, 401, 403, 413, 415, 422, 503),
    openapi_extra=json_body(SearchBody),
    summary="Find cases",
)
async def search(request: Request, caller: Reader, finder: Found) -> SearchResult:
    """By reference, name, date of birth, NHS number, UPN or postcode; all that is given must hold. Answers with codes
    and times, and only with what the caller may see. That somebody searched is recorded, and not for what.
    """
    body, _ = await read_json_body(request, SearchBody)
    faults = list(body.faults())
    if faults:
        raise invalid_body(faults)
    now = finder.ledger.clock.now()
    async with finder.ledger.pool.acquire() as connection:
        await note(connection, now, caller, "search")
        return await finder.search.find(connection, body, caller, now)
