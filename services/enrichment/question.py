"""What is kept of a referral, and the question about one child that an agency gets: as little as finds them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Literal
from uuid import UUID, uuid5

from libs.schemas.base import Line, Model, Open, Payload
from libs.schemas.codes import AdultRole, ChildStatus, Sex
from libs.schemas.events import Received
from libs.schemas.person import Address, Date, Person
from libs.schemas.referral import Adult, ReferredChild

SENDABLE = ("names", "sex", "born", "nhs_number", "upn", "address", "school", "mother")
"""The fields that `send` of an agency may list."""


class KeptChild(Model):
    """What enrichment keeps of one child: what an agency needs to find them."""

    number: int
    status: Open[ChildStatus]
    given_name: Line | None = None
    family_name: Line | None = None
    also_known_as: tuple[Line, ...] = ()
    sex: Open[Sex] | None = None
    born: Date | None = None
    expected: Date | None = None
    nhs_number: str | None = None
    upn: str | None = None
    address: Address | None = None
    school: Line | None = None


class KeptReferral(Model):
    """What the children share: the mother, by whom an unborn child is found."""

    mother: Person | None = None
    mother_born: Date | None = None


class Kept(Payload[KeptReferral, KeptChild]):
    """What enrichment keeps of a referral."""


class Subject(Model):
    """Somebody as an agency is told of them."""

    given_name: str | None = None
    family_name: str | None = None
    also_known_as: tuple[str, ...] | None = None
    sex: str | None = None
    born: Date | None = None
    expected: Date | None = None
    nhs_number: str | None = None
    upn: str | None = None
    address: tuple[str, ...] | None = None
    postcode: str | None = None
    school: str | None = None


class Question(Model):
    """The body of a question to an agency."""

    question_id: str
    purpose: Literal["safeguarding_check"] = "safeguarding_check"
    child: Subject
    mother: Subject | None = None


def keep(payload: Received, children: Sequence[UUID]) -> Kept:
    """What enrichment keeps of a received referral. `children`: all of them in the order of their numbers."""
    mother = next(
        (adult for adult in payload.shared.referral.adults if AdultRole.MOTHER in adult.roles), None
    )
    return Kept(
        shared=KeptReferral(mother=_person(mother), mother_born=mother.born if mother else None),
        children={
            child_id: _child(number, child)
            for number, child_id in enumerate(children, start=1)
            if (child := payload.children.get(child_id)) is not None
        },
    )


def _child(number: int, child: ReferredChild) -> KeptChild:
    return KeptChild(
        number=number,
        status=child.status,
        given_name=child.given_name,
        family_name=child.family_name,
        also_known_as=child.also_known_as,
        sex=child.sex,
        born=child.born,
        expected=child.expected,
        nhs_number=child.nhs_number,
        upn=child.upn,
        address=child.address,
        school=child.school,
    )


def _person(adult: Adult | None) -> Person | None:
    if adult is None:
        return None
    return Person(
        given_name=adult.given_name,
        family_name=adult.family_name,
        also_known_as=adult.also_known_as,
        address=adult.address,
    )


def identifiers(kept: Kept, child_id: UUID) -> frozenset[str]:
    """By what an agency can tell who is meant: codes of `SENDABLE`, never the values."""
    child = kept.children.get(child_id)
    if child is None:
        return frozenset()
    unborn = child.status == ChildStatus.UNBORN
    mother = kept.shared.mother
    named = child.family_name is not None and bool(child.given_name or child.born or child.address)
    present = {
        "nhs_number": child.nhs_number is not None,
        "upn": child.upn is not None,
        # A family name expected for an unborn child is nobody's record.
        "names": named and not unborn,
        "mother": unborn and mother is not None and mother.family_name is not None,
    }
    return frozenset(name for name, there in present.items() if there)


def question_id(child_id: UUID, agency: str) -> UUID:
    """The id of the question about a child to an agency: the same however often it must be sent."""
    return uuid5(child_id, agency)


def question_for(kept: Kept, child_id: UUID, send: Collection[str], question: UUID) -> Question | None:
    """The question about one child with the listed fields only; None where the child's part cannot be read."""
    child = kept.children.get(child_id)
    if child is None:
        return None
    unborn = child.status == ChildStatus.UNBORN
    mother = kept.shared.mother if unborn and "mother" in send else None
    return Question(
        question_id=str(question),
        child=Subject.model_validate(
            _names(child, send)
            | _only(
                send,
                {
                    "sex": str(child.sex) if child.sex else None,
                    "born": child.born,
                    "nhs_number": child.nhs_number,
                    "upn": child.upn,
                    "school": child.school,
                },
            )
            | ({"expected": child.expected} if "born" in send else {})
            | _address(child, send)
        ),
        mother=None
        if mother is None
        else Subject.model_validate(
            _names(mother, send)
            | _address(mother, send)
            | ({"born": kept.shared.mother_born} if "born" in send else {})
        ),
    )


def _only(send: Collection[str], fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name in send}


def _names(person: Person | KeptChild, send: Collection[str]) -> dict[str, object]:
    if "names" not in send:
        return {}
    return {
        "given_name": person.given_name,
        "family_name": person.family_name,
        "also_known_as": person.also_known_as or None,
    }


def _address(person: Person | KeptChild, send: Collection[str]) -> dict[str, object]:
    address = person.address
    if address is None or address.confidential or "address" not in send:
        return {}
    return {"address": address.lines or None, "postcode": address.postcode}


def exact_birth(born: Date | None) -> date | None:
    """The day of birth where it is known exactly."""
    return None if born is None else born.on
