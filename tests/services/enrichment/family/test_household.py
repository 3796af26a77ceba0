"""Who is told to live with a child or to be a danger to them, and what never reaches another home."""

from libs.schemas.person import Relation
from tests.services.enrichment.conftest import FINCH
from tests.services.enrichment.family.conftest import DAY, HOME, MOTHER, NOON, Hub, Told, child


async def test_the_household_is_joined_from_the_referral_the_index_and_agencies(hub: Hub) -> None:
    before = Told(children=(child(**HOME),), body={"adults": [MOTHER]}, at=NOON)
    partner = {"given_name": "Lee", "family_name": "Drake-Test", "thought_to_harm": True}
    now = Told(children=(child(**HOME), {**FINCH, **HOME}), body={"adults": [partner]}, at=NOON + 9 * DAY)
    await hub.take(before.received())
    await hub.take(now.received(), now.screened())
    named = {
        "given_name": "Lee",
        "family_name": "Drake-Test",
        "relation": "other_adult",
        "same_household": True,
    }
    await hub.answered(
        now, "police", named, {"relation": "parent", "given_name": "Ada", "same_household": True}
    )
    members = {one.given_name: one for one in (await hub.last(now.child)).household}
    assert set(members) == {"Finch", "Lee", "Ada"}
    assert members["Finch"].case_id == now.child_ids[1]
    assert (members["Finch"].said_by, members["Finch"].same_household) == (("referrer",), True)
    assert (members["Lee"].said_by, members["Lee"].same_household) == (("referrer", "police"), True)
    assert members["Lee"].thought_to_harm
    assert (members["Ada"].said_by, members["Ada"].relation) == (("police", "index"), Relation.PARENT)


async def test_one_word_that_somebody_harms_or_lives_there_counts_beside_any_that_does_not_say_so(
    hub: Hub,
) -> None:
    lee = {"given_name": "Lee", "family_name": "Drake-Test"}
    case = Told(children=(child(**HOME),), body={"adults": [{**lee, "household": "another"}]}, at=NOON)
    await hub.take(case.received(), case.screened())
    named = {**lee, "relation": "other_adult", "same_household": True, "thought_to_harm": True}
    await hub.answered(case, "police", named)
    (member,) = (await hub.last(case.child)).household
    assert (member.said_by, member.thought_to_harm) == (("referrer", "police"), True)
    assert member.same_household


async def test_who_is_said_to_have_moved_out_is_shown_as_having_left(hub: Hub) -> None:
    before = Told(children=(child(**HOME),), body={"adults": [MOTHER]}, at=NOON)
    now = Told(at=NOON + 9 * DAY)
    await hub.take(before.received())
    await hub.take(now.received(), now.screened())
    (mother,) = (await hub.last(now.child)).household
    assert (mother.same_household, mother.left) == (True, False)
    gone = {"given_name": "Ada", "family_name": "Kestrel-Test", "relation": "parent", "same_household": False}
    await hub.answered(now, "police", gone)
    (mother,) = (await hub.last(now.child)).household
    assert (mother.same_household, mother.left) == (False, True)


async def test_no_address_reaches_anothers_household(hub: Hub) -> None:
    refuge = {"lines": ["9 Hidden Refuge"], "postcode": "PE1 9ZZ", "confidential": True}
    fled = Told(
        children=(child(address=refuge, **HOME),), body={"adults": [{**MOTHER, "address": refuge}]}, at=NOON
    )
    other = Told(children=(child(**HOME), {**FINCH, **HOME}), at=NOON + DAY)
    await hub.take(fled.received())
    await hub.take(other.received(), other.screened())
    plain = {"lines": ["9 Hidden Refuge"], "postcode": "PE1 9ZZ"}
    await hub.answered(
        other, "police", {**MOTHER, "relation": "parent", "address": plain, "phone": "01632 960001"}
    )
    households = [one.household for case_id in other.child_ids for one in await hub.linked(case_id)]
    assert any(member.given_name == "Ada" for members in households for member in members)
    for members in households:
        for member in members:
            assert (member.address, member.phone) == (None, None)
            assert "Hidden" not in member.model_dump_json()


async def test_adults_whom_staff_add_join_the_household_and_replace_nobody(hub: Hub) -> None:
    case = Told(children=(child(**HOME),), body={"adults": [MOTHER]}, at=NOON)
    await hub.take(case.received())
    lodger = {"given_name": "Lee", "family_name": "Drake-Test", "household": "home", "thought_to_harm": True}
    await hub.take(case.corrected({}, (lodger,)))
    members = {one.given_name: one for one in (await hub.last(case.child)).household}
    assert {name: one.said_by for name, one in members.items()} == {"Ada": ("referrer",), "Lee": ("staff",)}


async def test_a_second_referral_tells_an_open_one_of_somebody_it_did_not_know(hub: Hub) -> None:
    first = Told(at=NOON)
    second = Told(children=(child(**HOME),), body={"adults": [MOTHER]}, at=NOON + DAY)
    await hub.take(first.received())
    await hub.take(second.received())
    (mother,) = (await hub.last(first.child)).household
    assert (mother.given_name, mother.said_by) == ("Ada", ("index",))
    assert await hub.found(first.id) == []


async def test_a_mother_of_whom_only_the_name_is_known_is_shown_once(hub: Hub) -> None:
    cases = [Told(body={"adults": [MOTHER]}, at=NOON + number * DAY) for number in range(4)]
    for case in cases:
        await hub.take(case.received())
    (mother,) = (await hub.last(cases[-1].child)).household
    assert (mother.given_name, mother.said_by) == ("Ada", ("referrer", "index"))
    assert await hub.ledger.pool.fetchval("SELECT count(*) FROM timer") == 0
