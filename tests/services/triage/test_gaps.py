"""What was not understood of an answer, and what intake waits to hear of added danger."""

from libs.schemas.findings import NOT_UNDERSTOOD, PARTLY_UNDERSTOOD
from libs.schemas.levels import Level
from tests.services.triage.conftest import HubWorld, Story, stated


async def test_an_answer_that_was_only_partly_understood_keeps_its_gap_open(hub: HubWorld) -> None:
    wholly, partly = Story(), Story()
    for story, reason in ((wholly, None), (partly, PARTLY_UNDERSTOOD)):
        await hub.take(story.received([stated("child.hunger", "persistent")]), story.completed())
        await hub.take(story.answer("police", state="returned", reason=reason))
    rises = [(await hub.case(story.child_ids[0])).could_rise_to for story in (wholly, partly)]
    assert rises[1] is Level.SECTION_47 > rises[0]
    # Another answer makes triage work from what is stored.
    await hub.take(partly.answer("health"))
    assert (await hub.case(partly.child_ids[0])).could_rise_to is Level.SECTION_47


async def test_the_end_of_the_checks_closes_no_gap_that_the_agencys_own_answers_leave(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([stated("child.hunger", "persistent")]))
    await hub.take(story.answer("police", state="no_answer", items=("warnings",)))
    await hub.take(story.answer("police", question_id="another", items=("involvements",)))
    await hub.take(story.completed())
    case = await hub.case(story.child_ids[0])
    assert case.completed_at is not None
    assert "police" in case.awaiting
    assert case.could_rise_to is Level.SECTION_47


async def test_a_value_that_nobody_knows_could_be_the_worst(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([stated("child.hunger", "persistent")]), story.completed())
    await hub.take(story.answer("police", stated("household.domestic_abuse", NOT_UNDERSTOOD)))
    assert (await hub.case(story.child_ids[0])).could_rise_to is Level.SECTION_47


async def test_added_danger_is_always_answered_since_intake_waits_for_it(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([], immediate_danger=True))
    assert await hub.names(story.id) == ["case-screened"]
    for _ in range(2):
        await hub.take(story.information(immediate_danger=True))
        name, payload = (await hub.emitted(story.id))[-1]
        assert name == "case-screened"
        assert payload.children[story.child_ids[0]].immediate_danger
    assert await hub.names(story.id) == ["case-screened"] * 3
