"""The trace viewer, fed by OpenTelemetry's own exporter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from sandbox.traces import TraceStore, trace_router
from sandbox.traces.store import Span
from sandbox.traces.tree import waterfall
from tests.sandbox.serving import NO_TLS, serve

REFERRAL = "0198c0de-0000-7000-8000-000000000001"
REFERENCE = "8QGP-2CWF-P"
CANARY = "Zebedee Canary"


@pytest.fixture
async def viewer(tmp_path: Path) -> AsyncIterator[str]:
    app = FastAPI()
    store = TraceStore(tmp_path)
    app.include_router(trace_router(store))
    async with serve(app) as url:
        yield url
    store.close()


def export(url: str, compression: Compression = Compression.Gzip) -> str:
    """A referral's trace through two services. Gives the trace id."""
    exporter = OTLPSpanExporter(f"{url}/v1/traces", compression=compression)
    providers = {}
    for service in ("intake", "triage"):
        providers[service] = TracerProvider(
            resource=Resource({"service.name": service}), shutdown_on_exit=False
        )
        providers[service].add_span_processor(SimpleSpanProcessor(exporter))
    intake, triage = (providers[name].get_tracer("test") for name in ("intake", "triage"))
    with intake.start_as_current_span("POST /v1/referrals", kind=SpanKind.SERVER) as posted:
        posted.set_attribute("mash.referral_id", REFERRAL)
        posted.set_attribute("mash.reference", REFERENCE)
        posted.set_attribute("child.name", CANARY)
        with triage.start_as_current_span("process referral.received", kind=SpanKind.CONSUMER) as processed:
            processed.set_status(StatusCode.ERROR, CANARY)
            processed.add_event("exception", {"exception.message": CANARY})
        return f"{posted.get_span_context().trace_id:032x}"


@pytest.mark.parametrize("typed", [REFERENCE, " 8qgp-2cwf-p ", "8QGP2CWFP", REFERRAL.upper()])
async def test_a_referral_is_found_however_its_reference_is_written(viewer: str, typed: str) -> None:
    trace_id = await asyncio.to_thread(export, viewer)
    async with httpx.AsyncClient(base_url=viewer, verify=NO_TLS) as http:
        found = (await http.get("/traces.json", params={"q": typed})).json()
        assert [each["trace_id"] for each in found] == [trace_id]
        assert f"/traces/{trace_id}" in (await http.get("/traces", params={"q": typed})).text


@pytest.mark.parametrize("compression", [Compression.Gzip, Compression.NoCompression])
async def test_a_referral_is_found_by_its_id_and_shown_across_services(
    viewer: str, compression: Compression
) -> None:
    trace_id = await asyncio.to_thread(export, viewer, compression)
    async with httpx.AsyncClient(base_url=viewer, verify=NO_TLS) as http:
        found = (await http.get("/traces.json", params={"q": REFERRAL})).json()
        assert [(each["trace_id"], each["root"], each["spans"], each["errors"]) for each in found] == [
            (trace_id, "POST /v1/referrals", 2, 1)
        ]
        assert (await http.get("/traces.json", params={"q": "other"})).json() == []
        spans = (await http.get(f"/traces/{trace_id}.json")).json()
        assert [span["service"] for span in spans] == ["intake", "triage"]
        assert spans[1]["parent_id"] == spans[0]["span_id"]
        assert f"/traces/{trace_id}" in (await http.get("/traces")).text
        page = (await http.get(f"/traces/{trace_id}")).text
        assert "process referral.received (error)" in page
        assert "<script" not in page


async def test_what_may_not_leave_a_service_is_dropped_on_the_way_in(viewer: str, tmp_path: Path) -> None:
    trace_id = await asyncio.to_thread(export, viewer)
    async with httpx.AsyncClient(base_url=viewer, verify=NO_TLS) as http:
        for address in ("/traces", f"/traces/{trace_id}", f"/traces/{trace_id}.json"):
            answer = await http.get(address)
            assert answer.status_code == 200
            assert CANARY not in answer.text
    assert not any(CANARY.encode() in file.read_bytes() for file in tmp_path.iterdir())


async def test_what_is_no_export_is_refused(viewer: str) -> None:
    kind = {"content-type": "application/x-protobuf"}
    async with httpx.AsyncClient(base_url=viewer, verify=NO_TLS) as http:
        assert (await http.post("/v1/traces", content=b"\xff\xff", headers=kind)).status_code == 400
        zipped = {**kind, "content-encoding": "gzip"}
        assert (await http.post("/v1/traces", content=b"no gzip", headers=zipped)).status_code == 400
        assert (await http.post("/v1/traces", json={})).status_code == 415
        assert (await http.get("/traces/" + "0" * 32)).status_code == 404
        found = await http.get("/traces", params={"q": '"><script>alert(1)</script>'})
        assert "<script>" not in found.text


def span(name: str, number: int, parent: int | None, started: int = 0) -> Span:
    return Span(
        trace_id=name,
        span_id=f"{name}{number}",
        parent_id=None if parent is None else f"{name}{parent}",
        name=name,
        service="intake",
        kind="internal",
        started=started,
        ended=started + 1,
        error=False,
        attributes={"mash.referral_id": name},
    )


def test_the_oldest_traces_go_first_and_whole(tmp_path: Path) -> None:
    store = TraceStore(tmp_path, most_spans=20)
    for moment in range(15):
        name = chr(ord("a") + moment)
        store.add([span(name, number, None, moment) for number in range(3)])
    kept = store.traces()
    assert sum(trace.spans for trace in kept) <= 20
    assert [trace.trace_id for trace in kept][:3] == ["o", "n", "m"]
    assert all(trace.spans == 3 for trace in kept)
    assert store.spans("a") == []
    assert store.traces(subject="a") == []
    store.close()
    again = TraceStore(tmp_path, most_spans=20)
    assert [trace.trace_id for trace in again.traces()] == [trace.trace_id for trace in kept]
    again.close()


def test_a_span_sent_twice_is_kept_once() -> None:
    store = TraceStore(None)
    store.add([span("a", 1, None)])
    store.add([span("a", 1, None)])
    assert [trace.spans for trace in store.traces()] == [1]
    store.close()


@given(st.lists(st.one_of(st.none(), st.integers(0, 12)), max_size=12))
def test_a_waterfall_shows_every_span_once_and_causes_before_effects(parents: list[int | None]) -> None:
    spans = [span("t", number, parent) for number, parent in enumerate(parents)]
    rows = waterfall(spans)
    assert sorted(row.span.span_id for row in rows) == sorted(each.span_id for each in spans)
    place = {row.span.span_id: index for index, row in enumerate(rows)}
    depth = {row.span.span_id: row.depth for row in rows}
    for row in rows:
        if row.depth:
            assert row.span.parent_id is not None
            assert place[row.span.parent_id] < place[row.span.span_id]
            assert depth[row.span.parent_id] == row.depth - 1


def test_what_failed_is_shown_whatever_it_is_about(tmp_path: Path) -> None:
    store = TraceStore(tmp_path)
    store.add([replace(span("send", 1, None, 9), error=True, attributes={})])
    assert [trace.trace_id for trace in store.traces()] == ["send"]
    store.close()


def test_reads_that_caused_nothing_do_not_hide_the_referrals(tmp_path: Path) -> None:
    store = TraceStore(tmp_path)
    store.add([replace(span("poll", 1, None, 9), name="GET /v1/journeys/{reference}")])
    store.add([replace(span("claims", 1, None, 8), name="POST /v1/work/claims", attributes={})])
    store.add([replace(span("post", 1, None, 1), name="POST /v1/referrals"), span("post", 2, 1, 2)])
    assert [trace.trace_id for trace in store.traces()] == ["post"]
    assert [trace.trace_id for trace in store.traces(subject="poll")] == ["poll"]
    assert [trace.trace_id for trace in store.traces(subject="claims")] == ["claims"]
    store.close()
