"""Staff's commands as they are kept and shown, and what became of each."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from libs.messaging.codec import Codec, Decoded
from libs.schemas.base import Instant, Line, Model, Payload, Text
from libs.schemas.commands import CheckOrder, OrderAction, PersonAction, PersonDecision
from libs.schemas.events import CheckOrdered, PeopleCorrected, PersonDecided
from libs.schemas.findings import Answer
from libs.schemas.people import Linked
from libs.schemas.referral import Adult


class CommandKind(StrEnum):
    """What a command is about."""

    PERSON = "person"
    CHECK = "check"
    PEOPLE = "people"


DOCUMENTS: Mapping[CommandKind, type[Payload[Any, Any]]] = {
    CommandKind.PERSON: PersonDecided,
    CommandKind.CHECK: CheckOrdered,
    CommandKind.PEOPLE: PeopleCorrected,
}
"""Each kind is kept as the event that carries it."""


class Became(StrEnum):
    """What became of a command, as far as it shows here."""

    GIVEN = "given"
    """It was passed on; nothing will tell that it was done."""
    WAITING = "waiting"
    DONE = "done"
    UNDONE = "undone"
    """A later command took it back."""


class CommandView(Model):
    """One command."""

    command_id: UUID
    kind: CommandKind
    by: Line
    at: Instant
    became: Became
    reason: Text | None = None
    person: PersonDecision | None = None
    check: CheckOrder | None = None
    adults: tuple[Adult, ...] = ()
    children: tuple[UUID, ...] = ()
    """The cases of children who were added or corrected."""


class Kept(NamedTuple):
    """A stored command; `document` is None where it can no longer be read."""

    id: UUID
    kind: CommandKind
    by: str
    at: datetime
    document: Payload[Any, Any] | None


async def commands_of(connection: asyncpg.Connection, codec: Codec, case_id: UUID) -> list[Kept]:
    """A case's commands, the first one first."""
    rows = await connection.fetch(
        "SELECT id, kind, by, at, document FROM command WHERE case_id = $1 ORDER BY at, id", case_id
    )
    decoded = await codec.decode([(DOCUMENTS[CommandKind(row["kind"])], row["document"]) for row in rows])
    return [
        Kept(
            row["id"],
            CommandKind(row["kind"]),
            row["by"],
            row["at"],
            item.payload if isinstance(item, Decoded) else None,
        )
        for row, item in zip(rows, decoded, strict=True)
    ]


class Known(NamedTuple):
    """What shows what became of commands."""

    linked: Linked | None
    linked_at: datetime | None
    answers: Sequence[Answer]
    cases: frozenset[UUID]


def command_views(case_id: UUID, kept: Iterable[Kept], known: Known) -> tuple[CommandView, ...]:
    """The commands as they are shown."""
    commands = list(kept)
    undone = {
        decision.undoes
        for one in commands
        if (decision := _person(case_id, one)) is not None and decision.undoes is not None
    }
    return tuple(command_view(case_id, one, known, undone=one.id in undone) for one in commands)


def command_view(case_id: UUID, one: Kept, known: Known, *, undone: bool = False) -> CommandView:
    """One command with what became of it."""
    person = _person(case_id, one)
    check = one.document.children.get(case_id) if isinstance(one.document, CheckOrdered) else None
    people = one.document if isinstance(one.document, PeopleCorrected) else None
    became = Became.GIVEN
    if undone:
        became = Became.UNDONE
    elif person is not None:
        became = _of_person(person, one.at, known)
    elif check is not None:
        became = _of_check(check, one.at, known.answers)
    elif people is not None:
        became = Became.DONE if people.children.keys() <= known.cases else Became.WAITING
    shared = None if people is None else people.shared
    return CommandView(
        command_id=one.id,
        kind=one.kind,
        by=one.by,
        at=one.at,
        became=became,
        reason=next((each.reason for each in (person, check, shared) if each is not None), None),
        person=person,
        check=check,
        adults=shared.adults if shared is not None else (),
        children=tuple(people.children) if people is not None else (),
    )


def _person(case_id: UUID, one: Kept) -> PersonDecision | None:
    if not isinstance(one.document, PersonDecided):
        return None
    return one.document.children.get(case_id)


def _of_person(decision: PersonDecision, at: datetime, known: Known) -> Became:
    linked = known.linked
    if linked is None:
        return Became.WAITING
    offered = {one.person_id for one in linked.candidates}
    said = {one.case_id: one.decided for one in linked.history.duplicates}
    if decision.action == PersonAction.LINK:
        done = linked.person_id == decision.person_id
    elif decision.action == PersonAction.UNLINK:
        done = linked.person_id != decision.person_id and decision.person_id not in offered
    elif decision.action in (PersonAction.SAME_EVENT, PersonAction.OTHER_EVENT):
        wanted = str(decision.action).removesuffix("_event")
        done = decision.case_id in said and said[decision.case_id] == wanted
    else:
        done = known.linked_at is not None and known.linked_at > at
    return Became.DONE if done else Became.WAITING


def _of_check(order: CheckOrder, at: datetime, answers: Iterable[Answer]) -> Became:
    if order.action == OrderAction.STOP:
        return Became.GIVEN
    since = (one for one in answers if one.agency == order.agency and one.answered_at is not None)
    return Became.DONE if any(one.answered_at >= at for one in since if one.answered_at) else Became.WAITING
