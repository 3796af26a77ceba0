import asyncio
import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from libs.messaging.ledger import Ledger
from libs.platform.clock import ManualClock
from libs.schemas.events import Received
from libs.schemas.reference import parse_reference
from services.intake.app import desk, load_partnership
from services.intake.settings import IntakeSettings
from tests.services.intake.conftest import Caller, count, referral, written


async def test_a_referral_is_stored_with_its_event_and_answered(school: Caller, ledger: Ledger) -> None:
    response = await school.refer()

    assert response.status_code == 201, response.text
    answer = response.json()
    assert parse_reference(answer["reference"]) == answer["reference"]
    assert response.headers["location"] == answer["status"] == f"/v1/referrals/{answer['reference']}"
    assert answer["if_danger_rises"]["emergency"] == "999"
    assert [child["number"] for child in answer["children"]] == [1, 2]
    event = await ledger.pool.fetchrow("SELECT * FROM outbox")
    assert event["type"] == "uk.mash.referral.received.v1"
    assert event["sequence"] == 1
    payload = Received.model_validate_json(event["payload"])
    assert payload.shared.reference == answer["reference"]
    assert payload.shared.agency == "st_ives_primary"
    assert [str(child_id) for child_id in payload.children] == [child["id"] for child in answer["children"]]
    assert [child.given_name for child in payload.children.values()] == ["Tom", "Sam"]
    assert await written(ledger) == {"referral": 1, "addition": 0, "outbox": 1, "stream": 1}


async def test_the_event_continues_the_senders_trace(school: Caller, ledger: Ledger) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    school.http.headers["traceparent"] = f"00-{trace_id}-b7ad6b7169203331-01"
    await school.refer()
    assert trace_id in await ledger.pool.fetchval("SELECT traceparent FROM outbox")


async def test_the_same_key_and_body_gives_the_same_answer_byte_for_byte(
    school: Caller, ledger: Ledger, clock: ManualClock
) -> None:
    first = await school.refer(key="k-1")
    clock.advance(timedelta(minutes=5))
    again = await school.refer(key="k-1")

    assert again.status_code == 201
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert (await written(ledger))["outbox"] == 1


async def test_the_same_body_laid_out_otherwise_is_the_same_body(school: Caller) -> None:
    first = await school.refer(key="k-1")
    laid_out = json.dumps(referral(), indent=3, sort_keys=True)
    again = await school.http.post(
        "/v1/referrals",
        content=laid_out,
        headers={**school.headers("k-1"), "Content-Type": "application/json"},
    )
    assert again.content == first.content


async def test_concurrent_calls_with_one_key_all_get_the_first_ones_answer(
    school: Caller, ledger: Ledger
) -> None:
    responses = await asyncio.gather(*(school.refer(key="k-1") for _ in range(12)))

    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert (await written(ledger)) == {"referral": 1, "addition": 0, "outbox": 1, "stream": 1}


async def test_a_concurrent_call_waits_for_the_first_ones_commit(school: Caller, ledger: Ledger) -> None:
    """The first one's transaction is held open by hand: the second must neither answer nor write before it ends."""
    await school.refer(key="k-1")
    row = await ledger.pool.fetchrow("SELECT * FROM referral")
    await ledger.pool.execute("DELETE FROM outbox")
    await ledger.pool.execute("DELETE FROM stream")
    await ledger.pool.execute("DELETE FROM referral")
    names = list(row.keys())
    places = ", ".join(f"${place}" for place in range(1, len(names) + 1))
    async with ledger.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            f"INSERT INTO referral ({', '.join(names)}) VALUES ({places})", *row.values()
        )
        second = asyncio.create_task(school.refer(key="k-1"))
        done, _ = await asyncio.wait({second}, timeout=0.3)
        assert not done
        await transaction.commit()
    assert (await second).json()["reference"] == row["reference"]


async def test_the_same_key_with_another_body_is_refused(school: Caller, ledger: Ledger) -> None:
    await school.refer(key="k-1")
    response = await school.refer(referral(worry="Something else."), key="k-1")

    assert response.status_code == 422
    assert response.json()["code"] == "idempotency-key-reused"
    assert (await written(ledger))["referral"] == 1


async def test_two_agencies_may_use_the_same_key(school: Caller, police: Caller, ledger: Ledger) -> None:
    first = [(await caller.refer(key="k-1")).json() for caller in (school, police)]
    again = [(await caller.refer(key="k-1")).json() for caller in (school, police)]
    assert first[0] != first[1]
    assert again == first, "each gets its own answer again, and never the other's"
    assert await count(ledger, "referral") == 2


async def test_a_key_is_kept_as_a_digest_because_it_may_name_a_child(school: Caller, ledger: Ledger) -> None:
    await school.refer(key="Wrenfield-Test.Tom.9990001014")
    stored = await ledger.pool.fetchval("SELECT referral::text FROM referral")
    assert "Wrenfield" not in stored
    assert b"9990001014" not in (await ledger.pool.fetchval("SELECT idempotency_key FROM referral"))


async def test_a_key_is_demanded(school: Caller, ledger: Ledger) -> None:
    response = await school.http.post(
        "/v1/referrals", json=referral(), headers={"Authorization": f"Bearer {school.token}"}
    )
    assert response.status_code == 400
    assert response.json()["code"] == "idempotency-key-missing"
    assert (await written(ledger))["referral"] == 0


async def test_a_referral_is_never_bounced_for_being_thin(school: Caller) -> None:
    thin = {
        "worry": "Somebody shouts there at night.",
        "referrer": {"role": "public", "source": "9", "anonymous": True},
        "children": [{"status": "unidentified"}],
    }
    response = await school.refer(thin)
    assert response.status_code == 201
    assert {section["section"] for section in response.json()["completeness"]} == {
        "worry",
        "agreement",
        "household",
        "contact",
    }


async def test_a_doubtful_nhs_number_is_kept_as_it_was_given(school: Caller, ledger: Ledger) -> None:
    response = await school.refer(referral(children=[{"nhs_number": "9990001007"}]))

    assert response.status_code == 201
    child = response.json()["children"][0]
    items = [item for section in child["completeness"] for item in section["open"]]
    assert {"gap": "doubtful", "pointer": "/children/0/nhs_number"}.items() <= items[2].items() or any(
        item["pointer"] == "/children/0/nhs_number" and item["gap"] == "doubtful" for item in items
    )
    payload = Received.model_validate_json(await ledger.pool.fetchval("SELECT payload FROM outbox"))
    assert next(iter(payload.children.values())).nhs_number == "9990001007"


@pytest.mark.parametrize(
    ("fact", "field", "wanted"),
    [
        ({"fact": "child.hungry", "value": True, "basis": "observed"}, "fact", "child.hunger"),
        ({"fact": "child.hunger", "value": "canary-famished", "basis": "observed"}, "value", "persistent"),
        ({"fact": "child.left_alone", "value": "yes", "basis": "observed"}, "value", "true or false"),
        ({"fact": "child.age", "value": 900, "basis": "record"}, "value", "0 to 25"),
    ],
)
async def test_a_fact_that_is_not_of_the_dictionary_is_answered_with_its_words(
    school: Caller, ledger: Ledger, fact: dict[str, Any], field: str, wanted: str
) -> None:
    response = await school.refer(referral(children=[{}, {"facts": [fact]}]))

    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["pointer"] == f"/children/1/facts/0/{field}"
    assert wanted in error["detail"]
    assert "canary" not in response.text
    assert (await written(ledger))["referral"] == 0


async def test_a_retry_gets_its_answer_whatever_the_dictionary_has_become(
    school: Caller, ledger: Ledger, settings: IntakeSettings, app: FastAPI, tmp_path: Path
) -> None:
    fact = {"fact": "child.hunger", "value": "persistent", "basis": "observed"}
    body = referral(children=[{"facts": [fact]}])
    first = await school.refer(body, key="k1")
    reference = first.json()["reference"]
    more = {"children": [{"child": 1, "facts": [fact]}]}
    added = await school.add(reference, "information", more, key="k2")
    assert (first.status_code, added.status_code) == (201, 201)

    directory = tmp_path / "partnership"
    shutil.copytree(settings.partnership_dir, directory)
    facts = directory / "facts.yaml"
    facts.write_text(facts.read_text().replace("child.hunger:", "child.hungry_at_school:"))
    app.state.desk = desk(ledger, settings, load_partnership(directory))

    again = await school.refer(body, key="k1")
    assert (again.status_code, again.content) == (201, first.content)
    again = await school.add(reference, "information", more, key="k2")
    assert (again.status_code, again.content) == (201, added.content)
    assert (await school.refer(body)).json()["code"] == "body-invalid"
    other = referral(children=[{"facts": [fact]}], worry="Another one.")
    assert (await school.refer(other, key="k1")).json()["code"] == "idempotency-key-reused"
    assert (await school.add(reference, "information", more)).json()["code"] == "body-invalid"
    assert await written(ledger) == {"referral": 1, "addition": 1, "outbox": 2, "stream": 1}


async def test_while_the_database_is_away_the_sender_is_told_to_try_again(
    school: Caller, ledger: Ledger
) -> None:
    reference = (await school.refer()).json()["reference"]
    await ledger.pool.close()
    for answer in (await school.refer(), await school.status(reference)):
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0


async def test_a_reference_that_is_taken_is_drawn_again(
    school: Caller, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (await school.refer()).json()["reference"]
    drawn = iter([first, first, "K7TM-P2RW-9"])
    monkeypatch.setattr("services.intake.acceptance.new_reference", lambda: next(drawn))
    assert (await school.refer()).json()["reference"] == "K7TM-P2RW-9"
    assert (await written(ledger))["outbox"] == 2
