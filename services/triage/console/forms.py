"""Forms: facts as fields, what somebody filled in, and what is wrong with it in words for them."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from libs.platform.problems import Problem
from libs.schemas.base import EARLIEST
from libs.schemas.dictionary import STAFF, Definition, Dictionary, Kind
from services.triage.console.words import LONDON, sentence

LONGEST = 20_000
FACT = "fact."


@dataclass(frozen=True, slots=True)
class FactField:
    """One fact that somebody may state, as a field."""

    name: str
    label: str
    choices: tuple[tuple[str, str], ...]
    """Value and words of each choice; none where a number is asked for."""
    maximum: int


@dataclass(frozen=True, slots=True)
class Group:
    """Facts that belong together."""

    title: str
    fields: tuple[FactField, ...]


@dataclass
class Faults:
    """What is wrong with a form, by the id of the field that it stands beside."""

    texts: dict[str, str] = field(default_factory=dict)
    sent_before: bool = False
    """Whether the form was sent and kept before, with something else in it: sent again, it is another one."""

    def add(self, name: str, text: str) -> None:
        """Notes a fault; the first one of a field is the one that is shown."""
        self.texts.setdefault(name, text)

    def needed(self, fields: Mapping[str, str], **wanted: str) -> None:
        """Notes which fields are empty: each with what to say."""
        for name, text in wanted.items():
            if not fields.get(name):
                self.add(name, text)

    def long(self, fields: Mapping[str, str], *names: str) -> None:
        """Notes texts that are longer than what is kept."""
        for name in names:
            if len(fields.get(name, "")) > LONGEST:
                self.add(name, f"Use {LONGEST:,} characters or fewer")

    @property
    def summary(self) -> list[dict[str, str]]:
        """The same for the page's error summary."""
        return [{"text": text, "href": f"#{name}"} for name, text in self.texts.items()]

    def __bool__(self) -> bool:
        return bool(self.texts)


_GROUPS: Mapping[str, str] = {
    "referral": "The contact",
    "child": "The child",
    "household": "The home",
    "family": "The family",
    "parent": "Parents and carers",
    "outside": "Outside the home",
}


def fact_groups(dictionary: Dictionary) -> tuple[Group, ...]:
    """The facts that staff may state, by what they are about, in the dictionary's order."""
    groups: dict[str, list[FactField]] = {}
    for name, one in dictionary.definitions.items():
        if STAFF in one.sources:
            area = name.partition(".")[0]
            groups.setdefault(area, []).append(_field(name, one))
    return tuple(
        Group(_GROUPS.get(area, sentence(area.replace("_", " "))), tuple(fields))
        for area, fields in groups.items()
    )


def _field(name: str, one: Definition) -> FactField:
    if one.kind is Kind.YES_NO:
        choices: tuple[tuple[str, str], ...] = (("yes", "Yes"), ("no", "No"))
    else:
        choices = tuple((step, sentence(step.replace("_", " "))) for step in one.steps)
    return FactField(f"{FACT}{name}", sentence(one.label), choices, one.maximum)


def read_facts(
    groups: Iterable[Group], fields: Mapping[str, str], faults: Faults, **common: Any
) -> list[dict[str, Any]]:
    """The facts that were filled in, each with what is common to them."""
    found = []
    for one in (each for group in groups for each in group.fields):
        text = fields.get(one.name, "")
        if text:
            value = _value(one, text)
            if value is None:
                right = "select an answer" if one.choices else f"enter a whole number from 0 to {one.maximum}"
                faults.add(one.name, f"{one.label}: {right}, or leave it as not stated")
            else:
                found.append({"fact": one.name.removeprefix(FACT), "value": value, **common})
    return found


def _value(one: FactField, text: str) -> bool | int | str | None:
    if one.choices:
        if text not in dict(one.choices):
            return None
        return text == "yes" if one.choices[0][0] == "yes" else text
    number = whole(text)
    return number if number is not None and number <= one.maximum else None


def whole(text: str) -> int | None:
    """A whole number as somebody typed it."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None


def read_day(
    fields: Mapping[str, str], name: str, faults: Faults, *, now: datetime | None = None
) -> str | None:
    """A day of three fields; with `now`, one that is not to come."""
    parts = [fields.get(f"{name}-{part}", "") for part in ("year", "month", "day")]
    if not any(parts):
        return None
    found: date | None = None
    with suppress(ValueError):
        found = date(*(whole(part) or 0 for part in parts))
    if found is None or found < EARLIEST:
        faults.add(f"{name}-day", "Enter a day, a month and a year, such as 27 3 2026")
        return None
    if now is not None and found > now.astimezone(LONDON).date():
        faults.add(f"{name}-day", "The date must be today or in the past")
        return None
    return found.isoformat()


def read_time(text: str) -> str | None:
    """A time of day as somebody typed it, such as 14:30 or 9.05."""
    hours, _, minutes = text.replace(".", ":").partition(":")
    hour, minute = whole(hours), whole(minutes or "0")
    if hour is None or minute is None or hour > 23 or minute > 59:
        return None
    return f"{hour:02}:{minute:02}"


async def attempt(call: Awaitable[Any], faults: Faults, fields: Mapping[str, str]) -> Any:
    """What an operation answers; where it finds something wrong with what was filled in, that is noted instead.

    Raises Problem for everything that no form could put right.
    """
    try:
        return await call
    except Problem as problem:
        if problem.status not in (409, 412, 422):
            raise
        refused(problem, faults, fields)
        return None


def refusal(problem: Problem) -> Faults:
    """A refusal of a form as a whole."""
    faults = Faults()
    detail = f" {sentence(problem.detail)}" if problem.detail else ""
    faults.add("form", f"{problem.title.rstrip('.')}.{detail}")
    return faults


def refused(problem: Problem, faults: Faults, fields: Mapping[str, str]) -> None:
    """Puts what an operation found wrong beside the fields that it names; elsewhere to the form as a whole."""
    faults.sent_before = problem.code == "idempotency-key-reused"
    for error in problem.errors:
        name = (error.pointer or "").strip("/").partition("/")[0]
        text = sentence(f"{name.replace('_', ' ')} {error.detail}".strip())
        faults.add(name if name in fields else "form", text)
    if not problem.errors:
        faults.texts |= refusal(problem).texts
