"""A question bears the listed fields of those whom it is about, and of nobody else."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from libs.schemas.codes import ChildStatus
from libs.schemas.levels import Level
from services.enrichment.asking.question import KeptAdult, KeptReferral, Question, identifiers, question_for
from services.enrichment.sharing.permission import About, Grant, Mode, Permission
from tests.services.enrichment.sharing.making import CHILD, FAMILY, UNBORN


def permission(*fields: str) -> Permission:
    grant = Grant(
        item="adults",
        mode=Mode.EXISTENCE,
        purpose="to protect",
        basis="section 47",
        ground="significant_harm",
        freshness=timedelta(days=1),
        about=About.HOUSEHOLD,
        fields=frozenset(fields),
        level=Level.SECTION_47,
    )
    return Permission((grant,), {}, "lead")


def asked(child: uuid.UUID, *fields: str) -> Question:
    question = question_for(FAMILY, child, permission(*fields), uuid.uuid4())
    assert question is not None
    return question


def names(question: Question) -> list[str | None]:
    return [adult.given_name for adult in question.adults]


def test_it_says_for_what_why_how_much_and_to_whom() -> None:
    question = asked(CHILD, "names")
    assert (question.items, question.purpose, question.basis) == (("adults",), "to protect", "section 47")
    assert (question.existence_only, question.to) == (frozenset({"adults"}), "lead")


def test_a_childs_part_that_cannot_be_read_asks_nothing() -> None:
    assert question_for(FAMILY, uuid.uuid4(), permission("names"), uuid.uuid4()) is None


@pytest.mark.parametrize(
    ("fields", "who"),
    [
        (("names",), []),
        (("names", "adults"), ["Motherfirst", "Partnerfirst"]),
        (("names", "suspect"), ["Suspectfirst"]),
        (("names", "adults", "suspect"), ["Motherfirst", "Partnerfirst", "Suspectfirst"]),
        (("adults",), [None, None]),
    ],
)
def test_adults_are_those_of_the_household_and_suspects_where_they_are_listed(
    fields: tuple[str, ...], who: list[str | None]
) -> None:
    assert names(asked(CHILD, *fields)) == who


def test_adults_of_a_home_that_is_not_labelled_are_known_by_their_place_in_it() -> None:
    homes = [adult.model_copy(update={"household": None}) for adult in FAMILY.shared.adults]
    family = FAMILY.model_copy(update={"shared": FAMILY.shared.model_copy(update={"adults": tuple(homes)})})
    question = question_for(family, CHILD, permission("names", "adults"), uuid.uuid4())
    assert question is not None
    assert names(question) == ["Motherfirst", "Partnerfirst"]


def test_an_unborn_child_is_found_by_the_mother_who_is_then_named_once() -> None:
    question = asked(UNBORN, "names", "born", "mother", "adults")
    assert question.mother is not None
    assert (question.mother.given_name, question.mother.postcode) == ("Motherfirst", None)
    assert names(question) == ["Partnerfirst"]
    assert question.fields(permission("mother", "adults").fields) == {"names", "born", "mother", "adults"}
    assert asked(UNBORN, "names").mother is None
    assert asked(CHILD, "names", "mother").mother is None


def test_the_name_expected_for_an_unborn_child_tells_nobody_who_is_meant() -> None:
    named = FAMILY.children[UNBORN].model_copy(update={"given_name": "Bump", "family_name": "Childlast"})
    family = FAMILY.model_copy(update={"children": {UNBORN: named}})
    assert identifiers(family, UNBORN) == {"mother"}
    motherless = family.model_copy(update={"shared": KeptReferral()})
    assert identifiers(motherless, UNBORN) == frozenset()
    born = named.model_copy(update={"status": ChildStatus.BORN})
    assert identifiers(motherless.model_copy(update={"children": {UNBORN: born}}), UNBORN) == {"names"}


def test_only_who_is_thought_to_harm_makes_their_employer_the_suspects() -> None:
    harmless = KeptAdult(family_name="Carerlast", employer_agency="education")
    shared = FAMILY.shared.model_copy(update={"adults": (*FAMILY.shared.adults, harmless)})
    assert shared.employers == {"cambridgeshire_police"}


def test_a_confidential_address_never_leaves() -> None:
    question = asked(CHILD, "names", "address", "adults")
    mother, partner = question.adults
    assert mother.address == ("1 Motherhome Street",)
    assert (partner.address, partner.postcode) == (None, None)


def test_the_fields_that_it_bears_are_named_as_they_are_listed() -> None:
    listed = ("names", "sex", "born", "nhs_number", "upn", "address", "school", "suspect")
    assert asked(CHILD, *listed).fields(set(listed)) == set(listed)
    assert asked(CHILD, "names").fields({"names", "adults"}) == {"names"}
    nobody = replace(permission("names", "adults"), items=())
    empty = question_for(FAMILY, CHILD, nobody, uuid.uuid4())
    assert empty is not None
    assert empty.fields(nobody.fields) == frozenset()
