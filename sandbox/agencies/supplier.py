"""What every agency's stand-in has: a memory of what it was told and asked, people by ids of its own, and pages."""

import json
import secrets
from asyncio import sleep
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from libs.schemas.clock import Clock
from sandbox.agencies.behaviour import SPOKEN, Behaviour, Fault, Manner
from sandbox.agencies.shapes import Record
from sandbox.agencies.spoiled import spoiled
from sandbox.families import Families, FamilyChild

MOST_KEPT = 50_000
"""Questions, and pages still to be fetched, that an agency remembers."""

SOMEBODY_BORN = date(1999, 1, 1)
"""When somebody else is born of whom an agency answers by mistake."""

SOMEBODY_NUMBER = "9990041288"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown:
    """Whom a supplier says that its record is about."""

    surname: str | None = None
    forename: str | None = None
    born: date | None = None
    nhs_number: str | None = None
    upn: str | None = None

    def as_somebody_else(self) -> "Shown":
        """Another person by mistake: the identifiers contradict."""
        return replace(self, born=SOMEBODY_BORN, nhs_number=SOMEBODY_NUMBER, upn=None)


@dataclass(slots=True)
class Asked:
    """One question, however many requests it took."""

    question_id: str
    first_at: datetime
    child: Mapping[str, Any] = field(default_factory=dict)
    known: FamilyChild | None = None
    requests: int = 0
    """How often it was asked, however many requests each answer took: `steps` counts those."""
    answered: int = 0
    answered_at: datetime | None = None
    """When the latest answer to one of its requests left."""
    failures: Counter[str] = field(default_factory=Counter)
    keys: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    steps: Counter[str] = field(default_factory=Counter)
    unreadable: bool = False
    """Whether later requests of the exchange show something that is on no published list."""


@dataclass(frozen=True, slots=True)
class Say:
    """How an answer is to be given: plainly, as a kind of nothing, or wrongly. `wait` are seconds."""

    manner: Manner = Manner.ANSWER
    fault: Fault | None = None
    wait: int | None = None

    @property
    def needs_somebody(self) -> bool:
        """Whether it cannot be said of a child whom the supplier does not know."""
        return self.fault in (Fault.UNKNOWN_FACT, Fault.SOMEONE_ELSE, Fault.UNCERTAIN, Fault.FUTURE_DATE)


PLAINLY = Say()


class Supplier:
    """One agency's stand-in. Subclasses speak its language: `router`, `error`, and what each step answers."""

    name: ClassVar[str]
    steps: ClassVar[tuple[str, ...]]
    """The requests of an exchange at which a behaviour may strike."""

    def __init__(self, families: Families, *, key: str, clock: Clock) -> None:
        self.behaviours: list[Behaviour] = []
        self.asked: OrderedDict[str, Asked] = OrderedDict()
        self._key = key
        self._clock = clock
        self._families = families
        self._cursors: OrderedDict[str, Any] = OrderedDict()

    def router(self) -> APIRouter:
        """The supplier's own API."""
        raise NotImplementedError

    def error(self, status: int, code: str, wait: int | None = None) -> Response:
        """A refusal in the supplier's own form."""
        raise NotImplementedError

    def forget_tokens(self) -> None:
        """Every token that was given out has expired."""

    def forget_result(self, asked: Asked) -> None:
        """What was prepared for a question is thrown away."""

    @property
    def today(self) -> date:
        return self._clock.now().astimezone(UTC).date()

    def ago(self, days: int) -> date:
        """The day that many days ago."""
        return self.today - timedelta(days=days)

    def note(
        self,
        question_id: str,
        child: Mapping[str, Any] | None = None,
        mother: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        known: FamilyChild | None = None,
    ) -> Asked:
        """The memory of a question; the first request that carries the child says whom it is about."""
        asked = self.asked.get(question_id)
        if asked is None:
            asked = self.asked[question_id] = Asked(question_id, self._clock.now(), known=known)
            if len(self.asked) > MOST_KEPT:
                self.asked.popitem(last=False)
        if child is not None:
            asked.child = child
            asked.known = self._families.find(dict(child), None if mother is None else dict(mother))
            asked.fields |= {name for name, value in child.items() if value}
            asked.requests += 1
        if key is not None:
            asked.keys.add(key)
        return asked

    def leaves(self, asked: Asked) -> None:
        """An answer to one of a question's requests leaves now."""
        asked.answered += 1
        self.stamp(asked.question_id)

    def stamp(self, question_id: str) -> None:
        """The latest answer to a question leaves now."""
        asked = self.asked.get(question_id)
        if asked is not None:
            asked.answered_at = self._clock.now()

    async def play(
        self, asked: Asked, step: str, body: bytes, speak: Callable[[Say], Response], *, first: bool = False
    ) -> Response:
        """The answer to one request of an exchange, as the agency was told to treat it."""
        asked.steps[step] += 1
        behaviour = self._behaviour(asked, step, first)
        manner = Manner.ANSWER if behaviour is None else behaviour.behaviour
        if behaviour is None or manner is Manner.ANSWER:
            self.leaves(asked)
            return speak(PLAINLY)
        if manner is Manner.SLOW:
            await sleep(behaviour.seconds)
            self.leaves(asked)
            return speak(PLAINLY)
        if manner is Manner.LATE:
            left = behaviour.seconds - (self._clock.now() - asked.first_at).total_seconds()
            if left > 0:
                return speak(Say(manner, wait=max(1, round(left))))
        failing = manner is Manner.FAIL and not _enough(behaviour, asked.failures[step])
        if not failing:
            self.leaves(asked)
            return speak(PLAINLY if manner in (Manner.LATE, Manner.FAIL) else Say(manner))
        asked.failures[step] += 1
        if behaviour.fault is Fault.RESULT_EXPIRED:
            self.forget_result(asked)
            return self.error(410, "RESULT_EXPIRED")
        if behaviour.fault is Fault.SIGNED_OUT:
            self.forget_tokens()
            return self.error(401, "TOKEN_EXPIRED")
        asked.unreadable |= first and behaviour.fault is Fault.UNKNOWN_FACT
        if behaviour.fault in SPOKEN:
            return speak(Say(manner, behaviour.fault))
        return await spoiled(behaviour, speak(PLAINLY), body)

    def _behaviour(self, asked: Asked, step: str, first: bool) -> Behaviour | None:
        return next(
            (
                each
                for each in self.behaviours
                if (each.step == step or (first and each.step is None))
                and each.concerns(asked.question_id, asked.child, asked.known)
            ),
            None,
        )

    def remember(self, what: Any) -> str:
        """An opaque cursor for what is to be fetched later: no personal data stands in an address."""
        cursor = secrets.token_urlsafe(12)
        self._cursors[cursor] = what
        if len(self._cursors) > MOST_KEPT:
            self._cursors.popitem(last=False)
        return cursor

    def recall(self, cursor: str) -> Any | None:
        """What a cursor stands for, or None."""
        return self._cursors.get(cursor)


class Records(Supplier):
    """A supplier that has records of its own, each known by an id of its own."""

    record: ClassVar[type[Record]]
    numbering: ClassVar[str]
    """How its ids look, for a record that no family's file has."""
    covers_years: ClassVar[int]
    """How far back the records go where a child's own do not say."""

    def __init__(self, families: Families, *, key: str, clock: Clock) -> None:
        super().__init__(families, key=key, clock=clock)
        self.people: dict[str, tuple[Shown, Any, FamilyChild | None]] = {}
        self._ids: dict[int, str] = {}
        for child in families.children:
            if self.name in child.records:
                record = self.record.model_validate(child.records[self.name])
                self._ids[id(child)] = record.id
                self.people[record.id] = (shown_of(child), record, child)

    def found(self, asked: Asked) -> tuple[Shown, Any] | None:
        """Whom the supplier knows as the child, and its record."""
        if asked.known is None or id(asked.known) not in self._ids:
            return None
        shown, record, _ = self.people[self._ids[id(asked.known)]]
        return shown, record

    def since(self, record: Record | None) -> date:
        """From which day on the supplier has records."""
        return self.ago(365 * ((record and record.covers_years) or self.covers_years))

    def as_of(self, record: Record | None) -> date:
        """When the supplier's records were last current."""
        return self.ago(record.as_of_days_ago if record else 0)

    def held_of(self, asked: Asked) -> Record | None:
        """The record of the child, for what is said of its dates only."""
        found = self.found(asked)
        return None if found is None else found[1]

    def whom(self, asked: Asked, say: Say) -> tuple[Shown, Any] | None:
        """Whom an answer is about. A fault that needs somebody makes them up where the supplier has nothing."""
        found = self.found(asked)
        if not say.needs_somebody or (found is not None and found[1].holds == "something"):
            return found
        record = self.record(id=self.numbering.format(len(self.people)))
        shown = _as_asked(asked.child)
        self.people[record.id] = (shown, record, None)
        return shown, record


def shown_of(child: FamilyChild) -> Shown:
    """How a supplier shows a child of the families; an unborn child stands under the mother's name."""
    if child.unborn and child.mother is not None:
        return Shown(surname=child.mother.family_name, forename=child.mother.given_name)
    return Shown(
        surname=child.family_name,
        forename=child.given_name,
        born=None if child.born is None else date.fromisoformat(child.born),
        nhs_number=child.nhs_number,
        upn=child.upn,
    )


def told(**fields: Any) -> dict[str, Any]:
    """What a request says of a child, under the families' names for it; what it does not say is left out."""
    child = {name: value for name, value in fields.items() if value not in (None, "", [])}
    if "born" in child:
        child["born"] = {"on": child["born"]}
    return child


def page_of(items: Sequence[T], start: int, size: int) -> tuple[list[T], int | None]:
    """The items of a page, and where the next one starts."""
    end = start + size
    return list(items[start:end]), end if end < len(items) else None


async def body_of(request: Request) -> tuple[bytes, dict[str, Any] | None]:
    """A request's body as it came, and as an object where it is one."""
    raw = await request.body()
    try:
        body = json.loads(raw)
    except ValueError:
        return raw, None
    return raw, body if isinstance(body, dict) else None


def day(text: Any, form: str = "%Y-%m-%d") -> str | None:
    """A date of a request as ISO 8601, or None where it is none."""
    try:
        return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007 - a day has no time zone
    except (TypeError, ValueError):
        return None


def _as_asked(child: Mapping[str, Any]) -> Shown:
    born = (child.get("born") or {}).get("on")
    return Shown(
        surname=child.get("family_name"),
        forename=child.get("given_name"),
        born=None if born is None else date.fromisoformat(born),
        nhs_number=child.get("nhs_number"),
        upn=child.get("upn"),
    )


def _enough(behaviour: Behaviour, failures: int) -> bool:
    return behaviour.times is not None and failures >= behaviour.times
