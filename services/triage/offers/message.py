"""What is passed on with a child to whoever is to help: decided, agreed, known, missing, and what to do next."""

from datetime import date
from uuid import UUID

from pydantic import Field

from libs.schemas.base import Instant, Line, Model, Text
from libs.schemas.decision import Shared
from libs.schemas.levels import Destination, Level
from libs.schemas.referral import Agreements
from services.triage.derived.background import years
from services.triage.known import as_corrected
from services.triage.offers.offers import Offer, Offers
from services.triage.standing import SPOKEN
from services.triage.views import CaseView


class OfferView(Model):
    """One offer."""

    id: str
    name: str
    agreement: bool = Field(description="The family is asked before anything is passed on.")
    how: str


class HandoverMessage(Model):
    """A child as it is handed over. Whoever receives it has what the decision rests on before them."""

    case_id: UUID
    reference: str | None
    child_number: int
    name: str | None
    level: Level
    destination: Destination
    decided_by: Line
    decided_at: Instant
    rationale: Text
    agreements: Agreements | None = Field(
        description="What the family agrees to now, by whom and when it was asked: of several answers the latest."
    )
    shared: tuple[Shared, ...] = Field(description="What was shared with whom, on which basis.")
    worry: Text | None = Field(description="The referrer's own words; absent where they were erased.")
    added: tuple[Text, ...] = Field(description="What the referrer wrote later, the first one first.")
    voice: Text | None = Field(description="The child's own, where somebody heard it.")
    voice_not_obtained_because: str | None = Field(
        description="Why nobody heard it, where that was said. Not obtained is never no concern."
    )
    missing: tuple[str, ...] = Field(description="Agencies from whom nothing is known yet, in words.")
    next_steps: tuple[str, ...]
    open_tasks: tuple[str, ...]
    offers: tuple[OfferView, ...]
    bring_back: tuple[str, ...] = Field(description="What should bring the child back to the hub.")


def handover_message(view: CaseView, offers: Offers, today: date) -> HandoverMessage | None:
    """What goes with a child to where it was decided to go; None where nothing was decided yet."""
    if not view.decisions:
        return None
    decision, received = view.decisions[-1], view.evidence.received
    child = as_corrected(None if received is None else received.child, view.evidence.corrected)
    destination = Destination(decision.destination)
    age = None
    if child is not None and child.born is not None:
        found = years(child.born, today)
        age = found if isinstance(found, int) else None
    added = view.evidence.added
    voices = [one.voice for one in (child, *(one.child for one in added)) if one is not None and one.voice]
    spoken = [text for voice in voices for text in (voice.words, voice.wishes) if text]
    unheard = voices[-1].not_obtained_because if voices and not spoken else None
    return HandoverMessage(
        case_id=view.case_id,
        reference=view.reference,
        child_number=view.child_number,
        name=None if child is None else " ".join(filter(None, (child.given_name, child.family_name))) or None,
        level=Level(decision.level),
        destination=destination,
        decided_by=decision.decided_by,
        decided_at=decision.decided_at,
        rationale=decision.rationale,
        agreements=_agreed(
            None if received is None else received.referral.agreements,
            *(one.shared.agreements for one in added),
        ),
        shared=decision.shared,
        worry=None if received is None else received.referral.worry,
        added=tuple(one.shared.worry for one in added if one.shared.worry is not None),
        voice="\n".join(spoken) or None,
        voice_not_obtained_because=None if unheard is None else str(unheard),
        missing=tuple(
            f"{one.agency}: {one.words}" for one in view.evidence.agencies if one.state not in SPOKEN
        ),
        next_steps=() if view.recommendation is None else view.recommendation.next_steps,
        open_tasks=tuple(task.kind for task in view.tasks if task.done_at is None),
        offers=tuple(offer_view(offer) for offer in offers.offers.values() if offer.fits(destination, age)),
        bring_back=offers.bring_back,
    )


def _agreed(*given: Agreements | None) -> Agreements | None:
    """What the family agrees to, of several answers about one thing the latest; None where nothing was said."""
    said = [one for one in given if one is not None]
    latest = {name: value for one in said for name, value in one if value is not None}
    return Agreements(**latest) if said else None


def offer_view(offer: Offer) -> OfferView:
    """An offer as it is shown."""
    return OfferView(id=offer.id, name=offer.name, agreement=offer.agreement, how=offer.how)
