"""What is told of one child: who it is, what came before, and who lives with it."""

from collections.abc import Collection, Mapping, Sequence
from zoneinfo import ZoneInfo

from libs.schemas.history import SameEvent
from libs.schemas.people import Linked
from libs.schemas.person import Date
from services.enrichment.family.circle import Case, Circle, contacts_of
from services.enrichment.family.events import IsWorry, Pair
from services.enrichment.family.history import history_of
from services.enrichment.family.household import Named, household_of
from services.enrichment.people.index import Identified


def linked_of(
    circle: Circle,
    case: Case,
    identified: Identified,
    others: Collection[Circle],
    named: Sequence[Named],
    decided: Mapping[Pair, SameEvent],
    is_worry: IsWorry,
    zone: ZoneInfo,
) -> Linked:
    """Everything about one child as it is known now, as the next revision.

    `others`: the other referrals that name somebody of this one. `named`: whom this referral's answers name.
    """
    beside = [other for other in others if other.referral_id != circle.referral_id]
    contacts = contacts_of(case.person_id, [circle, *beside])
    return Linked(
        revision=case.revision + 1,
        person_id=case.person_id,
        band=identified.band,
        method=identified.method,
        rules=identified.rules,
        candidates=identified.candidates[:20],
        born=_born(circle, case, beside),
        history=history_of(circle.contact(case.id), contacts, decided, is_worry, zone),
        household=household_of(circle, case.id, named, beside),
    )


def is_news(linked: Linked, told: Linked | None) -> bool:
    """Whether it says anything that was not told already."""
    return told is None or linked != told.model_copy(update={"revision": linked.revision})


def _born(circle: Circle, case: Case, others: Collection[Circle]) -> Date | None:
    """The exact date of birth that other referrals give, where this one has none that is exact."""
    child = circle.home.children.get(case.id)
    if child is None or (child.born is not None and child.born.on is not None):
        return None
    found = {
        stated.born
        for other in others
        for there in other.cases.values()
        if there.person_id == case.person_id
        and (stated := other.home.children.get(there.id)) is not None
        and stated.born is not None
        and stated.born.on is not None
    }
    return found.pop() if len(found) == 1 else None
