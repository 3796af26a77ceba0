"""An event as it is stored and carried (Record, Envelope) and as a consumer's handler gets it (Event).

CloudEvents 1.0 over Kafka, binary content mode: attributes are headers `ce_*`, the value is the payload's bytes,
the key is the referral's id. `traceparent` and `tracestate` are the event's creation context (W3C Trace Context)
and travel unmodified.
"""

from __future__ import annotations

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
    def parse(cls, headers: Mapping[str, bytes]) -> Envelope:
        """Reads a record's headers. Raises MalformedEnvelope."""
        header = "ce_specversion"
        try:
            if headers[header][:2] != b"1.":
                raise MalformedEnvelope(header)
            header = "ce_id"
            event_id = UUID(headers[header].decode())
            header = "ce_type"
            name = headers[header].decode()
            header = "ce_source"
            source = headers[header].decode()
            header = "ce_subject"
            referral_id = UUID(headers[header].decode())
            header = "ce_sequence"
            sequence = int(headers[header])
            header = "ce_time"
            time = datetime.fromisoformat(headers[header].decode())
            if time.tzinfo is None:
                raise MalformedEnvelope(header)
        except (KeyError, ValueError) as error:
            raise MalformedEnvelope(header) from error
        parent, state = headers.get("traceparent"), headers.get("tracestate")
        return cls(
            event_id,
            name,
            source,
            referral_id,
            sequence,
            time,
            parent.decode("ascii", "replace") if parent else None,
            state.decode("ascii", "replace") if state else None,
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
    def producer(self) -> Service:
        """The service that wrote it."""
        return self.type.producer


def source_of(partnership: str, service: Service) -> str:
    """The CloudEvents source of a service's events: names the partnership, so that logs of two can meet."""
    return f"/{partnership}/{service.value}"


def known_type(name: str) -> EventType[Any] | None:
    """The registered type of that name; None for a newer producer's type."""
    return BY_NAME.get(name)


def new_event_id(now: datetime) -> UUID:
    """A UUIDv7 of the given instant."""
    return uuid7(nanoseconds=int(now.timestamp() * 1000) * 1_000_000)
