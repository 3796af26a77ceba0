"""What the hub owes a referrer: to be told, as far as that is possible and safe."""

from libs.schemas.codes import PROFESSIONAL_ROLES, SafeChannel
from services.triage.decide.answer import Duties, Untellable
from services.triage.decide.picture import Picture


def duties_of(picture: Picture) -> Duties:
    """What the hub owes the referrer: a receipt at once and the outcome in their role's words, where that is safe."""
    referrer = picture.referrer
    why_not = None
    if referrer.anonymous:
        why_not = Untellable.ANONYMOUS
    elif referrer.contact is SafeChannel.NONE:
        why_not = Untellable.NO_SAFE_WAY
    if why_not is not None:
        return Duties(receipt=False, outcome=False, told="nothing: the record says why", why_not=why_not)
    professional = referrer.role in PROFESSIONAL_ROLES
    return Duties(
        receipt=True,
        outcome=True,
        told="which kind of help was decided" if professional else "that a decision was made",
        ask_for_a_way=referrer.contact is None,
    )
