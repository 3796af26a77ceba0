"""What moves a case's clocks, and what never does: on any minute, in any order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.schemas.levels import Rag
from services.triage.case import Case
from services.triage.clocks.calendar import Calendar
from services.triage.clocks.dues import join, part, rate, reckon, restart, target_due, to_read
from services.triage.clocks.hub import Hub
from services.triage.clocks.loading import STATUTORY, load_hub
from services.triage.clocks.pauses import intervals, paused, resumed, stands_since

HUB = load_hub(Path(__file__).parents[4] / "deploy" / "partnership" / "clocks.yaml")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

instants = st.integers(0, 3 * 365 * 24 * 60).map(lambda minute: BEGIN + timedelta(minutes=minute))
ratings = st.sampled_from(Rag)
minutes = st.integers(0, 3 * 24 * 60)
acts = st.lists(
    st.tuples(st.sampled_from(("pause", "resume", "re-rate")), minutes, ratings), min_size=1, max_size=12
)


def received(at: datetime, rag: Rag = Rag.AMBER) -> Case:
    case = Case(
        id=UUID(int=1),
        referral_id=UUID(int=2),
        reference=None,
        child_number=1,
        received_at=at,
        due_at=HUB.decision_due(at),
        team="duty",
        rag=rag,
        rules=HUB.fingerprint,
    )
    rate(HUB, case, at)
    return case


def play(case: Case, steps: Sequence[tuple[str, int, Rag]]) -> datetime:
    """Pauses, resumptions and ratings, each so many minutes after the one before."""
    now = case.received_at
    for act, later, rag in steps:
        now += timedelta(minutes=later)
        if act == "pause" and stands_since(case.pauses) is None and HUB.targets[case.rag].pauses:
            case.pauses = paused(case.pauses, now)
            case.rag_due_at = target_due(HUB, case)
        elif act == "resume":
            case.pauses = resumed(case.pauses, now)
            case.rag_due_at = target_due(HUB, case)
        elif act == "re-rate":
            case.rag = rag
            rate(HUB, case, now)
    return now


@settings(max_examples=100, deadline=None)
@given(instants, acts)
def test_pause_and_resume_in_any_order_never_move_the_decisions_ceiling(
    at: datetime, steps: list[tuple[str, int, Rag]]
) -> None:
    case = received(at)
    ceiling = case.due_at
    play(case, steps)
    assert case.due_at == ceiling
    reckon(HUB, case)
    assert case.due_at == ceiling
    if case.rag is Rag.AMBER:
        assert case.rag_due_at is not None
        assert case.rag_due_at <= ceiling


@settings(max_examples=100, deadline=None)
@given(instants, acts)
def test_red_never_stands_still_whatever_went_before(at: datetime, steps: list[tuple[str, int, Rag]]) -> None:
    case = received(at)
    now = play(case, steps)
    case.rag = Rag.RED
    rate(HUB, case, now)
    assert stands_since(case.pauses) is None
    assert case.rag_due_at == at + timedelta(hours=4)


@settings(max_examples=100, deadline=None)
@given(instants, st.integers(1, 5000), st.integers(1, 5000))
def test_the_time_that_it_stood_and_nothing_else_moves_the_target(
    at: datetime, wait: int, stood: int
) -> None:
    case = received(at, Rag.GREEN)
    plain = case.rag_due_at
    assert plain is not None
    since = min(at + timedelta(minutes=wait), plain - timedelta(minutes=1))
    until = since + timedelta(minutes=stood)
    case.pauses = paused(case.pauses, since)
    assert target_due(HUB, case) is None
    case.pauses = resumed(case.pauses, until)
    moved = target_due(HUB, case)
    assert moved is not None
    assert moved == HUB.working_time_after(until, _left(plain, since))


def _left(due: datetime, since: datetime) -> timedelta:
    """How much working time lies between two instants, looked at minute by minute of opening hours."""
    total, calendar = timedelta(), HUB.calendar
    for day in calendar.working_days(calendar.day(since)):
        opening = calendar.opening(day)
        total += max(min(opening.closes, due) - max(opening.opens, since), timedelta())
        if opening.closes >= due:
            return total
    raise AssertionError


@settings(max_examples=100, deadline=None)
@given(instants, acts)
def test_pauses_are_kept_in_order_and_read_back_as_they_were(
    at: datetime, steps: list[tuple[str, int, Rag]]
) -> None:
    case = received(at)
    play(case, steps)
    times = intervals(case.pauses)
    for one, after in pairwise(times):
        assert one.end is not None
        assert one.begin <= one.end <= after.begin
    if stands_since(case.pauses) is not None:
        with pytest.raises(ValueError, match="stands already"):
            paused(case.pauses, at)


closed_days = st.frozensets(
    st.integers(0, 3 * 365).map(lambda day: date(2026, 1, 1) + timedelta(days=day)), max_size=8
)
closes = st.integers(12, 20).map(lambda hour: time(hour))


@settings(max_examples=100, deadline=None)
@given(instants, closed_days, closes, st.booleans())
def test_what_is_worked_out_anew_is_never_later_than_the_law(
    at: datetime, closed: frozenset[date], close: time, unread: bool
) -> None:
    calendar = replace(HUB.calendar, closed=closed, hours={day: (time(8), close) for day in range(5)})
    hub = replace(HUB, calendar=calendar, fingerprint="another")
    case = received(at)
    if unread:
        to_read(HUB, case, at)
    reckon(hub, case)
    assert case.rules == "another"
    assert case.due_at == _law(calendar, at)
    assert not unread or case.read_due_at == hub.read_due(at)
    for name, (most, _, _) in STATUTORY.items():
        assert hub.due(name, at) <= most.due(calendar, at)
    # And back: nothing of it is left.
    reckon(HUB, case)
    assert case.due_at == HUB.decision_due(at)


def _law(calendar: Calendar, at: datetime) -> datetime:
    day = calendar.day(at) + timedelta(days=1)
    while day.weekday() > 4 or calendar.why_closed(day) is not None:
        day += timedelta(days=1)
    return calendar.opening(day).closes


@settings(max_examples=100, deadline=None)
@given(instants, minutes, st.booleans())
def test_a_second_report_keeps_the_firsts_clock_and_buys_no_time(
    first: datetime, later: int, after: bool
) -> None:
    case = received(first + timedelta(minutes=later))
    own, target = case.due_at, case.rag_due_at
    since = first if after else case.received_at + timedelta(minutes=1)
    moved = join(HUB, case, since)
    assert moved is (since < case.received_at)
    assert case.due_at <= own
    assert case.due_at == HUB.decision_due(min(since, case.received_at))
    assert case.rag_due_at is not None
    assert target is not None
    assert case.rag_due_at <= target
    part(HUB, case)
    assert (case.due_at, case.rag_due_at, case.clock_from) == (own, target, None)


def test_a_decided_case_keeps_no_earlier_clock() -> None:
    case = received(BEGIN + timedelta(days=5))
    case.decision = 1
    assert not join(HUB, case, BEGIN)


@settings(max_examples=100, deadline=None)
@given(instants, minutes, minutes)
def test_news_of_a_decided_case_starts_a_clock_of_its_own_when_the_hub_received_it(
    at: datetime, later: int, taken_in: int
) -> None:
    case = received(at)
    case.pauses = paused(case.pauses, at)
    news = at + timedelta(minutes=later)
    restart(HUB, case, news, news + timedelta(minutes=taken_in))
    assert (case.counts_from, case.due_at) == (news, HUB.decision_due(news))
    assert case.rag_due_at == HUB.target_with(case.rag, news, intervals(case.pauses))
    assert stands_since(case.pauses) is None
    hub = Hub(HUB.calendar, HUB.clocks, HUB.targets, "another")
    reckon(hub, case)
    assert case.due_at == HUB.decision_due(news)
