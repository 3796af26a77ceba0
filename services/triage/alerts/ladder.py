"""Who is called next, by the partnership's list: pure."""

from collections.abc import Collection, Sequence
from datetime import datetime

from libs.schemas.on_call import OnCall
from services.triage.clocks.calendar import Calendar


def on_call_at(on_call: OnCall, calendar: Calendar, instant: datetime) -> Sequence[str]:
    """Those who are on call at that moment, the first one first. A working day's list does not hold on a day on which
    the hub stays closed.
    """
    local = instant.astimezone(calendar.zone)
    day = local.date()
    closed = day.weekday() in calendar.hours and not calendar.is_working_day(day)
    return on_call.at(day.weekday(), local.hour * 60 + local.minute, closed=closed)


def next_to_call(listed: Sequence[str], called: Collection[str]) -> str | None:
    """The first one on the list of the hour whom nobody called in this round; None at the end of the list.

    Where the hour changed since, whoever has come on call is not passed over for their place on the list.
    """
    return next((one for one in listed if one not in called), None)
