"""The operations of professional challenge."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from libs.messaging.ledger import Ledger
from libs.platform.auth import Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.idempotency import IdempotencyKey
from libs.platform.parameters import TRUE_FALSE, WHOLE
from libs.platform.problems import responses
from libs.schemas.base import Instant
from services.triage.access import Books, note
from services.triage.challenges.bodies import ChallengeBody, EscalationBody, ResolutionBody, ReviewBody
from services.triage.challenges.challenges import Challenges, not_found
from services.triage.challenges.record import (
    MOST,
    ChallengeCounts,
    ChallengePage,
    ChallengeView,
    count_challenges,
)
from services.triage.restricted.rights import on_case, sees

Worker = Annotated[Principal, on_case("case:write")]
QueueReader = Annotated[Principal, requires("queue:read")]
CaseReader = Annotated[Principal, requires("case:read")]
Reviewer = Annotated[Principal, requires("decision:write")]

READS = responses(400, 401, 403, 404, 422, 503)
WRITES = responses(400, 401, 403, 404, 409, 413, 415, 422, 503)


async def _challenges(request: Request) -> Challenges:
    challenges: Challenges = request.app.state.challenges
    return challenges


Kept = Annotated[Challenges, Depends(_challenges)]

router = APIRouter(prefix="/v1", tags=["challenges"])


@router.post(
    "/cases/{case_id}/challenges",
    status_code=201,
    responses=WRITES,
    openapi_extra=json_body(ChallengeBody),
    summary="Somebody disagrees with a decision",
)
async def raise_challenge(
    request: Request, caller: Worker, case_id: UUID, key: IdempotencyKey, challenges: Kept
) -> ChallengeView:
    """Keeps who disagrees and why, and how the child is safe meanwhile. The decision stays on record and stands.

    While a challenge of the child's decision is open, what is said joins it as a step, whoever says it: the answer is
    that challenge, and its reviewer gets a task to read it.

    What is new is added to the case as well (`POST /v1/cases/{id}/facts`): it is evaluated at once.
    """
    body, fingerprint = await read_json_body(request, ChallengeBody)
    return await challenges.raise_one(case_id, body, caller, key, fingerprint)


@router.get("/challenges", responses=READS, summary="Challenges, by when they are due")
async def list_challenges(
    caller: QueueReader,
    challenges: Kept,
    ledger: Books,
    case_id: UUID | None = None,
    settled: Annotated[bool, Query(description="Settled ones as well."), TRUE_FALSE] = False,
    limit: Annotated[int, Query(ge=1, le=MOST), WHOLE] = 50,
) -> ChallengePage:
    """Codes and times only; whoever opens one reads what was said."""
    async with ledger.pool.acquire() as connection:
        await note(connection, ledger.clock.now(), caller, "challenges.read", case_id)
        return await challenges.page(connection, caller, case_id, not settled, limit)


@router.get("/challenges/counts", responses=READS, summary="How many challenges, and how they ended")
async def read_counts(
    caller: QueueReader,
    challenges: Kept,
    ledger: Books,
    start: Annotated[Instant, Query(alias="from", description="Raised from then on.")],
    end: Annotated[Instant, Query(alias="to", description="Raised before then.")],
) -> ChallengeCounts:
    """By agency, stage and outcome, for the board: of children whom the caller may see, and nothing names one."""
    async with ledger.pool.acquire() as connection:
        await note(connection, ledger.clock.now(), caller, "challenges.counted")
        words = {stage.id: stage.title for stage in challenges.ladder.stages}
        return await count_challenges(connection, caller, start, end, words)


@router.get("/challenges/{challenge_id}", responses=READS, summary="One challenge")
async def read_challenge(
    caller: CaseReader, challenge_id: UUID, challenges: Kept, ledger: Books
) -> ChallengeView:
    """Every step with what was said. Reading is recorded."""
    async with ledger.pool.acquire() as connection:
        view = await challenges.read(connection, challenge_id)
        now = ledger.clock.now()
        if view is None or not await sees(connection, view.case_id, caller, now):
            raise not_found()
        await note(connection, now, caller, "challenge.read", view.case_id)
    return view


@router.put(
    "/challenges/{challenge_id}/review",
    responses=WRITES,
    openapi_extra=json_body(ReviewBody, required=False),
    summary="Take the review",
)
async def take_review(
    request: Request, caller: Reviewer, challenge_id: UUID, challenges: Kept, ledger: Books
) -> ChallengeView:
    """Somebody reviews it who neither decided, signed nor challenges. 409 says who reviews it already; a manager who
    gives a reason takes it over, which is recorded.
    """
    body, _ = await read_json_body(request, ReviewBody, optional=True)
    await _demand(ledger, challenge_id, caller)
    return await challenges.take(challenge_id, body, caller)


@router.put(
    "/challenges/{challenge_id}/escalation",
    responses=WRITES,
    openapi_extra=json_body(EscalationBody),
    summary="Take it up a stage",
)
async def escalate(
    request: Request, caller: Reviewer, challenge_id: UUID, challenges: Kept, ledger: Books
) -> ChallengeView:
    """The next stage has a clock and reviewers of its own. How the child is safe meanwhile is said again.

    Its reviewer takes it up, or a manager; while nobody reviews it, whoever could.
    """
    body, _ = await read_json_body(request, EscalationBody)
    await _demand(ledger, challenge_id, caller)
    return await challenges.escalate(challenge_id, body, caller)


@router.put(
    "/challenges/{challenge_id}/resolution",
    responses=WRITES,
    openapi_extra=json_body(ResolutionBody),
    summary="Settle it",
)
async def resolve(
    request: Request, caller: Reviewer, challenge_id: UUID, challenges: Kept, ledger: Books
) -> ChallengeView:
    """Its reviewer says how it ends. What whoever challenged does not agree with goes up while a stage is left."""
    body, _ = await read_json_body(request, ResolutionBody)
    await _demand(ledger, challenge_id, caller)
    return await challenges.resolve(challenge_id, body, caller)


async def _demand(ledger: Ledger, challenge_id: UUID, caller: Principal) -> None:
    async with ledger.pool.acquire() as connection:
        case_id = await connection.fetchval("SELECT case_id FROM challenge WHERE id = $1", challenge_id)
        if case_id is None or not await sees(connection, case_id, caller, ledger.clock.now()):
            raise not_found()
