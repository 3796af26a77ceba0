"""The operation that shows a referral as a family."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from libs.platform.auth import Principal, requires
from libs.platform.problems import Problem, responses
from libs.schemas.reference import parse_reference
from services.triage.access import Books, note
from services.triage.family.family import Families, FamilyView

CaseReader = Annotated[Principal, requires("case:read")]


async def _families(request: Request) -> Families:
    families: Families = request.app.state.families
    return families


router = APIRouter(prefix="/v1", tags=["casework"])


@router.get(
    "/referrals/{reference}",
    responses=responses(400, 401, 403, 404, 422, 503),
    summary="A referral's children side by side",
)
async def read_family(
    caller: CaseReader,
    reference: Annotated[str, Path(max_length=40, description="The reference, in any case.")],
    families: Annotated[Families, Depends(_families)],
    ledger: Books,
) -> FamilyView:
    """What the children share once, each child with what a decision on it needs, and what keeps the referral open.

    Each child carries the entity tag that a decision on it names. Reading is recorded for every child.
    """
    written = parse_reference(reference)
    if written is None:
        raise Problem(404, "referral-not-found", "There is no such referral here")
    now = ledger.clock.now()
    async with ledger.pool.acquire() as connection:
        family = await families.read(connection, written, caller, now)
        for child in family.children:
            await note(connection, now, caller, "family.read", child.case_id)
    return family
