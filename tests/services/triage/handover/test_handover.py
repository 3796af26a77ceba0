"""A child is the hub's until somebody at the receiving end accepts it, and a referral closes when nothing is left."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import httpx
import pytest

from libs.schemas.events import (
    ENRICHMENT_RESUMED,
    ENRICHMENT_STOPPED,
    NOTICE_FAILED,
    NoticeFailed,
    NoticeResult,
    ProcessingResumed,
    ProcessingStopped,
    Resumed,
    Stopped,
)
from libs.schemas.levels import Stage
from libs.schemas.notice import NoticeChannel, NoticeKind
from sandbox.issuer import Issuer
from services.triage.casework import Casework
from services.triage.handover.handovers import Handovers
from services.triage.handover.sweep import Closing
from services.triage.thresholds import Thresholds
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person

HUNGRY = stated("child.hunger", "persistent")
STRANGLED = stated("household.strangulation_or_weapon", True)
SECTION_17: dict[str, Any] = {
    "level": "section_17",
    "destination": "csc_section_17",
    "departure_reason": "Seen today.",
}
ROBIN = "Robin Day, social worker in the assessment team"


@pytest.fixture
def receiver(http: httpx.AsyncClient, issuer: Issuer) -> Person:
    return Person(http, issuer, "receiver-csc-1")


@pytest.fixture
async def decided(hub: HubWorld, manager: Person) -> Story:
    """A referral of one child that was decided for section 17."""
    story = Story()
    await hub.take(story.received([HUNGRY]), story.completed())
    await manager.read(story.child_ids[0])
    await decide(story, manager, **SECTION_17)
    return story


async def decide(story: Story, by: Person, child: int = 0, **body: Any) -> None:
    case_id = story.child_ids[child]
    answer = await by.decide(case_id, (await by.open(case_id))[1], **body)
    assert answer.status_code == 200, answer.text


async def accept(story: Story, by: Person, decision: int = 1, child: int = 0, **body: Any) -> httpx.Response:
    path = f"/v1/cases/{story.child_ids[child]}/handover/acceptance"
    return await by.put(path, {"decision": decision, "accepted_by": ROBIN, **body})


async def refuse(story: Story, by: Person, decision: int = 1, child: int = 0) -> httpx.Response:
    path = f"/v1/cases/{story.child_ids[child]}/handover/refusal"
    return await by.put(
        path, {"decision": decision, "refused_by": ROBIN, "reason": f"{CANARY} has moved to another county."}
    )


def closing(hub: HubWorld, thresholds: Thresholds) -> Closing:
    return Closing(hub.ledger, Handovers(hub.ledger, Casework(thresholds), hub.policies))


async def armed(hub: HubWorld) -> set[str]:
    """The clocks that run; the assessment's runs on at the receiving end, until somebody says that it is made."""
    return {row[0] for row in await hub.rows("SELECT kind FROM timer WHERE state = 'armed'")}


async def test_until_somebody_accepts_the_child_is_the_hubs_with_a_clock(
    hub: HubWorld, decided: Story, worker: Person
) -> None:
    case = await hub.case(decided.child_ids[0])
    assert (case.stage, case.team) == (Stage.HAND_OVER, "csc")
    assert await armed(hub) == {"hand_over", "assessment"}
    [due] = await hub.rows("SELECT due_at FROM timer WHERE state = 'armed' AND kind = 'hand_over'")
    assert due["due_at"] == case.hand_over_due_at
    # It says by which rule, and why then, as every clock does, and as the preview says beforehand.
    shown = (await worker.get(f"/v1/cases/{case.id}/clocks")).json()["clocks"]
    [clock] = [one for one in shown if one["clock"] == "hand_over"]
    assert clock["rule"].endswith(
        "of the hours in which the hub is open; from the decision to the acceptance"
    )
    wanted = {"clock": "hand_over.csc_section_17", "start": clock["started_at"]}
    preview = (await worker.get("/v1/clocks/preview", **wanted)).json()
    assert preview["due_at"] == clock["due_at"]
    assert preview["words"] == clock["because"]
    assert [row["rule"] for row in await hub.rows("SELECT rule FROM handover")] == ["480 working"]
    [item] = (await worker.get("/v1/queue", stage="hand_over")).json()["items"]
    assert item["case_id"] == str(case.id)
    [waits] = (await worker.get("/v1/handovers", team="csc")).json()["items"]
    assert (waits["case_id"], waits["answer"]) == (str(case.id), None)
    assert (await worker.get("/v1/handovers", team="early_help")).json()["items"] == []


async def test_a_named_person_accepts_and_the_referral_closes(
    hub: HubWorld, decided: Story, receiver: Person, worker: Person
) -> None:
    answer = await accept(decided, receiver, note="Allocated today.")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["answer"], body["answered_by"], body["recorded_by"]) == ("accepted", ROBIN, receiver.id)
    assert (await hub.case(decided.child_ids[0])).stage is Stage.CLOSED
    assert (await hub.names(decided.id))[-2:] == ["case-handed-over", "referral-closed"]
    assert await armed(hub) == {"assessment"}
    assert (await worker.get("/v1/queue")).json()["items"] == []
    assert (await accept(decided, receiver, note="Allocated today.")).json() == body
    view, _ = await worker.open(decided.child_ids[0])
    assert view["handovers"][-1]["note"] == "Allocated today."


async def test_what_is_refused_comes_back_with_the_reason_and_a_clock(
    hub: HubWorld, decided: Story, receiver: Person, manager: Person
) -> None:
    assert (await refuse(decided, receiver)).status_code == 200
    case = await hub.case(decided.child_ids[0])
    assert case.stage is Stage.DECISION
    assert await armed(hub) == {"decision", "urgency", "assessment"}
    assert (await hub.names(decided.id))[-2:] == ["case-reopened", "case-handed-over"]
    view, _ = await manager.open(case.id)
    assert view["handovers"][-1]["note"].startswith(CANARY)
    assert [one["number"] for one in view["decisions"]] == [1]

    # The very same decision, once more, is a decision of its own: what it answers is new.
    await decide(decided, manager, **SECTION_17)
    assert (await accept(decided, receiver, decision=1)).json()["code"] == "answered-already"
    assert (await accept(decided, receiver, decision=2)).status_code == 200
    assert (await hub.case(case.id)).stage is Stage.CLOSED


async def test_only_the_decision_that_stands_is_accepted(
    decided: Story, receiver: Person, manager: Person
) -> None:
    await decide(decided, manager, **SECTION_17, rationale="Seen again.")
    stale = await accept(decided, receiver, decision=1)
    assert (stale.status_code, stale.json()["answer"]) == (409, "superseded")
    unknown = await accept(decided, receiver, decision=7)
    assert (unknown.status_code, unknown.json()["code"]) == (409, "not-handed-over")


async def test_of_acceptance_and_refusal_at_once_one_counts(
    hub: HubWorld, decided: Story, receiver: Person
) -> None:
    answers = await asyncio.gather(accept(decided, receiver), refuse(decided, receiver))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len([name for name in await hub.names(decided.id) if name == "case-handed-over"]) == 1


async def test_who_neither_receives_nor_works_here_accepts_nothing(
    hub: HubWorld, decided: Story, http: httpx.AsyncClient, issuer: Issuer, worker: Person, manager: Person
) -> None:
    reader = Person(http, issuer, "panel-chair-1")
    token = issuer.token("panel-chair-1", scopes=("case:read",))
    path = f"/v1/cases/{decided.child_ids[0]}/handover/acceptance"
    body = {"decision": 1, "accepted_by": ROBIN}
    assert (await http.put(path, json=body, headers={"Authorization": f"Bearer {token}"})).status_code == 403
    assert reader.id == "panel-chair-1"
    # Staff of the hub record who accepted by telephone.
    told = await accept(decided, worker)
    assert (told.json()["answered_by"], told.json()["recorded_by"]) == (ROBIN, worker.id)
    # Whoever says the same after them reads what stands there, which is noted as every reading is.
    again = await accept(decided, manager)
    history = await worker.get(f"/v1/cases/{decided.child_ids[0]}/handover")
    assert again.json() == told.json() == history.json()["items"][0]
    reads = await hub.rows("SELECT subject FROM access WHERE action = 'handover.read' ORDER BY id")
    assert [row[0] for row in reads] == [manager.id, worker.id]


async def test_the_receiving_end_answers_for_the_team_of_its_token_alone(
    hub: HubWorld, decided: Story, http: httpx.AsyncClient, issuer: Issuer, receiver: Person
) -> None:
    for answer in (accept, refuse):
        refused = await answer(decided, Person(http, issuer, "receiver-eh-1"))
        assert (refused.status_code, refused.json()["code"]) == (403, "other-team")
        assert refused.json()["team"] == "csc"
        assert "csc" in refused.json()["detail"]
    token = issuer.token("panel-chair-1", scopes=("case:read", "handover:accept"))
    path = f"/v1/cases/{decided.child_ids[0]}/handover/acceptance"
    body = {"decision": 1, "accepted_by": ROBIN}
    nobodys = await http.put(path, json=body, headers={"Authorization": f"Bearer {token}"})
    assert (nobodys.status_code, nobodys.json()["code"]) == (403, "team-missing")
    assert (await hub.case(decided.child_ids[0])).stage is Stage.HAND_OVER
    assert (await accept(decided, receiver)).status_code == 200


async def test_advice_is_handed_to_nobody_and_closes_the_referral(hub: HubWorld, manager: Person) -> None:
    story = Story()
    await hub.take(story.received([stated("household.protective_adult", True)]), story.completed())
    await manager.read(story.child_ids[0])
    await decide(story, manager, level="universal", destination="universal_advice")
    assert (await hub.case(story.child_ids[0])).stage is Stage.CLOSED
    assert (await hub.names(story.id))[-2:] == ["case-decided", "referral-closed"]


async def test_a_referral_closes_only_when_every_child_is_decided_and_accepted_and_every_duty_answered(
    hub: HubWorld, manager: Person, receiver: Person
) -> None:
    story = Story(children=2)
    await hub.take(story.received([STRANGLED], [STRANGLED]), story.completed())
    protection = {"level": "section_47", "destination": "csc_section_47"}
    await decide(story, manager, 0, **protection)
    assert (await accept(story, receiver)).status_code == 200
    assert (await hub.case(story.child_ids[0])).stage is Stage.DECIDED
    await decide(story, manager, 1, **protection)
    assert (await accept(story, receiver, child=1)).status_code == 200
    assert "referral-closed" not in await hub.names(story.id)

    tasks = await hub.rows("SELECT id FROM task WHERE done_at IS NULL ORDER BY id")
    explained = {"note": "Held for an earlier report.", "outcome": "not_needed"}
    for row in tasks[:-1]:
        await manager.put(f"/v1/tasks/{row[0]}", explained)
    assert "referral-closed" not in await hub.names(story.id)
    await manager.put(f"/v1/tasks/{tasks[-1][0]}", explained)
    assert (await hub.names(story.id))[-1] == "referral-closed"
    assert {(await hub.case(child)).stage for child in story.child_ids} == {Stage.CLOSED}


async def test_a_late_fact_that_raises_opens_a_closed_referral(
    hub: HubWorld, decided: Story, receiver: Person
) -> None:
    await accept(decided, receiver)
    await hub.take(decided.answer("police", STRANGLED, late=True))
    case = await hub.case(decided.child_ids[0])
    assert (case.stage, case.closed_at) == (Stage.DECISION, None)
    assert await armed(hub) == {"alert", "decision", "urgency", "assessment", "task"}


async def test_words_on_a_closed_referral_open_it_until_somebody_read_them(
    hub: HubWorld, decided: Story, receiver: Person, worker: Person
) -> None:
    await accept(decided, receiver)
    await hub.take(decided.information(worry=f"{CANARY} was seen again."))
    case = await hub.case(decided.child_ids[0])
    assert (case.stage, case.closed_at, case.decision) == (Stage.TO_BE_READ, None, 1)
    await worker.read(case.id)
    assert (await hub.case(case.id)).stage is Stage.CLOSED
    assert (await hub.names(decided.id)).count("referral-closed") == 2
    # What they read obliges to something, though it raises nothing.
    await hub.take(decided.information(worry=f"{CANARY} watches men with flags."))
    worry = stated("child.radicalisation", "early_worry").model_dump(mode="json")
    assert (await worker.read(case.id, facts=[worry])).status_code == 200
    assert (await hub.case(case.id)).stage is Stage.DECIDED


async def test_a_fact_that_changes_nothing_opens_a_closed_referral_until_somebody_looked_at_it(
    hub: HubWorld, decided: Story, receiver: Person, worker: Person, thresholds: Thresholds
) -> None:
    stopped = Stopped(
        consumer="enrichment", event_id=decided.id, event_type="x", reason="contract", at=hub.clock.now()
    )
    await hub.take(decided.event(ENRICHMENT_STOPPED, ProcessingStopped(shared=stopped)))
    await accept(decided, receiver)
    assert "referral-closed" not in await hub.names(decided.id), "somebody else cannot go on with it"
    resumed = Resumed(consumer="enrichment", at=hub.clock.now())
    await hub.take(decided.event(ENRICHMENT_RESUMED, ProcessingResumed(shared=resumed)))
    assert await closing(hub, thresholds).sweep() == 1
    await hub.take(decided.information(stated("household.protective_adult", True)))
    case_id = decided.child_ids[0]
    assert (await hub.case(case_id)).stage is Stage.DECIDED
    [task] = await hub.rows("SELECT id FROM task WHERE kind = 'look_at_new_information'")
    assert (await worker.put(f"/v1/tasks/{task[0]}", {"note": "Changes nothing."})).status_code == 200
    assert (await hub.case(case_id)).stage is Stage.CLOSED


@pytest.mark.parametrize("obliges", ["a notice", "an answer"])
async def test_what_is_obliged_after_closing_opens_the_referral_until_it_is_done(
    hub: HubWorld, decided: Story, receiver: Person, worker: Person, obliges: str
) -> None:
    await accept(decided, receiver)
    case_id = decided.child_ids[0]
    assert (await hub.case(case_id)).stage is Stage.CLOSED
    result = NoticeResult(
        reference=decided.reference,
        notice_id=decided.id,
        kind=NoticeKind.OUTCOME,
        channel=NoticeChannel.EMAIL,
        at=hub.clock.now(),
        reason="permanent-failure",
    )
    if obliges == "a notice":
        event, kind = decided.event(NOTICE_FAILED, NoticeFailed(shared=result)), "tell_referrer_by_telephone"
    else:
        # It raises nothing, so that no decision is at risk, and asks for something all the same.
        told = stated("child.radicalisation", "early_worry")
        event, kind = decided.answer("education", told, late=True), "prevent_referral"
    await hub.take(event)
    assert (await hub.case(case_id)).stage is Stage.DECIDED
    [(task,)] = await hub.rows("SELECT id FROM task WHERE kind = $1 AND done_at IS NULL", kind)
    assert (await worker.put(f"/v1/tasks/{task}", {"note": "Done by telephone."})).status_code == 200
    assert (await hub.case(case_id)).stage is Stage.CLOSED
    if obliges == "a notice":
        again = NoticeFailed(shared=result)
        await hub.take(decided.event(NOTICE_FAILED, again))
        assert (await hub.case(case_id)).stage is Stage.CLOSED, "told again, it was done already"


async def test_what_is_learnt_of_one_child_opens_the_referral_of_all(
    hub: HubWorld, manager: Person, receiver: Person
) -> None:
    story = Story(children=2)
    await hub.take(story.received([HUNGRY], [HUNGRY]), story.completed())
    for child in (0, 1):
        await manager.read(story.child_ids[child])
        await decide(story, manager, child, **SECTION_17)
        await accept(story, receiver, child=child)
    assert {(await hub.case(child)).stage for child in story.child_ids} == {Stage.CLOSED}
    told = stated("child.self_harm", "attempt")
    await hub.take(story.answer("health", told, late=True))
    stages = [(await hub.case(child)).stage for child in story.child_ids]
    assert stages == [Stage.DECISION, Stage.DECIDED]


async def test_a_referral_of_which_one_child_alone_was_closed_is_found(
    hub: HubWorld, manager: Person, thresholds: Thresholds
) -> None:
    story = Story(children=2)
    await hub.take(story.received([HUNGRY], [HUNGRY]), story.completed())
    for child in (0, 1):
        await manager.read(story.child_ids[child])
        await decide(story, manager, child, **SECTION_17)
        await manager.accept(story.child_ids[child])
    reopened = "UPDATE child_case SET closed_at = NULL, stage = 'decided' WHERE id = $1 RETURNING 1"
    await hub.rows(reopened, story.child_ids[1])
    assert await closing(hub, thresholds).sweep() == 1
    assert {(await hub.case(child)).stage for child in story.child_ids} == {Stage.CLOSED}


async def test_nothing_extends_the_clock_of_a_decision_that_is_at_risk(
    hub: HubWorld, decided: Story, receiver: Person
) -> None:
    await hub.take(decided.answer("police", STRANGLED, late=True))
    due_at = (await hub.case(decided.child_ids[0])).due_at
    hub.clock.advance(timedelta(days=1))
    assert (await refuse(decided, receiver)).status_code == 200
    assert (await hub.case(decided.child_ids[0])).due_at == due_at
    await hub.take(decided.information(immediate_danger=True, danger_reason="He is here."))
    assert (await hub.case(decided.child_ids[0])).due_at == due_at


async def test_a_person_opens_a_referral_again_with_a_reason(
    hub: HubWorld, decided: Story, receiver: Person, worker: Person
) -> None:
    path = f"/v1/referrals/{decided.reference}/reopening"
    await accept(decided, receiver)
    assert (await worker.post(path, {})).status_code == 422
    key = uuid.uuid4().hex
    answer = await worker.post(path, {"reason": f"{CANARY}'s aunt rang."}, key=key)
    assert answer.status_code == 201, answer.text
    assert (await hub.case(decided.child_ids[0])).stage is Stage.DECISION
    assert (await hub.names(decided.id))[-1] == "case-reopened"
    done = await hub.rows(
        "SELECT action FROM access WHERE action LIKE ANY ('{handover.%,case.reopen}') ORDER BY id"
    )
    assert [row["action"] for row in done] == ["handover.accepted", "case.reopen"]

    again = await worker.post(path, {"reason": f"{CANARY}'s aunt rang."}, key=key)
    assert (again.status_code, again.json()) == (201, answer.json())
    assert (await hub.names(decided.id)).count("case-reopened") == 1
    other = await worker.post(path, {"reason": "Another."}, key=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    waiting = await worker.post(path, {"reason": "Again."})
    assert (waiting.status_code, waiting.json()["code"]) == (409, "not-decided")
    strange = await worker.post(path, {"reason": "Again.", "case_ids": [str(uuid.uuid4())]})
    assert strange.json()["errors"][0]["pointer"] == "/case_ids/0"
    unknown = await worker.post("/v1/referrals/AAAA-AAAA-A/reopening", {"reason": "Again."})
    assert unknown.status_code == 404


async def test_what_nobody_noticed_is_closed_all_the_same(
    hub: HubWorld, decided: Story, receiver: Person, thresholds: Thresholds
) -> None:
    await accept(decided, receiver)
    await hub.rows("UPDATE child_case SET closed_at = NULL, stage = 'decided' RETURNING 1")
    # The receiving end's own work keeps nothing open here.
    await hub.ledger.pool.execute(
        "INSERT INTO task (id, referral_id, case_id, kind, raised_at, due_at) VALUES ($1, $2, $3, $4, $5, $5)",
        uuid.uuid4(),
        decided.id,
        decided.child_ids[0],
        "complete_early_help_assessment",
        hub.clock.now(),
    )
    assert await closing(hub, thresholds).sweep() == 1
    assert (await hub.case(decided.child_ids[0])).stage is Stage.CLOSED
    assert await closing(hub, thresholds).sweep() == 0
