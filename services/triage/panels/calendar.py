"""A partnership's panels and lists, and when each panel meets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from libs.schemas.levels import Destination


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

    def meets(self, day: date) -> bool:
        """Whether it meets on a day."""
        return day >= self.first and (day - self.first) % self.every == timedelta(0)

    def starts(self, day: date, zone: ZoneInfo) -> datetime:
        """When the meeting of a day begins."""
        return datetime.combine(day, self.at, zone).astimezone(UTC)

    def next_after(self, now: datetime, zone: ZoneInfo) -> date:
        """The first meeting whose agenda is still open."""
        today = now.astimezone(zone).date()
        passed = max((today - self.first) // self.every, 0)
        day = self.first + passed * self.every
        while self.starts(day, zone) - self.papers <= now:
            day += self.every
        return day


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


@dataclass(frozen=True, slots=True)
class Programme:
    """Everything that `panels.yaml` says."""

    panels: Mapping[str, Panel]
    no_locality: str
    outcomes: Mapping[str, Outcome]
    lists: Mapping[str, ListOf]
    zone: ZoneInfo

    def panel_for(self, destination: Destination, locality: str | None) -> Panel | None:
        """The panel that a destination's child comes before; None where no panel sees it."""
        found = [one for one in self.panels.values() if one.destination is destination]
        if not found:
            return None
        here = [one for one in found if one.locality is None or one.locality == locality]
        return here[0] if here else self.panels[self.no_locality]
