"""Mistakes in a policy are refused when it is loaded, each at its line."""

import pytest

from tests.services.triage.policy.small import changed, found, line_of

REFUSED = [
    (
        "a misspelt fact",
        ("child.left_alone is yes\n        - child.age", "child.left_alon is yes\n        - child.age"),
        "child.left_alon is",
        "did you mean `child.left_alone`?",
    ),
    (
        "a misspelt value",
        ("when: child.injury is at least unexplained", "when: child.injury is at least unexplaned"),
        "unexplaned",
        "did you mean `unexplained`?",
    ),
    (
        "a turned-round use",
        ("household.call_outs is at least 3", "household.call_outs is under 3"),
        "household.call_outs is under",
        "milder outcome for a worse fact",
    ),
    (
        "medium and not high",
        ("household.abuse is at least medium", "household.abuse is medium"),
        "household.abuse is medium",
        "milder outcome for a worse fact",
    ),
    (
        "an impossible bound",
        ("household.call_outs is at least 3", "household.call_outs is at least 21"),
        "call_outs is at least 21",
        "never true",
    ),
    (
        "a bound that is always met",
        ("child.attendance is under 90", "child.attendance is under 101"),
        "attendance is under 101",
        "always under",
    ),
    (
        "a missing citation",
        ("    cite: thresholds, page 4\n", ""),
        "domain: harm\n    title: An injury that nobody",
        "`cite` is missing",
    ),
    (
        "a duplicate id",
        ("  R-2:\n", "  R-1:\n"),
        "  R-1:\n    domain: harm\n    title: An injury that nobody",
        "`R-1` stands twice",
    ),
    (
        "a rule that lowers",
        ("floor: {level: section_17, rag: amber}\n  R-3", "ceiling: {level: section_17, rag: amber}\n  R-3"),
        "ceiling",
        "unknown key `ceiling`",
    ),
    (
        "an unknown action",
        ("actions: [police_now]\n  R-4", "actions: [police_nwo]\n  R-4"),
        "police_nwo",
        "did you mean `police_now`?",
    ),
    (
        "protection used as a risk",
        ("- none of: [household.protective_adult is yes]", "- household.protective_adult is yes"),
        "- household.protective_adult",
        "belongs under `none of`",
    ),
    (
        "a risk under none of",
        ("none of: [household.protective_adult is yes]", "none of: [child.non_mobile is yes]"),
        "none of",
        "milder outcome for a worse fact",
    ),
    (
        "a duplicate key",
        ("    immediate: yes\n", "    immediate: yes\n    immediate: no\n"),
        "    immediate: no",
        "stands twice",
    ),
    (
        "a no where YAML reads false",
        ("child.left_alone is yes\n        - child.age", "child.left_alone is no\n        - child.age"),
        "child.left_alone is no",
        "never rests on a no",
    ),
    (
        "an unknown level",
        ("level: early_help, rag: green", "level: early_hlep, rag: green"),
        "early_hlep",
        "did you mean `early_help`?",
    ),
    (
        "an empty all of",
        ("{all of: [child.injury is at least explained, child.non_mobile is yes]}", "{all of: []}"),
        "all of: []",
        "can never be met",
    ),
    (
        "at least N of too few",
        ("at least 2 of:", "at least 4 of:"),
        "at least 4 of:",
        "can never be met by 3",
    ),
    (
        "an unknown key",
        ("    immediate: yes\n", "    imediate: yes\n"),
        "imediate",
        "did you mean `immediate`?",
    ),
    (
        "a golden case with an unknown value",
        ("child.injury: explained}", "child.injury: bruised}"),
        "child.injury: bruised",
        "unknown value",
    ),
    (
        "a decisive question for somebody else",
        ("ask: [child.non_mobile]", "ask: [household.call_outs]"),
        "household.call_outs]",
        "the referrer is no source",
    ),
    (
        "a guarantee of nothing",
        ("    at_least: {level: section_47, rag: red}\n    actions: [strategy_discussion]\ngolden", "golden"),
        "  G-1:",
        "guarantees nothing",
    ),
]


@pytest.mark.parametrize(
    ("change", "passage", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_mistake_is_refused_at_its_line(change: tuple[str, str], passage: str, message: str) -> None:
    texts = changed(change)
    faults = found(texts)
    assert any(message in fault and fault.startswith(line_of(texts, passage)) for fault in faults), faults
