"""When a target stood still, as a case keeps it: one text for each pause, `from/until` (ISO 8601), until is empty while
it lasts. Pauses never overlap and come in the order of time.
"""

from collections.abc import Sequence
from datetime import datetime

from services.triage.clocks.calendar import Interval


def intervals(pauses: Sequence[str]) -> list[Interval]:
    """The pauses as times."""
    return [_interval(one) for one in pauses]


def stands_since(pauses: Sequence[str]) -> datetime | None:
    """Since when the target stands still; None where it runs."""
    last = _interval(pauses[-1]) if pauses else None
    return last.begin if last is not None and last.end is None else None


def paused(pauses: Sequence[str], at: datetime) -> tuple[str, ...]:
    """The pauses with one that begins now. Raises ValueError where the target stands already."""
    if stands_since(pauses) is not None:
        raise ValueError("the target stands already")
    return (*pauses, f"{at.isoformat()}/")


def resumed(pauses: Sequence[str], at: datetime) -> tuple[str, ...]:
    """The pauses with the open one ended, where there is one."""
    since = stands_since(pauses)
    if since is None:
        return tuple(pauses)
    return (*pauses[:-1], f"{since.isoformat()}/{max(at, since).isoformat()}")


def _interval(text: str) -> Interval:
    begin, _, end = text.partition("/")
    return Interval(datetime.fromisoformat(begin), datetime.fromisoformat(end) if end else None)
