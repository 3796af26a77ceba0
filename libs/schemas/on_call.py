"""Who is called when red work waits, by the hour: the partnership's `on_call.yaml`.

Triage asks whom to call, notify asks how somebody is reached. A list that leaves an hour of the week to nobody is
refused, so that whoever is called first is found at every hour.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from libs.schemas.base import CodeList
from libs.schemas.document import (
    DocumentError,
    Node,
    Record,
    distinct,
    nearest,
    read_all,
    read_document,
)
from libs.schemas.notice import NoticeChannel

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
CLOSED = "bank_holiday"
"""The kind of day of a weekday on which the hub stays closed, whatever its name."""

MINUTES = 24 * 60
_ID = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_TELEPHONE = re.compile(r"(\+44 ?|0)7[0-9]{3}( ?[0-9]{3}){2}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


class Urgency(CodeList):
    """Why somebody is called."""

    RED = "red"
    IMMEDIATE_DANGER = "immediate_danger"


@dataclass(frozen=True, slots=True)
class Contact:
    """One way to reach somebody who is on call."""

    id: str
    name: str
    channel: NoticeChannel
    address: str


@dataclass(frozen=True, slots=True)
class Turn:
    """Who is called on one kind of day between two minutes of it, the first one first; `until` is exclusive."""

    day: str
    since: int
    until: int
    call: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OnCall:
    """The list as the partnership keeps it."""

    contacts: Mapping[str, Contact]
    turns: Mapping[str, Sequence[Turn]]
    answer_within: Mapping[Urgency, int]
    """Minutes that somebody who was called has, before the next one is."""
    again_after: int
    """Minutes from the silence at the end of the list to calling again from its beginning."""

    def at(self, weekday: int, minute: int, *, closed: bool) -> tuple[str, ...]:
        """The ids of those to call, the first one first. `weekday`: Monday is 0; `minute`: of the hub's local day.
        `closed`: it is a weekday on which the hub stays closed.
        """
        turns = self.turns[CLOSED if closed else DAYS[weekday]]
        return next(turn.call for turn in turns if turn.since <= minute < turn.until)


def load_on_call(path: Path) -> OnCall:
    """Reads and checks `on_call.yaml`. Raises DocumentError naming every mistake with its place."""
    keys = ("about", "answer_within_minutes", "again_after_minutes", "contacts", "hours")
    root = read_document(path).record(dict.fromkeys(keys, True))
    answer_within = root.read("answer_within_minutes", _answer_within, dict[Urgency, int]())
    again_after = root.read("again_after_minutes", lambda node: node.whole(1), 1)
    contacts = root.read("contacts", _contacts, None)
    turns = root.read("hours", lambda node: _turns(node, contacts), dict[str, list[Turn]]())
    root.refuse()
    return OnCall(contacts or {}, turns, answer_within, again_after)


def _answer_within(node: Node) -> dict[Urgency, int]:
    fields = node.fields({one.value: True for one in Urgency})
    return {one: fields[one.value].whole(1) for one in Urgency}


def _contacts(node: Node) -> dict[str, Contact]:
    named = node.fields()
    if not named:
        raise DocumentError([f"{node.place}: nobody is named"])
    found = read_all(named.values(), lambda one: _contact(_name(named, one), one))
    return {one.id: one for one in found}


def _name(named: Mapping[str, Node], node: Node) -> str:
    return next(name for name, one in named.items() if one is node)


def _contact(name: str, node: Node) -> Contact:
    if not _ID.fullmatch(name):
        raise DocumentError([f"{node.place}: `{name}` is no id: small letters, digits, `_` and `-`"])
    fields = node.fields({"name": True, "sms": False, "email": False})
    ways = [channel for channel in NoticeChannel if channel.value in fields]
    if len(ways) != 1:
        raise DocumentError([f"{node.place}: give either `sms` or `email`; two ways are two contacts"])
    (channel,) = ways
    address = fields[channel.value]
    form, wanted = {
        NoticeChannel.SMS: (_TELEPHONE, "the number of a mobile telephone, such as 07700 900123"),
        NoticeChannel.EMAIL: (_EMAIL, "an e-mail address"),
    }[channel]
    if not form.fullmatch(address.words()):
        raise DocumentError([f"{address.place}: expected {wanted}"])
    return Contact(name, fields["name"].words(), channel, address.words())


def _turns(node: Node, contacts: Mapping[str, Contact] | None) -> dict[str, list[Turn]]:
    """`contacts`: None where they could not be read; who is called is not checked then."""
    by_day: dict[str, list[tuple[Turn, Node]]] = {day: [] for day in (*DAYS, CLOSED)}
    for entry, turns in zip(
        node.items(), read_all(node.items(), lambda one: _turn(one, contacts)), strict=True
    ):
        for turn in turns:
            by_day[turn.day].append((turn, entry))
    faults = [fault for day, found in by_day.items() for fault in _gaps(node, day, found)]
    if faults:
        raise DocumentError(faults)
    return {day: [turn for turn, _ in found] for day, found in by_day.items()}


def _turn(node: Node, contacts: Mapping[str, Contact] | None) -> tuple[Turn, ...]:
    record = Record({}, ())
    fields = node.fields({"days": True, "from": True, "to": True, "call": True})
    days: tuple[str, ...] = ()
    call: tuple[str, ...] = ()
    try:
        allowed = [*DAYS, CLOSED]
        days = distinct(
            fields["days"], read_all(fields["days"].items(), lambda one: one.choice(allowed, "day"))
        )
    except DocumentError as error:
        record.add(*error.faults)
    try:
        call = distinct(fields["call"], read_all(fields["call"].items(), lambda one: _known(one, contacts)))
        if not call:
            record.add(f"{fields['call'].place}: nobody is called")
    except DocumentError as error:
        record.add(*error.faults)
    since, until = 0, 0
    try:
        since, until = read_all((fields["from"], fields["to"]), _minute)
        if since >= until:
            record.add(f"{fields['to'].place}: must be later than `from`; a night is two lines, one to 24:00")
    except DocumentError as error:
        record.add(*error.faults)
    record.refuse()
    return tuple(Turn(day, since, until, call) for day in days)


def _known(node: Node, contacts: Mapping[str, Contact] | None) -> str:
    name = node.text()
    if contacts is not None and name not in contacts:
        raise DocumentError([f"{node.place}: unknown contact `{name}`{nearest(name, contacts)}"])
    return name


def _minute(node: Node) -> int:
    text = node.text()
    if not _TIME.fullmatch(text):
        raise DocumentError([f"{node.place}: expected a time as HH:MM, or 24:00 for the end of the day"])
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _gaps(hours: Node, day: str, found: Iterable[tuple[Turn, Node]]) -> list[str]:
    faults, covered = [], 0
    for turn, entry in sorted(found, key=lambda one: (one[0].since, one[0].until)):
        if turn.since < covered:
            faults.append(f"{entry.place}: on {day} somebody else is called from {_said(turn.since)} already")
        elif turn.since > covered:
            faults.append(_nobody(hours, day, covered, turn.since))
        covered = max(covered, turn.until)
    if covered < MINUTES:
        faults.append(_nobody(hours, day, covered, MINUTES))
    return faults


def _nobody(hours: Node, day: str, since: int, until: int) -> str:
    return f"{hours.place}: on {day} nobody is called from {_said(since)} to {_said(until)}"


def _said(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
