"""An agency that was asked more than once has spoken only where every question is answered in full."""

from datetime import UTC, datetime, timedelta

import pytest

from libs.schemas.findings import ASKED_WITH_SIBLING, EXISTENCE_ONLY, HELD_BACK, PARTIAL, AgencyState, Answer
from services.triage.standing import TAKEN_BACK, AgencyStanding, TakenBack, standing_of

BOTH = ("warnings", "involvements")


def answer(
    state: str, question: str = "1", reason: str | None = None, items: tuple[str, ...] = BOTH, **held: str
) -> Answer:
    return Answer(
        agency="police",
        question_id=question,
        state=AgencyState(state),
        reason=reason,
        items=items,
        held_back=held,
    )


def read(standing: AgencyStanding) -> tuple[str, str | None]:
    return standing.state, standing.reason


def test_a_silence_after_an_answer_to_the_same_question_undoes_nothing() -> None:
    found = standing_of([[answer("returned"), answer("no_answer")]])
    assert read(found) == ("returned", None)


def test_an_answer_to_one_question_closes_no_gap_that_another_left() -> None:
    other = answer("returned", "2", items=("associates",))
    assert read(standing_of([[answer("no_answer")], [other]])) == ("no_answer", None)
    assert read(standing_of([[other], [answer("unavailable", reason="timeout")]])) == (
        "unavailable",
        "timeout",
    )


def test_what_was_held_back_and_then_asked_is_no_gap_any_more() -> None:
    held = answer("returned", reason=HELD_BACK, items=("warnings",), involvements="level")
    assert read(standing_of([[held]])) == ("returned", HELD_BACK)
    asked = answer("nothing_held", "2", items=("involvements",))
    assert read(standing_of([[held], [asked]])) == ("returned", None)
    assert read(standing_of([[held], [answer("pending", "2", items=("involvements",))]]))[0] == "pending"


def test_what_was_never_asked_is_answered_by_a_question_that_was_asked_after_all() -> None:
    never = answer("not_requested", reason="level", items=(), warnings="level")
    assert read(standing_of([[never], [answer("returned", "2", items=("warnings",))]])) == ("returned", None)
    assert (
        read(standing_of([[never], [answer("returned", "2", items=("associates",))]]))[0] == "not_requested"
    )


@pytest.mark.parametrize("reason", sorted(PARTIAL - {HELD_BACK}))
def test_an_answer_in_part_is_a_gap_until_the_same_is_answered_in_full(reason: str) -> None:
    partly = answer("returned", reason=reason)
    assert read(standing_of([[partly]])) == ("returned", reason)
    assert read(standing_of([[partly], [answer("returned", "2")]])) == ("returned", None)


def test_an_answer_to_a_part_of_what_was_asked_closes_no_gap() -> None:
    some = answer("returned", "2", items=BOTH[:1])
    assert read(standing_of([[answer("no_answer")], [some]])) == ("no_answer", None)
    assert not standing_of([[answer("returned", reason=EXISTENCE_ONLY)], [some]]).spoken
    rest = answer("nothing_held", "3", items=BOTH[1:])
    assert standing_of([[answer("no_answer")], [some], [rest]]).spoken


@pytest.mark.parametrize("state", ["pending", "no_answer", "unavailable", "declined", "outside_coverage"])
def test_a_silence_about_nobody_knows_what_is_closed_by_no_other_question(state: str) -> None:
    assert read(standing_of([[answer(state, items=())], [answer("returned", "2")]])) == (state, None)


def test_of_several_gaps_the_one_whose_answer_may_still_come_is_shown() -> None:
    gaps = [answer("declined", "1"), answer("no_answer", "2"), answer("not_requested", "3")]
    assert standing_of([[one] for one in gaps]).state == "no_answer"
    assert standing_of([[one] for one in (*gaps, answer("pending", "4"))]).state == "pending"
    later = Answer(agency="police", question_id="5", state="a_code_of_a_later_version")
    assert standing_of([[one] for one in (*gaps, later)]).state == "a_code_of_a_later_version"


def test_existence_alone_is_a_gap_beside_what_was_asked_with_a_sibling() -> None:
    found = [answer("returned", reason=EXISTENCE_ONLY), answer("returned", "2", reason=ASKED_WITH_SIBLING)]
    assert not standing_of([[one] for one in found]).spoken


def test_what_was_taken_back_is_open_until_it_is_all_said_anew_in_full() -> None:
    at = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    gone = TakenBack("police", TAKEN_BACK, at, frozenset(BOTH))

    def since(minutes: int, state: str = "returned", **fields: object) -> Answer:
        times = {"answered_at": at + timedelta(minutes=minutes), **fields}
        return answer(state).model_copy(update=times)

    assert not gone.open_beside([[since(1)]])
    assert not gone.open_beside([[since(1, items=BOTH[:1])], [since(2, items=BOTH[1:])]])
    for short in (
        since(-1),
        since(1, items=BOTH[:1]),
        since(1, state="declined"),
        since(1, reason=EXISTENCE_ONLY),
        since(1, reused_from=at - timedelta(minutes=1)),
    ):
        assert gone.open_beside([[short]])
    # What it had been asked for is not known: nothing that it says covers it.
    assert TakenBack("police", TAKEN_BACK, at, frozenset()).open_beside([[since(1)]])
