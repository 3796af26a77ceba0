"""What people do to a case's clocks, through the operations."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from libs.messaging.timers import TimerLoop
from sandbox.issuer import Issuer
from services.triage.casework import Casework
from services.triage.clocks.kept import Clocks
from services.triage.overdue import Overdue
from services.triage.thresholds import Thresholds
from tests.services.triage.bell import Bell
from tests.services.triage.conftest import MONDAY, NEGLECTED, HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person

DECISION_DUE = "2026-11-24T17:30:00Z"


@pytest.fixture
def clocks(thresholds: Thresholds) -> Clocks:
    return Clocks(thresholds.clocks)


@pytest.fixture
async def story(hub: HubWorld) -> Story:
    """A child in need: amber, which may pause."""
    story = Story()
    await hub.take(story.received(NEGLECTED))
    assert (await hub.case(story.child_ids[0])).rag == "amber"
    return story


def path(story: Story, rest: str = "") -> str:
    return f"/v1/cases/{story.child_ids[0]}/clocks{rest}"


async def shown(person: Person, story: Story) -> dict[str, dict[str, Any]]:
    answer = await person.get(path(story))
    assert answer.status_code == 200, answer.text
    return {one["clock"]: one for one in answer.json()["clocks"]}


async def ring(hub: HubWorld, thresholds: Thresholds) -> None:
    await TimerLoop(hub.ledger, Overdue(hub.ledger, Bell(), thresholds.clocks).handlers).fire_due()


async def told(hub: HubWorld, story: Story) -> list[str]:
    """Which clocks others were told of, in order, as having run out."""
    events = [event for name, event in await hub.emitted(story.id) if name == "case-overdue"]
    return [event.children[story.child_ids[0]].clock for event in events]


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_each_clock_says_by_which_rule_it_is_due_and_why(story: Story, worker: Person) -> None:
    found = await shown(worker, story)
    assert list(found) == ["decision", "urgency"]
    decision = found["decision"]
    assert (decision["started_at"], decision["due_at"]) == ("2026-11-23T10:00:00Z", DECISION_DUE)
    assert decision["warn_at"] == "2026-11-24T15:30:00Z"
    assert decision["rule"].startswith("one working day, the day of the start not counted")
    assert decision["because"][-1] == "Nothing extends it."
    assert decision["may_pause"] is False
    assert found["urgency"]["rule"].startswith(
        "8 hours of the hours in which the hub is open; from the receipt"
    )
    assert found["urgency"]["may_pause"] is True


async def test_a_paused_target_moves_by_the_time_that_it_stood_and_the_decision_does_not(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    before = await shown(worker, story)
    hub.clock.advance(timedelta(hours=1))
    because = {"reason": f"{CANARY}'s mother is in hospital until three."}
    stood = await worker.put(path(story, "/urgency/pause"), because)
    assert stood.status_code == 200, stood.text
    assert (await worker.put(path(story, "/urgency/pause"), because)).json() == stood.json()
    target = (await shown(worker, story))["urgency"]
    assert (target["stands_since"], target["runs"]) == ("2026-11-23T11:00:00Z", False)

    hub.clock.advance(timedelta(hours=2))
    on = {"reason": "She is home."}
    went_on = await worker.put(path(story, "/urgency/resumption"), on)
    assert (await worker.put(path(story, "/urgency/resumption"), on)).json() == went_on.json()
    after = await shown(worker, story)
    assert before["urgency"]["due_at"] == "2026-11-24T08:30:00Z"
    assert after["urgency"]["due_at"] == "2026-11-24T10:30:00Z"
    assert after["decision"]["due_at"] == before["decision"]["due_at"] == DECISION_DUE
    [pause] = went_on.json()["pauses"]
    assert (pause["by"], pause["because"]) == (worker.id, because["reason"])
    assert (pause["until_at"], pause["resumed_because"]) == ("2026-11-23T13:00:00Z", "She is home.")
    armed = await hub.rows("SELECT due_at FROM timer WHERE kind = 'urgency' AND state = 'armed'")
    assert [row[0] for row in armed] == [datetime(2026, 11, 24, 10, 30, tzinfo=UTC)]


async def test_a_target_that_measures_the_decision_never_stands_beyond_it(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    await worker.put(path(story, "/urgency/pause"), {"reason": "Nobody answers."})
    assert (await shown(worker, story))["urgency"]["due_at"] == DECISION_DUE
    [item] = (await worker.get("/v1/queue")).json()["items"]
    assert item["act_by"] == DECISION_DUE


async def test_a_decision_ends_a_pause(hub: HubWorld, story: Story, worker: Person, manager: Person) -> None:
    child = story.child_ids[0]
    await worker.read(child)
    await worker.put(path(story, "/urgency/pause"), {"reason": "Nobody answers."})
    hub.clock.advance(timedelta(hours=1))
    _, tag = await manager.open(child)
    wish = {"level": "section_17", "destination": "csc_section_17"}
    assert (await manager.decide(child, tag, **wish)).status_code == 200
    [pause] = (await worker.get(path(story))).json()["pauses"]
    assert pause["until_at"] == "2026-11-23T11:00:00Z"
    assert refused(await worker.put(path(story, "/urgency/pause"), {"reason": "x"})) == (
        409,
        "clock-not-running",
    )


async def test_red_and_every_clock_of_the_law_refuse_to_pause(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    because = {"reason": "Nobody answers."}
    for clock in ("decision", "reading", "child_seen"):
        assert refused(await worker.put(path(story, f"/{clock}/pause"), because)) == (409, "does-not-pause")
        assert refused(await worker.put(path(story, f"/{clock}/resumption"), because)) == (
            409,
            "does-not-stand",
        )
    assert refused(await worker.put(path(story, "/urgncy/pause"), because)) == (404, "clock-not-found")
    await worker.put(path(story, "/urgency/pause"), because)
    hub.clock.advance(timedelta(hours=1))
    story.at = hub.clock.now()
    await hub.take(story.information(stated("child.disclosed_sexual_abuse", True), immediate_danger=True))
    target = (await shown(worker, story))["urgency"]
    assert (target["stands_since"], target["due_at"], target["may_pause"]) == (
        None,
        "2026-11-23T14:00:00Z",
        False,
    )
    assert refused(await worker.put(path(story, "/urgency/pause"), because)) == (409, "does-not-pause")
    [pause] = (await worker.get(path(story))).json()["pauses"]
    assert (pause["until_at"], pause["resumed_by"]) == ("2026-11-23T11:00:00Z", None)


async def test_somebody_else_is_told_that_it_stands_already(
    story: Story, worker: Person, manager: Person
) -> None:
    await worker.put(path(story, "/urgency/pause"), {"reason": "Nobody answers."})
    answer = await manager.put(path(story, "/urgency/pause"), {"reason": "I think so too."})
    assert refused(answer) == (409, "stands-already")
    assert worker.id in answer.json()["detail"]


async def test_a_child_who_was_seen_stops_the_clock_as_at_that_moment(
    hub: HubWorld, story: Story, worker: Person, manager: Person, clocks: Clocks
) -> None:
    case = await hub.case(story.child_ids[0])
    async with hub.ledger.unit([story.id]) as unit:
        await clocks.start(unit, case, "child_seen", MONDAY)
        await clocks.start(unit, case, "return_interview", MONDAY + timedelta(seconds=40))
    hub.clock.advance(timedelta(hours=3))
    # Whoever writes "at ten" does not write of the minute before.
    at_once = {"at": "2026-11-23T10:00:00Z", "note": "At once."}
    assert (await worker.put(path(story, "/return_interview/stop"), at_once)).status_code == 200
    seen = {"at": "2026-11-23T12:00:00Z", "note": f"{CANARY} was seen at school, alone."}
    for at in ("2026-11-23T09:59:59Z", "2026-11-23T13:00:01Z"):
        answer = await worker.put(path(story, "/child_seen/stop"), {**seen, "at": at})
        assert refused(answer) == (422, "body-invalid")
    stopped = await worker.put(path(story, "/child_seen/stop"), seen)
    assert stopped.status_code == 200, stopped.text
    assert (await worker.put(path(story, "/child_seen/stop"), seen)).json() == stopped.json()
    found = (await shown(worker, story))["child_seen"]
    assert (found["runs"], found["stopped_at"], found["stopped_by"]) == (False, seen["at"], worker.id)
    assert found["note"] == seen["note"]
    assert await hub.rows("SELECT 1 FROM timer WHERE kind = 'child_seen' AND state = 'armed'") == []
    answer = await manager.put(path(story, "/child_seen/stop"), seen)
    assert refused(answer) == (409, "clock-not-running")
    assert worker.id in answer.json()["detail"]


async def test_what_is_done_to_a_case_stops_its_own_clocks_and_nothing_else_does(
    story: Story, worker: Person
) -> None:
    for clock in ("decision", "reading", "urgency", "hand_over"):
        answer = await worker.put(path(story, f"/{clock}/stop"), {"at": "2026-11-23T10:00:00Z"})
        assert refused(answer) == (409, "stops-by-itself")
    answer = await worker.put(path(story, "/conference/stop"), {"at": "2026-11-23T10:00:00Z"})
    assert refused(answer) == (409, "clock-not-running")


async def test_a_child_who_was_found_is_interviewed_within_72_hours_of_that(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    hub.clock.advance(timedelta(hours=6))
    answer = await worker.put(path(story, "/return_interview/start"), {"at": "2026-11-23T16:00:01Z"})
    assert refused(answer) == (422, "body-invalid")
    found = {"at": "2026-11-22T21:40:00Z"}
    started = await worker.put(path(story, "/return_interview/start"), found)
    assert started.status_code == 200, started.text
    assert (await worker.put(path(story, "/return_interview/start"), found)).json() == started.json()
    clock = (await shown(worker, story))["return_interview"]
    assert (clock["started_at"], clock["due_at"]) == (found["at"], "2026-11-25T21:40:00Z")
    for clock_id in ("decision", "urgency", "child_seen", "assessment", "conference"):
        answer = await worker.put(path(story, f"/{clock_id}/start"), found)
        assert refused(answer) == (409, "starts-by-itself"), clock_id


async def test_people_are_warned_once_and_the_queue_shows_it(
    hub: HubWorld, story: Story, worker: Person, thresholds: Thresholds
) -> None:
    hub.clock.set(datetime(2026, 11, 24, 15, 29, tzinfo=UTC))
    await ring(hub, thresholds)
    assert not (await shown(worker, story))["decision"]["warned"]
    hub.clock.set(datetime(2026, 11, 24, 15, 30, tzinfo=UTC))
    await ring(hub, thresholds)
    assert (await shown(worker, story))["decision"]["warned"]
    [item] = (await worker.get("/v1/queue", tag="due_soon")).json()["items"]
    assert "due_soon" in item["tags"]
    assert "case-overdue" not in (await hub.names(story.id))[2:]
    [timer] = await hub.rows("SELECT due_at, claim_at, state FROM timer WHERE kind = 'decision'")
    assert timer["claim_at"] == timer["due_at"] == datetime(2026, 11, 24, 17, 30, tzinfo=UTC)
    assert timer["state"] == "armed"
    # What moves the clock takes the warning with it.
    case = await hub.case(story.child_ids[0])
    assert case.warned != ()
    case.due_at += timedelta(days=1)
    Casework(thresholds).refresh(case)
    assert [one for one in case.warned if one.startswith("decision")] == []


async def test_a_breach_is_an_event_and_asks_for_a_reason_until_somebody_gives_it(
    hub: HubWorld, story: Story, worker: Person, manager: Person, thresholds: Thresholds
) -> None:
    because = {"why": "workload", "reason": f"{CANARY}'s social worker was ill, and nobody took over."}
    assert refused(await worker.put(path(story, "/decision/breach"), because)) == (404, "breach-not-found")
    hub.clock.set(datetime(2026, 11, 24, 17, 31, tzinfo=UTC))
    await ring(hub, thresholds)
    await ring(hub, thresholds)
    told = [
        event.children[story.child_ids[0]].clock
        for name, event in await hub.emitted(story.id)
        if name == "case-overdue"
    ]
    assert told == ["urgency", "decision"]
    decision = (await shown(worker, story))["decision"]
    assert (decision["runs"], decision["reason_wanted"]) == (True, True)
    asked = (await manager.get("/v1/clocks/breaches")).json()["items"]
    assert [one["clock"] for one in asked] == ["urgency", "decision"]
    assert (await worker.put(path(story, "/decision/breach"), because)).status_code == 200
    assert (await worker.put(path(story, "/decision/breach"), because)).status_code == 200
    decision = (await shown(worker, story))["decision"]
    assert decision["reason_wanted"] is False
    [left] = (await manager.get("/v1/clocks/breaches")).json()["items"]
    assert (left["clock"], left["reference"]) == ("urgency", story.reference)
    assert (await manager.get("/v1/clocks/breaches", clock="decision")).json()["items"] == []
    await hub.ledger.pool.execute("UPDATE child_case SET restricted = true")
    assert (await manager.get("/v1/clocks/breaches")).json()["items"] == []
    period = {"from": "2026-11-24T00:00:00Z", "to": "2026-11-24T17:30:01Z"}
    assert (await manager.get("/v1/clocks/breaches/counts", **period)).json()["breaches"] == 0
    await hub.ledger.pool.execute("UPDATE child_case SET restricted = false")
    [breach] = decision["breaches"]
    assert (breach["why"], breach["reason"], breach["explained_by"]) == (*because.values(), worker.id)
    # Counted when it was due, from the beginning of the time and before its end; the words stay on the case.
    counted = await manager.get("/v1/clocks/breaches/counts", **period)
    found = counted.json()
    words = found.pop("words")
    assert (words["decision"], words["urgency"]) == (
        "the decision on the case",
        "the target of the case's rating",
    )
    assert found == {
        "breaches": 2,
        "unexplained": 1,
        "counts": [
            {"clock": "decision", "explained": True, "why": "workload", "breaches": 1},
            {"clock": "urgency", "explained": False, "why": None, "breaches": 1},
        ],
    }
    counted = await manager.get("/v1/clocks/breaches/counts", **(period | {"to": DECISION_DUE}))
    assert [one["clock"] for one in counted.json()["counts"]] == ["urgency"]
    counted = await manager.get("/v1/clocks/breaches/counts", **(period | {"from": DECISION_DUE}))
    assert [one["clock"] for one in counted.json()["counts"]] == ["decision"]
    assert refused(await manager.put(path(story, "/decision/breach"), because)) == (409, "explained-already")
    assert (await worker.get("/v1/queue", tag="due_soon")).json()["items"] == []


async def test_a_kept_clock_that_runs_out_is_told_and_stays_on_record(
    hub: HubWorld, story: Story, worker: Person, clocks: Clocks, thresholds: Thresholds
) -> None:
    case = await hub.case(story.child_ids[0])
    async with hub.ledger.unit([story.id]) as unit:
        await clocks.start(unit, case, "return_interview", MONDAY)
    hub.clock.set(MONDAY + timedelta(hours=60))
    await ring(hub, thresholds)
    assert (await shown(worker, story))["return_interview"]["warned"]
    hub.clock.set(MONDAY + timedelta(hours=72))
    await ring(hub, thresholds)
    assert (await told(hub, story))[-1] == "return_interview"
    await worker.put(path(story, "/return_interview/stop"), {"at": "2026-11-26T09:00:00Z"})
    found = (await shown(worker, story))["return_interview"]
    assert (found["runs"], found["warned"], found["reason_wanted"]) == (False, False, True)


async def test_nobody_reads_or_stops_a_clock_of_a_case_that_they_may_not_see(
    hub: HubWorld, story: Story, worker: Person, issuer: Issuer
) -> None:
    await hub.ledger.pool.execute("UPDATE child_case SET restricted = true")
    assert refused(await worker.get(path(story))) == (404, "case-not-found")
    for act, body in (
        ("start", {"at": "2026-11-23T10:00:00Z"}),
        ("stop", {"at": "2026-11-23T10:00:00Z"}),
        ("pause", {"reason": "x"}),
        ("resumption", {"reason": "x"}),
        ("breach", {"reason": "x"}),
    ):
        answer = await worker.put(path(story, f"/urgency/{act}"), body)
        assert refused(answer) == (404, "case-not-found"), act
    outsider = Person(worker.http, issuer, "st_ives_primary")
    assert (await outsider.get(path(story))).status_code == 403


async def test_each_act_and_each_reading_is_noted(hub: HubWorld, story: Story, worker: Person) -> None:
    await shown(worker, story)
    await worker.put(path(story, "/urgency/pause"), {"reason": "Nobody answers."})
    await worker.put(path(story, "/urgency/resumption"), {"reason": "They do."})
    noted = await hub.rows("SELECT action, case_id FROM access WHERE subject = $1", worker.id)
    assert {row["action"] for row in noted if row["case_id"] == story.child_ids[0]} >= {
        "clocks.read",
        "clock.pause",
        "clock.resume",
    }


async def test_somebody_who_has_the_pen_is_not_written_over(
    story: Story, worker: Person, manager: Person
) -> None:
    assert (await manager.put(f"/v1/cases/{story.child_ids[0]}/claim", {})).status_code == 200
    answer = await worker.put(path(story, "/urgency/pause"), {"reason": "Nobody answers."})
    assert answer.status_code == 409
    assert (await shown(worker, story))["urgency"]["stands_since"] is None
