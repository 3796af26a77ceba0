"""A child's own history in the events that enrichment writes, whatever the order in which it hears of things."""

import asyncio
import itertools
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

import asyncpg
import pytest
from stdnum.gb import nhs

from libs.messaging.event import Event
from libs.schemas.events import CHILDREN_FOUND
from libs.schemas.findings import AgencyState, Fact
from libs.schemas.history import SameEvent
from libs.schemas.levels import Level
from libs.schemas.people import Band, LinkMethod
from libs.schemas.plans import Plan, PlanKind
from libs.schemas.referral import ChildInformation
from services.enrichment.asking.agency import Reply
from services.enrichment.people.index import Index
from services.enrichment.people.subject import Subject
from tests.services.enrichment.conftest import FINCH, WREN
from tests.services.enrichment.family.conftest import (
    DAY,
    HOME,
    HUNGER,
    MOTHER,
    NOON,
    Hub,
    Told,
    child,
)


async def test_somebody_new_is_told_as_new_with_nothing_before(hub: Hub) -> None:
    case = Told()
    await hub.take(case.received())
    (linked,) = await hub.linked(case.child)
    assert (linked.revision, linked.band, linked.method) == (1, Band.NONE, LinkMethod.NEW)
    assert (linked.history.earlier, linked.household) == ((), ())


async def test_a_child_who_came_before_is_told_with_what_was_stated_and_decided(hub: Hub) -> None:
    before, now = Told(children=(child(facts=[HUNGER]),), at=NOON), Told(at=NOON + 90 * DAY)
    await hub.take(before.received())
    await hub.take(before.decided(NOON + DAY))
    await hub.take(now.received())
    linked = await hub.last(now.child)
    assert (linked.band, linked.method) == (Band.SAME, LinkMethod.IDENTIFIER)
    (report,) = linked.history.earlier
    assert (report.case_id, report.reference, report.agency) == (before.child, before.reference, "school")
    assert (report.level, report.decided_on) == (Level.EARLY_HELP, (NOON + DAY).date())
    assert report.facts == (Fact.model_validate(HUNGER),)


async def test_a_decision_on_an_earlier_referral_is_told_to_the_open_case(hub: Hub) -> None:
    before, now = Told(at=NOON), Told(at=NOON + 9 * DAY)
    await hub.take(before.received())
    await hub.take(now.received())
    await hub.take(before.decided(NOON + 10 * DAY))
    first, second = await hub.linked(now.child)
    assert [first.history.earlier[0].decided_on, second.history.earlier[0].decided_on] == [
        None,
        (NOON + 10 * DAY).date(),
    ]
    assert second.revision == 2
    assert len(await hub.linked(before.child)) == 1
    rung = await hub.ledger.pool.fetch("SELECT referral_id FROM timer")
    assert [row["referral_id"] for row in rung] == [now.id]


async def test_an_earlier_decision_that_comes_late_changes_nothing(hub: Hub) -> None:
    before, now = Told(at=NOON), Told(at=NOON + 9 * DAY)
    await hub.take(before.received(), now.received())
    await hub.take(before.decided(NOON + 2 * DAY, Level.SECTION_17, number=2))
    await hub.take(before.decided(NOON + DAY, number=1))
    (report,) = (await hub.last(now.child)).history.earlier
    assert (report.level, report.decided_on) == (Level.SECTION_17, (NOON + 2 * DAY).date())


async def test_a_case_that_is_decided_is_told_nothing_more_of_others(hub: Hub) -> None:
    before, now = Told(at=NOON), Told(at=NOON + 9 * DAY)
    await hub.take(before.received(), now.received())
    await hub.take(now.decided(NOON + 9 * DAY))
    await hub.take(before.decided(NOON + 10 * DAY))
    assert len(await hub.linked(now.child)) == 1


@pytest.mark.parametrize("together", [True, False])
async def test_the_order_of_everything_changes_no_history(hub: Hub, together: bool) -> None:
    """Two referrals about one child, the decision on the first and facts added to it, interleaved in every way."""
    found = set()
    numbers = (number for digits in range(10_000) if nhs.is_valid(number := f"999007{digits:04}"))
    for order in sorted(set(itertools.permutations("rrdf"))):
        own = child(nhs_number=next(numbers))
        before = Told(children=(own,), at=NOON)
        now = Told(children=(own,), at=NOON + 9 * DAY, agency="police")
        received = [now.received(), before.received()]
        events: list[Event] = []
        for which in order:
            if which == "r":
                events.append(received.pop())
            elif which == "d":
                events.append(before.decided(NOON + DAY))
            else:
                events.append(_informed(before))
        for batch in [events] if together else [[event] for event in events]:
            await hub.take(*batch)
        linked = await hub.last(now.child)
        (report,) = linked.history.earlier
        found.add(
            (report.decided_on, report.facts, linked.history.event, (await hub.last(before.child)).history)
        )
    assert len(found) == 1


def _informed(case: Told) -> Event:
    event = case.informed("given")
    part = ChildInformation(child=1, facts=(Fact.model_validate(HUNGER),))
    return replace(event, payload=event.payload.model_copy(update={"children": {case.child: part}}))


async def test_referrals_that_arrive_in_the_other_order_see_each_other_as_they_were_received(
    hub: Hub,
) -> None:
    before, now = Told(at=NOON), Told(at=NOON + 9 * DAY)
    await hub.take(now.received())
    assert (await hub.last(now.child)).history.earlier == ()
    await hub.take(before.received())
    assert [one.case_id for one in (await hub.last(now.child)).history.earlier] == [before.child]
    assert (await hub.last(before.child)).history.earlier == ()


async def test_the_same_event_reported_twice_keeps_both_sources_under_one_label(hub: Hub) -> None:
    body = {"source_reference": "CPOMS-118"}
    first, again = Told(body=body, at=NOON), Told(body=body, at=NOON + DAY)
    await hub.take(first.received())
    await hub.take(again.received())
    history = (await hub.last(again.child)).history
    assert history.event == history.earlier[0].event == first.reference
    assert [(one.case_id, one.decided) for one in history.duplicates] == [(first.child, SameEvent.SAME)]


async def test_a_person_decides_on_a_doubtful_duplicate_and_can_take_it_back(hub: Hub) -> None:
    first, again = Told(at=NOON), Told(at=NOON + DAY, agency="police")
    await hub.take(first.received())
    await hub.take(again.received())
    command_id = uuid.uuid4()
    await hub.take(again.said("same_event", NOON + 2 * DAY, case_id=first.child, command_id=command_id))
    await hub.take(again.said("undo", NOON + 3 * DAY, undoes=command_id))
    told = [one.history for one in await hub.linked(again.child)]
    assert [one.duplicates[0].decided for one in told] == [None, SameEvent.SAME, None]
    assert [one.event for one in told] == [None, first.reference, None]


async def test_a_command_that_comes_twice_or_before_its_referral_has_one_effect(hub: Hub) -> None:
    first, again = Told(at=NOON), Told(at=NOON + DAY, agency="police")
    said = again.said("same_event", NOON + 2 * DAY, case_id=first.child)
    await hub.take(first.received())
    await hub.take(said)
    await hub.take(again.received(), said)
    assert [one.history.event for one in await hub.linked(again.child)] == [first.reference]


async def test_a_link_that_staff_make_brings_the_history_and_taking_it_back_takes_it_away(hub: Hub) -> None:
    before = Told(children=(child(nhs_number=None, born=None),), at=NOON)
    now = Told(children=(child(nhs_number=None, born={"on": "2015-02-12"}),), at=NOON + 9 * DAY)
    await hub.take(before.received())
    await hub.take(now.received())
    offered = await hub.last(now.child)
    (candidate,) = offered.candidates
    assert (offered.band, offered.history.earlier) == (Band.NONE, ())
    command_id = uuid.uuid4()
    link = now.said("link", NOON + 10 * DAY, person_id=candidate.person_id, command_id=command_id)
    await hub.take(link)
    linked = await hub.last(now.child)
    assert (linked.method, linked.person_id) == (LinkMethod.STAFF, candidate.person_id)
    assert [one.case_id for one in linked.history.earlier] == [before.child]
    await hub.take(now.said("undo", NOON + 11 * DAY, undoes=command_id))
    assert (await hub.last(now.child)).history.earlier == ()


async def test_merging_two_persons_is_told_to_the_open_cases_of_both(hub: Hub) -> None:
    first = Told(children=(child(nhs_number=None, given_name="Jenny"),), at=NOON)
    second = Told(children=(child(nhs_number=None, given_name="Jen"),), at=NOON + 9 * DAY)
    third = Told(at=NOON + 20 * DAY)
    for case in (first, second, third):
        await hub.take(case.received())
    one, other = (await hub.last(first.child)).person_id, (await hub.last(second.child)).person_id
    await hub.take(third.said("merge", NOON + 21 * DAY, person_id=one, other_id=other))
    linked = await hub.last(second.child)
    assert linked.person_id == one
    assert [report.case_id for report in linked.history.earlier] == [first.child]
    assert len(await hub.linked(third.child)) == 1


async def test_nothing_is_told_twice(hub: Hub) -> None:
    case = Told(body={"adults": [MOTHER]}, at=NOON)
    received = case.received()
    await hub.take(received, received)
    await hub.take(received)
    await hub.take(_informed(case))
    await hub.take(_informed(case))
    assert len(await hub.linked(case.child)) == 1


async def test_a_batch_is_identified_in_one_call(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    identify = Index.identify

    async def counting(
        self: Index, connection: asyncpg.Connection, subjects: Sequence[Subject], now: datetime
    ) -> object:
        calls.append(len(subjects))
        return await identify(self, connection, subjects, now)

    monkeypatch.setattr(Index, "identify", counting)
    cases = [Told(children=(child(**HOME),), body={"adults": [MOTHER]}, at=NOON + n * DAY) for n in range(20)]
    await hub.take(*(case.received() for case in cases))
    assert calls == [40]
    assert len((await hub.last(cases[-1].child)).history.earlier) == 19


async def erased_on_the_way(hub: Hub) -> tuple[Told, uuid.UUID, uuid.UUID]:
    """A referral of two children of whom the first was erased before enrichment took it."""
    case = Told(children=(WREN, FINCH), at=NOON)
    case.child_ids.sort()
    gone, stays = case.child_ids
    received = case.received()
    payload = received.payload.model_copy(update={"children": {stays: received.payload.children[stays]}})
    await hub.take(replace(received, payload=payload, erased=frozenset({gone})))
    return case, gone, stays


async def test_a_child_who_was_erased_on_the_way_is_told_nothing_of(hub: Hub) -> None:
    _, gone, stays = await erased_on_the_way(hub)
    assert await hub.linked(gone) == []
    assert len(await hub.linked(stays)) == 1
    assert not any(kind is CHILDREN_FOUND for kind, _, _ in await hub.told())


async def test_a_correction_brings_no_child_back_who_was_erased_on_the_way(hub: Hub) -> None:
    case, gone, stays = await erased_on_the_way(hub)
    await hub.take(case.corrected({gone: {"given_name": "Ren"}, stays: {"given_name": "Robin"}}))
    async with hub.ledger.pool.acquire() as connection:
        kept = (await hub.store.kept(connection, [case.id]))[case.id].children
    assert {child_id: one.given_name for child_id, one in kept.items()} == {stays: "Robin"}
    known = await hub.ledger.pool.fetch("SELECT id FROM child WHERE referral_id = $1", case.id)
    assert [row["id"] for row in known] == [stays]
    assert await hub.linked(gone) == []


async def test_a_decision_and_a_new_referral_at_the_same_moment_miss_each_other_in_no_order(hub: Hub) -> None:
    """Neither unit sees what the other has not committed: the one that comes second waits, and tells."""
    before, now = Told(at=NOON), Told(at=NOON + 9 * DAY)
    await hub.take(before.received())

    async def take(event: Event) -> None:
        async with hub.ledger.unit([event.referral_id]) as unit:
            await hub.consumer.handle(unit, [event])
            await asyncio.sleep(0.1)

    await asyncio.gather(take(now.received()), take(before.decided(NOON + DAY)))
    await hub.settle()
    (report,) = (await hub.last(now.child)).history.earlier
    assert report.decided_on == (NOON + DAY).date()


async def test_a_plan_that_was_told_of_for_an_earlier_referral_is_known_to_a_later_one(hub: Hub) -> None:
    """Also where the answer comes after the later referral, and where a later answer says that the plan has ended."""
    first, second, third = (Told(at=NOON + number * 30 * DAY) for number in range(3))
    for case in (first, second, third):
        await hub.take(case.received(), case.screened())
    plan = {"kind": "child_protection", "opened": "2025-11-03"}
    await hub.answered(first, "police", plans=(plan,))
    (known,) = (await hub.last(third.child)).history.plans
    assert (known.kind, known.opened, known.closed) == (PlanKind.CHILD_PROTECTION, date(2025, 11, 3), None)
    assert (known.agency, known.case_id) == ("police", first.child)
    await hub.answered(second, "police", plans=({**plan, "closed": "2026-03-20"},))
    (known,) = (await hub.last(third.child)).history.plans
    assert (known.closed, known.case_id) == (date(2026, 3, 20), second.child)
    assert (await hub.last(first.child)).history.plans == ()


async def test_a_plan_that_was_told_of_by_mistake_leaves_the_history_of_later_referrals(hub: Hub) -> None:
    first, second = Told(at=NOON), Told(at=NOON + DAY)
    for case in (first, second):
        await hub.take(case.received(), case.screened())
    plan = {"kind": "child_protection", "opened": "2025-11-03"}
    await hub.answered(first, "police", plans=(plan,))
    assert len((await hub.last(second.child)).history.plans) == 1
    await hub.takes_back(first, "police")
    assert (await hub.last(second.child)).history.plans == ()
    ended = Plan.model_validate({**plan, "closed": "2026-01-20"})
    await hub.takes_back(first, "police", Reply(AgencyState.RETURNED, plans=(ended,)))
    (known,) = (await hub.last(second.child)).history.plans
    assert known.closed == ended.closed
