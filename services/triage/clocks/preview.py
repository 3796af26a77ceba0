"""Says in words why something is due when it is."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from pydantic import Field

from libs.schemas.base import Identifier, Instant, Line, Model
from services.triage.clocks.calendar import Calendar, Unit
from services.triage.clocks.hub import Hub
from services.triage.clocks.rules import Clock, Length, WorkingDays
from services.triage.clocks.words import in_words, minutes_in_words

MOST_DAYS_NAMED = 14
"""Days that a preview names one by one; over a longer time it gives their number."""


class ClockPreview(Model):
    """When a clock would be due, and why."""

    clock: Identifier
    label: Line
    starts_at: Instant
    due_at: Instant
    warn_at: Instant
    stops: Identifier = Field(description="What stops it.")
    words: tuple[str, ...] = Field(description="Sentence by sentence.")
    cite: Line


def preview(hub: Hub, clock: Clock, start: datetime) -> ClockPreview:
    """What a clock that starts at this instant comes to."""
    due = clock.due(hub.calendar, start)
    return ClockPreview(
        clock=clock.id,
        label=clock.label,
        starts_at=start,
        due_at=due,
        warn_at=clock.warn_at(due, start),
        stops=clock.stops.value,
        words=tuple(_sentences(hub.calendar, clock, start, due)),
        cite=clock.cite,
    )


def _sentences(calendar: Calendar, clock: Clock, start: datetime, due: datetime) -> Iterator[str]:
    yield f"It starts with the {in_words(clock.starts)}, on {moment(calendar, start)}."
    match clock.rule:
        case WorkingDays(count):
            days = f"{count} working days" if count > 1 else "one working day"
            yield f"It runs for {days}. The day on which it starts is not counted, whatever the hour."
            yield from _uncounted(calendar, calendar.day(start) + timedelta(days=1), calendar.day(due))
            yield f"It is due when the hub closes, on {moment(calendar, due)}."
        case Length(minutes, Unit.ELAPSED):
            yield f"It runs for {minutes_in_words(minutes)} by the clock, whether the hub is open or not."
            yield f"It is due on {moment(calendar, due)}."
        case Length(minutes, Unit.WORKING):
            yield f"It runs for {minutes_in_words(minutes)} of the hours in which the hub is open."
            if not calendar.is_open(start):
                yield "The hub is closed then, so that it begins to count when the hub opens."
            yield from _uncounted(calendar, calendar.day(start), calendar.day(due))
            yield f"It is due on {moment(calendar, due)}."
    yield "Nothing extends it."


def _uncounted(calendar: Calendar, first: date, last: date) -> Iterator[str]:
    closed = [
        (day, why)
        for number in range((last - first).days + 1)
        if (why := calendar.why_closed(day := first + timedelta(days=number))) is not None
    ]
    if len(closed) > MOST_DAYS_NAMED:
        yield f"{len(closed)} days on which the hub is closed do not count."
        return
    for day, why in closed:
        yield f"{_day(day)} does not count: {why}."


def moment(calendar: Calendar, instant: datetime) -> str:
    """An instant as people of the hub say it: `Friday 27 November 2026 at 16:31`."""
    local = instant.astimezone(calendar.zone)
    return f"{_day(local.date())} at {local:%H:%M}"


def _day(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B} {day.year}"
