import asyncio
import json
from typing import Any

import pytest

from libs.messaging.ledger import Ledger
from libs.schemas.challenge import Challenged
from libs.schemas.events import InformationAdded, Withdrawn
from tests.services.intake.conftest import Caller, written

INFORMATION: dict[str, Any] = {
    "worry": "He has a bruise today.",
    "children": [
        {"child": 2, "facts": [{"fact": "child.injury", "value": "unexplained", "basis": "observed"}]}
    ],
}
WITHDRAWAL = {"by": "head teacher", "reason": "The family asked us to."}
CHALLENGE: dict[str, Any] = {
    "challenger": "safeguarding lead",
    "reach": "The office, before 16:00",
    "children": [2],
    "disagrees_with": "That early help is enough.",
    "because": "He is hungrier than you think.",
    "safe_meanwhile": "He eats with us.",
}
KINDS = [("information", INFORMATION), ("withdrawal", WITHDRAWAL), ("challenges", CHALLENGE)]


async def refer(caller: Caller) -> dict[str, Any]:
    answer: dict[str, Any] = (await caller.refer()).json()
    return answer


async def test_information_is_stored_with_its_event_about_the_child_it_names(
    school: Caller, ledger: Ledger
) -> None:
    referred = await refer(school)
    response = await school.add(referred["reference"], "information", INFORMATION)

    assert response.status_code == 201, response.text
    event = await ledger.pool.fetchrow("SELECT * FROM outbox WHERE type LIKE '%information-added%'")
    assert event["sequence"] == 2
    payload = InformationAdded.model_validate_json(event["payload"])
    (child_id,) = payload.children
    assert str(child_id) == referred["children"][1]["id"]
    assert payload.shared.worry == "He has a bruise today."
    assert not await ledger.pool.fetchval("SELECT immediate_danger FROM addition"), "nobody is alarmed"
    assert (await written(ledger)) == {"referral": 1, "addition": 1, "outbox": 2, "stream": 1}


async def test_a_withdrawal_is_kept_with_who_and_why_and_closes_nothing(
    school: Caller, ledger: Ledger
) -> None:
    referred = await refer(school)
    before = await ledger.pool.fetchrow("SELECT * FROM referral")
    response = await school.add(referred["reference"], "withdrawal", WITHDRAWAL)

    assert response.status_code == 201
    payload = Withdrawn.model_validate_json(
        await ledger.pool.fetchval("SELECT payload FROM outbox WHERE type LIKE '%withdrawn%'")
    )
    assert (payload.shared.by, payload.shared.reason) == ("head teacher", "The family asked us to.")
    assert await ledger.pool.fetchrow("SELECT * FROM referral") == before
    assert [added["kind"] for added in (await school.status(referred["reference"])).json()["added"]] == [
        "withdrawal"
    ]


async def test_a_challenge_is_stored_with_its_event_after_what_is_new_in_it(
    school: Caller, ledger: Ledger
) -> None:
    referred = await refer(school)
    body = CHALLENGE | {"evidence": INFORMATION | {"immediate_danger": True}}
    responses = [await school.add(referred["reference"], "challenges", body, "k-1") for _ in range(2)]
    assert responses[0].status_code == 201, responses[0].text
    assert responses[0].content == responses[1].content
    rows = await ledger.pool.fetch("SELECT type, payload FROM outbox ORDER BY sequence")
    assert [row["type"].split(".")[-2] for row in rows] == ["received", "information-added", "challenged"]
    payload = Challenged.model_validate_json(rows[2]["payload"])
    assert [str(child_id) for child_id in payload.children] == [referred["children"][1]["id"]]
    assert str(payload.shared.addition) == responses[0].json()["id"]
    assert InformationAdded.model_validate_json(rows[1]["payload"]).shared.worry == INFORMATION["worry"]
    unseen = await ledger.pool.fetch("SELECT kind FROM addition WHERE immediate_danger AND seen_at IS NULL")
    assert [row["kind"] for row in unseen] == ["information"]


async def test_a_challenge_that_names_what_is_not_there_says_where(school: Caller, ledger: Ledger) -> None:
    reference = (await refer(school))["reference"]
    unknown = {"child": 1, "facts": [{"fact": "child.hungr", "value": True, "basis": "record"}]}
    for changes, pointer in (
        ({"children": [2, 3]}, "/children/1"),
        ({"children": [1, 1]}, "/children/1"),
        ({"evidence": {"children": [{"child": 3}]}}, "/evidence/children/0/child"),
        ({"evidence": {"children": [unknown]}}, "/evidence/children/0/facts/0/fact"),
    ):
        response = await school.add(reference, "challenges", CHALLENGE | changes)
        assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await written(ledger))["addition"] == 0


@pytest.mark.parametrize(("kind", "body"), KINDS[:2])
async def test_the_same_key_and_body_gives_the_same_answer(
    school: Caller, ledger: Ledger, kind: str, body: Any
) -> None:
    reference = (await refer(school))["reference"]
    responses = await asyncio.gather(*(school.add(reference, kind, body, "k-1") for _ in range(6)))
    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert (await written(ledger))["outbox"] == 2


@pytest.mark.parametrize(("kind", "body"), KINDS)
async def test_the_same_key_for_another_referral_is_refused(
    school: Caller, ledger: Ledger, kind: str, body: Any
) -> None:
    first, second = (await refer(school))["reference"], (await refer(school))["reference"]
    assert (await school.add(first, kind, body, "k-1")).status_code == 201
    response = await school.add(second, kind, body, "k-1")
    assert response.status_code == 422
    assert response.json()["code"] == "idempotency-key-reused"
    assert (await written(ledger))["addition"] == 1


async def test_the_same_key_with_another_body_is_refused(school: Caller) -> None:
    reference = (await refer(school))["reference"]
    await school.add(reference, "withdrawal", WITHDRAWAL, "k-1")
    response = await school.add(reference, "withdrawal", {**WITHDRAWAL, "by": "clerk"}, "k-1")
    assert response.status_code == 422


@pytest.mark.parametrize(("kind", "body"), KINDS)
async def test_nothing_is_taken_from_another_agency(
    school: Caller, police: Caller, ledger: Ledger, kind: str, body: Any
) -> None:
    reference = (await refer(school))["reference"]
    response = await police.add(reference, kind, body)
    assert response.status_code == 404
    assert (await written(ledger))["addition"] == 0


@pytest.mark.parametrize(
    ("children", "pointer"),
    [
        ([{"child": 3}], "/children/0/child"),
        ([{"child": 1}, {"child": 1}], "/children/1/child"),
        (
            [{"child": 1, "facts": [{"fact": "child.hungr", "value": True, "basis": "record"}]}],
            "/children/0/facts/0/fact",
        ),
    ],
)
async def test_information_that_names_what_is_not_there_says_where(
    school: Caller, ledger: Ledger, children: Any, pointer: str
) -> None:
    reference = (await refer(school))["reference"]
    response = await school.add(reference, "information", {"children": children})
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert (await written(ledger))["addition"] == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"immediate_danger": False},
        {"agreements": {}},
        {"children": []},
        {"children": [{"child": 1, "facts": [], "voice": {}}]},
    ],
)
async def test_information_that_says_nothing_is_not_answered_as_if_the_hub_saw_it(
    school: Caller, ledger: Ledger, body: Any
) -> None:
    reference = (await refer(school))["reference"]
    response = await school.add(reference, "information", body)
    assert response.status_code == 422
    assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == [
        ("", "nothing_said")
    ]
    assert (await written(ledger))["addition"] == 0


async def test_events_of_one_referral_keep_their_order(school: Caller, ledger: Ledger) -> None:
    reference = (await refer(school))["reference"]
    await asyncio.gather(*(school.add(reference, "information", {"worry": f"News {n}"}) for n in range(8)))
    rows = await ledger.pool.fetch("SELECT sequence FROM outbox ORDER BY xid, id")
    assert [row["sequence"] for row in rows] == list(range(1, 10))


async def test_after_an_erasure_the_other_child_keeps_its_number_and_what_is_gone_is_said_to_be_gone(
    school: Caller, ledger: Ledger
) -> None:
    referred = await refer(school)
    reference = referred["reference"]
    assert (await school.add(reference, "withdrawal", WITHDRAWAL, "k-1")).status_code == 201
    answer = json.loads(await ledger.pool.fetchval("SELECT answer FROM referral"))
    del answer["children"][referred["children"][0]["id"]]
    await ledger.pool.execute("UPDATE referral SET answer = $1", json.dumps(answer).encode())
    assert [child["number"] for child in (await school.status(reference)).json()["children"]] == [2]
    assert (await school.add(reference, "information", INFORMATION)).status_code == 201
    of_the_first = await school.add(reference, "challenges", CHALLENGE | {"children": [1]})
    assert of_the_first.json()["errors"][0]["code"] == "unknown_child"

    await ledger.pool.execute("UPDATE addition SET answer = ''")
    again = [await school.add(reference, "withdrawal", WITHDRAWAL, "k-1")]
    await ledger.pool.execute("UPDATE referral SET answer = ''")
    again += [await school.add(reference, kind, body) for kind, body in KINDS]
    assert {(one.status_code, one.json()["code"]) for one in again} == {(410, "erased")}
    assert (await school.status(reference)).json()["children"] == []
