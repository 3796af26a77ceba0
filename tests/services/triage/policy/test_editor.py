"""A new rule stands in its place, every other line stays as it was, and what the loader refuses is not written."""

from dataclasses import replace
from pathlib import Path

import pytest

from libs.schemas.document import DocumentError
from services.triage.policy import load_policy, read_texts
from services.triage.policy.editor import Draft, add_rule
from tests.services.triage.policy.small import TEXTS, changed

PARTNERSHIP = Path(__file__).parents[4] / "deploy" / "partnership"

DRAFT = Draft(
    id="R-9",
    domain="neglect",
    title="A child of primary age left alone",
    citation="thresholds, page 6",
    conditions=["child.left_alone is yes", "child.age is under 12"],
    together="all of",
    level="section_17",
    rag="amber",
)


def added(before: str, after: str) -> str:
    """The lines that came in, from the rule's id on. Fails where any other line changed."""
    lines, after_lines = before.splitlines(), after.splitlines()
    start = next(place for place, line in enumerate(after_lines) if line.strip() in ("R-9:", "NEW-01:"))
    count = len(after_lines) - len(lines)
    gap = 1 if start and not after_lines[start - 1] and after_lines[: start - 1] == lines[: start - 1] else 0
    start, block = (start - gap, after_lines[start - gap : start - gap + count])
    assert after_lines[:start] + after_lines[start + count :] == lines
    return "\n".join(block[gap:]) + "\n"


def test_a_rule_stands_behind_the_last_of_its_domain() -> None:
    text, policy = add_rule(TEXTS, replace(DRAFT, domain="harm"))
    assert [rule.id for rule in policy.rules] == ["R-1", "R-2", "R-9", "R-3", "R-4", "R-5"]
    assert (
        added(TEXTS["policy.yaml"], text)
        == """\
  R-9:
    domain: harm
    title: A child of primary age left alone
    cite: thresholds, page 6
    when:
      all of:
        - child.left_alone is yes
        - child.age is under 12
    floor: {level: section_17, rag: amber}
"""
    )


def test_the_first_rule_of_a_domain_stands_last() -> None:
    texts = changed(("abuse: Domestic abuse}", "abuse: Domestic abuse, school: School}"))
    _, policy = add_rule(texts, replace(DRAFT, domain="school"))
    assert policy.rules[-1].id == "R-9"
    assert policy.rules[-1].domain == "school"


def test_everything_that_a_rule_may_say_is_written() -> None:
    draft = replace(
        DRAFT,
        conditions=[
            "child.left_alone is yes",
            "{any of: [child.age is under 3, child.non_mobile is yes]}",
            "household.abuse is at least high",
        ],
        together="at least 2 of",
        immediate=True,
        actions=["police_now", "strategy_discussion"],
    )
    rule = next(rule for rule in add_rule(TEXTS, draft)[1].rules if rule.id == "R-9")
    assert rule.immediate
    assert rule.actions == ("police_now", "strategy_discussion")
    assert rule.condition.english().startswith("at least 2 of (")


@pytest.mark.parametrize(
    "title",
    [
        "Alone: again",
        "Alone # again",
        "- alone",
        "yes",
        "'alone'",
        "{alone}",
        'Alone and "safe"',
        "alone:",
        "1e3",
        "à la maison",
    ],
)
def test_a_title_reads_back_as_it_was_given(title: str) -> None:
    rule = next(rule for rule in add_rule(TEXTS, replace(DRAFT, title=title))[1].rules if rule.id == "R-9")
    assert rule.title == title


R_2_END = "    floor: {level: section_17, rag: amber}\n  R-3"


def test_remarks_and_gaps_between_rules_stay_where_they_are() -> None:
    texts = changed((R_2_END, R_2_END.replace("amber}\n", "amber}   # as before\n\n  # Neglect\n\n")))
    text, _ = add_rule(texts, replace(DRAFT, domain="harm"))
    lines = text.splitlines()
    assert lines.index("  R-9:") < lines.index("  # Neglect")
    assert lines[lines.index("  R-9:") - 1] == ""
    assert added(texts["policy.yaml"], text).startswith("  R-9:")


LAST = """\
  R-2b:
    when: child.injury is at least inflicted
    domain: harm
    cite: c
    floor: {level: section_47, rag: amber}
    title: |-
      one
      two


  # Neglect
"""


def test_a_text_over_several_lines_at_the_end_of_a_rule_is_not_cut() -> None:
    texts = changed((R_2_END, R_2_END.replace("  R-3", f"{LAST}  R-3")))
    text, policy = add_rule(texts, replace(DRAFT, domain="harm"))
    assert next(rule.title for rule in policy.rules if rule.id == "R-2b") == "one\ntwo"
    lines = text.splitlines()
    start = lines.index("  R-9:")
    assert lines[start - 2 : start] == ["      two", ""]
    assert start < lines.index("  # Neglect")


def test_a_file_that_ends_in_the_middle_of_a_line_is_taken() -> None:
    start = TEXTS["policy.yaml"].index("guarantees:")
    texts = {**TEXTS, "policy.yaml": TEXTS["policy.yaml"][:start].rstrip("\n")}
    _, policy = add_rule(texts, replace(DRAFT, domain="neglect"))
    assert [rule.id for rule in policy.rules][-2:] == ["R-5", "R-9"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (replace(DRAFT, conditions=["child.left_alon is yes"]), "did you mean `child.left_alone`?"),
        (replace(DRAFT, conditions=["household.call_outs is under 3"]), "milder outcome for a worse fact"),
        (replace(DRAFT, id="R-3"), "stands twice"),
        (replace(DRAFT, title=""), "title"),
        (replace(DRAFT, level="section_74"), "did you mean"),
        (replace(DRAFT, actions=["police_nwo"]), "did you mean `police_now`?"),
        (replace(DRAFT, domain="negelct"), "did you mean `neglect`?"),
        (replace(DRAFT, together="most of"), "unknown word `most of`"),
        (replace(DRAFT, conditions=[]), "a rule needs a condition"),
        (replace(DRAFT, conditions=["child.left_alone is yes\n    immediate: yes"]), "on one line each"),
    ],
)
def test_what_the_loader_refuses_is_not_written(fault: Draft, message: str) -> None:
    with pytest.raises(DocumentError, match=r"\S") as refused:
        add_rule(TEXTS, fault)
    assert message in str(refused.value)


def test_rules_in_braces_are_left_to_their_writer() -> None:
    start, end = TEXTS["policy.yaml"].index("rules:\n"), TEXTS["policy.yaml"].index("guarantees:")
    rule = (
        "{domain: harm, title: t, cite: c, when: child.injury is at least explained, "
        "floor: {level: section_17, rag: red}}"
    )
    flow = f"rules: {{R-1: {rule}}}\n"
    texts = {**TEXTS, "policy.yaml": TEXTS["policy.yaml"][:start] + flow + TEXTS["policy.yaml"][end:]}
    with pytest.raises(DocumentError, match="the rules stand in braces"):
        add_rule(texts, DRAFT)


def test_a_rule_can_be_added_to_the_shipped_policy() -> None:
    texts = read_texts(PARTNERSHIP)
    policy = load_policy(texts)
    domain = policy.rules[0].domain or None
    text, after = add_rule(texts, replace(DRAFT, domain=domain, id="NEW-01"))
    assert len(after.rules) == len(policy.rules) + 1
    assert "NEW-01:" in added(texts["policy.yaml"], text)
