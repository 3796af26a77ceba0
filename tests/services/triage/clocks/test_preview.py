"""A due time explains itself in words."""

from datetime import datetime
from pathlib import Path

from services.triage.clocks.loading import load_hub
from services.triage.clocks.preview import preview

HUB = load_hub(Path(__file__).parents[4] / "deploy" / "partnership" / "clocks.yaml")


def words(clock: str, start: str) -> str:
    return " ".join(preview(HUB, HUB.clocks[clock], datetime.fromisoformat(start)).words)


def test_the_decision_names_the_days_that_do_not_count_and_why() -> None:
    assert words("decision", "2026-12-24T16:31+00:00") == (
        "It starts with the receipt, on Thursday 24 December 2026 at 16:31. It runs for one working day. The day on "
        "which it starts is not counted, whatever the hour. Friday 25 December 2026 does not count: Christmas Day. "
        "Saturday 26 December 2026 does not count: the hub is closed on that weekday. Sunday 27 December 2026 "
        "does not count: the hub is closed on that weekday. Monday 28 December 2026 does not count: "
        "Boxing Day (substitute day). "
        "It is due when the hub closes, on Tuesday 29 December 2026 at 17:30. Nothing extends it."
    )


def test_working_hours_that_begin_after_close_say_so() -> None:
    said = words("reading", "2026-11-20T16:31+00:00")
    assert "The hub is closed then, so that it begins to count when the hub opens." in said
    assert said.endswith("It is due on Monday 23 November 2026 at 10:00. Nothing extends it.")


def test_elapsed_hours_run_through_a_change_of_the_clock_and_are_told_in_local_time() -> None:
    said = words("return_interview", "2026-03-27T12:00+00:00")
    assert "72 hours by the clock, whether the hub is open or not" in said
    assert "It is due on Monday 30 March 2026 at 13:00." in said


def test_a_long_time_gives_the_number_of_days_that_do_not_count() -> None:
    assert "days on which the hub is closed do not count." in words("assessment", "2026-11-23T09:00+00:00")
