"""The clocks as data: what starts each, what stops it, how long it runs, and what it may never do."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.triage.clocks.calendar import Calendar, Interval, Unit


class Moment(StrEnum):
    """What starts or stops a clock."""

    RECEIPT = "receipt"
    """The hub received the contact, the challenge, or the new information that the clock is about."""
    READING = "reading"
    DECISION = "decision"
    FIRST_ACTION = "first_action"
    SCREENING = "screening"
    PARTNER_RETURNS = "partner_returns"
    FEEDBACK = "feedback"
    STATUTORY_REFERRAL = "statutory_referral"
    """A person decided that section 17 or section 47 services may be needed."""
    ENQUIRY_DECISION = "enquiry_decision"
    """A person decided on section 47."""
    CHILD_SEEN = "child_seen"
    STRATEGY_DISCUSSION = "strategy_discussion"
    CONFERENCE = "conference"
    ASSESSMENT = "assessment"
    FOUND = "found"
    """A child who was missing was found or came back."""
    RETURN_INTERVIEW = "return_interview"
    HAND_OVER = "hand_over"
    ACCEPTANCE = "acceptance"


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """Until the hub's close on the working day of that number after the day of the start, which is not counted."""

    count: int

    def due(self, calendar: Calendar, start: datetime) -> datetime:
        """The instant for a start."""
        day = calendar.working_day_after(calendar.day(start), self.count)
        return calendar.opening(day).closes


@dataclass(frozen=True, slots=True)
class Length:
    """So many minutes from the start, of every hour or of the hours in which the hub is open."""

    minutes: int
    unit: Unit

    def due(self, calendar: Calendar, start: datetime) -> datetime:
        """The instant for a start."""
        at = calendar.time_after(start, timedelta(minutes=self.minutes), self.unit)
        assert at is not None  # only a pause can keep time from passing
        return at

    def paused(self, calendar: Calendar, start: datetime, pauses: Iterable[Interval]) -> datetime | None:
        """The instant for a start with pauses; None while one of them has no end."""
        return calendar.time_after(start, timedelta(minutes=self.minutes), self.unit, pauses)


@dataclass(frozen=True, slots=True)
class Clock:
    """One clock of `clocks.yaml`. Nothing extends it: what pauses is a target of urgency, and no clock."""

    id: str
    label: str
    rule: WorkingDays | Length
    starts: Moment
    stops: Moment
    warn: timedelta
    """How long before it is due people are warned."""
    cite: str

    def due(self, calendar: Calendar, start: datetime) -> datetime:
        """By when it must be stopped."""
        return self.rule.due(calendar, start)

    def warn_at(self, due_at: datetime, start: datetime) -> datetime:
        """When people are warned: never before it started."""
        return max(start, due_at - self.warn)


UP_TO_THE_DECISION = frozenset((Moment.SCREENING, Moment.FIRST_ACTION, Moment.DECISION))
"""What comes before the decision or is it: a target for one of these may never be later than the decision is due."""


@dataclass(frozen=True, slots=True)
class Target:
    """How soon an urgency asks for something, by the partnership's own profile: authorities differ in all of these."""

    length: Length
    starts: Moment
    measures: Moment
    pauses: bool
    """Whether it stands still while somebody waits for what the hub cannot hurry."""
