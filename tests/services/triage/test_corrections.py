"""An agency corrects or takes back what it said: that stays on record, counts no more, and decides nothing."""

from datetime import timedelta
from typing import Any

from libs.schemas.findings import ASKED_AGAIN, AgencyState
from libs.schemas.levels import Level, Rag
from services.triage.policies.replay import Result
from services.triage.standing import TAKEN_BACK
from tests.services.triage.conftest import MONDAY, HubWorld, Story, stated
from tests.services.triage.staff import Person
from tests.services.triage.test_family import HUNGRY, STRANGLED, counts, replays

REPEATED = stated("household.domestic_abuse", "repeated")


async def test_what_was_corrected_counts_no_more_and_what_replaces_it_does(hub: HubWorld) -> None:
    await hub.policies.start(hub.ledger)
    story = Story()
    threat = stated("child.threat_to_life", True)
    await hub.take(story.received([HUNGRY]), story.answer("police", STRANGLED, threat))
    assert (await hub.case(story.child_ids[0])).level is Level.SECTION_47
    await hub.take(story.corrected("police", REPEATED))

    case = await hub.case(story.child_ids[0])
    assert (case.level < Level.SECTION_47, case.rag) == (True, Rag.RED), "who was in danger stays urgent"
    said = await counts(hub, story, 0)
    assert ("household.domestic_abuse", "police") in said
    assert ("household.strangulation_or_weapon", "police") not in said
    kinds = await hub.rows("SELECT kind FROM evidence WHERE source = 'police' ORDER BY number")
    assert [row[0] for row in kinds] == ["answer", "correction"]
    assert await replays(hub, story) == {Result.SAME}


async def test_an_answer_that_was_taken_back_leaves_a_gap_and_not_a_no(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]), story.answer("police", STRANGLED))
    await hub.take(story.corrected("police", retracted=True))
    rows = await hub.rows("SELECT state, reason FROM agency_state WHERE agency = 'police'")
    assert [tuple(row) for row in rows] == [(AgencyState.UNAVAILABLE, TAKEN_BACK)]
    assert (await hub.case(story.child_ids[0])).could_rise_to is Level.SECTION_47
    # That the checks are complete closes no gap; only a new answer does.
    await hub.take(story.completed({"police": "returned"}))
    assert (await hub.case(story.child_ids[0])).could_rise_to is Level.SECTION_47
    await hub.take(story.answer("police", state="nothing_held"))
    assert (await hub.case(story.child_ids[0])).could_rise_to < Level.SECTION_47


async def test_an_agency_that_took_back_what_it_said_has_spoken_again_once_it_answers_all_of_it_anew(
    hub: HubWorld, worker: Person
) -> None:
    story, both = Story(), ("warnings", "involvements")
    case_id, later = story.child_ids[0], MONDAY + timedelta(minutes=20)
    before: dict[str, Any] = {"items": ("warnings",), "answered_at": MONDAY - timedelta(minutes=1)}

    async def police() -> tuple[dict[str, Any], list[str], Level]:
        view, _ = await worker.open(case_id)
        (shown,) = [one for one in view["evidence"]["agencies"] if one["agency"] == "police"]
        silences = [one["words"] for one in view["explanation"]["silences"] if one["agency"] == "police"]
        return shown, silences, (await hub.case(case_id)).could_rise_to

    await hub.take(
        story.received([HUNGRY]),
        story.answer("police", question_id="before", **before),
        story.answer("police", REPEATED, items=both),
        story.corrected("police", retracted=True),
        story.completed(),
        story.answer("police", question_id="part", items=("involvements",), answered_at=later),
    )
    await worker.read(case_id)
    shown, silences, could_be = await police()
    assert silences == [shown["words"]] == ["Took its answer back; what it holds is unknown."]
    assert could_be is Level.SECTION_47
    await hub.take(story.answer("police", question_id="rest", items=("warnings",), answered_at=later))
    shown, silences, could_be = await police()
    assert (shown["state"], silences) == ("nothing_held", [])
    assert could_be < Level.SECTION_47

    # Asked by hand, the agency says something else: that counts where its first answer did, and has words of its own.
    await hub.take(story.corrected("police", STRANGLED, reason=ASKED_AGAIN, items=both))
    assert (await hub.case(case_id)).level is Level.SECTION_47
    assert [one["counts"] for one in (await police())[0]["answers"]].count(False) == 1
    chronology = (await worker.get(f"/v1/cases/{case_id}/chronology")).json()["items"]
    assert [one["words"] for one in chronology if one["kind"] == "correction"] == [
        "The agency took back what it had answered (wrong person).",
        "The agency was asked once more and said something else, which counts in the first answer's place.",
    ]


async def test_a_decision_already_made_is_not_changed_and_hears_of_the_correction(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]), story.answer("police", STRANGLED), story.completed())
    case_id = story.child_ids[0]
    await hub.rows("UPDATE child_case SET decision = 1, unread = false WHERE id = $1", case_id)
    await hub.take(story.corrected("police", retracted=True))
    case = await hub.case(case_id)
    assert (case.decision, case.at_risk) == (1, False)
    kinds = {row[0] for row in await hub.rows("SELECT kind FROM task WHERE done_at IS NULL")}
    assert "look_at_new_information" in kinds


async def test_a_correction_that_makes_it_worse_puts_the_decision_at_risk(hub: HubWorld) -> None:
    story = Story()
    await hub.take(story.received([HUNGRY]), story.answer("police"), story.completed())
    case_id = story.child_ids[0]
    await hub.rows("UPDATE child_case SET decision = 1, unread = false WHERE id = $1", case_id)
    await hub.take(story.corrected("police", STRANGLED))
    assert (await hub.case(case_id)).at_risk
