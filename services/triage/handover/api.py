"""The operations of handing over, closing and opening again."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request

from libs.platform.auth import Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.idempotency import IdempotencyKey
from libs.platform.parameters import WHOLE
from libs.platform.problems import Problem, responses
from libs.schemas.base import Identifier, Model
from libs.schemas.reference import parse_reference
from services.triage.access import Books, note
from services.triage.decision.authority import DECIDERS
from services.triage.handover.handovers import AcceptanceBody, Handovers, RefusalBody, Reopened, ReopeningBody
from services.triage.handover.record import MOST, HandoverPage, HandoverView, handovers_of, waiting
from services.triage.restricted.rights import on_case

QueueReader = Annotated[Principal, requires("queue:read")]
CaseReader = Annotated[Principal, on_case("case:read")]
Decider = Annotated[Principal, requires("decision:write", DECIDERS)]

ACCEPTS, WORKS = "handover:accept", "case:write"
"""Whoever receives answers for the team of their token; staff of the hub record what any was heard to say."""

READS = responses(400, 401, 403, 404, 422, 503)
WRITES = responses(400, 401, 403, 404, 409, 413, 415, 422, 503)


class HandoverHistory(Model):
    """Every hand-over of a case, the first one first; the last one is the one that counts."""

    items: tuple[HandoverView, ...]


async def _handovers(request: Request) -> Handovers:
    handovers: Handovers = request.app.state.handovers
    return handovers


HandedOver = Annotated[Handovers, Depends(_handovers)]

router = APIRouter(prefix="/v1", tags=["hand-over"])


@router.get("/handovers", responses=READS, summary="Children whom the receiving end has not accepted yet")
async def list_handovers(
    caller: QueueReader,
    ledger: Books,
    team: Annotated[Identifier | None, Query(description="Only what this team is to accept.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST), WHOLE] = 50,
) -> HandoverPage:
    """Most urgent first. Codes and times only; whoever opens a case sees what was said."""
    now = ledger.clock.now()
    async with ledger.pool.acquire() as connection:
        await note(connection, now, caller, "handovers.read")
        return await waiting(connection, ledger.codec, team, limit, caller, now)


@router.get("/cases/{case_id}/handover", responses=READS, summary="How a child was handed over")
async def read_handover(caller: CaseReader, case_id: UUID, ledger: Books) -> HandoverHistory:
    """Who was asked to accept the child and by when, and who answered what. Reading is recorded."""
    now = ledger.clock.now()
    async with ledger.pool.acquire() as connection:
        await note(connection, now, caller, "handover.read", case_id)
        return HandoverHistory(items=tuple(await handovers_of(connection, ledger.codec, case_id, now)))


@router.put(
    "/cases/{case_id}/handover/acceptance",
    responses=WRITES,
    openapi_extra=json_body(AcceptanceBody),
    summary="Accept a child",
)
async def accept(request: Request, caller: CaseReader, case_id: UUID, handovers: HandedOver) -> HandoverView:
    """Somebody at the receiving end takes the child over, by name; until then the child is the hub's.

    The receiving end does so itself, for the team that its token names (claim `team`), or the hub's staff record who
    accepted by telephone. The same acceptance sent again is the same answer; 403 where another team was asked, 409
    where it was refused, or another decision stands.
    """
    team = _answers_for(caller)
    body, _ = await read_json_body(request, AcceptanceBody)
    return await handovers.accept(case_id, body, caller, team)


@router.put(
    "/cases/{case_id}/handover/refusal",
    responses=WRITES,
    openapi_extra=json_body(RefusalBody),
    summary="Refuse a child, with the reason",
)
async def refuse(request: Request, caller: CaseReader, case_id: UUID, handovers: HandedOver) -> HandoverView:
    """The child comes back to whoever decides, with the reason and a clock of its own. Who answers: as to accept."""
    team = _answers_for(caller)
    body, _ = await read_json_body(request, RefusalBody)
    return await handovers.refuse(case_id, body, caller, team)


@router.post(
    "/referrals/{reference}/reopening",
    status_code=201,
    responses=WRITES,
    openapi_extra=json_body(ReopeningBody),
    summary="Open a referral again, with a reason",
)
async def reopen(
    request: Request,
    caller: Decider,
    reference: Annotated[str, Path(max_length=40, description="The reference, in any case.")],
    key: IdempotencyKey,
    handovers: HandedOver,
) -> Reopened:
    """Somebody decides anew on the children named, or on all. What was decided stays on record."""
    written = parse_reference(reference)
    if written is None:
        raise Problem(404, "referral-not-found", "There is no such referral here")
    body, fingerprint = await read_json_body(request, ReopeningBody)
    return await handovers.reopen(
        written, body, caller, sha256(key.encode()).digest(), sha256(written.encode() + fingerprint).digest()
    )


def _answers_for(caller: Principal) -> str | None:
    """The one team for which the caller may answer; None for staff of the hub, who record what any told them."""
    if WORKS in caller.scopes:
        return None
    if ACCEPTS not in caller.scopes:
        raise Problem(
            403,
            "scope-missing",
            "The access token does not permit this",
            f"ask for a token with the scope {ACCEPTS}",
        )
    if caller.team is None:
        raise Problem(
            403,
            "team-missing",
            "The access token names no team",
            "ask for a token whose claim `team` is the id of the team that receives the child",
        )
    return caller.team
