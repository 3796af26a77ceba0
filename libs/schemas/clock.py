"""The one clock, as everything that needs the time sees it."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Gives the present instant. Injected, so that tests and replays decide what time it is."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...
