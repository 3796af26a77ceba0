"""Where an agency that has no interface of its own fetches its questions and answers them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field, StrictInt

from libs.platform.auth import Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.idempotency import IdempotencyKey
from libs.platform.problems import responses
from libs.schemas.base import Model
from services.enrichment.asking.question import Question
from services.enrichment.pulled.answering import Answering
from services.enrichment.pulled.given import AnswerBody, CorrectionBody
from services.enrichment.pulled.work import MOST_CLAIMED
from services.enrichment.sharing.permission import Audience

Answerer = Annotated[Principal, requires("checks:answer")]


class ClaimBody(Model):
    """How many questions a caller takes at once."""

    most: StrictInt = Field(1, ge=1, le=MOST_CLAIMED)


class ClaimedQuestion(Model):
    """One question that the claim holds."""

    question_id: UUID
    to: Audience = Field(description="`lead` where only the named safeguarding lead is asked.")
    asked_at: datetime
    due_at: datetime | None = Field(
        None, description="When the hub decides without the answer. A later one is still taken."
    )
    question: Question


class Claimed(Model):
    """What a claim holds, most urgent first; no claim where nothing waits."""

    claim_id: UUID | None = None
    until: datetime | None = Field(
        None,
        description="When the claim ends by itself. Each answer under it, and renewing it, moves this on.",
    )
    items: tuple[ClaimedQuestion, ...] = ()


class Renewed(Model):
    """What a renewed claim still holds."""

    claim_id: UUID
    question_ids: tuple[UUID, ...]


class Answered(Model):
    """The question has this answer."""

    question_id: UUID


class Corrected(Model):
    """The correction is on record, the first answer stays there too."""

    question_id: UUID
    number: int = Field(description="Counts the corrections of one answer from 1.")


async def _answering(request: Request) -> Answering:
    answering: Answering = request.app.state.answering
    return answering


AtDesk = Annotated[Answering, Depends(_answering)]

router = APIRouter(prefix="/v1/work", tags=["work"])


@router.post(
    "/claims",
    response_model=Claimed,
    responses=responses(400, 401, 403, 413, 415, 422, 503),
    openapi_extra=json_body(ClaimBody),
    summary="Take questions that wait",
)
async def claim_work(request: Request, caller: Answerer, desk: AtDesk) -> Claimed:
    """Takes up to `most` questions of the caller's agency that nobody holds, the most urgent first.

    The claim ends by itself after 15 minutes without work under it; its questions are then free for others. A
    question for the agency's safeguarding lead is seen by the identity that the agency's file names, and by nobody
    else of the agency. Reading is recorded.
    """
    body, _ = await read_json_body(request, ClaimBody)
    items = await desk.claim(caller, body.most)
    if not items:
        return Claimed()
    return Claimed(
        claim_id=items[0].claim_id,
        until=items[0].claimed_until,
        items=tuple(
            ClaimedQuestion(
                question_id=item.question_id,
                to=item.seat.audience,
                asked_at=item.put_at,
                due_at=item.due_at,
                question=item.question,
            )
            for item in items
            if item.question is not None
        ),
    )


@router.put(
    "/claims/{claim_id}",
    responses=responses(401, 403, 404, 422, 503),
    summary="Renew a claim",
)
async def renew_claim(caller: Answerer, desk: AtDesk, claim_id: UUID) -> Renewed:
    """Moves the end of a claim on, for as long as somebody works on its questions."""
    return Renewed(claim_id=claim_id, question_ids=tuple(await desk.renew(caller, claim_id)))


@router.delete(
    "/{question_id}/claim",
    status_code=204,
    responses=responses(401, 403, 404, 422, 503),
    summary="Give a question back",
)
async def release_work(
    caller: Answerer,
    desk: AtDesk,
    question_id: UUID,
    claim_id: Annotated[UUID, Query(description="The claim that holds it.")],
) -> Response:
    """Gives a question back unanswered, so that somebody else can take it at once."""
    await desk.release(caller, question_id, claim_id)
    return Response(status_code=204)


@router.put(
    "/{question_id}/answer",
    response_model=Answered,
    responses=responses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=json_body(AnswerBody),
    summary="Answer a question, or decline to",
)
async def answer_work(request: Request, caller: Answerer, desk: AtDesk, question_id: UUID) -> Answered:
    """Answers a question under the claim that holds it, in the words of the partnership's dictionary of facts.

    `declined` needs a reason; silence is better told as `declined` than not at all. The same answer again is the
    same result, also after the claim has ended; another one is refused with 409: send a correction.
    """
    body, _ = await read_json_body(request, AnswerBody)
    await desk.answer(caller, question_id, body)
    return Answered(question_id=question_id)


@router.post(
    "/{question_id}/corrections",
    status_code=201,
    response_model=Corrected,
    responses=responses(400, 401, 403, 404, 409, 413, 415, 422, 503),
    openapi_extra=json_body(CorrectionBody),
    summary="Correct an answer, or take it back",
)
async def correct_answer(
    request: Request, caller: Answerer, desk: AtDesk, question_id: UUID, key: IdempotencyKey
) -> Corrected:
    """Says that an answer was wrong, and what counts instead. Nothing is deleted; the hub evaluates the case again."""
    body, _ = await read_json_body(request, CorrectionBody)
    number, _ = await desk.correct(caller, question_id, key, body)
    return Corrected(question_id=question_id, number=number)
