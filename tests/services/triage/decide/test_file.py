"""A file for `mash policy decide` is read or refused with places, whatever stands in it."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.schemas.document import DocumentError
from libs.schemas.findings import Between
from services.triage.decide.file import read_picture
from services.triage.decide.picture import Picture, picture_schema
from services.triage.decide.weighing import weigh
from tests.services.triage.shipped import shipped_dictionary, shipped_thresholds

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
DICTIONARY = shipped_dictionary()
PLACED = re.compile(r"facts\.yaml:\d+:\d+: ")


def read(text: str) -> Picture:
    return read_picture(text, "facts.yaml", DICTIONARY)


def stated(picture: Picture, name: str) -> list[Any]:
    return [one.value for one in picture.children[0].facts[name]]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("child.hunger: persistent", "persistent"),
        ("child.hunger: {value: persistent}", "persistent"),
        ("child.left_alone: yes", True),
        ("child.left_alone: 'no'", False),
        ("child.left_alone: true", True),
        ("child.age: 4", 4),
        ("child.age: 4 to 6", Between(at_least=4, at_most=6)),
    ],
)
def test_a_value_is_written_as_a_person_would(written: str, value: Any) -> None:
    assert stated(read(written), written.split(":")[0]) == [value]


def test_statements_that_contradict_each_other_are_all_kept() -> None:
    picture = read("child.injury: [explained, {value: inflicted, source: health}]")
    assert stated(picture, "child.injury") == ["explained", "inflicted"]


def test_the_short_form_keeps_what_belongs_to_the_referral_with_it() -> None:
    picture = read("child.age: 4\nname: Tom\nkind: notification\nanswers: {police: declined}\nplans: []\n")
    (child,) = picture.children
    assert (child.name, picture.kind, child.answers["police"].state) == ("Tom", "notification", "declined")


FURTHER = (
    "facts state value source on kind roles born earliest plans police child.hunger child.age child.nothing x"
)
KEYS = st.sampled_from([*Picture.model_fields, *FURTHER.split()])
TEXTS = st.sampled_from(
    ["", "yes", "persistent", "4", "4 to 2", "2026-11-25", "pending", "null", "\u0000", "é" * 300]
)
FILES = st.recursive(
    TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(KEYS, FILES, max_size=6))
def test_whatever_stands_in_a_file_is_weighed_or_refused_with_its_place(document: dict[str, Any]) -> None:
    faults: list[str] = []
    try:
        assert weigh(read(json.dumps(document)), shipped_thresholds(), NOW).children
    except DocumentError as refused:
        faults = refused.faults
    assert all(PLACED.match(fault) for fault in faults)


def test_the_schema_names_facts_in_their_short_forms() -> None:
    schema = picture_schema()
    forms = schema["$defs"]["PictureChild"]["properties"]["facts"]["additionalProperties"]["anyOf"]
    assert [form.get("type", form.get("$ref")) for form in forms] == [
        ["string", "number", "boolean"],
        "#/$defs/Statement",
        "array",
    ]
