"""The rules of matching are refused where they are faulty, and where they would link people without a person."""

import pytest

from libs.schemas.document import DocumentError
from libs.schemas.people import Band
from services.enrichment.people.rules import FIELDS, NEVER_SAME, NEVER_SAME_BY_IDENTIFIER, read_rules
from tests.services.enrichment.people.people import PARTNERSHIP, RULES

TEXT = (PARTNERSHIP / "matching.yaml").read_text(encoding="utf-8")


def test_the_version_tells_two_texts_apart() -> None:
    other = read_rules(TEXT.replace("same: 86", "same: 87"), "matching.yaml")
    assert other.version != RULES.version
    assert other.version.startswith("1/")
    assert len(other.version) <= 64


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    typing: likely", "    typing: same", "must never link by itself"),
        ("    sound: likely\n    initial", "    initial", "`sound` is missing"),
        (
            "  nhs_number: {different: likely}\n  upn: {different: likely}\n  mother",
            "  mother",
            "the key `nhs_number` is missing",
        ),
        ("{born: likely, near: likely", "{born: same, near: likely", "must never link"),
        ("given_name: {different: likely}", "given_name: {different: same}", "must never link"),
        ("bands: {same: 86, likely: 66", "bands: {same: 66, likely: 66", "same above likely"),
        ("{same: 2, different: -12, missing: 0}", "{same: 2, different: 12, missing: 0}", "0 or less"),
        ("    typing: 14\n    sound: 10", "    typing: 34\n    sound: 10", "more for one person than `same`"),
        ("    typing: 14\n    sound: 10", "    typng: 14\n    sound: 10", "did you mean `typing`?"),
        ("household: [same]", "household: [different]", "unknown likeness"),
        ("  address: [same, close, postcode]\n  household: [same]", "  address: []", "say what confirms"),
        ("same: 100, different: -25", "same: many, different: -25", "whole number"),
        (
            "different: possible\n    missing: likely\n  family",
            "different: maybe\n    missing: likely\n  family",
            "unknown band",
        ),
        ('version: "1"', f'version: "{"1" * 41}"', "at most 40 characters"),
    ],
)
def test_a_faulty_file_is_refused(old: str, new: str, said: str) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(DocumentError) as refused:
        read_rules(TEXT.replace(old, new), "matching.yaml")
    assert said in str(refused.value)
    assert all(fault.startswith("matching.yaml:") for fault in refused.value.faults)


@pytest.mark.parametrize("field", FIELDS)
def test_the_shipped_limits_keep_apart_what_must_be(field: str) -> None:
    assert all(RULES.limits[field, level] < Band.SAME for level in NEVER_SAME.get(field, ()))
    assert all(
        RULES.identifier_limits[field, level] < Band.SAME for level in NEVER_SAME_BY_IDENTIFIER.get(field, ())
    )
