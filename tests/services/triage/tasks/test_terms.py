"""Every task has a clock from the partnership's files, and what cannot wait for the hub goes to the duty team."""

import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.schemas.document import DocumentError
from libs.schemas.levels import Rag
from services.triage.tasks.due import Before
from services.triage.tasks.loading import FLOW, load_task_terms
from services.triage.tasks.overdue import METRIC
from services.triage.tasks.terms import DUTY_TEAM, TaskTerms, closing, needs_duty_team
from services.triage.thresholds import Thresholds
from tests.services.triage.conftest import MONDAY
from tests.services.triage.shipped import PARTNERSHIP

ALERTS = Path("deploy/prometheus/alerts.yml")
LONDON = ZoneInfo("Europe/London")
HOLIDAYS = [
    (date(2026, 12, 21), date(2027, 1, 4)),
    (date(2027, 3, 29), date(2027, 4, 9)),
    (date(2027, 7, 22), date(2027, 9, 1)),
]
YEARS = st.datetimes(datetime(2026, 11, 1), datetime(2027, 10, 15)).map(lambda at: at.replace(tzinfo=UTC))


def due(shipped: Thresholds, kind: str, start: datetime) -> datetime | None:
    found = shipped.task_due(kind, MONDAY, start)
    return None if found is None else found.at


def test_every_action_and_every_task_of_the_flow_has_a_clock(shipped: Thresholds) -> None:
    kinds = [*shipped.rulebooks.directory.policy.actions, *FLOW, *shipped.tasks.by_hand]
    for kind in kinds:
        at = due(shipped, kind, MONDAY)
        assert at is not None, kind
        assert at > MONDAY, kind


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        ("police_now", timedelta(minutes=15)),
        ("strategy_discussion", timedelta(hours=4)),
        ("same_day_paediatric_opinion", timedelta(hours=8)),
        ("identify_child", timedelta(hours=4)),
        ("return_interview_72_hours", timedelta(hours=72)),
    ],
)
def test_what_is_urgent_runs_through_the_night(shipped: Thresholds, kind: str, after: timedelta) -> None:
    friday_evening = datetime(2026, 11, 27, 20, 0, tzinfo=UTC)
    assert due(shipped, kind, friday_evening) == friday_evening + after


def test_what_can_wait_counts_the_hubs_hours(shipped: Thresholds) -> None:
    friday_evening = datetime(2026, 11, 27, 20, 0, tzinfo=UTC)
    assert due(shipped, "lado", friday_evening) == datetime(2026, 11, 30, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raised", "begins"),
    [
        ("2026-11-23T22:00", "2026-11-24T08:40"),
        ("2026-11-24T08:39", "2026-11-24T08:40"),
        ("2026-11-24T08:40", "2026-11-25T08:40"),
        ("2026-11-27T23:00", "2026-11-30T08:40"),
        ("2026-12-20T12:00", "2027-01-05T08:40"),
        ("2027-05-02T12:00", "2027-05-04T08:40"),
    ],
    ids=["an evening", "a minute before", "too late for today", "a Friday night", "Christmas", "May Day"],
)
def test_the_school_is_told_before_the_next_school_day_begins(
    shipped: Thresholds, raised: str, begins: str
) -> None:
    at = due(shipped, "tell_school", datetime.fromisoformat(raised).replace(tzinfo=LONDON).astimezone(UTC))
    assert at is not None
    assert at.astimezone(LONDON) == datetime.fromisoformat(begins).replace(tzinfo=LONDON)


@given(YEARS)
@settings(max_examples=200, deadline=None)
def test_between_the_task_and_its_time_no_school_day_begins(shipped: Thresholds, raised: datetime) -> None:
    at = shipped.days.due(Before.SCHOOL, raised).at
    day, skipped = raised.astimezone(LONDON).date(), []
    while (begins := datetime.combine(day, time(8, 40), LONDON)) < at:
        skipped += [day] if begins > raised else []
        day += timedelta(days=1)
    assert at.astimezone(LONDON).time() == time(8, 40)
    assert day == at.astimezone(LONDON).date()
    assert day.weekday() < 5
    for one in skipped:
        at_home = any(first <= one <= last for first, last in HOLIDAYS)
        known = one.weekday() > 4 or at_home or shipped.tasks.school.why_closed(one) is not None
        assert known, one


@given(YEARS.map(lambda at: at.replace(minute=at.minute // 5 * 5, second=0, microsecond=0)))
@settings(max_examples=200, deadline=None)
def test_what_is_red_never_waits_for_a_closed_hub(shipped: Thresholds, now: datetime) -> None:
    hub = shipped.clocks
    target = hub.target(Rag.RED, now)
    handed_over = needs_duty_team(hub, now, target)
    still_open = all(hub.calendar.is_open(now + timedelta(minutes=minute)) for minute in range(0, 240, 5))
    assert handed_over is not still_open
    at = due(shipped, DUTY_TEAM, now)
    assert at is not None
    if hub.calendar.is_open(now):
        assert at == closing(hub, now)
    else:
        assert at == now + timedelta(minutes=30)


def test_a_friday_afternoon_closes_an_hour_earlier(shipped: Thresholds) -> None:
    hub = shipped.clocks
    thursday, friday = datetime(2026, 11, 26, 13, 0, tzinfo=UTC), datetime(2026, 11, 27, 13, 0, tzinfo=UTC)
    assert not needs_duty_team(hub, thursday, thursday + timedelta(hours=4))
    assert needs_duty_team(hub, friday, friday + timedelta(hours=4))


def load(tmp_path: Path, old: str, new: str) -> TaskTerms:
    text = (PARTNERSHIP / "tasks.yaml").read_text()
    assert old in text
    (tmp_path / "tasks.yaml").write_text(text.replace(old, new, 1))
    return load_task_terms(tmp_path / "tasks.yaml", LONDON)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  possible_match:", "  possible_mtach:", "did you mean `possible_match`?"),
        (
            "within: {minutes: 240, unit: elapsed}",
            "within: {minutes: 240, unit: elapst}",
            "did you mean `elapsed`?",
        ),
        ("within: {minutes: 240, unit: elapsed}", "within: {minutes: 0, unit: elapsed}", "at least 1"),
        ('begins: "08:40"', 'begins: "16:40"', "must open before it closes"),
        ('begins: "08:40"', 'begins: "early"', "expected a time as HH:MM"),
        ("from: 2026-10-26", "from: 2026-10-36", "expected a date as YYYY-MM-DD"),
        ("to: 2026-10-30", "to: 2026-10-20", "a holiday ends after it begins"),
        ("  other:", "  something:", "`other` is missing"),
        ("  visit:", "  tell_caisu:", "is raised by the flow"),
        ("flow:\n", "flwo:\n", "did you mean `flow`?"),
    ],
)
def test_a_mistake_in_the_file_is_refused_with_its_place(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(DocumentError) as refused:
        load(tmp_path, old, new)
    assert any(said in fault and fault.startswith("tasks.yaml:") for fault in refused.value.faults)


def test_the_alerts_watch_the_counter_and_kinds_that_there_are(shipped: Thresholds) -> None:
    alerts = ALERTS.read_text(encoding="utf-8")
    assert {METRIC.replace(".", "_") + "_total"} == set(re.findall(r"mash_tasks[a-z_]+", alerts))
    [urgent] = re.findall(r'kind=~"([^"]+)"', alerts)
    kinds = [*shipped.rulebooks.directory.policy.actions, *FLOW]
    for pattern in urgent.split("|"):
        assert any(re.fullmatch(pattern, kind) for kind in kinds), pattern
