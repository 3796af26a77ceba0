"""Traces and metrics of one process.

Spans leave over OTLP with an allow-list of attributes; without a collector they are not recorded, yet trace
ids are still made and passed on, because problem documents and events carry them. Metrics are scraped from
`/metrics`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from fastapi.telemetry import TelemetryConfig
from opentelemetry import metrics, propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from starlette.responses import Response

from libs.platform.settings import ServiceSettings
from libs.platform.spans import AllowListExporter

_QUIET_PATHS = frozenset({"/livez", "/readyz", "/startupz", "/metrics"})

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What a process traces and counts with."""

    tracer: trace.Tracer
    meter: metrics.Meter
    tracer_provider: TracerProvider
    meter_provider: MeterProvider
    registry: CollectorRegistry
    requests: Histogram
    shutdown: Callable[[], None]

    def fastapi(self) -> TelemetryConfig:
        """FastAPI's own instrumentation: spans. No logs (they hold exception messages), no inner spans, and no
        metrics, which cost 30 microseconds a request where `requests` costs two.
        """
        return {
            "tracer_provider": self.tracer_provider,
            "tracing": True,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": _quiet,
        }

    def router(self) -> APIRouter:
        """`GET /metrics` for Prometheus."""
        router = APIRouter()

        async def scrape() -> Response:
            return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)

        router.add_api_route("/metrics", scrape, include_in_schema=False)
        return router


def setup(
    service: str,
    settings: ServiceSettings,
    *,
    processor: SpanProcessor | None = None,
    install: bool = True,
) -> Telemetry:
    """Builds a process's telemetry. `processor` takes the spans in place of the collector; `install` makes
    it the process's own, which OpenTelemetry permits once.
    """
    name = str(service)
    resource = Resource(
        {
            "service.name": name,
            "service.namespace": "mash",
            "deployment.environment.name": settings.environment,
            "mash.partnership": settings.partnership,
        }
    )
    if processor is None and settings.otlp_endpoint:
        processor = _to_collector(settings.otlp_endpoint)
    tracer_provider = TracerProvider(
        sampler=_sampler(settings.trace_ratio) if processor is not None else ALWAYS_OFF,
        resource=resource,
        span_limits=SpanLimits(max_attributes=64, max_events=16, max_links=512, max_attribute_length=256),
        shutdown_on_exit=False,
    )
    if processor is not None:
        tracer_provider.add_span_processor(processor)
    registry = CollectorRegistry()
    meter_provider = MeterProvider(
        [PrometheusMetricReader(registry=registry, scope_info_enabled=False)],
        resource=resource,
        shutdown_on_exit=False,
        exemplar_filter=AlwaysOffExemplarFilter(),
    )
    if install:
        trace.set_tracer_provider(tracer_provider)
        metrics.set_meter_provider(meter_provider)
        propagate.set_global_textmap(TraceParent())

    def shutdown() -> None:
        tracer_provider.shutdown()
        meter_provider.shutdown()

    return Telemetry(
        tracer=tracer_provider.get_tracer("mash"),
        meter=meter_provider.get_meter("mash"),
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        registry=registry,
        requests=Histogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP server requests (OpenTelemetry semantic conventions).",
            ["http_request_method", "http_route", "http_response_status_code"],
            buckets=_BUCKETS,
            registry=registry,
        ),
        shutdown=shutdown,
    )


class TraceParent(TextMapPropagator):
    """W3C `traceparent` alone: `tracestate` and `baggage` from outside are free text that we would pass
    on.
    """

    def __init__(self) -> None:
        self._w3c = TraceContextTextMapPropagator()

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """The context that a carrier's `traceparent` names."""
        header = getter.get(carrier, "traceparent")
        if not header:
            return Context() if context is None else context
        return self._w3c.extract({"traceparent": header[0]}, context)

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        """Writes `traceparent` of the present span."""
        self._w3c.inject(carrier, context, setter)

    @property
    def fields(self) -> set[str]:
        """The header that it sets."""
        return {"traceparent"}


def _sampler(ratio: float) -> Sampler:
    # Deciding by the trace id everywhere gives the same answer in every service, and a partner's flag none.
    root = TraceIdRatioBased(ratio)
    return ParentBased(root, remote_parent_sampled=root, remote_parent_not_sampled=root)


def _to_collector(endpoint: str) -> SpanProcessor:
    # Imported late: the exporter brings protobuf and requests, 15 MB that a process without a collector does
    # not need.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    return BatchSpanProcessor(
        AllowListExporter(exporter),
        max_queue_size=8192,
        max_export_batch_size=512,
        schedule_delay_millis=1000,
    )


def _quiet(scope: Any) -> bool:
    return scope.get("path") in _QUIET_PATHS
