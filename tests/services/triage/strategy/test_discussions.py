"""A strategy discussion goes on record with who took part and what came of it, and the conference's clock starts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.schemas.levels import Stage
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person
from tests.services.triage.strategy.meetings import CAISU, HEALTH, POLICE, SOCIAL_CARE, written

STRANGLED = stated("household.strangulation_or_weapon", True)


@pytest.fixture
async def story(hub: HubWorld) -> Story:
    """A child for whom a discussion is obliged, two hours later."""
    story = Story()
    await hub.take(story.received([STRANGLED]), story.completed())
    hub.clock.advance(timedelta(hours=2))
    return story


def path(story: Story) -> str:
    return f"/v1/cases/{story.child_ids[0]}/strategy-discussion"


async def open_tasks(hub: HubWorld) -> set[str]:
    return {row[0] for row in await hub.rows("SELECT kind FROM task WHERE done_at IS NULL")}


async def conference(hub: HubWorld) -> datetime | None:
    rows = await hub.rows("SELECT due_at FROM timer WHERE kind = 'conference' AND state = 'armed'")
    return rows[0][0] if rows else None


async def test_a_discussion_finishes_its_task_and_starts_the_clock_of_the_conference(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    assert "strategy_discussion" in await open_tasks(hub)
    _, before = await worker.open(story.child_ids[0])
    answer = await worker.put(path(story), written())
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert (made["number"], made["recorded_by"], made["flags"]) == (1, "staff-sw-1", [])
    assert (made["discussion"]["outcome"], made["discussion"]["members"][1]["name"]) == (
        "joint",
        POLICE["name"],
    )
    assert "strategy_discussion" not in await open_tasks(hub)
    # The fifteenth working day after Monday 23 November, at close.
    assert await conference(hub) == datetime(2026, 12, 14, 17, 30, tzinfo=UTC)
    view, after = await worker.open(story.child_ids[0])
    assert after == before, "what a decision rests on has not changed"
    assert view["discussions"] == [made]
    items = (await worker.get(f"/v1/cases/{story.child_ids[0]}/chronology")).json()["items"]
    [entry] = [one for one in items if one["kind"] == "strategy_discussion"]
    assert (entry["words"], entry["counts"]) == (
        "Strategy discussion: a joint enquiry with the police.",
        True,
    )
    [told] = [
        payload for name, payload in await hub.emitted(story.id) if name == "strategy-discussion-recorded"
    ]
    assert (told.children[story.child_ids[0]].outcome, told.children[story.child_ids[0]].number) == (
        "joint",
        1,
    )
    assert CANARY not in told.model_dump_json()
    [row] = await hub.rows("SELECT * FROM strategy_discussion")
    assert CANARY not in str({name: value for name, value in dict(row).items() if name != "document"})


async def test_the_same_record_again_is_the_same_answer_and_a_later_one_stands_beside_it(
    hub: HubWorld, story: Story, worker: Person, manager: Person
) -> None:
    first = await worker.put(path(story), written())
    assert (await worker.put(path(story), written())).json() == first.json()
    second = await worker.put(path(story), written(outcome="single"))
    assert second.json()["number"] == 2
    items = (await worker.get(path(story))).json()["items"]
    assert [one["discussion"]["outcome"] for one in items] == ["joint", "single"]
    assert await conference(hub) is not None
    done = await hub.rows("SELECT action FROM access WHERE case_id = $1 ORDER BY id", story.child_ids[0])
    assert [row["action"] for row in done] == ["strategy.record", "strategy.record", "strategy.read"]
    # Another person's record of the same is theirs.
    assert (await manager.put(path(story), written(outcome="single"))).json()["number"] == 3


async def test_no_enquiry_needs_no_conference(hub: HubWorld, story: Story, worker: Person) -> None:
    [before] = await hub.rows("SELECT xid FROM case_change")
    assert (await worker.put(path(story), written(outcome="no_enquiry"))).status_code == 200
    [after] = await hub.rows("SELECT xid FROM case_change")
    assert before["xid"] < after["xid"], "whoever has the case open learns of it"
    assert await conference(hub) is None
    hub.clock.advance(timedelta(days=1))
    await worker.put(path(story), written())
    assert await conference(hub) == datetime(2026, 12, 14, 17, 30, tzinfo=UTC), (
        "it counts from the discussion"
    )
    await worker.put(path(story), written(outcome="no_enquiry", rationale="Explained after all."))
    assert await conference(hub) is None
    await worker.put(path(story), written(rationale="That was another child's."))
    assert await conference(hub) == datetime(2026, 12, 14, 17, 30, tzinfo=UTC)


async def test_without_the_police_it_is_refused_or_flagged_with_the_reason(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    body = written(members=[SOCIAL_CARE, HEALTH], outcome="single")
    refused = await worker.put(path(story), body)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/members")
    assert "the police" in refused.json()["errors"][0]["detail"]
    assert "strategy_discussion" in await open_tasks(hub)
    assert (await worker.get(path(story))).json() == {"items": []}

    absences = [{"agency": "police", "reason": "Nobody was free before noon."}]
    flagged = await worker.put(path(story), {**body, "absences": absences})
    assert flagged.json()["flags"] == ["police_missing"]
    assert flagged.json()["discussion"]["absences"] == absences


async def test_a_crime_that_may_have_occurred_is_told_to_caisu(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    flagged = await worker.put(path(story), written(crime_may_have_occurred=True))
    assert flagged.json()["flags"] == ["caisu_not_told"]
    [row] = await hub.rows("SELECT due_at FROM task WHERE kind = 'tell_caisu'")
    assert row[0] == hub.clock.now() + timedelta(hours=1)
    told = written(crime_may_have_occurred=True, members=[SOCIAL_CARE, CAISU, HEALTH])
    assert (await worker.put(path(story), told)).json()["flags"] == []
    assert "tell_caisu" not in await open_tasks(hub)
    # What a later record says after all is told after all, once.
    for rationale in ("It was another unit.", "It was another unit, by telephone."):
        await worker.put(path(story), written(crime_may_have_occurred=True, rationale=rationale))
        assert "tell_caisu" in await open_tasks(hub)
    assert len(await hub.rows("SELECT 1 FROM task WHERE kind = 'tell_caisu'")) == 2


@pytest.mark.parametrize(
    "needed", ["safety_plan", "outcome", "crime_may_have_occurred", "rationale", "chaired_by"]
)
async def test_nothing_that_decides_is_left_out(story: Story, worker: Person, needed: str) -> None:
    body = {name: value for name, value in written().items() if name != needed}
    answer = await worker.put(path(story), body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{needed}")


async def test_somebody_elses_pen_is_waited_for(
    hub: HubWorld, story: Story, worker: Person, manager: Person
) -> None:
    await manager.put(f"/v1/cases/{story.child_ids[0]}/claim", {})
    refused = await worker.put(path(story), written())
    assert (refused.status_code, refused.json()["code"]) == (409, "claimed")
    await hub.rows("UPDATE child_case SET closed_at = received_at, stage = 'closed' RETURNING 1")
    closed = await manager.put(path(story), written())
    assert (closed.status_code, closed.json()["code"]) == (409, "referral-closed")


async def test_a_decision_takes_the_discussion_as_done_once_it_is_on_record(
    hub: HubWorld, story: Story, worker: Person, manager: Person
) -> None:
    child = story.child_ids[0]
    protection: dict[str, Any] = {"level": "section_47", "destination": "csc_section_47"}
    done = {"strategy_discussion": {"state": "done", "note": "Held at eleven."}}
    needed = (await worker.get(f"/v1/cases/{child}/authority", **protection)).json()["obliged"]
    said = {kind: {"state": "under_way"} for kind in needed} | done
    _, tag = await manager.open(child)
    assert (await manager.decide(child, tag, **protection, obliged=said)).status_code == 422
    await manager.put(path(story), written())
    assert (await manager.decide(child, tag, **protection, obliged=said)).status_code == 200
    # What is obliged anew is not done by the record of before.
    hub.clock.advance(timedelta(days=1))
    await hub.take(story.answer("health", STRANGLED, late=True))
    assert "strategy_discussion" in await open_tasks(hub)
    _, tag = await manager.open(child)
    refused = await manager.decide(child, tag, **protection, obliged=said, rationale="He did it again.")
    assert [one["pointer"] for one in refused.json()["errors"]] == ["/obliged/strategy_discussion/state"]
    await manager.put(path(story), written(held_at="2026-11-24T11:00:00Z"))
    anew = await manager.decide(child, tag, **protection, obliged=said, rationale="He did it again.")
    assert anew.json()["decision"]["number"] == 2
    # Where nothing else is left, the record of it closes the referral.
    await manager.accept(child, decision=2)
    await hub.rows(
        "UPDATE task SET done_at = CASE WHEN kind <> 'strategy_discussion' THEN raised_at END RETURNING 1"
    )
    await manager.put(path(story), written(rationale="Held again."))
    assert (await hub.case(child)).stage is Stage.CLOSED
