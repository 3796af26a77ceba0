"""What is delivered becomes each message once, with the referral that it belongs to and what is left of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from libs.messaging.codec import Decoded, PlainCodec
from libs.messaging.event import Envelope, Event, Record
from libs.messaging.message import Message, read
from libs.messaging.tracing import Tracing
from libs.schemas.base import Nothing
from libs.schemas.events import WITHDRAWN, Withdrawn
from tests.libs.messaging.conftest import Hands, withdrawal

NOW = Hands().now()
TOPIC = WITHDRAWN.topic


async def delivered(event_id: UUID, position: int = 0) -> Record:
    referral_id = uuid4()
    envelope = Envelope(event_id, WITHDRAWN.name, "/p/intake", referral_id, 1, NOW, None, None)
    (value,) = await PlainCodec().encode([withdrawal(NOW)])
    return Record(TOPIC, 0, position, str(referral_id).encode(), dict(envelope.headers()), value)


def unreadable(partition: int, key: bytes) -> Record:
    return Record(TOPIC, partition, 17, key, {}, b"")


async def messages(records: Sequence[Record], codec: PlainCodec | None = None) -> list[Message]:
    return await read(records, [WITHDRAWN], codec or PlainCodec(), Tracing("triage", "test"))


async def test_what_a_batch_brings_twice_is_one_message() -> None:
    first, second = uuid4(), uuid4()
    records = [await delivered(one, place) for place, one in enumerate((first, second, first))]
    assert [message.id for message in await messages(records)] == [first, second]


async def test_what_cannot_be_read_stops_the_referral_that_its_key_names() -> None:
    referral_id = uuid4()
    (known,) = await messages([unreadable(3, str(referral_id).encode())])
    assert known.referral_id == referral_id
    (unknown,) = await messages([unreadable(3, b"no id")])
    assert unknown.referral_id == unknown.id


async def test_records_that_cannot_be_read_are_told_apart_by_all_of_their_place() -> None:
    found = await messages([unreadable(partition, b"") for partition in (0, 1, 0)])
    assert found[0].id == found[2].id
    assert found[0].id != found[1].id


async def test_a_child_whose_part_is_erased_is_named_and_keeps_its_place() -> None:
    first, erased, last = sorted(uuid4() for _ in range(3))

    class Forgetful(PlainCodec):
        async def decode(self, items: Sequence[Any]) -> list[Any]:
            left = Withdrawn(shared=withdrawal(NOW).shared, children={first: Nothing(), last: Nothing()})
            return [Decoded(left, frozenset([erased])) for _ in items]

    (message,) = await messages([await delivered(uuid4())], Forgetful())
    assert isinstance(message.event, Event)
    assert message.event.erased == {erased}
    assert message.event.children == (first, erased, last)
