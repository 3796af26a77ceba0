"""The people of a referral as the index is asked who they are."""

from collections.abc import Iterator
from uuid import UUID

from libs.schemas.person import FoundPerson
from libs.schemas.referral import Adult
from services.enrichment.asking.question import Kept
from services.enrichment.family.home import adult_id
from services.enrichment.family.likeness import is_child
from services.enrichment.people.subject import Particulars, Subject


def child_subject(referral_id: UUID, case_id: UUID, kept: Kept, source: str) -> Subject | None:
    """A child of a referral; None where their part of the record was erased. `source`: who named the child."""
    child = kept.children.get(case_id)
    if child is None:
        return None
    return Subject(
        id=case_id,
        referral_id=referral_id,
        source=source,
        given_name=child.given_name,
        family_name=child.family_name,
        also_known_as=child.also_known_as,
        sex=child.sex,
        born=child.born,
        expected=child.expected,
        address=child.address,
        nhs_number=child.nhs_number,
        upn=child.upn,
        household=child.household,
        mother=_mother(kept),
    )


def adult_subjects(
    referral_id: UUID, within: UUID, adults: tuple[Adult, ...], source: str
) -> Iterator[Subject]:
    """Adults who were named together. `within`: what they were named in, a referral or a correction."""
    for number, adult in enumerate(adults, start=1):
        yield Subject(
            id=adult_id(within, number),
            referral_id=referral_id,
            adult=True,
            source=source,
            given_name=adult.given_name,
            family_name=adult.family_name,
            also_known_as=adult.also_known_as,
            sex=adult.sex,
            born=adult.born,
            address=adult.address,
            household=adult.household,
        )


def found_subject(
    subject_id: UUID, referral_id: UUID, person: FoundPerson, household: str | None, kept: Kept, source: str
) -> Subject:
    """Somebody whom an agency names, or whom the index remembers. `source`: who lists them side by side."""
    child = is_child(person)
    return Subject(
        id=subject_id,
        referral_id=referral_id,
        adult=not child,
        source=source,
        given_name=person.given_name,
        family_name=person.family_name,
        also_known_as=person.also_known_as,
        sex=person.sex,
        born=person.born,
        expected=person.expected,
        address=person.address,
        nhs_number=person.nhs_number,
        upn=person.upn,
        household=household,
        mother=_mother(kept) if child else None,
    )


def _mother(kept: Kept) -> Particulars | None:
    mother = kept.shared.mother
    if mother is None:
        return None
    return Particulars(
        given_name=mother.given_name,
        family_name=mother.family_name,
        also_known_as=mother.also_known_as,
        sex=mother.sex,
        born=mother.born,
        address=mother.address,
        nhs_number=mother.nhs_number,
    )
