"""Where a case stands, and when somebody must act on it, follow from its row alone."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from libs.schemas.levels import Destination, Level, Rag, Stage
from services.triage.case import HAND_OVER_CLOCK, READING_CLOCK, Case, is_low

RECEIVED = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SOON, LATER, LATEST = (RECEIVED + timedelta(hours=hours) for hours in (1, 2, 30))


def case(**fields: object) -> Case:
    """A child in need whose words were read, as it was received."""
    row: dict[str, object] = {"level": Level.SECTION_17, "rag_due_at": LATER, "due_at": LATEST, **fields}
    made = Case(UUID(int=1), UUID(int=2), None, 1, RECEIVED, team="duty", **row)  # type: ignore[arg-type]
    made.stage = made.standing()
    return made


@pytest.mark.parametrize(
    ("level", "destination", "low"),
    [
        ("section_17", None, False),
        ("targeted", None, True),
        ("section_17", "allocated_worker", False),
        ("section_47", "other_authority", False),
        ("targeted", "allocated_worker", True),
        ("universal", "other_authority", True),
        ("section_17", "early_help", True),
        ("universal", "universal_advice", True),
        ("targeted", "csc_section_17", False),
        ("targeted", "masg", False),
    ],
)
def test_what_is_passed_on_is_as_low_as_its_level(level: str, destination: str | None, low: bool) -> None:
    assert is_low(Level(level), None if destination is None else Destination(destination)) is low


@pytest.mark.parametrize("closed_at", [None, LATER])
def test_words_that_come_after_a_decision_are_read_and_hurry_whatever_was_decided(
    closed_at: datetime | None,
) -> None:
    decided = {"decision": 1, "completed_at": SOON, "destination": Destination.SECTION_17}
    words = case(**decided, closed_at=closed_at, unread=True, read_due_at=LATER, hand_over_due_at=LATEST)
    assert words.stage is Stage.TO_BE_READ
    assert words.urgent_from() == LATER
    assert words.clocks() == {HAND_OVER_CLOCK: LATEST, READING_CLOCK: LATER}


def test_a_decision_at_risk_waits_for_whoever_decides_though_the_checks_go_on() -> None:
    risk = case(decision=1, at_risk=True)
    assert (risk.stage, risk.urgent_from()) == (Stage.DECISION, LATER)
    assert case(decision=1).urgent_from() is None


def test_danger_and_a_red_stub_are_due_on_receipt_until_somebody_decides() -> None:
    assert case(immediate_danger=True).urgent_from() == RECEIVED
    assert case(stub=True, rag=Rag.RED).urgent_from() == RECEIVED
    assert case(stub=True).urgent_from() == LATER
    assert case(immediate_danger=True, decision=1, at_risk=True).urgent_from() == RECEIVED
    assert case(immediate_danger=True, decision=1).urgent_from() is None
