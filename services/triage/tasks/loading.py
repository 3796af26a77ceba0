"""Reads `tasks.yaml`."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from libs.schemas.document import DocumentError, Node, read_all, read_document
from services.triage.clocks.calendar import LONGEST_SEARCH, Calendar
from services.triage.clocks.loading import read_day, read_length, read_time
from services.triage.tasks.terms import Kind, TaskTerms

FLOW = (
    "identify_child",
    "possible_match",
    "possible_duplicate",
    "look_at_new_information",
    "look_at_decision_at_risk",
    "manager_looks_at_decision_at_risk",
    "review_challenge",
    "read_joined_challenge",
    "tell_referrer_by_telephone",
    "ask_agencies_by_hand",
    "take_up_unread_referral",
    "tell_caisu",
)
"""The tasks that the flow of a case raises: the file names each and no other."""

OTHER = "other"
"""What staff set each other where no kind fits: there is always one."""

SCHOOL_WEEK = range(5)


def load_task_terms(path: Path, zone: ZoneInfo) -> TaskTerms:
    """Reads and checks `tasks.yaml`. Raises DocumentError naming every mistake with its place."""
    keys = ("about", "school_day", "school_holidays", "flow", "by_hand")
    root = read_document(path).fields(dict.fromkeys(keys, True))
    flow = _kinds(root["flow"].fields(dict.fromkeys(FLOW, True)))
    by_hand = _kinds(root["by_hand"].fields())
    if OTHER not in by_hand:
        raise DocumentError([f"{root['by_hand'].place}: the key `{OTHER}` is missing"])
    twice = [name for name in by_hand if name in flow]
    if twice:
        place = root["by_hand"].place_of(twice[0])
        raise DocumentError([f"{place}: `{twice[0]}` is raised by the flow, and set by nobody"])
    day = root["school_day"].fields({"begins": True, "ends": True})
    begins, ends = read_time(day["begins"]), read_time(day["ends"])
    if begins >= ends:
        raise DocumentError([f"{root['school_day'].place}: the school must open before it closes"])
    closed = frozenset(one for days in read_all(root["school_holidays"].items(), _holiday) for one in days)
    hours = dict.fromkeys(SCHOOL_WEEK, (begins, ends))
    return TaskTerms(flow, by_hand, Calendar(zone=zone, hours=hours, closed=closed))


def _kinds(named: Mapping[str, Node]) -> dict[str, Kind]:
    names = {id(one): name for name, one in named.items()}
    return {one.id: one for one in read_all(named.values(), lambda one: _kind(names[id(one)], one))}


def _kind(name: str, node: Node) -> Kind:
    fields = node.fields({"label": True, "within": True, "cite": True})
    return Kind(name, fields["label"].words(), read_length(fields["within"]), fields["cite"].words())


def _holiday(node: Node) -> tuple[date, ...]:
    fields = node.fields({"from": True, "to": True})
    first, last = read_day(fields["from"]), read_day(fields["to"])
    days = (last - first).days + 1
    if not 0 < days <= LONGEST_SEARCH:
        raise DocumentError([f"{node.place}: a holiday ends after it begins, within {LONGEST_SEARCH} days"])
    return tuple(first + timedelta(days=number) for number in range(days))
