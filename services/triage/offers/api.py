"""The operations that show what a family may be offered, and what goes with a child to whoever is to help."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from libs.platform.auth import Principal, requires
from libs.platform.parameters import WHOLE
from libs.platform.problems import Problem, responses
from libs.schemas.base import Model
from libs.schemas.levels import Destination
from services.triage.access import note
from services.triage.offers.message import HandoverMessage, OfferView, handover_message, offer_view
from services.triage.offers.offers import Offers
from services.triage.restricted.rights import on_case

QueueReader = Annotated[Principal, requires("queue:read")]
CaseReader = Annotated[Principal, on_case("case:read")]


class OffersView(Model):
    """What may be offered, and what should bring a child back."""

    offers: tuple[OfferView, ...]
    bring_back: tuple[str, ...]


async def _offers(request: Request) -> Offers:
    offers: Offers = request.app.state.offers
    return offers


Known = Annotated[Offers, Depends(_offers)]

router = APIRouter(prefix="/v1", tags=["hand-over"])


@router.get("/offers", responses=responses(401, 403, 422, 503), summary="What a family may be offered")
async def list_offers(
    caller: QueueReader,
    offers: Known,
    destination: Annotated[
        Destination | None, Query(description="Only what is offered at this destination.")
    ] = None,
    age: Annotated[
        int | None, Query(ge=0, le=25, description="Only what fits this age in years."), WHOLE
    ] = None,
) -> OffersView:
    """The partnership's own list. It names no family."""
    found = [
        offer
        for offer in offers.offers.values()
        if (destination is None or offer.fits(destination, age))
        and (age is None or offer.youngest <= age <= offer.oldest)
    ]
    return OffersView(offers=tuple(offer_view(offer) for offer in found), bring_back=offers.bring_back)


@router.get(
    "/cases/{case_id}/handover/message",
    responses=responses(400, 401, 403, 404, 409, 422, 503),
    summary="What goes with a child to whoever is to help",
)
async def read_message(request: Request, caller: CaseReader, case_id: UUID, offers: Known) -> HandoverMessage:
    """The decision, what was agreed and shared, the child's voice, what is missing, offers, and what should bring the
    child back. Reading is recorded.
    """
    office = request.app.state.office
    now = office.ledger.clock.now()
    async with office.ledger.pool.acquire() as connection:
        view, _ = await office.cases.read(connection, case_id, caller, now)
        await note(connection, now, caller, "handover.message", case_id)
    message = handover_message(view, offers, office.cases.thresholds.clocks.day(now))
    if message is None:
        raise Problem(409, "not-decided", "Nobody has decided on this child yet", "decide, then hand over")
    return message
