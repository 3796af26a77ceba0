"""A chronology as a picture says no more and no less than the table beside it."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.triage.console.picture import LEFT, RIGHT, moment, pictures

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
KINDS = (
    "earlier_report",
    "fact",
    "plan_opened",
    "plan_closed",
    "answer",
    "reading",
    "decision",
    "something_new",
)


@st.composite
def chronologies(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Entries in the order in which the operation gives them."""
    entries: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 12))):
        on = date(2026, 11, 26) - timedelta(days=draw(st.integers(0, 4000)))
        entries.append(
            {"on": on.isoformat(), "at": None, "kind": draw(st.sampled_from(KINDS)), "words": f"E{number}:"}
        )
    if draw(st.booleans()):
        at = NOW - timedelta(hours=draw(st.integers(1, 48)))
        entries.append(
            {"on": at.date().isoformat(), "at": at.isoformat(), "kind": "referral", "words": "Referral."}
        )
        for _ in range(draw(st.integers(0, 5))):
            later = at + timedelta(seconds=draw(st.integers(0, 3000)))
            entries.append(
                {
                    "on": later.date().isoformat(),
                    "at": later.isoformat(),
                    "kind": "answer",
                    "words": "Answered.",
                }
            )
    return sorted(entries, key=moment)


@given(chronologies())
@settings(max_examples=60, deadline=None)
def test_every_mark_is_inside_and_names_an_entry_of_the_table(entries: list[dict[str, Any]]) -> None:
    for picture in pictures(entries, NOW):
        assert len({lane.y for lane in picture.lanes}) == len(picture.lanes)
        for lane in picture.lanes:
            for mark in lane.marks:
                assert LEFT <= mark.x <= RIGHT
                first = int(re.split("[+–]", mark.numbers)[0])
                assert entries[first - 1]["words"] in mark.title
            for bar in lane.bars:
                assert bar.x >= LEFT
                assert bar.x + bar.width <= RIGHT + 3
        assert all(LEFT <= tick.x <= RIGHT for tick in picture.ticks)
        assert len(picture.ticks) <= 9


def test_a_plan_is_a_bar_from_its_opening_to_its_closing() -> None:
    entries: list[dict[str, Any]] = [
        {"on": "2020-01-01", "kind": "plan_opened", "words": "Child protection: plan or status opened."},
        {"on": "2022-01-01", "kind": "plan_closed", "words": "Child protection: plan or status closed."},
        {"on": "2023-01-01", "kind": "plan_opened", "words": "Child in need: plan or status opened."},
        {"on": "2024-01-01", "at": "2024-01-01T10:00:00Z", "kind": "referral", "words": "Referral."},
    ]
    (picture,) = pictures(entries, NOW)
    (plans,) = [lane for lane in picture.lanes if lane.name == "Plans"]
    closed, still_open = plans.bars
    assert (closed.title, closed.is_open) == ("Child protection", False)
    assert (still_open.title, still_open.is_open) == ("Child in need", True)
    assert closed.x == LEFT
    assert closed.width < (RIGHT - LEFT) * 0.51
    assert still_open.x + still_open.width == RIGHT
