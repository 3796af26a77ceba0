"""Intake's operations: what a partner's system calls."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from opentelemetry import trace

from libs.platform.auth import Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.idempotency import IdempotencyKey
from libs.platform.problems import responses
from libs.platform.traceparent import current_traceparent
from libs.schemas.reference import parse_reference
from libs.schemas.referral import Challenge, Information, Referral, Withdrawal
from services.intake.acceptance import Acceptance, Sent
from services.intake.additions import Additions
from services.intake.answers import AdditionAccepted, ReferralAccepted, accepted, status_path
from services.intake.lookup import Lookup, not_found
from services.intake.status import ReferralStatus

JSON = "application/json"
REFUSALS = responses(400, 401, 403, 413, 415, 422, 503)
REFUSALS_BY_REFERENCE = responses(400, 401, 403, 404, 410, 413, 415, 422, 503)

Submitter = Annotated[Principal, requires("referral:submit")]
Reader = Annotated[Principal, requires("referral:read")]


class Desk:
    """What the operations work with; set as `app.state.desk` once the database is there."""

    def __init__(self, acceptance: Acceptance, additions: Additions, lookup: Lookup) -> None:
        self.acceptance = acceptance
        self.additions = additions
        self.lookup = lookup


async def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


async def _reference(
    reference: Annotated[
        str, Path(description="The reference, in any case, with or without its hyphens.", max_length=40)
    ],
) -> str:
    written = parse_reference(reference)
    if written is None:
        raise not_found()
    return written


AtDesk = Annotated[Desk, Depends(_desk)]
Reference = Annotated[str, Depends(_reference)]

router = APIRouter(prefix="/v1/referrals", tags=["referrals"])


@router.post(
    "",
    status_code=201,
    response_model=ReferralAccepted,
    responses=REFUSALS,
    openapi_extra=json_body(Referral),
    summary="Refer one or more children",
)
async def refer(request: Request, caller: Submitter, key: IdempotencyKey) -> Response:
    """Accepts a referral: who refers, what the worry is, and at least one child, who may be unidentified.

    The answer names the reference, what to do if the danger rises, and what would help to know; nothing that is
    missing turns a referral away. The same key and body gives the same answer; a concurrent call waits for it.
    """
    referral, fingerprint = await read_json_body(request, Referral)
    sent = Sent(caller.of_agency(), key, fingerprint, current_traceparent())
    desk: Desk = request.app.state.desk
    answer = accepted(await desk.acceptance.accept(referral, sent))
    return _created(answer.model_dump_json(), answer.reference)


@router.get(
    "/{reference}", responses=responses(401, 403, 404, 422, 503), summary="How far a referral has come"
)
async def read_status(caller: Reader, reference: Reference, desk: AtDesk) -> ReferralStatus:
    """The status of a referral of the caller's own agency, child by child, without what others said of them."""
    return await desk.lookup.status(reference, caller)


@router.post(
    "/{reference}/information",
    status_code=201,
    response_model=AdditionAccepted,
    responses=REFUSALS_BY_REFERENCE,
    openapi_extra=json_body(Information),
    summary="Add what became known since",
)
async def add_information(
    request: Request, caller: Submitter, reference: Reference, key: IdempotencyKey, desk: AtDesk
) -> Response:
    """Accepts further information about a referral of the caller's own agency. It is taken whatever was decided."""
    body, fingerprint = await read_json_body(request, Information)
    sent = Sent(caller.of_agency(), key, fingerprint, current_traceparent())
    answer = await desk.additions.inform(reference, body, sent)
    return _created(answer.model_dump_json(), reference)


@router.post(
    "/{reference}/challenges",
    status_code=201,
    response_model=AdditionAccepted,
    responses=REFUSALS_BY_REFERENCE,
    openapi_extra=json_body(Challenge),
    summary="Disagree with a decision",
)
async def challenge(
    request: Request, caller: Submitter, reference: Reference, key: IdempotencyKey, desk: AtDesk
) -> Response:
    """Accepts a challenge by the agency that referred: somebody who did not decide looks again, and the child is safe
    meanwhile. It changes no decision by itself; for a child without one it is kept as further information.
    """
    body, fingerprint = await read_json_body(request, Challenge)
    sent = Sent(caller.of_agency(), key, fingerprint, current_traceparent())
    answer = await desk.additions.challenge(reference, body, sent)
    return _created(answer.model_dump_json(), reference)


@router.post(
    "/{reference}/withdrawal",
    status_code=201,
    response_model=AdditionAccepted,
    responses=REFUSALS_BY_REFERENCE,
    openapi_extra=json_body(Withdrawal),
    summary="Say that the referral is withdrawn",
)
async def withdraw(
    request: Request, caller: Submitter, reference: Reference, key: IdempotencyKey, desk: AtDesk
) -> Response:
    """Keeps a withdrawal with who withdraws and why. It closes, lowers and pauses nothing: a person decides."""
    body, fingerprint = await read_json_body(request, Withdrawal)
    sent = Sent(caller.of_agency(), key, fingerprint, current_traceparent())
    answer = await desk.additions.withdraw(reference, body, sent)
    return _created(answer.model_dump_json(), reference)


def _created(body: str, reference: str) -> Response:
    # The one name of a referral that people have, by which they look for its trace.
    trace.get_current_span().set_attribute("mash.reference", reference)
    return Response(body, 201, {"Location": status_path(reference)}, JSON)
