"""A partnership's panels and lists, and when each panel meets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile

from libs.schemas.levels import Destination
from services.triage.clocks.calendar import LONGEST_SEARCH, Calendar


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel."""

    id: str
    name: str
    destination: Destination
    locality: str | None
    first: date
    every: timedelta
    at: time
    papers: timedelta
    """How long before a meeting its agenda closes."""
    members: tuple[str, ...]
    review_after: timedelta

    def meetings(self, since: date, calendar: Calendar) -> Iterator[date]:
        """The days on which it meets, from a day on. A meeting that falls on a day on which the hub is closed is held
        on the next working day.
        """
        earlier = since - self.first - timedelta(days=LONGEST_SEARCH)
        turn, held = self.first + max(earlier // self.every, 0) * self.every, date.min
        while True:
            day = next(calendar.working_days(turn))
            if day >= since and day > held:
                held = day
                yield day
            turn += self.every

    def meets(self, day: date, calendar: Calendar) -> bool:
        """Whether it meets on a day."""
        return next(self.meetings(day, calendar)) == day

    def meeting_before(self, day: date, calendar: Calendar) -> date:
        """The last meeting before a day, or the day before the first one."""
        days = self.meetings(day - self.every - timedelta(days=LONGEST_SEARCH), calendar)
        before = list(takewhile(lambda one: one < day, days))
        return before[-1] if before else self.first - timedelta(days=1)

    def starts(self, day: date, calendar: Calendar) -> datetime:
        """When the meeting of a day begins."""
        return datetime.combine(day, self.at, calendar.zone).astimezone(UTC)

    def next_after(self, now: datetime, calendar: Calendar) -> date:
        """The first meeting whose agenda is still open."""
        days = self.meetings(calendar.day(now), calendar)
        return next(day for day in days if self.starts(day, calendar) - self.papers > now)


@dataclass(frozen=True, slots=True)
class ListOf:
    """One list: children of a destination that was decided, or for whom an action is obliged."""

    id: str
    title: str
    destination: Destination | None
    action: str | None
    since: timedelta | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a panel may come to."""

    words: str
    reopens: bool
    """Somebody decides anew."""
    reviews: bool
    """The panel looks again after its own interval."""


@dataclass(frozen=True, slots=True)
class Programme:
    """Everything that `panels.yaml` says."""

    panels: Mapping[str, Panel]
    no_locality: str
    outcomes: Mapping[str, Outcome]
    lists: Mapping[str, ListOf]
    calendar: Calendar

    def panel_for(self, destination: Destination, locality: str | None) -> Panel | None:
        """The panel that a destination's child comes before; None where no panel sees it."""
        found = [one for one in self.panels.values() if one.destination is destination]
        if not found:
            return None
        here = [one for one in found if one.locality is None or one.locality == locality]
        return here[0] if here else self.panels[self.no_locality]
