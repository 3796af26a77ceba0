"""What somebody filled in, as a form reads it: days, times, numbers, facts, and what an operation refused of them."""

from datetime import UTC, datetime

import pytest

from libs.platform.problems import Problem
from libs.platform.validation import FieldError
from services.triage.console.forms import (
    FACT,
    LONGEST,
    FactField,
    Faults,
    Group,
    attempt,
    read_day,
    read_facts,
    read_time,
    refused,
    whole,
)

NOW = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
SUMMER = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)
YES_NO = FactField(f"{FACT}child.afraid", "Afraid of home", (("yes", "Yes"), ("no", "No")), 0)
STEPS = FactField(
    f"{FACT}child.hunger", "Hunger", (("occasional", "Occasional"), ("persistent", "Always")), 0
)
NUMBER = FactField(f"{FACT}child.absences", "Days missed", (), 40)
GROUPS = (Group("The child", (YES_NO, STEPS, NUMBER)),)


def on(day: str, month: str, year: str) -> dict[str, str]:
    return {"on-day": day, "on-month": month, "on-year": year}


@pytest.mark.parametrize(
    ("fields", "read", "fault"),
    [
        (on("", "", ""), None, None),
        (on("22", "11", "2026"), "2026-11-22", None),
        (on("9", "3", "2026"), "2026-03-09", None),
        (on("23", "11", "2026"), None, "The date must be today or in the past"),
        (on("22", "11", ""), None, "Enter a day, a month and a year"),
        (on("", "", "2026"), None, "Enter a day, a month and a year"),
        (on("31", "11", "2026"), None, "Enter a day, a month and a year"),
        (on("x", "11", "2026"), None, "Enter a day, a month and a year"),
        (on("1", "2", "26"), None, "Enter a day, a month and a year"),
    ],
)
def test_a_day_is_read_whole_or_refused(fields: dict[str, str], read: str | None, fault: str | None) -> None:
    faults = Faults()
    assert read_day(fields, "on", faults, now=NOW) == read
    assert faults.texts.get("on-day", "").startswith(fault or "")
    assert bool(faults) is (fault is not None)


def test_today_is_the_hubs_day() -> None:
    for day, ahead in (("1", False), ("2", True)):
        faults = Faults()
        read_day(on(day, "7", "2026"), "on", faults, now=SUMMER)
        assert bool(faults) is ahead


def test_a_day_that_may_be_to_come_is_not_said_to_have_to_be_past() -> None:
    faults = Faults()
    assert read_day(on("1", "2", "2027"), "on", faults) == "2027-02-01"
    assert not faults
    assert read_day(on("1", "2", "27"), "on", faults) is None
    assert faults.texts == {"on-day": "Enter a day, a month and a year, such as 27 3 2026"}


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("14:30", "14:30"),
        ("9.05", "09:05"),
        ("9", "09:00"),
        ("0:00", "00:00"),
        ("23:59", "23:59"),
        ("24:00", None),
        ("12:60", None),
        ("half past", None),
        ("9:x", None),
        ("", None),
        ("-1:00", None),
    ],
)
def test_a_time_is_one_of_the_clock_on_the_wall(text: str, read: str | None) -> None:
    assert read_time(text) == read


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("12", 12),
        ("999999", 999_999),
        ("1000000", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("", None),
    ],
)
def test_a_number_is_whole_and_of_plain_digits(text: str, number: int | None) -> None:
    assert whole(text) == number


def test_what_was_left_open_states_nothing_and_no_is_no_gap() -> None:
    faults = Faults()
    fields = {YES_NO.name: "no", STEPS.name: "", NUMBER.name: "0"}
    assert read_facts(GROUPS, fields, faults, basis="observed") == [
        {"fact": "child.afraid", "value": False, "basis": "observed"},
        {"fact": "child.absences", "value": 0, "basis": "observed"},
    ]
    fields = {YES_NO.name: "yes", STEPS.name: "persistent", NUMBER.name: "40"}
    assert [one["value"] for one in read_facts(GROUPS, fields, faults)] == [True, "persistent", 40]
    assert not faults


def test_a_statement_that_cannot_be_is_none_and_is_said_beside_its_field() -> None:
    faults = Faults()
    fields = {YES_NO.name: "maybe", STEPS.name: "yes", NUMBER.name: "41"}
    assert read_facts(GROUPS, fields, faults) == []
    assert faults.texts == {
        YES_NO.name: "Afraid of home: select an answer, or leave it as not stated",
        STEPS.name: "Hunger: select an answer, or leave it as not stated",
        NUMBER.name: "Days missed: enter a whole number from 0 to 40, or leave it as not stated",
    }


def test_the_first_fault_of_a_field_is_the_one_that_is_shown() -> None:
    faults = Faults()
    faults.add("note", "Enter a note")
    faults.long({"note": "x" * (LONGEST + 1), "why": "x" * LONGEST}, "note", "why")
    assert faults.summary == [{"text": "Enter a note", "href": "#note"}]


FIELDS = {"reason": "", "person_id": "7"}


def problem(
    status: int, *errors: FieldError, code: str = "body-invalid", detail: str | None = None
) -> Problem:
    return Problem(status, code, "It is wrong.", detail, errors=list(errors))


def test_what_an_operation_refuses_stands_beside_the_field_that_it_names_or_on_top() -> None:
    faults = Faults()
    refused(
        problem(
            422,
            FieldError("/reason", "missing", "is needed"),
            FieldError("/person_id/2", "unknown", "is nobody"),
            FieldError("/agency", "unknown", "is none"),
        ),
        faults,
        FIELDS,
    )
    assert faults.texts == {
        "reason": "Reason is needed",
        "person_id": "Person id is nobody",
        "form": "Agency is none",
    }


def test_a_refusal_that_names_no_field_says_what_to_do() -> None:
    faults = Faults()
    refused(problem(409, code="claimed", detail="wait until they are done"), faults, FIELDS)
    assert faults.texts == {"form": "It is wrong. Wait until they are done"}
    assert not faults.sent_before
    refused(problem(422, code="idempotency-key-reused"), faults, FIELDS)
    assert faults.sent_before


@pytest.mark.parametrize(
    ("status", "shown"), [(409, True), (412, True), (422, True), (403, False), (503, False)]
)
async def test_only_what_a_form_could_put_right_is_told_in_it(status: int, shown: bool) -> None:
    async def refuses() -> None:
        raise problem(status)

    faults = Faults()
    if shown:
        assert await attempt(refuses(), faults, FIELDS) is None
        assert faults
    else:
        with pytest.raises(Problem):
            await attempt(refuses(), faults, FIELDS)
