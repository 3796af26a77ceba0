"""What is said of an adult, a home or a sibling counts for every child in contact, whenever they came to be known."""

from datetime import date

from libs.schemas.codes import AdultRole
from libs.schemas.findings import Period
from libs.schemas.levels import Level
from libs.schemas.person import Date, FoundPerson, Relation
from libs.schemas.plans import Plan, PlanKind
from libs.schemas.referral import ReferredChild
from services.triage.desk import load
from services.triage.policies.replay import Replay, Result
from tests.services.triage.conftest import CODEC, HubWorld, Story, stated
from tests.services.triage.staff import Person

STRANGLED = stated("household.strangulation_or_weapon", True)
HUNGRY = stated("child.hunger", "persistent")
HIT = stated("child.disclosed_physical_abuse", True)
BABY = ReferredChild(given_name="Found", born=Date(on=date(2026, 10, 1)))


async def level(hub: HubWorld, story: Story, child: int) -> Level:
    case = await hub.case(story.child_ids[child])
    found: Level = case.level
    return found


async def counts(hub: HubWorld, story: Story, child: int) -> list[tuple[str, str]]:
    """The facts that count for a child, with who says each."""
    async with hub.ledger.unit([story.id]) as unit:
        desk = await load(unit, CODEC, hub.policies, [story.id])
    return [(one.fact.fact, one.source) for one in desk.files[story.child_ids[child]].known.stated]


async def replays(hub: HubWorld, story: Story) -> set[Result]:
    async with hub.ledger.pool.acquire() as connection:
        return {one.result for one in await Replay(CODEC).cases(connection, story.child_ids)}


async def test_what_an_agency_says_of_the_home_counts_for_the_brother_too(hub: HubWorld) -> None:
    await hub.policies.start(hub.ledger)
    story = Story(children=2)
    await hub.take(story.received([HUNGRY], [HUNGRY]))
    await hub.take(story.answer("police", STRANGLED, child=0))

    assert await level(hub, story, 1) is Level.SECTION_47
    assert ("household.strangulation_or_weapon", "police") in await counts(hub, story, 1)
    assert await replays(hub, story) == {Result.SAME}


async def test_what_is_read_of_the_home_in_one_childs_words_counts_for_the_brother_at_once(
    hub: HubWorld, worker: Person
) -> None:
    await hub.policies.start(hub.ledger)
    story = Story(children=2)
    await hub.take(story.received([HUNGRY], [HUNGRY]))
    found = [STRANGLED.model_dump(mode="json")]
    assert (await worker.read(story.child_ids[0], facts=found)).status_code == 200
    assert await level(hub, story, 1) is Level.SECTION_47
    told = [payload for name, payload in await hub.emitted(story.id) if name == "case-screened"]
    assert told[-1].children.keys() == set(story.child_ids)
    assert await replays(hub, story) == {Result.SAME}


async def test_what_an_agency_says_of_one_child_alone_is_not_said_of_the_other(hub: HubWorld) -> None:
    story = Story(children=2)
    await hub.take(
        story.received([HUNGRY], [HUNGRY]), story.answer("health", stated("child.hunger", "persistent"))
    )
    evaluations = await hub.rows("SELECT 1 FROM evaluation WHERE case_id = $1", story.child_ids[1])
    assert len(evaluations) == 1


async def test_no_child_is_a_harmed_sister_to_itself(hub: HubWorld) -> None:
    story = Story(children=2)
    await hub.take(story.received([HUNGRY], [HUNGRY]), story.answer("health", HIT))
    harmed = ("family.sibling_harmed", "derived")
    assert harmed not in await counts(hub, story, 0)
    assert harmed in await counts(hub, story, 1)


async def test_a_harmed_sister_raises_a_child_as_soon_as_an_agency_says_so(hub: HubWorld) -> None:
    story = Story(children=2)
    await hub.take(story.received([], []))
    before = await level(hub, story, 0)
    await hub.take(story.answer("health", HIT, child=1))
    assert before < await level(hub, story, 0)
    assert ("family.sibling_harmed", "derived") in await counts(hub, story, 0)


async def test_a_sister_on_a_protection_plan_counts_as_harmed(hub: HubWorld) -> None:
    story = Story(children=2)
    await hub.take(story.received([], []))
    plan = Plan(kind=PlanKind.CHILD_PROTECTION, opened=date(2026, 6, 1))
    await hub.take(story.answer("social_care", child=1, state="returned", plans=(plan,)))
    assert ("family.sibling_harmed", "derived") in await counts(hub, story, 0)
    assert ("child.open_plan", "derived") in await counts(hub, story, 1)


async def test_children_of_different_homes_share_nothing(hub: HubWorld) -> None:
    story = Story(children=2)
    received = story.received([HUNGRY], [HUNGRY])
    for place, label in enumerate("ab"):
        child_id = story.child_ids[place]
        child = received.payload.children[child_id]
        received.payload.children[child_id] = child.model_copy(update={"household": label})
    await hub.take(received, story.answer("police", STRANGLED, child=0))
    assert await level(hub, story, 1) is Level.TARGETED


async def test_a_person_thought_to_harm_whom_an_agency_names_counts_for_all_who_live_with_them(
    hub: HubWorld,
) -> None:
    story = Story(children=2)
    await hub.take(story.received([], []))
    partner = FoundPerson(
        relation=Relation.OTHER_ADULT,
        roles=(AdultRole.PARTNER_OF_CARER,),
        family_name="Named",
        same_household=True,
        thought_to_harm=True,
    )
    elsewhere = partner.model_copy(update={"same_household": False})
    await hub.take(story.answer("police", child=0, state="returned", people=(elsewhere,)))
    assert ("household.adult_risk", "derived") not in await counts(hub, story, 1)
    await hub.take(story.answer("social_care", child=0, state="returned", people=(partner,)))
    for child in (0, 1):
        assert ("household.adult_risk", "derived") in await counts(hub, story, child)


async def test_a_found_child_gets_a_case_on_the_referrals_clock_with_what_its_home_brought(
    hub: HubWorld,
) -> None:
    await hub.policies.start(hub.ledger)
    story = Story()
    await hub.take(story.received([HUNGRY, HIT]), story.answer("police", STRANGLED))
    await hub.take(story.found(BABY))

    first, found = [await hub.case(child) for child in story.child_ids]
    assert (found.reference, found.received_at, found.due_at) == (
        first.reference,
        first.received_at,
        first.due_at,
    )
    assert (found.child_number, found.level) == (2, Level.SECTION_47)
    evidence = await counts(hub, story, 1)
    assert ("household.strangulation_or_weapon", "police") in evidence
    assert ("family.sibling_harmed", "derived") in evidence
    name, screened = (await hub.emitted(story.id))[-1]
    assert (name, list(screened.children)) == ("case-screened", [found.id])
    assert await replays(hub, story) == {Result.SAME}
    # What becomes known later of either counts for the other.
    await hub.take(story.answer("health", stated("household.drug_traffic", True), child=1))
    assert ("household.drug_traffic", "health") in await counts(hub, story, 0)


async def test_a_found_child_knows_what_the_referrer_added_before(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]))
    await hub.take(story.information(immediate_danger=True), story.withdrawn())
    await hub.take(story.found(BABY))
    found = await hub.case(story.child_ids[1])
    assert found.immediate_danger
    assert found.withdrawn_at is not None
    await hub.take(story.agreement("refused"))
    assert await hub.rows("SELECT 1 FROM evidence WHERE case_id = $1 AND kind = 'information'", found.id)


async def test_a_child_found_before_the_referral_comes_waits_for_it(hub: HubWorld) -> None:
    story = Story()
    received = story.received([HUNGRY])
    await hub.take(story.found(BABY))
    await hub.take(received)
    assert [(await hub.case(child)).child_number for child in story.child_ids] == [1, 2]


async def test_a_child_who_is_found_twice_has_one_case(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]), event := story.found(BABY))
    again = story.event(event.type, event.payload)
    await hub.take(again)
    assert len(await hub.rows("SELECT 1 FROM child_case")) == 2


async def test_what_the_home_brought_is_taken_back_with_it(hub: HubWorld) -> None:
    story = Story(children=2)
    await hub.take(story.received([HUNGRY], [HUNGRY]), story.answer("police", STRANGLED, child=0))
    await hub.take(story.corrected("police", child=0, retracted=True))
    assert await level(hub, story, 1) is Level.TARGETED


async def test_a_continuing_fact_keeps_its_period_in_the_brothers_case(hub: HubWorld) -> None:
    story = Story(children=2)
    lasting = STRANGLED.model_copy(update={"period": Period.CONTINUING})
    await hub.take(story.received([], []), story.answer("police", lasting, child=1))
    rows = await hub.rows(
        "SELECT document FROM evidence WHERE case_id = $1 AND kind = 'worked_out'", story.child_ids[0]
    )
    assert b'"continuing"' in rows[0][0]
