"""Reads records: their envelopes one by one, their payloads in one batch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from opentelemetry.trace import Span

from libs.messaging.codec import Codec, Undecodable
from libs.messaging.event import Envelope, Event, MalformedEnvelope, Record
from libs.messaging.tracing import Tracing
from libs.schemas.events import EventType

ENVELOPE = "envelope"
"""The code of a record whose headers are not those of an event."""


@dataclass(frozen=True, slots=True)
class Message:
    """A record as far as it can be read."""

    record: Record
    id: UUID
    type: str
    referral_id: UUID
    event: Event | None
    code: str | None = None
    """Why there is no event."""
    span: Span | None = field(default=None, repr=False)

    @property
    def erased(self) -> bool:
        """Whether what the children share can no longer be read: nothing is left to process."""
        return self.code == "erased"


async def read(
    records: Sequence[Record], types: Collection[EventType[Any]], codec: Codec, tracing: Tracing
) -> list[Message]:
    """The messages of those records whose type is among `types`, in order, each id once.

    A record whose envelope cannot be read becomes a message with an id of its place, so that nothing is lost.
    """
    by_name = {kind.name: kind for kind in types}
    bare: list[tuple[Record, Envelope | None, EventType[Any] | None]] = []
    seen: set[UUID] = set()
    for record in records:
        try:
            envelope = Envelope.parse(record.headers)
        except MalformedEnvelope:
            bare.append((record, None, None))
            continue
        kind = by_name.get(envelope.type)
        if kind is not None and envelope.id not in seen:
            seen.add(envelope.id)
            bare.append((record, envelope, kind))
    decoded = iter(
        await codec.decode([(kind.payload, record.value) for record, _, kind in bare if kind is not None])
    )
    messages: list[Message] = []
    for record, known, kind in bare:
        if known is None or kind is None:
            identity = record.fallback_id()
            messages.append(Message(record, identity, "unknown", record.fallback_referral(), None, ENVELOPE))
            continue
        payload = next(decoded)
        if isinstance(payload, Undecodable):
            messages.append(Message(record, known.id, known.type, known.referral_id, None, payload.code))
            continue
        span, parent = tracing.process(known, record)
        event = Event(
            id=known.id,
            type=kind,
            source=known.source,
            referral_id=known.referral_id,
            sequence=known.sequence,
            time=known.time,
            payload=payload.payload,
            erased=payload.erased,
            trace=parent,
            tracestate=known.tracestate,
            value=record.value,
        )
        messages.append(Message(record, known.id, known.type, known.referral_id, event, None, span))
    return messages


def runs(messages: Sequence[Message], *, apart_from: UUID | None = None) -> list[list[Message]]:
    """The messages of each referral, of those referrals whose messages can all be read."""
    by_referral: dict[UUID, list[Message]] = {}
    for message in messages:
        by_referral.setdefault(message.referral_id, []).append(message)
    return [
        run
        for referral_id, run in by_referral.items()
        if referral_id != apart_from and all(message.event is not None for message in run)
    ]
