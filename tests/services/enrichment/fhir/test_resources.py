"""What is no FHIR, or lacks what decides, is refused whole; what the standard's models let pass is refused here."""

import json
from typing import Any

import pytest

from services.enrichment.asking.agency import Unreliable
from services.enrichment.fhir.resources import Finding, day_of, read_bundle, read_outcome, read_resource

CONDITION: dict[str, Any] = {
    "resourceType": "Condition",
    "subject": {"reference": "Patient/1"},
    "code": {"coding": [{"system": "s", "code": "c"}]},
    "recordedDate": "2026-01-01",
}


def bundle(resource: dict[str, Any] | None = None, **fields: Any) -> bytes:
    entries = [] if resource is None else [{"resource": resource}]
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries} | fields).encode()


def findings(body: bytes) -> list[Finding]:
    return [read_resource(entry.resource, Finding) for entry in read_bundle(body).entry]


def test_a_bundle_gives_its_resources_and_the_next_page() -> None:
    body = bundle(
        CONDITION, link=[{"relation": "self", "url": "a"}, {"relation": "next", "url": "b"}], total=1
    )
    assert read_bundle(body).next == "b"
    assert findings(body)[0].subject.reference == "Patient/1"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"[1]", "contract"),
        (b"\xff", "not_utf8"),
        (b"[" * 100_000, "not_json"),
        (b'{"resourceType": "Bundle", "resourceType": "Bundle"}', "contract"),
        (b'{"resourceType": "Patient"}', "contract"),
        (b'{"type": "searchset"}', "contract"),
        (bundle(CONDITION | {"note": [{"text": "\ud800"}]}), "not_utf8"),
        (b'{"resourceType": "Bundle", "type": "searchset", "total": NaN}', "not_json"),
        (bundle(type="history"), "contract"),
        (bundle(total="1"), "contract"),
        (bundle(total=None, entry=[{}]), "contract"),
        (bundle({"resourceType": "Nope"}), "contract"),
        (bundle(CONDITION | {"unheard": 1}), "contract"),
        (bundle(CONDITION | {"recordedDate": "2026-02-30"}), "contract"),
    ],
)
def test_what_is_no_bundle_of_the_standard_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(Unreliable, match=reason):
        read_bundle(body)


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": None},
        {"recordedDate": 20260101},
        {"code": {"coding": [{"code": 7}]}},
        {"note": [{"text": None}]},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_the_standards_models_let_pass_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Unreliable, match="contract"):
        findings(bundle(CONDITION | fields))


def test_a_character_that_is_written_as_two_halves_is_one() -> None:
    (finding,) = findings(bundle(CONDITION | {"note": [{"text": "\U0001f9f8"}]}))
    assert finding.note[0].text == "\U0001f9f8"


def test_a_resource_without_a_subject_is_refused() -> None:
    with pytest.raises(Unreliable, match="contract"):
        findings(bundle({name: value for name, value in CONDITION.items() if name != "subject"}))


def test_two_next_pages_are_refused() -> None:
    links = [{"relation": "next", "url": "a"}, {"relation": "next", "url": "b"}]
    with pytest.raises(Unreliable, match="contract"):
        _ = read_bundle(bundle(link=links)).next


def test_an_outcome_needs_an_issue() -> None:
    issue = {"severity": "error", "code": "processing"}
    assert read_outcome(json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()).issue
    for wrong in ([], None, [{"severity": "error"}]):
        with pytest.raises(Unreliable, match="contract"):
            read_outcome(json.dumps({"resourceType": "OperationOutcome", "issue": wrong}).encode())


@pytest.mark.parametrize("text", ["", "2026-13", "26-01-01x", "2026-02-30T00:00:00Z", "yesterday"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(Unreliable, match="contract"):
        day_of(text)
