"""A chronology as a picture over time: lanes by who says it, a bar for a plan, a mark for what happened.

It only places things; `chronology.html` draws them, with the same entries as a table beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from services.triage.console.words import LONDON, words

WIDTH = 960
LEFT, RIGHT, TOP, LANE = 150, 930, 30, 38
MARK_APART = 40
"""Marks of one lane that would be nearer than this are drawn as one, with their numbers."""

NARROWEST = 22.0
"""A mark with a single number: a circle."""

_LANES: Mapping[str, str] = {
    "earlier_report": "Earlier reports",
    "earlier_decision": "Earlier decisions",
    "step_down": "Earlier decisions",
    "plan_opened": "Plans",
    "plan_closed": "Plans",
    "referral": "This referral",
    "information": "This referral",
    "withdrawal": "This referral",
    "fact": "What was stated",
    "finding": "What was stated",
    "reading": "Staff",
    "command": "Staff",
    "strategy_discussion": "Staff",
    "tool": "Staff",
    "panel_outcome": "Staff",
    "decision": "Staff",
    "answer": "Agencies",
    "correction": "Agencies",
}
_ORDER = (
    "Earlier reports",
    "Earlier decisions",
    "Plans",
    "What was stated",
    "This referral",
    "Agencies",
    "Staff",
)


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the axis with its words."""

    x: float
    words: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened, or several things close together."""

    x: float
    width: float
    numbers: str
    """The entries' numbers in the table: `3`, `3–5`, or `3+2` for the third and two that are not next to it."""
    title: str
    counts: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that lasted."""

    x: float
    width: float
    title: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of the picture."""

    y: float
    name: str
    marks: tuple[Mark, ...]
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture over one stretch of time."""

    title: str
    description: str
    height: float
    ticks: tuple[Tick, ...]
    lanes: tuple[Lane, ...]


Numbered = tuple[int, Mapping[str, Any]]


def moment(entry: Mapping[str, Any]) -> datetime:
    """When something happened; a day alone counts as its noon."""
    if entry.get("at"):
        return datetime.fromisoformat(entry["at"])
    on = date.fromisoformat(entry["on"])
    return datetime(on.year, on.month, on.day, 12, tzinfo=LONDON)


def pictures(entries: Sequence[Mapping[str, Any]]) -> list[Picture]:
    """The years, and the time since the referral on its own: minutes would not show among years."""
    numbered = list(enumerate(entries, start=1))
    referral = next((entry for entry in entries if entry["kind"] == "referral"), None)
    old = [one for one in numbered if referral is None or one[1] is referral or _before(one[1], referral)]
    new = [one for one in numbered if one[1] is referral or one not in old]
    parts = (("Until this referral", old), ("Since this referral", new))
    return [_picture(title, part) for title, part in parts if len(part) > 1]


def _before(entry: Mapping[str, Any], referral: Mapping[str, Any]) -> bool:
    """Whether something was before the referral; a day alone stands before the moments of that day, as in the table."""
    if entry.get("at"):
        return moment(entry) < moment(referral)
    return bool(entry["on"] <= referral["on"])


def _picture(title: str, entries: Sequence[Numbered]) -> Picture:
    start = min(moment(entry) for _, entry in entries)
    end = max(moment(entry) for _, entry in entries)
    if end - start < timedelta(minutes=10):
        end = start + timedelta(minutes=10)
    span = (end - start).total_seconds()

    def place(at: datetime) -> float:
        return round(LEFT + (RIGHT - LEFT) * (at - start).total_seconds() / span, 1)

    by_lane: dict[str, list[Numbered]] = {}
    for one in entries:
        by_lane.setdefault(_lane(one[1]), []).append(one)
    names = [name for name in _ORDER if name in by_lane] + [name for name in by_lane if name not in _ORDER]
    lanes = tuple(
        Lane(
            TOP + LANE * row + LANE / 2,
            name,
            tuple(_marks(by_lane[name], place)),
            tuple(_bars(by_lane[name], place)),
        )
        for row, name in enumerate(names)
    )
    number = len(entries)
    told = f"{number} entries from {_day(start)} to {_day(end)}, in {len(lanes)} rows. The table below says the same."
    return Picture(title, told, TOP + LANE * len(lanes) + 34, tuple(_ticks(start, end, place)), lanes)


def _lane(entry: Mapping[str, Any]) -> str:
    kind = entry["kind"]
    # An agency corrects its answers, and staff what they added.
    return (
        "Staff" if (kind, entry.get("source")) == ("correction", "staff") else _LANES.get(kind, words(kind))
    )


def _marks(entries: Iterable[Numbered], place: Any) -> Iterator[Mark]:
    group: list[Numbered] = []
    for one in sorted(entries, key=lambda each: moment(each[1])):
        if group and place(moment(one[1])) - place(moment(group[0][1])) >= MARK_APART:
            yield _mark(group, place)
            group = []
        group.append(one)
    if group:
        yield _mark(group, place)


def _mark(group: Sequence[Numbered], place: Any) -> Mark:
    numbers = [number for number, _ in group]
    first, last = min(numbers), max(numbers)
    title = " ".join(f"{number}. {entry['words']}" for number, entry in group)
    counts = any(entry.get("counts", True) for _, entry in group)
    if first == last:
        label = str(first)
    elif last - first == len(group) - 1:
        label = f"{first}–{last}"
    else:
        label = f"{first}+{len(group) - 1}"
    return Mark(place(moment(group[0][1])), max(NARROWEST, 7.0 * len(label) + 8), label, title, counts)


def _bars(entries: Iterable[Numbered], place: Any) -> Iterator[Bar]:
    """Plans that count, from their opening to their closing; one that nobody closed reaches the end."""
    running: dict[str, Mapping[str, Any]] = {}
    for entry in (one for _, one in entries if one.get("counts", True)):
        name = str(entry["words"]).partition(":")[0]
        if entry["kind"] == "plan_opened":
            running[name] = entry
        elif entry["kind"] == "plan_closed" and name in running:
            x = place(moment(running.pop(name)))
            yield Bar(x, max(place(moment(entry)) - x, 3), name, False)
    for name, entry in running.items():
        x = place(moment(entry))
        yield Bar(x, max(RIGHT - x, 3), name, True)


_STEPS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=7),
    timedelta(days=30),
    timedelta(days=91),
    timedelta(days=365),
    timedelta(days=3650),
)


def _ticks(start: datetime, end: datetime, place: Any) -> Iterator[Tick]:
    step = next((one for one in _STEPS if (end - start) / one <= 7), _STEPS[-1])
    at = start
    short = end - start < timedelta(days=1)
    while at <= end:
        local = at.astimezone(LONDON)
        if step >= timedelta(days=1):
            yield Tick(place(at), f"{local.day} {local:%b %Y}")
        else:
            yield Tick(place(at), f"{local:%H:%M}" if short else f"{local.day} {local:%b %H:%M}")
        at += step


def _day(at: datetime) -> str:
    local = at.astimezone(LONDON)
    return f"{local.day} {local:%B %Y}"
