"""The one clock, as everything that needs the time sees it."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Gives the present instant. Injected, so that tests and replays decide what time it is."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


def to_the_minute(at: datetime) -> datetime:
    """The instant as people write it down: what happened in the same minute did not happen before it."""
    return at.replace(second=0, microsecond=0)
