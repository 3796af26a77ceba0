"""What can be made out of a message that is blocked: enough to see danger in it, and whom it is about."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from pydantic import TypeAdapter, ValidationError

from libs.messaging.codec import ERASED, Codec, Undecodable
from libs.messaging.consumer import Parked
from libs.messaging.event import known_type
from libs.schemas.base import Instant, Model, Payload
from libs.schemas.dictionary import DERIVED, REFERRER, Dictionary
from libs.schemas.events import CheckReturned, InformationAdded, Received, Service
from libs.schemas.findings import Fact
from services.triage.facts import stated_by_referrer
from services.triage.policy import StatedFact

_FACT: TypeAdapter[Fact] = TypeAdapter(Fact)
_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


class LooseShared(Model):
    """The shared part of any message, as far as it has these fields, of whatever form."""

    reference: Any = None
    received_at: Any = None
    immediate_danger: Any = None
    referral: Any = None


class LooseChild(Model):
    """A child's part of any message, as far as it states facts."""

    facts: Any = None


class Loose(Payload[LooseShared, LooseChild]):
    """A message that is not what its type says, read as far as it goes."""


@dataclass(slots=True)
class Glimpse:
    """What could be made out of a blocked message."""

    readable: bool
    danger: bool = False
    reference: str | None = None
    received_at: datetime | None = None
    facts: dict[UUID, list[StatedFact]] = field(default_factory=dict)
    """By child; a child without facts that are understood has an empty list."""


class HeldRow(NamedTuple):
    """A message that is held."""

    event_id: UUID
    type: str
    time: datetime
    payload: bytes


async def glimpses(
    connection: asyncpg.Connection, codec: Codec, dictionary: Dictionary, parked: Sequence[Parked]
) -> dict[UUID, Glimpse]:
    """What can be made out of each of these messages, by the event's id."""
    found = {one.event_id: Glimpse(readable=False) for one in parked}
    unread = []
    for one in parked:
        if one.event is None:
            unread.append(one.event_id)
        else:
            found[one.event_id] = read(one.event.payload, dictionary)
    if unread:
        rows = await connection.fetch(
            "SELECT event_id, payload FROM parked WHERE consumer = $1 AND event_id = ANY ($2)",
            Service.TRIAGE.value,
            unread,
        )
        decoded = await codec.decode([(Loose, row[1]) for row in rows])
        for row, item in zip(rows, decoded, strict=True):
            if not isinstance(item, Undecodable):
                found[row[0]] = _made_out(item.payload)
    return found


async def held_glimpses(
    connection: asyncpg.Connection, codec: Codec, dictionary: Dictionary, referral_id: UUID
) -> list[tuple[HeldRow, Glimpse]]:
    """What can be made out of each message that is held for this referral, as they came."""
    rows = [
        HeldRow(*row)
        for row in await connection.fetch(
            "SELECT event_id, type, time, payload FROM held WHERE referral_id = $1 ORDER BY held_at, time, event_id",
            referral_id,
        )
    ]
    typed = [known_type(row.type) for row in rows]
    decoded = await codec.decode(
        [
            (Loose if kind is None else kind.payload, row.payload)
            for row, kind in zip(rows, typed, strict=True)
        ]
    )
    found = []
    for row, item in zip(rows, decoded, strict=True):
        if not isinstance(item, Undecodable):
            found.append((row, read(item.payload, dictionary)))
        elif item != ERASED:
            found.append((row, Glimpse(readable=False)))
    return found


def read(payload: Payload[Any, Any], dictionary: Dictionary) -> Glimpse:
    """What can be made out of a message."""
    if isinstance(payload, Loose):
        return _made_out(payload)
    if isinstance(payload, Received):
        shared = payload.shared
        facts: dict[UUID, list[StatedFact]] = {}
        for child_id, child in payload.children.items():
            others = (one for key, one in payload.children.items() if key != child_id)
            day = shared.received_at.date()
            stated = stated_by_referrer(dictionary, shared.referral, child, day, others)
            facts[child_id] = [StatedFact(fact, REFERRER) for fact in (*stated.facts, *stated.shared)]
            facts[child_id] += [StatedFact(fact, DERIVED) for fact in stated.derived]
        return Glimpse(True, shared.referral.immediate_danger, shared.reference, shared.received_at, facts)
    if isinstance(payload, InformationAdded):
        added = {
            key: [StatedFact(fact, REFERRER) for fact in one.facts] for key, one in payload.children.items()
        }
        return Glimpse(True, payload.shared.immediate_danger, payload.shared.reference, facts=added)
    if isinstance(payload, CheckReturned):
        said = {
            key: [StatedFact(fact, one.agency) for fact in one.facts] for key, one in payload.children.items()
        }
        return Glimpse(True, reference=payload.shared.reference, facts=said)
    reference = getattr(payload.shared, "reference", None)
    return Glimpse(True, reference=reference if isinstance(reference, str) else None)


def _made_out(payload: Loose) -> Glimpse:
    """Reads what is not what its type says; `readable` stays false, because the rest of it is not known."""
    shared = payload.shared
    referral = shared.referral if isinstance(shared.referral, dict) else {}
    danger = shared.immediate_danger is True or referral.get("immediate_danger") is True
    facts = {
        key: [StatedFact(fact, REFERRER) for fact in _facts(one.facts)]
        for key, one in payload.children.items()
    }
    reference = (
        shared.reference if isinstance(shared.reference, str) and len(shared.reference) == 11 else None
    )
    return Glimpse(False, danger, reference, _instant(shared.received_at), facts)


def _facts(value: Any) -> list[Fact]:
    found = []
    for item in value if isinstance(value, list) else ():
        try:
            found.append(_FACT.validate_python(item))
        except ValidationError:
            continue
    return found


def _instant(value: Any) -> datetime | None:
    try:
        return _INSTANT.validate_python(value)
    except ValidationError:
        return None
