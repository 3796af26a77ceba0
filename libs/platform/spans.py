"""What of a span may leave the process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Status
from opentelemetry.util.types import AttributeValue

ATTRIBUTES = frozenset(
    {
        "db.operation.name",
        "db.query.summary",
        "db.response.status_code",
        "db.system.name",
        "error.type",
        "exception.type",
        "http.request.method",
        "http.request.resend_count",
        "http.response.status_code",
        "http.route",
        "mash.agency",
        "mash.attempt",
        "mash.case_id",
        "mash.channel",
        "mash.check.state",
        "mash.child_id",
        "mash.consumer",
        "mash.count",
        "mash.decision",
        "mash.destination",
        "mash.evaluation",
        "mash.event_id",
        "mash.event_type",
        "mash.level",
        "mash.notice_id",
        "mash.notice.kind",
        "mash.rag",
        "mash.reason",
        "mash.reference",
        "mash.referral_id",
        "mash.replayed",
        "mash.team",
        "mash.timer.kind",
        "messaging.batch.message_count",
        "messaging.consumer.group.name",
        "messaging.destination.name",
        "messaging.destination.partition.id",
        "messaging.kafka.offset",
        "messaging.message.id",
        "messaging.operation.name",
        "messaging.operation.type",
        "messaging.system",
        "network.protocol.version",
        "peer.service",
        "url.scheme",
        "url.template",
    }
)
"""Never `url.path`, `url.query`, `url.full` or `server.address`: callers write them."""


class AllowListExporter(SpanExporter):
    """Passes spans on with listed attributes only, and exceptions as their type."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Exports what may leave."""
        return self._inner.export([cleaned(span) for span in spans])

    def shutdown(self) -> None:
        """Ends the exporter behind."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flushes the exporter behind."""
        return self._inner.force_flush(timeout_millis)


def cleaned(span: ReadableSpan) -> ReadableSpan:
    """A copy of the span that holds nothing but what the list permits."""
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_listed(span.attributes),
        events=[Event(event.name, _listed(event.attributes), event.timestamp) for event in span.events],
        links=[Link(link.context, _listed(link.attributes)) for link in span.links],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _listed(attributes: Mapping[str, AttributeValue] | None) -> dict[str, AttributeValue]:
    return {name: value for name, value in (attributes or {}).items() if name in ATTRIBUTES}
