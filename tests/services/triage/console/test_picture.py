"""A chronology as a picture says no more and no less than the table beside it."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.triage.chronology import EntryKind
from services.triage.console.picture import (
    LANE,
    LEFT,
    MARK_APART,
    NARROWEST,
    RIGHT,
    TOP,
    Lane,
    Picture,
    moment,
    pictures,
)

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
KINDS = (*EntryKind, "something_new")
ROWS = (
    "Earlier reports",
    "Earlier decisions",
    "Plans",
    "What was stated",
    "This referral",
    "Agencies",
    "Staff",
)


def entry(when: str, kind: str = "answer", words: str = "Said.", **more: Any) -> dict[str, Any]:
    """An entry of a day, or of a moment."""
    return {"on": when[:10], "at": when if "T" in when else None, "kind": kind, "words": words, **more}


REFERRED = entry("2026-11-23T10:00:00Z", "referral", "Referral.")


@st.composite
def chronologies(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Entries in the order in which the operation gives them."""
    referred = NOW - timedelta(hours=draw(st.integers(1, 48)))
    entries = [entry(referred.isoformat(), "referral")] if draw(st.booleans()) else []
    kinds = st.sampled_from([kind for kind in KINDS if kind != "referral"])
    for days in draw(st.lists(st.integers(-30, 4000), max_size=12)):
        on = NOW.date() - timedelta(days=days)
        entries.append(entry(on.isoformat(), draw(kinds), counts=draw(st.booleans())))
    since = draw(st.lists(st.integers(-300, 3000), max_size=5))
    entries += [entry((referred + timedelta(seconds=each)).isoformat(), draw(kinds)) for each in since]
    return sorted(entries, key=lambda one: (one["on"], one["at"] or ""))


def numbers_of(title: str) -> list[int]:
    return [int(number) for number in re.findall(r"(?:^| )(\d+)\. ", title)]


@given(chronologies())
@settings(max_examples=60, deadline=None)
def test_every_entry_is_drawn_once_inside_and_by_its_number(entries: list[dict[str, Any]]) -> None:
    found = pictures(entries)
    assert bool(found) == (len(entries) > 1)
    drawn = Counter[int]()
    for picture in found:
        assert len({lane.y for lane in picture.lanes}) == len(picture.lanes)
        for lane in picture.lanes:
            places = [mark.x for mark in lane.marks]
            assert all(later - earlier >= MARK_APART for earlier, later in pairwise(places))
            for mark in lane.marks:
                assert LEFT <= mark.x <= RIGHT
                assert mark.width >= max(NARROWEST, 7 * len(mark.numbers))
                numbers = sorted(numbers_of(mark.title))
                first, others = numbers[0], len(numbers) - 1
                together = (
                    f"{first}–{first + others}" if numbers[-1] == first + others else f"{first}+{others}"
                )
                assert mark.numbers == (together if others else str(first))
                assert mark.counts == any(entries[number - 1].get("counts", True) for number in numbers)
                drawn.update(numbers)
            for bar in lane.bars:
                assert bar.x >= LEFT
                assert bar.x + bar.width <= RIGHT + 3
        assert all(LEFT <= tick.x <= RIGHT for tick in picture.ticks)
        assert len(picture.ticks) <= 9
    for number, one in enumerate(entries, start=1):
        assert drawn[number] == (len(found) if one["kind"] == "referral" else min(len(found), 1)), one


def rows(picture: Picture) -> dict[str, Lane]:
    return {lane.name: lane for lane in picture.lanes}


def test_a_plan_is_a_bar_from_its_opening_to_its_closing() -> None:
    opened, closed = ("plan_opened", "plan or status opened."), ("plan_closed", "plan or status closed.")
    entries = [
        entry("2020-01-01", opened[0], f"Child protection: {opened[1]}"),
        entry("2020-06-01", opened[0], f"Looked after: {opened[1]}", counts=False),
        entry("2022-01-01", closed[0], f"Child protection: {closed[1]}"),
        entry("2023-01-01", opened[0], f"Child in need: {opened[1]}"),
        entry("2023-06-01", closed[0], f"Looked after: {closed[1]}"),
        entry("2024-01-01T12:00:00Z", "referral", "Referral."),
    ]
    (picture,) = pictures(entries)
    plans = rows(picture)["Plans"]
    closed_one, still_open = plans.bars
    assert (closed_one.title, closed_one.is_open) == ("Child protection", False)
    assert (still_open.title, still_open.is_open) == ("Child in need", True)
    assert closed_one.x == LEFT
    assert closed_one.width == pytest.approx((RIGHT - LEFT) / 2, abs=1)
    assert still_open.x == pytest.approx(LEFT + (RIGHT - LEFT) * 3 / 4, abs=1)
    assert still_open.x + still_open.width == RIGHT
    assert [(mark.numbers, mark.counts) for mark in plans.marks][:3] == [
        ("1", True),
        ("2", False),
        ("3", True),
    ], "a closing has its number too, also where nothing opened it"


def test_what_came_after_the_referral_is_drawn_whether_or_not_its_moment_is_known() -> None:
    entries = [
        entry("2026-11-20", "earlier_report", "Reported."),
        entry("2026-11-23", "fact", "Hungry."),
        entry(REFERRED["at"]),
        REFERRED,
        entry("2026-11-25", "panel_outcome", "Panel: kept."),
    ]
    until, since = pictures(entries)
    assert (until.title, since.title) == ("Until this referral", "Since this referral")
    assert until.description.startswith("3 entries from 20 November 2026 to 23 November 2026, in 3 rows.")
    assert since.description.startswith("3 entries from 23 November 2026 to 25 November 2026, in 3 rows.")
    assert [mark.numbers for mark in rows(since)["Staff"].marks] == ["5"]
    assert [mark.numbers for mark in rows(since)["Agencies"].marks] == ["3"], (
        "an answer that was there already"
    )
    assert [mark.numbers for mark in rows(until)["What was stated"].marks] == ["2"]


def test_rows_are_who_says_it_in_one_order_and_a_kind_that_nobody_knows_has_its_own() -> None:
    kinds = [kind for kind in KINDS[::-1] if kind != "referral"]
    (picture,) = pictures(
        [*(entry(f"2026-11-{day:02}", kind) for day, kind in enumerate(kinds, 1)), REFERRED]
    )
    assert [lane.name for lane in picture.lanes] == [*ROWS, "Something new"]
    assert [lane.y for lane in picture.lanes] == [TOP + LANE * (row + 0.5) for row in range(len(ROWS) + 1)]
    assert picture.height > picture.lanes[-1].y + LANE / 2
    by_staff = entry("2026-11-22", "correction", source="staff")
    by_agency = entry("2026-11-22", "correction", source="police")
    assert {*rows(pictures([by_staff, REFERRED])[0])} == {"Staff", "This referral"}
    assert {*rows(pictures([by_agency, REFERRED])[0])} == {"Agencies", "This referral"}


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("2026-11-23T09:59:30Z", ["09:59", "10:04", "10:09"]),
        ("2026-11-23T09:57:00Z", ["09:57", "10:02", "10:07"]),
        ("2026-11-23T06:00:00Z", ["06:00", "07:00", "08:00", "09:00", "10:00"]),
        (
            "2026-11-22T09:00:00Z",
            ["22 Nov 09:00", "22 Nov 15:00", "22 Nov 21:00", "23 Nov 03:00", "23 Nov 09:00"],
        ),
        ("2026-11-21T10:00:00Z", ["21 Nov 2026", "22 Nov 2026", "23 Nov 2026"]),
    ],
)
def test_the_axis_is_told_by_the_clock_on_the_wall_as_finely_as_there_is_room(
    first: str, words: list[str]
) -> None:
    (picture,) = pictures([entry(first), REFERRED])
    assert [tick.words for tick in picture.ticks] == words
    assert picture.ticks[0].x == LEFT


def test_a_day_alone_counts_as_its_noon_in_the_hub() -> None:
    assert moment(entry("2026-07-01")) == datetime(2026, 7, 1, 11, tzinfo=UTC)
