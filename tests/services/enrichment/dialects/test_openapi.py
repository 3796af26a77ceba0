"""A file is compared with an OpenAPI document field by field, without calling anybody."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.schemas.dictionary import Dictionary
from services.enrichment.dialects.loading import load_dialect
from services.enrichment.dialects.openapi import Finding, Line, compare
from services.enrichment.dialects.terms import Dialect
from services.enrichment.partnership import agency_file
from tests.services.enrichment.conftest import Sandbox
from tests.services.enrichment.dialects.conftest import Asking

DOCUMENTS = Path(__file__).parent / "documents"


def third_party(change: dict[str, str] | None = None) -> Any:
    text = (DOCUMENTS / "family-context.yaml").read_text(encoding="utf-8")
    for old, new in (change or {}).items():
        assert old in text
        text = text.replace(old, new)
    return yaml.safe_load(text)


@pytest.fixture(scope="session")
def theirs(dictionary: Dictionary) -> Dialect:
    return load_dialect(agency_file(DOCUMENTS / "family_context.yaml")["dialect"], dictionary)


def of(lines: list[Line], finding: Finding) -> dict[str, str]:
    return {line.place: line.says for line in lines if line.finding is finding}


def test_an_interface_that_nobody_designed_for_us_is_compared_field_by_field(theirs: Dialect) -> None:
    lines = compare(theirs, third_party())
    assert of(lines, Finding.MISSING) == {}
    mapped = of(lines, Finding.MAPPED)
    assert mapped["ask.post"] == "/api/search/person"
    assert mapped["sections.housing.get"] == "/api/person/detail/{personId}/service/{serviceType}"
    assert mapped["ask.who.born"] == "dateOfBirth: string, date"
    assert mapped["reads.as_of"] == "housing.summary.lastSynchronised: string, date-time"
    assert mapped["reads.people.relation"] == "relationship: string"
    # What the document says nothing about is told as that, and neither as there nor as missing.
    assert "reads.facts[0].code" in of(lines, Finding.NOT_DESCRIBED)
    unused = of(lines, Finding.UNUSED)
    assert "housing.summary.recordsAvailable" in unused
    assert "answer.results[].gender" in unused
    assert "answer.results[].dateOfBirth" not in unused


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"lastSynchronised": "syncedAt"}, "reads.as_of"),
        ({"dateOfBirth": "dob"}, "ask.body.dateOfBirth"),
        ({"dateOfBirth": "dob"}, "ask.who.born"),
        ({"/api/search/person:": "/api/people/search:"}, "ask.post"),
        ({"results: {type: array": "hits: {type: array"}, "ask.who.each"),
        ({"required: [firstName, lastName]": "required: [firstName, lastName, reason]"}, "ask.body.reason"),
        ({"relationship:": "tie:"}, "reads.people.relation"),
    ],
)  # fmt: skip
def test_what_the_document_does_not_have_is_missing_at_its_place(
    theirs: Dialect, change: dict[str, str], place: str
) -> None:
    assert place in of(compare(theirs, third_party(change)), Finding.MISSING)


def test_codes_of_either_side_that_the_other_does_not_know_are_told(theirs: Dialect) -> None:
    listed = {
        "data: {type: object}": "data: {type: object, properties: {noticeSeekingPossession: {enum: [open, served]}}}"
    }
    lines = [line for line in compare(theirs, third_party(listed)) if line.finding is Finding.CODES]
    assert [(line.place, line.says) for line in lines] == [
        ("reads.facts[0].code", "`served` is in the document and means nothing in the file"),
        ("reads.facts[0].code", "`closed` is in the file and not in the document"),
    ]


@pytest.mark.parametrize("name", ["police", "education", "social_care", "early_help"])
async def test_the_shipped_files_fit_their_suppliers_documents(
    asking: Asking, sandbox: Sandbox, name: str
) -> None:
    document = (await sandbox.http.get(f"/agencies/{name}/openapi.json")).json()
    assert [line for line in compare(asking.dialects[name], document) if line.faulty] == []
