"""A second report of one event keeps the first report's clock."""

from datetime import UTC, datetime, timedelta

from libs.schemas.history import PossibleDuplicate, SameEvent
from tests.services.triage.conftest import MONDAY, NEGLECTED, HubWorld, Story
from tests.services.triage.staff import Person

MONDAYS_CLOCK = datetime(2026, 11, 24, 17, 30, tzinfo=UTC)
TUESDAYS_CLOCK = datetime(2026, 11, 25, 17, 30, tzinfo=UTC)


def twin(first: Story, decided: SameEvent | None) -> PossibleDuplicate:
    return PossibleDuplicate(
        case_id=first.child_ids[0], reference=first.reference, because=("same_day",), decided=decided
    )


async def twice(hub: HubWorld) -> tuple[Story, Story]:
    """What the school reports on Monday, and the police on Tuesday."""
    first = Story()
    await hub.take(first.received(NEGLECTED), first.completed())
    hub.clock.set(MONDAY + timedelta(days=1))
    second = Story(at=MONDAY + timedelta(days=1))
    await hub.take(second.received(NEGLECTED))
    return first, second


async def test_the_second_report_is_due_with_the_first(hub: HubWorld) -> None:
    first, second = await twice(hub)
    child = second.child_ids[0]
    assert (await hub.case(child)).due_at == TUESDAYS_CLOCK
    await hub.take(second.linked(duplicates=(twin(first, None),)))
    assert (await hub.case(child)).due_at == TUESDAYS_CLOCK
    await hub.take(second.linked(duplicates=(twin(first, SameEvent.SAME),), revision=2))
    case = await hub.case(child)
    assert (case.counts_from, case.due_at) == (MONDAY, MONDAYS_CLOCK)
    assert case.rag_due_at == (await hub.case(first.child_ids[0])).rag_due_at
    armed = await hub.rows("SELECT due_at FROM timer WHERE kind = 'decision' AND subject = $1", child)
    assert [row[0] for row in armed] == [MONDAYS_CLOCK]
    name, told = (await hub.emitted(second.id))[-1]
    assert (name, told.children[child].due_at) == ("case-screened", MONDAYS_CLOCK)


async def test_another_event_after_all_has_its_own_clock(hub: HubWorld) -> None:
    first, second = await twice(hub)
    await hub.take(second.linked(duplicates=(twin(first, SameEvent.SAME),)))
    await hub.take(second.linked(duplicates=(twin(first, SameEvent.OTHER),), revision=2))
    case = await hub.case(second.child_ids[0])
    assert (case.clock_from, case.due_at) == (None, TUESDAYS_CLOCK)


async def test_a_report_of_what_is_decided_already_is_news_with_its_own_clock(
    hub: HubWorld, worker: Person, manager: Person
) -> None:
    first, second = await twice(hub)
    child = first.child_ids[0]
    await worker.read(child)
    _, tag = await manager.open(child)
    wish = {"level": "section_17", "destination": "csc_section_17"}
    assert (await manager.decide(child, tag, **wish)).status_code == 200
    await hub.take(second.linked(duplicates=(twin(first, SameEvent.SAME),)))
    assert (await hub.case(second.child_ids[0])).due_at == TUESDAYS_CLOCK


async def test_a_first_report_that_is_decided_later_takes_its_clock_from_nobody(
    hub: HubWorld, worker: Person, manager: Person
) -> None:
    first, second = await twice(hub)
    await hub.take(second.linked(duplicates=(twin(first, SameEvent.SAME),)))
    child = first.child_ids[0]
    await worker.read(child)
    _, tag = await manager.open(child)
    wish = {"level": "section_17", "destination": "csc_section_17"}
    assert (await manager.decide(child, tag, **wish)).status_code == 200
    await hub.take(second.linked(duplicates=(twin(first, SameEvent.SAME),), revision=2))
    assert (await hub.case(second.child_ids[0])).due_at == MONDAYS_CLOCK
