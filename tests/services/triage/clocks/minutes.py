"""The slow, obvious reference: every minute of several years looked at one by one, and counted."""

import re
from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import accumulate
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")
BEGIN = datetime(2025, 12, 1, tzinfo=UTC)
YEARS = 4
COUNT = YEARS * 366 * 24 * 60
MINUTE = timedelta(minutes=1)

# England, as GOV.UK publishes them.
_HOLIDAYS = {
    2025: "12-25 12-26",
    2026: "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-28",
    2027: "01-01 03-26 03-29 05-03 05-31 08-30 12-27 12-28",
    2028: "01-03 04-14 04-17 05-01 05-29 08-28 12-25 12-26",
    2029: "01-01 03-30 04-02 05-07 05-28 08-27 12-25 12-26",
}
BANK_HOLIDAYS = frozenset(
    date.fromisoformat(f"{year}-{day}")
    for year, days in _HOLIDAYS.items()
    for day in re.findall(r"\S+", days)
)


def is_working_day(day: date) -> bool:
    return day.weekday() < 5 and day not in BANK_HOLIDAYS


def is_open(instant: datetime) -> bool:
    local = instant.astimezone(LONDON)
    close = (16, 30) if local.weekday() == 4 else (17, 30)
    return is_working_day(local.date()) and (8, 0) <= (local.hour, local.minute) < close


def at(minute: int) -> datetime:
    return BEGIN + minute * MINUTE


@cache
def open_minutes() -> list[int]:
    """How many open minutes lie before each minute."""
    # A day's hours are looked at once an hour and a half hour apart: opening and close fall on half hours.
    halves = [is_open(at(minute)) for minute in range(0, COUNT, 30)]
    return list(accumulate((half for half in halves for _ in range(30)), initial=0))


def after_open_minutes(start: int, length: int) -> int:
    """The minute at which the hub has been open for so many minutes since `start`."""
    counted = open_minutes()
    return bisect_left(counted, counted[start] + length, lo=start)


def after_counted(start: int, length: int, counts: Callable[[int], bool]) -> int:
    """The minute at which so many minutes have counted since `start`, one by one."""
    minute, left = start, length
    while left:
        left -= counts(minute)
        minute += 1
    return minute


def close_after(received: datetime, count: int) -> datetime:
    """Close of the working day of that number after the day of receipt, found by going through the days."""
    day = received.astimezone(LONDON).date()
    while count:
        day += timedelta(days=1)
        count -= is_working_day(day)
    hour = 16 if day.weekday() == 4 else 17
    return datetime(day.year, day.month, day.day, hour, 30, tzinfo=LONDON).astimezone(UTC)


@cache
def edges() -> list[int]:
    """The minutes around every midnight, opening and close of three years, local time."""
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(3 * 365)]
    marks = [(0, 0), (8, 0), (16, 30), (17, 30)]
    found = set()
    for day in days:
        for hour, minute in marks:
            instant = datetime(day.year, day.month, day.day, hour, minute, tzinfo=LONDON).astimezone(UTC)
            middle = int((instant - BEGIN) / MINUTE)
            found |= {middle - 1, middle, middle + 1}
    return sorted(found)
