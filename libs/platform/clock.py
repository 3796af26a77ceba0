"""The only place that reads the machine's clock."""

from datetime import UTC, datetime, timedelta
from time import time_ns


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is moved, for tests and replays."""

    def __init__(self, start: datetime) -> None:
        self._now = _aware(start)

    def now(self) -> datetime:
        """The instant it was last set to, in UTC."""
        return self._now

    def set(self, instant: datetime) -> None:
        """Moves to an instant, earlier or later. Raises ValueError when it is naive."""
        self._now = _aware(instant)

    def advance(self, step: timedelta) -> None:
        """Moves on by a step."""
        self._now += step


def epoch_ns() -> int:
    """Nanoseconds since 1970, for spans that are made after the fact. Everything else asks its Clock."""
    return time_ns()


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("an instant needs its offset")
    return instant.astimezone(UTC)
