"""The operations of the strategy discussion."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from libs.platform.auth import Principal
from libs.platform.bodies import json_body, read_json_body
from libs.platform.problems import responses
from services.triage.restricted.rights import on_case
from services.triage.strategy.discussions import Strategy
from services.triage.strategy.record import Discussion, Discussions
from services.triage.strategy.rules import StrategyBody

Reader = Annotated[Principal, on_case("case:read")]
Worker = Annotated[Principal, on_case("case:write")]

READS = responses(400, 401, 403, 404, 422, 503)
WRITES = responses(400, 401, 403, 404, 409, 413, 415, 422, 503)


async def _strategy(request: Request) -> Strategy:
    strategy: Strategy = request.app.state.strategy
    return strategy


InStrategy = Annotated[Strategy, Depends(_strategy)]

router = APIRouter(prefix="/v1/cases/{case_id}/strategy-discussion", tags=["strategy discussion"])


@router.get("", responses=READS, summary="What strategy discussions came to")
async def read_discussions(caller: Reader, case_id: UUID, strategy: InStrategy) -> Discussions:
    """Who took part, what came of it, the safety plan, and who dissented. Reading is recorded."""
    return await strategy.read(case_id, caller)


@router.put(
    "", responses=WRITES, openapi_extra=json_body(StrategyBody), summary="Record a strategy discussion"
)
async def record_discussion(
    request: Request, caller: Worker, case_id: UUID, strategy: InStrategy
) -> Discussion:
    """Children's social care, police and health take part, or the record says why one did not, and it is flagged.

    A record that corrects an earlier one stands beside it. An enquiry starts the clock of the conference; a crime that
    may have occurred asks for the police's unit for child abuse (CAISU) to be told.
    """
    body, fingerprint = await read_json_body(request, StrategyBody)
    return await strategy.record(case_id, body, fingerprint, caller)
