"""Whatever the order in which the services' topics arrive, however batched, and by how many instances, a case ends
as it must."""

import asyncio
import random
import uuid
from collections.abc import Sequence
from datetime import date
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.messaging.event import Event
from libs.schemas.events import NOTICE_FAILED, NoticeFailed, NoticeResult
from libs.schemas.history import EarlierReport
from libs.schemas.notice import NoticeChannel, NoticeKind
from libs.schemas.referral import ReferredChild
from services.triage.thresholds import Thresholds
from tests.services.triage.conftest import AGENCIES, MONDAY, HubWorld, Story, stated
from tests.services.triage.furnishing import consumer_of

FACTS = [
    stated("child.hunger", "persistent"),
    stated("child.disclosed_physical_abuse", True),
    stated("household.strangulation_or_weapon", True),
    stated("household.domestic_abuse", "repeated"),
    stated("child.attendance_percent", 80),
    stated("family.help_not_resolving", True),
    stated("child.non_mobile", True),
    stated("child.injury", "explained"),
]
EARLIER = [
    EarlierReport(on=date(2026, month, 1), decided_on=date(2026, month, 3), facts=(FACTS[month % 8],))
    for month in range(5, 10)
]


def tell(story: Story, random: random.Random) -> list[list[Event]]:
    """What each service says of a referral, in its own order."""

    def some() -> list[Any]:
        return random.sample(FACTS, random.choice((0, 0, 1, 2)))

    further = (
        lambda: story.information(*some(), worry="More."),
        lambda: story.agreement(random.choice(("given", "refused"))),
        story.withdrawn,
    )
    intake = [story.received(*(some() for _ in story.child_ids), immediate_danger=random.random() < 0.1)]
    intake += [random.choice(further)() for _ in range(random.randrange(4))]
    silences = ("no_answer", "unavailable", "declined", "not_requested")
    silent = {agency: random.choice(silences) for agency in AGENCIES if random.random() < 0.25}
    enrichment = [
        story.answer(agency, *some(), child=child)
        for agency in AGENCIES
        if agency not in silent
        for child in range(len(story.child_ids))
    ]
    enrichment += [
        story.linked(*EARLIER[: revision * 2], child=child, revision=revision)
        for child in range(len(story.child_ids))
        for revision in range(1, random.choice((2, 3)))
    ]
    if random.random() < 0.3:
        place = random.randrange(len(enrichment) + 1)
        enrichment.insert(place, story.found(ReferredChild(given_name="Found", facts=tuple(some()))))
    enrichment.append(story.completed(silent))
    enrichment += [story.answer(agency, *some(), late=True) for agency in silent if random.random() < 0.5]
    result = NoticeResult(
        reference=story.reference,
        notice_id=uuid.uuid4(),
        kind=NoticeKind.RECEIPT,
        channel=NoticeChannel.EMAIL,
        at=MONDAY,
    )
    return [intake, enrichment, [story.event(NOTICE_FAILED, NoticeFailed(shared=result))]]


def shuffled(topics: Sequence[Sequence[Event]], random: random.Random) -> list[Event]:
    """The topics put into each other at random, each in its own order."""
    left = [list(topic) for topic in topics if topic]
    order = []
    while left:
        topic = random.choice(left)
        order.append(topic.pop(0))
        left = [one for one in left if one]
    return order


def batches(events: Sequence[Event], random: random.Random) -> list[list[Event]]:
    found: list[list[Event]] = []
    rest = list(events)
    while rest:
        size = random.randrange(1, 6)
        found.append(rest[:size])
        rest = rest[size:]
    return found


async def end(hub: HubWorld, story: Story) -> list[Any]:
    """Everything about a referral's cases that may not hang on the order of arrival."""
    found: list[Any] = []
    for child in story.child_ids:
        case = await hub.case(child)
        found.append(
            (
                case.stage,
                case.level,
                case.rag,
                case.could_rise_to,
                case.destination,
                case.team,
                case.immediate_danger,
                case.unread,
                case.due_at,
                case.read_due_at,
                case.rag_due_at,
                case.act_by,
                case.withdrawn_at,
                case.completed_at,
                case.words,
                sorted(case.actions),
            )
        )
        states = await hub.rows("SELECT agency, state FROM agency_state WHERE case_id = $1 ORDER BY 1", child)
        found.append([tuple(row) for row in states])
        answered = await hub.rows(
            "SELECT event_id FROM evaluation WHERE case_id = $1 AND trigger = 'answer' ORDER BY 1", child
        )
        found.append([row[0] for row in answered])
        clocks = await hub.rows(
            "SELECT kind, due_at FROM timer WHERE subject = $1 AND state = 'armed' ORDER BY 1", child
        )
        found.append([tuple(row) for row in clocks])
        last = await hub.rows(
            "SELECT level, rag, could_rise_to FROM evaluation WHERE case_id = $1 ORDER BY number DESC LIMIT 1",
            child,
        )
        found.append(tuple(last[0]))
    found.append(
        [
            row[0]
            for row in await hub.rows("SELECT kind FROM task WHERE referral_id = $1 ORDER BY 1", story.id)
        ]
    )
    return found


async def forget(hub: HubWorld, story: Story) -> None:
    """Takes a referral out of the database, so that it can be told again."""
    for table in ("evidence", "evaluation", "agency_state"):
        await hub.rows(f"DELETE FROM {table} WHERE case_id = ANY ($1)", story.child_ids)
    for table in ("child_case", "task", "timer", "outbox", "stream"):
        await hub.rows(f"DELETE FROM {table} WHERE referral_id = $1", story.id)
    await hub.rows("DELETE FROM referral WHERE id = $1", story.id)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_order_of_topics_changes_nothing_in_the_end(hub: HubWorld, seed: int) -> None:
    chance = random.Random(seed)
    story = Story(children=chance.choice((1, 2)))
    topics = tell(story, chance)
    ends = []
    for shuffle in (False, True, True):
        await forget(hub, story)
        order = shuffled(topics, chance) if shuffle else [event for topic in topics for event in topic]
        for batch in batches(order, chance):
            await hub.take(*batch)
        assert await hub.rows("SELECT 1 FROM held") == []
        ends.append(await end(hub, story))
    assert ends[1] == ends[0]
    assert ends[2] == ends[0]


async def test_two_instances_that_take_turns_at_one_referral_lose_and_double_nothing(
    hub: HubWorld, thresholds: Thresholds
) -> None:
    other = HubWorld(
        hub.ledger,
        consumer_of(thresholds, hub.policies),
        hub.policies,
        hub.clock,
    )
    stories = [Story() for _ in range(6)]
    answers = {
        story.id: [story.answer(AGENCIES[number % 4], FACTS[number % 3]) for number in range(12)]
        for story in stories
    }
    await hub.take(*(story.received([FACTS[0]]) for story in stories))
    await asyncio.gather(
        *(
            (hub, other)[number % 2].take(*(answers[story.id][number] for story in chosen))
            for number in range(12)
            for chosen in (stories[:4], stories[4:])
        )
    )

    for story in stories:
        rows = await hub.rows(
            "SELECT event_id FROM evaluation WHERE case_id = $1 AND trigger = 'answer'", story.child_ids[0]
        )
        assert sorted(row[0] for row in rows) == sorted(event.id for event in answers[story.id])
        numbers = await hub.rows(
            "SELECT number FROM evaluation WHERE case_id = $1 ORDER BY 1", story.child_ids[0]
        )
        assert [row[0] for row in numbers] == list(range(1, 14))
