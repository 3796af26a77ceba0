"""Who may take a challenge up, and which files of stages are refused."""

from pathlib import Path

import pytest

from libs.schemas.document import DocumentError
from services.triage.challenges.ladder import Stage, load_ladder, may_take_up
from services.triage.clocks.calendar import Unit
from services.triage.clocks.rules import Length
from tests.services.triage.shipped import PARTNERSHIP


@pytest.mark.parametrize(
    ("who", "role", "reviewer", "may"),
    [
        ("reviewer", "social_worker", "reviewer", True),
        ("other", "social_worker", "reviewer", False),
        ("other", "social_worker", None, True),
        ("decider", "social_worker", None, False),
        ("other", "worker", None, False),
        ("decider", "manager", "reviewer", True),
    ],
)
def test_its_reviewer_takes_a_challenge_up_or_a_manager(
    who: str, role: str, reviewer: str | None, may: bool
) -> None:
    stage = Stage("one", "One", frozenset(("social_worker",)), Length(60, Unit.WORKING))
    assert may_take_up(stage, {role}, who, {"decider"}, reviewer) is may


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("reviewers: [social_worker, manager]", "reviewers: [manger]", "did you mean `manager`?"),
        ("reviewers: [social_worker, manager]", "reviewers: []", "nobody reviews"),
        ("within: {minutes: 1440, unit: working}", "within: {minutes: 0, unit: working}", "at least 1"),
        ("about:", "aboot:", "unknown key `aboot`"),
        ("  board:", "  boards:", "challenge.yaml:16:3: wording.yaml has no words for the stage `boards`"),
        ("  board:", "  boards:", "unknown stage `board`; did you mean `boards`?"),
    ],
)
def test_a_mistake_is_refused_with_its_place(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    text = (PARTNERSHIP / "challenge.yaml").read_text()
    assert right in text
    path = tmp_path / "challenge.yaml"
    path.write_text(text.replace(right, wrong, 1))
    with pytest.raises(DocumentError) as refused:
        load_ladder(path, PARTNERSHIP / "wording.yaml")
    assert said in str(refused.value)
