"""Dates of birth and addresses agree in steps; each comparison is the same from both sides."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.person import Address, Date
from services.enrichment.people.births import (
    BornAlike,
    ExpectedAlike,
    born_alike,
    born_as_expected,
    expected_alike,
)
from services.enrichment.people.places import PlaceAlike, place, place_alike
from tests.services.enrichment.people.people import at


def on(text: str) -> Date:
    return Date(on=text)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (on("2015-02-11"), on("2015-02-11"), BornAlike.SAME),
        (on("2015-02-11"), on("2015-11-02"), BornAlike.SWAPPED),
        (on("2015-02-11"), on("2015-02-21"), BornAlike.DIGIT),
        (on("2015-02-12"), on("2015-02-21"), BornAlike.DIGIT),
        (on("2015-02-11"), on("2005-02-11"), BornAlike.DIGIT),
        (on("2015-02-28"), on("2015-03-01"), BornAlike.NEAR),
        (on("2015-02-11"), on("2014-07-30"), BornAlike.DIFFERENT),
        (on("2015-02-11"), Date(earliest="2015-02-01", latest="2015-03-15"), BornAlike.WITHIN_MONTHS),
        (on("2015-02-11"), at(2015), BornAlike.WITHIN_YEAR),
        (on("2015-02-11"), Date(earliest="2013-01-01", latest="2016-12-31"), BornAlike.WITHIN_YEARS),
        (on("2015-02-11"), at(2016), BornAlike.NEAR),
        (on("2015-02-11"), at(2017), BornAlike.DIFFERENT),
    ],
)
def test_dates_of_birth_agree_in_steps(one: Date, other: Date, alike: BornAlike) -> None:
    assert born_alike(one, other) is alike
    assert born_alike(other, one) is alike


days = st.dates(date(2010, 1, 1), date(2016, 12, 31))
estimates = st.tuples(days, days).map(lambda pair: Date(earliest=min(pair), latest=max(pair)))


@given(days.map(lambda day: Date(on=day)) | estimates, days.map(lambda day: Date(on=day)) | estimates)
def test_dates_compare_the_same_from_both_sides(one: Date, other: Date) -> None:
    assert born_alike(one, other) is born_alike(other, one)
    assert expected_alike(one, other) is expected_alike(other, one)


def test_a_pregnancy_is_known_by_its_date_and_a_birth_may_come_early() -> None:
    due = on("2026-09-01")
    assert expected_alike(due, on("2026-09-12")) is ExpectedAlike.SAME
    assert expected_alike(due, on("2026-10-05")) is ExpectedAlike.NEAR
    assert expected_alike(due, on("2027-06-01")) is ExpectedAlike.DIFFERENT
    assert born_as_expected(on("2026-05-10"), due) is ExpectedAlike.BORN
    assert born_as_expected(on("2026-09-20"), due) is ExpectedAlike.BORN
    assert born_as_expected(on("2026-10-01"), due) is ExpectedAlike.DIFFERENT
    assert born_as_expected(on("2025-09-01"), due) is ExpectedAlike.DIFFERENT


def home(*lines: str, postcode: str | None = None, uprn: str | None = None) -> Address:
    return Address(lines=lines, postcode=postcode, uprn=uprn)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (
            home("12 Alder Rd", postcode="QX1 1AA"),
            home("12, Alder Road", "Town", postcode="qx11aa"),
            PlaceAlike.SAME,
        ),
        (home(uprn="00123"), home("anywhere", uprn="123"), PlaceAlike.SAME),
        (home("12 Alder Road", postcode="QX1 1AA"), home("12 Alder Road"), PlaceAlike.CLOSE),
        (
            home("12 Alder Road", postcode="QX1 1AA"),
            home("12 Alder Road", postcode="QX1 1AB"),
            PlaceAlike.CLOSE,
        ),
        (
            home("12 Alder Road", postcode="QX1 1AA"),
            home("14 Alder Road", postcode="QX1 1AA"),
            PlaceAlike.POSTCODE,
        ),
        (
            home("Flat 3", "12 Alder Road", postcode="QX1 1AA"),
            home("Flat 4", "12 Alder Road", postcode="QX1 1AA"),
            PlaceAlike.POSTCODE,
        ),
        (
            home("12 Alder Road", postcode="QX1 1AA", uprn="1"),
            home("12 Alder Road", postcode="QX1 1AA", uprn="2"),
            PlaceAlike.POSTCODE,
        ),
        (
            home("12 Alder Road", postcode="QX1 1AA"),
            home("12 Birch Road", postcode="QX9 9ZZ"),
            PlaceAlike.DIFFERENT,
        ),
        (home("12 Alder Road"), home("12 Juniper Close"), PlaceAlike.DIFFERENT),
    ],
)
def test_addresses_agree_in_steps(one: Address, other: Address, alike: PlaceAlike) -> None:
    mine, theirs = place(one), place(other)
    assert mine is not None
    assert theirs is not None
    assert place_alike(mine, theirs) is alike
    assert place_alike(theirs, mine) is alike


def test_an_address_that_says_nothing_is_none() -> None:
    assert place(Address()) is None
