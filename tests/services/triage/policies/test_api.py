"""The policies over the API: read, and tried out on supposed facts without a trace."""

import json
import re
from base64 import b64encode
from datetime import timedelta
from hashlib import sha256
from html import unescape
from typing import Any
from uuid import UUID

import httpx
import pytest

from libs.schemas.findings import Fact
from sandbox.issuer import Issuer
from services.triage.policies.rulebook import Mode, Rulebook
from services.triage.policies.store import AHEAD, keep_proof, put_in_force, register
from services.triage.policy.claims import Claim, Report, Status
from tests.services.triage.conftest import MONDAY, NEGLECTED, HubWorld, Story, stated
from tests.services.triage.policies.versions import stricter
from tests.services.triage.staff import Person

HUNGER = {"fact": "child.hunger", "value": "persistent", "basis": "observed"}


@pytest.fixture
async def own(hub: HubWorld) -> Rulebook:
    await hub.policies.start(hub.ledger)
    return hub.policies.rulebooks.directory


async def post(operator: Person, path: str, body: Any, content: bytes | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {operator.token}", "Content-Type": "application/json"}
    if content is not None:
        return await operator.http.post(path, content=content, headers=headers)
    return await operator.http.post(path, json=body, headers=headers)


async def test_every_version_is_listed_with_when_it_is_in_force(
    hub: HubWorld, own: Rulebook, operator: Person
) -> None:
    strict, pool = stricter(own), hub.ledger.pool
    await register(pool, strict, MONDAY + timedelta(seconds=1))
    await keep_proof(pool, strict.fingerprint, {"holds": True, "claims": []}, MONDAY)
    change = MONDAY + AHEAD
    await put_in_force(pool, strict.fingerprint, change, Mode.LIVE, "A. Lead", "the board agreed", MONDAY)
    page = (await operator.get("/v1/policies")).json()
    assert page["live"] == own.fingerprint
    second, first = page["items"]
    assert (first["fingerprint"], first["proved"]) == (own.fingerprint, None)
    assert first["in_force"][0]["until"] == second["in_force"][0]["from_at"] == "2026-11-23T10:01:00Z"
    assert (second["proved"], second["in_force"][0]["by"]) == (True, "A. Lead")
    hub.clock.advance(AHEAD)
    assert (await operator.get("/v1/policies")).json()["live"] == strict.fingerprint


async def test_a_version_is_shown_with_its_texts_and_its_rules_in_english(
    own: Rulebook, operator: Person
) -> None:
    shown = (await operator.get(f"/v1/policies/{own.fingerprint}")).json()
    assert shown["texts"] == dict(own.policy.texts)
    assert len(shown["rules"]) == len(own.policy.rules)
    rule = shown["rules"][0]
    assert all(rule[name] for name in ("rule", "title", "citation", "sentence"))
    assert (await operator.get(f"/v1/policies/{'0' * 64}")).status_code == 404
    assert (await operator.get("/v1/policies/half")).status_code == 422


async def test_reading_policies_needs_its_scope(
    own: Rulebook, http: httpx.AsyncClient, issuer: Issuer
) -> None:
    for path in ("/v1/policies", f"/v1/policies/{own.fingerprint}"):
        assert (await http.get(path)).status_code == 401
        token = issuer.token("staff-sw-1", scopes=("queue:read", "case:read"))
        assert (await http.get(path, headers={"Authorization": f"Bearer {token}"})).status_code == 403


async def test_a_what_if_answers_with_reasons_and_stores_nothing(
    hub: HubWorld, own: Rulebook, operator: Person
) -> None:
    async def sizes() -> dict[str, int]:
        names = [
            row[0] for row in await hub.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'triage'")
        ]
        return {name: (await hub.rows(f"SELECT count(*) FROM {name}"))[0][0] for name in names}

    before = await sizes()
    body = {"facts": [HUNGER, {**HUNGER, "source": "education"}], "answers": {"police": "nothing_held"}}
    answer = await post(operator, f"/v1/policies/{own.fingerprint}/evaluations", body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["outcome"]["policy"] == own.fingerprint
    explanation = answer.json()["explanation"]
    holding = [rule for rule in explanation["rules"] if rule["holds"]]
    assert {"referrer", "education"} <= {one["source"] for rule in holding for one in rule["evidence"]}
    possible = [rule for rule in explanation["rules"] if not rule["holds"]]
    assert all(rule["title"] and rule["sentence"] for rule in possible)
    for one in (missing for rule in possible for missing in rule["missing"]):
        assert set(one["agencies"]) <= own.dictionary.definitions[one["fact"]].sources
    asked = {agency for rule in possible for one in rule["missing"] for agency in one["agencies"]}
    assert "health" in asked
    assert "police" not in asked
    assert await sizes() == before


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"facts": [{**HUNGER, "fact": "child.hungre"}]}, "/facts/0/fact", "unknown_fact"),
        ({"facts": [HUNGER, {**HUNGER, "value": "sometimes"}]}, "/facts/1/value", "unknown_value"),
        ({"facts": [{**HUNGER, "source": "marac"}]}, "/facts/0/source", "unknown_source"),
        ({"facts": [{**HUNGER, "certain": True}]}, "/facts/0", "extra_forbidden"),
        ({"answers": {"coastguard": "returned"}}, "/answers", "unknown_agency"),
        ({"answers": {"police": "silent"}}, "/answers", "unknown_code"),
        ({"child": "Zyxwquill"}, "", "extra_forbidden"),
    ],
)
async def test_a_what_if_refuses_each_mistake_with_its_place(
    own: Rulebook, operator: Person, body: dict[str, Any], pointer: str, code: str
) -> None:
    answer = await post(operator, f"/v1/policies/{own.fingerprint}/evaluations", body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert "Zyxwquill" not in answer.text


async def test_a_what_if_on_a_policy_that_is_not_here(own: Rulebook, operator: Person) -> None:
    assert (await post(operator, f"/v1/policies/{'0' * 64}/evaluations", {})).status_code == 404
    path = f"/v1/policies/{own.fingerprint}/evaluations"
    assert (await post(operator, path, None, content=b'{"facts": [')).status_code == 400


async def case_of_two_evaluations(hub: HubWorld) -> UUID:
    story = Story()
    old = Fact(
        fact="child.hunger", value="persistent", basis="observed", on=(MONDAY - timedelta(days=40)).date()
    )
    await hub.take(story.received([old, *NEGLECTED]))
    await hub.take(story.answer("health", stated("child.injury", "inflicted")))
    return story.child_ids[0]


async def test_a_case_explains_its_last_evaluation_rule_by_rule(
    hub: HubWorld, own: Rulebook, worker: Person
) -> None:
    case_id = await case_of_two_evaluations(hub)
    shown, _ = await worker.open(case_id)
    explanation = shown["explanation"]
    assert (explanation["number"], explanation["policy"]) == (2, own.fingerprint)
    assert explanation["version"] == own.policy.version
    holding = {rule["rule"]: rule for rule in explanation["rules"] if rule["holds"]}
    assert set(holding) == {rule["rule"] for rule in shown["evaluation"]["outcome"]["fired"]}
    for rule in holding.values():
        assert rule["title"]
        assert rule["citation"]
        assert rule["sentence"]
        assert rule["evidence"] or rule["assumed"]
    evidence = [one for rule in holding.values() for one in rule["evidence"]]
    assert {one["source"] for one in evidence} == {"referrer", "health"}
    assert 40 in {one["days_old"] for one in evidence}
    could = [rule for rule in explanation["rules"] if not rule["holds"]]
    groups = shown["evaluation"]["outcome"]["possible"]
    assert {rule["rule"] for rule in could} == {name for group in groups for name in group["rules"]}
    for rule in could:
        assert rule["missing"], rule
        assert all(one["question"] and (one["agencies"] or one["referrer"]) for one in rule["missing"]), rule


async def test_an_earlier_evaluation_is_explained_on_demand(
    hub: HubWorld, own: Rulebook, worker: Person
) -> None:
    case_id = await case_of_two_evaluations(hub)
    earlier = (await worker.get(f"/v1/cases/{case_id}/evaluations/1")).json()
    assert earlier["evaluation"]["number"] == earlier["explanation"]["number"] == 1
    sources = {one["source"] for rule in earlier["explanation"]["rules"] for one in rule["evidence"]}
    assert sources == {"derived", "referrer"}
    assert (await worker.get(f"/v1/cases/{case_id}/evaluations/3")).status_code == 404
    assert [
        row[0] for row in await hub.rows("SELECT action FROM access WHERE action LIKE 'evaluation%'")
    ] == ["evaluation.read"]


async def test_an_evaluation_whose_policy_is_not_stored_is_shown_without_its_english(
    hub: HubWorld, worker: Person
) -> None:
    case_id = await case_of_two_evaluations(hub)
    await hub.rows(
        "UPDATE evaluation SET document = convert_to(replace(convert_from(document, 'UTF8'), $1, $2), 'UTF8')",
        hub.policies.rulebooks.directory.fingerprint,
        "0" * 64,
    )
    shown, _ = await worker.open(case_id)
    could = [rule for rule in shown["explanation"]["rules"] if not rule["holds"]]
    assert could
    assert {rule["sentence"] for rule in could} == {None}


async def test_no_evaluation_is_shown_while_a_low_one_waits_for_a_reader(
    hub: HubWorld, worker: Person
) -> None:
    story = Story()
    await hub.take(story.received([]), story.completed())
    shown, _ = await worker.open(story.child_ids[0])
    assert shown["explanation"] is None
    assert (await worker.get(f"/v1/cases/{story.child_ids[0]}/evaluations/1")).status_code == 404


async def test_the_page_shows_the_policy_in_force_to_a_browser_without_a_token(
    hub: HubWorld, own: Rulebook, http: httpx.AsyncClient
) -> None:
    answer = await http.get("/policy")
    assert answer.headers["content-type"].startswith("text/html")
    page = unescape(answer.text)
    assert all(rule.title in page and rule.citation in page for rule in own.policy.rules)
    assert own.fingerprint[:12] in page
    assert "Only what needs no solver was checked" in page
    assert "<script" not in page
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    allowed = b64encode(sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{allowed}'" in answer.headers["content-security-policy"]


async def test_the_page_follows_what_is_in_force_and_what_was_proved(
    hub: HubWorld, own: Rulebook, http: httpx.AsyncClient
) -> None:
    strict, pool = stricter(own), hub.ledger.pool
    await register(pool, strict, MONDAY)
    await put_in_force(
        pool, strict.fingerprint, MONDAY + AHEAD, Mode.LIVE, "A. Lead", "the board agreed", MONDAY
    )
    before = (await http.get("/policy")).text
    assert "in force, to come" in before
    hub.clock.advance(AHEAD)
    after = (await http.get("/policy")).text
    assert ("version stricter" in before, "version stricter" in after) == (False, True)
    claim = Claim("form", "No rule can lower an outcome", Status.PROVED, "all of them")
    report = Report(strict.policy.id, "stricter", strict.fingerprint, (claim,))
    await keep_proof(pool, strict.fingerprint, json.loads(json.dumps(report.document())), MONDAY)
    proved = (await http.get("/policy")).text
    assert claim.title in proved
    assert "Only what needs no solver" not in proved
    assert "A. Lead" not in proved


async def test_without_a_policy_in_force_there_is_no_page(hub: HubWorld, http: httpx.AsyncClient) -> None:
    assert (await http.get("/policy")).status_code == 404
