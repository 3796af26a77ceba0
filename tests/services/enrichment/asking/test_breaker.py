"""An agency that answers nobody is left alone, tried with one question at a time, and taken up when it answers."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.findings import AgencyState
from services.enrichment.asking.agency import Reply
from services.enrichment.asking.breaker import Breaker, BreakerTerms, is_failure

TERMS = BreakerTerms()
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)
STEPS = st.lists(st.tuples(st.sampled_from(["answer", "fail", "wait"]), st.integers(1, 200)), max_size=80)


def opened(breaker: Breaker, at: datetime = NOW) -> Breaker:
    for _ in range(TERMS.in_a_row):
        breaker.failed(at, at)
    assert breaker.is_open
    return breaker


def test_it_opens_after_so_many_failures_in_a_row_and_says_since_when() -> None:
    breaker = Breaker(TERMS)
    told = [breaker.failed(NOW + number * SECOND, NOW) for number in range(TERMS.in_a_row)]
    assert told == [False] * (TERMS.in_a_row - 1) + [True]
    assert breaker.since == NOW
    assert not breaker.may_try(NOW + TERMS.in_a_row * SECOND)


def test_an_answer_between_failures_keeps_it_closed() -> None:
    breaker = Breaker(TERMS)
    for _ in range(3):
        for _ in range(TERMS.in_a_row - 1):
            assert not breaker.failed(NOW, NOW)
        assert not breaker.answered()
    assert not breaker.is_open
    assert breaker.since is None


def test_it_opens_where_most_fail_though_never_so_many_in_a_row() -> None:
    breaker = Breaker(BreakerTerms(in_a_row=100))
    told = [
        breaker.failed(NOW, NOW) if number % 3 else breaker.answered() for number in range(TERMS.of_last * 2)
    ]
    assert told.count(True) >= 1


def test_one_question_tries_it_and_nobody_else_until_it_is_back() -> None:
    breaker = opened(Breaker(TERMS))
    due = NOW + TERMS.wait
    assert breaker.may_try(due)
    breaker.tried(due, due + 30 * SECOND)
    assert not breaker.may_try(due + SECOND)
    assert breaker.answered()
    assert breaker.may_try(due + SECOND)


def test_each_failed_try_waits_twice_as_long_up_to_the_longest_wait() -> None:
    breaker, now, waits = opened(Breaker(TERMS)), NOW, []
    for _ in range(8):
        assert breaker.try_at is not None
        now = breaker.try_at
        breaker.tried(now, now + SECOND)
        breaker.failed(now, now)
        waits.append(breaker.try_at - now)
    assert waits == sorted(waits)
    assert waits[0] == 2 * TERMS.wait
    assert waits[-1] == TERMS.longest_wait


def test_the_failure_of_a_question_that_was_out_before_the_try_says_nothing_of_the_try() -> None:
    breaker = opened(Breaker(TERMS))
    due = NOW + TERMS.wait
    breaker.tried(due, due + 30 * SECOND)
    assert not breaker.failed(due + SECOND, sent=NOW)
    assert (breaker.tries, breaker.try_at) == (0, due + 30 * SECOND)
    assert not breaker.failed(due + SECOND, sent=due)
    assert (breaker.tries, breaker.try_at) == (1, due + SECOND + 2 * TERMS.wait)


def test_a_turn_that_nobody_used_is_given_back() -> None:
    breaker = opened(Breaker(TERMS))
    due = NOW + TERMS.wait
    breaker.tried(due, due + 30 * SECOND)
    assert breaker.not_tried(due)
    assert breaker.may_try(due)
    assert not breaker.not_tried(due)
    assert not Breaker(TERMS).not_tried(NOW)


@given(STEPS)
def test_whatever_happens_a_question_may_be_sent_again_within_the_longest_wait(
    steps: Sequence[tuple[str, int]],
) -> None:
    breaker, now = Breaker(TERMS), NOW
    for what, seconds in steps:
        now += timedelta(seconds=seconds)
        if what == "wait":
            continue
        if breaker.is_open and breaker.may_try(now):
            breaker.tried(now, now + 30 * SECOND)
        if what == "answer":
            breaker.answered()
            assert not breaker.is_open
        else:
            breaker.failed(now, now)
            assert breaker.since is not None
        assert breaker.is_open is (breaker.try_at is not None)
    assert breaker.may_try(now + TERMS.longest_wait + 30 * SECOND)


def test_what_speaks_of_the_question_says_nothing_of_the_agency() -> None:
    answers = ["about_someone_else", "not_certain", "http_429", "http_404", "contract", "not_json", None]
    assert not any(is_failure(Reply(AgencyState.UNAVAILABLE, reason)) for reason in answers)
    silences = ["timeout", "cannot_connect", "broken_off", "http_500", "http_503", "not_authorised"]
    assert all(is_failure(Reply(AgencyState.UNAVAILABLE, reason)) for reason in silences)
