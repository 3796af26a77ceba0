"""Children who are not in the referral as it was sent: named there by an agency, or remembered by the index.

A link that is only likely finds nobody: who is found is named by an agency, or is surely the person whom an earlier
report of the last twelve months has in the same home.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from libs.schemas.codes import ChildPart, ChildStatus, Sex
from libs.schemas.people import Member
from libs.schemas.person import Address, FoundPerson, Relation
from libs.schemas.referral import ReferredChild
from services.enrichment.family.circle import Circle, by_person
from services.enrichment.family.home import INDEX, REFERRER, STAFF
from services.enrichment.family.household import Named, as_adult, as_found, household_of
from services.enrichment.family.likeness import alike, certainly_grown, is_child

_NHS = re.compile(r"[0-9]{10}")
_UPN = re.compile(r"[A-Z][0-9]{11}[0-9A-Z]")


def recognised(circle: Circle, named: Sequence[Named]) -> dict[UUID, UUID]:
    """Those named by agencies who are plainly somebody of the referral, or of whom another agency spoke before.

    Gives, by the subject's id, the person of each, or the id of the one of `named` who is the same and unknown as yet.
    They need no asking who they are.
    """
    known = [
        (as_found(child, None), circle.cases[case_id].person_id)
        for case_id, child in circle.home.children.items()
        if case_id in circle.cases
    ]
    known += [
        (as_adult(adult, None), circle.persons[adult.id])
        for adult in circle.home.shared.adults
        if adult.id in circle.persons
    ]
    known += [
        (one.person, person_id)
        for one in named
        if (person_id := circle.person_of(one.subject_id)) is not None
    ]
    found: dict[UUID, UUID] = {}
    for one in named:
        if circle.person_of(one.subject_id) is None:
            same = next((same for person, same in known if alike(person, one.person)), None)
            if same is None:
                known.append((one.person, one.subject_id))
            else:
                found[one.subject_id] = same
    return found


def can_be_known(person: FoundPerson) -> bool:
    """Whether enough is said of somebody to look for them in the index."""
    named = person.given_name is not None and person.family_name is not None
    return named or person.nhs_number is not None or person.upn is not None


def may_be_found(person: FoundPerson, on: date) -> bool:
    """Whether somebody whom an agency names gets a case: a child of the home, born or unborn.

    A brother or sister who is said to live elsewhere stays in the household's view, for a person to add.
    """
    at_home = person.same_household or (
        person.relation == Relation.SIBLING and person.same_household is not False
    )
    tellable = person.given_name is not None or person.expected is not None or can_be_known(person)
    return is_child(person) and bool(at_home) and tellable and not certainly_grown(person.born, on)


def new_among(circle: Circle, named: Sequence[Named], on: date) -> list[Named]:
    """Of those named by agencies the children who are to be added, each once.

    Everybody of whom that can be said is taken for one who is there already: the same person of the index, or the same
    given name in the home and nothing against it.
    """
    children = [as_found(child, None) for child in circle.home.children.values()]
    persons = set(by_person(circle))
    new: list[Named] = []
    for one in named:
        person_id = circle.persons.get(one.subject_id)
        if (
            may_be_found(one.person, on)
            and one.subject_id not in circle.cases
            and person_id not in persons
            and not any(alike(one.person, child) for child in children)
        ):
            new.append(one)
            children.append(one.person)
            persons |= set() if person_id is None else {person_id}
    return new


def remembered(circle: Circle, others: Iterable[Circle], zone: ZoneInfo) -> dict[UUID, tuple[UUID, Member]]:
    """Children whom the index has in the same home as a child of this referral, by the id of the case they would get.
    With each the id of that child.

    Only by reports of the twelve months before, which say that the two live together, and only beside the children
    whom the referrer or staff named: who was found leads to nobody else.
    """
    on = circle.received_at.astimezone(zone).date()
    recent = [
        other
        for other in others
        if year_before(on) <= other.received_at.astimezone(zone).date()
        and other.received_at < circle.received_at
    ]
    found: dict[UUID, tuple[UUID, Member]] = {}
    for case in circle.cases.values():
        if case.origin not in (REFERRER, STAFF) or not recent:
            continue
        for member in household_of(circle, case.id, (), recent):
            if (
                member.said_by == (INDEX,)
                and member.person_id is not None
                and member.case_id is None
                and member.relation == Relation.SIBLING
                and member.same_household
                and not certainly_grown(member.born, on)
            ):
                found[uuid5(circle.referral_id, f"child/{member.person_id}")] = case.id, member
    return found


def year_before(day: date) -> date:
    """The same day a year before; the last of February stands for its leap day."""
    return date(day.year - 1, day.month, 28 if (day.month, day.day) == (2, 29) else day.day)


def referred(person: FoundPerson, household: str | None, *, confidential: bool) -> ReferredChild:
    """A found child as a child of the referral. `household`: the label of the home that they are said to live in.

    `confidential`: whether somebody of the referral lives at a confidential address: then so does this child.
    """
    unborn = person.expected is not None and person.born is None
    address = person.address
    if address is not None and confidential:
        address = Address.model_validate(address.model_dump() | {"confidential": True})
    return ReferredChild(
        given_name=person.given_name,
        family_name=person.family_name,
        also_known_as=person.also_known_as,
        sex=Sex.UNKNOWN if unborn else person.sex,
        address=address,
        status=ChildStatus.UNBORN if unborn else ChildStatus.BORN,
        part=ChildPart.THOUGHT_TO_HAVE_HARMED if person.thought_to_harm else ChildPart.OTHERWISE_IN_CONTACT,
        born=person.born,
        expected=person.expected if unborn else None,
        nhs_number=_fits(_NHS, person.nhs_number),
        upn=_fits(_UPN, person.upn),
        household=household,
    )


def label_of_home(circle: Circle, child_id: UUID, person: FoundPerson) -> str | None:
    """The label of a child's home, where somebody is said to live there."""
    child = circle.home.children.get(child_id)
    return child.household if child is not None and person.same_household else None


def _fits(pattern: re.Pattern[str], text: str | None) -> str | None:
    return text if text is not None and pattern.fullmatch(text) else None
