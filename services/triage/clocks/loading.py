"""Reads `clocks.yaml`, and refuses what could let a statutory time slip."""

from collections.abc import Mapping
from datetime import date, time, timedelta
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from libs.schemas.document import DocumentError, Node, nearest, read_all, read_document
from libs.schemas.levels import Rag
from services.triage.clocks.calendar import HOURS, Calendar, Unit, bank_holidays
from services.triage.clocks.hub import DECISION, READING, Hub
from services.triage.clocks.rules import UP_TO_THE_DECISION, Clock, Length, Moment, Target, WorkingDays

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MOMENTS = [moment.value for moment in Moment]
UNITS = [unit.value for unit in Unit]
YEARS = range(2024, 2041)
"""Years whose bank holidays are part of the file's meaning: a proclaimed one makes it another."""

STATUTORY: Mapping[str, tuple[WorkingDays | Length, Moment, Moment]] = {
    DECISION: (WorkingDays(1), Moment.RECEIPT, Moment.DECISION),
    "child_seen": (Length(24 * 60, Unit.ELAPSED), Moment.ENQUIRY_DECISION, Moment.CHILD_SEEN),
    "conference": (WorkingDays(15), Moment.STRATEGY_DISCUSSION, Moment.CONFERENCE),
    "assessment": (WorkingDays(45), Moment.STATUTORY_REFERRAL, Moment.ASSESSMENT),
    "return_interview": (Length(72 * 60, Unit.ELAPSED), Moment.FOUND, Moment.RETURN_INTERVIEW),
}
"""What a partnership may shorten and never lengthen, with what starts and stops it (Working Together to Safeguard
Children 2023, chapter 3; Statutory guidance on children who run away or go missing, 2014).
"""


def load_hub(path: Path) -> Hub:
    """Reads and checks `clocks.yaml`. Raises DocumentError naming every mistake with its place."""
    keys = ("about", "timezone", "bank_holidays", "extra_closed_days", "hours", "clocks", "targets")
    root = read_document(path).fields(dict.fromkeys(keys, True))
    root["bank_holidays"].choice(["England"], "calendar")
    calendar = Calendar(
        zone=_zone(root["timezone"]),
        hours=_all_hours(root["hours"]),
        closed=frozenset(read_all(root["extra_closed_days"].items(), read_day)),
    )
    named = root["clocks"].fields()
    clocks = {one.id: one for one in read_all(named.values(), lambda node: _clock(_name(named, node), node))}
    missing = [name for name in (*STATUTORY, READING) if name not in clocks]
    if missing:
        raise DocumentError([f"{root['clocks'].place}: the clock `{name}` is missing" for name in missing])
    nodes = root["targets"].fields({rag.value: True for rag in Rag})
    targets = {rag: _target(nodes[rag.value]) for rag in Rag}
    faults = _lengthened(named, clocks, calendar) + _late_targets(nodes, targets, calendar)
    if faults:
        raise DocumentError(faults)
    kept = [day for year in YEARS for day in sorted(bank_holidays(year))]
    meaning = repr(
        (str(calendar.zone), sorted(calendar.hours.items()), sorted(calendar.closed), kept, clocks, targets)
    )
    return Hub(calendar, clocks, targets, sha256(meaning.encode()).hexdigest())


def _name(named: Mapping[str, Node], node: Node) -> str:
    return next(name for name, one in named.items() if one is node)


def _clock(name: str, node: Node) -> Clock:
    fields = node.fields(
        {"label": True, "starts": True, "stops": True, "cite": True, "warn_minutes": True}
        | {"working_days": False, "minutes": False, "unit": False}
    )
    return Clock(
        id=name,
        label=fields["label"].words(),
        rule=_rule(node, fields),
        starts=_moment(fields["starts"]),
        stops=_moment(fields["stops"]),
        warn=timedelta(minutes=fields["warn_minutes"].whole()),
        cite=fields["cite"].words(),
    )


def _rule(node: Node, fields: Mapping[str, Node]) -> WorkingDays | Length:
    if "working_days" in fields:
        if "minutes" in fields or "unit" in fields:
            raise DocumentError([f"{node.place}: either `working_days`, or `minutes` and `unit`"])
        return WorkingDays(fields["working_days"].whole(1))
    return _length(node, fields)


def read_length(node: Node) -> Length:
    """A length of time as the partnership's files write it: `minutes` and `unit`. Raises DocumentError."""
    return _length(node, node.fields({"minutes": True, "unit": True}))


def _length(node: Node, fields: Mapping[str, Node]) -> Length:
    if "minutes" not in fields or "unit" not in fields:
        raise DocumentError([f"{node.place}: how long it runs is missing: `minutes` and `unit`"])
    unit = Unit(fields["unit"].choice(UNITS, "unit"))
    hours = fields.get("calendar")
    if hours is not None and hours.choice(list(HOURS.values()), "calendar") != HOURS[unit]:
        raise DocumentError([f"{hours.place}: {unit.value} time counts by `{HOURS[unit]}`"])
    return Length(fields["minutes"].whole(1), unit)


def _target(node: Node) -> Target:
    fields = node.fields(dict.fromkeys(("minutes", "unit", "calendar", "starts", "measures", "pauses"), True))
    return Target(
        length=_length(node, fields),
        starts=_moment(fields["starts"]),
        measures=_moment(fields["measures"]),
        pauses=fields["pauses"].flag(),
    )


def _moment(node: Node) -> Moment:
    return Moment(node.choice(MOMENTS, "moment"))


def _lengthened(named: Mapping[str, Node], clocks: Mapping[str, Clock], calendar: Calendar) -> list[str]:
    """Statutory clocks that a file starts or stops by something else, or lets run longer than the law does."""
    faults = []
    for name, (most, starts, stops) in STATUTORY.items():
        place, clock = named[name].place, clocks[name]
        if (clock.starts, clock.stops) != (starts, stops):
            faults.append(f"{place}: `{name}` runs from {starts.value} to {stops.value}, by law")
        if not _within(clock.rule, most, calendar):
            faults.append(f"{place}: `{name}` may be shortened and never lengthened: at most {_said(most)}")
    return faults


def _within(rule: WorkingDays | Length, most: WorkingDays | Length, calendar: Calendar) -> bool:
    """Whether a rule never ends later than another, whenever it starts."""
    match rule, most:
        case WorkingDays(count), WorkingDays(limit):
            return count <= limit
        case Length(minutes, Unit.ELAPSED), Length(limit, _):
            return minutes <= limit
        case Length(minutes, unit), WorkingDays(limit):
            return minutes <= limit * _shortest(calendar, unit)
    return False


def _said(rule: WorkingDays | Length) -> str:
    if isinstance(rule, WorkingDays):
        return f"{rule.count} working day{'s' if rule.count > 1 else ''}"
    return f"{rule.minutes} {rule.unit.value} minutes"


def _shortest(calendar: Calendar, unit: Unit) -> int:
    """The fewest minutes between a receipt and the close of the working day after it.

    What comes just before midnight, or after close, has one working day: from midnight to close by the clock, and from
    opening to close in working time.
    """
    if unit is Unit.ELAPSED:
        return min(_minutes(closes) for _, closes in calendar.hours.values())
    return min(_minutes(closes) - _minutes(opens) for opens, closes in calendar.hours.values())


def _late_targets(nodes: Mapping[str, Node], targets: Mapping[Rag, Target], calendar: Calendar) -> list[str]:
    faults = []
    red, place = targets[Rag.RED], nodes[Rag.RED.value].place
    if red.length.unit is not Unit.ELAPSED or red.pauses:
        faults.append(f"{place}: red never waits for office hours: its unit is elapsed, and it never pauses")
    for rag, target in targets.items():
        most = _shortest(calendar, target.length.unit)
        if target.measures in UP_TO_THE_DECISION and target.length.minutes > most:
            faults.append(
                f"{nodes[rag.value].place}: {rag.value} measures the {target.measures.value.replace('_', ' ')} and "
                f"could end after the decision is due in one working day: at most {most} "
                f"{target.length.unit.value} minutes"
            )
    return faults


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute


def _zone(node: Node) -> ZoneInfo:
    if node.text() != "Europe/London":
        raise DocumentError([f"{node.place}: hubs of England keep `Europe/London`"])
    return ZoneInfo("Europe/London")


def _all_hours(node: Node) -> dict[int, tuple[time, time]]:
    hours = {}
    for name, one in node.fields().items():
        if name not in WEEKDAYS:
            raise DocumentError(
                [f"{node.place_of(name)}: unknown weekday `{name}`{nearest(name, list(WEEKDAYS))}"]
            )
        hours[WEEKDAYS.index(name)] = _hours(one)
    if closed := [name for number, name in enumerate(WEEKDAYS[:5]) if number not in hours]:
        raise DocumentError(
            [f"{node.place}: the hub must open on {closed[0]}: working days of the law run Monday to Friday"]
        )
    return hours


def _hours(node: Node) -> tuple[time, time]:
    fields = node.fields({"open": True, "close": True})
    opens, closes = (read_time(fields[key]) for key in ("open", "close"))
    if opens >= closes:
        raise DocumentError([f"{node.place}: the hub must open before it closes"])
    return opens, closes


def read_time(node: Node) -> time:
    """A time of the day as the partnership's files write it. Raises DocumentError."""
    try:
        return time.fromisoformat(node.text())
    except ValueError:
        raise DocumentError([f"{node.place}: expected a time as HH:MM"]) from None


def read_day(node: Node) -> date:
    """A day as the partnership's files write it. Raises DocumentError."""
    try:
        return date.fromisoformat(node.text())
    except ValueError:
        raise DocumentError([f"{node.place}: expected a date as YYYY-MM-DD"]) from None
