"""Who lives with a child or is a danger to them: joined from the referral, what agencies found, and the index.

No member carries an address or a telephone number: where somebody lives is a matter of their own record, and a
confidential address of one home must not be read from another's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID, uuid5

from libs.schemas.codes import AdultRole, ChildPart
from libs.schemas.findings import Answer
from libs.schemas.people import Member
from libs.schemas.person import FoundPerson, Relation
from services.enrichment.family.circle import Circle
from services.enrichment.family.home import INDEX, HomeAdult, HomeChild
from services.enrichment.family.likeness import alike, is_child

MOST_MEMBERS = 60

PAST_HOMES = 12
"""Other referrals whose homes are looked at, the latest first: who lived with the child before those is history."""

T = TypeVar("T")

RELATION_OF_ROLE = {
    AdultRole.MOTHER: Relation.PARENT,
    AdultRole.FATHER: Relation.PARENT,
    AdultRole.CARER: Relation.CARER,
    AdultRole.PARTNER_OF_CARER: Relation.CARER,
}


@dataclass(frozen=True, slots=True)
class Named:
    """Somebody whom an agency's answer names. `subject_id` is their id here; `child_id` the child asked about."""

    subject_id: UUID
    agency: str
    child_id: UUID
    person: FoundPerson


def named_in(child_id: UUID, answer: Answer) -> list[Named]:
    """Whom an answer about a child names. An answer in place of another names everybody anew."""
    told = f"{answer.agency}/{answer.question_id}/{answer.answered_at}"
    return [
        Named(uuid5(child_id, f"{told}/{number}"), answer.agency, child_id, person)
        for number, person in enumerate(answer.people, start=1)
    ]


@dataclass(frozen=True, slots=True)
class _Said:
    """What one source says of one member. `past`: the index's, from another referral."""

    referral_id: UUID
    sources: tuple[str, ...]
    person: FoundPerson
    person_id: UUID | None
    case_id: UUID | None = None
    past: bool = False


def _same_member(one: _Said, other: _Said) -> bool:
    """Whether two sources speak of one member.

    Whom the index has as two are two, but for an adult whom two referrals about the child name alike: a mother without
    a date of birth is somebody new to the index each time, and one person to whoever looks at her child's home.
    """
    if one.person_id is not None and one.person_id == other.person_id:
        return True
    known = one.person_id is not None and other.person_id is not None
    if known and (is_child(one.person) or one.referral_id == other.referral_id):
        return False
    return alike(one.person, other.person)


@dataclass(slots=True)
class _Joined:
    """What all sources say of one member."""

    said: list[_Said] = field(default_factory=list)

    def takes(self, other: _Said) -> bool:
        return any(_same_member(one, other) for one in self.said)

    def member(self) -> Member:
        """One member. What is said of this referral comes before what the index remembers."""
        people = [one.person for one in self.said]
        now = [one.person.same_household for one in self.said if not one.past]
        before = any(one.past and one.person.same_household for one in self.said)
        here = True if True in now else False if False in now else None
        first = people[0]
        return Member(
            given_name=_first(one.given_name for one in people),
            family_name=_first(one.family_name for one in people),
            also_known_as=tuple(dict.fromkeys(name for one in people for name in one.also_known_as))[:10],
            sex=_first(one.sex for one in people),
            relation=first.relation,
            roles=tuple(dict.fromkeys(role for one in people for role in one.roles))[:8],
            born=_first(one.born for one in people),
            expected=_first(one.expected for one in people),
            nhs_number=_first(one.nhs_number for one in people),
            upn=_first(one.upn for one in people),
            same_household=True if here is None and before else here,
            thought_to_harm=any(one.thought_to_harm for one in people),
            person_id=_first(one.person_id for one in self.said),
            case_id=_first(one.case_id for one in self.said),
            said_by=tuple(dict.fromkeys(source for one in self.said for source in one.sources)),
            left=before and here is False,
        )


def household_of(
    circle: Circle, case_id: UUID, named: Sequence[Named], others: Iterable[Circle]
) -> tuple[Member, ...]:
    """The household of one child of a referral.

    `named`: whom the answers of this referral name. `others`: the other referrals about the same person.
    """
    case = circle.cases[case_id]
    child = circle.home.children.get(case_id)
    joined: list[_Joined] = []
    for said in _everything(circle, case_id, child, named, others):
        if said.person_id == case.person_id or said.case_id == case_id:
            continue
        if child is not None and said.person_id is None and alike(said.person, as_found(child, child)):
            continue
        member = next((one for one in joined if one.takes(said)), None)
        if member is None:
            joined.append(member := _Joined())
        member.said.append(said)
    return tuple(one.member() for one in joined[:MOST_MEMBERS])


def _everything(
    circle: Circle,
    case_id: UUID,
    child: HomeChild | None,
    named: Sequence[Named],
    others: Iterable[Circle],
) -> Iterator[_Said]:
    cases = {case.person_id: case.id for case in reversed(circle.cases.values())}
    yield from _of_home(circle, case_id, child, cases, past=False)
    for one in sorted(named, key=lambda one: (one.child_id != case_id, one.agency, one.subject_id)):
        beside = one.child_id != case_id
        if beside and not (
            one.person.same_household and _together(child, circle.home.children.get(one.child_id))
        ):
            continue
        found = circle.person_of(one.subject_id)
        yield _Said(circle.referral_id, (one.agency,), one.person, found, _of(cases, found))
    latest = sorted(others, key=lambda other: (other.received_at, other.referral_id), reverse=True)
    for other in latest[:PAST_HOMES]:
        for there in other.cases.values():
            if there.person_id == circle.cases[case_id].person_id:
                yield from _of_home(other, there.id, other.home.children.get(there.id), cases, past=True)


def _of_home(
    circle: Circle, case_id: UUID, child: HomeChild | None, cases: Mapping[UUID, UUID], *, past: bool
) -> Iterator[_Said]:
    """Those whom a referral itself names beside one of its children."""
    for other_id, other in circle.home.children.items():
        if other_id != case_id and other_id in circle.cases:
            theirs = circle.cases[other_id].person_id
            sources = (INDEX,) if past else other.said_by
            yield _Said(circle.referral_id, sources, as_found(other, child), theirs, _of(cases, theirs), past)
    for adult in circle.home.shared.adults:
        sources = (INDEX,) if past else adult.said_by
        yield _Said(
            circle.referral_id, sources, as_adult(adult, child), circle.person_of(adult.id), None, past
        )


def names_anybody_else(circle: Circle, other: Circle) -> bool:
    """Whether a referral names somebody whom another one does not: by their person, or an adult by name."""
    theirs = other.everybody
    adults = [as_adult(adult, None) for adult in other.home.shared.adults]
    return any(case.person_id not in theirs for case in circle.cases.values()) or any(
        circle.person_of(adult.id) not in theirs
        and not any(alike(as_adult(adult, None), known) for known in adults)
        for adult in circle.home.shared.adults
    )


def as_found(other: HomeChild, child: HomeChild | None) -> FoundPerson:
    """A child as somebody of another child's household."""
    together = _labels(other, child)
    return FoundPerson(
        given_name=other.given_name,
        family_name=other.family_name,
        also_known_as=other.also_known_as,
        sex=other.sex,
        relation=Relation.OTHER_CHILD if together is False else Relation.SIBLING,
        born=other.born,
        expected=other.expected,
        nhs_number=other.nhs_number,
        upn=other.upn,
        same_household=together,
        thought_to_harm=other.part == ChildPart.THOUGHT_TO_HAVE_HARMED,
    )


def as_adult(adult: HomeAdult, child: HomeChild | None) -> FoundPerson:
    """An adult as somebody of a child's household."""
    relations = [
        RELATION_OF_ROLE[role]
        for role in adult.roles
        if isinstance(role, AdultRole) and role in RELATION_OF_ROLE
    ]
    return FoundPerson(
        given_name=adult.given_name,
        family_name=adult.family_name,
        also_known_as=adult.also_known_as,
        sex=adult.sex,
        relation=relations[0] if relations else Relation.OTHER_ADULT,
        roles=adult.roles,
        born=adult.born,
        same_household=_labels(adult, child),
        thought_to_harm=adult.thought_to_harm,
    )


def _labels(one: HomeAdult | HomeChild, child: HomeChild | None) -> bool | None:
    """Whether two live together as the referral labels them; None where it does not say."""
    if child is None or one.household is None or child.household is None:
        return None
    return one.household == child.household


def _together(one: HomeChild | None, other: HomeChild | None) -> bool:
    """Whether two children may share a home: a missing label is no sign of living apart."""
    return one is None or other is None or _labels(one, other) is not False


def _of(cases: Mapping[UUID, UUID], person_id: UUID | None) -> UUID | None:
    return None if person_id is None else cases.get(person_id)


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)
