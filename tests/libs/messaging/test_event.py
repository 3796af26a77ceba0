"""What travels: envelopes that survive the wire, payloads that stay out of sight, traces that go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind

from libs.messaging.codec import CONTRACT, ERASED, Codec, Decoded, P, PlainCodec, Undecodable
from libs.messaging.event import Envelope, MalformedEnvelope, Record, new_event_id, source_of
from libs.messaging.failpoints import NAMES, Failpoints
from libs.messaging.message import read
from libs.messaging.tracing import Tracing, end, span_context
from libs.schemas.events import RECEIVED, WITHDRAWN, Service, Withdrawn
from tests.libs.messaging.conftest import Hands, withdrawal

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


@given(
    st.uuids(),
    st.uuids(),
    TEXT,
    TEXT,
    st.integers(1, 2**62),
    st.datetimes(
        min_value=datetime(1950, 1, 1),
        max_value=datetime(2190, 1, 1),
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=1))]),
    ),
    st.none() | st.just(TRACE),
)
def test_an_envelope_survives_its_headers(
    event_id: UUID, referral: UUID, name: str, source: str, sequence: int, time: datetime, trace: str | None
) -> None:
    envelope = Envelope(event_id, name, source, referral, sequence, time, trace, None)
    assert Envelope.parse(dict(envelope.headers())) == envelope


HEADERS = dict(Envelope(uuid4(), WITHDRAWN.name, "/p/intake", uuid4(), 1, Hands().now(), TRACE).headers())


@pytest.mark.parametrize(
    "header", ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "ce_sequence"]
)
def test_an_envelope_without_a_needed_header_names_it(header: str) -> None:
    with pytest.raises(MalformedEnvelope, match=header):
        Envelope.parse({name: value for name, value in HEADERS.items() if name != header})


@pytest.mark.parametrize(
    ("header", "value"),
    [("ce_id", b"5"), ("ce_time", b"2026-03-02T09:00:00"), ("ce_sequence", b"x"), ("ce_type", b"\xff")],
)
def test_an_envelope_with_a_bad_header_names_it_without_its_value(header: str, value: bytes) -> None:
    with pytest.raises(MalformedEnvelope) as caught:
        Envelope.parse({**HEADERS, header: value})
    assert caught.value.args == (header,)


async def test_a_record_without_an_envelope_is_not_lost() -> None:
    record = Record("mash.referral.v1", 3, 17, b"no id", {}, b"{}")
    (message,) = await read([record], [WITHDRAWN], PlainCodec(), Tracing("triage", "test"))
    assert (message.code, message.event) == ("envelope", None)
    (again,) = await read([record], [WITHDRAWN], PlainCodec(), Tracing("triage", "test"))
    assert (message.id, message.referral_id) == (again.id, again.referral_id)


class Forgetful:
    """A codec that has forgotten the keys."""

    async def encode(self, payloads: object) -> list[bytes]:
        raise NotImplementedError

    async def decode(self, items: list[tuple[type[P], bytes]]) -> list[Decoded[P] | Undecodable]:
        return [ERASED for _ in items]


async def test_an_erased_payload_is_no_failure() -> None:
    codec: Codec = Forgetful()  # type: ignore[assignment]
    record = Record("mash.referral.v1", 0, 1, b"", HEADERS, b"sealed")
    (message,) = await read([record], [WITHDRAWN], codec, Tracing("triage", "test"))
    assert message.erased


async def test_the_plain_codec_reads_what_it_wrote_and_refuses_what_is_no_payload() -> None:
    payload = withdrawal(Hands().now(), "née Ünïcode")
    (value,) = await PlainCodec().encode([payload])
    read_back, wrong = await PlainCodec().decode([(Withdrawn, value), (Withdrawn, b'{"shared": {}}')])
    assert isinstance(read_back, Decoded)
    assert read_back.payload == payload
    assert wrong == CONTRACT
    assert "née" not in repr(read_back)


def recording() -> tuple[Tracing, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBased(ALWAYS_OFF))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing("triage", "kafka", provider.get_tracer("test")), exporter


async def test_a_messages_process_span_continues_the_trace_of_its_creation() -> None:
    tracing, exporter = recording()
    (value,) = await PlainCodec().encode([withdrawal(Hands().now())])
    record = Record("mash.referral.v1", 3, 17, b"", HEADERS, value)
    (message,) = await read([record], [WITHDRAWN], PlainCodec(), tracing)
    with tracing.batch([message.span]):
        pass
    end(message.span)
    (span,) = exporter.get_finished_spans()
    created = span_context(TRACE)
    assert created is not None
    assert span.parent is not None
    assert (span.parent.span_id, span.context.trace_id) == (created.span_id, created.trace_id)
    assert (span.name, span.kind) == ("process mash.referral.v1", SpanKind.CONSUMER)
    assert message.event is not None
    assert span_context(message.event.trace).span_id == span.context.span_id  # type: ignore[union-attr]
    assert dict(span.attributes or {})["messaging.message.id"] == HEADERS["ce_id"].decode()


async def test_what_is_not_sampled_costs_no_span_and_keeps_its_trace() -> None:
    tracing, exporter = recording()
    unsampled = TRACE[:-2] + "00"
    (value,) = await PlainCodec().encode([withdrawal(Hands().now())])
    record = Record("mash.referral.v1", 3, 17, b"", {**HEADERS, "traceparent": unsampled.encode()}, value)
    (message,) = await read([record], [WITHDRAWN], PlainCodec(), tracing)
    assert message.span is None
    assert message.event is not None
    assert message.event.trace == unsampled
    assert exporter.get_finished_spans() == ()


@given(st.text(max_size=60))
def test_a_traceparent_that_names_nothing_is_none(text: str) -> None:
    assert span_context(text) is None
    assert span_context("00-" + "0" * 32 + "-" + "0" * 16 + "-01") is None


def test_ids_are_of_their_instant_and_sources_name_the_partnership() -> None:
    now = Hands().now()
    assert int(str(new_event_id(now)).replace("-", "")[:12], 16) == int(now.timestamp() * 1000)
    assert len({new_event_id(now) for _ in range(1000)}) == 1000
    assert source_of("peterborough", Service.INTAKE) == "/peterborough/intake"
    assert RECEIVED.topic == "mash.referral.v1"


def test_a_failpoint_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no such failpoint"):
        Failpoints.parse("relay.after_tea=kill")
    with pytest.raises(ValueError, match="kill, fail or sleep"):
        Failpoints.parse("relay.after_ack=explode")


@pytest.mark.parametrize("name", sorted(NAMES))
async def test_a_failpoint_acts_on_the_hit_that_it_was_told(name: str) -> None:
    points = Failpoints.parse(f"{name}=fail:3")
    await points.hit(name)
    await points.hit(name)
    with pytest.raises(Exception, match="failpoint"):
        await points.hit(name)
    await points.hit(name)
