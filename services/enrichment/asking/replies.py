"""What every client of an agency shares: bounds of a reply, and what an agency may say of itself."""

from datetime import datetime
from email.utils import parsedate_to_datetime

from libs.schemas.findings import AgencyState
from services.enrichment.asking.agency import Reply

MAX_BYTES = 5_000_000
"""A longer body is refused: no honest answer about one child is."""

LONGEST_RETRY_AFTER = 3600.0
"""Seconds. An agency that asks for a longer wait is asked again after this one."""

SPOKEN = frozenset(
    {
        AgencyState.RETURNED,
        AgencyState.NOTHING_HELD,
        AgencyState.OUTSIDE_COVERAGE,
        AgencyState.DECLINED,
    }
)
"""What an agency may say of itself; the other states are the hub's own observations."""


def unavailable(reason: str, retry_after: float | None = None) -> Reply:
    """The reply of an agency that could not be reached, or whose answer cannot be relied on."""
    return Reply(AgencyState.UNAVAILABLE, reason, retry_after)


def seconds_to_wait(retry_after: str | None, now: datetime) -> float | None:
    """`Retry-After` as seconds, at most `LONGEST_RETRY_AFTER`: a number or a date (RFC 9110, section 10.2.3)."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER)
