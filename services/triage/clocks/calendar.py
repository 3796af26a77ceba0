"""When the hub is open, and the time that counts: every hour, or the hours in which the hub is open."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

LONGEST_SEARCH = 60
"""Days in which a hub must open once: more closed days in a row are a mistake in the file."""

FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)


class Unit(StrEnum):
    """Whether time runs on while the hub is closed."""

    ELAPSED = "elapsed"
    WORKING = "working"


HOURS = {Unit.ELAPSED: "every_hour", Unit.WORKING: "hub_hours"}
"""The calendar that each unit counts by, as `clocks.yaml` calls it."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Time from an instant, inclusive, to another, exclusive; `end` is None while it is not known."""

    begin: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """One working day's opening and close, as instants in UTC."""

    opens: datetime
    closes: datetime


@dataclass(frozen=True)
class Calendar:
    """The hub's days and hours. `hours` are by weekday, Monday being 0, in the local time of `zone`."""

    zone: ZoneInfo
    hours: Mapping[int, tuple[time, time]]
    closed: frozenset[date] = frozenset()
    """Days beside the bank holidays of England on which the hub stays closed."""

    def is_working_day(self, day: date) -> bool:
        """Whether the hub opens on that day: a weekday with hours that is no holiday."""
        return self.why_closed(day) is None

    def why_closed(self, day: date) -> str | None:
        """Why the hub does not open on that day, in words; None where it does."""
        if day.weekday() not in self.hours:
            return "the hub is closed on that weekday"
        if day in self.closed:
            return "the hub is closed on that day"
        return bank_holidays(day.year).get(day)

    def is_open(self, instant: datetime) -> bool:
        """Whether the hub is open at that moment."""
        day = self.day(instant)
        if not self.is_working_day(day):
            return False
        opening = self.opening(day)
        return opening.opens <= instant < opening.closes

    def opening(self, day: date) -> Opening:
        """The opening of a working day."""
        opens, closes = self.hours[day.weekday()]
        return Opening(self._instant(day, opens), self._instant(day, closes))

    def day(self, instant: datetime) -> date:
        """The day that it is in the hub."""
        return instant.astimezone(self.zone).date()

    def working_days(self, first: date) -> Iterator[date]:
        """The working days from a day on, that day included where it is one.

        Raises ValueError where the hub does not open for `LONGEST_SEARCH` days.
        """
        day, closed = first, 0
        while closed < LONGEST_SEARCH:
            if self.is_working_day(day):
                closed = 0
                yield day
            else:
                closed += 1
            day += timedelta(days=1)
        raise ValueError("the hub does not open within sixty days")

    def working_day_after(self, day: date, count: int) -> date:
        """The working day number `count` after a day, which is not counted itself."""
        days = self.working_days(day + timedelta(days=1))
        return next(one for number, one in enumerate(days, start=1) if number == count)

    def time_after(
        self, start: datetime, length: timedelta, unit: Unit, pauses: Iterable[Interval] = ()
    ) -> datetime | None:
        """The instant at which `length` has counted since `start`, outside all `pauses`.

        None where a pause without an end begins before that.
        """
        left = length
        for begin, end in _outside(self._counted(start, unit), sorted(pauses, key=lambda one: one.begin)):
            if end - begin >= left:
                return begin + left
            left -= end - begin
        return None

    def _counted(self, start: datetime, unit: Unit) -> Iterator[tuple[datetime, datetime]]:
        if unit is Unit.ELAPSED:
            yield start, FOR_EVER
            return
        for day in self.working_days(self.day(start)):
            opening = self.opening(day)
            begins = max(opening.opens, start)
            if begins < opening.closes:
                yield begins, opening.closes

    def _instant(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self.zone).astimezone(UTC)


def _outside(
    counted: Iterator[tuple[datetime, datetime]], pauses: list[Interval]
) -> Iterator[tuple[datetime, datetime]]:
    """What of the counted time lies outside the pauses, which come in the order of their begin."""
    for begin, end in counted:
        at = begin
        for pause in pauses:
            until = FOR_EVER if pause.end is None else pause.end
            if until <= at or pause.begin >= end:
                continue
            if pause.begin > at:
                yield at, pause.begin
            at = max(at, until)
            if at >= end:
                break
        if at < end:
            yield at, end
        elif at >= FOR_EVER:
            return


@lru_cache(maxsize=64)
def bank_holidays(year: int) -> Mapping[date, str]:
    """England's bank holidays of a year, with their names."""
    # GOV.UK's word for a holiday that is kept on another day.
    named = holidays.country_holidays("GB", subdiv="ENG", years=year).items()
    return {day: name.replace("(observed)", "(substitute day)") for day, name in named}
