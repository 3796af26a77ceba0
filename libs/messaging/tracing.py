"""Spans of consuming, after OpenTelemetry's semantic conventions for messaging.

The outbox stores the creation context of each event; the `process` span of each message is its child, so that one
referral is one trace across all services. A batch's own span only links to them. Attributes are ids and codes only.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
)

from libs.messaging.event import Envelope, Record

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
MOST_LINKS = 64


def span_context(traceparent: str | None, tracestate: str | None = None) -> SpanContext | None:
    """The context that a `traceparent` names (W3C Trace Context); None where it names none."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    if match is None:
        return None
    context = SpanContext(
        trace_id=int(match[1], 16),
        span_id=int(match[2], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(match[3], 16)),
        trace_state=TraceState.from_header([tracestate]) if tracestate else TraceState(),
    )
    return context if context.is_valid else None


def traceparent_of(context: SpanContext) -> str:
    """The `traceparent` that names this context."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


class Tracing:
    """Starts the spans of one consumer. `system`: the transport's `messaging.system`."""

    def __init__(self, consumer: str, system: str, tracer: Tracer | None = None) -> None:
        self._consumer = consumer
        self._system = system
        self._tracer = tracer or trace.get_tracer("libs.messaging")

    def process(self, envelope: Envelope, record: Record) -> tuple[Span | None, str | None]:
        """The `process` span of one message and its traceparent.

        Without a sampled creation context there is no span, and the creation context is passed on as it is.
        """
        parent = span_context(envelope.traceparent, envelope.tracestate)
        if parent is None or not parent.trace_flags.sampled:
            return None, envelope.traceparent
        span = self._tracer.start_span(
            f"process {record.topic}",
            context=trace.set_span_in_context(NonRecordingSpan(parent), Context()),
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.system": self._system,
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.destination.name": record.topic,
                "messaging.destination.partition.id": str(record.partition),
                "messaging.consumer.group.name": self._consumer,
                "messaging.message.id": str(envelope.id),
                "mash.event_type": envelope.type,
                "mash.referral_id": str(envelope.referral_id),
            },
        )
        if not span.is_recording():
            return None, envelope.traceparent
        return span, traceparent_of(span.get_span_context())

    @contextlib.contextmanager
    def batch(self, spans: Sequence[Span | None]) -> Iterator[None]:
        """A span for the work on a whole batch, in a trace of its own, linked to its messages' spans."""
        recording = [span for span in spans if span is not None]
        if not recording:
            yield
            return
        if len(spans) == 1:
            with trace.use_span(recording[0], record_exception=False, set_status_on_exception=False):
                yield
            return
        links = [Link(span.get_span_context()) for span in recording[:MOST_LINKS]]
        with self._tracer.start_as_current_span(
            f"process batch {self._consumer}",
            context=Context(),
            kind=SpanKind.CONSUMER,
            links=links,
            attributes={
                "messaging.system": self._system,
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.consumer.group.name": self._consumer,
                "messaging.batch.message_count": len(spans),
            },
            record_exception=False,
            set_status_on_exception=False,
        ):
            yield


def end(span: Span | None, error_type: str | None = None) -> None:
    """Ends a `process` span, as failed where there is a code."""
    if span is None:
        return
    if error_type is not None:
        span.set_attribute("error.type", error_type)
        span.set_status(Status(StatusCode.ERROR))
    span.end()
