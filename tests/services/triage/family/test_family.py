"""A referral as a family: what is shared once, each child with what a decision on it needs."""

import httpx

from sandbox.issuer import Issuer
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person

STRANGLED = stated("household.strangulation_or_weapon", True)
PROTECTION = {"level": "section_47", "destination": "csc_section_47"}


async def test_children_stand_side_by_side_and_each_is_decided_with_its_own_tag(
    hub: HubWorld, manager: Person
) -> None:
    story = Story(children=2)
    await hub.take(story.received([STRANGLED], [STRANGLED]), story.completed())
    family = (await manager.get(f"/v1/referrals/{story.reference.lower()}")).json()

    assert family["referral"]["worry"].startswith(CANARY)
    assert [child["child_number"] for child in family["children"]] == [1, 2]
    assert all(child["recommendation"]["destination"] == "csc_section_47" for child in family["children"])
    assert all("referral" not in child for child in family["children"])
    assert [one["obstacle"] for one in family["kept_open_by"][:2]] == ["undecided", "undecided"]
    for child in family["children"]:
        answer = await manager.decide(child["case_id"], child["etag"], **PROTECTION)
        assert answer.status_code == 200, answer.text

    family = (await manager.get(f"/v1/referrals/{story.reference}")).json()
    assert {child["decided_to"] for child in family["children"]} == {"csc_section_47"}
    assert {one["obstacle"] for one in family["kept_open_by"]} == {"hand_over", "task"}
    read = await hub.rows("SELECT case_id FROM access WHERE action = 'family.read'")
    assert {row[0] for row in read} == set(story.child_ids)


async def test_a_child_whom_somebody_may_not_see_is_left_out_and_a_family_of_such_looks_like_none(
    hub: HubWorld, worker: Person, http: httpx.AsyncClient, issuer: Issuer
) -> None:
    story = Story(children=2)
    await hub.take(story.received([STRANGLED], [STRANGLED]), story.completed())
    await hub.rows("UPDATE child_case SET restricted = true WHERE id = $1 RETURNING 1", story.child_ids[0])
    family = (await worker.get(f"/v1/referrals/{story.reference}")).json()
    assert [child["child_number"] for child in family["children"]] == [2]
    assert str(story.child_ids[0]) not in str(family)

    await hub.rows("UPDATE child_case SET restricted = true RETURNING 1")
    unknown = await worker.get("/v1/referrals/K7TM-P2RW-C")
    unseen = await worker.get(f"/v1/referrals/{story.reference}")
    assert (unseen.status_code, unseen.json()["code"]) == (404, unknown.json()["code"])
    entitled = Person(http, issuer, "staff-mgr-2")
    assert len((await entitled.get(f"/v1/referrals/{story.reference}")).json()["children"]) == 2
