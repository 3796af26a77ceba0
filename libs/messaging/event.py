"""An event as it is stored and carried (Record, Envelope) and as a consumer's handler gets it (Event).

CloudEvents 1.0 over Kafka, binary content mode: attributes are headers `ce_*`, the value is the payload's bytes,
the key is the referral's id. `traceparent` and `tracestate` are the event's creation context (W3C Trace Context)
and travel unmodified.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from uuid_utils.compat import uuid7

from libs.schemas.base import Payload
from libs.schemas.events import BY_NAME, EventType, Service

SPEC_VERSION = "1.0"
CONTENT_TYPE = b"application/json"
_LAST_SEQUENCE = 2**63 - 1
_VISIBLE = re.compile(rb"[\x20-\x7e]+")


class MalformedEnvelope(ValueError):
    """A record without the attributes that every event has. Its one argument names the first bad header."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Everything of an event but its payload. Ids, codes and times only."""

    id: UUID
    type: str
    source: str
    referral_id: UUID
    sequence: int
    time: datetime
    traceparent: str | None = None
    tracestate: str | None = None

    def headers(self) -> list[tuple[str, bytes]]:
        """The record's headers, in the form that aiokafka takes."""
        referral = str(self.referral_id).encode()
        headers = [
            ("ce_specversion", SPEC_VERSION.encode()),
            ("ce_id", str(self.id).encode()),
            ("ce_source", self.source.encode()),
            ("ce_type", self.type.encode()),
            ("ce_time", self.time.astimezone(UTC).isoformat().replace("+00:00", "Z").encode()),
            ("ce_subject", referral),
            ("ce_partitionkey", referral),
            ("ce_sequence", str(self.sequence).encode()),
            ("content-type", CONTENT_TYPE),
        ]
        if self.traceparent:
            headers.append(("traceparent", self.traceparent.encode()))
        if self.tracestate:
            headers.append(("tracestate", self.tracestate.encode()))
        return headers

    @classmethod
    def parse(cls, headers: Mapping[str, bytes | None]) -> Envelope:
        """Reads a record's headers, whoever wrote them. Raises MalformedEnvelope, and nothing else."""
        header = "ce_specversion"
        try:
            if not _text(headers, header).startswith("1."):
                raise MalformedEnvelope(header)
            header = "ce_id"
            event_id = UUID(_text(headers, header))
            header = "ce_type"
            name = _text(headers, header)
            header = "ce_source"
            source = _text(headers, header)
            header = "ce_subject"
            referral_id = UUID(_text(headers, header))
            header = "ce_sequence"
            sequence = int(_text(headers, header))
            if not 0 < sequence <= _LAST_SEQUENCE:
                raise MalformedEnvelope(header)
            header = "ce_time"
            time = datetime.fromisoformat(_text(headers, header))
            if time.tzinfo is None:
                raise MalformedEnvelope(header)
            time = time.astimezone(UTC)
        except (KeyError, ValueError, OverflowError) as error:
            raise MalformedEnvelope(header) from error
        return cls(
            event_id,
            name,
            source,
            referral_id,
            sequence,
            time,
            _context(headers.get("traceparent")),
            _context(headers.get("tracestate")),
        )


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a topic, raw. `value` holds personal data; nothing else does."""

    topic: str
    partition: int
    position: int
    """Kafka's offset; on the postgres transport the outbox row's id. Grows within a partition."""
    key: bytes
    headers: Mapping[str, bytes]
    value: bytes = field(repr=False)
    token: Any = field(default=None, repr=False, compare=False)
    """The transport's own, to find its place again on commit."""

    def fallback_id(self) -> UUID:
        """A stable id for a record whose own cannot be read, so that it can be parked and found."""
        return uuid5(NAMESPACE_URL, f"{self.topic}/{self.partition}/{self.position}")

    def fallback_referral(self) -> UUID:
        """The referral by the record's key, or an id of its own where the key is none."""
        try:
            return UUID(self.key.decode())
        except ValueError:
            return self.fallback_id()


@dataclass(frozen=True, slots=True)
class Event:
    """One event as a consumer's handler gets it."""

    id: UUID
    type: EventType[Any]
    source: str
    referral_id: UUID
    sequence: int
    """Counts this producer's events about this referral, from 1 without gaps."""
    time: datetime
    payload: Payload[Any, Any] = field(repr=False)
    erased: frozenset[UUID] = frozenset()
    """Children whose part of the payload can no longer be read."""
    trace: str | None = None
    """W3C traceparent of this event's own `process` span: pass it on to what the event causes."""
    tracestate: str | None = None
    value: bytes = field(default=b"", repr=False, compare=False)
    """The payload as it came, encoded."""

    @property
    def children(self) -> tuple[UUID, ...]:
        """The children whom the payload is about, in the order in which intake numbers them from 1.

        Those whose part can no longer be read keep their place: intake gives version 7 ids one after the other
        (RFC 9562, 6.2), so the order of the ids is that of the form.
        """
        present = self.payload.children
        gone = self.erased - present.keys()
        return tuple(sorted(gone | present.keys()) if gone else present)

    @property
    def producer(self) -> Service:
        """The service that wrote it."""
        return self.type.producer


def _text(headers: Mapping[str, bytes | None], name: str) -> str:
    """A header as text. Raises KeyError without it, ValueError where it is no text that a column can hold."""
    text = (headers[name] or b"").decode()
    if not text or "\x00" in text:
        raise ValueError
    return text


def _context(value: bytes | None) -> str | None:
    """A trace header, or None where it is not visible ASCII: a broken one is as good as none (W3C, 3.2.2)."""
    return value.decode("ascii") if value and _VISIBLE.fullmatch(value) else None


def source_of(partnership: str, service: Service) -> str:
    """The CloudEvents source of a service's events: names the partnership, so that logs of two can meet."""
    return f"/{partnership}/{service.value}"


def known_type(name: str) -> EventType[Any] | None:
    """The registered type of that name; None for a newer producer's type."""
    return BY_NAME.get(name)


def new_event_id(now: datetime) -> UUID:
    """A UUIDv7 of the given instant."""
    return uuid7(nanoseconds=int(now.timestamp() * 1000) * 1_000_000)
