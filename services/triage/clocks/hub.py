"""The hub's calendar, clocks and targets, as one thing to ask.

The decision is due by the hub's close on the next working day after receipt, whatever the hour of receipt; nothing
extends it (Working Together to Safeguard Children, chapter 1: a decision within one working day).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from libs.schemas.levels import Rag
from services.triage.clocks.calendar import Calendar, Interval, Unit
from services.triage.clocks.rules import UP_TO_THE_DECISION, Clock, Target

DECISION = "decision"
READING = "reading"


@dataclass(frozen=True)
class Hub:
    """What `clocks.yaml` says. `fingerprint` is of the meaning of all that works out an instant: stored beside it."""

    calendar: Calendar
    clocks: Mapping[str, Clock]
    targets: Mapping[Rag, Target]
    fingerprint: str

    @property
    def zone(self) -> ZoneInfo:
        """The hub's local time."""
        return self.calendar.zone

    def day(self, instant: datetime) -> date:
        """The day that it is in the hub."""
        return self.calendar.day(instant)

    def due(self, clock: str, start: datetime) -> datetime:
        """By when a clock that started then must be stopped. Raises KeyError for a clock that is not known."""
        return self.clocks[clock].due(self.calendar, start)

    def decision_due(self, received_at: datetime) -> datetime:
        """Close of the working day after the day of receipt, which is not counted, whatever its hour."""
        return self.due(DECISION, received_at)

    def read_due(self, received_at: datetime) -> datetime:
        """When a person must have read a referral whose words no rule can weigh."""
        return self.due(READING, received_at)

    def target(self, rag: Rag, start: datetime) -> datetime:
        """By when the urgency asks for action; red never waits for the hub to open."""
        return self.targets[rag].length.due(self.calendar, start)

    def target_with(self, rag: Rag, start: datetime, pauses: Iterable[Interval]) -> datetime | None:
        """The target with the times during which it stood still; None while it stands.

        A target that does not pause takes no notice of them, and one for what comes up to the decision is never later
        than the decision.
        """
        target = self.targets[rag]
        if not target.pauses:
            return self.target(rag, start)
        at = target.length.paused(self.calendar, start, pauses)
        if target.measures in UP_TO_THE_DECISION:
            ceiling = self.decision_due(start)
            return ceiling if at is None else min(at, ceiling)
        return at

    def warn_at(self, clock: str, due_at: datetime) -> datetime:
        """When people are warned that a clock will run out. What the file gives no lead of its own, such as a target,
        is warned of as early as the decision.
        """
        return due_at - self.clocks.get(clock, self.clocks[DECISION]).warn

    def working_time_after(self, start: datetime, length: timedelta) -> datetime:
        """The instant at which the hub has been open for `length` since `start`."""
        at = self.calendar.time_after(start, length, Unit.WORKING)
        assert at is not None  # nothing pauses here
        return at
