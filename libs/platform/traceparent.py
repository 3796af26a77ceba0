"""The present span as W3C `traceparent` text: what an event stores as its creation context."""

from opentelemetry import trace


def current_traceparent() -> str | None:
    """The present span's traceparent (W3C Trace Context, version 00), or None outside any span."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
