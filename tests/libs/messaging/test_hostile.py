"""Whatever lies on a topic, a reader gets past it: it is read, or parked, and never ends a process."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from libs.messaging.codec import PlainCodec
from libs.messaging.event import Envelope, MalformedEnvelope, Record
from libs.messaging.message import read
from libs.messaging.parked import ParkedMessages
from libs.messaging.parking import headers_text
from libs.messaging.parking import record_of as parked_record
from libs.messaging.runner import Runner
from libs.messaging.tracing import Tracing
from libs.messaging.transports.positions import Positions, Token, record_of
from libs.schemas.events import EVENT_TYPES, WITHDRAWN, EventType, Service
from tests.libs.messaging.conftest import QUICK, Hands, Late, Once, Recorder, World, withdrawal

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
GOOD = dict(Envelope(uuid4(), WITHDRAWN.name, "/p/intake", uuid4(), 1, Hands().now(), TRACE, "a=b").headers())
PLACE = TopicPartition("mash.referral.v1", 3)

VALUES = (
    st.none()
    | st.binary(max_size=40)
    | st.sampled_from(
        [
            b"",
            b"\x00",
            b"\xff\xfe",
            b"1.",
            str(uuid4()).encode(),
            b"0",
            b"-1",
            b"9" * 40,
            b"9" * 5000,
            b"0001-01-01T00:00:00+14:00",
            b"9999-12-31T23:59:59-14:00",
            b"2026-03-02T09:00:00",
            TRACE.encode() + b"\x00",
        ]
    )
)
NAMES = st.sampled_from([*GOOD, "x\x00y", "ü", "\\0"]) | st.text(max_size=8)
HEADERS = st.dictionaries(NAMES, VALUES, max_size=6).map(lambda changed: {**GOOD, **changed})
PAYLOADS = st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["shared", "children", "at", "reference"]), inner, max_size=3)
    ),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())


def delivered(headers: Mapping[str, bytes | None], key: bytes | None, value: bytes | None) -> Record:
    found = ConsumerRecord(
        PLACE.topic, PLACE.partition, 17, 0, 0, key, value, None, -1, -1, tuple(headers.items())
    )
    return record_of(found, PLACE.topic, Token(0, PLACE))


@given(headers=HEADERS | st.dictionaries(NAMES, VALUES, max_size=12))
@example(headers={**GOOD, "ce_id": None})
@example(headers={**GOOD, "ce_specversion": None})
@example(headers={**GOOD, "ce_time": b"0001-01-01T00:00:00+14:00"})
def test_any_headers_are_an_envelope_or_malformed(headers: dict[str, bytes | None]) -> None:
    with contextlib.suppress(MalformedEnvelope):
        envelope = Envelope.parse(headers)
        assert Envelope.parse(dict(envelope.headers())) == envelope
        stored = f"{envelope.type}{envelope.source}{envelope.traceparent}{envelope.tracestate}"
        assert "\x00" not in stored, "no column of text can hold it"
        assert 0 < envelope.sequence < 2**63


@pytest.mark.parametrize(
    "name", [name for name in GOOD if name.startswith("ce_") and name != "ce_partitionkey"]
)
def test_a_null_header_is_named_as_the_bad_one(name: str) -> None:
    with pytest.raises(MalformedEnvelope) as caught:
        Envelope.parse({**GOOD, name: None})
    assert caught.value.args == (name,)


@settings(max_examples=150, deadline=None)
@given(headers=HEADERS, key=VALUES, value=st.none() | PAYLOADS, kind=st.sampled_from(EVENT_TYPES))
@example(headers={**GOOD, "ce_id": None}, key=None, value=None, kind=WITHDRAWN)
async def test_any_record_becomes_a_message_that_can_be_kept(
    headers: dict[str, bytes | None], key: bytes | None, value: bytes | None, kind: EventType[Any]
) -> None:
    if headers.get("ce_type") == GOOD["ce_type"]:
        headers = {**headers, "ce_type": kind.name.encode()}
    record = delivered(headers, key, value)
    positions = Positions()
    positions.polled([record])
    positions.processed([record])
    messages = await read([record], EVENT_TYPES, PlainCodec(), Tracing("triage", "test"))
    assert len(messages) <= 1
    for message in messages:
        assert isinstance(message.id, UUID)
        assert (message.event is None) == (message.code is not None)
    row = {
        **{name: getattr(record, name) for name in ("topic", "partition", "position", "key")},
        "headers": headers_text(record),
        "payload": record.value,
    }
    assert "\\u0000" not in row["headers"]
    assert parked_record(row) == record


HOSTILE: list[tuple[dict[str, bytes | None], bytes | None]] = [
    ({**GOOD, "ce_id": None}, None),
    ({**GOOD, "ce_type": b"\xff"}, b"\xff\x00"),
    ({**GOOD, "ce_time": b"0001-01-01T00:00:00+14:00"}, b""),
    ({**GOOD, "x\x00y": b"\x00", "ce_sequence": b"9" * 30}, b"\x00"),
    ({"\x00": None}, b"no key"),
    ({}, None),
]


async def test_hostile_records_are_parked_as_they_came_and_those_behind_them_go_on(world: World) -> None:
    ledger, consumer = await world.ledger(Service.TRIAGE), Recorder()
    (payload,) = await PlainCodec().encode([withdrawal(world.clock.now())])
    records = []
    for position, (headers, key) in enumerate(HOSTILE):
        found = ConsumerRecord(
            PLACE.topic, 3, position, 0, 0, key, None, None, -1, -1, tuple(headers.items())
        )
        records.append(record_of(found, PLACE.topic, Token(0, PLACE)))
    good = Record(PLACE.topic, 3, len(records), b"", GOOD, payload)
    transport = Once([*records, good])
    transport.runner = Runner(ledger, transport, consumer, limits=QUICK)
    await transport.runner.run()
    assert [row["event_id"] for row in await world.fetch("SELECT event_id FROM triage.seen")] == [
        UUID(GOOD["ce_id"].decode())
    ]
    parked = await ParkedMessages(ledger, consumer).list()
    assert [each.code for each in parked] == ["envelope"] * len(records)
    rows = await world.fetch("SELECT * FROM triage.parked ORDER BY number")
    assert [parked_record(row) for row in rows] == records
    for each in parked:
        assert (await ParkedMessages(ledger, consumer).show(each.event_id, by="reader")).event is None


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(given_=st.lists(st.tuples(HEADERS, VALUES), min_size=1, max_size=4))
async def test_whatever_is_delivered_the_runner_takes_it_in(
    world: World, given_: list[tuple[dict[str, bytes | None], bytes | None]]
) -> None:
    """What comes too early is held here, so every column of an envelope is written too."""
    (payload,) = await PlainCodec().encode([withdrawal(world.clock.now())])
    ledger, consumer = await world.ledger(Service.TRIAGE), Late()
    transport = Once([delivered(headers, key, payload) for headers, key in given_])
    transport.runner = Runner(ledger, transport, consumer, limits=QUICK)
    await transport.runner.run()
    codes = {row["code"] for row in await world.fetch("SELECT code FROM triage.parked")}
    assert codes <= {"envelope", "behind"}, "nothing was parked for what a column cannot hold"
