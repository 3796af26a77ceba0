"""A file is compared with an OpenAPI document field by field, without calling anybody."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.schemas.dictionary import Dictionary
from services.enrichment.dialects.comparison import compare
from services.enrichment.dialects.loading import load_dialect
from services.enrichment.dialects.report import Finding, Line
from services.enrichment.dialects.terms import Dialect
from services.enrichment.partnership import agency_file
from tests.services.enrichment.conftest import PARTNERSHIP, Sandbox

DOCUMENTS = Path(__file__).parent / "documents"


def third_party(change: dict[str, str] | None = None) -> Any:
    text = (DOCUMENTS / "family-context.yaml").read_text(encoding="utf-8")
    for old, new in (change or {}).items():
        assert old in text
        text = text.replace(old, new)
    return yaml.load(text, yaml.CSafeLoader)


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


SIGNED = (
    "security: [{key: []}]\ncomponents:\n  securitySchemes: {key: {type: apiKey, in: header, name: X-Key}}\n"
)
UNKNOWN = "a scheme that the document does not describe"
ASKED = "post:\n      requestBody:"


@pytest.mark.parametrize(
    ("change", "finding", "place", "says"),
    [
        ({}, Finding.NOT_DESCRIBED, "authentication.scheme", "header: the document does not say how one signs in"),
        ({"components:\n": SIGNED}, Finding.MISSING, "authentication.scheme",
         "header: the document demands a key in the header `X-Key`"),
        ({"components:\n": SIGNED.replace("X-Key", "cookie")}, Finding.MAPPED, "authentication.scheme",
         "header: a key in the header `cookie`"),
        ({"components:\n": SIGNED.replace("{key: []}", "{key: [], other: []}").replace("X-Key", "Cookie")},
         Finding.MISSING, "authentication.scheme",
         "header: the document demands a key in the header `Cookie` together with " + UNKNOWN),
        ({ASKED: "post:\n      parameters: [{in: header, name: X-Why, required: true}]\n      requestBody:"},
         Finding.MISSING, "headers.X-Why", "/api/search/person demands it, and it is not sent"),
        ({ASKED: "parameters: [{in: query, name: why, required: true}]\n    post:\n      requestBody:"},
         Finding.MISSING, "ask.query.why", "/api/search/person demands it, and it is not sent"),
        ({ASKED: "post:\n      parameters: [{in: query, name: pageNumber}]\n      requestBody:"},
         Finding.MISSING, "ask.pages", "the document pages by `pageNumber`, and only the first page is read"),
        ({"200: {description: found": "404: {}\n        200: {description: found"},
         Finding.RECORDED, "refusals 404", "unavailable, http_404 (answer)"),
    ],
)  # fmt: skip
def test_what_the_interface_demands_and_how_it_refuses_is_told_request_by_request(
    theirs: Dialect, change: dict[str, str], finding: Finding, place: str, says: str
) -> None:
    assert Line(finding, place, says) in compare(theirs, third_party(change))


@pytest.mark.parametrize(
    ("name", "old", "new", "finding", "place", "says"),
    [
        ("police", "scope: nominal.read", "scope: nominal.all", Finding.MISSING, "authentication.scope",
         "no scope `nominal.all`"),
        ("police", "token: /oauth2/token", "token: /oauth2/tokens", Finding.MISSING, "authentication.token",
         "/oauth2/tokens: the document names /agencies/police/oauth2/token"),
        ("police", "lists: [nominals]", "lists: [persons]", Finding.MISSING, "ask.pages.lists",
         "persons: no such list in the answer"),
        ("police", "'MOTHER'", "'MUM'", Finding.CODES, "ask.body.via", "`MUM` is sent and not in the document"),
        ("police", "errors[0].code", "errors[0].why", Finding.MISSING, "refusals[0]",
         "errors[0].why == 'DISCLOSURE_REFUSED': no `why` in the answer 403"),
        ("police", "status: 403", "status: 418", Finding.NOT_DESCRIBED, "refusals[0]",
         "no request of the document answers 418"),
        ("education", "post:", "query: {fast: yes}\n    post:", Finding.MISSING, "ask.query.fast",
         "/agencies/education/api/checks has no such parameter"),
        ("housing", "tenancy: [parents]", "tenure: [parents]", Finding.CODES, "ask.body.include",
         "`tenure` is sent and not in the document"),
        ("housing", 'Api-Version: "2"', 'Api-Version: "1"', Finding.CODES, "headers.Api-Version",
         "`1` is sent and not in the document"),
        ("housing", "kind: home", "kind: hut", Finding.CODES, "sections.visits.query.kind",
         "`hut` is sent and not in the document"),
        ("housing", "number: page", "number: pageNo", Finding.MISSING, "sections.visits.pages.number",
         "/agencies/housing/api/households/{household}/visits has no parameter `pageNo`"),
        ("housing", "/{householdRef}/", "/{ref}/", Finding.MISSING, "sections.visits.get.ref", "ref: no `ref`"),
    ],
)  # fmt: skip
async def test_what_a_file_sends_is_compared_as_well_as_what_it_reads(
    tmp_path: Path,
    sandbox: Sandbox,
    dictionary: Dictionary,
    name: str,
    old: str,
    new: str,
    finding: Finding,
    place: str,
    says: str,
) -> None:
    text = shipped(name).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / f"{name}.yaml").write_text(text.replace(old, new), encoding="utf-8")
    document = (await sandbox.http.get(f"/agencies/{name}/openapi.json")).json()
    changed = load_dialect(agency_file(tmp_path / f"{name}.yaml")["dialect"], dictionary)
    assert Line(finding, place, says) in compare(changed, document)


def shipped(name: str) -> Path:
    folder = Path("examples/agencies") if name == "housing" else PARTNERSHIP / "agencies"
    return folder / f"{name}.yaml"


@pytest.mark.parametrize("name", ["police", "education", "social_care", "early_help", "housing"])
async def test_the_shipped_files_fit_their_suppliers_documents(
    dictionary: Dictionary, sandbox: Sandbox, name: str
) -> None:
    document = (await sandbox.http.get(f"/agencies/{name}/openapi.json")).json()
    dialect = load_dialect(agency_file(shipped(name))["dialect"], dictionary)
    assert [line for line in compare(dialect, document) if line.faulty] == []
