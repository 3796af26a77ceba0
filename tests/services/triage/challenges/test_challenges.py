"""Somebody disagrees: somebody else than the decider looks again, stage by stage, and the first decision stays."""

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from opentelemetry.metrics import get_meter

from libs.messaging.event import Event
from libs.messaging.timers import TimerLoop
from libs.schemas.base import Nothing
from libs.schemas.challenge import Challenged, ChallengedReferral
from libs.schemas.events import CHALLENGED
from libs.schemas.levels import Stage
from sandbox.issuer import Issuer
from services.triage.tasks.overdue import TaskClock
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person

HUNGRY = stated("child.hunger", "persistent")
STRANGLED = stated("household.strangulation_or_weapon", True)
SAFE = "He stays with his grandmother."
UP = {"because": "They still disagree.", "safe_meanwhile": SAFE}
BODY = {
    "challenger": "Pat Day, head teacher",
    "agency": "education",
    "channel": "telephone",
    "because": f"{CANARY} is hungrier than you think.",
    "safe_meanwhile": SAFE,
}


@pytest.fixture
def second(http: httpx.AsyncClient, issuer: Issuer) -> Person:
    return Person(http, issuer, "staff-mgr-2")


@pytest.fixture
def colleague(http: httpx.AsyncClient, issuer: Issuer) -> Person:
    return Person(http, issuer, "staff-sw-2")


@pytest.fixture
async def decided(hub: HubWorld, worker: Person) -> Story:
    """A child for whom a social worker decided early help, accepted there."""
    story = Story()
    agreed = {"early_help": {"answer": "given"}}
    await hub.take(story.received([HUNGRY], agreements=agreed), story.completed())
    case_id = story.child_ids[0]
    await worker.read(case_id)
    assert (await worker.decide(case_id, (await worker.open(case_id))[1])).status_code == 200
    await worker.accept(case_id)
    assert (await hub.case(case_id)).stage is Stage.CLOSED
    return story


async def challenged(story: Story, by: Person, **changes: Any) -> dict[str, Any]:
    answer = await by.post(f"/v1/cases/{story.child_ids[0]}/challenges", BODY | changes)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_challenge_opens_the_referral_with_a_clock_and_leaves_the_decision(
    hub: HubWorld, decided: Story, colleague: Person
) -> None:
    made = await challenged(decided, colleague)
    assert (made["stage"], made["decision"], made["outcome"]) == ("practitioners", 1, None)
    assert made["steps"][0]["safe_meanwhile"] == SAFE
    case = await hub.case(decided.child_ids[0])
    assert (case.closed_at, case.stage, case.decision) == (None, Stage.DECIDED, 1)
    [task] = await hub.rows("SELECT id, due_at FROM task WHERE kind = 'review_challenge' AND done_at IS NULL")
    [timer] = await hub.rows("SELECT due_at FROM timer WHERE subject = $1 AND state = 'armed'", task["id"])
    assert timer["due_at"] == task["due_at"]
    [listed] = (await colleague.get("/v1/challenges")).json()["items"]
    assert listed["id"] == made["id"]
    assert CANARY not in str(listed)


async def test_how_the_child_is_safe_meanwhile_must_be_said(decided: Story, colleague: Person) -> None:
    bare = {name: value for name, value in BODY.items() if name != "safe_meanwhile"}
    answer = await colleague.post(f"/v1/cases/{decided.child_ids[0]}/challenges", bare)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/safe_meanwhile")


async def test_nothing_undecided_is_challenged(hub: HubWorld, colleague: Person) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]))
    undecided = await colleague.post(f"/v1/cases/{story.child_ids[0]}/challenges", BODY)
    assert (undecided.status_code, undecided.json()["code"]) == (409, "not-decided")


async def test_who_disagrees_while_a_challenge_is_open_joins_it_and_its_reviewer_is_told_once(
    hub: HubWorld, decided: Story, worker: Person, colleague: Person, manager: Person, second: Person
) -> None:
    first = await challenged(decided, colleague)
    path, key = f"/v1/challenges/{first['id']}", uuid.uuid4().hex
    await challenged(decided, second, agency=None, channel="colleague")
    assert (await second.put(f"{path}/review", {})).json()["code"] == "not-a-reviewer"
    assert (await manager.put(f"{path}/review", {})).status_code == 200
    more = BODY | {"agency": "st_ives_primary", "channel": "letter", "because": "He sleeps in class."}
    of_case = f"/v1/cases/{decided.child_ids[0]}/challenges"
    for _ in range(2):
        answer = await worker.post(of_case, more, key=key)
        assert (answer.status_code, answer.json()["id"]) == (201, first["id"])
    other = await worker.post(of_case, more | {"because": "Another."}, key=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    await challenged(decided, manager, agency=None)
    told = (await manager.get("/v1/tasks", owner=manager.id)).json()["items"]
    assert [one["kind"] for one in told] == ["read_joined_challenge"], "not of what the reviewer wrote down"
    assert await moves(hub, decided) == [("heard", "practitioners", None, 4)], "the referrer hears of its own"
    settled = {"outcome": "stands", "agreed": True, "because": "There is a plan."}
    steps = (await manager.put(f"{path}/resolution", settled)).json()["steps"]
    assert [(one["did"], one["by"], one["agency"], one["channel"]) for one in steps] == [
        ("raised", colleague.id, "education", "telephone"),
        ("added", second.id, None, "colleague"),
        ("taken", manager.id, None, None),
        ("added", worker.id, "st_ives_primary", "letter"),
        ("added", manager.id, None, "telephone"),
        ("resolved", manager.id, None, None),
    ]
    again = await worker.post(of_case, more, key=uuid.uuid4().hex)
    assert again.json()["id"] != first["id"], "what is settled is challenged anew"


async def test_the_same_request_again_is_the_same_answer(
    hub: HubWorld, decided: Story, colleague: Person
) -> None:
    path, key = f"/v1/cases/{decided.child_ids[0]}/challenges", uuid.uuid4().hex
    answers = await asyncio.gather(*(colleague.post(path, BODY, key=key) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {201}
    assert len(await hub.rows("SELECT 1 FROM challenge_step")) == 1
    other = await colleague.post(path, BODY | {"because": "Another."}, key=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


async def test_who_decided_or_challenges_reviews_nothing(
    decided: Story, worker: Person, colleague: Person, manager: Person
) -> None:
    made = await challenged(decided, colleague)
    path = f"/v1/challenges/{made['id']}/review"
    for person in (worker, colleague):
        answer = await person.put(path, {})
        assert (answer.status_code, answer.json()["code"]) == (403, "not-a-reviewer")
        up = await person.put(f"/v1/challenges/{made['id']}/escalation", UP)
        assert (up.status_code, up.json()["code"]) == (403, "not-to-take-up")
    assert (await manager.put(path, {})).json()["reviewer"] == manager.id
    assert (await manager.put(path, {})).status_code == 200


async def test_who_signed_reviews_nothing(
    hub: HubWorld, worker: Person, manager: Person, second: Person, colleague: Person
) -> None:
    story = Story()
    await hub.take(story.received([STRANGLED]), story.completed())
    case_id = story.child_ids[0]
    protection = {"level": "section_47", "destination": "csc_section_47"}
    await worker.decide(case_id, (await worker.open(case_id))[1], **protection)
    assert (await manager.sign(case_id)).status_code == 200
    made = await challenged(story, colleague)
    path = f"/v1/challenges/{made['id']}/review"
    assert (await manager.put(path, {})).json()["code"] == "not-a-reviewer"
    assert (await second.put(path, {})).status_code == 200
    taken = await second.http.put(path, headers={"Authorization": f"Bearer {manager.token}"})
    assert taken.status_code == 403


async def test_what_is_not_agreed_goes_up_until_no_stage_is_left(
    hub: HubWorld, decided: Story, colleague: Person, manager: Person, second: Person
) -> None:
    made = await challenged(decided, colleague)
    path = f"/v1/challenges/{made['id']}"
    await manager.put(f"{path}/review", {})
    settled = {"outcome": "stands", "agreed": False, "because": "The plan is right."}
    taken = await second.put(f"{path}/review", {})
    assert (taken.status_code, taken.json()["reviewer"]) == (409, manager.id)
    assert (await second.put(f"{path}/resolution", settled)).json()["code"] == "not-the-reviewer"
    refused = await manager.put(f"{path}/resolution", settled)
    assert (refused.status_code, refused.json()["code"]) == (409, "not-agreed")
    for stage, due_at in (("managers", "2026-11-24T08:30:00Z"), ("board", "2026-11-25T15:00:00Z")):
        answer = await second.put(f"{path}/escalation", UP)
        assert (answer.json()["stage"], answer.json()["reviewer"]) == (stage, None)
        assert answer.json()["due_at"] == due_at
        assert (
            len(await hub.rows("SELECT 1 FROM task WHERE kind = 'review_challenge' AND done_at IS NULL")) == 1
        )
        await manager.put(f"{path}/review", {})
    assert (await manager.put(f"{path}/escalation", UP)).json()["code"] == "last-stage"
    over = {"take_over_because": "They are on leave."}
    taken = await second.put(f"{path}/review", over)
    assert (taken.status_code, taken.json()["reviewer"]) == (200, second.id)
    assert [(one["did"], one["text"]) for one in taken.json()["steps"]][-1] == (
        "taken_over",
        "They are on leave.",
    )
    assert (await manager.put(f"{path}/resolution", settled)).json()["code"] == "not-the-reviewer"
    assert (await manager.put(f"{path}/review", over)).json()["reviewer"] == manager.id
    answer = await manager.put(f"{path}/resolution", settled)
    assert (answer.json()["outcome"], answer.json()["agreed"]) == ("stands", False)
    assert (await hub.case(decided.child_ids[0])).stage is Stage.CLOSED
    again = await manager.put(f"{path}/resolution", settled)
    assert (again.status_code, again.json()["outcome"]) == (409, "stands")
    tasks = await hub.rows("SELECT done_at FROM task WHERE kind = 'review_challenge'")
    assert len(tasks) == 3
    assert all(row["done_at"] for row in tasks)


async def test_to_decide_anew_asks_for_a_decision_and_leaves_the_first_one(
    hub: HubWorld, decided: Story, colleague: Person, manager: Person
) -> None:
    made = await challenged(decided, colleague)
    path = f"/v1/challenges/{made['id']}"
    await manager.put(f"{path}/review", {})
    settled = {"outcome": "decide_anew", "agreed": True, "because": "The school is right."}
    assert (await manager.put(f"{path}/resolution", settled)).status_code == 200
    case = await hub.case(decided.child_ids[0])
    assert (case.stage, case.decision) == (Stage.DECISION, 1)
    assert (await hub.names(decided.id))[-1] == "case-reopened"


def sent(story: Story, **shared: Any) -> Event:
    """The referrer's system disagrees with what was decided on the first child."""
    said = {
        "reference": story.reference,
        "received_at": story.at,
        "agency": "st_ives_primary",
        "addition": uuid.uuid4(),
        "challenger": f"{CANARY}, safeguarding lead",
        "reach": "The office, before 16:00",
        "disagrees_with": "That early help is enough.",
        "because": f"{CANARY} is hungrier than you think.",
        "safe_meanwhile": "He eats with us.",
    }
    payload = ChallengedReferral.model_validate(said | shared)
    return story.event(CHALLENGED, Challenged(shared=payload, children={story.child_ids[0]: Nothing()}))


async def moves(hub: HubWorld, story: Story) -> list[tuple[str, str | None, str | None, int]]:
    """What was told of the first child's challenges: state, stage, outcome and number."""
    told = [payload for name, payload in await hub.emitted(story.id) if name == "challenge-moved"]
    children = [one.children[story.child_ids[0]] for one in told if story.child_ids[0] in one.children]
    return [(one.state, one.stage, one.outcome, one.number) for one in children]


async def test_the_referrers_system_challenges_each_case_once_from_when_it_was_sent(
    hub: HubWorld, decided: Story, manager: Person, second: Person, worker: Person
) -> None:
    hub.clock.advance(timedelta(hours=5))
    event = sent(decided)
    await hub.take(event)
    await hub.take(replace(event, id=uuid.uuid4()))
    [row] = await hub.rows("SELECT * FROM challenge")
    assert row["id"] == uuid.uuid5(event.payload.shared.addition, str(decided.child_ids[0]))
    assert row["raised_at"] == event.payload.shared.received_at
    assert row["due_at"] == datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
    case = await hub.case(decided.child_ids[0])
    assert (case.closed_at, case.decision) == (None, 1)
    path = f"/v1/challenges/{row['id']}"
    [step] = (await manager.get(path)).json()["steps"]
    assert (step["by"], step["safe_meanwhile"]) == ("st_ives_primary", "He eats with us.")
    assert (await worker.put(f"{path}/review", {})).json()["code"] == "not-a-reviewer"
    await hub.take(sent(decided, because="And he is cold."))
    assert [one["did"] for one in (await manager.get(path)).json()["steps"]] == ["raised", "added"]
    await manager.put(f"{path}/escalation", UP)
    await manager.put(f"{path}/review", {})
    joined = "SELECT 1 FROM task WHERE kind = 'read_joined_challenge'"
    assert await hub.rows(joined) == [], "whoever takes a review reads all that was said before"
    await hub.take(late := sent(decided, because="And he sleeps in class."))
    await hub.take(replace(late, id=uuid.uuid4()))
    [told] = (await manager.get("/v1/tasks", owner=manager.id)).json()["items"]
    assert (told["kind"], told["overdue"]) == ("read_joined_challenge", False)
    await second.put(f"{path}/review", {"take_over_because": "Morgan is away."})
    [theirs] = (await second.get("/v1/tasks", owner=second.id)).json()["items"]
    assert theirs["id"] == told["id"]
    settled = {"outcome": "stands", "agreed": True, "because": f"{CANARY} has a plan."}
    assert (await second.put(f"{path}/resolution", settled)).status_code == 200
    assert await moves(hub, decided) == [
        ("heard", "practitioners", None, 1),
        ("heard", "practitioners", None, 2),
        ("escalated", "managers", None, 3),
        ("heard", "managers", None, 5),
        ("settled", "managers", "stands", 7),
    ]
    assert await hub.rows("SELECT 1 FROM task WHERE kind LIKE '%challenge' AND done_at IS NULL") == []


async def test_what_the_referrer_says_before_a_decision_is_further_information_to_read(hub: HubWorld) -> None:
    story = Story(children=2)
    early = sent(story)
    await hub.take(early)
    await hub.take(story.received([HUNGRY], [HUNGRY]), story.completed())
    assert await hub.rows("SELECT 1 FROM challenge") == []
    kinds = await hub.rows("SELECT case_id FROM evidence WHERE kind = 'information'")
    assert [row["case_id"] for row in kinds] == [story.child_ids[0]]
    assert (await hub.case(story.child_ids[0])).unread
    assert await moves(hub, story) == [("information", None, None, 0)]


async def test_only_the_referrer_hears_of_a_challenge_and_of_its_outcome_where_the_decision_may_be_told(
    hub: HubWorld, worker: Person, colleague: Person, manager: Person
) -> None:
    story = Story(children=2)
    agreed = {"early_help": {"answer": "given"}}
    await hub.take(story.received([HUNGRY], [HUNGRY], agreements=agreed), story.completed())
    for case_id in story.child_ids:
        await worker.read(case_id)
        answer = await worker.decide(
            case_id, (await worker.open(case_id))[1], may_tell_referrer=case_id == story.child_ids[1]
        )
        assert answer.status_code == 200
    for place, agency in enumerate(("st_ives_primary", "health_visiting")):
        path = f"/v1/cases/{story.child_ids[place]}/challenges"
        assert (await colleague.post(path, BODY | {"agency": agency})).status_code == 201
    told = [payload for name, payload in await hub.emitted(story.id) if name == "challenge-moved"]
    assert [list(one.children) for one in told] == [[story.child_ids[0]]]
    assert told[0].children[story.child_ids[0]].may_tell_referrer is False
    assert CANARY not in str(told)


async def test_what_is_new_is_evaluated_at_once(hub: HubWorld, decided: Story, colleague: Person) -> None:
    await challenged(decided, colleague)
    await hub.take(decided.information(STRANGLED))
    assert (await hub.case(decided.child_ids[0])).at_risk


async def test_a_stage_that_runs_over_is_an_event(hub: HubWorld, decided: Story, colleague: Person) -> None:
    await challenged(decided, colleague)
    rows = await hub.rows("SELECT due_at FROM challenge")
    assert (await colleague.get("/v1/challenges")).json()["items"][0]["overdue"] is False
    hub.clock.set(rows[0]["due_at"] + timedelta(seconds=1))
    await TimerLoop(hub.ledger, TaskClock(get_meter("test")).handlers).fire_due()
    assert (await colleague.get("/v1/challenges")).json()["items"][0]["overdue"] is True
    name, told = (await hub.emitted(decided.id))[-1]
    assert (name, told.children[decided.child_ids[0]].clock) == ("case-overdue", "task.review_challenge")


async def test_no_note_settles_a_challenge_in_its_reviewers_place(
    hub: HubWorld, decided: Story, colleague: Person, manager: Person
) -> None:
    await challenged(decided, colleague)
    [row] = await hub.rows("SELECT id FROM task WHERE kind = 'review_challenge'")
    answer = await manager.put(f"/v1/tasks/{row['id']}", {"note": "Settled."})
    assert (answer.status_code, answer.json()["code"]) == (409, "challenge-open")


async def test_the_board_sees_numbers_and_nobody(decided: Story, colleague: Person, manager: Person) -> None:
    made = await challenged(decided, colleague)
    await manager.put(f"/v1/challenges/{made['id']}/review", {})
    await manager.put(
        f"/v1/challenges/{made['id']}/resolution",
        {"outcome": "withdrawn", "agreed": True, "because": "Settled."},
    )
    window = {"from": "2026-11-23T00:00:00Z", "to": "2026-11-24T00:00:00Z"}
    counted = (await manager.get("/v1/challenges/counts", **window)).json()
    [count] = counted["counts"]
    assert (count["agency"], count["outcome"], count["challenges"]) == ("education", "withdrawn", 1)
    assert (await manager.get("/v1/challenges")).json()["items"] == []
    assert len((await manager.get("/v1/challenges", settled=True)).json()["items"]) == 1


async def test_a_restricted_childs_challenge_looks_like_none(
    hub: HubWorld, decided: Story, colleague: Person, manager: Person, second: Person
) -> None:
    made = await challenged(decided, colleague)
    await hub.rows("UPDATE child_case SET restricted = true RETURNING 1")
    path = f"/v1/challenges/{made['id']}"
    done = {"outcome": "stands", "agreed": True, "because": "Yes."}
    hidden = [
        await manager.get(path),
        await manager.put(f"{path}/review", {}),
        await manager.put(f"{path}/escalation", UP),
        await manager.put(f"{path}/resolution", done),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in hidden} == {
        (404, "challenge-not-found")
    }
    assert (await manager.get("/v1/challenges")).json()["items"] == []
    assert (await second.get(path)).status_code == 200

    await hub.rows(
        "INSERT INTO breach (case_id, clock, due_at, at) VALUES ($1, 'decision', $2, $2) RETURNING 1",
        decided.child_ids[0],
        hub.clock.now(),
    )
    window = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-31T00:00:00Z"}
    for person, there in ((manager, 0), (second, 1)):
        for path, number in (
            ("challenges/counts", "challenges"),
            ("departures", "decisions"),
            ("clocks/breaches/counts", "breaches"),
        ):
            assert (await person.get(f"/v1/{path}", **window)).json()[number] == there, path
