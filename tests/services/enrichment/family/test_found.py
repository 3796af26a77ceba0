"""Children who are not in the referral as it was sent: named by an agency, remembered by the index, added by staff."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from libs.schemas.codes import ChildPart, ChildStatus
from libs.schemas.events import CaseScreened
from libs.schemas.levels import Level
from services.enrichment.asking.question import KeptChild
from tests.services.enrichment.conftest import FINCH, WREN
from tests.services.enrichment.family.conftest import DAY, HOME, MOTHER, NOON, SIBLING, Hub, Told, child


async def test_a_child_whom_an_agency_names_gets_a_case_and_checks_when_it_is_screened(hub: Hub) -> None:
    case = Told(children=(child(**HOME),), at=NOON)
    await hub.take(case.received(), case.screened())
    await hub.answered(case, "police", SIBLING)
    ((sources, child_id, found),) = await hub.found(case.id)
    assert sources == ("police",)
    assert (found.given_name, found.status, found.part) == (
        "Finch",
        ChildStatus.BORN,
        ChildPart.OTHERWISE_IN_CONTACT,
    )
    assert (found.household, found.nhs_number) == ("home", FINCH["nhs_number"])
    assert (await hub.last(child_id)).household[0].case_id == case.child
    checks = "SELECT count(DISTINCT agency) FROM agency_check WHERE child_id = $1"
    assert await hub.ledger.pool.fetchval(checks, child_id) == 0
    screened = case.screened()
    assert isinstance(screened.payload, CaseScreened)
    part = screened.payload.children[case.child]
    await hub.take(
        replace(screened, payload=screened.payload.model_copy(update={"children": {child_id: part}}))
    )
    assert await hub.ledger.pool.fetchval(checks, child_id) == 6
    assert await hub.ledger.pool.fetchval("SELECT number FROM child WHERE id = $1", child_id) == 2


async def test_a_child_who_is_found_twice_or_is_there_already_is_added_once(hub: Hub) -> None:
    case = Told(at=NOON)
    await hub.take(case.received(), case.screened())
    await hub.answered(case, "police", SIBLING, {"relation": "sibling", **WREN})
    without = {"given_name": "finch", "relation": "sibling"}
    await hub.answered(case, "health", without, SIBLING)
    await hub.answered(case, "education", {"relation": "sibling", "given_name": "WREN"})
    assert len(await hub.found(case.id)) == 1


@pytest.mark.parametrize(
    "person",
    [
        {**SIBLING, "born": {"on": "2001-01-01"}},
        {**SIBLING, "same_household": False},
        {**SIBLING, "relation": "other_child", "same_household": None},
        {**SIBLING, "relation": "other_adult"},
        {"relation": "sibling", "same_household": True},
    ],
    ids=["grown", "lives elsewhere", "not known to live here", "no child", "nobody can tell who"],
)
async def test_who_is_no_child_of_the_home_gets_no_case(hub: Hub, person: dict[str, object]) -> None:
    case = Told(at=NOON)
    await hub.take(case.received(), case.screened())
    await hub.answered(case, "police", person)
    assert await hub.found(case.id) == []
    assert len((await hub.last(case.child)).household) == 1


async def test_an_unborn_sibling_is_found_by_the_expected_day(hub: Hub) -> None:
    case = Told(at=NOON)
    await hub.take(case.received(), case.screened())
    unborn = {"relation": "sibling", "expected": {"on": "2026-08-01"}, "same_household": True}
    await hub.answered(case, "health", unborn)
    await hub.answered(case, "police", unborn)
    ((_, _, found),) = await hub.found(case.id)
    assert (found.status, found.born, found.expected) == (ChildStatus.UNBORN, None, found.expected)


async def test_a_child_found_at_a_confidential_address_keeps_it_confidential(hub: Hub) -> None:
    refuge = {"lines": ["9 Hidden Refuge"], "postcode": "PE1 9ZZ"}
    case = Told(children=(child(address={**refuge, "confidential": True}),), at=NOON)
    await hub.take(case.received(), case.screened())
    await hub.answered(case, "police", {**SIBLING, "address": refuge})
    ((_, _, found),) = await hub.found(case.id)
    assert found.address is not None
    assert found.address.confidential


async def test_a_sibling_whom_the_index_has_in_the_same_home_is_found(hub: Hub) -> None:
    before = Told(children=(child(**HOME), {**FINCH, **HOME}), at=NOON)
    now = Told(at=NOON + 365 * DAY)
    await hub.take(before.received())
    await hub.take(now.received())
    ((sources, child_id, found),) = await hub.found(now.id)
    assert (sources, found.given_name) == (("index",), "Finch")
    linked = await hub.last(child_id)
    assert [one.case_id for one in linked.history.earlier] == [before.child_ids[1]]


@pytest.mark.parametrize(
    ("homes", "after"),
    [(("home", "other"), DAY), (("home", None), DAY), (("home", "home"), 366 * DAY)],
    ids=["lived elsewhere", "nobody said where", "more than a year ago"],
)
async def test_the_index_finds_nobody_who_is_not_surely_of_the_home(
    hub: Hub, homes: tuple[str | None, str | None], after: timedelta
) -> None:
    children = tuple({**one, "household": home} for one, home in zip((WREN, FINCH), homes, strict=True))
    before, now = Told(children=children, at=NOON), Told(at=NOON + after)
    await hub.take(before.received())
    await hub.take(now.received())
    assert await hub.found(now.id) == []


async def test_a_sibling_whom_the_index_could_not_tell_from_others_is_shown_and_not_found(hub: Hub) -> None:
    finch = {"given_name": "Finch", "family_name": "Kestrel-Test", **HOME}
    before, now = Told(children=(child(**HOME), finch), at=NOON), Told(at=NOON + DAY)
    await hub.take(before.received())
    await hub.take(now.received())
    assert await hub.found(now.id) == []
    assert [one.given_name for one in (await hub.last(now.child)).household] == ["Finch"]


async def test_a_link_that_is_only_likely_finds_nobody_until_a_person_makes_it(hub: Hub) -> None:
    before = Told(children=(child(nhs_number=None, **HOME), {**FINCH, **HOME}), at=NOON)
    now = Told(children=(child(nhs_number=None, born=None),), at=NOON + 9 * DAY)
    await hub.take(before.received())
    await hub.take(now.received())
    (candidate,) = (await hub.last(now.child)).candidates
    assert await hub.found(now.id) == []
    await hub.take(now.said("link", NOON + 10 * DAY, person_id=candidate.person_id))
    assert [child.given_name for _, _, child in await hub.found(now.id)] == ["Finch"]


async def test_who_was_found_leads_to_nobody_else(hub: Hub) -> None:
    rook = {"given_name": "Rook", "family_name": "Drake-Test", "nhs_number": "9990041121"}
    elsewhere = Told(children=({**FINCH, "household": "dads"}, {**rook, "household": "dads"}), at=NOON)
    case = Told(at=NOON + DAY)
    await hub.take(elsewhere.received())
    await hub.take(case.received(), case.screened())
    await hub.answered(case, "police", SIBLING)
    await hub.answered(case, "health", {"relation": "parent", "given_name": "Ada"})
    assert [child.given_name for _, _, child in await hub.found(case.id)] == ["Finch"]


async def test_a_child_whom_staff_add_is_announced_and_checked(hub: Hub) -> None:
    case, added = Told(at=NOON), uuid.uuid4()
    await hub.take(case.received(), case.screened())
    await hub.take(case.corrected({added: FINCH}))
    assert [(sources, child_id) for sources, child_id, _ in await hub.found(case.id)] == [(("staff",), added)]
    case.child_ids = [added]
    await hub.take(case.screened())
    states = await hub.ledger.pool.fetch(
        "SELECT DISTINCT state FROM agency_check WHERE child_id = $1 AND items <> '{}'", added
    )
    assert "pending" in {row["state"] for row in states}


async def test_a_child_whom_staff_add_who_was_found_already_is_not_announced_again(hub: Hub) -> None:
    case = Told(at=NOON)
    await hub.take(case.received(), case.screened())
    await hub.answered(case, "police", SIBLING)
    await hub.take(case.corrected({uuid.uuid4(): FINCH}))
    assert [sources for sources, _, _ in await hub.found(case.id)] == [("police",)]


async def test_a_correction_finds_out_anew_who_the_child_is_and_asks_what_was_held_back(hub: Hub) -> None:
    before = Told(at=NOON)
    now = Told(children=({"given_name": "Ren"},), at=NOON + 9 * DAY)
    await hub.take(before.received())
    await hub.take(now.received(), now.screened())
    states = "SELECT DISTINCT state, reason FROM agency_check WHERE child_id = $1"
    held_back = {tuple(row) for row in await hub.ledger.pool.fetch(states, now.child)}
    assert held_back == {("not_requested", "not_identifiable")}
    await hub.take(now.corrected({now.child: {"nhs_number": WREN["nhs_number"]}}))
    assert [one.case_id for one in (await hub.last(now.child)).history.earlier] == [before.child]
    known_by = await hub.ledger.pool.fetchval("SELECT identifiers FROM child WHERE id = $1", now.child)
    assert known_by == ["nhs_number"]
    asked = {row["state"] for row in await hub.ledger.pool.fetch(states, now.child)}
    assert "pending" in asked
    async with hub.ledger.pool.acquire() as connection:
        kept = (await hub.store.kept(connection, [now.id]))[now.id].children[now.child]
    assert (kept.given_name, kept.nhs_number) == ("Ren", WREN["nhs_number"])


async def test_adults_whom_staff_add_join_the_household_and_replace_nobody(hub: Hub) -> None:
    case = Told(children=(child(**HOME),), body={"adults": [MOTHER]}, at=NOON)
    await hub.take(case.received())
    lodger = {"given_name": "Lee", "family_name": "Drake-Test", "household": "home", "thought_to_harm": True}
    await hub.take(case.corrected({}, (lodger,)))
    members = {one.given_name: one for one in (await hub.last(case.child)).household}
    assert {name: one.said_by for name, one in members.items()} == {"Ada": ("referrer",), "Lee": ("staff",)}


@pytest.mark.parametrize("together", [True, False])
async def test_triage_may_screen_a_child_in_the_same_breath_as_staff_add_it(hub: Hub, together: bool) -> None:
    case, added = Told(at=NOON), uuid.uuid4()
    corrected = case.corrected({added: FINCH})
    first = case.child
    case.child_ids = [added]
    screened = case.screened(Level.SECTION_47)
    for batch in [[case.received(), corrected, screened]] if together else [[corrected], [screened], []]:
        await hub.take(*batch)
    if not together:
        case.child_ids = [first]
        await hub.take(case.received())
    states = await hub.ledger.pool.fetch(
        "SELECT DISTINCT state FROM agency_check WHERE child_id = $1 AND items <> '{}'", added
    )
    assert {row["state"] for row in states} == {"pending"}


async def test_an_unborn_child_of_whose_birth_nothing_is_said_stays_unborn(hub: Hub) -> None:
    unborn = {"status": "unborn", "family_name": "Kestrel-Test", "expected": {"on": "2026-08-01"}}
    case = Told(children=(unborn,), at=NOON)
    await hub.take(case.received())

    async def kept() -> KeptChild:
        async with hub.ledger.pool.acquire() as connection:
            return (await hub.store.kept(connection, [case.id]))[case.id].children[case.child]

    await hub.take(case.corrected({case.child: {"family_name": "Drake-Test"}}))
    assert ((await kept()).family_name, (await kept()).status) == ("Drake-Test", ChildStatus.UNBORN)
    assert (await kept()).expected is not None
    await hub.take(case.corrected({case.child: {"born": {"on": "2026-07-20"}}}))
    assert ((await kept()).status, (await kept()).expected) == (ChildStatus.BORN, None)


async def test_a_suspects_employer_whom_staff_name_is_known_to_every_question(hub: Hub) -> None:
    case = Told(at=NOON)
    await hub.take(case.received(), case.screened(Level.SECTION_47))
    suspect = {"given_name": "Lee", "thought_to_harm": True, "employer_agency": "police"}
    await hub.take(case.corrected({}, (suspect,)))
    async with hub.ledger.unit([case.id]) as unit:
        referral = (await hub.store.load(unit.connection, [case.id]))[case.id]
    assert referral.employers == {"police"}


async def test_a_correction_that_makes_an_earlier_report_the_childs_is_told_to_the_later_one(
    hub: Hub,
) -> None:
    before = Told(children=({"given_name": "Ren"},), at=NOON)
    now = Told(at=NOON + 9 * DAY)
    await hub.take(before.received())
    await hub.take(now.received())
    assert (await hub.last(now.child)).history.earlier == ()
    await hub.take(before.corrected({before.child: {"nhs_number": WREN["nhs_number"]}}))
    assert [one.case_id for one in (await hub.last(now.child)).history.earlier] == [before.child]


async def test_a_correction_takes_a_report_out_of_the_history_of_whom_it_was_not_about(hub: Hub) -> None:
    before, now = Told(at=NOON), Told(at=NOON + 9 * DAY)
    await hub.take(before.received())
    await hub.take(now.received())
    assert len((await hub.last(now.child)).history.earlier) == 1
    await hub.take(before.corrected({before.child: FINCH}))
    assert (await hub.last(now.child)).history.earlier == ()
