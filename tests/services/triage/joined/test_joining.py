"""A second report of one event counts for the case that is open, and what comes on a worker's case goes to them."""

from datetime import timedelta
from typing import Any

import pytest

from libs.messaging.event import Event
from libs.schemas.findings import Fact
from libs.schemas.history import PossibleDuplicate, SameEvent
from libs.schemas.levels import Level
from services.triage import reckoning
from services.triage.casework import LOOK_AT_NEWS, Casework
from services.triage.joined.joining import Joining
from services.triage.policies.replay import Result
from services.triage.policy import evaluate
from services.triage.thresholds import Thresholds
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.restricted.test_leaks import STAFF
from tests.services.triage.staff import Person
from tests.services.triage.test_family import HUNGRY, STRANGLED, counts, replays
from tests.services.triage.test_readings import without_the_flag

REPEATED = stated("household.domestic_abuse", "repeated")


@pytest.fixture
async def joining(hub: HubWorld, thresholds: Thresholds) -> Joining:
    await hub.policies.start(hub.ledger)
    return Joining(hub.ledger, Casework(thresholds), hub.policies)


def repeats(
    later: Story, earlier: Story, decided: SameEvent | None = SameEvent.SAME, revision: int = 1
) -> Event:
    one = PossibleDuplicate(
        case_id=earlier.child_ids[0], reference=earlier.reference, because=("same_day",), decided=decided
    )
    return later.linked(duplicates=(one,), revision=revision)


async def two(
    hub: HubWorld, *facts: Fact, decided: SameEvent | None = SameEvent.SAME, children: int = 1
) -> tuple[Story, Story]:
    """A case that is open, and a second report of the same event."""
    earlier, later = Story(children=children), Story()
    await hub.take(earlier.received(*[[HUNGRY]] * children))
    await hub.take(later.received(list(facts)), repeats(later, earlier, decided))
    return earlier, later


async def news(hub: HubWorld, story: Story) -> int:
    rows = await hub.rows(
        "SELECT 1 FROM task WHERE referral_id = $1 AND kind = $2 AND done_at IS NULL", story.id, LOOK_AT_NEWS
    )
    return len(rows)


async def level(hub: HubWorld, story: Story, child: int = 0) -> Level:
    found: Level = (await hub.case(story.child_ids[child])).level
    return found


async def test_what_it_says_counts_for_the_open_case_and_for_its_home_at_once(
    hub: HubWorld, joining: Joining, worker: Person
) -> None:
    earlier, later = await two(hub, STRANGLED, children=2)
    assert await level(hub, earlier) < Level.SECTION_47
    assert await joining.sweep() == 1
    for child in (0, 1):
        assert await level(hub, earlier, child) is Level.SECTION_47
    assert (await hub.names(earlier.id)).count("case-screened") == 2
    assert await news(hub, earlier) == 1
    assert await replays(hub, earlier) == {Result.SAME}
    view, _ = await worker.open(earlier.child_ids[0])
    [shown] = view["evidence"]["joined"]
    assert (shown["case_id"], shown["reference"]) == (str(later.child_ids[0]), later.reference)
    entries = (await worker.get(f"/v1/cases/{earlier.child_ids[0]}/chronology")).json()["items"]
    assert later.reference in {one["reference"] for one in entries}
    # Whoever came second still gets a decision.
    assert (await hub.case(later.child_ids[0])).act_by is not None
    assert await joining.sweep() == 0


async def test_a_report_that_may_be_of_the_same_event_joins_when_a_person_says_so_and_leaves_when_they_take_it_back(
    hub: HubWorld, joining: Joining
) -> None:
    earlier, later = await two(hub, STRANGLED, decided=None)
    assert await joining.sweep() == 0
    await hub.take(repeats(later, earlier, SameEvent.SAME, revision=2))
    assert await joining.sweep() == 1
    assert await level(hub, earlier) is Level.SECTION_47
    await hub.take(repeats(later, earlier, SameEvent.OTHER, revision=3))
    assert await joining.sweep() == 1
    assert await level(hub, earlier) < Level.SECTION_47
    assert "household.strangulation_or_weapon" not in dict(await counts(hub, earlier, 0))
    kinds = await hub.rows("SELECT 1 FROM evidence WHERE kind = 'joined'")
    assert len(kinds) == 2, "both stay on record"
    assert await replays(hub, earlier) == {Result.SAME}


async def test_what_is_learnt_later_of_the_second_report_counts_too(
    hub: HubWorld, joining: Joining, worker: Person
) -> None:
    earlier, later = await two(hub)
    await joining.sweep()
    await hub.take(later.information(REPEATED))
    assert await joining.sweep() == 1
    assert "household.domestic_abuse" in dict(await counts(hub, earlier, 0))
    await worker.read(later.child_ids[0], facts=[STRANGLED.model_dump(mode="json")])
    assert await joining.sweep() == 1
    assert await level(hub, earlier) is Level.SECTION_47


async def test_what_staff_are_told_about_the_second_report_counts_too(
    hub: HubWorld, joining: Joining, worker: Person
) -> None:
    earlier, later = await two(hub)
    assert await joining.sweep() == 1
    call = {
        "source": "family",
        "how": "telephone",
        "said_by": "his mother",
        "on": "2026-11-20",
        "note": "Rang.",
    }
    told = {**call, "facts": [STRANGLED.model_dump(mode="json")]}
    added = await worker.post(f"/v1/cases/{later.child_ids[0]}/facts", told)
    assert added.status_code == 201, added.text
    assert await joining.sweep() == 1
    assert await level(hub, earlier) is Level.SECTION_47


async def test_it_puts_a_decision_at_risk_and_never_changes_it_and_a_closed_case_hears_nothing(
    hub: HubWorld, joining: Joining
) -> None:
    earlier, later = Story(), Story()
    await hub.take(earlier.received([HUNGRY]), earlier.completed())
    case_id = earlier.child_ids[0]
    await hub.rows("UPDATE child_case SET decision = 1, unread = false WHERE id = $1", case_id)
    await hub.take(later.received([STRANGLED]), repeats(later, earlier))
    await joining.sweep()
    case = await hub.case(case_id)
    assert (case.decision, case.at_risk) == (1, True)

    closed, last = Story(), Story()
    await hub.take(closed.received([HUNGRY]))
    await hub.rows("UPDATE child_case SET closed_at = received_at WHERE id = $1", closed.child_ids[0])
    await hub.take(last.received([STRANGLED]), repeats(last, closed))
    assert await joining.sweep() == 0
    assert await level(hub, closed) < Level.SECTION_47


@pytest.mark.parametrize("applied", [evaluate, without_the_flag], ids=["by a rule", "without one"])
async def test_danger_in_a_second_report_is_danger_on_the_open_case(
    hub: HubWorld, joining: Joining, monkeypatch: pytest.MonkeyPatch, applied: object
) -> None:
    monkeypatch.setattr(reckoning, "evaluate", applied)
    earlier, later = Story(), Story()
    await hub.take(earlier.received([HUNGRY]))
    await hub.take(later.received([HUNGRY], immediate_danger=True), repeats(later, earlier))
    await joining.sweep()
    case = await hub.case(earlier.child_ids[0])
    assert (case.immediate_danger, case.rag) == (True, "red")


async def test_the_second_case_is_whose_the_first_one_is_and_so_is_the_task(
    hub: HubWorld, joining: Joining, worker: Person, manager: Person
) -> None:
    earlier, later = Story(), Story()
    await hub.take(earlier.received([HUNGRY]), later.received([REPEATED]))
    await worker.put(f"/v1/cases/{earlier.child_ids[0]}/allocation", {"worker": worker.id})
    await hub.take(repeats(later, earlier))
    await joining.sweep()
    mine = (await worker.get("/v1/queue", worker=worker.id)).json()["items"]
    assert {one["case_id"] for one in mine} == {str(earlier.child_ids[0]), str(later.child_ids[0])}
    # A case that somebody has is not taken from them.
    third = Story()
    await hub.take(third.received([REPEATED]))
    await manager.put(f"/v1/cases/{third.child_ids[0]}/allocation", {"worker": "staff-sw-2"})
    await hub.take(repeats(third, earlier))
    await joining.sweep()
    attended = (await manager.get(f"/v1/cases/{third.child_ids[0]}/attendance")).json()
    assert attended["allocation"]["worker"] == "staff-sw-2"


async def test_what_comes_on_a_workers_case_leaves_them_a_task_and_on_nobodys_case_none(
    hub: HubWorld, worker: Person
) -> None:
    story, nobodys = Story(), Story()
    for one in (story, nobodys):
        await hub.take(one.received([HUNGRY]))
        await hub.rows("UPDATE child_case SET unread = false WHERE id = $1", one.child_ids[0])
    await worker.put(f"/v1/cases/{story.child_ids[0]}/allocation", {"worker": worker.id})
    for one in (story, nobodys):
        await hub.take(one.answer("police"), one.information(REPEATED))
    assert (await news(hub, story), await news(hub, nobodys)) == (1, 0)
    await hub.take(story.completed(), story.corrected("police", REPEATED))
    await hub.take(story.answer("health", REPEATED, late=True))
    await hub.take(story.withdrawn())
    assert await news(hub, story) == 4


async def test_a_restricted_report_is_not_named_on_the_case_that_it_joined(
    hub: HubWorld, joining: Joining, worker: Person, manager: Person, trusted: Person
) -> None:
    earlier, later = await two(hub, REPEATED)
    await joining.sweep()
    await manager.put(f"/v1/cases/{later.child_ids[0]}/restriction", STAFF)
    for path in (f"/v1/cases/{earlier.child_ids[0]}", f"/v1/cases/{earlier.child_ids[0]}/chronology"):
        assert later.reference not in (await worker.get(path)).text
        assert later.reference in (await trusted.get(path)).text


async def test_two_reports_wait_for_nobody_and_one_that_cannot_be_joined_holds_up_no_other(
    hub: HubWorld, joining: Joining, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = await two(hub, STRANGLED)
    hub.clock.advance(timedelta(seconds=1))
    second, _ = await two(hub, STRANGLED)
    heard = joining._heard

    async def breaks(*given: Any) -> bool:
        if given[-1].case.id == first.child_ids[0]:
            raise ValueError
        return await heard(*given)

    monkeypatch.setattr(Joining, "_heard", lambda self, *given: breaks(*given))
    assert await joining.sweep() == 1
    assert await level(hub, second) is Level.SECTION_47
    monkeypatch.undo()
    assert await joining.sweep() == 1
    assert await level(hub, first) is Level.SECTION_47
