"""The queue, what a case shows, who read it, tasks, journeys, and clocks that run out."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from libs.messaging.timers import Timer, TimerLoop
from libs.schemas.events import NOTICE_FAILED, NoticeFailed, NoticeResult
from libs.schemas.levels import Level, Stage
from libs.schemas.notice import NoticeChannel, NoticeKind
from services.triage.casework import Casework
from services.triage.overdue import Overdue
from services.triage.repair import Repair
from services.triage.thresholds import Thresholds
from tests.services.triage.bell import Bell
from tests.services.triage.conftest import MONDAY, NEGLECTED, HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person

HUNGRY = stated("child.hunger", "persistent")
STRANGLED = stated("household.strangulation_or_weapon", True)


async def test_the_most_urgent_comes_first_and_pages_join_without_gap(hub: HubWorld, worker: Person) -> None:
    stories = [Story() for _ in range(7)]
    for number, story in enumerate(stories):
        story.at = MONDAY - timedelta(hours=number % 3)
        await hub.take(story.received([HUNGRY], immediate_danger=number == 5))
    seen: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await worker.get("/v1/queue", limit=2, **cursor)).json()
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen[0]["case_id"] == str(stories[5].child_ids[0])
    assert sorted(item["case_id"] for item in seen) == sorted(str(story.child_ids[0]) for story in stories)
    assert [item["act_by"] for item in seen] == sorted(item["act_by"] for item in seen)


async def test_fresh_danger_stands_before_all_that_is_overdue(hub: HubWorld, worker: Person) -> None:
    late = [Story() for _ in range(3)]
    await hub.take(*(story.received([HUNGRY]) for story in late))
    hub.clock.advance(timedelta(days=3))
    danger, fresh = Story(at=hub.clock.now()), Story(at=hub.clock.now())
    await hub.take(danger.received([HUNGRY], immediate_danger=True), fresh.received([HUNGRY]))
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while cursor or not seen:
        page = (await worker.get("/v1/queue", limit=1, **cursor)).json()
        seen += [item["case_id"] for item in page["items"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
    assert seen[0] == str(danger.child_ids[0])
    assert seen[-1] == str(fresh.child_ids[0])
    assert len(seen) == len(set(seen)) == 5


async def test_danger_that_was_decided_stands_with_what_can_wait_and_pages_go_on_behind_it(
    hub: HubWorld, manager: Person
) -> None:
    decided, later, danger = Story(), Story(), Story()
    await hub.take(decided.received(immediate_danger=True), decided.completed())
    high = {"level": "section_47", "destination": "csc_section_47"}
    _, tag = await manager.open(decided.child_ids[0])
    assert (await manager.decide(decided.child_ids[0], tag, **high)).json()["stage"] == "hand_over"
    later.at = hub.clock.now() + timedelta(days=3)
    await hub.take(later.received(), danger.received(immediate_danger=True))
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        page = (await manager.get("/v1/queue", limit=1, **cursor)).json()
        seen += [item["case_id"] for item in page["items"]]
        cursor = {"cursor": page["next_cursor"]}
    assert cursor == {"cursor": None}
    assert seen == [str(story.child_ids[0]) for story in (danger, decided, later)]


async def test_the_queue_is_narrowed_by_what_it_shows(hub: HubWorld, worker: Person) -> None:
    danger, routed, unread = Story(), Story(), Story()
    await hub.take(danger.received([HUNGRY], immediate_danger=True))
    await hub.take(routed.received(NEGLECTED), routed.completed(), unread.received())

    async def cases(**filters: str) -> list[str]:
        return [item["case_id"] for item in (await worker.get("/v1/queue", **filters)).json()["items"]]

    assert await cases(team="csc") == [str(routed.child_ids[0])]
    assert await cases(stage="to_be_read") == await cases(tag="to_be_read") == [str(unread.child_ids[0])]
    assert await cases(rag="red") == await cases(tag="immediate_danger") == [str(danger.child_ids[0])]
    assert await cases(destination="csc_section_17") == [str(routed.child_ids[0])]
    assert await cases(due_before=(MONDAY + timedelta(hours=1)).isoformat()) == [str(danger.child_ids[0])]
    assert await cases(team="nobody") == []
    counts = (await worker.get("/v1/queue/counts")).json()["counts"]
    for one in counts:
        query = dict(parse_qsl(urlsplit(one["query"]).query))
        listed = (await worker.get("/v1/queue", **query)).json()["items"]
        assert len(listed) == one["cases"]
        assert {(item["team"], item["stage"]) for item in listed} == {(one["team"], one["stage"])}
    assert {(one["team"], one["stage"]): (one["cases"], one["red"]) for one in counts} == {
        ("duty", "checks"): (1, 1),
        ("duty", "to_be_read"): (1, 0),
        ("csc", "decision"): (1, 0),
    }


async def test_a_cursor_of_another_list_or_person_is_refused(
    hub: HubWorld, worker: Person, manager: Person
) -> None:
    for _ in range(3):
        await hub.take(Story().received([HUNGRY]))
    cursor = (await worker.get("/v1/queue", limit=1)).json()["next_cursor"]
    assert (await worker.get("/v1/queue", limit=1, cursor=cursor)).status_code == 200
    assert (await worker.get("/v1/queue", limit=1, cursor=cursor, rag="red")).status_code == 400
    assert (await manager.get("/v1/queue", limit=1, cursor=cursor)).status_code == 400


async def test_the_queue_shows_nothing_that_was_said(hub: HubWorld, worker: Person) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]))
    page = await worker.get("/v1/queue")
    assert CANARY not in page.text
    assert "9990000018" not in page.text


async def test_an_unread_case_shows_no_level(hub: HubWorld, worker: Person) -> None:
    await hub.take(Story().received())
    [item] = (await worker.get("/v1/queue")).json()["items"]
    assert (item["level"], item["destination"]) == (None, None)


async def test_a_case_shows_its_evidence_first_and_every_agencys_state(hub: HubWorld, worker: Person) -> None:
    story = Story(children=2)
    await hub.take(story.received([HUNGRY], [HUNGRY]), story.answer("police", STRANGLED))
    await hub.take(story.completed({"police": "returned", "marac": "no_answer"}), story.withdrawn())
    view, _ = await worker.open(story.child_ids[0])

    keys = list(view)
    assert (
        keys.index("evidence")
        < keys.index("recommendation")
        < keys.index("evaluation")
        < keys.index("clocks")
    )
    agencies = {one["agency"]: one for one in view["evidence"]["agencies"]}
    assert {name: one["state"] for name, one in agencies.items()} == {
        "early_help": "nothing_held",
        "education": "nothing_held",
        "health": "nothing_held",
        "marac": "no_answer",
        "police": "returned",
        "social_care": "nothing_held",
    }
    assert agencies["police"]["answers"][0]["facts"][0]["fact"] == STRANGLED.fact
    assert view["evidence"]["received"]["child"]["given_name"] == CANARY
    assert view["evidence"]["withdrawn"][0]["by"] == "teacher"
    assert [one["child_number"] for one in view["evidence"]["siblings"]] == [2]
    rules = [rule for rule in view["evaluation"]["outcome"]["fired"] if rule["level"] == "section_47"]
    assert rules
    assert all(rule["citation"] and rule["evidence"] for rule in rules)
    assert view["recommendation"]["destination"] == "csc_section_47"
    assert view["recommendation"]["final"]


async def test_the_tag_covers_what_a_decision_rests_on_and_nothing_else(
    hub: HubWorld, worker: Person
) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]))
    child = story.child_ids[0]
    _, first = await worker.open(child)
    hub.clock.advance(timedelta(days=3))
    assert (await worker.open(child))[1] == first
    await hub.take(story.answer("police"))
    assert (await worker.open(child))[1] != first


async def test_every_read_is_recorded_with_who_it_was(hub: HubWorld, worker: Person, manager: Person) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]))
    child = story.child_ids[0]
    await worker.open(child)
    await manager.open(child)
    await worker.get("/v1/queue")
    await worker.get("/v1/tasks", case_id=str(child))

    rows = await hub.rows("SELECT subject, client_id, action, case_id, at FROM access ORDER BY id")
    assert [(row["subject"], row["action"], row["case_id"]) for row in rows] == [
        ("staff-sw-1", "case.read", child),
        ("staff-mgr-1", "case.read", child),
        ("staff-sw-1", "queue.read", None),
        ("staff-sw-1", "tasks.read", child),
    ]
    assert {row["at"] for row in rows} == {MONDAY}


async def test_who_may_not_read_reads_nothing(hub: HubWorld, operator: Person) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]))
    for path in ("/v1/queue", f"/v1/cases/{story.child_ids[0]}", "/v1/tasks"):
        assert (await operator.get(path)).status_code == 403
    assert await hub.rows("SELECT 1 FROM access") == []


async def test_a_task_is_done_once_with_its_note(hub: HubWorld, worker: Person, manager: Person) -> None:
    story = Story()
    result = NoticeResult(
        reference=story.reference,
        notice_id=story.id,
        kind=NoticeKind.RECEIPT,
        channel=NoticeChannel.EMAIL,
        at=MONDAY,
        reason="permanent-failure",
    )
    await hub.take(story.received([HUNGRY]), story.event(NOTICE_FAILED, NoticeFailed(shared=result)))
    [task] = (await worker.get("/v1/tasks", case_id=str(story.child_ids[0]))).json()["items"]
    assert task["kind"] == "tell_referrer_by_telephone"

    path, done = f"/v1/tasks/{task['id']}", {"note": f"Spoke with {CANARY}."}
    first = await worker.put(path, done)
    assert first.json()["done_by"] == "staff-sw-1"
    assert (await worker.put(path, done)).json() == first.json()
    second = await manager.put(path, {"note": "Me too."})
    assert (second.status_code, second.json()["done_by"]) == (409, "staff-sw-1")
    assert (await worker.get("/v1/tasks")).json()["items"] == []
    view, _ = await worker.open(story.child_ids[0])
    assert view["tasks"][0]["note"] == done["note"]


async def test_a_journey_tells_codes_and_times(hub: HubWorld, worker: Person, operator: Person) -> None:
    story = Story(children=2)
    await hub.take(story.received([HUNGRY], [stated("child.self_harm", "attempt")]), story.completed())
    await worker.read(story.child_ids[0])
    _, tag = await worker.open(story.child_ids[0])
    await worker.decide(story.child_ids[0], tag)
    answer = await operator.get(f"/v1/journeys/{story.reference.lower()}")

    first, second = answer.json()["children"]
    assert (first["stage"], second["stage"]) == ("hand_over", "decision")
    assert first["decisions"][0]["destination"] == "early_help"
    assert first["screened_at"] == second["routed_at"] == "2026-11-23T10:00:00Z"
    assert CANARY not in answer.text
    acts = await hub.rows("SELECT subject, action, referral_id FROM access WHERE action = 'journey.read'")
    assert [tuple(row) for row in acts] == [("operations", "journey.read", story.id)]
    for name in ("nonsense", str(story.id), "K7TM-P2RW-Q"):
        answer = await operator.get(f"/v1/journeys/{name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "referral-not-found")
    assert (await worker.get(f"/v1/journeys/{story.reference}")).status_code == 403


async def test_a_clock_that_runs_out_is_told_once(
    hub: HubWorld, worker: Person, thresholds: Thresholds
) -> None:
    story = Story()
    await hub.take(story.received())
    loop = TimerLoop(hub.ledger, Overdue(hub.ledger, Bell(), thresholds.clocks).handlers)
    await loop.fire_due()
    assert await hub.names(story.id) == ["case-screened"]
    hub.clock.set(datetime(2026, 11, 23, 12, 1, tzinfo=UTC))
    await loop.fire_due()
    await loop.fire_due()
    hub.clock.set(datetime(2026, 11, 24, 17, 31, tzinfo=UTC))
    await loop.fire_due()

    events = await hub.emitted(story.id)
    assert [name for name, _ in events] == ["case-screened", "case-overdue", "case-overdue"]
    assert [event.children[story.child_ids[0]].clock for _, event in events[1:]] == ["reading", "decision"]
    [item] = (await worker.get("/v1/queue", tag="overdue")).json()["items"]
    assert "overdue" in item["tags"]


async def test_no_clock_runs_out_on_what_was_read_and_decided(
    hub: HubWorld, worker: Person, thresholds: Thresholds
) -> None:
    story = Story()
    await hub.take(story.received())
    child = story.child_ids[0]
    await worker.read(child, facts=[json.loads(HUNGRY.model_dump_json())])
    _, tag = await worker.open(child)
    assert (await worker.decide(child, tag)).status_code == 200
    await worker.accept(child)
    hub.clock.advance(timedelta(days=3))
    await TimerLoop(hub.ledger, Overdue(hub.ledger, Bell(), thresholds.clocks).handlers).fire_due()
    assert "case-overdue" not in await hub.names(story.id)


async def test_a_clock_that_was_claimed_just_before_the_decision_tells_nothing(
    hub: HubWorld, worker: Person, thresholds: Thresholds
) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]))
    case = await hub.case(story.child_ids[0])
    await worker.read(case.id)
    _, tag = await worker.open(case.id)
    assert (await worker.decide(case.id, tag)).status_code == 200
    async with hub.ledger.unit([story.id]) as unit:
        await Overdue(hub.ledger, Bell(), thresholds.clocks).handlers["decision"](
            unit, Timer("decision", case.id, 1, story.id, case.due_at, {}, None)
        )
    assert "case-overdue" not in await hub.names(story.id)


async def test_a_case_whose_checks_never_complete_goes_on_with_what_is_known(
    hub: HubWorld, thresholds: Thresholds
) -> None:
    stuck, young = Story(), Story()
    await hub.take(stuck.received(NEGLECTED), stuck.answer("health"))
    repair = Repair(hub.ledger, Casework(thresholds), hub.policies, timedelta(hours=12))
    assert await repair.sweep() == 0
    hub.clock.advance(timedelta(hours=13))
    young.at = hub.clock.now()
    await hub.take(young.received([HUNGRY]))
    assert await repair.sweep() == 1
    assert await repair.sweep() == 0

    case = await hub.case(stuck.child_ids[0])
    assert (case.stage, case.could_rise_to) == (Stage.DECISION, Level.SECTION_47)
    [row] = await hub.rows("SELECT trigger FROM evaluation ORDER BY number DESC LIMIT 1")
    assert row[0] == "repair" or (await hub.case(young.child_ids[0])).stage is Stage.CHECKS
    assert await hub.names(stuck.id) == ["case-screened", "case-routed"]
    states = await hub.rows(
        "SELECT state FROM agency_state WHERE case_id = $1 AND agency = 'police'", case.id
    )
    assert states[0][0] == "pending"


async def test_what_was_said_is_in_payloads_and_nowhere_else(
    hub: HubWorld, worker: Person, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    story = Story()
    await hub.take(story.received([HUNGRY]), story.completed())
    await hub.park(story.information(worry=CANARY))
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    await worker.decide(child, tag)
    refused = await worker.put(
        f"/v1/cases/{child}/decision", {"level": CANARY, "nhs_number": "9990000018"}, tag
    )
    assert refused.status_code == 422
    assert CANARY not in refused.text

    columns = await hub.rows(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'triage' AND data_type <> 'bytea'"
    )
    assert len(columns) > 100
    for table, column in columns:
        rows = await hub.rows(
            f'SELECT 1 FROM "{table}" WHERE "{column}"::text ~ $1',
            f"{CANARY}|9990000018",
        )
        assert rows == [], (table, column)
    shown = caplog.text + "".join(capsys.readouterr())
    assert CANARY not in shown
