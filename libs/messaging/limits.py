"""How a consumer paces itself."""

from __future__ import annotations

from dataclasses import dataclass

LANE_RECORDS = 40
"""Fewer events than this are not worth a transaction of their own beside another."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How a runner paces itself. Times in seconds."""

    max_records: int = 500
    poll_timeout: float = 0.5
    linger: float = 0.0
    """Waits so long after a batch that was not full, so that a consumer that nobody waits for works less often."""
    lanes: int = 2
    """So many transactions at most share a batch, so that one computes while another waits for the database."""
    quick_retries: int = 3
    """An unknown error is tried so often again at once, since many are races."""
    quick_delay: float = 0.1
    """Before the first quick retry; doubles."""
    pause: float = 0.2
    """Before going on after a transient error; doubles."""
    longest_pause: float = 15.0
    max_consecutive_parked: int = 20
    """So many messages failed with none processed between them: that is a bad deploy, not bad data."""
    breaker_pause: float = 60.0
    """How long the consumer then waits before it tries again."""
    overlong: float = 20.0
    """A message that has been worked on alone for so long when the surroundings fail may be what they cannot bear."""
    overlong_tries: int = 3
    """After so many times in a row it is parked, once another referral's message has passed."""


USUAL = Limits()
"""Of every consumer that says nothing else."""
