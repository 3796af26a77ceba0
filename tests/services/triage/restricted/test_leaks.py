"""A restricted case leaks through nothing: whoever has no right meets it nowhere, and by its id it does not exist."""

import re
import uuid
from typing import Any

import httpx
import pytest

from libs.platform.restricted import RIGHT
from libs.schemas.history import EarlierPlan, EarlierReport, PossibleDuplicate, StepDown
from libs.schemas.people import Member
from sandbox.issuer import Issuer
from services.triage.live import feed
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.live.test_feed import parsed
from tests.services.triage.staff import Person

HUNGRY = stated("child.hunger", "persistent")
STAFF = {"restricted": True, "kind": "staff_family", "reason": "The father works here."}

EVERY_SCOPE = (
    *("queue:read", "case:read", "case:write", "decision:write", "handover:accept", "panel:write"),
    *("checks:read", "policy:read", "operations:read", "audit:read"),
)
SAYS_SO_ITSELF = (("put", "/v1/cases/{case_id}/restriction"), ("post", "/v1/cases/{case_id}/break-glass"))
"""The two ways to a restricted case for whoever cannot see it, each tested by itself."""


async def restricted(hub: HubWorld, manager: Person, children: int = 1, **body: Any) -> Story:
    """A referral of which a manager restricted all children, or the first one."""
    story = Story(children=children)
    await hub.take(story.received(*[[HUNGRY]] * children), story.completed())
    answer = await manager.put(f"/v1/cases/{story.child_ids[0]}/restriction", {**STAFF, **body})
    assert answer.status_code == 200, answer.text
    return story


def same(answer: httpx.Response) -> tuple[int, Any, Any]:
    """What an answer gives away: everything but its trace."""
    body = re.sub(r'"trace_id":\s*"[0-9a-f]+"', "", answer.text)
    body = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", body)
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return answer.status_code, body, headers


async def test_by_its_id_no_operation_tells_it_from_a_case_that_does_not_exist(
    hub: HubWorld, http: httpx.AsyncClient, issuer: Issuer, manager: Person
) -> None:
    story = await restricted(hub, manager)
    paths = (await http.get("/openapi.json")).json()["paths"]
    for who in ("staff-sw-1", "staff-mgr-1", "panel-chair-1", "receiver-csc-1"):
        token = issuer.token(who, scopes=EVERY_SCOPE)
        assert await alike(http, paths, token, story) > 5


async def alike(http: httpx.AsyncClient, paths: dict[str, Any], token: str, story: Story) -> int:
    """Tries every operation on a restricted case and on one that does not exist; gives how many do not know it."""
    tried = 0
    for path, operations in paths.items():
        if "{case_id}" not in path:
            continue
        for method, operation in operations.items():
            answers = []
            for case_id in (story.child_ids[0], uuid.uuid4()):
                filled = filled_in(path.replace("{case_id}", str(case_id)), operation)
                answers.append(
                    await http.request(
                        method,
                        filled,
                        params=needed(operation),
                        json={} if method in ("put", "post") else None,
                        headers={"Authorization": f"Bearer {token}", "If-Match": "*", "Idempotency-Key": "k"},
                    )
                )
            there, nowhere = answers
            assert same(there) == same(nowhere), f"{method} {path}"
            allowed = (403, 404, 422) if (method, path) in SAYS_SO_ITSELF else (403, 404)
            assert there.status_code in allowed, f"{method} {path}: {there.text}"
            tried += there.status_code == 404
    return tried


def filled_in(path: str, operation: dict[str, Any]) -> str:
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            schema = parameter["schema"]
            value = {"uuid": str(uuid.UUID(int=7)), "date": "2026-11-23"}.get(schema.get("format", ""), "x")
            value = "1" if schema.get("type") == "integer" else schema.get("enum", [value])[0]
            path = path.replace(f"{{{parameter['name']}}}", value)
    return path


def needed(operation: dict[str, Any]) -> dict[str, str]:
    given = {"level": "targeted", "destination": "early_help"}
    return {
        one["name"]: given.get(one["name"], "x")
        for one in operation.get("parameters", ())
        if one["in"] == "query" and one.get("required")
    }


async def test_lists_counts_and_workload_leave_it_out(
    hub: HubWorld, worker: Person, manager: Person, trusted: Person
) -> None:
    story = await restricted(hub, manager)
    case_id = str(story.child_ids[0])
    await hub.ledger.pool.execute(
        "INSERT INTO task (id, referral_id, case_id, kind, raised_at, due_at) VALUES"
        " ($1, $2, $3, 'lado', $5, $5), ($4, $2, NULL, 'tell_referrer_by_telephone', $5, $5)",
        uuid.uuid4(),
        story.id,
        story.child_ids[0],
        (whole := uuid.uuid4()),
        hub.clock.now(),
    )
    await trusted.put(f"/v1/cases/{case_id}/allocation", {"worker": trusted.id})

    for person, there in ((worker, False), (manager, False), (trusted, True)):
        queue = (await person.get("/v1/queue")).json()
        assert [one["case_id"] for one in queue["items"]] == ([case_id] if there else [])
        assert [one["tags"] for one in queue["items"] if "restricted" not in one["tags"]] == []
        assert bool((await person.get("/v1/queue", tag="restricted")).json()["items"]) is there
        assert bool((await person.get("/v1/queue", worker=trusted.id)).json()["items"]) is there
        assert bool((await person.get("/v1/queue/counts")).json()["counts"]) is there
        assert bool((await person.get("/v1/tasks")).json()["items"]) is there
        assert bool((await person.get("/v1/tasks", case_id=case_id)).json()["items"]) is there
        answer = await person.put(f"/v1/tasks/{whole}", {"note": "Rang them.", "outcome": "done"})
        answer = (
            answer if answer.status_code != 422 else await person.put(f"/v1/tasks/{whole}", {"note": "Rang."})
        )
        assert answer.status_code == (200 if there else 404), answer.text
    for person, there in ((manager, False), (trusted, True)):
        load = (await person.get("/v1/workload")).json()
        assert bool(load["workers"]) is there
        assert load["unattended"]["cases"] == 0


async def test_journeys_leave_it_out_and_do_not_know_a_referral_of_which_all_is_restricted(
    hub: HubWorld, manager: Person, operator: Person
) -> None:
    whole = await restricted(hub, manager)
    part = await restricted(hub, manager, 2, family=False)
    nowhere = await operator.get("/v1/journeys/" + Story().reference)
    assert same(await operator.get(f"/v1/journeys/{whole.reference}")) == same(nowhere)
    journey = (await operator.get(f"/v1/journeys/{part.reference}")).json()
    assert [one["child_id"] for one in journey["children"]] == [str(part.child_ids[1])]
    assert str(part.child_ids[0]) not in str(journey)


async def test_a_brother_or_sister_that_is_open_does_not_name_it(
    hub: HubWorld, worker: Person, manager: Person, trusted: Person
) -> None:
    story = await restricted(hub, manager, 2, family=False)
    hidden, shown = story.child_ids
    await hub.take(
        story.linked(child=1, household=(Member(relation="sibling", given_name="Zed", case_id=hidden),))
    )
    body = {"children": [{"case_id": str(hidden), "child": {"given_name": "Zed"}}], "reason": "Told so."}
    for path in (f"/v1/cases/{shown}", f"/v1/cases/{shown}/chronology"):
        assert str(hidden) not in (await worker.get(path)).text
        assert "Zed" not in (await worker.get(path)).text
    assert str(hidden) in (await trusted.get(f"/v1/cases/{shown}")).text
    refused = await worker.post(f"/v1/cases/{shown}/people", body)
    unknown = {**body, "children": [{"case_id": str(uuid.uuid4()), "child": {"given_name": "Zed"}}]}
    assert same(refused) == same(await worker.post(f"/v1/cases/{shown}/people", unknown))
    given = await trusted.post(f"/v1/cases/{shown}/people", body)
    assert given.status_code == 201, given.text
    assert str(hidden) not in (await worker.get(f"/v1/cases/{shown}")).text

    # What was decided of it asks nobody for a reason on the open one.
    _, tag = await trusted.open(hidden)
    assert (await trusted.read(hidden, tag)).status_code == 200
    _, tag = await trusted.open(hidden)
    decided = await trusted.decide(
        hidden, tag, level="section_17", destination="csc_section_17", departure_reason="Seen at home."
    )
    assert decided.status_code == 200, decided.text
    wish = {"level": "targeted", "destination": "early_help"}
    assert (await worker.get(f"/v1/cases/{shown}/authority", **wish)).json()["siblings_differ"] is False
    day = {"from": "2026-11-23T00:00:00Z", "to": "2026-11-24T00:00:00Z"}
    counted = [(await one.get("/v1/departures", **day)).json()["decisions"] for one in (worker, trusted)]
    assert counted == [0, 1]


async def test_a_later_case_does_not_name_an_earlier_one_that_is_restricted(
    hub: HubWorld, worker: Person, manager: Person, trusted: Person
) -> None:
    earlier, later = await restricted(hub, manager), Story()
    hidden = earlier.child_ids[0]
    report = EarlierReport(
        on=hub.clock.now().date(), reference=earlier.reference, case_id=hidden, mistaken=True
    )
    maybe = PossibleDuplicate(case_id=hidden, reference=earlier.reference, because=("same_day",))
    plan = EarlierPlan(kind="child_in_need", told_on=report.on, agency="social_care", case_id=hidden)
    closed = StepDown(on=report.on, reference=earlier.reference, case_id=hidden)
    await hub.take(
        later.received([HUNGRY]),
        later.linked(report, duplicates=(maybe,), plans=(plan,), step_downs=(closed,)),
    )
    case_id = later.child_ids[0]
    # What social care closed was this very child's, so that the later case is hidden too, until it is shown.
    assert (await worker.get(f"/v1/cases/{case_id}")).status_code == 404
    shown = {"restricted": False, "reason": "Not of the family."}
    assert (await trusted.put(f"/v1/cases/{case_id}/restriction", shown)).status_code == 200
    for path in (f"/v1/cases/{case_id}", f"/v1/cases/{case_id}/chronology"):
        seen = (await worker.get(path)).text
        assert earlier.reference not in seen
        assert str(hidden) not in seen
    assert earlier.reference in (await trusted.get(f"/v1/cases/{case_id}/chronology")).text


async def test_a_blocked_message_of_its_referral_is_not_shown_beside_an_open_case(
    hub: HubWorld, worker: Person, manager: Person, trusted: Person
) -> None:
    story = await restricted(hub, manager, 2, family=False)
    await hub.park(story.information(HUNGRY), value=b'{"about": "both of them"}')
    shown = f"/v1/cases/{story.child_ids[1]}"
    assert (await trusted.get(shown)).json()["blocked"]
    assert (await worker.get(shown)).json()["blocked"] == []


async def test_events_tell_each_group_of_equal_rights_what_it_may_know(
    hub: HubWorld, worker: Person, manager: Person, trusted: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "LONGEST_SECONDS", 0.1)

    async def heard(person: Person, last: str | None = None) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {person.token}"} | ({"Last-Event-ID": last} if last else {})
        answer = await person.http.get("/v1/queue/events", headers=headers)
        messages = [parsed(one) for one in answer.content.split(b"\n\n")[1:] if one]
        return [one for one in messages if "event" in one]

    open_case, story = Story(), await restricted(hub, manager)
    hidden, shown = str(story.child_ids[0]), str(open_case.child_ids[0])
    await hub.take(open_case.received([HUNGRY]))
    await hub.take(story.answer("police"))
    start = f"0-{'0' * 32}"
    for person, expected in ((trusted, {hidden, shown}), (worker, {shown})):
        [told] = await heard(person, start)
        assert {one["id"] for one in told["data"]["cases"]} == expected
        assert (hidden.replace("-", "") in told["id"]) is (person is trusted)
        [here] = await heard(person)
        assert hidden.replace("-", "") not in str(here)


def test_the_right_is_no_other_scope() -> None:
    assert RIGHT not in EVERY_SCOPE
