"""Panels, lists, exports, hand-overs and families leave a restricted case out for whoever has no right."""

from typing import Any

import httpx
import pytest

from libs.messaging.codec import Decoded
from sandbox.issuer import Issuer
from services.triage.panels.calendar import Programme
from services.triage.partnership import load_partnership
from services.triage.restricted.record import RecordedRestriction
from services.triage.thresholds import Thresholds
from tests.services.triage.conftest import CODEC, HubWorld, Story
from tests.services.triage.panels.test_panels import PANEL, decided
from tests.services.triage.restricted.test_leaks import STAFF, same
from tests.services.triage.shipped import PARTNERSHIP
from tests.services.triage.staff import CANARY, Person


@pytest.fixture
def programme(thresholds: Thresholds) -> Programme:
    return load_partnership(PARTNERSHIP, thresholds).programme


@pytest.fixture
def chair(http: httpx.AsyncClient, issuer: Issuer) -> Person:
    return Person(http, issuer, "panel-chair-1")


async def test_no_agenda_list_export_or_handover_names_it(
    hub: HubWorld, manager: Person, chair: Person, trusted: Person, programme: Programme
) -> None:
    story = await decided(hub, manager, **PANEL)
    case_id = str(story.child_ids[0])
    await hub.rows("UPDATE task SET kind = 'marac_referral', case_id = $1 RETURNING 1", story.child_ids[0])
    await manager.put(f"/v1/cases/{case_id}/restriction", STAFF)

    async def named(person: Person, path: str, accept: str = "application/json") -> bool:
        headers = {"Authorization": f"Bearer {person.token}", "Accept": accept}
        answer = await person.http.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        return any(one in answer.text for one in (case_id, story.reference, CANARY))

    meetings = [
        (one["path"], one["children"])
        for panel in (await trusted.get("/v1/panels")).json()["panels"]
        for one in panel["meetings"]
    ]
    [path] = [path for path, children in meetings if children]
    assert await named(trusted, path)
    counted = (await chair.get("/v1/panels")).json()["panels"]
    assert sum(one["children"] for panel in counted for one in panel["meetings"]) == 0
    ways = [path, "/v1/handovers", *(f"/v1/lists/{name}" for name in programme.lists)]
    for person in (chair, manager):
        for way in ways:
            assert not await named(person, way), way
            if way.startswith((path, "/v1/lists")):
                assert not await named(person, way, "text/csv"), way
    assert await named(trusted, "/v1/handovers")
    assert await named(trusted, "/v1/lists/masg", "text/csv")
    assert await named(trusted, path, "text/csv")

    outcome: dict[str, Any] = {"outcome": "plan_agreed", "note": "The school leads."}
    nowhere = f"{path}/items/{Story().child_ids[0]}"
    assert same(await chair.put(f"{path}/items/{case_id}", outcome)) == same(
        await chair.put(nowhere, outcome)
    )
    # Whoever broke the glass sees the case, and no agenda that it stands on.
    assert (await manager.post(f"/v1/cases/{case_id}/break-glass", {"reason": "Now."})).status_code == 201
    assert not await named(manager, path)


async def test_a_referral_cannot_be_opened_again_by_who_does_not_see_it(
    hub: HubWorld, worker: Person, manager: Person, trusted: Person
) -> None:
    story = await decided(hub, manager, **PANEL)
    await manager.put(f"/v1/cases/{story.child_ids[0]}/restriction", STAFF)
    body = {"reason": "The father was seen again."}
    path, nowhere = (f"/v1/referrals/{one.reference}" for one in (story, Story()))
    assert same(await worker.get(path)) == same(await worker.get(nowhere))
    refused = await worker.post(f"{path}/reopening", body)
    assert same(refused) == same(await worker.post(f"{nowhere}/reopening", body))
    named = {**body, "case_ids": [str(story.child_ids[0])]}
    unseen = await worker.post(f"{path}/reopening", named)
    assert unseen.status_code == 404
    assert same(unseen) == same(await worker.post(f"{nowhere}/reopening", named))
    assert (await trusted.post(f"{path}/reopening", body)).status_code == 201


async def test_why_it_was_restricted_stands_in_a_payload_of_the_child_alone(
    hub: HubWorld, manager: Person
) -> None:
    story = await decided(hub, manager, **PANEL)
    await manager.put(f"/v1/cases/{story.child_ids[0]}/restriction", {**STAFF, "reason": CANARY})
    [row] = await hub.rows("SELECT * FROM restriction")
    (item,) = await CODEC.decode([(RecordedRestriction, row["document"])])
    assert isinstance(item, Decoded)
    assert [one.reason for one in item.payload.children.values()] == [CANARY]
    assert CANARY not in str([value for name, value in row.items() if name != "document"])
