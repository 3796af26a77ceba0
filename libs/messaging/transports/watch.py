"""Notices a client that has stopped without saying so (aiokafka #703, #847, #1154)."""

import time


class Stuck(RuntimeError):
    """The client does not fetch what waits, not even after it was rebuilt: the process should end and start anew."""


class Watch:
    """How long a client has had no answer to a fetch, and whether it was rebuilt for that."""

    def __init__(self, rebuilt: bool = False) -> None:
        self.rebuilt = rebuilt
        self._answered = 0
        self._since = time.monotonic()

    def saw(self, answered: int) -> bool:
        """Whether there was an answer since, by the time of the last."""
        fresh = answered != self._answered
        if fresh and self._answered:
            self.rebuilt = False
        self._answered = answered
        return fresh

    def rest(self) -> None:
        """Counts from now."""
        self._since = time.monotonic()

    def silence(self) -> float:
        """Seconds since an answer came, or none was to be expected."""
        return time.monotonic() - self._since
