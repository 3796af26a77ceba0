"""By when something is to be done, with the rule by which that was worked out, so that a changed calendar works it out
anew: pure.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.triage.clocks.calendar import Calendar, Unit
from services.triage.clocks.rules import Length, WorkingDays


class Before(StrEnum):
    """What something must be done before, where no length says."""

    SCHOOL = "before_school"


Rule = WorkingDays | Length | Before

DAYS = "working_days"
BY_THE_CALENDAR = (DAYS, Unit.WORKING.value, Before.SCHOOL.value)
"""How a stored rule ends that a changed calendar may give another instant."""


@dataclass(frozen=True, slots=True)
class Due:
    """The instant. `since` and `rule` are absent where a person named it, or it was nothing but an hour of that day."""

    at: datetime
    since: datetime | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Days:
    """The days of the hub and those of the schools."""

    hub: Calendar
    school: Calendar

    def due(self, rule: Rule, since: datetime) -> Due:
        """By when what was raised then is done."""
        return Due(self._at(rule, since), since, written(rule))

    def again(self, rule: str, since: datetime) -> datetime:
        """The instant that a stored rule comes to now. Raises ValueError where it is none."""
        return self._at(read_rule(rule), since)

    def _at(self, rule: Rule, since: datetime) -> datetime:
        if isinstance(rule, Before):
            days = self.school.working_days(self.school.day(since))
            return next(opens for day in days if (opens := self.school.opening(day).opens) > since)
        return rule.due(self.hub, since)


def written(rule: Rule) -> str:
    """A rule as it is stored: `240 elapsed`, `510 working`, `2 working_days`, `before_school`."""
    match rule:
        case WorkingDays(count):
            return f"{count} {DAYS}"
        case Length(minutes, unit):
            return f"{minutes} {unit.value}"
        case Before():
            return rule.value


def read_rule(text: str) -> Rule:
    """A rule as it was stored. Raises ValueError where it is none."""
    count, _, unit = text.partition(" ")
    if not unit:
        return Before(text)
    return WorkingDays(int(count)) if unit == DAYS else Length(int(count), Unit(unit))
