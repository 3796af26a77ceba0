"""Placement that lowers a level, or sends one to who does not serve it, is worked out and found."""

from collections.abc import Callable
from dataclasses import fields, replace

import pytest

from libs.schemas.levels import Level
from services.triage.placement.places import Circumstances, Placement, Places
from services.triage.policy import placing
from services.triage.policy.check import check
from services.triage.policy.placing import work_out
from tests.services.triage.shipped import shipped_policy, shipped_thresholds

POLICY = shipped_policy()
PLACES = shipped_thresholds().rulebooks.directory.places


def broken(change: Callable[[Placement, Level, Circumstances], Placement]) -> Places:
    """The shipped placement with its answers changed."""

    class Broken(Places):
        def place(self, level: Level, around: Circumstances) -> Placement:
            return change(super().place(level, around), level, around)

    return Broken(*(getattr(PLACES, one.name) for one in fields(PLACES) if one.init))


def test_the_shipped_placement_lowers_nothing() -> None:
    done = work_out(PLACES)
    assert done.faults == ()
    assert done.inputs > 1_000


def test_a_line_that_sends_a_level_to_who_does_not_serve_it_is_found() -> None:
    rows = tuple(replace(row, last=Level.SECTION_47) if row.id == "TO-05" else row for row in PLACES.rows)
    first = [row for row in rows if row.id == "TO-05"] + [row for row in rows if row.id != "TO-05"]
    faults = work_out(replace(PLACES, rows=tuple(first))).faults
    assert any(
        fault.line == "TO-05" and fault.level is Level.SECTION_47 and "open_plan" in fault.around
        for fault in faults
    )


def test_a_level_that_is_lowered_is_found_with_its_circumstances() -> None:
    def lowering(placed: Placement, level: Level, around: Circumstances) -> Placement:
        return (
            replace(placed, level=Level.EARLY_HELP)
            if level is Level.SECTION_17 and "danger" in around
            else placed
        )

    faults = work_out(broken(lowering)).faults
    assert any(fault.message == "is lowered to early_help" and "danger" in fault.around for fault in faults)


def test_a_circumstance_that_makes_an_outcome_milder_is_found() -> None:
    def softened(placed: Placement, level: Level, around: Circumstances) -> Placement:
        return replace(placed, level=Level.SECTION_17) if {"danger", "care_asked_for"} <= around else placed

    faults = work_out(broken(softened)).faults
    assert any(fault.message == "is milder because `care_asked_for` holds" for fault in faults)


def test_a_place_that_changes_the_level_by_itself_is_found() -> None:
    def shifting(placed: Placement, level: Level, around: Circumstances) -> Placement:
        return (
            replace(placed, level=Level.TARGETED)
            if "unborn" in around and level is Level.SECTION_17
            else placed
        )

    assert any("by its place" in fault.message for fault in work_out(broken(shifting)).faults)


def test_a_higher_level_that_ends_milder_is_found() -> None:
    def turned(placed: Placement, level: Level, around: Circumstances) -> Placement:
        return replace(placed, level=Level.SECTION_47) if level is Level.UNIVERSAL else placed

    assert any(
        "is milder than universal would be" in fault.message for fault in work_out(broken(turned)).faults
    )


def test_too_many_circumstances_are_not_worked_out_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "MOST_CIRCUMSTANCES", 3)
    with pytest.raises(ValueError, match="too many to work out"):
        work_out(PLACES)


def test_the_check_tells_of_placement_at_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tuple(replace(row, last=Level.SECTION_47) if row.id == "TO-05" else row for row in PLACES.rows)
    first = [row for row in rows if row.id == "TO-05"] + [row for row in rows if row.id != "TO-05"]
    wrong = replace(PLACES, rows=tuple(first))
    monkeypatch.setattr("services.triage.policy.check.load_placement", lambda node, dictionary: wrong)
    claim = check(POLICY, solver=False).claim("placement")
    assert claim is not None
    line = next(
        number
        for number, text in enumerate(POLICY.texts["placement.yaml"].splitlines(), 1)
        if text.strip() == "TO-05:"
    )
    assert claim.findings[0].place == f"placement.yaml:{line}"
    assert "goes to allocated_worker at section_47" in claim.findings[0].message
