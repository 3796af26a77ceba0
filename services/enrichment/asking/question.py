"""What is kept of a referral, and the question about one child that an agency gets: as little as finds them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from uuid import UUID, uuid5

from libs.schemas.base import Identifier, Line, Model, Open, Payload
from libs.schemas.codes import AdultRole, ChildStatus, Sex
from libs.schemas.events import Received
from libs.schemas.person import Address, Date, Person
from libs.schemas.referral import Adult, ReferredChild
from services.enrichment.sharing.permission import Audience, Permission

SENDABLE = ("names", "sex", "born", "nhs_number", "upn", "address", "school", "mother", "adults", "suspect")
"""The fields that a line of the data-sharing agreement may list.

`mother` is the mother of an unborn child, `adults` are the parents and the adults of the child's household, `suspect`
is whoever is thought to harm the child. Of each of them leaves what is listed beside: names, sex, birth, address.
"""

AT_HOME = frozenset(
    {
        AdultRole.MOTHER,
        AdultRole.FATHER,
        AdultRole.CARER,
        AdultRole.PARTNER_OF_CARER,
        AdultRole.HOUSEHOLD_MEMBER,
    }
)
"""Adults who belong to the child's home, as far as nothing says that they live elsewhere."""


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
    household: Line | None = None


class KeptAdult(Person):
    """What enrichment keeps of an adult, by whom an agency may be asked as well."""

    roles: tuple[Open[AdultRole], ...] = ()
    born: Date | None = None
    nhs_number: str | None = None
    household: Line | None = None
    thought_to_harm: bool = False
    employer_agency: Identifier | None = None


class KeptReferral(Model):
    """What the children share: the adults."""

    adults: tuple[KeptAdult, ...] = ()

    @property
    def mother(self) -> KeptAdult | None:
        """The mother, by whom an unborn child is found."""
        return next((adult for adult in self.adults if AdultRole.MOTHER in adult.roles), None)

    @property
    def employers(self) -> frozenset[str]:
        """The agencies that employ somebody thought to harm, as the referral names them."""
        return frozenset(
            adult.employer_agency for adult in self.adults if adult.thought_to_harm and adult.employer_agency
        )


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
    """What leaves for an agency: what it is asked for and why, and the listed fields of whom it is asked about.

    `existence_only`: the items of which it is asked only whether anything is held. `to`: whom the question may reach.
    """

    question_id: str
    purpose: str
    basis: str
    items: tuple[Identifier, ...]
    existence_only: frozenset[Identifier] = frozenset()
    to: Audience = "team"
    child: Subject
    mother: Subject | None = None
    adults: tuple[Subject, ...] = ()

    def fields(self, listed: Collection[str]) -> frozenset[str]:
        """The names of the fields that it bears, out of those that were listed for it."""
        bears: set[str] = set()
        for person in (self.child, self.mother, *self.adults):
            if person is not None:
                bears |= {FIELD_OF[name] for name, value in person if value is not None}
        if self.mother is not None:
            bears.add("mother")
        if self.adults:
            bears |= {"adults", "suspect"}.intersection(listed)
        return frozenset(bears)


FIELD_OF = {
    "given_name": "names",
    "family_name": "names",
    "also_known_as": "names",
    "sex": "sex",
    "born": "born",
    "expected": "born",
    "nhs_number": "nhs_number",
    "upn": "upn",
    "address": "address",
    "postcode": "address",
    "school": "school",
}
"""Which listed field each part of a subject belongs to."""


def keep(payload: Received, children: Sequence[UUID]) -> Kept:
    """What enrichment keeps of a received referral. `children`: all of them in the order of their numbers."""
    return Kept(
        shared=KeptReferral(adults=tuple(map(kept_adult, payload.shared.referral.adults))),
        children={
            child_id: kept_child(number, child)
            for number, child_id in enumerate(children, start=1)
            if (child := payload.children.get(child_id)) is not None
        },
    )


def kept_child(number: int, child: ReferredChild) -> KeptChild:
    """What is kept of one child of a referral."""
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
        household=child.household,
    )


def kept_adult(adult: Adult) -> KeptAdult:
    """What is kept of one adult of a referral."""
    return KeptAdult(
        given_name=adult.given_name,
        family_name=adult.family_name,
        also_known_as=adult.also_known_as,
        sex=adult.sex,
        address=adult.address,
        roles=adult.roles,
        born=adult.born,
        household=adult.household,
        thought_to_harm=adult.thought_to_harm,
        employer_agency=adult.employer_agency,
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


def homes(kept: Kept) -> dict[UUID, int]:
    """The lowest number of the children of the same home, for each child of whom a home is said."""
    first: dict[str, int] = {}
    for child in kept.children.values():
        if child.household is not None:
            first[child.household] = min(child.number, first.get(child.household, child.number))
    return {
        child_id: first[child.household]
        for child_id, child in kept.children.items()
        if child.household is not None
    }


def question_id(child_id: UUID, agency: str) -> UUID:
    """The id under which it is told that there is no question to an agency about a child."""
    return uuid5(child_id, agency)


def question_for(kept: Kept, child_id: UUID, permission: Permission, question: UUID) -> Question | None:
    """The question about one child as it is permitted; None where the child's part cannot be read."""
    send = permission.fields
    child = kept.children.get(child_id)
    if child is None:
        return None
    unborn = child.status == ChildStatus.UNBORN
    mother = kept.shared.mother if unborn and "mother" in send else None
    return Question(
        question_id=str(question),
        purpose=permission.purpose,
        basis=permission.basis,
        items=permission.names,
        existence_only=permission.existence_only,
        to=permission.to,
        child=Subject.model_validate(
            _names(child, send)
            | _only(
                send,
                {
                    "sex": _text(child.sex),
                    "born": child.born,
                    "nhs_number": child.nhs_number,
                    "upn": child.upn,
                    "school": child.school,
                },
            )
            | ({"expected": child.expected} if "born" in send else {})
            | _address(child, send)
        ),
        mother=None if mother is None else _adult(mother, send),
        adults=tuple(
            _adult(adult, send)
            for adult in kept.shared.adults
            if adult is not mother and _meant(adult, child, send)
        ),
    )


def _meant(adult: KeptAdult, child: KeptChild, send: Collection[str]) -> bool:
    """Whether the agency may be told of this adult."""
    if "suspect" in send and adult.thought_to_harm:
        return True
    if "adults" not in send:
        return False
    if adult.household is not None and child.household is not None:
        return adult.household == child.household
    return not AT_HOME.isdisjoint(adult.roles)


def _adult(adult: KeptAdult, send: Collection[str]) -> Subject:
    return Subject.model_validate(
        _names(adult, send)
        | _only(send, {"sex": _text(adult.sex), "born": adult.born, "nhs_number": adult.nhs_number})
        | _address(adult, send)
    )


def _text(code: str | None) -> str | None:
    return str(code) if code else None


def _only(send: Collection[str], fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name in send}


def _names(person: KeptAdult | KeptChild, send: Collection[str]) -> dict[str, object]:
    if "names" not in send:
        return {}
    return {
        "given_name": person.given_name,
        "family_name": person.family_name,
        "also_known_as": person.also_known_as or None,
    }


def _address(person: KeptAdult | KeptChild, send: Collection[str]) -> dict[str, object]:
    address = person.address
    if address is None or address.confidential or "address" not in send:
        return {}
    return {"address": address.lines or None, "postcode": address.postcode}


def exact_birth(born: Date | None) -> date | None:
    """The day of birth where it is known exactly."""
    return None if born is None else born.on
