"""What only the whole running system can show: one trace, no personal data outside payloads, life without Kafka."""

import asyncio
import os
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from cli.client import SOCIAL_WORKER
from libs.schemas.challenge import ChallengeOutcome
from libs.schemas.events import Service
from libs.schemas.on_call import load_on_call
from sandbox.notify import SMS_PREFIX
from services.notify.wording import load_wording
from tests.journeys.canaries import (
    CANARIES,
    canary_referral,
    columns,
    keys_and_headers,
    poison,
    wrong_requests,
)
from tests.journeys.conftest import Running
from tests.journeys.referrals import SCHOOL, fact, referral, told, until

pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).resolve().parents[2]
PARTNERSHIP = ROOT / "deploy" / "partnership"

STOPPED_SECONDS = 60.0 if os.environ.get("MASH_FAULTS") == "long" else 5.0


def journey(running: Running, service: str, reference: str) -> dict[str, Any]:
    return until(lambda: running.client.journey(service, reference), f"{service} to know {reference}")


@pytest.fixture(scope="module")
def decided(running: Running) -> str:
    """A referral whose referrer was told what was decided."""
    reference = str(running.client.refer(SCHOOL, referral(fact("child.hunger", "persistent")))["reference"])
    told(running, reference)
    return reference


def test_one_referral_is_one_trace_from_the_post_to_the_notice(running: Running, decided: str) -> None:
    reference = decided
    referral_id = journey(running, "triage", reference)["referral_id"]

    def spans() -> list[dict[str, Any]] | None:
        sandbox = running.stack.url("sandbox")
        named, by_id = (
            httpx.get(f"{sandbox}/traces.json", params={"q": subject}).json()
            for subject in (reference, referral_id)
        )
        for trace in named:
            if trace["trace_id"] not in {one["trace_id"] for one in by_id}:
                continue
            found: list[dict[str, Any]] = httpx.get(f"{sandbox}/traces/{trace['trace_id']}.json").json()
            names = " ".join(span["name"] for span in found)
            services = {span["service"].removeprefix("mash-") for span in found}
            # Each process exports on its own clock: a child may be there before its parent.
            known = {span["span_id"] for span in found}
            whole = all(span["parent_id"] in known for span in found if span["parent_id"])
            everybody = {"intake", "enrichment", "triage", "notify"} <= services
            if whole and everybody and names.count("govuk-notify") >= 3:
                return found
        return None

    found = until(spans, "a trace with spans of all four services")
    ids = {span["span_id"] for span in found}
    roots = [span for span in found if not span["parent_id"]]
    assert [(span["name"], span["service"].removeprefix("mash-")) for span in roots] == [
        ("POST /v1/referrals", "intake")
    ]
    assert {span["parent_id"] for span in found if span["parent_id"]} <= ids, "a span has a parent elsewhere"
    processed = {span["name"] for span in found if span["name"].startswith("process ")}
    assert processed >= {"process mash.referral.v1", "process mash.triage.v1", "process mash.checks.v1"}


def test_what_the_alerts_of_the_event_log_look_at_is_there(running: Running, decided: str) -> None:
    groups = yaml.load((ROOT / "deploy/prometheus/alerts.yml").read_text(), yaml.CSafeLoader)["groups"]
    (rules,) = (group["rules"] for group in groups if group["name"] == "event_log")
    read = {re.search(r"\((\w+)\) >", rule["expr"])[1]: rule["expr"] for rule in rules}  # type: ignore[index]
    # A counter is there once it has counted.
    assert read.pop("consumer_lost_places_total")
    assert '"consumer_lost_places"' in (ROOT / "libs/messaging/transports/kafka.py").read_text()
    metrics = {each: httpx.get(f"{running.stack.url(each)}/metrics").text for each in Service}
    for name, expression in read.items():
        # Prometheus knows itself which service it asks.
        label = "" if "by (service)" in expression else "consumer="
        shown = re.compile(rf"^{name}[ {{].*{label}", re.MULTILINE)
        assert any(shown.search(text) for text in metrics.values()), f"no service shows {name}"


def test_information_that_raises_the_outcome_asks_again_and_leaves_the_decision(running: Running) -> None:
    client = running.client
    reference = client.refer(SCHOOL, referral(fact("child.hunger", "occasional")))["reference"]
    told(running, reference)
    (before,) = journey(running, "triage", reference)["children"]
    assert before["stage"] in ("decided", "closed")
    worse = {"children": [{"child": 1, "facts": [fact("child.disclosed_physical_abuse", True)]}]}
    answer = httpx.post(
        f"{running.stack.url('intake')}/v1/referrals/{reference}/information",
        json=worse,
        headers={"Authorization": f"Bearer {client.token(SCHOOL)}", "Idempotency-Key": "later"},
    )
    assert answer.status_code == 201

    def reopened() -> dict[str, Any] | None:
        (child,) = journey(running, "triage", reference)["children"]
        return child if child["reopened_at"] else None

    after = until(reopened, "the case to be re-opened")
    assert (after["stage"], after["level"]) == ("decision", "section_47")
    assert [one["destination"] for one in after["decisions"]] == [
        one["destination"] for one in before["decisions"]
    ]


def test_the_referrers_challenge_is_reviewed_and_a_notice_and_the_status_tell_them(
    running: Running, decided: str
) -> None:
    client, triage, words = running.client, running.stack.url("triage"), load_wording(PARTNERSHIP).challenges
    said = {
        "challenger": "Pat Day, head teacher",
        "reach": "The office, before 16:00",
        "children": [1],
        "disagrees_with": "That he is safe at home.",
        "because": "He was hungrier today.",
        "safe_meanwhile": "He eats with us.",
    }
    sent = httpx.post(
        f"{running.stack.url('intake')}/v1/referrals/{decided}/challenges",
        json=said,
        headers={"Authorization": f"Bearer {client.token(SCHOOL)}", "Idempotency-Key": "disagrees"},
    )
    assert sent.status_code == 201, sent.text
    [child] = journey(running, "triage", decided)["children"]
    # Neither who decided nor who signed.
    headers = {"Authorization": f"Bearer {client.token('staff-sw-2')}"}

    def listed() -> dict[str, Any] | None:
        asked = {"case_id": child["child_id"]}
        items = httpx.get(f"{triage}/v1/challenges", params=asked, headers=headers).json()["items"]
        return items[0] if items else None

    def stands(state: str) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            told = client.status(SCHOOL, decided)["challenges"]
            return told[0] if [one["state"] for one in told] == [state] else None

        return until(found, f"the referrer to read that the challenge is {state}")

    challenge = until(listed, "the challenge to reach triage")
    assert (challenge["channel"], challenge["agency"]) == ("system", SCHOOL)
    assert words.stages[challenge["stage"]] in stands("heard")["words"]
    path = f"{triage}/v1/challenges/{challenge['id']}"
    assert httpx.put(f"{path}/review", headers=headers).status_code == 200
    settled = {"outcome": "stands", "agreed": True, "because": "They were shown the plan."}
    assert httpx.put(f"{path}/resolution", json=settled, headers=headers).status_code == 200
    ended = words.outcomes[ChallengeOutcome.STANDS]
    status = stands("settled")
    assert (status["outcome"], status["words"]) == ("stands", f"{ended.words} {ended.next_step}")

    def delivered() -> list[str] | None:
        notices = [
            one for one in journey(running, "notify", decided)["notices"] if one["kind"] == "challenge"
        ]
        whole = len(notices) == 2 and all(one["state"] == "delivered" for one in notices)
        return [one["id"] for one in notices] if whole else None

    notices = until(delivered, "both notices to be delivered")
    messages = httpx.get(f"{running.stack.url('sandbox')}/notify/messages").json()
    bodies = [one["body"] for one in messages if one["reference"] in notices]
    assert sum(ended.words in body for body in bodies) == 1
    assert not [text for text in said.values() if str(text) in str(bodies)], "a notice repeats what was said"


def test_red_work_reaches_whoever_is_on_call_without_a_word_of_it_until_a_person_has_it(
    running: Running,
) -> None:
    client, sandbox, triage = running.client, running.stack.url("sandbox"), running.stack.url("triage")
    headers = {"Authorization": f"Bearer {client.token(SOCIAL_WORKER)}"}
    body = referral(fact("child.hunger", "persistent"), immediate_danger=True)
    reference = client.refer(SCHOOL, body)["reference"]
    known = journey(running, "triage", reference)
    [child] = known["children"]

    def shown() -> dict[str, Any]:
        asked = {"case_id": child["child_id"], "ended": True}
        [one] = httpx.get(f"{triage}/v1/alerts", params=asked, headers=headers).json()["items"]
        found: dict[str, Any] = one
        return found

    # Triage's call goes out over the log, and what became of it comes back over the log.
    arrived = until(
        lambda: ((one := shown())["calls"] and one["calls"][0]["state"] == "delivered" and one) or None,
        "the call to be delivered",
    )
    assert (arrived["urgency"], arrived["ended_at"]) == ("immediate_danger", None)
    [notice] = [one for one in journey(running, "notify", reference)["notices"] if one["kind"] == "alert"]
    messages = httpx.get(f"{sandbox}/notify/messages").json()
    [message] = [one for one in messages if one["reference"] == notice["id"]]
    on_call = load_on_call(PARTNERSHIP / "on_call.yaml").contacts[arrived["calls"][0]["contact"]]
    assert on_call.address in (message["phone_number"], message["email_address"])
    # The same to the letter whatever it is about: nothing of the child, the referrer or the referral.
    wording = load_wording(PARTNERSHIP)
    words = wording.alert[on_call.channel].body.replace("((telephone))", wording.telephone)
    assert message["body"].removeprefix(SMS_PREFIX).strip() == words.strip()

    answer = httpx.put(f"{triage}/v1/alerts/{arrived['id']}/acknowledgement", json={}, headers=headers)
    assert (answer.status_code, answer.json()["acknowledged_by"]) == (200, SOCIAL_WORKER)
    assert (shown()["ended_as"], shown()["next_at"]) == ("acknowledged", None)


def test_no_canary_appears_outside_payloads_even_where_everything_fails(running: Running) -> None:
    sandbox = running.stack.url("sandbox")
    # None of these counts as an agency that does not answer: others' questions go on.
    faults = {"police": "echo", "health": "malformed", "education": "duplicate_key"}
    for agency, fault in faults.items():
        # Not every agency is told the NHS number.
        child = {"family_name": CANARIES["family_name"]}
        behaviour = {"child": child, "behaviour": "fail", "fault": fault}
        answer = httpx.put(f"{sandbox}/agencies/{agency}/behaviour", json=behaviour)
        assert answer.status_code < 300, answer.text
    problems = [answer.text for answer in wrong_requests(running)]
    reference = running.client.refer(SCHOOL, canary_referral())["reference"]
    asyncio.run(poison(running))
    until(lambda: running.client.parked("triage")["items"] or None, "the poison to be parked")
    told(running, reference)
    [child] = journey(running, "enrichment", reference)["children"]
    failed = {check["agency"] for check in child["checks"] if check["state"] == "unavailable"}
    assert faults.keys() <= failed
    seen = {"problem documents": "\n".join(problems)}
    logs = (running.data / "logs").glob("*.log")
    seen |= {f"log {path.name}": path.read_text() for path in logs if path.name != "sandbox.log"}
    seen["metrics"] = "\n".join(httpx.get(f"{running.stack.url(one)}/metrics").text for one in Service)
    # All of them, more than any page lists.
    spans = (running.data / "sandbox").glob("traces.db*")
    seen["traces"] = "\n".join(path.read_text(errors="replace") for path in spans)
    seen["parked"] = "\n".join(str(running.client.parked(service.value)) for service in Service)
    seen["journeys"] = "\n".join(
        str(running.client.journey(service, reference)) for service in ("triage", "enrichment", "notify")
    )
    seen["event log"] = asyncio.run(keys_and_headers(running))
    seen["columns"] = asyncio.run(columns(running))
    for place, text in seen.items():
        assert len(text) > 0, f"nothing was looked at in {place}"
        for name, canary in CANARIES.items():
            assert canary.lower() not in text.lower(), f"{name} appears in {place}"


def test_without_kafka_intake_answers_alarms_go_out_and_everything_drains_after(running: Running) -> None:
    stack, client = running.stack, running.client
    assert stack.kafka is not None
    httpx.delete(f"{stack.url('sandbox')}/alarms")
    stack.kafka.kill()
    begun = time.monotonic()
    references: list[str] = []
    slowest = 0.0
    try:
        while time.monotonic() - begun < STOPPED_SECONDS:
            sent = time.monotonic()
            danger = {"immediate_danger": True} if not references else {}
            need = fact("child.substantial_disability", True)
            references.append(client.refer(SCHOOL, referral(need, **danger))["reference"])
            slowest = max(slowest, time.monotonic() - sent)
            assert httpx.get(f"{stack.url('intake')}/readyz").status_code == 200
            time.sleep(0.25)
        alarms = until(lambda: httpx.get(f"{stack.url('sandbox')}/alarms").json() or None, "an alarm", 20)
        assert re.search("referral-unseen", str(alarms))
        status = client.status(SCHOOL, references[0])
        assert "telephone" in str(status).lower()
    finally:
        stack.kafka.start()
    assert slowest < 2.0

    def routed() -> bool | None:
        seen = [client.journey("triage", reference) for reference in references]
        return (
            True
            if all(one and all(child["routed_at"] for child in one["children"]) for one in seen)
            else None
        )

    until(routed, "everything to be routed after Kafka came back", 60)
