"""Who listens to the queue is told of every change once, soon, and goes on where they were."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from services.triage.live import feed as feed_module
from services.triage.live.changes import START, Place, latest, read, touch
from services.triage.live.feed import MOST_CHANGES, MOST_WAITING, Feed, Listener
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.staff import CANARY

HUNGRY = stated("child.hunger", "persistent")


def parsed(message: bytes) -> dict[str, Any]:
    """The fields of one message."""
    fields: dict[str, Any] = {}
    for line in message.decode().splitlines():
        name, _, value = line.partition(": ")
        fields[name] = json.loads(value) if name == "data" else value
    return fields


class Ear:
    """Somebody who listens."""

    def __init__(self, feed: Feed, last: str | None = None, *, sees_all: bool = False) -> None:
        self.stop = asyncio.Event()
        self._messages = feed.messages(last, self.stop, sees_all=sees_all)

    async def hear(self) -> dict[str, Any]:
        """The next message that is no comment."""
        async with asyncio.timeout(30):
            async for message in self._messages:
                fields = parsed(message)
                if "event" in fields:
                    return fields
        raise AssertionError("it ended")

    async def cases(self, *wanted: str) -> str:
        """Waits until all of these were told; gives the last id."""
        missing = set(wanted)
        heard: dict[str, Any] = {}
        while missing:
            heard = await self.hear()
            assert heard["event"] == "changed"
            missing -= {one["id"] for one in heard["data"]["cases"]}
        return str(heard["id"])

    async def close(self) -> None:
        await self._messages.aclose()  # type: ignore[attr-defined]


@pytest.fixture
async def feed(hub: HubWorld) -> AsyncIterator[Feed]:
    feed = Feed(hub.ledger.pool)
    running = asyncio.create_task(feed.run())
    yield feed
    feed.stop()
    await running


Arrive = Callable[[], Awaitable[str]]


@pytest.fixture
def arrive(hub: HubWorld) -> Arrive:
    async def one() -> str:
        story = Story()
        await hub.take(story.received([HUNGRY]))
        return str(story.child_ids[0])

    return one


async def test_a_change_is_told_with_its_version_and_nothing_that_was_said(
    feed: Feed, arrive: Arrive
) -> None:
    ear = Ear(feed)
    assert (await ear.hear())["event"] == "here"
    case_id = await arrive()
    heard = await ear.hear()
    assert heard["data"]["cases"] == [{"id": case_id, "version": "1.0.1.0", "in_queue": True}]
    assert CANARY not in str(heard)
    await ear.close()


async def test_whoever_comes_back_hears_what_was_missed_and_nothing_twice(feed: Feed, arrive: Arrive) -> None:
    ear = Ear(feed)
    await ear.hear()
    last = await ear.cases(await arrive())
    await ear.close()
    missed = [await arrive(), await arrive()]
    back = Ear(feed, last)
    heard = await back.hear()
    assert [one["id"] for one in heard["data"]["cases"]] == missed
    await back.close()


async def test_another_process_takes_a_listener_up_where_they_were(
    feed: Feed, arrive: Arrive, hub: HubWorld
) -> None:
    ear = Ear(feed)
    await ear.hear()
    last = await ear.cases(await arrive())
    await ear.close()
    missed = await arrive()
    other = Feed(hub.ledger.pool)
    running = asyncio.create_task(other.run())
    back = Ear(other, last)
    await back.cases(missed)
    await back.cases(await arrive())
    await back.close()
    other.stop()
    await running


async def test_each_hears_what_they_may_know_five_times_a_second_at_most_though_the_database_goes_away(
    feed: Feed, arrive: Arrive, hub: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[float] = []

    async def timed(*wanted: Any) -> Any:
        reads.append(asyncio.get_running_loop().time())
        if len(reads) == 1:
            raise ConnectionResetError
        return await read(*wanted)

    monkeypatch.setattr(feed_module, "read", timed)
    ear, trusted = Ear(feed), Ear(feed, sees_all=True)
    for one in (ear, trusted):
        await one.hear()
    hidden = await arrive()
    await trusted.cases(hidden)
    await ear.cases(hidden)
    await hub.ledger.pool.execute("UPDATE child_case SET restricted = true")
    async with hub.ledger.pool.acquire() as connection:
        await touch(connection, [UUID(hidden)])
    heard = await trusted.hear()
    assert [one["id"] for one in heard["data"]["cases"]] == [hidden]
    shown = await arrive()
    heard = await ear.hear()
    assert [one["id"] for one in heard["data"]["cases"]] == [shown]
    assert all(later - earlier > 0.19 for earlier, later in pairwise(reads))
    for one in (ear, trusted):
        await one.close()


async def test_many_changes_of_one_case_are_told_once(feed: Feed, hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]))
    ear = Ear(feed, str(START))
    for agency in ("police", "health", "education"):
        await hub.take(story.answer(agency))
    heard = await ear.hear()
    assert [one["id"] for one in heard["data"]["cases"]] == [str(story.child_ids[0])]
    await ear.close()


async def test_a_change_that_commits_late_is_not_passed_over(hub: HubWorld, arrive: Arrive) -> None:
    first, second = await arrive(), await arrive()
    pool = hub.ledger.pool
    async with pool.acquire() as slow, pool.acquire() as reader:
        at = await latest(reader)
        late = slow.transaction()
        await late.start()
        await touch(slow, [Place.parse(f"1-{first.replace('-', '')}").case_id])  # type: ignore[union-attr]
        async with pool.acquire() as quick:
            await touch(quick, [Place.parse(f"1-{second.replace('-', '')}").case_id])  # type: ignore[union-attr]
        assert await read(reader, at, 10) == []
        assert await latest(reader) >= at, (
            "whoever comes back with this place has been told of no more than was"
        )
        await late.commit()
        assert [str(one.place.case_id) for one in await read(reader, at, 10)] == [first, second]


async def test_who_was_away_too_long_is_told_to_read_anew(feed: Feed, hub: HubWorld) -> None:
    await hub.ledger.pool.execute(
        "INSERT INTO child_case (id, referral_id, child_number, received_at, due_at, team, stub, stage, level, rag,"
        " could_rise_to, immediate_danger, unread, unrouted, at_risk, stopped, evidence, answers, evaluation, decision,"
        " announced_level, announced_rag, actions) SELECT gen_random_uuid(), gen_random_uuid(), 1, $1, $1, 'duty',"
        " false, 'checks', 'targeted', 'green', 'targeted', false, false, false, false, false, 1, 0, 1, 0, 'targeted',"
        " 'green', '{}' FROM generate_series(1, $2::int)",
        hub.clock.now(),
        MOST_CHANGES + 1,
    )
    await hub.ledger.pool.execute("INSERT INTO case_change (case_id) SELECT id FROM child_case")
    ear = Ear(feed, str(START))
    heard = await ear.hear()
    assert (heard["event"], heard["data"]) == ("reset", {})
    await ear.close()
    back = Ear(feed, heard["id"])
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.6):
            raise AssertionError(await back.hear())
    await back.close()


@pytest.mark.parametrize("last", ["", "x", "12", "99999999999-" + "0" * 32, "1-" + "g" * 32])
async def test_a_place_that_is_none_is_answered_with_reset(feed: Feed, last: str) -> None:
    ear = Ear(feed, last)
    assert (await ear.hear())["event"] == "reset"
    await ear.close()


def test_who_cannot_keep_up_is_ended_and_holds_no_more_than_it_may() -> None:
    listener = Listener()
    for number in range(3 * MOST_WAITING):
        listener.tell(b"%d" % number)
    held = [listener.waiting.get_nowait() for _ in range(listener.waiting.qsize())]
    assert len(held) <= MOST_WAITING
    assert held[-1] is None or None in held


async def test_of_many_who_come_at_once_no_more_listen_than_may(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "MOST_LISTENERS", 2)
    ears = [Ear(feed) for _ in range(3)]
    heard = await asyncio.gather(*(ear.hear() for ear in ears), return_exceptions=True)
    assert [isinstance(one, AssertionError) for one in heard] == [False, False, True]
    for ear in ears:
        await ear.close()


async def test_listeners_who_do_not_read_keep_no_connection_from_others(feed: Feed, hub: HubWorld) -> None:
    ears = [Ear(feed) for _ in range(hub.ledger.pool.get_max_size() + 1)]
    try:
        async with asyncio.timeout(10):
            # None of them asks for a further message, as with a socket that is full.
            assert {(await ear.hear())["event"] for ear in ears} == {"here"}
    finally:
        for ear in ears:
            await ear.close()


async def test_a_listener_ends_cleanly_when_the_service_stops(feed: Feed) -> None:
    ear = Ear(feed)
    await ear.hear()
    hearing = asyncio.create_task(ear.hear())
    await asyncio.sleep(0)
    ear.stop.set()
    with pytest.raises(AssertionError, match="it ended"):
        await hearing
    other = Ear(feed)
    await other.hear()
    feed.stop()
    with pytest.raises(AssertionError, match="it ended"):
        await other.hear()
    assert feed.full, "a process that ends takes nobody up"


async def test_a_silent_queue_keeps_the_connection_alive(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "KEEP_ALIVE_SECONDS", 0.05)
    stop = asyncio.Event()
    messages = feed.messages(None, stop)
    heard = [await anext(messages) for _ in range(4)]
    assert heard[-1] == b": still here\n\n"
    others = asyncio.all_tasks()
    hearing = asyncio.ensure_future(anext(messages))
    await asyncio.sleep(0.01)
    hearing.cancel()
    await asyncio.wait([hearing])
    await asyncio.sleep(0.01)
    assert not asyncio.all_tasks() - others, "who hangs up leaves nobody waiting"


async def test_nobody_reads_while_nobody_listens(
    feed: Feed, arrive: Arrive, hub: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = Feed(hub.ledger.pool)
    ear = Ear(alone)
    await ear.hear()
    await arrive()

    async def meanwhile(*wanted: Any) -> Any:
        await ear.close()
        return await read(*wanted)

    with monkeypatch.context() as patched:
        patched.setattr(feed_module, "read", meanwhile)
        await alone._tell()
    assert alone._at is None, "it left while its changes were read"
    hub.clock.advance(timedelta(hours=1))
    again = Ear(feed)
    assert (await again.hear())["event"] == "here"
    await again.cases(await arrive())
    await again.close()
