"""The hub's clocks against a slow, obvious reference that looks at every minute."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.schemas.levels import Rag
from services.triage.clocks.calendar import Interval, Unit
from services.triage.clocks.loading import load_hub
from services.triage.clocks.rules import UP_TO_THE_DECISION, Length, WorkingDays
from tests.services.triage.clocks.minutes import (
    BEGIN,
    MINUTE,
    after_counted,
    after_open_minutes,
    at,
    close_after,
    edges,
    is_open,
)

HUB = load_hub(Path(__file__).parents[4] / "deploy" / "partnership" / "clocks.yaml")
MINUTES = st.integers(31 * 24 * 60, 3 * 365 * 24 * 60)


def looked_at() -> Iterable[int]:
    """Every minute around an edge of three years; every single minute where MASH_CLOCKS says `every_minute`."""
    if os.environ.get("MASH_CLOCKS") == "every_minute":
        return range(31 * 24 * 60, 3 * 365 * 24 * 60)
    return edges()


def test_the_decision_is_due_by_close_on_the_next_working_day_at_every_edge_of_three_years() -> None:
    for minute in looked_at():
        assert HUB.decision_due(at(minute)) == close_after(at(minute), 1), at(minute)


def test_working_minutes_run_only_while_the_hub_is_open_at_every_edge_of_three_years() -> None:
    for minute in looked_at():
        due = HUB.working_time_after(at(minute), timedelta(minutes=120))
        assert due == at(after_open_minutes(minute, 120)), at(minute)


@settings(max_examples=300, deadline=None)
@given(MINUTES, st.integers(1, 20))
def test_the_decision_at_any_minute_and_second(minute: int, second: int) -> None:
    received = at(minute) + timedelta(seconds=second)
    assert HUB.decision_due(received) == close_after(received, 1)


@settings(max_examples=300, deadline=None)
@given(MINUTES, st.integers(1, 6000))
def test_working_minutes_from_any_minute(minute: int, length: int) -> None:
    due = HUB.working_time_after(at(minute), timedelta(minutes=length))
    assert due == at(after_open_minutes(minute, length))


@settings(max_examples=60, deadline=None)
@given(MINUTES, st.sampled_from(["decision", "conference", "assessment"]))
def test_working_days_are_counted_from_the_day_after_the_start(minute: int, clock: str) -> None:
    rule = HUB.clocks[clock].rule
    assert isinstance(rule, WorkingDays)
    assert HUB.due(clock, at(minute)) == close_after(at(minute), rule.count)


@settings(max_examples=60, deadline=None)
@given(MINUTES, st.sampled_from(["child_seen", "return_interview"]))
def test_elapsed_hours_run_by_the_clock(minute: int, clock: str) -> None:
    rule = HUB.clocks[clock].rule
    assert isinstance(rule, Length)
    assert HUB.due(clock, at(minute)) == at(minute + rule.minutes)


@settings(max_examples=100, deadline=None)
@given(MINUTES)
def test_red_never_waits_for_office_hours_and_never_pauses(minute: int) -> None:
    start = at(minute)
    assert HUB.target(Rag.RED, start) == start + timedelta(hours=4)
    assert HUB.target_with(Rag.RED, start, [Interval(start)]) == start + timedelta(hours=4)


PAUSES = st.lists(st.tuples(st.integers(-500, 3000), st.integers(1, 900)), max_size=4)


@settings(max_examples=150, deadline=None)
@given(MINUTES, PAUSES, st.sampled_from(Unit), st.integers(1, 900))
def test_time_stands_still_in_a_pause_and_goes_on_after(
    minute: int, pauses: list[tuple[int, int]], unit: Unit, length: int
) -> None:
    spans = [(minute + begin, minute + begin + lasts) for begin, lasts in pauses]

    def counts(now: int) -> bool:
        paused = any(begin <= now < end for begin, end in spans)
        return not paused and (unit is Unit.ELAPSED or is_open(at(now)))

    intervals = [Interval(at(begin), at(end)) for begin, end in spans]
    due = HUB.calendar.time_after(at(minute), timedelta(minutes=length), unit, intervals)
    assert due == at(after_counted(minute, length, counts))


@settings(max_examples=60, deadline=None)
@given(MINUTES, st.integers(0, 100), st.sampled_from(Unit), PAUSES)
def test_a_pause_that_has_not_ended_leaves_no_due_time(
    minute: int, wait: int, unit: Unit, pauses: list[tuple[int, int]]
) -> None:
    others = [Interval(at(minute + begin), at(minute + begin + lasts)) for begin, lasts in pauses]
    open_end = Interval(at(minute + wait))
    length = timedelta(minutes=wait + 1)
    assert HUB.calendar.time_after(at(minute), length, unit, [*others, open_end]) is None


@settings(max_examples=200, deadline=None)
@given(MINUTES, PAUSES, st.sampled_from(Rag))
def test_no_pause_carries_a_target_up_to_the_decision_past_it(
    minute: int, pauses: list[tuple[int, int]], rag: Rag
) -> None:
    start = at(minute)
    intervals = [Interval(at(minute + begin), at(minute + begin + lasts)) for begin, lasts in pauses]
    for stood in (intervals, [*intervals, Interval(start)]):
        due = HUB.target_with(rag, start, stood)
        if HUB.targets[rag].measures in UP_TO_THE_DECISION:
            assert due is not None
            assert due <= HUB.decision_due(start)


@settings(max_examples=200, deadline=None)
@given(MINUTES)
def test_a_warning_comes_before_the_breach_and_not_before_the_start(minute: int) -> None:
    for clock in HUB.clocks.values():
        due = clock.due(HUB.calendar, at(minute))
        assert at(minute) <= clock.warn_at(due, at(minute)) <= due


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-11-20T16:31+00:00", "2026-11-23T17:30+00:00"),
        ("2026-12-24T09:00+00:00", "2026-12-29T17:30+00:00"),
        ("2026-04-02T23:59+01:00", "2026-04-07T17:30+01:00"),
        ("2026-03-28T12:00+00:00", "2026-03-30T17:30+01:00"),
        ("2026-10-24T12:00+01:00", "2026-10-26T17:30+00:00"),
        ("2026-03-28T23:59:59.999999+00:00", "2026-03-30T17:30+01:00"),
        ("2026-10-25T00:30+01:00", "2026-10-26T17:30+00:00"),
        ("2026-11-23T00:00+00:00", "2026-11-24T17:30+00:00"),
    ],
    ids=[
        "Friday after close",
        "Christmas Eve",
        "the night before Good Friday",
        "clocks go on",
        "clocks go back",
        "a moment before midnight",
        "the hour that comes twice",
        "midnight belongs to the new day",
    ],
)
def test_known_days(received: str, due: str) -> None:
    assert HUB.decision_due(datetime.fromisoformat(received)) == datetime.fromisoformat(due)


def test_the_reference_reaches_past_what_is_asked_of_it() -> None:
    assert at(0) == BEGIN == datetime(2025, 12, 1, tzinfo=UTC)
    assert timedelta(minutes=1) == MINUTE
