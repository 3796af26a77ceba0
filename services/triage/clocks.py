"""The hub's clocks: by when a referral must be read, decided, and by when its urgency asks for action.

The decision is due by the hub's close on the next working day after receipt, whatever the hour of receipt; nothing
extends it (Working Together to Safeguard Children, chapter 1: a decision within one working day). Only a target in
working minutes stands still while the hub is closed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import holidays

from libs.schemas.document import DocumentError, Node, nearest, read_document
from libs.schemas.levels import Rag

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LONGEST_SEARCH = 60
"""Days in which a hub must open once: more closed days in a row are a mistake in the file."""


class Unit(StrEnum):
    """Whether a target runs on while the hub is closed."""

    ELAPSED = "elapsed"
    WORKING = "working"


class Calendar(StrEnum):
    """Which hours a target counts."""

    EVERY_HOUR = "every_hour"
    HUB_HOURS = "hub_hours"


class Start(StrEnum):
    """From when a target runs."""

    RECEIPT = "receipt"


class Measure(StrEnum):
    """What must have happened when a target is up."""

    SCREENING = "screening"
    FIRST_ACTION = "first_action"
    DECISION = "decision"
    PARTNER_RETURNS = "partner_returns"
    FEEDBACK = "feedback"


UP_TO_THE_DECISION = frozenset((Measure.SCREENING, Measure.FIRST_ACTION, Measure.DECISION))
"""What comes before the decision or is it: a target for one of these may never be later than the decision is due."""

CALENDARS = {Unit.ELAPSED: Calendar.EVERY_HOUR, Unit.WORKING: Calendar.HUB_HOURS}
"""The calendar that each unit counts by."""


@dataclass(frozen=True, slots=True)
class Target:
    """How long something may take, by the local authority's own profile: authorities differ in all of these."""

    unit: Unit
    minutes: int
    starts: Start
    measures: Measure


@dataclass(frozen=True, slots=True)
class Opening:
    """One working day's opening and close, as instants in UTC."""

    opens: datetime
    closes: datetime


@dataclass(frozen=True)
class Hub:
    """The hub's calendar and targets, from `clocks.yaml`."""

    zone: ZoneInfo
    hours: dict[int, tuple[time, time]]
    closed: frozenset[date]
    reading: timedelta
    targets: dict[Rag, Target]

    def is_working_day(self, day: date) -> bool:
        """Whether the hub opens on that day: a weekday with hours that is no bank holiday."""
        return day.weekday() in self.hours and day not in self.closed and day not in _bank_holidays(day.year)

    def opening(self, day: date) -> Opening:
        """The opening of a working day."""
        opens, closes = self.hours[day.weekday()]
        return Opening(self._instant(day, opens), self._instant(day, closes))

    def day(self, instant: datetime) -> date:
        """The day that it is in the hub."""
        return instant.astimezone(self.zone).date()

    def decision_due(self, received_at: datetime) -> datetime:
        """Close of the working day after the day of receipt, which is not counted, whatever its hour."""
        day = next(self._working_days(self.day(received_at) + timedelta(days=1)))
        return self.opening(day).closes

    def read_due(self, received_at: datetime) -> datetime:
        """When a person must have read a referral whose words no rule can weigh."""
        return self.working_time_after(received_at, self.reading)

    def target(self, rag: Rag, start: datetime) -> datetime:
        """By when the urgency asks for action; red never waits for the hub to open."""
        target = self.targets[rag]
        length = timedelta(minutes=target.minutes)
        return start + length if target.unit is Unit.ELAPSED else self.working_time_after(start, length)

    def working_time_after(self, start: datetime, length: timedelta) -> datetime:
        """The instant at which the hub has been open for `length` since `start`."""
        left = length
        for day in self._working_days(self.day(start)):
            opening = self.opening(day)
            begins = max(opening.opens, start)
            if begins >= opening.closes:
                continue
            if opening.closes - begins >= left:
                return begins + left
            left -= opening.closes - begins
        raise AssertionError("the days never end")

    def _working_days(self, first: date) -> Iterator[date]:
        day, closed = first, 0
        while closed < LONGEST_SEARCH:
            if self.is_working_day(day):
                closed = 0
                yield day
            else:
                closed += 1
            day += timedelta(days=1)
        raise DocumentError(["clocks.yaml: the hub does not open within sixty days"])

    def _instant(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self.zone).astimezone(UTC)


@lru_cache(maxsize=64)
def _bank_holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("GB", subdiv="ENG", years=year))


def load_hub(path: Path) -> Hub:
    """Reads and checks `clocks.yaml`. Raises DocumentError."""
    root = read_document(path).fields(
        {
            "about": True,
            "timezone": True,
            "bank_holidays": True,
            "extra_closed_days": True,
            "hours": True,
            "reading_minutes": True,
            "targets": True,
        }
    )
    root["bank_holidays"].choice(["England"], "calendar")
    hours = {
        WEEKDAYS.index(_weekday(name, node)): _hours(node) for name, node in root["hours"].fields().items()
    }
    if not hours:
        raise DocumentError([f"{root['hours'].place}: the hub opens on no day"])
    targets = {
        Rag(name): _target(node) for name, node in root["targets"].fields(dict.fromkeys(Rag, True)).items()
    }
    if targets[Rag.RED].unit is not Unit.ELAPSED:
        raise DocumentError(
            [f"{root['targets'].place}: red never waits for office hours: its unit is elapsed"]
        )
    _never_after_the_decision(root["targets"], hours, targets)
    return Hub(
        zone=ZoneInfo(root["timezone"].text()),
        hours=hours,
        closed=frozenset(_day(node) for node in root["extra_closed_days"].items()),
        reading=timedelta(minutes=root["reading_minutes"].whole(1)),
        targets=targets,
    )


def _never_after_the_decision(
    node: Node, hours: Mapping[int, tuple[time, time]], targets: Mapping[Rag, Target]
) -> None:
    """Refuses a target that some receipt would let run past the decision's due time.

    The shortest time for a decision has what comes just before midnight, or after close: then one working day is left,
    from midnight to close by the clock and from opening to close in working time.
    """
    shortest = {
        Unit.ELAPSED: min(_minutes(closes) for _, closes in hours.values()),
        Unit.WORKING: min(_minutes(closes) - _minutes(opens) for opens, closes in hours.values()),
    }
    faults = [
        f"{node.place}: {rag.value} measures the {target.measures.value.replace('_', ' ')} and could end after the "
        f"decision is due in one working day: at most {shortest[target.unit]} {target.unit.value} minutes"
        for rag, target in targets.items()
        if target.measures in UP_TO_THE_DECISION and target.minutes > shortest[target.unit]
    ]
    if faults:
        raise DocumentError(faults)


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute


def _weekday(name: str, node: Node) -> str:
    if name not in WEEKDAYS:
        raise DocumentError([f"{node.place}: unknown weekday `{name}`{nearest(name, list(WEEKDAYS))}"])
    return name


def _hours(node: Node) -> tuple[time, time]:
    fields = node.fields({"open": True, "close": True})
    opens, closes = (_time(fields[key]) for key in ("open", "close"))
    if opens >= closes:
        raise DocumentError([f"{node.place}: the hub must open before it closes"])
    return opens, closes


def _time(node: Node) -> time:
    try:
        return time.fromisoformat(node.text())
    except ValueError:
        raise DocumentError([f"{node.place}: expected a time as HH:MM"]) from None


def _day(node: Node) -> date:
    try:
        return date.fromisoformat(node.text())
    except ValueError:
        raise DocumentError([f"{node.place}: expected a date as YYYY-MM-DD"]) from None


def _target(node: Node) -> Target:
    fields = node.fields(dict.fromkeys(("unit", "minutes", "calendar", "starts", "measures"), True))
    unit = Unit(fields["unit"].choice([one.value for one in Unit], "unit"))
    calendar = fields["calendar"].choice([one.value for one in Calendar], "calendar")
    if calendar != CALENDARS[unit]:
        raise DocumentError(
            [f"{fields['calendar'].place}: {unit.value} time counts by `{CALENDARS[unit].value}`"]
        )
    return Target(
        unit,
        fields["minutes"].whole(1),
        Start(fields["starts"].choice([one.value for one in Start], "start")),
        Measure(fields["measures"].choice([one.value for one in Measure], "measure")),
    )
