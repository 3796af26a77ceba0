"""When two reports about one person tell of the same event: stated rules, and a person's word, which beats them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations
from uuid import UUID

from libs.schemas.dictionary import Dictionary, Kind, Polarity
from libs.schemas.findings import Fact, Period
from libs.schemas.history import SameEvent
from services.enrichment.family.contact import Contact

NEAR = timedelta(days=28)
"""How far apart two reports with the same reference, or of the same incident, are still certainly one event. An older
one may be a number that came round again, or a new worry that recalls an old day: a person says.
"""

CLOSE = timedelta(days=3)
"""How far apart reports of different agencies may be and still be about one event (domain notes: child and window)."""

AGAIN = timedelta(days=1)
"""How far apart two reports of one agency that state the same are taken to be one that was sent twice, perhaps."""

SAME_SOURCE_REFERENCE = "same_source_reference"
SAME_INCIDENT = "same_incident"
REPORTED_CLOSE_BY = "reported_close_by"
SENT_AGAIN = "sent_again"
SAID_BY_STAFF = "said_by_staff"

Pair = frozenset[UUID]
"""Two cases, in either order."""

IsWorry = Callable[[Fact], bool]
"""Whether a fact tells of harm or danger that can be an incident."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of two reports. Only what is certain is labelled without a person."""

    certain: bool
    because: tuple[str, ...]


def worry_of(dictionary: Dictionary) -> IsWorry:
    """Facts that put a risk certainly above its mildest step. Counts tell of no single event."""

    def is_worry(fact: Fact) -> bool:
        definition = dictionary.definitions.get(fact.fact)
        if definition is None or definition.polarity is not Polarity.RISK or definition.kind is Kind.COUNT:
            return False
        bounds = definition.bounds(fact.value)
        return bounds is not None and bounds[0] >= 1

    return is_worry


def compare(one: Contact, other: Contact, is_worry: IsWorry) -> Verdict | None:
    """Whether two reports about one person may tell of the same event; None where nothing says so.

    The same in either order. Certain: the same agency's same reference, or the same incident on the same day, within
    `NEAR`, where the later report tells of no day that the earlier one does not. Doubtful: either of them otherwise,
    reports of different agencies within `CLOSE`, and the same words of one agency within `AGAIN`.
    """
    if one.referral_id == other.referral_id or not (one.tells_of_an_event and other.tells_of_an_event):
        return None
    earlier, later = sorted((one, other), key=lambda contact: contact.place)
    apart = later.received_at - earlier.received_at
    before, after = _incidents(earlier, is_worry), _incidents(later, is_worry)
    because: list[str] = []
    sure = False
    if _reference(earlier) is not None and _reference(earlier) == _reference(later):
        because.append(SAME_SOURCE_REFERENCE)
        sure = earlier.agency == later.agency
    if before & after:
        because.append(SAME_INCIDENT)
        sure = True
    if sure and apart <= NEAR and not _tells_more(earlier, _days(before), _days(after)):
        return Verdict(True, tuple(because))
    if not because and not (before and after and _days(before).isdisjoint(_days(after))):
        because.extend(_doubts(earlier, later, apart, is_worry))
    return Verdict(False, tuple(because)) if because else None


def _tells_more(earlier: Contact, before: frozenset[date], after: frozenset[date]) -> bool:
    """Whether the later report tells of a day of which the earlier one cannot tell."""
    if before:
        return not after <= before
    return any(day > earlier.received_at.date() for day in after)


def _doubts(earlier: Contact, later: Contact, apart: timedelta, is_worry: IsWorry) -> list[str]:
    if earlier.agency != later.agency:
        return [REPORTED_CLOSE_BY] if apart <= CLOSE else []
    said = _worries(earlier, is_worry)
    return [SENT_AGAIN] if apart <= AGAIN and said and said == _worries(later, is_worry) else []


def label(
    contacts: Sequence[Contact], decided: Mapping[Pair, SameEvent], is_worry: IsWorry
) -> dict[UUID, str]:
    """Gives the reports that tell of one event one label: the reference of the first of them.

    A report that stands alone has none; two cases of one person in one referral are one report. A person's "the same"
    joins two reports, a person's "another" keeps two apart for good, also where both are joined to a third; what is
    certain joins the rest, oldest first.
    """
    ordered = sorted(contacts, key=lambda contact: contact.place)
    groups = {contact.case_id: {contact.case_id} for contact in ordered}
    apart = [
        tuple(pair) for pair, said in decided.items() if said is SameEvent.OTHER and pair <= groups.keys()
    ]

    def join(one: UUID, other: UUID) -> None:
        first, second = groups[one], groups[other]
        kept_apart = any((a in first and b in second) or (b in first and a in second) for a, b in apart)
        if first is not second and not kept_apart:
            first |= second
            groups.update(dict.fromkeys(second, first))

    for one, other in combinations(ordered, 2):
        if decided.get(frozenset((one.case_id, other.case_id))) is SameEvent.SAME:
            join(one.case_id, other.case_id)
    for one, other in combinations(ordered, 2):
        if one.referral_id == other.referral_id:
            join(one.case_id, other.case_id)
        elif other.received_at - one.received_at <= NEAR and groups[one.case_id] is not groups[other.case_id]:
            verdict = compare(one, other, is_worry)
            if verdict is not None and verdict.certain:
                join(one.case_id, other.case_id)
    labels: dict[UUID, str] = {}
    for contact in ordered:
        for member in groups[contact.case_id]:
            labels.setdefault(member, contact.reference)
    return {case_id: labels[case_id] for case_id, members in groups.items() if len(members) > 1}


def _reference(contact: Contact) -> str | None:
    """The sender's own reference without what is only typing; None where it is too short to tell two reports apart."""
    letters = "".join(one for one in (contact.source_reference or "").casefold() if one.isalnum())
    return letters if len(letters) >= 3 else None


def _incidents(contact: Contact, is_worry: IsWorry) -> frozenset[tuple[str, str, date]]:
    return frozenset(
        (fact.fact, repr(fact.value), fact.on)
        for fact in contact.facts
        if fact.on is not None and fact.period == Period.NOW and is_worry(fact)
    )


def _days(incidents: frozenset[tuple[str, str, date]]) -> frozenset[date]:
    return frozenset(day for _, _, day in incidents)


def _worries(contact: Contact, is_worry: IsWorry) -> frozenset[tuple[str, str]]:
    return frozenset((fact.fact, repr(fact.value)) for fact in contact.facts if is_worry(fact))
