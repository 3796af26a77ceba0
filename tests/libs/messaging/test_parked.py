"""Parked messages: seen, retried in order, given up with a reason, and never in the way of others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from libs.messaging.codec import ERASED, Decoded, PlainCodec
from libs.messaging.errors import ErrorClass, Permanent, Refused, Transient
from libs.messaging.event import Event
from libs.messaging.ledger import Unit
from libs.messaging.parked import ParkedMessages, ParkedState
from libs.messaging.parking import AUTOMATIC_ATTEMPTS, FIRST_DELAY, LONGEST_DELAY, Reason, next_attempt
from libs.schemas.events import Service, Withdrawn
from tests.libs.messaging.conftest import Hands, Recorder, World, deliver, until, waits_for_a_lock, withdraw


class Setting:
    """One referral with a failing message and two behind it, at triage."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.consumer = Recorder()
        self.referral = uuid4()
        self.bad: set[UUID] = set()
        self.error: type[Exception] = LookupError

    async def park(self, count: int = 3) -> list[UUID]:
        intake = await self.world.ledger(Service.INTAKE)
        ids = [(await withdraw(intake, [self.referral], words="Alice Example"))[0] for _ in range(count)]
        self.bad = {ids[0]}
        self.consumer.fail = self.failure
        await deliver(self.world, self.consumer, Service.INTAKE, ids)
        return ids

    def failure(self, event: object) -> Exception | None:
        return self.error("broken") if getattr(event, "id", None) in self.bad else None

    async def messages(self) -> ParkedMessages:
        return ParkedMessages(await self.world.ledger(Service.TRIAGE), self.consumer)

    async def seen(self) -> list[UUID]:
        return [
            row["event_id"]
            for row in await self.world.fetch("SELECT event_id FROM triage.seen ORDER BY place")
        ]


@pytest.fixture
def setting(world: World) -> Setting:
    return Setting(world)


async def test_a_retry_processes_the_message_and_then_those_behind_it_in_order(setting: Setting) -> None:
    ids = await setting.park()
    messages = await setting.messages()
    setting.bad.clear()
    result = await messages.retry(ids[0], by="person-7")
    assert (result.processed, result.code) == (3, None)
    assert await setting.seen() == ids
    assert setting.consumer.went_on == [setting.referral]
    assert await messages.list() == []
    actions = (await messages.show(ids[0], by="reader")).actions
    assert [(each.action, each.by) for each in actions] == [
        ("parked", "system"),
        ("retry-asked", "person-7"),
        ("processed", "person-7"),
    ]


async def test_a_retry_that_fails_again_changes_nothing_but_the_count(setting: Setting) -> None:
    ids = await setting.park()
    messages = await setting.messages()
    result = await messages.retry(ids[0], by="person-7")
    assert (result.processed, result.code) == (0, "lookup-error")
    first, *behind = await messages.list()
    assert (first.state, first.attempts, first.error_class) == (ParkedState.FAILED, 2, "unknown")
    assert [each.state for each in behind] == [ParkedState.WAITING, ParkedState.WAITING]
    assert await setting.seen() == []
    assert setting.consumer.went_on == []
    action = (await messages.show(ids[0], by="reader")).actions[-1]
    assert (action.action, action.by, action.code) == ("retry-failed", "person-7", "lookup-error")


async def test_what_a_person_gives_up_while_it_is_tried_again_stays_given_up(setting: Setting) -> None:
    (event_id,) = await setting.park(1)
    given_up: list[asyncio.Task[object]] = []

    class Overtaken(Recorder):
        async def handle(self, unit: Unit, events: Sequence[Event]) -> None:
            discard = messages.discard(event_id, reason="entered twice", by="person-7")
            given_up.append(asyncio.create_task(discard))
            await until(lambda: waits_for_a_lock(setting.world))
            raise LookupError

    messages = ParkedMessages(await setting.world.ledger(Service.TRIAGE), Overtaken())
    setting.world.clock.forward(seconds=31)
    await messages.retry_due()
    (discarded,) = given_up
    await discarded
    (item,) = await messages.list(states=list(ParkedState))
    assert (item.state, item.next_attempt_at) == (ParkedState.DISCARDED, None)


async def test_who_reads_a_message_is_on_record(setting: Setting) -> None:
    ids = await setting.park()
    messages = await setting.messages()
    await messages.show(ids[0], by="person-3")
    actions = (await messages.show(ids[0], by="person-4")).actions
    assert [(each.action, each.by) for each in actions] == [("parked", "system"), ("read", "person-3")]


async def test_a_message_behind_another_is_not_retried_before_it(setting: Setting) -> None:
    ids = await setting.park()
    messages = await setting.messages()
    with pytest.raises(Refused, match="not-first"):
        await messages.retry(ids[1], by="person-7")
    with pytest.raises(Refused, match="not-parked"):
        await messages.retry(uuid4(), by="person-7")


async def test_a_discard_needs_a_reason_and_lets_those_behind_go_on(setting: Setting) -> None:
    ids = await setting.park()
    messages = await setting.messages()
    with pytest.raises(Refused, match="reason-missing"):
        await messages.discard(ids[0], reason="  ", by="person-7")
    result = await messages.discard(ids[0], reason="entered twice", by="person-7")
    assert (result.processed, result.code) == (2, None)
    assert await setting.seen() == ids[1:]
    assert setting.consumer.went_on == [setting.referral]
    action = (await messages.show(ids[0], by="reader")).actions[-1]
    assert (action.action, action.by, action.reason) == ("discarded", "person-7", "entered twice")
    with pytest.raises(Refused, match="not-parked"):
        await messages.discard(ids[0], reason="again", by="person-7")


async def test_what_a_person_typed_is_stored_through_the_codec(setting: Setting) -> None:
    ids = await setting.park()
    await (await setting.messages()).discard(ids[0], reason="Alice Example again", by="person-7")
    (row,) = await setting.world.fetch("SELECT reason FROM triage.parked_action WHERE reason IS NOT NULL")
    (read,) = await PlainCodec().decode([(Reason, row["reason"])])
    assert isinstance(read, Decoded)
    assert read.payload.shared.text == "Alice Example again"
    assert "Alice" not in repr(read)


async def test_a_parked_message_that_was_erased_stops_its_referral_no_longer(setting: Setting) -> None:
    ids = await setting.park()

    class Forgetful(PlainCodec):
        async def decode(self, items: Sequence[Any]) -> list[Any]:
            read = await super().decode(items)
            forgotten.append(None)
            return [ERASED] if len(forgotten) == 1 else read

    forgotten: list[None] = []
    messages = await setting.messages()
    messages._ledger.codec = Forgetful()
    result = await messages.retry(ids[0], by="person-7")
    assert (result.processed, result.code) == (3, None)
    assert await setting.seen() == ids[1:]
    assert setting.consumer.went_on == [setting.referral]


async def test_a_reason_that_is_erased_leaves_who_did_what(setting: Setting) -> None:
    ids = await setting.park(1)
    await (await setting.messages()).discard(ids[0], reason="Alice Example again", by="person-7")
    await setting.world.fetch("UPDATE triage.parked_action SET reason = '\\xff' WHERE reason IS NOT NULL")
    action = (await (await setting.messages()).show(ids[0], by="reader")).actions[-1]
    assert (action.action, action.by, action.reason) == ("discarded", "person-7", None)


async def test_a_list_shows_no_payload_and_showing_one_does(setting: Setting) -> None:
    ids = await setting.park()
    messages = await setting.messages()
    assert "Alice" not in repr(await messages.list())
    detail = await messages.show(ids[0], by="reader")
    assert detail.event is not None
    assert isinstance(detail.event.payload, Withdrawn)
    assert detail.event.payload.shared.reason == "Alice Example"
    assert detail.text is not None
    assert "Alice Example" in detail.text
    assert "Alice" not in repr(detail)


async def test_an_unknown_error_is_tried_again_later_on_its_own(setting: Setting) -> None:
    ids = await setting.park()
    messages = await setting.messages()
    setting.bad.clear()
    assert await messages.retry_due() == 0
    setting.world.clock.forward(seconds=31)
    assert await messages.retry_due() == 3
    assert await setting.seen() == ids


async def test_a_permanent_error_waits_for_a_person(setting: Setting) -> None:
    setting.error = Permanent
    await setting.park()
    messages = await setting.messages()
    setting.bad.clear()
    setting.world.clock.forward(days=30)
    assert await messages.retry_due() == 0
    assert len(await messages.list()) == 3


async def test_a_dependency_that_fails_during_a_retry_costs_no_attempt(setting: Setting) -> None:
    ids = await setting.park()
    messages = await setting.messages()
    setting.error = Transient
    assert (await messages.retry(ids[0], by="person-7")).code == "broken"
    assert [each.attempts for each in await messages.list()] == [1, 0, 0]
    setting.bad.clear()
    setting.world.clock.forward(seconds=31)
    assert await messages.retry_due() == 3


async def test_those_behind_go_on_after_a_crash_between_two_messages(setting: Setting) -> None:
    ids = await setting.park()
    await setting.world.fetch("UPDATE triage.parked SET state = 'done' WHERE event_id = $1", ids[0])
    messages = await setting.messages()
    assert await messages.retry_due() == 2
    assert await setting.seen() == ids[1:]
    assert setting.consumer.went_on == [setting.referral]


async def test_what_comes_while_those_behind_wait_waits_with_them_and_after_them_nothing_does(
    setting: Setting,
) -> None:
    ids = await setting.park()
    await setting.world.fetch("UPDATE triage.parked SET state = 'done' WHERE event_id = $1", ids[0])
    intake = await setting.world.ledger(Service.INTAKE)
    late = await withdraw(intake, [setting.referral])
    await deliver(setting.world, setting.consumer, Service.INTAKE, late)
    messages = await setting.messages()
    assert [each.event_id for each in await messages.list()] == [*ids[1:], *late]
    await messages.discard(ids[1], reason="entered twice", by="person-7")
    assert await setting.seen() == [ids[2], *late]
    last = await withdraw(intake, [setting.referral])
    await deliver(setting.world, setting.consumer, Service.INTAKE, last)
    assert await messages.list() == []
    assert await setting.seen() == [ids[2], *late, *last]


@given(kind=st.sampled_from(ErrorClass), attempts=st.integers(1, 10_000))
@example(kind=ErrorClass.UNKNOWN, attempts=AUTOMATIC_ATTEMPTS)
@example(kind=ErrorClass.UNKNOWN, attempts=AUTOMATIC_ATTEMPTS + 1)
def test_retries_come_later_each_time_and_end(kind: ErrorClass, attempts: int) -> None:
    now = Hands().now()
    due = next_attempt(kind, attempts, now)
    if kind is ErrorClass.PERMANENT or attempts > AUTOMATIC_ATTEMPTS:
        assert due is None
        return
    assert due is not None
    assert now < due <= now + LONGEST_DELAY
    later = next_attempt(kind, attempts + 1, now)
    assert later is None or later >= due


def test_the_first_retries_are_twice_as_far_apart_each_time() -> None:
    now = Hands().now()
    assert [next_attempt(ErrorClass.UNKNOWN, count, now) for count in (1, 2, 3)] == [
        now + FIRST_DELAY,
        now + 2 * FIRST_DELAY,
        now + 4 * FIRST_DELAY,
    ]


STEPS = st.lists(
    st.tuples(st.sampled_from(["good", "good", "bad", "heal", "retry", "discard"]), st.integers(0, 2)),
    min_size=1,
    max_size=14,
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(steps=STEPS)
async def test_whatever_happens_a_referral_never_overtakes_its_parked_message(
    world: World, steps: Sequence[tuple[str, int]]
) -> None:
    intake = await world.ledger(Service.INTAKE)
    consumer = Recorder()
    broken: set[UUID] = set()
    consumer.fail = lambda event: Permanent("broken") if event.id in broken else None
    messages = ParkedMessages(await world.ledger(Service.TRIAGE), consumer)
    referrals = [uuid4() for _ in range(3)]
    emitted: dict[UUID, list[UUID]] = {each: [] for each in referrals}
    for step, number in steps:
        referral = referrals[number]
        waiting = [each for each in await messages.list() if each.referral_id == referral]
        match step:
            case "good" | "bad":
                (event_id,) = await withdraw(intake, [referral])
                emitted[referral].append(event_id)
                if step == "bad":
                    broken.add(event_id)
                await deliver(world, consumer, Service.INTAKE, [event_id])
            case "heal":
                broken -= set(emitted[referral])
            case "retry" if waiting:
                await messages.retry(waiting[0].event_id, by="person-7")
            case "discard" if waiting:
                await messages.discard(waiting[-1].event_id, reason="no use", by="person-7")
        for each in referrals:
            rows = await world.fetch(
                "SELECT event_id FROM triage.seen WHERE referral_id = $1 ORDER BY place", each
            )
            seen = [row["event_id"] for row in rows]
            parked = await messages.list(states=list(ParkedState))
            open_ids = [
                row.event_id
                for row in parked
                if row.referral_id == each and row.state in (ParkedState.FAILED, ParkedState.WAITING)
            ]
            gone = [
                row.event_id
                for row in parked
                if row.referral_id == each and row.state is ParkedState.DISCARDED
            ]
            order = emitted[each]
            assert seen == [one for one in order if one in seen], "each once and in order"
            assert sorted(seen + open_ids + gone) == sorted(order), "nothing lost, nothing doubled"
            if open_ids and seen:
                assert order.index(seen[-1]) < order.index(open_ids[0]), "nothing overtakes"
