"""Whoever is on call is told at once, without a word of what it is about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from libs.messaging.event import Event, new_event_id
from libs.messaging.ledger import Ledger
from libs.platform.clock import ManualClock
from libs.schemas.alerts import AcknowledgedAlert, AlertAcknowledged, AlertCalled, OnCallCall
from libs.schemas.events import ALERT_ACKNOWLEDGED, ALERT_CALLED
from libs.schemas.notice import NoticeChannel
from libs.schemas.on_call import Urgency
from services.notify.wording import Wording
from tests.services.notify.conftest import (
    START,
    Couriers,
    GovUk,
    Story,
    emitted,
    feed,
    notices,
    put_behind,
    reach,
)


def called(story: Story, contact: str = "duty_worker", alert_id: UUID | None = None) -> Event:
    call = OnCallCall(
        alert_id=alert_id or new_event_id(START),
        call_id=new_event_id(START),
        contact=contact,
        urgency=Urgency.IMMEDIATE_DANGER,
        at=START,
    )
    return story.event(ALERT_CALLED, AlertCalled(shared=call))


def acknowledged(story: Story, alert_id: UUID) -> Event:
    shared = AcknowledgedAlert(alert_id=alert_id, by="staff-sw-1", at=START)
    return story.event(ALERT_ACKNOWLEDGED, AlertAcknowledged(shared=shared))


def to(message: dict[str, Any]) -> str:
    """Where a message went."""
    address: str = message["email_address"] or message["phone_number"]
    return address


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.02)


async def told(ledger: Ledger, count: int) -> list[tuple[str, dict[str, Any]]]:
    """What notify told of alerts, when it has told so much."""
    async with asyncio.timeout(30):
        while True:
            found = [one for one in await emitted(ledger) if "alert" in one[0]]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.02)


async def test_the_message_names_nobody_and_nothing(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers
) -> None:
    story = Story()
    await feed(ledger, wording, called(story), called(story, "duty_mailbox"))
    await couriers.start()
    await until(lambda: len(govuk.sent()) == 2)
    assert {to(message) for message in govuk.sent()} == {"07700 900201", "duty.team@example.org"}
    for message in govuk.sent():
        template = wording.alert[NoticeChannel(message["type"])]
        assert message["body"].rstrip().endswith(template.body.replace("((telephone))", wording.telephone))


async def test_an_alert_needs_no_referral_and_comes_once(ledger: Ledger, wording: Wording) -> None:
    story = Story()
    event = called(story)
    await feed(ledger, wording, event)
    await feed(ledger, wording, event)
    assert [(row["kind"], row["state"]) for row in await notices(ledger)] == [("alert", "to_send")]
    assert await ledger.pool.fetchval("SELECT count(*) FROM held") == 0


async def test_an_alert_does_not_wait_behind_a_message_that_stopped_its_referral(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers
) -> None:
    story, alert_id = Story(), new_event_id(START)
    event = called(story, alert_id=alert_id)
    await put_behind(ledger, wording, event)
    await couriers.start()
    await until(lambda: len(govuk.sent()) == 1)
    # When the way is free again what waited comes after all, and has had its effect.
    await feed(ledger, wording, event)
    assert len(await notices(ledger)) == 1


async def test_who_acknowledges_spares_the_others_though_the_referral_is_stopped(
    ledger: Ledger, wording: Wording
) -> None:
    story, alert_id = Story(), new_event_id(START)
    await put_behind(ledger, wording, called(story, alert_id=alert_id))
    await put_behind(ledger, wording, acknowledged(story, alert_id))
    assert [row["reason"] for row in await notices(ledger)] == ["acknowledged"]


async def test_what_became_of_it_is_told_to_triage_and_not_to_the_referrer(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers, clock: ManualClock
) -> None:
    story = Story()
    event = called(story)
    await feed(ledger, wording, event)
    await couriers.start()
    await reach(ledger, "sent")
    clock.advance(timedelta(seconds=61))
    [(name, shared)] = await told(ledger, 1)
    assert name == "uk.mash.notice.alert-delivered.v1"
    assert (shared["call_id"], shared["alert_id"]) == (
        str(event.payload.shared.call_id),
        str(event.payload.shared.alert_id),
    )
    assert [one for one, _ in await emitted(ledger)] == [name]


async def test_a_telephone_that_cannot_be_reached_is_told(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers, clock: ManualClock
) -> None:
    govuk.behave(ending="permanent-failure")
    await feed(ledger, wording, called(Story()))
    await couriers.start()
    await reach(ledger, "sent")
    clock.advance(timedelta(seconds=61))
    [(name, shared)] = await told(ledger, 1)
    assert (name, shared["reason"]) == ("uk.mash.notice.alert-failed.v1", "permanent_failure")


async def test_a_contact_that_is_not_on_this_list_is_told_at_once(ledger: Ledger, wording: Wording) -> None:
    await feed(ledger, wording, called(Story(), "night_porter"))
    [(name, shared)] = await told(ledger, 1)
    assert (name, shared["reason"]) == ("uk.mash.notice.alert-failed.v1", "unknown_contact")
    assert await notices(ledger) == []


async def test_an_alert_goes_before_every_notice_and_waits_for_none_of_its_referral(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers
) -> None:
    stories = [Story() for _ in range(6)]
    for story in stories:
        await feed(ledger, wording, story.received(), story.screened())
    await ledger.pool.execute("UPDATE notice SET state = 'unsure', due_at = $1", START + timedelta(hours=1))
    await feed(ledger, wording, called(stories[0]))
    await couriers.start(at_once=1)
    await until(lambda: len(govuk.sent()) == 1)
    assert to(govuk.sent()[0]) == "07700 900201"


async def test_of_many_that_are_due_the_alert_is_first(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers
) -> None:
    for _ in range(5):
        await feed(ledger, wording, Story().received())
    await feed(ledger, wording, called(Story()))
    await couriers.start(at_once=1)
    await until(lambda: len(govuk.sent()) == 6)
    assert to(govuk.sent()[0]) == "07700 900201"


async def test_what_somebody_has_acknowledged_is_not_sent_any_more(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers
) -> None:
    story, other = Story(), Story()
    alert_id = new_event_id(START)
    out = called(other, "duty_manager")
    await feed(ledger, wording, called(story, alert_id=alert_id), out)
    await feed(ledger, wording, acknowledged(story, alert_id))
    await couriers.start()
    await reach(ledger, "failed", "sent")
    assert [to(message) for message in govuk.sent()] == ["07700 900202"]
    # What went out before somebody acknowledged it is followed to its own end.
    await feed(ledger, wording, acknowledged(other, out.payload.shared.alert_id))
    assert [(row["state"], row["reason"]) for row in await notices(ledger)] == [
        ("failed", "acknowledged"),
        ("sent", None),
    ]


async def test_what_notify_did_not_take_in_time_is_given_up(
    ledger: Ledger, wording: Wording, govuk: GovUk, couriers: Couriers, clock: ManualClock
) -> None:
    govuk.behave(send="error", times=1)
    story = Story()
    await feed(ledger, wording, called(story))
    await couriers.start()
    await reach(ledger, "unsure")
    # The referrer's notices do not wait for it.
    await feed(ledger, wording, story.received())
    await reach(ledger, "unsure", "sent")
    clock.advance(timedelta(minutes=11))
    [(name, shared)] = await told(ledger, 1)
    assert (name, shared["reason"]) == ("uk.mash.notice.alert-failed.v1", "not_accepted")
