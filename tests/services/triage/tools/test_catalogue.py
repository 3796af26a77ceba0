"""What a record of a tool may say, and how `tools.yaml` is refused."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.document import DocumentError
from services.triage.tools.catalogue import (
    Answers,
    Catalogue,
    ToolBody,
    could_be_graver,
    faults,
    load_catalogue,
)
from tests.services.triage.shipped import PARTNERSHIP, shipped_dictionary

ACTIONS = ("exploitation_screen",)
TODAY = date(2026, 11, 23)
DICTIONARY = shipped_dictionary()
CATALOGUE = load_catalogue(PARTNERSHIP / "tools.yaml", ACTIONS, DICTIONARY)


def body(**changed: Any) -> ToolBody:
    written = {
        "tool": "quality_of_care",
        "on": "2026-11-20",
        "by": "Lee Park, health visitor",
        "result": "not_met",
    }
    return ToolBody.model_validate({**written, **changed})


def wrong(**changed: Any) -> list[tuple[str, str]]:
    return [(one.pointer, one.code) for one in faults(CATALOGUE, body(**changed), TODAY)]


def test_the_shipped_tools_are_those_that_the_hub_counts() -> None:
    names = {"quality_of_care", "neglect_screening", "graded_care_profile", "dash", "child_exploitation"}
    assert {*CATALOGUE.tools} == names
    for tool in CATALOGUE.tools:
        answers = {"yes": 24, "no": 0, "unknown": 0} if tool == "dash" else None
        result = CATALOGUE.tools[tool].results[0]
        assert wrong(tool=tool, result=result, answers=answers) == []
        assert wrong(tool=tool, result=None, answers=answers) == []


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"tool": "crystal_ball"}, ("/tool", "unknown_tool")),
        ({"result": "high"}, ("/result", "unknown_result")),
        ({"on": "2026-11-24"}, ("/on", "in_the_future")),
        ({"answers": {"yes": 0, "no": 0, "unknown": 0}}, ("/answers", "no_questions")),
        ({"tool": "dash", "result": "high"}, ("/answers", "missing")),
    ],
)
def test_what_no_tool_says_is_refused(changed: dict[str, Any], fault: tuple[str, str]) -> None:
    assert wrong(**changed) == [fault]


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_every_question_is_answered_or_left_open(yes: int, no: int, unknown: int) -> None:
    answers = {"yes": yes, "no": no, "unknown": unknown}
    refused = [] if yes + no + unknown == 24 else [("/answers", "wrong_sum")]
    assert wrong(tool="dash", result="medium", answers=answers) == refused


@pytest.mark.parametrize(
    ("result", "unknown", "graver"),
    [("standard", 0, False), ("standard", 1, True), ("high", 5, False), (None, 0, True)],
)
def test_a_question_that_was_left_open_is_never_no(result: str | None, unknown: int, graver: bool) -> None:
    answers = Answers(yes=3, no=21 - unknown, unknown=unknown)
    assert could_be_graver(CATALOGUE.tools["dash"], result, answers) is graver


def load(tmp_path: Path, old: str, new: str) -> Catalogue:
    text = (PARTNERSHIP / "tools.yaml").read_text()
    assert old in text
    (tmp_path / "tools.yaml").write_text(text.replace(old, new, 1))
    return load_catalogue(tmp_path / "tools.yaml", ACTIONS, DICTIONARY)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "finishes: exploitation_screen",
            "finishes: exploitation_scren",
            "did you mean `exploitation_screen`?",
        ),
        ("results: [standard, medium, high]", "results: [standard, high, high]", "`high` stands twice"),
        ("results: [standard, medium, high]", "results: []", "a tool comes to something"),
        ("questions: 24", "questions: 0", "at least 1"),
        ("questions: 24", "questions: 240", "at most 200"),
        ("questions: 24", "question: 24", "did you mean `questions`?"),
        ("questions: 24", "questions: 23", "staff may state no fact that counts to"),
        ("states: household.dash_score", "states: household.dash", "did you mean `household.dash_score`?"),
        ("label: DASH risk checklist", 'label: " "', "this says nothing"),
    ],
)
def test_a_mistake_in_the_file_is_refused_with_its_place(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(DocumentError) as refused:
        load(tmp_path, old, new)
    assert any(said in fault and fault.startswith("tools.yaml:") for fault in refused.value.faults)
