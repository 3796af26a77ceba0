"""One kind of nothing in place of another, or a silence for an answer: no level falls, on the real case path."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.schemas.events import CheckReturned, ChecksCompleted, Received
from libs.schemas.findings import PARTIAL, AgencyState
from libs.schemas.levels import Level
from services.triage.case import File
from services.triage.casework import Casework
from services.triage.reckoning import Cause
from services.triage.standing import SPOKEN
from tests.services.triage.conftest import AGENCIES, MONDAY, Story, stated
from tests.services.triage.shipped import shipped_thresholds

CASEWORK = Casework(shipped_thresholds())
FACTS = (
    stated("child.hunger", "persistent"),
    stated("child.home_conditions", "poor"),
    stated("child.injury", "unexplained"),
    stated("household.domestic_abuse", "repeated"),
    stated("household.strangulation_or_weapon", True),
    stated("child.attendance_percent", 80),
    stated("child.disclosed_physical_abuse", True),
)
SILENCES = tuple(state.value for state in AgencyState if state not in SPOKEN)
EVERY_STATE = (*(state.value for state in AgencyState), "a_later_code")


def outcome(
    story: Story, referrer: list[Any], states: dict[str, str], reasons: dict[str, str | None]
) -> File:
    """A case after every agency's answer has gone its way through triage: screened, told, completed."""
    [child_id] = story.child_ids
    received = story.received(referrer)
    assert isinstance(received.payload, Received)
    file = CASEWORK.open(
        Cause(received.id, MONDAY, MONDAY),
        referral_id=story.id,
        child_id=child_id,
        number=1,
        received=received.payload,
        child=received.payload.children[child_id],
        trace=None,
    )
    for agency, state in states.items():
        event = story.answer(agency, state="returned", reason=reasons.get(agency))
        assert isinstance(event.payload, CheckReturned)
        answer = event.payload.children[child_id].model_copy(update={"state": _code(state)})
        CASEWORK.answer(file, Cause(event.id, MONDAY, MONDAY), event.payload.shared, answer)
    done = story.completed(None)
    assert isinstance(done.payload, ChecksCompleted)
    checks = done.payload.children[child_id].model_copy(
        update={"states": {agency: _code(state) for agency, state in states.items()}}
    )
    CASEWORK.complete(file, Cause(done.id, MONDAY, MONDAY), checks)
    return file


def _code(state: str) -> AgencyState | str:
    return AgencyState(state) if state in set(AgencyState) else state


def risen(file: File) -> tuple[Level, Level]:
    return file.case.level, file.case.could_rise_to


referrers = st.lists(st.sampled_from(FACTS), max_size=3, unique_by=lambda one: one.fact)
answers = st.fixed_dictionaries({agency: st.sampled_from(EVERY_STATE) for agency in AGENCIES})
some = settings(max_examples=25, deadline=None)


@some
@given(referrers, answers, st.sampled_from(AGENCIES), st.sampled_from(EVERY_STATE))
def test_with_each_state_in_place_of_another_the_level_never_falls(
    referrer: list[Any], states: dict[str, str], agency: str, other: str
) -> None:
    story = Story()
    before = outcome(story, referrer, states, {})
    after = outcome(story, referrer, {**states, agency: other}, {})
    assert before.case.level == after.case.level, "no state states anything"


@some
@given(referrers, answers, st.sampled_from(AGENCIES), st.sampled_from(SILENCES))
def test_a_silence_in_place_of_nothing_held_lowers_nothing_that_could_be(
    referrer: list[Any], states: dict[str, str], agency: str, silence: str
) -> None:
    story = Story()
    spoken = outcome(story, referrer, {**states, agency: "nothing_held"}, {})
    silent = outcome(story, referrer, {**states, agency: silence}, {})
    assert risen(silent) >= risen(spoken)
    assert silent.case.could_rise_to >= spoken.case.could_rise_to
    assert silent.case.rag >= spoken.case.rag
    # Where everybody else has spoken, every silence leaves the same gap.
    others = dict.fromkeys(AGENCIES, "nothing_held")
    alone = outcome(story, referrer, {**others, agency: silence}, {})
    assert risen(alone) == risen(outcome(story, referrer, {**others, agency: "not_requested"}, {}))


@some
@given(referrers, answers, st.sampled_from(AGENCIES), st.sampled_from(sorted(PARTIAL)))
def test_an_answer_in_part_is_a_gap_as_every_silence_is(
    referrer: list[Any], states: dict[str, str], agency: str, reason: str
) -> None:
    story = Story()
    partly = outcome(story, referrer, {**states, agency: "returned"}, {agency: reason})
    silent = outcome(story, referrer, {**states, agency: "not_requested"}, {})
    assert risen(partly) == risen(silent)
