"""The operations of staff's commands."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from libs.platform.auth import Principal
from libs.platform.bodies import json_body, read_json_body
from libs.platform.etags import IfMatch
from libs.platform.idempotency import IdempotencyKey
from libs.platform.problems import responses
from services.triage.commands.bodies import CheckOrderBody, PeopleBody, PersonDecisionBody
from services.triage.commands.commands import Commands, Sent
from services.triage.commands.record import CommandView
from services.triage.decision.authority import DECIDERS
from services.triage.restricted.rights import on_case

Orderer = Annotated[Principal, on_case("decision:write", DECIDERS)]

GIVES = responses(400, 401, 403, 404, 409, 413, 415, 422, 503)
CHANGES = responses(400, 401, 403, 404, 409, 412, 413, 415, 422, 428, 503)


async def _commands(request: Request) -> Commands:
    commands: Commands = request.app.state.office.commands
    return commands


Given = Annotated[Commands, Depends(_commands)]

router = APIRouter(prefix="/v1", tags=["commands"])


@router.post(
    "/cases/{case_id}/person-decisions",
    status_code=201,
    responses=CHANGES,
    openapi_extra=json_body(PersonDecisionBody),
    summary="Say who a child is, or which report tells of the same event",
)
async def decide_person(
    request: Request, caller: Orderer, case_id: UUID, seen: IfMatch, key: IdempotencyKey, commands: Given
) -> CommandView:
    """Links, un-links, merges, takes such a command back, or says of an earlier report whether it tells of the same
    event. What depends on it is worked out anew as soon as enrichment has taken it up.

    `If-Match` says what of the index the caller has seen: where it said something else since, the answer is 412.
    """
    body, fingerprint = await read_json_body(request, PersonDecisionBody)
    return await commands.person(case_id, body, seen, Sent(caller, key, fingerprint))


@router.post(
    "/cases/{case_id}/check-orders",
    status_code=201,
    responses=GIVES,
    openapi_extra=json_body(CheckOrderBody),
    summary="Ask an agency by hand, chase it, or stop chasing it",
)
async def order_check(
    request: Request, caller: Orderer, case_id: UUID, key: IdempotencyKey, commands: Given
) -> CommandView:
    """Asking names purpose and lawful basis; in an emergency also who approved it, who is not the one who asks."""
    body, fingerprint = await read_json_body(request, CheckOrderBody)
    return await commands.check(case_id, body, Sent(caller, key, fingerprint))


@router.post(
    "/cases/{case_id}/people",
    status_code=201,
    responses=GIVES,
    openapi_extra=json_body(PeopleBody),
    summary="Add or correct children and adults",
)
async def give_people(
    request: Request, caller: Orderer, case_id: UUID, key: IdempotencyKey, commands: Given
) -> CommandView:
    """A child without `case_id` is new: it gets a case in this referral. Everything said before stays on record."""
    body, fingerprint = await read_json_body(request, PeopleBody)
    return await commands.people(case_id, body, Sent(caller, key, fingerprint))
