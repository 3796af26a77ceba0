"""Who may decide what, on what they have seen, and what becomes of it."""

import asyncio
import uuid

import pytest

from libs.schemas.decision import Departure
from libs.schemas.levels import Destination, Level, Stage
from services.triage.decision.circumstances import Choice, departure
from services.triage.placement.places import HIGHEST, MINIMUM, Placement
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person

HUNGRY = stated("child.hunger", "persistent")
STRANGLED = stated("household.strangulation_or_weapon", True)


@pytest.fixture
async def story(hub: HubWorld, worker: Person) -> Story:
    """A referral that was read and whose case waits for its decision: targeted, so early help as long as there is
    no agreement.
    """
    story = Story()
    await hub.take(story.received([HUNGRY]), story.completed({"police": "no_answer"}))
    assert (await worker.read(story.child_ids[0])).status_code == 200
    return story


async def test_a_decision_is_told_and_takes_the_case_out_of_the_queue(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    answer = await worker.decide(child, tag)

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["stage"] == "hand_over"
    await worker.accept(child)
    assert (body["decision"]["departure"], body["decision"]["decided_by"]) == ("agrees", worker.id)
    assert (await worker.get("/v1/queue")).json()["items"] == []
    assert await hub.names(story.id) == [
        "case-screened",
        "case-screened",
        "case-routed",
        "case-decided",
        "case-handed-over",
    ]
    armed = await hub.rows("SELECT 1 FROM timer WHERE state = 'armed' AND kind <> 'task'")
    assert armed == []
    told = (await hub.emitted(story.id))[-2][1].children[child]
    assert (told.destination, told.decision, told.departs) == (Destination.EARLY_HELP, 1, False)


async def test_a_scope_alone_decides_nothing_without_a_role_that_does(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    token = worker.issuer.token("staff-worker-1", scopes=("case:read", "decision:write"))
    body = {"level": "targeted", "destination": "early_help", "rationale": "Help.", "may_tell_referrer": True}
    headers = {"Authorization": f"Bearer {token}", "If-Match": tag}
    answer = await worker.http.put(f"/v1/cases/{child}/decision", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "role-missing")
    assert (await hub.case(child)).decision == 0


async def test_a_decision_needs_what_was_seen(story: Story, worker: Person) -> None:
    answer = await worker.decide(story.child_ids[0], None)
    assert (answer.status_code, answer.json()["code"]) == (428, "if-match-missing")


async def test_new_evidence_refuses_a_decision_and_says_what_is_new(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    await hub.take(story.answer("police", late=True))
    answer = await worker.decide(child, tag)

    assert answer.status_code == 412
    assert answer.json()["changed"] == ["evidence", "answers", "evaluation"]
    assert (await hub.case(child)).decision == 0


async def test_who_comes_second_learns_who_was_first(story: Story, worker: Person, manager: Person) -> None:
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    _, same = await manager.open(child)
    await worker.decide(child, tag)
    answer = await manager.decide(child, same)

    assert answer.status_code == 409
    assert answer.json()["decided_by"] == worker.id
    assert answer.json()["destination"] == "early_help"


async def test_whoever_has_seen_the_decision_may_decide_anew_beside_it(
    hub: HubWorld, story: Story, worker: Person, manager: Person
) -> None:
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    await worker.decide(child, tag)
    _, fresh = await worker.open(child)
    higher = {"level": "section_17", "destination": "csc_section_17", "departure_reason": "Seen today."}
    second = await manager.decide(child, fresh, **higher)
    assert (second.status_code, second.json()["decision"]["number"]) == (200, 2)
    assert (await hub.names(story.id)).count("case-decided") == 2

    stale = await worker.decide(child, fresh, **higher)
    assert (stale.status_code, stale.json()["decided_by"]) == (409, manager.id)
    view, _ = await worker.open(child)
    assert [one["level"] for one in view["decisions"]] == ["targeted", "section_17"]


async def test_more_need_than_the_destination_serves_is_refused(story: Story, manager: Person) -> None:
    child = story.child_ids[0]
    _, tag = await manager.open(child)
    for destination, highest in HIGHEST.items():
        for level in [one for one in Level if one > highest]:
            answer = await manager.decide(
                child, tag, level=level, destination=destination, departure_reason="Seen today."
            )
            assert answer.status_code == 422
            [error] = answer.json()["errors"]
            assert (error["pointer"], error["code"]) == ("/level", "level_above_destination")


async def test_of_two_at_once_one_decides(
    hub: HubWorld, story: Story, worker: Person, manager: Person
) -> None:
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    answers = await asyncio.gather(*(person.decide(child, tag) for person in (worker, manager)))

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len(await hub.rows("SELECT 1 FROM decision")) == 1
    assert (await hub.names(story.id)).count("case-decided") == 1


async def test_the_same_decision_again_is_the_same_answer(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    first = await worker.decide(child, tag)
    again = await worker.decide(child, tag)
    with_new_tag = await worker.decide(child, first.headers["etag"])

    assert again.json() == first.json() == with_new_tag.json()
    assert again.headers["etag"] == first.headers["etag"]
    assert (await hub.names(story.id)).count("case-decided") == 1
    assert (await worker.decide(child, tag, rationale="Otherwise.")).status_code == 409


async def test_a_departure_needs_its_reason(story: Story, manager: Person) -> None:
    child = story.child_ids[0]
    _, tag = await manager.open(child)
    answer = await manager.decide(child, tag, level="section_17", destination="csc_section_17")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/departure_reason"

    answer = await manager.decide(
        child, tag, level="section_17", destination="csc_section_17", departure_reason="Seen today."
    )
    assert answer.json()["decision"]["departure"] == "above"


async def test_who_only_prepares_does_not_decide(story: Story, operator: Person) -> None:
    assert (await operator.decide(story.child_ids[0], '"1.1.1.0"')).status_code == 403


async def test_a_case_that_does_not_exist_looks_like_one_that_is_not_yours(worker: Person) -> None:
    answer = await worker.decide(uuid.uuid4(), '"1.1.1.0"')
    assert (answer.status_code, answer.json()["code"]) == (404, "case-not-found")
    assert (await worker.get(f"/v1/cases/{uuid.uuid4()}")).json()["code"] == "case-not-found"


async def test_a_late_fact_puts_the_decision_at_risk_and_leaves_it_as_it_is(
    hub: HubWorld, story: Story, worker: Person, manager: Person
) -> None:
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    first = (await worker.decide(child, tag)).json()["decision"]
    await hub.take(story.answer("police", STRANGLED, late=True))

    view, tag = await worker.open(child)
    assert view["stage"] == "decision"
    assert "decision_at_risk" in view["tags"]
    assert view["decisions"] == [first]
    assert (view["at_risk"]["level_then"], view["at_risk"]["level_now"]) == ("targeted", "section_47")
    assert view["at_risk"]["evaluations_since"] == [4]
    assert (await hub.names(story.id))[-2:] == ["case-screened", "case-reopened"]
    [item] = (await worker.get("/v1/queue")).json()["items"]
    assert item["case_id"] == str(child)
    armed = await hub.rows("SELECT due_at FROM timer WHERE kind = 'decision' AND state = 'armed'")
    assert len(armed) == 1

    second = await manager.decide(child, tag, level="section_47", destination="csc_section_47")
    assert second.json()["decision"]["number"] == 2
    view, _ = await worker.open(child)
    assert [decision["number"] for decision in view["decisions"]] == [1, 2]
    assert (await hub.case(child)).stage is Stage.HAND_OVER


async def test_what_was_taken_back_before_the_decision_puts_it_at_risk_when_it_is_said_again(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    child, drawn_in = story.child_ids[0], stated("child.radicalisation", "drawn_in")
    await hub.take(story.answer("education", drawn_in, late=True))
    assert (await hub.case(child)).level is Level.SECTION_17
    await hub.take(story.corrected("education", retracted=True))
    decided = await worker.decide(child, (await worker.open(child))[1])
    assert decided.json()["decision"]["departure"] == "agrees"
    await hub.take(story.answer("health", drawn_in, late=True))
    assert (await hub.case(child)).at_risk


async def test_a_late_fact_that_raises_nothing_leaves_a_decided_case_decided(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    await worker.decide(child, tag)
    await hub.take(story.answer("police", late=True))
    case = await hub.case(child)
    assert (case.stage, case.at_risk) == (Stage.HAND_OVER, False)


async def test_news_in_words_on_a_decided_case_waits_for_a_reader(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    await worker.decide(child, tag)
    await hub.take(story.information(worry="His uncle has moved in."))

    case = await hub.case(child)
    assert (case.stage, case.decision) == (Stage.TO_BE_READ, 1)
    assert (await worker.read(child)).status_code == 200
    assert (await hub.case(child)).stage is Stage.HAND_OVER


async def test_danger_is_decided_before_the_checks_are_complete(hub: HubWorld, manager: Person) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY], immediate_danger=True))
    child = story.child_ids[0]
    _, tag = await manager.open(child)
    answer = await manager.decide(child, tag, level="section_47", destination="csc_section_47")
    assert answer.json()["decision"]["departure"] == "agrees"

    await hub.take(story.completed())
    assert (await hub.case(child)).stage is Stage.HAND_OVER
    assert "case-routed" not in await hub.names(story.id)


async def test_the_event_tells_codes_and_never_the_rationale(
    hub: HubWorld, story: Story, worker: Person
) -> None:
    child = story.child_ids[0]
    _, tag = await worker.open(child)
    await worker.decide(child, tag)
    [row] = await hub.rows("SELECT payload FROM outbox WHERE type = 'uk.mash.triage.case-decided.v1'")
    assert CANARY.encode() not in row[0]


@pytest.mark.parametrize("recommended", Destination)
@pytest.mark.parametrize("decided", Destination)
def test_whatever_is_milder_than_recommended_is_below(recommended: Destination, decided: Destination) -> None:
    relation = departure(Choice(MINIMUM[decided], decided), Placement(recommended, MINIMUM[recommended]))
    if MINIMUM[decided] < MINIMUM[recommended]:
        assert relation is Departure.BELOW
    elif MINIMUM[decided] > MINIMUM[recommended]:
        assert relation is Departure.ABOVE
    else:
        assert relation is (Departure.AGREES if decided is recommended else Departure.ELSEWHERE)


def test_a_high_level_does_not_hide_a_milder_destination() -> None:
    choice = Choice(Level.SECTION_47, Destination.EARLY_HELP)
    assert departure(choice, Placement(Destination.SECTION_17, Level.SECTION_17)) is Departure.BELOW


async def test_a_decision_at_risk_is_put_before_whoever_decided_and_a_manager_once(
    hub: HubWorld, story: Story, worker: Person, manager: Person
) -> None:
    child = story.child_ids[0]
    await worker.decide(child, (await worker.open(child))[1])
    await hub.take(story.answer("police", STRANGLED, late=True))
    await hub.take(story.answer("health", STRANGLED, late=True))
    kinds = ("look_at_decision_at_risk", "manager_looks_at_decision_at_risk")
    rows = await hub.rows(
        "SELECT kind, owner, done_at FROM task WHERE kind = ANY ($1) ORDER BY kind", list(kinds)
    )
    assert [tuple(row) for row in rows] == [(kinds[0], worker.id, None), (kinds[1], None, None)]

    anew = {"level": "section_47", "destination": "csc_section_47"}
    assert (await manager.decide(child, (await manager.open(child))[1], **anew)).status_code == 200
    left = await hub.rows("SELECT 1 FROM task WHERE kind = ANY ($1) AND done_at IS NULL", list(kinds))
    assert left == []
