"""What goes with a child to early help: what is missing has a clock, and what was agreed and offered is passed on."""

from dataclasses import replace
from pathlib import Path

import pytest

from libs.schemas.codes import EmptyVoice
from libs.schemas.document import DocumentError
from libs.schemas.events import INFORMATION_ADDED, AddedInformation, InformationAdded
from libs.schemas.levels import Destination, Stage
from libs.schemas.referral import Agreement, Agreements, ChildInformation, Voice
from services.triage.offers.offers import Offer, load_offers
from tests.services.triage.conftest import HubWorld, Story, stated
from tests.services.triage.shipped import PARTNERSHIP
from tests.services.triage.staff import CANARY, Person

HUNGRY = stated("child.hunger", "persistent")
TEXT = (PARTNERSHIP / "offers.yaml").read_text()
ASSESSED = stated("family.early_help_assessment_complete", True)


async def early_help(
    hub: HubWorld, by: Person, *facts: object, voice: Voice | None = None, **body: object
) -> Story:
    story = Story()
    received, case_id = story.received([HUNGRY, *facts], **body), story.child_ids[0]  # type: ignore[list-item]
    child = received.payload.children[case_id].model_copy(update={"voice": voice})
    payload = received.payload.model_copy(update={"children": {case_id: child}})
    await hub.take(replace(received, payload=payload), story.completed())
    await by.read(case_id)
    answer = await by.decide(case_id, (await by.open(case_id))[1])
    assert answer.status_code == 200, answer.text
    return story


async def kinds(hub: HubWorld) -> set[str]:
    return {row[0] for row in await hub.rows("SELECT kind FROM task WHERE done_at IS NULL")}


async def test_early_help_without_agreement_or_assessment_asks_for_both_with_a_clock(
    hub: HubWorld, worker: Person, manager: Person, trusted: Person
) -> None:
    await early_help(hub, worker)
    assert await kinds(hub) == {"seek_agreement_to_early_help", "complete_early_help_assessment"}
    due = await hub.rows("SELECT due_at FROM task WHERE kind = 'complete_early_help_assessment'")
    assert due[0][0] > hub.clock.now()
    # Decided anew for somebody else, nobody asks the family any more; for early help once more, somebody does.
    [(case_id,)] = await hub.rows("SELECT id FROM child_case")
    section_17 = {"level": "section_17", "destination": "csc_section_17"}
    for wish, asked in ((section_17, False), ({}, True)):
        wish = {**wish, "departure_reason": "The family was seen."}
        answer = await manager.decide(case_id, (await manager.open(case_id))[1], **wish)
        assert answer.status_code == 200, answer.text
        if (await hub.case(case_id)).proposed_at is not None:
            assert (await trusted.sign(case_id)).status_code == 200
        assert ("seek_agreement_to_early_help" in await kinds(hub)) is asked


async def test_what_was_agreed_is_not_asked_again(hub: HubWorld, worker: Person) -> None:
    await early_help(hub, worker, agreements={"early_help": {"answer": "given"}})
    assert await kinds(hub) == {"complete_early_help_assessment"}


async def test_an_assessment_that_is_there_is_not_asked_for(hub: HubWorld, worker: Person) -> None:
    await early_help(hub, worker, ASSESSED)
    assert await kinds(hub) == {"seek_agreement_to_early_help"}


async def test_an_assessment_that_is_not_complete_is_asked_for(hub: HubWorld, worker: Person) -> None:
    begun = stated("family.early_help_assessment_complete", False)
    protected = stated("household.protective_adult", True)
    await early_help(hub, worker, begun, protected, agreements={"early_help": {"answer": "given"}})
    assert await kinds(hub) == {"complete_early_help_assessment"}


async def test_a_closing_plan_stands_for_the_assessment(hub: HubWorld, manager: Person) -> None:
    plan = {"closing_plan": "The school meets them.", "contingency": "The hub is told."}
    story = Story()
    await hub.take(
        story.received([HUNGRY], step_down=plan, agreements={"early_help": {"answer": "given"}}),
        story.completed(),
    )
    case_id = story.child_ids[0]
    await manager.read(case_id)
    answer = await manager.decide(
        case_id, (await manager.open(case_id))[1], departure_reason="They know the family."
    )
    assert answer.status_code == 200, answer.text
    assert "complete_early_help_assessment" not in await kinds(hub)


async def test_an_assessment_goes_on_when_the_hubs_work_is_done(hub: HubWorld, worker: Person) -> None:
    story = await early_help(hub, worker, agreements={"early_help": {"answer": "given"}})
    await worker.accept(story.child_ids[0])
    assert (await hub.case(story.child_ids[0])).stage is Stage.CLOSED
    assert await kinds(hub) == {"complete_early_help_assessment"}


async def test_the_message_says_what_was_decided_agreed_missing_and_offered(
    hub: HubWorld, worker: Person
) -> None:
    unheard = Voice(not_obtained_because=EmptyVoice.TOO_YOUNG)
    story = await early_help(hub, worker, agreements={"early_help": {"answer": "given"}}, voice=unheard)
    path = f"/v1/cases/{story.child_ids[0]}/handover/message"
    message = (await worker.get(path)).json()
    assert (message["name"], message["destination"]) == (CANARY, "early_help")
    assert message["rationale"].startswith(CANARY)
    assert message["agreements"]["early_help"]["answer"] == "given"
    # The child is nine: the course for parents of children under twelve is offered, the health visitor is not.
    offered = {one["id"] for one in message["offers"]}
    assert "parenting_course" in offered
    assert "health_visitor" not in offered
    assert message["bring_back"]
    assert (message["voice"], message["voice_not_obtained_because"]) == (None, "too_young")
    assert [one for one in message["missing"] if one.startswith("police")] == []

    # What was said or taken back since goes with the child as it stands now.
    voice = ChildInformation(child=1, voice=Voice(words="I stay with Nan."))
    later = AddedInformation(
        reference=story.reference,
        received_at=story.at,
        agency="st_ives_primary",
        worry="The uncle has moved in.",
        agreements=Agreements(early_help=Agreement(answer="refused", by="mother")),
    )
    said = InformationAdded(shared=later, children={story.child_ids[0]: voice})
    await hub.take(story.event(INFORMATION_ADDED, said), story.answer("police", answered_at=hub.clock.now()))
    await hub.take(story.corrected("police", retracted=True))
    message = (await worker.get(path)).json()
    assert message["agreements"]["early_help"]["answer"] == "refused"
    assert (message["added"], message["voice"]) == (["The uncle has moved in."], "I stay with Nan.")
    assert message["voice_not_obtained_because"] is None
    assert [one for one in message["missing"] if one.startswith("police")]


async def test_nothing_is_passed_on_before_a_decision(hub: HubWorld, worker: Person) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]))
    answer = await worker.get(f"/v1/cases/{story.child_ids[0]}/handover/message")
    assert (answer.status_code, answer.json()["code"]) == (409, "not-decided")


def test_an_offer_is_for_its_destinations_and_ages_and_an_unknown_age_leaves_none_out() -> None:
    offer = Offer("one", "One", frozenset({Destination.EARLY_HELP}), 5, 11, False, "Ring.")
    for age, fits in ((4, False), (5, True), (11, True), (12, False), (None, True)):
        assert offer.fits(Destination.EARLY_HELP, age) is fits
        assert not offer.fits(Destination.MASG, age)


async def test_offers_are_listed_by_destination_and_age(worker: Person) -> None:
    every = (await worker.get("/v1/offers")).json()["offers"]
    small = (await worker.get("/v1/offers", destination="early_help", age=2)).json()["offers"]
    assert {one["id"] for one in small} == {
        "family_hub",
        "parenting_course",
        "domestic_abuse_outreach",
        "health_visitor",
    }
    assert len(every) == 6


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("ages: {from: 0, to: 5}", "ages: {from: 6, to: 5}", "`from` is above `to`"),
        ("for: [universal_advice, early_help]", "for: [early_hlp]", "did you mean `early_help`?"),
        (TEXT[TEXT.index("bring_back:") :], "bring_back: []\n", "nothing would bring a child back"),
        ("agreement: no", "agreement: perhaps", "expected yes or no"),
        (
            "agreement: {minutes: 960, unit: working}",
            "agreement: {minutes: 960, unit: office}",
            "unknown unit",
        ),
    ],
)
def test_a_mistake_is_refused_with_its_place(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    assert right in TEXT
    path = tmp_path / "offers.yaml"
    path.write_text(TEXT.replace(right, wrong, 1))
    with pytest.raises(DocumentError) as refused:
        load_offers(path)
    assert said in str(refused.value)
