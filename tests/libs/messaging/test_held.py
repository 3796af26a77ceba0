"""What came before its referral comes back whole and in order, or stops where people look; it is never dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.messaging.codec import ERASED, Decoded, PlainCodec
from libs.messaging.errors import Permanent
from libs.messaging.event import Event, new_event_id
from libs.messaging.ledger import Ledger
from libs.schemas.events import WITHDRAWN, Service
from tests.libs.messaging.conftest import World, withdrawal


class Answering(PlainCodec):
    """Gives the same answer to whatever is read, where it has one."""

    def __init__(self) -> None:
        self.answer: Any = None

    async def decode(self, items: Sequence[Any]) -> list[Any]:
        read = await super().decode(items)
        return read if self.answer is None else [self.answer for _ in read]


async def hold(ledger: Ledger, referral: UUID, sequences: Sequence[int]) -> None:
    for sequence in sequences:
        async with ledger.unit([referral]) as unit:
            event = Event(
                id=new_event_id(unit.now),
                type=WITHDRAWN,
                source="/peterborough/intake",
                referral_id=referral,
                sequence=sequence,
                time=unit.now,
                payload=withdrawal(unit.now),
            )
            await unit.hold([event])


async def release(ledger: Ledger, referral: UUID) -> list[Event]:
    async with ledger.unit([referral]) as unit:
        return await unit.release([referral])


async def held(world: World) -> int:
    count: int = (await world.fetch("SELECT count(*) AS n FROM triage.held"))[0]["n"]
    return count


async def test_what_is_held_comes_back_in_its_producers_order_however_it_came(world: World) -> None:
    ledger, referral, other = await world.ledger(Service.TRIAGE), uuid4(), uuid4()
    await hold(ledger, other, [1])
    await hold(ledger, referral, [3, 1, 2])
    assert [event.sequence for event in await release(ledger, referral)] == [1, 2, 3]
    assert await held(world) == 1, "another referral's stays"
    assert [event.sequence for event in await release(ledger, other)] == [1]


async def test_what_is_held_and_of_a_type_that_nobody_knows_is_kept(world: World) -> None:
    ledger, referral = await world.ledger(Service.TRIAGE), uuid4()
    await hold(ledger, referral, [1, 2])
    await world.fetch("UPDATE triage.held SET type = 'uk.mash.referral.newer.v9' WHERE sequence = 2")
    with pytest.raises(Permanent, match="held-type"):
        await release(ledger, referral)
    assert await held(world) == 2


async def test_what_is_held_and_cannot_be_read_is_kept(world: World) -> None:
    ledger, referral = await world.ledger(Service.TRIAGE), uuid4()
    await hold(ledger, referral, [1, 2])
    await world.fetch("UPDATE triage.held SET payload = '{\"shared\": 5}' WHERE sequence = 2")
    with pytest.raises(Permanent, match="held-contract"):
        await release(ledger, referral)
    assert await held(world) == 2


async def test_what_was_erased_while_it_was_held_stops_nothing(world: World) -> None:
    ledger, referral, child = await world.ledger(Service.TRIAGE), uuid4(), uuid4()
    ledger.codec = codec = Answering()
    await hold(ledger, referral, [1])
    codec.answer = Decoded(withdrawal(world.clock.now()), frozenset([child]))
    (event,) = await release(ledger, referral)
    assert event.erased == {child}
    await hold(ledger, referral, [2])
    codec.answer = ERASED
    assert await release(ledger, referral) == []
    assert await held(world) == 0
