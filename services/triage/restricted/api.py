"""The operations of restricted cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from libs.messaging.ledger import Ledger
from libs.platform.auth import Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.problems import responses
from services.triage.access import note
from services.triage.restricted.glass import BreakGlass
from services.triage.restricted.record import Glass, GlassBody, Restriction, RestrictionBody
from services.triage.restricted.restrictions import Restrictions
from services.triage.restricted.rights import on_case

MANAGER = "manager"

Reader = Annotated[Principal, on_case("case:read")]
Manager = Annotated[Principal, requires("case:write", (MANAGER,))]
Worker = Annotated[Principal, requires("case:write")]

READS = responses(400, 401, 403, 404, 422, 503)
WRITES = responses(400, 401, 403, 404, 409, 413, 415, 422, 503)


@dataclass(frozen=True, slots=True)
class Vault:
    """What the operations work with; set as `app.state.vault` once the database is there."""

    ledger: Ledger
    restrictions: Restrictions
    glass: BreakGlass


async def _vault(request: Request) -> Vault:
    vault: Vault = request.app.state.vault
    return vault


InVault = Annotated[Vault, Depends(_vault)]

router = APIRouter(prefix="/v1", tags=["restricted cases"])


@router.get("/cases/{case_id}/restriction", responses=READS, summary="Whether a case is restricted")
async def read_restriction(caller: Reader, case_id: UUID, vault: InVault) -> Restriction:
    """Who hid it or showed it again last, and why; and who broke the glass. Reading is recorded."""
    await note(vault.ledger.pool, vault.ledger.clock.now(), caller, "restriction.read", case_id)
    return await vault.restrictions.read(case_id)


@router.put(
    "/cases/{case_id}/restriction",
    responses=WRITES,
    openapi_extra=json_body(RestrictionBody),
    summary="Restrict a case, or show it again",
)
async def put_restriction(request: Request, caller: Manager, case_id: UUID, vault: InVault) -> Restriction:
    """Staff's families, adoption, protected addresses: hidden at once from whoever has no right to restricted cases,
    in every list, count, search, stream and export, and by its id; and so are the other referrals of each child who is
    hidden. Shown again is this referral alone. The same sent again is the same answer.
    """
    body, _ = await read_json_body(request, RestrictionBody)
    return await vault.restrictions.put(case_id, body, caller)


@router.post(
    "/cases/{case_id}/break-glass",
    status_code=201,
    responses=WRITES,
    openapi_extra=json_body(GlassBody),
    summary="Open a restricted case in an emergency",
)
async def break_glass(request: Request, caller: Worker, case_id: UUID, vault: InVault) -> Glass:
    """Opens the case, with its brothers and sisters, to the caller for an hour. It is recorded with the reason, and
    people are alarmed. It opens no list. While it is open, asking again changes nothing.
    """
    body, _ = await read_json_body(request, GlassBody)
    return await vault.glass.open(case_id, body, caller)
