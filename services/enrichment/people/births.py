"""How alike two dates of birth are: exact, estimated, expected, or written wrongly. Every comparison is symmetric."""

from datetime import date, timedelta
from enum import StrEnum

from libs.schemas.person import Date

TERM = timedelta(days=21)
"""A child is rarely born later than so long after the expected date (NICE NG207 offers induction from week 41)."""

VIABLE = timedelta(days=126)
"""Nor earlier than so long before it: 22 weeks of 40, the earliest at which babies are cared for (BAPM, 2019)."""

SCANS_DIFFER = timedelta(days=14)
"""Two estimates of one pregnancy's date, by scan and from memory, differ by less."""

NEAR = timedelta(days=31)
MONTH = timedelta(days=62)
YEAR = timedelta(days=366)


class BornAlike(StrEnum):
    """How two dates of birth agree, best first."""

    SAME = "same"
    SWAPPED = "swapped"
    """Day and month change places."""
    DIGIT = "digit"
    """One digit differs, or two neighbours change places."""
    WITHIN_MONTHS = "within_months"
    """An estimate of at most two months holds the other date."""
    WITHIN_YEAR = "within_year"
    WITHIN_YEARS = "within_years"
    NEAR = "near"
    """Outside an estimate by less than it is wide, and by a year at most; two days apart where both are exact."""
    DIFFERENT = "different"
    MISSING = "missing"

    # Equal to its text, a member may share the text's hash; an enumeration's own is worked out anew each time.
    __hash__ = str.__hash__


class ExpectedAlike(StrEnum):
    """How two pregnancies' dates, or a birth and an expected date, agree, best first."""

    SAME = "same"
    BORN = "born"
    """The birth fits the expected date."""
    NEAR = "near"
    DIFFERENT = "different"
    MISSING = "missing"

    # Equal to its text, a member may share the text's hash; an enumeration's own is worked out anew each time.
    __hash__ = str.__hash__


BORN_RANK = {alike: rank for rank, alike in enumerate(BornAlike)}
EXPECTED_RANK = {alike: rank for rank, alike in enumerate(ExpectedAlike)}


def born_alike(one: Date, other: Date) -> BornAlike:
    """How alike two dates of birth are."""
    if one.on is not None and other.on is not None:
        return _exact(one.on, other.on)
    (mine_from, mine_to), (theirs_from, theirs_to) = _bounds(one), _bounds(other)
    apart = max(mine_from - theirs_to, theirs_from - mine_to)
    if apart <= timedelta(0):
        width = max(mine_to - mine_from, theirs_to - theirs_from)
        if width <= MONTH:
            return BornAlike.WITHIN_MONTHS
        return BornAlike.WITHIN_YEAR if width <= YEAR else BornAlike.WITHIN_YEARS
    # Who takes an age for a date is at times off by one.
    slack = max(NEAR, min(YEAR, max(mine_to - mine_from, theirs_to - theirs_from)))
    return BornAlike.NEAR if apart <= slack else BornAlike.DIFFERENT


def _exact(one: date, other: date) -> BornAlike:
    if one == other:
        return BornAlike.SAME
    if one.year == other.year and (one.month, one.day) == (other.day, other.month):
        return BornAlike.SWAPPED
    mine, theirs = f"{one:%Y%m%d}", f"{other:%Y%m%d}"
    places = [place for place in range(8) if mine[place] != theirs[place]]
    if len(places) == 1:
        return BornAlike.DIGIT
    if (
        len(places) == 2
        and places[1] == places[0] + 1
        and mine[places[0]] == theirs[places[1]]
        and mine[places[1]] == theirs[places[0]]
    ):
        return BornAlike.DIGIT
    return BornAlike.NEAR if abs(one - other) <= timedelta(days=2) else BornAlike.DIFFERENT


def expected_alike(one: Date, other: Date) -> ExpectedAlike:
    """How alike the expected dates of two pregnancies are."""
    (mine_from, mine_to), (theirs_from, theirs_to) = _bounds(one), _bounds(other)
    apart = max(mine_from - theirs_to, theirs_from - mine_to)
    if apart <= SCANS_DIFFER:
        return ExpectedAlike.SAME
    return ExpectedAlike.NEAR if apart <= 3 * SCANS_DIFFER else ExpectedAlike.DIFFERENT


def born_as_expected(born: Date, expected: Date) -> ExpectedAlike:
    """Whether a birth fits an expected date."""
    (born_from, born_to), (due_from, due_to) = _bounds(born), _bounds(expected)
    fits = born_to >= due_from - VIABLE and born_from <= due_to + TERM
    return ExpectedAlike.BORN if fits else ExpectedAlike.DIFFERENT


def years_of(one: Date) -> range:
    """The years in which somebody may have been born."""
    earliest, latest = _bounds(one)
    return range(earliest.year, latest.year + 1)


def shown(one: Date) -> str:
    """A date as a person reads it."""
    if one.on is not None:
        return one.on.isoformat()
    return f"{one.earliest} to {one.latest}"


def _bounds(one: Date) -> tuple[date, date]:
    if one.on is not None:
        return one.on, one.on
    # A date has either a day or both bounds: its model says so.
    assert one.earliest is not None
    assert one.latest is not None
    return one.earliest, one.latest
