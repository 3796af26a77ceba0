from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import APIRouter
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode, TraceFlags

from libs.platform import telemetry
from libs.platform.service import create_app
from libs.platform.settings import ServiceSettings
from libs.platform.telemetry import Telemetry, TraceParent
from tests.libs.platform.conftest import Client, Collected

CANARY = "Canary Smith"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = PARENT[:-2] + "00"


@pytest.fixture(autouse=True)
def propagation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opentelemetry.propagate._HTTP_TEXT_FORMAT", TraceParent())


@pytest.fixture
async def http(
    settings: ServiceSettings, instruments: Telemetry, client: Client
) -> AsyncIterator[httpx.AsyncClient]:
    router = APIRouter()

    @router.get("/v1/things/{thing}")
    async def thing(thing: str) -> str:
        return "ok"

    @router.get("/v1/fails/{thing}")
    async def fails(thing: str) -> None:
        raise RuntimeError(CANARY)

    async with client(create_app("Things", settings, instruments, [router])) as http:
        yield http


async def test_a_request_is_one_span_that_goes_on_the_callers_trace(
    http: httpx.AsyncClient, collected: Collected
) -> None:
    await http.get("/v1/things/1", headers={"traceparent": PARENT})
    (span,) = collected.spans
    assert span.name == "GET /v1/things/{thing}"
    assert span.kind is SpanKind.SERVER
    assert span.context is not None
    assert format(span.context.trace_id, "032x") == PARENT[3:35]
    assert span.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/v1/things/{thing}",
        "network.protocol.version": "1.1",
        "url.scheme": "http",
    }


async def test_what_a_caller_writes_leaves_in_no_span_and_no_metric(
    http: httpx.AsyncClient, collected: Collected
) -> None:
    headers = {
        "host": "canary.example.org",
        "tracestate": "v=canary",
        "baggage": "name=canary",
        "traceparent": PARENT,
    }
    for method, path in (
        ("GET", "/v1/things/canary?name=canary"),
        ("GET", "/v1/fails/canary"),
        ("GET", "/canary"),
    ):
        await http.request(method, path, headers=headers)
    await http.request("CANARY", "/v1/things/canary")
    assert len(collected.spans) == 4
    for span in collected.spans:
        assert "canary" not in span.to_json().lower()
        assert span.context is not None
        assert not span.context.trace_state
    metrics = (await http.get("/metrics")).text
    assert 'http_route="/v1/things/{thing}"' in metrics
    assert "canary" not in metrics.lower()


async def test_a_partner_does_not_decide_what_is_kept(http: httpx.AsyncClient, collected: Collected) -> None:
    await http.get("/v1/things/1", headers={"traceparent": UNSAMPLED})
    assert len(collected.spans) == 1


async def test_probes_and_scrapes_are_no_spans(http: httpx.AsyncClient, collected: Collected) -> None:
    await http.get("/metrics")
    assert not collected.spans


def _named(span: Span) -> None:
    span.set_attribute("child.name", CANARY)


def _happened(span: Span) -> None:
    span.add_event("said", {"worry": CANARY})


def _points(span: Span) -> None:
    span.add_link(SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1)), {"worry": CANARY})


def _described(span: Span) -> None:
    span.set_status(StatusCode.ERROR, CANARY)


@pytest.mark.parametrize("tells", [_named, _happened, _points, _described])
async def test_no_single_part_of_a_span_tells_what_is_not_listed(
    instruments: Telemetry, collected: Collected, tells: Callable[[Span], None]
) -> None:
    with instruments.tracer.start_as_current_span("process mash.referral.v1") as span:
        tells(span)
    (left,) = collected.spans
    assert CANARY not in left.to_json()


async def test_spans_leave_with_listed_attributes_only(instruments: Telemetry, collected: Collected) -> None:
    context = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))
    with (
        pytest.raises(ValueError, match=CANARY),
        instruments.tracer.start_as_current_span(
            "process mash.referral.v1",
            attributes={"mash.referral_id": "r1", "child.name": CANARY},
            links=[Link(context, {"mash.event_id": "e1", "worry": CANARY})],
        ),
    ):
        raise ValueError(CANARY)
    (span,) = collected.spans
    assert span.attributes == {"mash.referral_id": "r1"}
    assert span.links[0].attributes == {"mash.event_id": "e1"}
    assert span.links[0].context == context
    assert span.status.status_code is StatusCode.ERROR
    assert span.events[0].attributes == {"exception.type": "ValueError"}
    assert CANARY not in span.to_json()


async def test_without_a_collector_there_are_still_trace_ids(
    settings: ServiceSettings, client: Client
) -> None:
    quiet = telemetry.setup("intake", settings, install=False)
    async with client(create_app("Things", settings, quiet, [])) as http:
        answer = await http.get("/nothing", headers={"traceparent": PARENT})
    assert answer.json()["trace_id"] == PARENT[3:35]


async def test_the_share_of_traces_is_the_same_decision_in_every_service(settings: ServiceSettings) -> None:
    def kept(name: str) -> list[bool]:
        found = Collected()
        processor = BatchSpanProcessor(found)
        half = telemetry.setup(
            name, settings.model_copy(update={"trace_ratio": 0.5}), processor=processor, install=False
        )
        decisions = []
        for number in range(1, 65):
            carrier = {"traceparent": f"00-{number * 0x0123456789ABCDEF0123456789:032x}-b7ad6b7169203331-01"}
            context = TraceParent().extract(carrier)
            decisions.append(half.tracer.start_span("x", context=context).is_recording())
        half.shutdown()
        return decisions

    first = kept("intake")
    assert first == kept("triage")
    assert 0 < sum(first) < 64
