"""Reads `panels.yaml`."""

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from pathlib import Path

from libs.schemas.document import DocumentError, Node, distinct, read_document
from libs.schemas.levels import Destination
from services.triage.clocks.calendar import Calendar
from services.triage.panels.calendar import ListOf, Outcome, Panel, Programme

_PANEL = {"name": True, "for": True, "locality": False, "meets": True} | dict.fromkeys(
    ("papers_hours", "members", "review_weeks"), True
)
DESTINATIONS = [one.value for one in Destination]


def load_programme(
    path: Path,
    *,
    agencies: Collection[str],
    localities: Collection[str],
    actions: Collection[str],
    calendar: Calendar,
) -> Programme:
    """Reads and checks the panels against the partnership's agencies, localities and obliged actions.

    Raises DocumentError naming every mistake with its place.
    """
    keys = ("about", "panels", "no_locality", "outcomes", "lists")
    record = read_document(path).record(dict.fromkeys(keys, True))
    panels = record.read("panels", lambda node: _panels(node, agencies, localities, calendar), {})
    lists = record.read("lists", lambda node: _lists(node, actions), {})
    outcomes = record.read("outcomes", _outcomes, {})
    fallback = record.read(
        "no_locality", lambda node: node.choice(list(panels), "panel") if panels else "", ""
    )
    record.refuse()
    missing = [
        f"{record.members['panels'].place}: no panel serves the locality `{one}`"
        for one in localities
        if not any(panel.locality == one for panel in panels.values())
    ]
    if missing:
        raise DocumentError(missing)
    return Programme(panels, fallback, outcomes, lists, calendar)


def _outcomes(node: Node) -> dict[str, Outcome]:
    outcomes = {}
    for code, entry in node.fields().items():
        fields = entry.fields(dict.fromkeys(("words", "reopens", "reviews"), True))
        outcomes[code] = Outcome(fields["words"].words(), fields["reopens"].flag(), fields["reviews"].flag())
    return outcomes


def _panels(
    node: Node, agencies: Collection[str], localities: Collection[str], calendar: Calendar
) -> dict[str, Panel]:
    faults: list[str] = []
    panels = {}
    for name, entry in node.fields().items():
        try:
            panels[name] = _panel(name, entry, agencies, localities, calendar)
        except DocumentError as error:
            faults += error.faults
    if faults:
        raise DocumentError(faults)
    return panels


def _panel(
    name: str, node: Node, agencies: Collection[str], localities: Collection[str], calendar: Calendar
) -> Panel:
    fields = node.fields(_PANEL)
    meets = fields["meets"].fields(dict.fromkeys(("from", "every_weeks", "at"), True))
    seats = fields["members"]
    members = distinct(seats, tuple(item.choice(list(agencies), "agency") for item in seats.items()))
    locality = fields["locality"].choice(list(localities), "locality") if "locality" in fields else None
    first = _day(meets["from"])
    if first.weekday() not in calendar.hours:
        raise DocumentError([f"{meets['from'].place}: the hub is closed on that weekday"])
    return Panel(
        id=name,
        name=fields["name"].words(),
        destination=Destination(fields["for"].choice(DESTINATIONS, "destination")),
        locality=locality,
        first=first,
        every=timedelta(weeks=meets["every_weeks"].whole(1)),
        at=_time(meets["at"]),
        papers=timedelta(hours=fields["papers_hours"].whole()),
        members=members,
        review_after=timedelta(weeks=fields["review_weeks"].whole(1)),
    )


def _lists(node: Node, actions: Collection[str]) -> dict[str, ListOf]:
    faults: list[str] = []
    lists = {}
    for name, entry in node.fields().items():
        try:
            lists[name] = _list(name, entry, actions)
        except DocumentError as error:
            faults += error.faults
    if faults:
        raise DocumentError(faults)
    return lists


def _list(name: str, node: Node, actions: Collection[str]) -> ListOf:
    fields = node.fields({"title": True, "of": False, "action": False, "since_hours": False})
    if ("of" in fields) == ("action" in fields):
        raise DocumentError([f"{node.place}: either `of` a destination, or an obliged `action`"])
    return ListOf(
        id=name,
        title=fields["title"].words(),
        destination=Destination(fields["of"].choice(DESTINATIONS, "destination")) if "of" in fields else None,
        action=fields["action"].choice(list(actions), "action") if "action" in fields else None,
        since=timedelta(hours=fields["since_hours"].whole(1)) if "since_hours" in fields else None,
    )


def _day(node: Node) -> date:
    try:
        return date.fromisoformat(node.text())
    except ValueError:
        raise DocumentError([f"{node.place}: expected a date as YYYY-MM-DD"]) from None


def _time(node: Node) -> time:
    try:
        return datetime.strptime(node.text(), "%H:%M").time()  # noqa: DTZ007 - a time of day, in the hub's zone
    except ValueError:
        raise DocumentError([f"{node.place}: expected a time as HH:MM"]) from None
