"""An agency fetches its questions under leases and answers each once."""

import asyncio
import uuid
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from libs.schemas.levels import Level, Rag
from services.enrichment.asking.question import Question, Subject
from services.enrichment.pulled.given import Given, about_someone_else
from services.enrichment.pulled.work import LEASE
from tests.fuzzing import LIMIT, Record, Way, faults_found
from tests.services.enrichment.conftest import FINCH, WREN, Case, until
from tests.services.enrichment.family.conftest import Told
from tests.services.enrichment.pulled.conftest import Fetching
from tests.services.enrichment.pulled.test_lists import GOOD, send, today

HIGH_RISK = {"fact": "household.domestic_abuse", "value": "high_risk", "basis": "record"}
RETURNED = {
    "state": "returned",
    "as_of": "2026-11-20",
    "facts": [HIGH_RISK],
    "dash": {"yes": 15, "asked": 24},
    "narrative": "Heard on Tuesday.",
}


async def test_a_question_waits_until_it_is_answered_and_the_answer_counts_at_once(
    fetching: Fetching,
) -> None:
    case = Case()
    await fetching.ask(case)
    pool = fetching.instance.ledger.pool
    await fetching.until_accepted(case.child)
    claimed = await fetching.claim()
    (item,) = claimed["items"]
    assert item["question"]["child"]["given_name"] == "Wren"
    assert "nhs_number" not in {name for name, value in item["question"]["child"].items() if value}
    assert (await fetching.answer(claimed, RETURNED)).status_code == 200
    (answer,) = await fetching.marac_answers(case.child)
    assert (answer.state, answer.dash.yes, answer.narrative) == ("returned", 15, "Heard on Tuesday.")
    assert [fact.fact for fact in answer.facts] == ["household.domestic_abuse"]
    ways = await pool.fetch(
        "SELECT direction, fields FROM disclosure WHERE agency = 'marac' AND child_id = $1 ORDER BY id",
        case.child,
    )
    assert [way["direction"] for way in ways] == ["out", "in"]
    assert set(ways[1]["fields"]) == {"household.domestic_abuse", "narrative", "dash"}
    acts = await pool.fetch("SELECT subject, action FROM access WHERE case_id = $1 ORDER BY id", case.child)
    assert [tuple(act) for act in acts] == [("marac", "work.claimed"), ("marac", "work.answered")]


async def test_a_question_that_is_asked_again_lies_on_the_table_once(fetching: Fetching) -> None:
    case = Case()
    await fetching.ask(case)
    await fetching.until_accepted(case.child)
    pool = fetching.instance.ledger.pool
    again = fetching.instance.ledger.clock.now()
    await pool.execute("UPDATE agency_check SET ask_at = $1 WHERE agency = 'marac'", again)
    fetching.instance.checks.asking.wake()

    async def asked_twice() -> bool:
        return bool(await pool.fetchval("SELECT attempts FROM agency_check WHERE agency = 'marac'") == 2)

    await until(asked_twice)
    assert await pool.fetchval("SELECT count(*) FROM work") == 1


async def test_two_claimers_never_hold_one_question_and_the_most_urgent_goes_first(
    fetching: Fetching,
) -> None:
    calm, urgent = [Case() for _ in range(6)], Case()
    for case in calm:
        await fetching.ask(case)
    await fetching.instance.take(urgent.received(), urgent.screened(Level.SECTION_47, Rag.RED))
    pool = fetching.instance.ledger.pool

    async def put() -> bool:
        return bool(await pool.fetchval("SELECT count(*) FROM work") == 7)

    await until(put)
    await fetching.until_accepted(urgent.child)
    due = fetching.instance.ledger.clock.now() + timedelta(seconds=1)
    await pool.execute("UPDATE agency_check SET due_at = $2 WHERE child_id = $1", urgent.child, due)
    first = await fetching.claim()
    held = await pool.fetchval("SELECT child_id FROM work WHERE claim_id = $1", uuid.UUID(first["claim_id"]))
    assert held == urgent.child
    taken = await asyncio.gather(
        *(fetching.claim(client, 2) for client in ("marac", "marac-second") for _ in range(4))
    )
    ids = [item["question_id"] for claimed in taken for item in claimed["items"]]
    assert len(ids) == len(set(ids)) == 6
    assert await fetching.claim() == {"claim_id": None, "until": None, "items": []}


async def test_a_claim_ends_by_itself_and_by_hand_and_is_renewed_by_work(fetching: Fetching) -> None:
    await fetching.ask(Case(children=(WREN, FINCH)))
    pool, now = fetching.instance.ledger.pool, fetching.instance.ledger.clock.now()
    claimed = await fetching.claim(most=2)
    await pool.execute("UPDATE work SET claimed_until = $1", now + timedelta(minutes=1))
    in_words = {"state": "returned", "narrative": "Heard on Tuesday."}
    assert (await fetching.answer(claimed, in_words)).status_code == 200
    until_then = await pool.fetchval("SELECT claimed_until FROM work WHERE closed_at IS NULL")
    assert until_then > now + LEASE - timedelta(seconds=5)
    other = claimed["items"][1]["question_id"]
    claim = {"claim_id": claimed["claim_id"]}
    path = f"/v1/work/claims/{claimed['claim_id']}"
    renewed = await fetching.http.put(path, headers=fetching.headers())
    assert renewed.json()["question_ids"] == [other]
    by_another = await fetching.http.put(path, headers=fetching.headers("marac-second"))
    assert (by_another.status_code, by_another.json()["code"]) == (404, "claim-ended")
    for params, client in ((claim, "marac-second"), ({"claim_id": str(uuid.uuid4())}, "marac")):
        headers = fetching.headers(client)
        await fetching.http.delete(f"/v1/work/{other}/claim", params=params, headers=headers)
        assert (await fetching.claim("marac-second"))["items"] == [], "it is given back by its holder alone"
    gone = await fetching.http.delete(f"/v1/work/{other}/claim", params=claim, headers=fetching.headers())
    assert gone.status_code == 204
    again = await fetching.claim("marac-second")
    assert [item["question_id"] for item in again["items"]] == [other]
    late = await fetching.answer(claimed, {"state": "nothing_held"}, place=1)
    borrowed = await fetching.answer(again, {"state": "nothing_held"})
    mistaken = await fetching.answer({**again, **claim}, {"state": "nothing_held"}, "marac-second")
    for refused in (late, borrowed, mistaken):
        assert (refused.status_code, refused.json()["code"]) == (409, "claim-not-held")
    # Whoever held it has died: the lease ends, and the next one gets it.
    await pool.execute("UPDATE work SET claimed_until = $1 WHERE closed_at IS NULL", now)
    path = f"/v1/work/claims/{again['claim_id']}"
    assert (await fetching.http.put(path, headers=fetching.headers("marac-second"))).status_code == 404
    assert len((await fetching.claim())["items"]) == 1


async def test_the_same_answer_again_is_the_same_result_and_another_one_needs_a_correction(
    fetching: Fetching,
) -> None:
    case = Case()
    await fetching.ask(case)
    claimed = await fetching.claim()
    path = f"/v1/work/{claimed['items'][0]['question_id']}/corrections"
    correction = {"kind": "retracted", "reason": "wrong_person"}
    keyed = {**fetching.headers(), "Idempotency-Key": "Wren-Kestrel"}
    early = await fetching.http.post(path, json=correction, headers=keyed)
    assert (early.status_code, early.json()["code"]) == (409, "not-answered")
    for _ in range(2):
        assert (await fetching.answer(claimed, RETURNED)).status_code == 200
    other = await fetching.answer(claimed, {"state": "nothing_held"})
    assert (other.status_code, other.json()["code"]) == (409, "answer-stands")
    assert len(await fetching.marac_answers(case.child)) == 1
    for _ in range(2):
        told = await fetching.http.post(path, json=correction, headers=keyed)
        assert (told.status_code, told.json()["number"]) == (201, 1)
    reused = await fetching.http.post(
        path,
        json={"kind": "corrected", "reason": "mistake", "answer": {"state": "nothing_held"}},
        headers=keyed,
    )
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency-key-reused")
    second = await fetching.http.post(
        path,
        json={"kind": "corrected", "reason": "mistake", "answer": {"state": "nothing_held"}},
        headers={**keyed, "Idempotency-Key": "l"},
    )
    assert second.json()["number"] == 2
    kept = await fetching.instance.ledger.pool.fetch("SELECT key FROM work_correction ORDER BY number")
    assert [row["key"] for row in kept] == [sha256(key).hexdigest() for key in (b"Wren-Kestrel", b"l")]
    corrections = [
        payload.children[case.child]
        for kind, payload in await fetching.instance.told()
        if kind.name.endswith("check-corrected.v1")
    ]
    assert [(each.kind, each.answer and each.answer.state) for each in corrections] == [
        ("retracted", None),
        ("corrected", "nothing_held"),
    ]


async def test_declining_is_told_with_its_reason(fetching: Fetching) -> None:
    case = Case()
    await fetching.ask(case)
    claimed = await fetching.claim()
    assert (await fetching.answer(claimed, {"state": "declined"})).status_code == 422
    # Records may have a start and no end; an agency's clock may be a day ahead.
    ahead = str(today() + timedelta(days=1))
    declined = {"state": "declined", "reason": "too_little_to_find", "coverage_from": ahead, "as_of": ahead}
    assert (await fetching.answer(claimed, declined)).status_code == 200
    (answer,) = await fetching.marac_answers(case.child)
    assert (answer.state, answer.reason) == ("declined", "too_little_to_find")


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"state": "returned", "facts": [{**HIGH_RISK, "value": "terrible"}]}, "/facts/0/value", "unknown_value"),
    ({"state": "returned", "facts": [{**HIGH_RISK, "fact": "household.x"}]}, "/facts/0/fact", "unknown_fact"),
    (
        {
            "state": "returned",
            "facts": [{"fact": "child.private_fostering", "value": True, "basis": "record"}],
        },
        "/facts/0/fact",
        "not_a_source",
    ),
    ({"state": "returned", "facts": [{**HIGH_RISK, "on": "2099-01-01"}]}, "/facts/0/on", "future_date"),
    ({"state": "nothing_held", "as_of": "2099-01-01"}, "/as_of", "future_date"),
    ({"state": "returned"}, "", "empty_answer"),
    ({"state": "nothing_held", "facts": [HIGH_RISK]}, "", "contradictory"),
    ({"state": "pending"}, "/state", "unknown_code"),
    ({"state": "nothing_held", "child": {"born": "2001-01-01"}}, "/child", "about_someone_else"),
    ({"state": "nothing_held", "wren": "Kestrel-Test"}, "", "extra_forbidden"),
]


async def test_a_wrong_answer_is_refused_by_its_place_and_changes_nothing(fetching: Fetching) -> None:
    case = Case()
    await fetching.ask(case)
    claimed = await fetching.claim()
    for body, pointer, code in WRONG:
        refused = await fetching.answer(claimed, body)
        assert refused.status_code == 422, body
        found = [(error["pointer"], error["code"]) for error in refused.json()["errors"]]
        assert found == [(pointer, code)], body
        assert "Kestrel" not in refused.text
        assert "terrible" not in refused.text
    assert await fetching.marac_answers(case.child) == []
    assert await fetching.instance.ledger.pool.fetchval("SELECT closed_at FROM work") is None


NUMBERED = Question(
    question_id="q",
    purpose="p",
    basis="b",
    items=("listing",),
    child=Subject(nhs_number="9990041008", upn="B801200001001"),
)


def test_a_number_is_the_same_however_the_agency_writes_it() -> None:
    for found, someone_else in (
        ({"nhs_number": "999 004 1008"}, False),
        ({"nhs_number": "999-004-1008", "upn": "b801200001001"}, False),
        ({"nhs_number": "", "upn": " "}, False),
        ({"nhs_number": "9990041016"}, True),
        ({"nhs_number": "9990041008", "upn": "C801200001001"}, True),
    ):
        given = Given.model_validate({"state": "nothing_held", "child": found})
        assert about_someone_else(given, NUMBERED) is someone_else, found


WORKS_FOR_POLICE = {
    "adults": [
        {"family_name": "Kestrel-Test", "thought_to_harm": True, "employer_agency": "cambridgeshire_police"}
    ]
}


async def test_what_only_the_lead_may_see_nobody_else_of_the_agency_sees_or_answers(
    fetching: Fetching,
) -> None:
    case = Case(body=WORKS_FOR_POLICE)
    await fetching.ask(case)
    pool = fetching.instance.ledger.pool

    async def put() -> bool:
        return bool(await pool.fetchval("SELECT count(*) FROM work WHERE agency = 'police'"))

    await until(put)
    assert await pool.fetchval("SELECT audience FROM work WHERE agency = 'police'") == "lead"
    assert (await fetching.claim("police-team"))["items"] == []
    claimed = await fetching.claim("police-lead")
    assert [item["to"] for item in claimed["items"]] == ["lead"]
    stolen = await fetching.answer(claimed, {"state": "nothing_held"}, "police-team")
    unknown = await fetching.http.put(
        f"/v1/work/{uuid.uuid4()}/answer",
        json={"state": "nothing_held", "claim_id": claimed["claim_id"]},
        headers=fetching.headers("police-team"),
    )
    assert (stolen.status_code, unknown.status_code) == (404, 404)
    assert {**stolen.json(), "trace_id": ""} == {**unknown.json(), "trace_id": ""}
    assert (await fetching.answer(claimed, {"state": "nothing_held"}, "police-lead")).status_code == 200
    answers = [each for each in await fetching.instance.answers(case.child) if each.agency == "police"]
    assert [each.state for each in answers] == ["nothing_held"]
    audience = "SELECT DISTINCT audience FROM disclosure WHERE agency = 'police'"
    assert [row[0] for row in await pool.fetch(audience)] == ["lead"]


async def test_a_question_on_the_teams_table_is_the_leads_once_the_suspect_is_known_to_work_there(
    fetching: Fetching,
) -> None:
    case = Told()
    await fetching.ask(case)
    await fetching.until_accepted(case.child)
    claimed = await fetching.claim()
    suspect = {"family_name": "Kestrel-Test", "thought_to_harm": True, "employer_agency": "marac"}
    await fetching.instance.take(case.corrected({}, adults=(suspect,)))

    async def the_leads() -> bool:
        query = "SELECT audience, claim_id FROM work WHERE question_id = $1"
        row = await fetching.instance.ledger.pool.fetchrow(
            query, uuid.UUID(claimed["items"][0]["question_id"])
        )
        return tuple(row) == ("lead", None)

    await until(the_leads)
    assert (await fetching.claim())["items"] == []
    assert (await fetching.answer(claimed, {"state": "nothing_held"})).status_code == 404
    (item,) = (await fetching.claim("marac-lead"))["items"]
    assert item["to"] == "lead"
    # What the team's own list says of the child is told all the same.
    assert (await send(fetching, GOOD)).status_code == 200
    assert [one.state for one in await fetching.marac_answers(case.child)] == ["returned"]


NOT_PERMITTED = [(None, 401, "token-missing"), ("st_ives_primary", 403, "scope-missing")]


@pytest.mark.parametrize(("client", "status", "code"), NOT_PERMITTED)
async def test_who_may_not_answer_fetches_nothing(
    fetching: Fetching, client: str | None, status: int, code: str
) -> None:
    headers = {} if client is None else fetching.headers(client)
    answer = await fetching.http.post("/v1/work/claims", json={}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_school_of_the_education_service_answers_for_nobody(fetching: Fetching) -> None:
    token = fetching.tokens.token("st_ives_primary", scopes=("checks:answer",))
    answer = await fetching.http.post(
        "/v1/work/claims", json={}, headers={"Authorization": f"Bearer {token}"}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "no-seat")


@pytest.mark.soak
@pytest.mark.timeout(LIMIT)
async def test_the_operations_keep_what_their_description_says(
    fetching: Fetching, scratch: Path, record_property: Record
) -> None:
    await fetching.ask(*(Case(children=(WREN, FINCH)) for _ in range(2)))
    claimed = await fetching.claim(most=4)
    answered, waits, freed, _ = [{"question_id": item["question_id"]} for item in claimed["items"]]
    held = {"claim_id": claimed["claim_id"]}
    assert (await fetching.answer(claimed, RETURNED)).status_code == 200
    retracted = {"kind": "retracted", "reason": "wrong_person"}
    ways = {
        "POST /v1/work/claims": Way(body={"most": 1}),
        "PUT /v1/work/claims/{claim_id}": Way(held),
        "DELETE /v1/work/{question_id}/claim": Way(freed, query=held),
        "PUT /v1/work/{question_id}/answer": Way(waits, {"state": "nothing_held", **held}),
        "POST /v1/work/{question_id}/corrections": Way(answered, retracted),
        "POST /v1/lists": Way(body=GOOD, query={"date": "2026-11-20"}),
    }
    found = await faults_found(
        fetching.url,
        fetching.tokens.token("marac"),
        scratch / "fuzz",
        ways=ways,
        record=record_property,
        paths="^/v1/(work|lists)",
        valid_is_taken=False,
        large=True,
    )
    assert found is None, found
