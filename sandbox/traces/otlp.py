"""OTLP over HTTP with protobuf (OpenTelemetry protocol 1.x), down to what the viewer shows."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from libs.platform.spans import ATTRIBUTES
from sandbox.traces.store import SUBJECTS, Span

MOST_BYTES = 16 * 1024 * 1024
CONTENT_TYPE = "application/x-protobuf"
ALLOWED = ATTRIBUTES | frozenset(SUBJECTS)
"""What may be shown is what may leave a service: the viewer drops the rest again."""


class RefusedExport(ValueError):
    """Not a trace export that can be read. Its argument is a code."""


def accepted() -> bytes:
    """The body of a full success."""
    return bytes(ExportTraceServiceResponse().SerializeToString())


def read_export(body: bytes, encoding: str | None) -> list[Span]:
    """The spans of an export request. Raises RefusedExport."""
    if encoding == "gzip":
        body = _unzip(body)
    elif encoding not in (None, "", "identity"):
        raise RefusedExport("content_encoding")
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise RefusedExport("protobuf") from None
    spans: list[Span] = []
    for resource in request.resource_spans:
        service = _text(resource.resource.attributes, "service.name") or "unknown"
        for scope in resource.scope_spans:
            spans.extend(_span(service, span) for span in scope.spans if span.trace_id and span.span_id)
    return spans


def _unzip(body: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, MOST_BYTES)
    except zlib.error:
        raise RefusedExport("gzip") from None
    if inflater.unconsumed_tail:
        raise RefusedExport("size")
    return plain


def _span(service: str, span: WireSpan) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() or None,
        name=span.name,
        service=service,
        kind=WireSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        started=span.start_time_unix_nano,
        ended=max(span.end_time_unix_nano, span.start_time_unix_nano),
        error=span.status.code == Status.STATUS_CODE_ERROR,
        attributes={each.key: _value(each.value) for each in span.attributes if each.key in ALLOWED},
        links=tuple(dict.fromkeys(link.trace_id.hex() for link in span.links)),
    )


def _text(attributes: Iterable[KeyValue], key: str) -> str | None:
    return next((each.value.string_value for each in attributes if each.key == key), None)


def _value(value: AnyValue) -> str | int | float | bool | None:
    kind = value.WhichOneof("value")
    if kind in ("string_value", "int_value", "double_value", "bool_value"):
        plain: str | int | float | bool = getattr(value, kind)
        return plain
    return None
