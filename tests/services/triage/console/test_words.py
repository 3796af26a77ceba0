"""What codes, days, moments and values are called on a page."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.triage.console import words

NOW = datetime(2026, 6, 30, 22, 30, tzinfo=UTC)
"""Half past eleven at night by the clock on the wall."""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("marac", "MARAC"),
        ("nothing_held", "Nothing held"),
        ("re-referral", "Re referral"),
        ("re_referral", "Re-referral"),
        ("a_code_of_tomorrow", "A code of tomorrow"),
    ],
)
def test_a_code_is_a_label_and_one_that_nobody_knows_is_said_as_it_is(code: str, said: str) -> None:
    assert words.words(code) == said


def test_abbreviations_stay_as_they_are_within_a_sentence() -> None:
    assert [words.inline(text) for text in ("GP", "MARAC", "Police", "A")] == ["GP", "MARAC", "police", "a"]


def test_a_level_and_a_destination_that_nobody_knows_are_said_as_they_are() -> None:
    assert words.level("section_47") == "Level 4, child protection (section 47)"
    assert words.level("level_9") == "Level 9"
    assert words.destination("masg") == "Multi-Agency Support Group panel"
    assert words.destination("moon_base") == "Moon base"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("decision", "Decide by"),
        ("task.strategy_discussion", "Task: strategy discussion"),
        ("panel_review", "Panel review"),
    ],
)
def test_a_clock_says_what_is_due(code: str, said: str) -> None:
    assert words.clock(code) == said


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([], "something"),
        (["decision"], "the decision"),
        (["evidence", "answers"], "what is known and an agency’s answer"),
        (["evidence", "answers", "moon"], "what is known, an agency’s answer and moon"),
    ],
)
def test_what_changed_is_a_list_in_words(parts: list[str], said: str) -> None:
    assert words.changed(parts) == said


def test_a_moment_is_shown_by_the_clock_on_the_wall() -> None:
    assert words.when("2026-06-30T13:05:00Z") == "30 June 2026, 14:05"
    assert words.when("2026-11-23T13:05:00Z") == "23 November 2026, 13:05"
    assert words.when(None) == ""
    assert words.day("2026-06-30") == "30 June 2026"
    assert words.day("") == ""


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("2026-06-29T09:00:00Z", "Yesterday, 10:00"),
        ("2026-06-29T23:00:00Z", "Today, 00:00"),
        ("2026-06-30T22:59:00Z", "Today, 23:59"),
        ("2026-06-30T23:00:00Z", "Tomorrow, 00:00"),
        ("2026-07-01T23:00:00Z", "2 July 2026, 00:00"),
        ("2026-06-28T12:00:00Z", "28 June 2026, 13:00"),
    ],
)
def test_what_is_near_is_today_tomorrow_or_yesterday_by_the_hubs_days(moment: str, said: str) -> None:
    assert words.due(moment, NOW) == said


@pytest.mark.parametrize(
    ("person", "said"),
    [
        (None, "Not named"),
        ({}, "Not named"),
        ({"given_name": "", "family_name": None}, "Not named"),
        ({"given_name": "Robin"}, "Robin"),
        ({"given_name": "Robin", "family_name": "Day"}, "Robin Day"),
    ],
)
def test_somebody_without_a_name_is_said_not_to_be_named(person: dict[str, Any] | None, said: str) -> None:
    assert words.name(person) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "Not known"),
        ({"on": "2017-05-02"}, "2 May 2017"),
        ({"earliest": "2017-05-01", "latest": "2017-05-31"}, "Between 1 May 2017 and 31 May 2017"),
    ],
)
def test_a_date_of_birth_is_as_certain_as_it_was_said(value: dict[str, str] | None, said: str) -> None:
    assert words.born(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "Not known"),
        ({"lines": []}, "Not known"),
        ({"lines": ["1 High Street", "Sandbox"], "postcode": "PE1 1AA"}, "1 High Street, Sandbox, PE1 1AA"),
        ({"postcode": "PE1 1AA", "confidential": True}, "PE1 1AA (confidential)"),
        ({"lines": ["1 High Street"], "confidential": False}, "1 High Street"),
    ],
)
def test_an_address_that_is_confidential_says_so(value: dict[str, Any] | None, said: str) -> None:
    assert words.address(value) == said


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        (True, "Yes"),
        (False, "No"),
        (0, "0"),
        (1, "1"),
        ({"at_least": 0, "at_most": 4}, "Between 0 and 4"),
        ("not_known", "Not known"),
    ],
)
def test_a_number_is_no_yes_and_no_no(stated: object, said: str) -> None:
    assert words.value(stated) == said


@pytest.mark.parametrize(
    ("value", "field", "said"),
    [
        ("2017-05-02", "born", "2 May 2017"),
        ("2017-05", "born", "2017-05"),
        ("2017-05-02", "reference", "2017-05-02"),
        ("F", "sex", "Female"),
        ("X", "sex", "X"),
        ("F", "given_name", "F"),
        (None, "born", ""),
    ],
)
def test_what_is_compared_is_shown_as_people_write_it(value: str | None, field: str, said: str) -> None:
    assert words.compared(value, field) == said


def test_one_thing_is_not_many() -> None:
    assert [words.count(number, "case") for number in (0, 1, 2)] == ["0 cases", "1 case", "2 cases"]
    assert [words.count(number, "child", "children") for number in (1, 2)] == ["1 child", "2 children"]
