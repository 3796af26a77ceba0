"""FHIR R4 resources out of what the families' files hold of a patient."""

from collections.abc import Callable
from datetime import date
from typing import Any

from sandbox.agencies.shapes.health import HeldCondition, HeldEncounter, HeldFlag, HeldObservation
from sandbox.agencies.supplier import Shown

OWN = "https://fhir.sandbox.example.org"
CODES = f"{OWN}/CodeSystem/community-health"
CHECK_OUTCOME = f"{OWN}/CodeSystem/check-outcome"
COVERAGE = f"{OWN}/StructureDefinition/record-coverage"
NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
MATCH_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
ENCOUNTER_CLASS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
SECTIONS = {
    "Condition": "conditions",
    "Encounter": "encounters",
    "Flag": "flags",
    "Observation": "observations",
}
UNREADABLE = HeldCondition(code="ZZ9", recorded_days_ago=9, note="The rest is in words.")
"""A condition whose code is on no published list."""

Ago = Callable[[int], date]
Held = HeldCondition | HeldEncounter | HeldFlag | HeldObservation


def patient_of(patient: str, shown: Shown) -> dict[str, Any]:
    """A patient as the server shows them."""
    name: dict[str, Any] = {"use": "official", "family": shown.surname}
    if shown.forename:
        name["given"] = [shown.forename]
    fields: dict[str, Any] = {"resourceType": "Patient", "id": patient, "active": True, "name": [name]}
    if shown.nhs_number is not None:
        fields["identifier"] = [{"system": NHS_NUMBER, "value": shown.nhs_number}]
    if shown.born is not None:
        fields["birthDate"] = shown.born.isoformat()
    return fields


def resource_of(row: Held, patient: str, number: str, ago: Ago) -> dict[str, Any]:
    """One resource of a patient."""
    subject = {"id": number, "subject": {"reference": f"Patient/{patient}"}}
    match row:
        case HeldCondition():
            return {"resourceType": "Condition", **subject, **_condition(row, ago)}
        case HeldEncounter():
            return {
                "resourceType": "Encounter",
                **subject,
                "status": row.status,
                "class": {"system": ENCOUNTER_CLASS, "code": "AMB"},
                "type": [_concept(row.code)],
                "period": {"start": ago(row.days_ago).isoformat()},
            }
        case HeldFlag():
            return {
                "resourceType": "Flag",
                **subject,
                "status": row.status,
                "code": _concept(row.code),
                "period": {"start": ago(row.since_days_ago).isoformat()},
            }
        case HeldObservation():
            return {"resourceType": "Observation", **subject, **_observation(row, ago)}


def _condition(row: HeldCondition, ago: Ago) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "clinicalStatus": {"coding": [{"system": CLINICAL, "code": row.clinical}]},
        "verificationStatus": {"coding": [{"system": VERIFICATION, "code": row.verified}]},
        "code": _concept(row.code),
        "recordedDate": ago(row.recorded_days_ago).isoformat(),
    }
    if row.words is not None:
        div = f'<div xmlns="http://www.w3.org/1999/xhtml">{row.words}</div>'
        fields["text"] = {"status": "generated", "div": div}
    if row.note is not None:
        fields["note"] = [{"text": row.note}]
    return fields


def _observation(row: HeldObservation, ago: Ago) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "status": row.status,
        "code": _concept(row.code),
        "effectiveDateTime": ago(row.days_ago).isoformat(),
    }
    if row.value is not None:
        fields["valueCodeableConcept"] = _concept(row.value)
    if row.number is not None:
        fields["valueInteger"] = row.number
    if row.seen is not None:
        fields["valueBoolean"] = row.seen
    if row.by is not None:
        fields["performer"] = [{"reference": f"{row.by}/1"}]
    if row.note is not None:
        fields["note"] = [{"text": row.note}]
    return fields


def _concept(code: str) -> dict[str, Any]:
    return {"coding": [{"system": CODES, "code": code}]}
