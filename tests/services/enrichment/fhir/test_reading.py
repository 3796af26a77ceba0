"""Statuses and codes decide what a resource states; its words are kept, and never read as a fact."""

from datetime import date
from typing import Any

import pytest

from libs.schemas.dictionary import Dictionary
from libs.schemas.findings import NOT_UNDERSTOOD, Basis, Period
from services.enrichment.asking.agency import Unreliable
from services.enrichment.fhir.reading import CLINICAL, LONGEST_NARRATIVE, VERIFICATION, Read, plain, read
from services.enrichment.fhir.resources import Finding, read_resource
from services.enrichment.fhir.terms import FhirTerms
from tests.services.enrichment.fhir.conftest import TRUST

TODAY = date(2026, 11, 25)


def concept(*codes: str, system: str = TRUST) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for code in codes]}


def condition(**fields: Any) -> dict[str, Any]:
    own = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}, "code": concept("SH1")}
    return own | fields


def observation(**fields: Any) -> dict[str, Any]:
    own = {"resourceType": "Observation", "subject": {"reference": "Patient/1"}, "status": "final"}
    return own | fields


def status(verified: str | None = None, clinical: str | None = None) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if verified is not None:
        said["verificationStatus"] = concept(verified, system=VERIFICATION)
    if clinical is not None:
        said["clinicalStatus"] = concept(clinical, system=CLINICAL)
    return said


@pytest.fixture
def reading(fhir_terms: FhirTerms, dictionary: Dictionary) -> Any:
    def understood(*resources: dict[str, Any]) -> Read:
        findings = [read_resource(one, Finding) for one in resources]
        return read(findings, fhir_terms, dictionary, TODAY)

    return understood


@pytest.mark.parametrize(
    ("said", "basis", "period"),
    [
        (status("confirmed", "active"), Basis.RECORD, Period.CONTINUING),
        (status(None, "recurrence"), Basis.RECORD, Period.CONTINUING),
        (status("provisional", "active"), Basis.SUSPICION, Period.CONTINUING),
        (status("unconfirmed"), Basis.SUSPICION, Period.LAST_3_MONTHS),
        (status("confirmed", "resolved"), Basis.RECORD, Period.LAST_3_MONTHS),
    ],
)
def test_a_conditions_status_says_how_it_is_known_and_whether_it_goes_on(
    reading: Any, said: dict[str, Any], basis: Basis, period: Period
) -> None:
    (fact,) = reading(condition(recordedDate="2026-10-01", **said)).facts
    assert (fact.value, fact.basis, fact.period, fact.on) == (
        "single_episode",
        basis,
        period,
        date(2026, 10, 1),
    )


@pytest.mark.parametrize("verified", ["refuted", "entered-in-error"])
def test_what_the_agency_itself_takes_back_is_no_fact_and_no_gap(reading: Any, verified: str) -> None:
    assert reading(condition(**status(verified, "active"))) == Read((), None, reading().dropped)


@pytest.mark.parametrize(
    "said",
    [
        status("perhaps"),
        status("confirmed", "sleeping"),
        {"verificationStatus": concept("refuted", system="https://elsewhere.example.org")},
    ],
)
def test_a_status_that_is_not_known_leaves_the_fact_possible_and_never_denies_it(
    reading: Any, said: dict[str, Any]
) -> None:
    understood = reading(condition(**said))
    assert [(one.fact, one.value) for one in understood.facts] == [("child.self_harm", NOT_UNDERSTOOD)]
    assert understood.dropped == {"unknown_status": 1}


@pytest.mark.parametrize(
    ("when", "period", "on"),
    [
        ("2026-11-20T10:00:00Z", Period.LAST_3_MONTHS, date(2026, 11, 20)),
        ("2026-01-01", Period.LAST_12_MONTHS, date(2026, 1, 1)),
        ("2020-05-05", Period.LONG_AGO, date(2020, 5, 5)),
        ("2020-05", Period.LONG_AGO, None),
        (None, Period.NOW, None),
    ],
)
def test_the_date_tells_the_period_and_is_kept_where_it_names_a_day(
    reading: Any, when: str | None, period: Period, on: date | None
) -> None:
    (fact,) = reading(condition(**({"recordedDate": when} if when else {}))).facts
    assert (fact.period, fact.on) == (period, on)


@pytest.mark.parametrize(
    ("performer", "basis"),
    [
        ([{"reference": "Practitioner/7"}], Basis.OBSERVED),
        ([{"reference": "https://fhir.example.org/Practitioner/7"}], Basis.OBSERVED),
        ([{"reference": "Patient/1"}, {"reference": "Practitioner/7"}], Basis.CHILD_SAID),
        ([{"reference": "RelatedPerson/2"}], Basis.PARENT_SAID),
        ([], Basis.RECORD),
    ],
)
def test_who_made_an_observation_is_its_basis(reading: Any, performer: list[Any], basis: Basis) -> None:
    (fact,) = reading(observation(code=concept("PAD"), valueBoolean=True, performer=performer)).facts
    assert (fact.value, fact.basis) == (True, basis)


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"code": concept("DEV"), "valueCodeableConcept": concept("DV3")}, "serious"),
        ({"code": concept("DEV"), "valueCodeableConcept": concept("DV1")}, "none"),
        ({"code": concept("PAD"), "valueBoolean": False}, False),
        ({"code": concept("SVC"), "valueInteger": 4}, 4),
        ({"code": concept("SVC"), "valueQuantity": {"value": 4.0}}, 4),
    ],
)
def test_an_observation_states_its_own_value(reading: Any, fields: dict[str, Any], value: Any) -> None:
    understood = reading(observation(**fields))
    assert ([one.value for one in understood.facts], understood.dropped) == ([value], {})


@pytest.mark.parametrize(
    "fields",
    [
        {"code": concept("DEV"), "valueCodeableConcept": concept("DV9")},
        {
            "code": concept("DEV"),
            "valueCodeableConcept": {"coding": [*concept("DV1")["coding"], *concept("DV3")["coding"]]},
        },
        {"code": concept("DEV")},
        {"code": concept("PAD")},
        {"code": concept("SVC"), "valueQuantity": {"value": 4.5}},
        {"code": concept("SVC"), "valueInteger": 400},
    ],
)
def test_a_value_that_cannot_be_read_is_possible_and_never_none(reading: Any, fields: dict[str, Any]) -> None:
    understood = reading(observation(**fields))
    assert [one.value for one in understood.facts] == [NOT_UNDERSTOOD]
    assert understood.dropped == {"unknown_value": 1}


def test_a_code_without_a_fact_is_understood_and_one_on_no_list_is_not(reading: Any) -> None:
    assert reading(condition(code=concept("AST"))).dropped == {}
    assert reading(condition(code=concept("ZZ9"))).dropped == {"unknown_code": 1}
    assert reading(condition(code=concept("SH1", system="https://elsewhere.example.org"))).dropped == {
        "unknown_code": 1
    }


def test_words_are_kept_without_their_markup_and_state_nothing(reading: Any) -> None:
    div = "<div xmlns='http://www.w3.org/1999/xhtml'><p>SH3 &amp; more</p><script>alert(1)</script> <b>seen</b></div>"
    understood = reading(
        condition(
            code=concept("AST"), text={"status": "generated", "div": div}, note=[{"text": "By the nurse."}]
        )
    )
    assert (understood.facts, understood.narrative) == ((), "SH3 & more seen\n\nBy the nurse.")


def test_words_that_are_too_long_are_cut_and_that_is_told(reading: Any) -> None:
    understood = reading(condition(note=[{"text": "a" * (LONGEST_NARRATIVE + 1)}]))
    assert (len(understood.narrative), understood.dropped) == (LONGEST_NARRATIVE, {"narrative_cut": 1})


def test_markup_that_is_broken_is_still_only_text() -> None:
    assert plain("<div><p>one<p>two") == "one two"
    assert plain("a < b &#x41; <style>c</style>") == "a < b A"


def test_more_facts_than_a_child_can_have_are_refused(reading: Any) -> None:
    many = (
        condition(recordedDate=f"20{year:02d}-{month:02d}-01")
        for year in range(10, 30)
        for month in range(1, 13)
    )
    with pytest.raises(Unreliable, match="too_many_facts"):
        reading(*many)
