"""The sandbox's trace viewer: OTLP in, waterfalls out."""

from sandbox.traces.pages import trace_router
from sandbox.traces.store import TraceStore

__all__ = ["TraceStore", "trace_router"]
