"""Red work alerts a person, up the list, until somebody says by name that they have it."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import yaml

from libs.schemas.on_call import OnCall, Urgency
from sandbox.issuer import Issuer
from services.triage.alerts.calling import AGE, ALARM
from tests.services.triage.alerts.conftest import OnCallWorld
from tests.services.triage.bell import Bell
from tests.services.triage.conftest import NEGLECTED, HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person

ROOT = Path(__file__).resolve().parents[4]
HIT = stated("child.patterned_injury", True)
IN_HOURS = ["duty_worker", "duty_mailbox", "duty_manager", "hub_manager", "assistant_director"]
OUT_OF_HOURS = ["emergency_duty_worker", "emergency_duty_manager", "assistant_director"]


async def acknowledge(person: Person, alert: object, **body: str) -> httpx.Response:
    return await person.put(f"/v1/alerts/{alert}/acknowledgement", body)


async def test_danger_on_receipt_calls_somebody_at_once(hub: HubWorld, list_at_work: OnCallWorld) -> None:
    story = Story()
    await hub.take(story.received(immediate_danger=True))
    await list_at_work.wait()
    [call] = await list_at_work.calls(story)
    assert (call.shared.contact, call.shared.urgency) == ("duty_worker", "immediate_danger")


async def test_danger_that_comes_for_a_stand_in_calls_somebody(
    hub: HubWorld, list_at_work: OnCallWorld
) -> None:
    story = Story()
    await hub.park(story.received())
    await list_at_work.wait()
    assert await list_at_work.called(story) == []
    await hub.take(story.information(immediate_danger=True))
    await list_at_work.wait()
    assert await list_at_work.called(story) == ["duty_worker"]


async def test_a_case_that_is_not_red_calls_nobody(hub: HubWorld, list_at_work: OnCallWorld) -> None:
    story = Story()
    await hub.take(story.received([stated("child.home_conditions", "poor")]))
    await list_at_work.wait(30)
    assert (await hub.case(story.child_ids[0])).rag.value != "red"
    assert await list_at_work.alerts(story) == []


async def test_a_rise_to_red_calls_somebody(hub: HubWorld, list_at_work: OnCallWorld) -> None:
    story = Story()
    await hub.take(story.received(list(NEGLECTED)))
    await list_at_work.wait()
    assert await list_at_work.called(story) == []
    await hub.take(story.answer("police", stated("child.patterned_injury", True)))
    await list_at_work.wait()
    assert (await hub.case(story.child_ids[0])).rag.value == "red"
    assert await list_at_work.called(story) == ["duty_worker"]


async def test_what_leaves_says_nothing_of_the_child(hub: HubWorld, list_at_work: OnCallWorld) -> None:
    story = Story()
    await hub.take(story.received(immediate_danger=True, danger_reason=f"{CANARY} is locked in."))
    await list_at_work.wait()
    [row] = await hub.rows("SELECT payload FROM outbox WHERE type = 'uk.mash.triage.alert-called.v1'")
    sent = json.loads(row["payload"])
    assert sent["children"] == {}
    assert set(sent["shared"]) == {"alert_id", "call_id", "contact", "urgency", "at"}


async def test_children_who_become_red_together_are_one_alert(
    hub: HubWorld, list_at_work: OnCallWorld
) -> None:
    story = Story(children=3)
    await hub.take(story.received(immediate_danger=True))
    await list_at_work.wait()
    [alert] = await list_at_work.alerts(story)
    assert set(alert["case_ids"]) == set(story.child_ids)
    assert await list_at_work.called(story) == ["duty_worker"]


async def test_an_alert_that_takes_anothers_place_is_of_its_children_too_and_as_urgent(
    hub: HubWorld, list_at_work: OnCallWorld
) -> None:
    story = Story(children=2)
    await hub.take(story.received([stated("child.untreated_illness", True)]))
    await list_at_work.wait()
    [first] = await list_at_work.alerts(story)
    assert (first["case_ids"], first["urgency"]) == ([story.child_ids[0]], "immediate_danger")
    await hub.take(story.answer("health", stated("child.patterned_injury", True), child=1))
    _, second = await list_at_work.alerts(story)
    assert (set(second["case_ids"]), second["urgency"]) == ({*story.child_ids}, "immediate_danger")


async def test_more_evidence_of_the_same_urgency_alerts_nobody_again(
    hub: HubWorld, list_at_work: OnCallWorld, worker: Person
) -> None:
    story = Story()
    await hub.take(story.received(immediate_danger=True))
    await list_at_work.wait()
    assert (await acknowledge(worker, await list_at_work.open_alert(story))).status_code == 200
    await hub.take(story.answer("police", HIT), story.answer("health"), story.completed())
    await list_at_work.wait(60)
    assert len(await list_at_work.alerts(story)) == 1
    assert await list_at_work.called(story) == ["duty_worker"]


async def test_danger_takes_the_place_of_an_alert_that_nobody_has_acknowledged(
    hub: HubWorld, list_at_work: OnCallWorld, worker: Person
) -> None:
    story = Story()
    await hub.take(story.received([stated("child.patterned_injury", True)]))
    await list_at_work.wait(10)
    assert await list_at_work.called(story) == ["duty_worker", "duty_mailbox"]
    await hub.take(story.information(immediate_danger=True, danger_reason="He is at the door."))
    await list_at_work.wait()
    first, second = await list_at_work.alerts(story)
    assert (first["ended_as"], second["urgency"]) == ("replaced", "immediate_danger")
    assert await list_at_work.called(story) == ["duty_worker", "duty_mailbox", "duty_worker"]
    answer = await acknowledge(worker, first["id"])
    assert (answer.status_code, answer.json()["code"]) == (409, "alert-replaced")


async def test_silence_goes_up_the_list_alarms_operations_and_begins_again(
    hub: HubWorld, list_at_work: OnCallWorld, alarms: Bell
) -> None:
    story = Story()
    await hub.take(story.received(immediate_danger=True))
    await list_at_work.wait(14)
    assert await list_at_work.called(story) == IN_HOURS
    assert (await list_at_work.calling.sweep(), alarms.rung) == (0, [])
    await list_at_work.wait(1)
    assert await list_at_work.called(story) == IN_HOURS
    assert await list_at_work.calling.sweep() == 1
    [(code, ids)] = alarms.rung
    assert (code, ids["referral_id"], ids["rounds"]) == ("alert-unanswered", story.id, 1)
    assert list_at_work.oldest() == 15 * 60
    assert await list_at_work.calling.sweep() == 0
    await list_at_work.wait(15)
    assert await list_at_work.called(story) == [*IN_HOURS, "duty_worker"]
    await list_at_work.wait(15)
    await list_at_work.calling.sweep()
    assert [ids["rounds"] for _, ids in alarms.rung] == [1, 2]


async def test_an_alarm_that_does_not_get_through_is_raised_again(
    hub: HubWorld, list_at_work: OnCallWorld, alarms: Bell
) -> None:
    story = Story()
    await hub.take(story.received(immediate_danger=True))
    await list_at_work.wait(15)
    alarms.works = False
    assert await list_at_work.calling.sweep() == 0
    alarms.works = True
    assert await list_at_work.calling.sweep() == 1
    assert len(alarms.rung) == 2


async def test_a_message_that_cannot_be_delivered_waits_for_nobody(
    hub: HubWorld, list_at_work: OnCallWorld
) -> None:
    story = Story()
    await hub.take(story.received(immediate_danger=True))
    await list_at_work.wait()
    await list_at_work.ended(story, 0, failed=True)
    assert await list_at_work.called(story) == ["duty_worker", "duty_mailbox"]
    await list_at_work.ended(story, 0, failed=True)
    assert await list_at_work.called(story) == ["duty_worker", "duty_mailbox"]


async def test_a_failure_that_comes_late_hurries_nobody(hub: HubWorld, list_at_work: OnCallWorld) -> None:
    story = Story()
    await hub.take(story.received(immediate_danger=True))
    await list_at_work.wait(3)
    await list_at_work.ended(story, 0, failed=True)
    assert await list_at_work.called(story) == ["duty_worker", "duty_mailbox"]


async def test_a_message_that_arrived_is_nobodys_word(
    hub: HubWorld, list_at_work: OnCallWorld, worker: Person
) -> None:
    story = Story()
    await hub.take(story.received(immediate_danger=True))
    await list_at_work.wait()
    await list_at_work.ended(story, 0, failed=False)
    await list_at_work.wait(3)
    assert await list_at_work.called(story) == ["duty_worker", "duty_mailbox"]
    [item] = (await worker.get("/v1/alerts")).json()["items"]
    assert [call["state"] for call in item["calls"]] == ["delivered", "called"]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 11, 27, 16, 29, tzinfo=UTC), IN_HOURS[0]),
        (datetime(2026, 11, 27, 16, 30, tzinfo=UTC), OUT_OF_HOURS[0]),
        (datetime(2026, 11, 28, 12, 0, tzinfo=UTC), OUT_OF_HOURS[0]),
        # Monday in name, and closed: the substitute day of Boxing Day.
        (datetime(2026, 12, 28, 12, 0, tzinfo=UTC), OUT_OF_HOURS[0]),
        # 17:00 in London, in summer.
        (datetime(2026, 7, 6, 16, 0, tzinfo=UTC), IN_HOURS[0]),
        (datetime(2026, 7, 6, 16, 30, tzinfo=UTC), OUT_OF_HOURS[0]),
    ],
)
async def test_who_is_called_is_who_is_on_call_at_that_hour(
    hub: HubWorld, list_at_work: OnCallWorld, at: datetime, expected: str
) -> None:
    hub.clock.advance(at - hub.clock.now())
    story = Story(at=at)
    await hub.take(story.received(immediate_danger=True))
    await list_at_work.wait()
    assert await list_at_work.called(story) == [expected]


async def test_whoever_comes_on_call_meanwhile_is_not_passed_over(
    hub: HubWorld, list_at_work: OnCallWorld
) -> None:
    late = datetime(2026, 11, 23, 17, 28, tzinfo=UTC)
    hub.clock.advance(late - hub.clock.now())
    story = Story(at=late)
    await hub.take(story.received(immediate_danger=True))
    await list_at_work.wait(6)
    assert await list_at_work.called(story) == ["duty_worker", *OUT_OF_HOURS[:2]]


async def test_only_a_named_persons_word_ends_it(
    hub: HubWorld, list_at_work: OnCallWorld, worker: Person, manager: Person
) -> None:
    story = Story()
    case_id = story.child_ids[0]
    await hub.take(story.received([stated("child.patterned_injury", True)]), story.completed())
    await list_at_work.wait()
    await manager.open(case_id)
    assert (await manager.put(f"/v1/cases/{case_id}/claim", {})).status_code == 200
    await manager.read(case_id)
    tag = (await manager.open(case_id))[1]
    made = await manager.decide(case_id, tag, level="section_47", destination="csc_section_47")
    assert made.status_code == 200, made.text
    await list_at_work.wait(10)
    assert len(await list_at_work.called(story)) == 2
    alert = await list_at_work.open_alert(story)
    answer = await acknowledge(worker, alert, note=f"I ring {CANARY}'s school.")
    assert (answer.status_code, answer.json()["acknowledged_by"]) == (200, "staff-sw-1")
    assert answer.json()["note"] == f"I ring {CANARY}'s school."
    await list_at_work.wait(60)
    assert len(await list_at_work.called(story)) == 2
    assert "alert-acknowledged" in await hub.names(story.id)
    await list_at_work.calling.sweep()
    assert list_at_work.oldest() == 0
    assert (await worker.get("/v1/alerts")).json()["items"] == []
    [ended] = (await worker.get("/v1/alerts", ended=True, case_id=str(case_id))).json()["items"]
    assert ended["ended_as"] == "acknowledged"


async def test_two_who_acknowledge_the_second_is_told_who_was_first(
    hub: HubWorld, list_at_work: OnCallWorld, worker: Person, manager: Person
) -> None:
    story = Story()
    await hub.take(story.received(immediate_danger=True))
    alert = await list_at_work.open_alert(story)
    first = await acknowledge(worker, alert)
    assert (await acknowledge(worker, alert)).json() == first.json()
    second = await acknowledge(manager, alert)
    assert (second.status_code, second.json()["acknowledged_by"]) == (409, "staff-sw-1")


async def test_a_decision_put_at_risk_by_danger_alerts_anew(
    hub: HubWorld, list_at_work: OnCallWorld, worker: Person, manager: Person
) -> None:
    story = Story()
    case_id = story.child_ids[0]
    await hub.take(story.received([stated("child.patterned_injury", True)]), story.completed())
    await acknowledge(worker, await list_at_work.open_alert(story))
    await manager.read(case_id)
    tag = (await manager.open(case_id))[1]
    await manager.decide(case_id, tag, level="section_47", destination="csc_section_47")
    await hub.take(story.information(immediate_danger=True, danger_reason="He came back."))
    await list_at_work.wait()
    assert (await list_at_work.called(story)) == ["duty_worker"]
    assert [alert["ended_as"] for alert in await list_at_work.alerts(story)] == ["acknowledged", None]


async def test_danger_in_what_nobody_could_read_is_alerted_too(
    hub: HubWorld, list_at_work: OnCallWorld, worker: Person
) -> None:
    story = Story()
    await hub.park(story.received(), value=b"\xff")
    await list_at_work.wait()
    assert await list_at_work.called(story) == ["duty_worker"]
    [item] = (await worker.get("/v1/alerts")).json()["items"]
    assert item["referral_id"] == str(story.id)


async def test_a_call_that_failed_waits_behind_nothing_that_nobody_could_read(
    hub: HubWorld, list_at_work: OnCallWorld
) -> None:
    story = Story()
    await hub.park(story.received(), value=b"\xff")
    await list_at_work.wait()
    await list_at_work.ended(story, 0, failed=True, behind=True)
    assert await list_at_work.called(story) == ["duty_worker", "duty_mailbox"]
    # What waited comes after all, and has had its effect.
    await list_at_work.ended(story, 0, failed=True)
    assert await list_at_work.called(story) == ["duty_worker", "duty_mailbox"]


async def test_an_alert_whose_stand_in_is_gone_calls_nobody_any_more(
    hub: HubWorld, list_at_work: OnCallWorld
) -> None:
    story = Story()
    await hub.park(story.received(), value=b"\xff")
    await list_at_work.wait()
    await hub.resume(story.id)
    await list_at_work.wait(30)
    assert await list_at_work.called(story) == ["duty_worker"]
    assert [alert["ended_as"] for alert in await list_at_work.alerts(story)] == ["moot"]


async def test_a_restricted_alert_does_not_exist_for_those_without_the_right(
    hub: HubWorld, list_at_work: OnCallWorld, worker: Person, trusted: Person
) -> None:
    story = Story()
    await hub.take(story.received(immediate_danger=True))
    hide = {"restricted": True, "kind": "staff_family", "reason": "Her aunt works here."}
    assert (await trusted.put(f"/v1/cases/{story.child_ids[0]}/restriction", hide)).status_code == 200
    alert = await list_at_work.open_alert(story)
    assert (await worker.get("/v1/alerts")).json()["items"] == []
    assert (await acknowledge(worker, alert)).status_code == 404
    assert [item["id"] for item in (await trusted.get("/v1/alerts")).json()["items"]] == [str(alert)]
    assert (await acknowledge(trusted, alert)).status_code == 200


async def test_whoever_only_reads_acknowledges_nothing(
    hub: HubWorld, list_at_work: OnCallWorld, http: httpx.AsyncClient, issuer: Issuer
) -> None:
    story = Story()
    await hub.take(story.received(immediate_danger=True))
    auditor = Person(http, issuer, "auditor-1")
    assert (await acknowledge(auditor, await list_at_work.open_alert(story))).status_code == 403


async def test_an_alert_outlives_the_process_that_raised_it(hub: HubWorld, list_at_work: OnCallWorld) -> None:
    story = Story()
    await hub.take(story.received(immediate_danger=True))
    # Nobody ran the clocks meanwhile; whoever comes next finds the first call due.
    hub.clock.advance(timedelta(hours=1))
    await list_at_work.wait()
    assert await list_at_work.called(story) == ["duty_worker"]


def test_operations_are_told_another_way_once_the_hubs_list_is_at_its_end(on_call: OnCall) -> None:
    rules = yaml.load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(), yaml.CSafeLoader)["groups"]
    [rule] = next(group["rules"] for group in rules if group["name"] == "on_call")
    metric, _, seconds = re.fullmatch(r"max\((\w+)\) (>) (\d+)", rule["expr"]).groups()  # type: ignore[union-attr]
    assert metric == AGE.replace(".", "_")
    longest = max(len(turn.call) for turns in on_call.turns.values() for turn in turns)
    assert int(seconds) == longest * on_call.answer_within[Urgency.IMMEDIATE_DANGER] * 60
    [runbook] = re.findall(r"docs/runbooks/[\w-]+\.md", rule["annotations"]["description"])
    assert ALARM in (ROOT / runbook).read_text(encoding="utf-8")
