"""Notices on their way: lost answers, limits, failures, crashes, and two couriers at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.messaging.codec import Decoded
from libs.messaging.failpoints import Failpoints
from libs.messaging.ledger import Ledger
from libs.platform.clock import ManualClock
from libs.platform.telemetry import Telemetry
from services.notify import store
from services.notify.documents import StoredNotice
from services.notify.wording import Wording
from tests.services.notify.conftest import (
    LEASE,
    PATIENCE,
    SMS,
    Couriers,
    GovUk,
    Story,
    emitted,
    feed,
    metric,
    notices,
    open_ledger,
    reach,
    states,
    until,
)

DELIVERED = "uk.mash.notice.delivered.v1"
FAILED = "uk.mash.notice.failed.v1"
A_MOMENT = 0.15
"""Seconds in which a courier would have done what it must not do."""


async def recorded(ledger: Ledger, reason: str) -> None:
    """Waits until what became of the first notice's request is written down."""

    async def written() -> bool:
        row = (await notices(ledger))[0]
        return bool(row["claim"] is None and row["reason"] == reason)

    await until(written)


async def test_a_referrers_notices_go_out_in_order_and_are_followed_until_they_are_delivered(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers, clock: ManualClock
) -> None:
    story = Story()
    second = story.children[1]
    # What would overtake the receipt has every chance to.
    govuk.behave(send="slow", times=1, seconds=0.3)
    await feed(ledger, wording, story.received(), story.screened(), story.decided(second))
    await couriers.start()
    await reach(ledger, "sent", "sent", "sent")
    sent = govuk.sent()
    assert [UUID(message["reference"]) for message in sent] == [row["id"] for row in await notices(ledger)]
    assert sent[0]["subject"] == f"We have received your referral {story.reference}"
    assert "child 2 of 2" in sent[2]["body"]
    assert wording.destinations["early_help"].words in sent[2]["body"]  # type: ignore[index]
    clock.advance(PATIENCE.poll_after)
    await reach(ledger, "delivered", "delivered", "delivered")
    events = await emitted(ledger)
    assert [kind for kind, _ in events] == [DELIVERED] * 3
    assert sorted(shared["kind"] for _, shared in events) == ["being_looked_at", "outcome", "receipt"]
    assert {shared["channel"] for _, shared in events} == {"email"}


async def test_a_text_message_reaches_whoever_named_only_a_mobile(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers
) -> None:
    await feed(ledger, wording, Story(contacts=(SMS,)).received())
    await couriers.start()
    await reach(ledger, "sent")
    assert [message["phone_number"] for message in govuk.sent()] == ["07700 900123"]


@pytest.mark.parametrize("send", ["accept_then_time_out", "accept_then_error"])
async def test_a_message_whose_answer_was_lost_is_looked_up_and_not_sent_again(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers, clock: ManualClock, send: str
) -> None:
    govuk.behave(send=send, times=1, seconds=1, lookup_delay_seconds=20)
    await feed(ledger, wording, Story().received())
    await couriers.start(timeout=0.3)
    await recorded(ledger, "answer_lost" if send == "accept_then_time_out" else "notify_500")
    assert len(govuk.sent()) == 1
    clock.advance(timedelta(seconds=15))
    await asyncio.sleep(A_MOMENT)
    assert await states(ledger) == ["unsure"]
    clock.advance(timedelta(seconds=15))
    await reach(ledger, "delivered")
    assert len(govuk.sent()) == 1
    assert [kind for kind, _ in await emitted(ledger)] == [DELIVERED]


@pytest.mark.parametrize("send", ["time_out", "error"])
async def test_a_message_that_notify_does_not_show_in_time_is_sent_again(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers, clock: ManualClock, send: str
) -> None:
    govuk.behave(send=send, times=1, seconds=1)
    await feed(ledger, wording, Story().received())
    await couriers.start(timeout=0.3)

    await recorded(ledger, "answer_lost" if send == "time_out" else "notify_500")
    assert govuk.sent() == []
    clock.advance(PATIENCE.look_up_after)
    await reach(ledger, "sent")
    assert len(govuk.sent()) == 1
    (row,) = await notices(ledger)
    # Whether it arrived is asked for soon, however long sending took; a third try would wait for the second.
    assert (row["sends"], row["asks"], row["last_send_at"]) == (2, 0, clock.now())


async def test_what_goes_out_twice_in_the_window_that_remains_is_counted(
    ledger: Ledger,
    wording: Wording,
    govuk: GovUk,
    couriers: Couriers,
    clock: ManualClock,
    telemetry: Telemetry,
) -> None:
    govuk.behave(send="accept_then_error", times=1, lookup_delay_seconds=45)
    await feed(ledger, wording, Story().received())
    await couriers.start()
    await recorded(ledger, "notify_500")
    clock.advance(PATIENCE.look_up_after)
    await until(lambda: len(govuk.sent()) == 2)
    await reach(ledger, "sent")
    assert metric(telemetry, "mash_notices_duplicates_total") == 0
    clock.advance(PATIENCE.poll_after)
    await reach(ledger, "delivered")
    assert metric(telemetry, "mash_notices_duplicates_total") == 1
    assert (await notices(ledger))[0]["messages"] == 2
    assert [kind for kind, _ in await emitted(ledger)] == [DELIVERED]


async def test_a_crash_between_sending_and_recording_sends_nothing_twice(
    ledger: Ledger,
    hub_database: str,
    wording: Wording,
    govuk: GovUk,
    couriers: Couriers,
    clock: ManualClock,
) -> None:
    crash = Failpoints.parse("notify.after_send=fail")
    async with open_ledger(hub_database, clock, failpoints=crash) as doomed:
        await feed(ledger, wording, Story().received())
        await couriers.start(ledger=doomed)
        await until(lambda: len(govuk.sent()) == 1)
        await asyncio.sleep(A_MOMENT)
        assert await states(ledger) == ["unsure"]
        await couriers.start()
        await asyncio.sleep(A_MOMENT)
        assert await states(ledger) == ["unsure"]
        clock.advance(LEASE)
        await reach(ledger, "delivered")
        await couriers.stack.aclose()
    assert len(govuk.sent()) == 1


async def test_two_couriers_send_each_notice_once(
    ledger: Ledger,
    hub_database: str,
    wording: Wording,
    govuk: GovUk,
    couriers: Couriers,
    clock: ManualClock,
) -> None:
    govuk.behave(send="accept_then_error", times=5)
    stories = [Story() for _ in range(60)]
    await feed(
        ledger, wording, *(event for story in stories for event in (story.received(), story.screened()))
    )
    async with open_ledger(hub_database, clock) as other:
        await couriers.start(at_once=7)
        await couriers.start(ledger=other, at_once=7)

        async def settled() -> bool:
            rows = await notices(ledger)
            # The clock must not outrun a request that is out: leases would end under its sender.
            if all(row["claim"] is None for row in rows):
                clock.advance(timedelta(seconds=7))
            return all(row["state"] == "delivered" for row in rows)

        await until(settled, 20)
        await couriers.stack.aclose()
    references = Counter(message["reference"] for message in govuk.sent())
    assert len(references) == 120
    assert set(references.values()) == {1}
    ended = [shared["notice_id"] for kind, shared in await emitted(ledger) if kind == DELIVERED]
    assert len(ended) == len(set(ended)) == 120


async def test_what_one_courier_is_claiming_another_neither_takes_nor_waits_for(
    ledger: Ledger, wording: Wording, clock: ManualClock
) -> None:
    await feed(ledger, wording, Story().received())
    async with ledger.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM notice FOR UPDATE")
        async with asyncio.timeout(5):
            assert await store.claim(ledger.pool, uuid4(), 10, clock.now(), LEASE, sends=True) == []


async def test_what_was_claimed_too_long_ago_is_left_to_whoever_may_look_it_up_by_now(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = ledger.codec.decode

    async def slow(items: Any) -> Any:
        await asyncio.sleep(A_MOMENT)
        return await decode(items)

    await feed(ledger, wording, Story().received())
    monkeypatch.setattr(ledger.codec, "decode", slow)
    await couriers.start(lease=timedelta(seconds=A_MOMENT))
    await recorded(ledger, "late")
    assert (await states(ledger), govuk.sent()) == (["to_send"], [])


async def test_a_notice_that_cannot_be_delivered_fails_once_with_a_code(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers, clock: ManualClock
) -> None:
    govuk.behave(ending="permanent-failure")
    await feed(ledger, wording, Story().received())
    await couriers.start()
    await reach(ledger, "sent")
    clock.advance(PATIENCE.poll_after)
    await reach(ledger, "failed")
    clock.advance(timedelta(hours=2))
    await asyncio.sleep(A_MOMENT)
    events = await emitted(ledger)
    assert [(kind, shared["reason"]) for kind, shared in events] == [(FAILED, "permanent_failure")]


async def test_a_notice_that_notify_refuses_fails_at_once(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers
) -> None:
    landline = SMS.model_copy(update={"phone": "01632 960001"})
    await feed(ledger, wording, Story(contacts=(landline,)).received())
    await couriers.start()
    await reach(ledger, "failed")
    assert [(kind, shared["reason"]) for kind, shared in await emitted(ledger)] == [(FAILED, "notify_400")]


async def test_an_outcome_whose_childs_words_were_erased_is_not_sent(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers
) -> None:
    story = Story()
    await feed(ledger, wording, story.received(), story.screened(), story.decided(story.children[0]))
    (read,) = await ledger.codec.decode([(StoredNotice, (await notices(ledger))[2]["content"])])
    assert isinstance(read, Decoded)
    assert set(read.payload.children) == {story.children[0]}
    (erased,) = await ledger.codec.encode([StoredNotice(shared=read.payload.shared)])
    await ledger.pool.execute("UPDATE notice SET content = $1 WHERE kind = 'outcome'", erased)
    await ledger.pool.execute("UPDATE notice SET content = '' WHERE kind = 'receipt'")
    await couriers.start()
    await reach(ledger, "failed", "sent", "failed")
    assert [(kind, shared["reason"]) for kind, shared in await emitted(ledger)] == [
        (FAILED, "content_contract"),
        (FAILED, "content_erased"),
    ]
    assert len(govuk.sent()) == 1


async def test_a_rate_limit_pauses_all_sends_and_none_is_lost(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers, clock: ManualClock
) -> None:
    govuk.behave(send="rate_limited", times=1)
    await feed(ledger, wording, Story().received())
    await couriers.start()
    await recorded(ledger, "rate_limit")
    await feed(ledger, wording, Story().received())
    await asyncio.sleep(A_MOMENT)
    assert govuk.sent() == []
    clock.advance(timedelta(seconds=5))
    await reach(ledger, "sent", "sent")
    assert {row["sends"] for row in await notices(ledger)} == {1}


async def test_a_daily_limit_waits_for_midnight(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers, clock: ManualClock
) -> None:
    govuk.behave(send="daily_limit", times=1)
    await feed(ledger, wording, Story().received())
    await couriers.start()
    await recorded(ledger, "day_limit")
    clock.advance(timedelta(hours=14))
    await asyncio.sleep(A_MOMENT)
    assert govuk.sent() == []
    clock.advance(timedelta(hours=2))
    await reach(ledger, "sent")


async def test_a_refused_key_fails_no_notice(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers, clock: ManualClock
) -> None:
    await feed(ledger, wording, Story().received())
    right, govuk.key = govuk.key, govuk.key[:-1] + "0"
    revoked = await couriers.start()
    await recorded(ledger, "key_refused")
    assert await states(ledger) == ["to_send"]
    await feed(ledger, wording, Story().received())
    await asyncio.sleep(A_MOMENT)
    assert [row["asks"] for row in await notices(ledger)] == [1, 0], "nobody knocks again at once"
    revoked.stop()
    govuk.key = right
    clock.advance(timedelta(seconds=30))
    await couriers.start()
    await reach(ledger, "sent", "sent")


async def test_an_unreachable_notify_loses_nothing_and_leaves_nothing_unsure(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers, clock: ManualClock
) -> None:
    await feed(ledger, wording, Story().received())
    right, govuk.url = govuk.url, "http://127.0.0.1:9"
    courier = await couriers.start()
    await recorded(ledger, "unreachable")
    assert (await notices(ledger))[0]["sends"] == 0
    courier.stop()
    govuk.url = right
    clock.advance(timedelta(minutes=1))
    await couriers.start()
    await reach(ledger, "sent")
    assert len(govuk.sent()) == 1
