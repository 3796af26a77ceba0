"""Which notices the events bring, on a real database."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from libs.messaging.consumer import Parked
from libs.messaging.event import new_event_id
from libs.messaging.ledger import Ledger
from libs.schemas.codes import ReferrerRole
from libs.schemas.events import NOTIFY_RESUMED, NOTIFY_STOPPED, RECEIVED
from libs.schemas.levels import Destination
from services.notify.consumer import NotifyConsumer
from services.notify.wording import Wording
from tests.services.notify.conftest import ON_CALL, START, TRACE, Story, emitted, feed, notices


async def kinds(ledger: Ledger) -> list[tuple[str, int]]:
    return [(row["kind"], row["decision"]) for row in await notices(ledger)]


async def test_a_referral_brings_a_receipt_one_being_looked_at_and_an_outcome_for_each_child(
    ledger: Ledger, wording: Wording
) -> None:
    story = Story()
    first, second = story.children
    await feed(ledger, wording, story.received())
    await feed(ledger, wording, story.screened(first), story.screened(second), story.screened())
    await feed(ledger, wording, story.decided(first), story.decided(second, Destination.MASG))
    assert await kinds(ledger) == [("receipt", 0), ("being_looked_at", 0), ("outcome", 1), ("outcome", 1)]
    rows = await notices(ledger)
    assert {row["state"] for row in rows} == {"to_send"}
    assert {row["traceparent"] for row in rows} == {TRACE}
    assert [row["child_id"] for row in rows[2:]] == [first, second]


async def test_an_event_that_comes_again_brings_nothing_again(ledger: Ledger, wording: Wording) -> None:
    story = Story()
    events = [story.received(), story.screened(), story.decided(story.children[0])]
    await feed(ledger, wording, *events)
    await feed(ledger, wording, *events)
    assert len(await notices(ledger)) == 3


async def test_a_new_decision_on_a_case_brings_a_new_outcome(ledger: Ledger, wording: Wording) -> None:
    story = Story()
    child = story.children[0]
    await feed(ledger, wording, story.received(), story.decided(child))
    await feed(ledger, wording, story.decided(child, Destination.SECTION_47, decision=2))
    assert await kinds(ledger) == [("receipt", 0), ("outcome", 1), ("outcome", 2)]
    assert wording.changed.encode() in (await notices(ledger))[2]["content"]


async def test_topics_in_any_order_bring_the_same_notices(ledger: Ledger, wording: Wording) -> None:
    for place, together in itertools.product(range(4), (False, True)):
        story = Story()
        first, second = story.children
        events = [story.screened(), story.decided(first), story.decided(second)]
        events.insert(place, story.received())
        for batch in [events] if together else [[event] for event in events]:
            await feed(ledger, wording, *batch)
        told = [
            (row["kind"], row["decision"]) for row in await notices(ledger) if row["referral_id"] == story.id
        ]
        assert told == [("receipt", 0), ("being_looked_at", 0), ("outcome", 1), ("outcome", 1)]
    assert await ledger.pool.fetchval("SELECT count(*) FROM held") == 0


async def test_a_referrer_who_cannot_be_told_is_recorded_once_for_each_notice_and_is_no_failure(
    ledger: Ledger, wording: Wording
) -> None:
    story = Story(anonymous=True, role=ReferrerRole.PUBLIC)
    child = story.children[0]
    events = [story.received(), story.screened(), story.decided(child)]
    await feed(ledger, wording, *events)
    await feed(ledger, wording, *events, story.screened())
    assert await notices(ledger) == []
    told = await emitted(ledger)
    assert [kind for kind, _ in told] == ["uk.mash.notice.referrer-untellable.v1"] * 3
    assert {shared["reason"] for _, shared in told} == {"anonymous"}
    assert {shared["reference"] for _, shared in told} == {story.reference}
    recorded = await ledger.pool.fetch("SELECT kind FROM untold ORDER BY id")
    assert [row["kind"] for row in recorded] == ["receipt", "being_looked_at", "outcome"]


async def test_a_channel_that_the_suspect_may_read_is_never_used(ledger: Ledger, wording: Wording) -> None:
    story = Story(role=ReferrerRole.FAMILY, suspect_may_read="he reads my emails")
    await feed(ledger, wording, story.received())
    assert await notices(ledger) == []
    assert [shared["reason"] for _, shared in await emitted(ledger)] == ["suspect_may_read"]


async def test_the_referrer_learns_nothing_of_a_child_who_was_found_and_everything_of_the_others(
    ledger: Ledger, wording: Wording
) -> None:
    story = Story()
    await feed(ledger, wording, story.received())
    await feed(ledger, wording, story.decided(new_event_id(START)))
    assert len(await notices(ledger)) == 1
    await feed(ledger, wording, story.decided(story.children[0]))
    assert len(await notices(ledger)) == 2


async def test_a_referral_that_was_given_up_unread_leaves_its_notices_to_a_person(
    ledger: Ledger, wording: Wording
) -> None:
    story, event_id = Story(), new_event_id(START)
    consumer = NotifyConsumer(wording, ON_CALL, ledger.codec, lambda: None)
    async with ledger.unit([story.id]) as unit:
        await unit.connection.execute(
            "INSERT INTO parked (consumer, event_id, referral_id, type, topic, partition, position, key, headers,"
            " payload, state, error_class, code, attempts, parked_at) VALUES ('notify', $1, $2, $3, $4, 0, 0, '',"
            " '{}', '', 'discarded', 'permanent', 'contract', 1, $5)",
            event_id,
            story.id,
            RECEIVED.name,
            RECEIVED.topic,
            unit.now,
        )
        await consumer.resumed(unit, story.id)
    (kind, stopped), (then, _) = await emitted(ledger)
    assert (kind, then) == (NOTIFY_STOPPED.name, NOTIFY_RESUMED.name)
    assert (stopped["event_id"], stopped["event_type"]) == (str(event_id), RECEIVED.name)
    assert stopped["reason"] == "discarded"


async def test_a_referral_that_stops_here_is_told_to_triage_once_and_not_again_for_what_waits_behind(
    ledger: Ledger, wording: Wording
) -> None:
    story = Story()
    stop, behind = story.received(), story.screened()
    consumer = NotifyConsumer(wording, ON_CALL, ledger.codec, lambda: None)
    async with ledger.unit([story.id]) as unit:
        first = Parked(stop.id, story.id, stop.type.name, True, "contract", stop, START)
        then = Parked(behind.id, story.id, behind.type.name, False, "behind", behind, START)
        await consumer.stopped(unit, [first, then])
    ((kind, told),) = await emitted(ledger)
    assert (kind, told["event_id"], told["reason"]) == (NOTIFY_STOPPED.name, str(stop.id), "contract")


@pytest.mark.parametrize("anonymous", [False, True])
async def test_nothing_is_told_of_a_child_that_was_erased_on_the_way_and_its_siblings_keep_their_numbers(
    ledger: Ledger, wording: Wording, anonymous: bool
) -> None:
    ids = sorted(new_event_id(START) for _ in range(3))
    story = Story(children=(ids[0], ids[1], ids[2]), anonymous=anonymous)
    gone, stays = ids[0], ids[1]
    received = story.received()
    children = {child: part for child, part in received.payload.children.items() if child != gone}
    payload = received.payload.model_copy(update={"children": children})
    await feed(ledger, wording, replace(received, payload=payload, erased=frozenset({gone})))
    await feed(ledger, wording, story.screened(), story.decided(gone), story.decided(stays))
    table = "untold" if anonymous else "notice"
    told = await ledger.pool.fetch(f"SELECT child_id FROM {table} WHERE kind = 'outcome'")
    assert [row["child_id"] for row in told] == [stays]
    if not anonymous:
        assert b"child 2 of 3" in (await notices(ledger))[-1]["content"]


async def test_no_column_holds_what_belongs_into_a_payload(ledger: Ledger, wording: Wording) -> None:
    story = Story()
    await feed(ledger, wording, story.received(), story.screened(), story.decided(story.children[0]))
    for table in ("referral", "notice", "untold", "receipt"):
        for row in await ledger.pool.fetch(f"SELECT * FROM {table}"):
            plain = repr([value for value in row.values() if not isinstance(value, bytes)])
            for canary in ("referrer@example.org", "Zebedee", "Canary-Test", "breakfast"):
                assert canary not in plain
    for row in await notices(ledger):
        assert b"Zebedee" not in row["content"]
        assert b"breakfast" not in row["content"]


async def test_each_step_of_a_challenge_is_told_once_where_it_is_safe(
    ledger: Ledger, wording: Wording
) -> None:
    told, untold = Story(), Story(anonymous=True)
    for story in (told, untold):
        steps = [story.moved(0, "information"), story.moved(1, "heard"), story.moved(2, "settled")]
        await feed(ledger, wording, story.received(), *steps)
        await feed(ledger, wording, story.moved(2, "settled"))
    rows = [row for row in await notices(ledger) if row["kind"] == "challenge"]
    assert [(row["referral_id"], row["decision"]) for row in rows] == [(told.id, 1), (told.id, 2)]
    assert b"the decision stands" in rows[1]["content"]
    assert b"child 1 of 2" in rows[1]["content"]
    ids = [shared["step"] for _, shared in await emitted(ledger)]
    assert (None in ids, len(set(ids)), len(ids)) == (True, 3, 3)
