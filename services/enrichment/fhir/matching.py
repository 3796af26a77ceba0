"""Who of a server's patients is the child: only a certain match, of which no identifier contradicts."""

from datetime import date
from typing import Any

from services.enrichment.asking.agency import Unreliable
from services.enrichment.asking.question import Question, Subject, exact_birth
from services.enrichment.fhir.resources import Bundle, Patient, Search, day_of, read_resource
from services.enrichment.fhir.terms import FhirTerms

MATCH_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
CERTAIN = "certain"


def match_request(question: Question, terms: FhirTerms) -> dict[str, Any]:
    """The Parameters of `Patient/$match`. An unborn child is looked for by the mother."""
    person = sought(question)
    patient: dict[str, Any] = {"resourceType": "Patient"}
    if person.nhs_number is not None:
        patient["identifier"] = [{"system": terms.nhs_number, "value": person.nhs_number}]
    names = [{"use": "official", **_name(person.given_name, person.family_name)}]
    names += [{"use": "old", "text": alias} for alias in person.also_known_as or ()]
    patient["name"] = [name for name in names if len(name) > 1]
    if person.sex in ("F", "M"):
        patient["gender"] = {"F": "female", "M": "male"}[person.sex]
    if (born := exact_birth(person.born)) is not None:
        patient["birthDate"] = born.isoformat()
    if person.address or person.postcode:
        lines = {"line": list(person.address)} if person.address else {}
        patient["address"] = [lines | ({"postalCode": person.postcode} if person.postcode else {})]
    if not patient["name"]:
        del patient["name"]
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "resource", "resource": patient},
            # Candidates that are not certain are wanted too: without them an unsure server looks like an empty one.
            {"name": "onlyCertainMatches", "valueBoolean": False},
            {"name": "count", "valueInteger": 5},
        ],
    }


def certain_match(bundle: Bundle, question: Question, terms: FhirTerms) -> str | None:
    """The id of the one patient who is certainly meant; None where the server knows nobody.

    Raises Unreliable where it knows only people who may be the child, several who are, or somebody else, and where it
    found something that is no patient.
    """
    candidates = [
        (read_resource(entry.resource, Patient), entry.search or Search())
        for entry in bundle.entry
        if entry.resource.get("resourceType") != "OperationOutcome"
    ]
    if not candidates:
        return None
    certain = [patient for patient, search in candidates if _is_certain(search, terms)]
    if len(certain) != 1 or bundle.next is not None:
        raise Unreliable("not_certain")
    if _contradicts(certain[0], sought(question), terms):
        raise Unreliable("about_someone_else")
    return certain[0].id


def sought(question: Question) -> Subject:
    """Whose record is looked for: the mother's where the child is not born yet."""
    return question.mother or question.child


def _is_certain(search: Search, terms: FhirTerms) -> bool:
    grades = [one.value_code for one in search.extension if one.url == MATCH_GRADE]
    score = search.score
    return score is not None and terms.certain <= score <= 1 and (not grades or grades == [CERTAIN])


def _contradicts(patient: Patient, person: Subject, terms: FhirTerms) -> bool:
    numbers = {
        _digits(one.value) for one in patient.identifier if one.system == terms.nhs_number and one.value
    }
    if person.nhs_number is not None and numbers and _digits(person.nhs_number) not in numbers:
        return True
    born = exact_birth(person.born)
    return born is not None and patient.birth_date is not None and not _may_be(patient.birth_date, born)


def _may_be(text: str, born: date) -> bool:
    """Whether a date of birth that may name only a month or a year is that day."""
    first, whole = day_of(text)
    if whole:
        return first == born
    parts = text.split("-")
    return first.year == born.year and (len(parts) == 1 or first.month == born.month)


def _name(given: str | None, family: str | None) -> dict[str, Any]:
    name: dict[str, Any] = {}
    if family is not None:
        name["family"] = family
    if given is not None:
        name["given"] = given.split()
    return name


def _digits(number: str | None) -> str:
    return "".join((number or "").split())
