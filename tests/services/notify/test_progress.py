"""What each answer of GOV.UK Notify means for a notice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from libs.schemas.notice import NoticeState
from services.notify.progress import (
    Accepted,
    Answer,
    Found,
    Limit,
    Limited,
    Message,
    NotSent,
    Refused,
    Standing,
    Unsure,
    after,
    ending,
)
from tests.services.notify.conftest import PATIENCE, START

ONE, TWO = UUID(int=1), UUID(int=2)
STATUSES = ("created", "sending", "pending", "delivered", "permanent-failure", "temporary-failure", "virus")


def asked(
    state: NoticeState = NoticeState.UNSURE, *, sends: int = 1, asks: int = 1, ago: timedelta = timedelta()
) -> Standing:
    return Standing(state, START - ago, sends, asks, START - ago)


answers = st.one_of(
    st.just(Accepted(ONE)),
    st.sampled_from([Limited(limit) for limit in Limit]),
    st.just(Refused("notify_400")),
    st.just(NotSent("unreachable")),
    st.just(Unsure("answer_lost")),
    st.lists(st.sampled_from(STATUSES), max_size=3).map(
        lambda statuses: Found(tuple(Message(UUID(int=n), status) for n, status in enumerate(statuses)))
    ),
)
standings = st.builds(
    asked,
    st.sampled_from(NoticeState),
    sends=st.integers(1, 4),
    asks=st.integers(1, 40),
    ago=st.timedeltas(timedelta(), timedelta(hours=80)),
)


@given(standing=standings, answer=answers)
def test_a_notice_either_has_ended_or_has_a_next_step(standing: Standing, answer: Answer) -> None:
    change = after(standing, answer, PATIENCE, START)
    assert (change.due_at is None) == change.ended
    if change.due_at is not None:
        assert START <= change.due_at <= START + timedelta(days=1, minutes=1)


@example(asked(ago=timedelta(seconds=30)), Found(()))
@example(asked(ago=timedelta(seconds=29)), Found(()))
@given(standing=standings, answer=answers)
def test_what_may_have_been_sent_is_only_sent_again_after_a_look_up_in_time(
    standing: Standing, answer: Answer
) -> None:
    # Nothing is looked up that waits to be sent.
    assume(not (isinstance(answer, Found) and standing.state is NoticeState.TO_SEND))
    change = after(standing, answer, PATIENCE, START)
    if change.state is NoticeState.TO_SEND and change.reached:
        assert answer == Found(())
        assert standing.state is NoticeState.UNSURE
        assert standing.last_send_at is not None
        assert standing.last_send_at + PATIENCE.look_up_after <= START


@given(standing=standings, answer=answers)
def test_an_end_stands(standing: Standing, answer: Answer) -> None:
    if standing.state in (NoticeState.DELIVERED, NoticeState.FAILED):
        assert after(standing, answer, PATIENCE, START).state is standing.state


def test_a_lost_answer_is_looked_up_when_notify_must_show_it() -> None:
    change = after(asked(), Unsure("answer_lost"), PATIENCE, START)
    assert (change.state, change.due_at) == (NoticeState.UNSURE, START + PATIENCE.look_up_after)
    early = after(asked(ago=timedelta(seconds=29)), Found(()), PATIENCE, START)
    assert (early.state, early.due_at) == (NoticeState.UNSURE, START + timedelta(seconds=1))
    in_time = after(asked(ago=timedelta(seconds=30)), Found(()), PATIENCE, START)
    assert in_time.state is NoticeState.TO_SEND


def test_what_notify_accepted_is_not_sent_again_though_a_look_up_does_not_show_it() -> None:
    taken = asked(NoticeState.SENT, ago=timedelta(hours=1))
    change = after(taken, Found(()), PATIENCE, START)
    assert (change.state, change.reason) == (NoticeState.SENT, "not_shown")
    late = after(asked(NoticeState.SENT, ago=timedelta(hours=77)), Found(()), PATIENCE, START)
    assert (late.state, late.reason) == (NoticeState.FAILED, "no_receipt")


def test_a_request_that_never_left_is_sent_again_without_a_look_up() -> None:
    change = after(asked(), NotSent("unreachable"), PATIENCE, START)
    assert (change.state, change.reached) == (NoticeState.TO_SEND, False)
    assert change.due_at == START + timedelta(seconds=2)
    after_a_lost_one = after(asked(sends=2), NotSent("unreachable"), PATIENCE, START)
    assert (after_a_lost_one.state, after_a_lost_one.reached) == (NoticeState.UNSURE, False)


def test_too_fast_waits_seconds_and_too_many_today_waits_for_midnight() -> None:
    fast = after(asked(), Limited(Limit.RATE), PATIENCE, START)
    assert (fast.state, fast.due_at) == (NoticeState.TO_SEND, START + timedelta(seconds=5))
    day = after(asked(), Limited(Limit.DAY), PATIENCE, START)
    assert (day.state, day.due_at) == (NoticeState.TO_SEND, datetime(2026, 11, 24, 0, 1, tzinfo=UTC))
    # Everybody's sends wait, alerts too: however often this one was tried, the minute that Notify counts is enough.
    often = after(asked(asks=12), Limited(Limit.RATE), PATIENCE, START)
    assert often.due_at == START + timedelta(minutes=1)


def test_what_a_limit_would_hold_until_its_time_is_over_has_failed_at_once() -> None:
    alerts = replace(PATIENCE, give_up_after=timedelta(minutes=10))
    today = after(asked(), Limited(Limit.DAY), alerts, START)
    assert (today.state, today.reason) == (NoticeState.FAILED, "not_accepted")
    fast = after(asked(), Limited(Limit.RATE), alerts, START)
    assert fast.state is NoticeState.TO_SEND


def test_a_message_that_cannot_be_sent_has_failed_with_a_code() -> None:
    change = after(asked(), Refused("notify_400"), PATIENCE, START)
    assert (change.state, change.reason) == (NoticeState.FAILED, "notify_400")


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], None),
        (["created"], None),
        (["delivered"], (NoticeState.DELIVERED, None)),
        (["permanent-failure"], (NoticeState.FAILED, "permanent_failure")),
        (["permanent-failure", "sending"], None),
        (["permanent-failure", "delivered"], (NoticeState.DELIVERED, None)),
        (["something-new"], None),
    ],
)
def test_one_message_that_arrived_is_enough(
    statuses: list[str], expected: tuple[NoticeState, str | None] | None
) -> None:
    assert ending(statuses) == expected


def test_delivery_is_asked_for_ever_more_rarely_until_patience_ends() -> None:
    found = Found((Message(ONE, "sending"),))
    waits = []
    for asks in (1, 2, 10):
        due_at = after(asked(NoticeState.SENT, asks=asks), found, PATIENCE, START).due_at
        assert due_at is not None
        waits.append(due_at - START)
    assert waits == [timedelta(minutes=2), timedelta(minutes=4), timedelta(hours=1)]
    late = after(asked(NoticeState.SENT, ago=timedelta(hours=77)), found, PATIENCE, START)
    assert (late.state, late.reason) == (NoticeState.FAILED, "no_receipt")
    unsent = after(asked(ago=timedelta(hours=77)), Unsure("notify_500"), PATIENCE, START)
    assert (unsent.state, unsent.reason) == (NoticeState.FAILED, "not_accepted")
