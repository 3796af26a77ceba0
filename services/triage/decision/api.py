"""The operations of deciding: a decision, the signature beside it, who may, and how often people depart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from libs.messaging.ledger import Ledger
from libs.platform.auth import Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.etags import IfMatch
from libs.platform.problems import responses
from libs.schemas.base import Instant
from libs.schemas.decision import DecisionBody
from libs.schemas.levels import Destination, Level
from services.triage.access import note
from services.triage.decision.circumstances import Choice
from services.triage.decision.decisions import Decisions
from services.triage.decision.departures import Departures, count_departures
from services.triage.decision.proposals import SignatureNeeded, SignOffBody
from services.triage.decision.record import DecisionMade
from services.triage.decision.signatures import Signatures
from services.triage.restricted.rights import on_case

Decider = Annotated[Principal, on_case("decision:write")]
CaseReader = Annotated[Principal, on_case("case:read")]
Counter = Annotated[Principal, requires("queue:read")]

READS = responses(400, 401, 403, 404, 409, 422, 503)
WRITES = responses(400, 401, 403, 404, 409, 412, 413, 415, 422, 428, 503)


@dataclass(frozen=True, slots=True)
class Bench:
    """What the operations work with; set as `app.state.bench` once the database is there."""

    ledger: Ledger
    decisions: Decisions
    signatures: Signatures


async def _bench(request: Request) -> Bench:
    bench: Bench = request.app.state.bench
    return bench


AtBench = Annotated[Bench, Depends(_bench)]

router = APIRouter(prefix="/v1", tags=["decisions"])


@router.put(
    "/cases/{case_id}/decision",
    responses=WRITES,
    openapi_extra=json_body(DecisionBody),
    summary="Decide",
)
async def decide(
    request: Request, caller: Decider, case_id: UUID, seen: IfMatch, bench: AtBench, response: Response
) -> DecisionMade:
    """Records the caller's decision on what they have read (`If-Match`), beside any earlier one.

    A reason is needed where it departs from the recommendation, is milder than the decision that stands, or differs
    from a brother's or sister's; every obliged action that is open is confirmed or explained. Where the partnership's
    scheme of delegation asks for a signature, the decision waits for it: nothing is told or handed over before. Who
    has seen the decision that stands may decide anew. The same decision sent again is the same answer; 409 says who
    decided first.
    """
    body, _ = await read_json_body(request, DecisionBody)
    made = await bench.decisions.decide(case_id, body, seen, caller)
    response.headers["ETag"] = f'"{made.tag}"'
    return made.answer


@router.put(
    "/cases/{case_id}/sign-off",
    responses=WRITES,
    openapi_extra=json_body(SignOffBody),
    summary="Sign a decision, or return it",
)
async def sign_off(
    request: Request, caller: Decider, case_id: UUID, seen: IfMatch, bench: AtBench, response: Response
) -> DecisionMade:
    """Signs the decision that waits, on what the caller has read (`If-Match`), or returns it with a note.

    Nobody signs a decision of their own. With the last signature the decision stands. 409 where what it was measured
    by has changed since it was proposed.
    """
    body, _ = await read_json_body(request, SignOffBody)
    made = await bench.signatures.sign(case_id, body, seen, caller)
    response.headers["ETag"] = f'"{made.tag}"'
    return made.answer


@router.get("/cases/{case_id}/authority", responses=READS, summary="What a decision would need")
async def read_authority(
    caller: CaseReader,
    case_id: UUID,
    bench: AtBench,
    level: Annotated[Level, Query(description="The level that would be decided.")],
    destination: Annotated[Destination, Query(description="The destination that would be decided.")],
) -> SignatureNeeded:
    """Whether the caller may decide so, whose signature it would wait for and why, and what must be answered."""
    now = bench.ledger.clock.now()
    async with bench.ledger.pool.acquire() as connection:
        needed = await bench.decisions.needed(connection, case_id, Choice(level, destination), caller, now)
        await note(connection, now, caller, "authority.read", case_id)
    return needed


@router.get("/departures", responses=READS, summary="How often people depart from what is recommended")
async def read_departures(
    caller: Counter,
    bench: AtBench,
    start: Annotated[Instant, Query(alias="from", description="Decisions from then on.")],
    end: Annotated[Instant, Query(alias="to", description="Decisions before then.")],
) -> Departures:
    """Decisions by direction and kind of reason, on children whom the caller may see. Nothing names one."""
    now = bench.ledger.clock.now()
    async with bench.ledger.pool.acquire() as connection:
        await note(connection, now, caller, "departures.read")
        return await count_departures(connection, caller, start, end, bench.decisions.reasons)
