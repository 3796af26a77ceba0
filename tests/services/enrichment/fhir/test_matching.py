"""Only a certain match is the child: anything less is no answer, and somebody else is refused."""

from datetime import date
from typing import Any

import pytest

from libs.schemas.person import Date
from services.enrichment.asking.agency import Unreliable
from services.enrichment.asking.question import Question, Subject
from services.enrichment.fhir.matching import MATCH_GRADE, certain_match, match_request
from services.enrichment.fhir.resources import Bundle
from services.enrichment.fhir.terms import FhirTerms

BORN = date(2015, 2, 11)
NUMBER = "9990041008"


def question(**fields: Any) -> Question:
    return Question(
        question_id="q",
        purpose="p",
        basis="b",
        items=(),
        child=Subject.model_validate({"born": Date(on=BORN), **fields}),
    )


def candidate(score: float | None = 1.0, grade: str | None = None, **fields: Any) -> dict[str, Any]:
    search: dict[str, Any] = {"mode": "match", "score": score}
    if grade is not None:
        search["extension"] = [{"url": MATCH_GRADE, "valueCode": grade}]
    return {"resource": {"resourceType": "Patient", "id": "p", **fields}, "search": search}


def found(*candidates: dict[str, Any], **fields: Any) -> Bundle:
    body = {"resourceType": "Bundle", "type": "searchset", "entry": list(candidates)}
    return Bundle.model_validate(body | fields)


def number(value: str, terms: FhirTerms) -> list[dict[str, str]]:
    return [{"system": terms.nhs_number, "value": value}]


def test_one_certain_patient_is_the_child(fhir_terms: FhirTerms) -> None:
    for one in (
        candidate(0.95),
        candidate(1, "certain"),
        candidate(birthDate="2015-02-11", identifier=number("999 004 1008", fhir_terms)),
        candidate(birthDate="2015-02"),
        candidate(birthDate="2015"),
    ):
        asked = question(nhs_number=NUMBER)
        assert certain_match(found(one), asked, fhir_terms) == "p"
        # A candidate beside the certain one, told as less than certain, is another person.
        assert certain_match(found(one, candidate(0.5)), asked, fhir_terms) == "p"


def test_nobody_is_nothing_held(fhir_terms: FhirTerms) -> None:
    assert certain_match(found(), question(), fhir_terms) is None


@pytest.mark.parametrize(
    "candidates",
    [
        [candidate(0.94)],
        [candidate(None)],
        [candidate(1, "probable")],
        [candidate(2)],
        [candidate(float("nan"))],
        [candidate(), candidate()],
    ],
    ids=["low", "no score", "grade", "no score of FHIR's", "no number", "two"],
)
def test_anything_less_than_one_certain_patient_is_no_answer(
    fhir_terms: FhirTerms, candidates: list[dict[str, Any]]
) -> None:
    with pytest.raises(Unreliable, match="not_certain"):
        certain_match(found(*candidates), question(), fhir_terms)


def test_candidates_on_a_further_page_leave_the_match_uncertain(fhir_terms: FhirTerms) -> None:
    with pytest.raises(Unreliable, match="not_certain"):
        certain_match(found(candidate(), link=[{"relation": "next", "url": "x"}]), question(), fhir_terms)


def test_identifiers_that_contradict_are_somebody_else(fhir_terms: FhirTerms) -> None:
    for wrong in (
        {"identifier": number("9990041016", fhir_terms)},
        {"birthDate": "2015-02-12"},
        {"birthDate": "2015-03"},
        {"birthDate": "2014"},
    ):
        with pytest.raises(Unreliable, match="about_someone_else"):
            certain_match(found(candidate(**wrong)), question(nhs_number=NUMBER), fhir_terms)


def test_the_request_holds_what_the_question_bears_and_no_more(fhir_terms: FhirTerms) -> None:
    bare = match_request(question(born=None, nhs_number=NUMBER), fhir_terms)
    assert bare["parameter"][0]["resource"] == {
        "resourceType": "Patient",
        "identifier": number(NUMBER, fhir_terms),
    }
    full = match_request(
        question(
            given_name="Wren Ada",
            family_name="Kestrel-Test",
            also_known_as=("Wrennie",),
            sex="F",
            address=("9 Sandbox Street",),
            postcode="PE1 9AA",
        ),
        fhir_terms,
    )
    assert full["parameter"][0]["resource"] == {
        "resourceType": "Patient",
        "name": [
            {"use": "official", "family": "Kestrel-Test", "given": ["Wren", "Ada"]},
            {"use": "old", "text": "Wrennie"},
        ],
        "gender": "female",
        "birthDate": "2015-02-11",
        "address": [{"line": ["9 Sandbox Street"], "postalCode": "PE1 9AA"}],
    }


def test_candidates_that_are_not_certain_are_asked_for(fhir_terms: FhirTerms) -> None:
    parameters = {one["name"]: one for one in match_request(question(), fhir_terms)["parameter"]}
    assert parameters["onlyCertainMatches"]["valueBoolean"] is False
