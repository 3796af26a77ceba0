"""Tells the other services who is restricted, and who is no more."""

from collections.abc import Iterable
from uuid import UUID

from libs.messaging.ledger import Unit
from libs.schemas.events import CASE_RESTRICTED, CaseRestricted, Reference
from libs.schemas.outcomes import RestrictedChild
from services.triage.case import Case


def tell_restricted(unit: Unit, cases: Iterable[Case]) -> None:
    """Emits how these cases stand now: one event for each referral.

    The stand-in of a whole referral is told by the referral's own id, which stands for all of its children until a
    child is told of by an id of their own: a person may close it by hand, and then no child is ever known here.
    """
    families: dict[UUID, list[Case]] = {}
    for case in cases:
        families.setdefault(case.referral_id, []).append(case)
    for referral_id, family in families.items():
        about = Reference(reference=family[0].reference or "", at=unit.now)
        children = {case.id: RestrictedChild(restricted=case.restricted) for case in family}
        payload = CaseRestricted(shared=about, children=children)
        unit.emit(CASE_RESTRICTED, referral_id, payload, trace=family[0].trace)
