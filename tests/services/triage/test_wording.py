"""Each kind of nothing is said differently, in the case and in the explanation, and never as a no."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

from libs.schemas.findings import CORRECTED_ELSEWHERE, LINK_CHANGED, PARTIAL, AgencyState
from libs.schemas.people import Band, Candidate, Comparison, Likeness
from services.triage.standing import NO_LONGER_SAID, TAKEN_BACK, AgencyStanding
from services.triage.wording import Words, score, silence
from tests.services.triage.conftest import MONDAY, HubWorld, Story
from tests.services.triage.staff import Person
from tests.services.triage.test_family import HUNGRY

STATES = (*AgencyState, "a_later_code")
REASONS = (None, "timeout", "contract", TAKEN_BACK, *sorted(PARTIAL))


def test_no_two_states_and_no_two_reasons_of_one_state_are_said_alike() -> None:
    said = {}
    for state, reason in product(STATES, REASONS):
        # What was taken back is unknown whatever state it had, and a code that is not known has no reasons.
        if reason == TAKEN_BACK or (state == "a_later_code" and reason is not None):
            continue
        said[state, reason] = silence(state, reason)
    said["any", TAKEN_BACK] = silence(AgencyState.UNAVAILABLE, TAKEN_BACK)
    assert len(set(said.values())) == len(said)


def test_an_agency_whose_question_may_be_on_its_way_is_not_said_to_be_unasked() -> None:
    """Nobody tells triage when a question goes out."""
    waits = AgencyStanding(AgencyState.PENDING)
    assert Words(ZoneInfo("Europe/London")).state(waits, None, MONDAY) == "No answer yet."


def test_data_grows_older_at_the_hubs_own_midnight() -> None:
    day, words = date(2026, 7, 1), Words(ZoneInfo("Europe/London"))
    midnight = datetime(2026, 7, 1, 23, 0, tzinfo=UTC)
    assert [words.days_old(day, midnight - timedelta(seconds=1)), words.days_old(day, midnight)] == [0, 1]


def test_a_score_is_explained_by_its_weightiest_fields_and_names_no_value() -> None:
    candidate = Candidate(
        person_id="11111111-1111-4111-8111-111111111111",
        band=Band.LIKELY,
        score=81,
        comparisons=(
            Comparison(field="sex", ours="F", theirs="F", likeness=Likeness.SAME, points=2),
            Comparison(
                field="family_name", ours="Canary", theirs="Canari", likeness=Likeness.CLOSE, points=30
            ),
            Comparison(field="postcode", likeness=Likeness.DIFFERENT, points=-5),
        ),
    )
    assert score(candidate) == (
        "Likely, 81 of 100: family name is close (+30), postcode differs (-5), sex is the same (+2)."
    )


async def test_the_case_shows_each_state_distinctly_with_its_times_age_and_gaps(
    hub: HubWorld, worker: Person
) -> None:
    story = Story()
    asked, due = MONDAY, MONDAY + timedelta(minutes=30)
    times: dict[str, Any] = {"asked_at": asked, "due_at": due}
    await hub.take(
        story.received([HUNGRY]),
        story.answer(
            "police",
            HUNGRY,
            **times,
            answered_at=due + timedelta(minutes=5),
            late=True,
            reason="held_back",
            items=("warnings",),
            held_back={"involvements": "below_level"},
            as_of=date(2026, 11, 20),
        ),
        story.answer(
            "health", state="nothing_held", **times, answered_at=due, reused_from=MONDAY - timedelta(days=2)
        ),
        story.answer(
            "education",
            state="outside_coverage",
            **times,
            answered_at=due,
            coverage_from=date(2024, 9, 1),
            coverage_to=date(2026, 7, 20),
        ),
        story.answer("marac", state="declined", reason="not_ours", **times, answered_at=due),
        story.answer("social_care", state="not_requested", reason="no_agreement", due_at=due),
        story.answer("early_help", state="unavailable", reason="timeout", **times),
    )
    view, _ = await worker.open(story.child_ids[0])
    agencies = {one["agency"]: one for one in view["evidence"]["agencies"]}
    words = {name: one["words"] for name, one in agencies.items()}
    assert words == {
        "police": "Answered. Not everything could be asked, and what was not asked is unknown."
        " Asked 23 November 2026, 10:00. Answer of 23 November 2026, 10:35, after its time was up."
        " From data of 20 November 2026, 3 days old. Not asked for: involvements (below level).",
        "health": "Searched its records and holds nothing about the child. Asked 23 November 2026, 10:00."
        " Answer of 23 November 2026, 10:30."
        " Given 21 November 2026, 10:00 to an earlier question that was recent enough.",
        "education": "Its records do not cover the child, so they could not tell."
        " Asked 23 November 2026, 10:00. Answer of 23 November 2026, 10:30."
        " Its records cover the time from 1 September 2024 until 20 July 2026.",
        "marac": "Refused to answer (not ours). Asked 23 November 2026, 10:00."
        " Answer of 23 November 2026, 10:30.",
        "social_care": "Was not asked (no agreement).",
        "early_help": "Could not be reached, or its answer could not be used (timeout)."
        " Asked 23 November 2026, 10:00. The answer is due by 23 November 2026, 10:30.",
    }
    assert (agencies["police"]["days_old"], agencies["police"]["held_back"]) == (
        3,
        {"involvements": "below_level"},
    )
    silences = {one["agency"]: one["words"] for one in view["explanation"]["silences"]}
    assert silences["marac"] == "Refused to answer (not ours)."
    assert silences["police"].startswith("Answered. Not everything could be asked")
    assert "health" not in silences


async def test_a_corrected_answer_is_shown_and_marked(hub: HubWorld, worker: Person) -> None:
    story = Story()
    await hub.take(
        story.received([HUNGRY]),
        story.answer("police", HUNGRY),
        story.corrected("police", retracted=True),
        story.answer("health", HUNGRY),
        story.corrected("health", retracted=True, reason=CORRECTED_ELSEWHERE),
        story.answer("education", HUNGRY),
        story.corrected("education", retracted=True, reason=LINK_CHANGED),
    )
    await worker.read(story.child_ids[0])
    view, _ = await worker.open(story.child_ids[0])
    [police] = [one for one in view["evidence"]["agencies"] if one["agency"] == "police"]
    assert [one["counts"] for one in police["answers"]] == [False]
    assert police["corrections"][0]["kind"] == "retracted"
    assert police["words"] == "Took its answer back; what it holds is unknown."
    elsewhere = "Took back in another referral the answer that counted here too; what it holds is unknown."
    other = "Its answer was about somebody else, whom the child was taken for; it is asked anew, and what it holds is"
    words = {one["agency"]: one["words"] for one in view["evidence"]["agencies"]}
    assert (words["health"], words["education"]) == (elsewhere, f"{other} unknown.")
    assert {silence("unavailable", reason) for reason in NO_LONGER_SAID} <= set(words.values())
    silences = {one["agency"]: one["words"] for one in view["explanation"]["silences"]}
    for name in ("police", "health", "education"):
        assert silences[name] == words[name]
    chronology = (await worker.get(f"/v1/cases/{story.child_ids[0]}/chronology")).json()["items"]
    assert {one["source"]: one["words"] for one in chronology if one["kind"] == "correction"} == {
        "police": "The agency took back what it had answered (wrong person).",
        "health": "The agency took back in another referral the answer that counted here too.",
        "education": "The answer counts no more: it was about somebody else, whom the child was taken for.",
    }
    # What the agency says of the child themself closes the gap that the answer about somebody else left.
    await hub.take(story.answer("education", question_id="anew", state="nothing_held"))
    view, _ = await worker.open(story.child_ids[0])
    states = {one["agency"]: one["state"] for one in view["evidence"]["agencies"]}
    assert (states["education"], states["health"]) == ("nothing_held", "unavailable")
