import re
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from libs.schemas.base import Instant, IsoDate, Line, Model, Open, Text
from libs.schemas.codes import Urgency
from libs.schemas.levels import Level, Rag


class Sample(Model):
    when: Instant | None = None
    day: IsoDate | None = None
    line: Line | None = None
    text: Text | None = None
    urgency: Open[Urgency] | None = None
    number: int | None = None
    agreed: bool | None = None


def refused(body: str) -> set[str]:
    with pytest.raises(ValidationError) as caught:
        Sample.strictly(body)
    return {error["type"] for error in caught.value.errors()}


def test_a_request_with_an_unknown_field_is_refused_and_an_event_is_not() -> None:
    assert refused('{"colour": "red"}') == {"extra_forbidden"}
    assert Sample.model_validate_json('{"colour": "red"}') == Sample()


def test_a_request_with_an_unknown_code_is_refused_and_an_event_keeps_it() -> None:
    assert refused('{"urgency": "whenever"}') == {"unknown_code"}
    assert Sample.model_validate_json('{"urgency": "whenever"}').urgency == "whenever"
    assert Sample.strictly('{"urgency": "today"}').urgency is Urgency.TODAY


def test_an_unknown_code_has_bounds_too() -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate_json('{"urgency": "%s"}' % ("x" * 81))


@pytest.mark.parametrize(
    "day",
    [
        '"2026-3-9"',
        '"20260309"',
        '"2026-03-09T00:00:00Z"',
        "20260309",
        "0",
        '"1899-12-31"',
        '"2200-01-01"',
        '"0001-01-01"',
    ],
)
def test_only_a_plausible_iso_date_is_a_date(day: str) -> None:
    assert refused(f'{{"day": {day}}}')


@given(st.dates(date(1900, 1, 1), date(2199, 12, 31)))
def test_every_plausible_date_survives(day: date) -> None:
    assert Sample.strictly(f'{{"day": "{day.isoformat()}"}}').day == day


@pytest.mark.parametrize(
    "when",
    [
        '"2026-03-09T10:00:00"',
        "1772000000",
        '"1772000000"',
        '"0.5"',
        '"2026-03-09"',
        '"0001-01-01T00:00:00+14:00"',
        '"9999-12-31T23:59:59-14:00"',
    ],
)
def test_only_an_rfc_3339_time_with_its_offset_is_an_instant(when: str) -> None:
    assert refused(f'{{"when": {when}}}')


@given(
    st.datetimes(datetime(1902, 1, 1), datetime(2197, 12, 31)),
    st.integers(-14 * 60, 14 * 60),
)
def test_an_instant_keeps_its_moment_and_is_held_in_utc(moment: datetime, offset: int) -> None:
    sent = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    kept = Sample.strictly(f'{{"when": "{sent.isoformat()}"}}').when
    assert kept == sent
    assert kept is not None
    assert kept.tzinfo == UTC


@pytest.mark.parametrize("field", ["line", "text"])
def test_a_nul_character_is_refused_in_every_text(field: str) -> None:
    assert refused(f'{{"{field}": "a\\u0000b"}}') == {"string_pattern_mismatch"}


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ('{"number": "1"}', "int_type"),
        ('{"number": true}', "int_type"),
        ('{"agreed": "true"}', "bool_type"),
        ('{"agreed": 1}', "bool_type"),
        ('{"day": "2026-02-30"}', "date_from_datetime_parsing"),
        ('{"when": "2026-02-30T10:00:00Z"}', "datetime_from_date_parsing"),
    ],
)
def test_what_stands_for_a_number_a_yes_or_a_time_is_not_taken_for_one(sent: str, code: str) -> None:
    assert refused(sent) == {code}


def test_a_blank_text_is_refused() -> None:
    assert refused('{"text": "  "}') == {"string_too_short"}


def test_the_schema_says_of_each_character_whether_it_is_a_text_by_itself() -> None:
    said = re.compile(TypeAdapter(Text).json_schema()["pattern"])
    taken = TypeAdapter(Text)
    for number in (*range(0x3100), 0xFEFF, 0x1F600):
        character = chr(number)
        try:
            taken.validate_python(character)
        except ValidationError:
            assert not said.search(character), hex(number)
        else:
            assert said.search(character), hex(number)
            # Who asks later whether anything was said asks Python.
            assert character.strip(), hex(number)


def test_ordered_codes_compare_by_severity_never_as_text() -> None:
    assert sorted(Rag) == [Rag.BLUE, Rag.GREEN, Rag.AMBER, Rag.RED]
    assert max(Level) is Level.SECTION_47
    assert Level.EARLY_HELP > Level.UNIVERSAL
    assert not Level.EARLY_HELP < Level.UNIVERSAL


@pytest.mark.parametrize("other", ["section_17", Rag.RED, 3])
def test_ordered_codes_never_compare_with_anything_else(other: object) -> None:
    with pytest.raises(TypeError):
        assert other > Level.UNIVERSAL


def test_a_model_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Sample().day = date(2026, 3, 9)  # type: ignore[misc]


def test_the_description_of_a_moment_says_which_years_are_taken() -> None:
    said = str(Sample.model_json_schema()["properties"]["when"])
    first, last = (int(year) for year in re.findall(r"\b\d{4}\b(?!,)", said.replace("RFC 3339", "")))
    for year, taken in ((first - 1, False), (first, True), (last, True), (last + 1, False)):
        written = {"when": f"{year}-06-01T12:00:00Z"}
        if taken:
            assert Sample.model_validate(written).when is not None
        else:
            with pytest.raises(ValidationError, match="between the years"):
                Sample.model_validate(written)
