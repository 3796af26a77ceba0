"""The hub's clocks against a slow, obvious reference."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.schemas.document import DocumentError
from libs.schemas.levels import Rag
from services.triage.clocks import UP_TO_THE_DECISION, Hub, load_hub

FILE = Path(__file__).parents[3] / "deploy" / "partnership" / "clocks.yaml"
HUB = load_hub(FILE)
LONDON = ZoneInfo("Europe/London")

BANK_HOLIDAYS = {
    date(2026, 1, 1),
    date(2026, 4, 3),
    date(2026, 4, 6),
    date(2026, 5, 4),
    date(2026, 5, 25),
    date(2026, 8, 31),
    date(2026, 12, 25),
    date(2026, 12, 28),
    date(2027, 1, 1),
    date(2027, 3, 26),
    date(2027, 3, 29),
    date(2027, 5, 3),
    date(2027, 5, 31),
    date(2027, 8, 30),
    date(2027, 12, 27),
    date(2027, 12, 28),
}


def is_open(instant: datetime) -> bool:
    local = instant.astimezone(LONDON)
    if local.weekday() > 4 or local.date() in BANK_HOLIDAYS:
        return False
    close = (16, 30) if local.weekday() == 4 else (17, 30)
    return (8, 0) <= (local.hour, local.minute) < close


def open_minutes_after(start: datetime, minutes: int) -> datetime:
    at, left = start, minutes
    while left:
        left -= is_open(at)
        at += timedelta(minutes=1)
    return at


def next_working_day_close(received: datetime) -> datetime:
    day = received.astimezone(LONDON).date() + timedelta(days=1)
    while day.weekday() > 4 or day in BANK_HOLIDAYS:
        day += timedelta(days=1)
    hour = 16 if day.weekday() == 4 else 17
    return datetime(day.year, day.month, day.day, hour, 30, tzinfo=LONDON).astimezone(UTC)


minutes = st.integers(0, 2 * 365 * 24 * 60 - 60 * 24 * 30).map(
    lambda minute: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
)


@settings(max_examples=400, deadline=None)
@given(minutes)
def test_the_decision_is_due_by_close_on_the_next_working_day(received: datetime) -> None:
    assert HUB.decision_due(received) == next_working_day_close(received)


@settings(max_examples=150, deadline=None)
@given(minutes, st.integers(1, 900))
def test_working_minutes_run_only_while_the_hub_is_open(start: datetime, length: int) -> None:
    assert HUB.working_time_after(start, timedelta(minutes=length)) == open_minutes_after(start, length)


@settings(max_examples=100, deadline=None)
@given(minutes)
def test_red_never_waits_for_office_hours(start: datetime) -> None:
    assert HUB.target(Rag.RED, start) == start + timedelta(hours=4)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-11-20T16:31+00:00", "2026-11-23T17:30+00:00"),
        ("2026-12-24T09:00+00:00", "2026-12-29T17:30+00:00"),
        ("2026-04-02T23:59+01:00", "2026-04-07T17:30+01:00"),
        ("2026-03-28T12:00+00:00", "2026-03-30T17:30+01:00"),
        ("2026-10-24T12:00+01:00", "2026-10-26T17:30+00:00"),
    ],
    ids=[
        "Friday after close",
        "Christmas Eve",
        "the night before Good Friday",
        "clocks go on",
        "clocks go back",
    ],
)
def test_known_days(received: str, due: str) -> None:
    assert HUB.decision_due(datetime.fromisoformat(received)) == datetime.fromisoformat(due)


def change(tmp_path: Path, old: str, new: str) -> Path:
    path = tmp_path / "clocks.yaml"
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_a_red_target_in_working_time_is_refused(tmp_path: Path) -> None:
    path = change(tmp_path, "minutes: 240, calendar: every_hour", "minutes: 240, calendar: hub_hours")
    path.write_text(path.read_text(encoding="utf-8").replace("red: {unit: elapsed", "red: {unit: working"))
    with pytest.raises(DocumentError, match="red never waits"):
        load_hub(path)


AMBER = "amber: {unit: working, minutes: 480"
GREEN = "green: {unit: working, minutes: 4320, calendar: hub_hours, starts: receipt, measures: "


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (AMBER, AMBER.replace("480", "511"), "amber measures the decision and could end after .* at most 510 working"),
        ("minutes: 240", "minutes: 991", "red measures the first action .* at most 990 elapsed"),
        (GREEN + "partner_returns", GREEN + "screening", "green measures the screening"),
        (AMBER + ", calendar: hub_hours", AMBER + ", calendar: every_hour", "working time counts by `hub_hours`"),
        (GREEN + "partner_returns", GREEN + "partner_retuns", "did you mean `partner_returns`"),
        (AMBER + ", calendar: hub_hours, starts: receipt", AMBER + ", calendar: hub_hours, starts: reciept",
         "did you mean `receipt`"),
    ],
)  # fmt: skip
def test_a_target_that_could_postpone_the_decision_is_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    with pytest.raises(DocumentError, match=words):
        load_hub(change(tmp_path, old, new))


@settings(max_examples=200, deadline=None)
@given(minutes, st.sampled_from(Rag))
def test_no_target_up_to_the_decision_ends_after_it_is_due(received: datetime, rag: Rag) -> None:
    if HUB.targets[rag].measures in UP_TO_THE_DECISION:
        assert HUB.target(rag, received) <= HUB.decision_due(received)


@settings(max_examples=200, deadline=None)
@given(minutes)
def test_the_longest_targets_that_are_let_through_never_postpone_the_decision(received: datetime) -> None:
    assert received + timedelta(minutes=990) <= HUB.decision_due(received)
    assert HUB.working_time_after(received, timedelta(minutes=510)) <= HUB.decision_due(received)


def test_an_extra_closed_day_moves_the_due_time(tmp_path: Path) -> None:
    hub: Hub = load_hub(change(tmp_path, "extra_closed_days: []", 'extra_closed_days: ["2026-11-24"]'))
    received = datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert hub.decision_due(received) == HUB.decision_due(received) + timedelta(days=1)
