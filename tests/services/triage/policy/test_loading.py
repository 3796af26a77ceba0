"""A mistake in the policy is refused with its place, never silently false."""

from pathlib import Path

import pytest

from libs.schemas.document import DocumentError
from services.triage.policy import Policy, load_policy

FACTS = (Path(__file__).parents[4] / "deploy" / "partnership" / "facts.yaml").read_text(encoding="utf-8")

HEAD = """\
about: test
policy: test
version: "1"
effective: "2026-01-01"
sign_off: none
default: {level: universal, rag: green}
rules:
"""
RULE = """\
  R-1:
    title: {title}
    cite: {cite}
    when: {when}
    floor: {{level: {level}, rag: amber}}
"""


def policy(body: str) -> Policy:
    return load_policy({"facts.yaml": FACTS, "policy.yaml": HEAD + body})


def rule(when: str, title: str = "t", cite: str = "c", level: str = "section_17") -> str:
    return RULE.format(when=when, title=title, cite=cite, level=level)


FAULTS = [
    ("misspelt fact", rule("child.injry is at least unclear"), "did you mean `child.injury`?"),
    ("misspelt value", rule("child.injury is at least unclaer"), "did you mean `unclear`?"),
    (
        "misspelt level",
        rule("child.injury is at least unclear", level="sectoin_17"),
        "did you mean `section_17`?",
    ),
    (
        "turned-round use",
        rule("household.domestic_abuse_incidents_6_months is under 3"),
        "milder outcome for a worse",
    ),
    ("protective fact used to raise", rule("household.protective_adult is yes"), "belongs under `none of`"),
    ("risk under none of", rule("{none of: [child.left_alone is yes]}"), "milder outcome for a worse fact"),
    ("medium and not high", rule("child.injury is unclear"), "milder outcome for a worse fact"),
    ("always true", rule("child.injury is at least none"), "always true"),
    ("never true", rule("child.missing_episodes_12_months is at least 999"), "never true"),
    ("always under", rule("child.age is under 99"), "always under"),
    ("wrong comparison for a scale", rule("child.injury is yes"), "say `is at least"),
    ("wrong comparison for yes/no", rule("child.left_alone is at least 1"), "say `is yes`"),
    ("at least more than there are", rule("{at least 3 of: [child.left_alone is yes]}"), "can never be met"),
    ("unknown word", rule("{al of: [child.left_alone is yes]}"), "did you mean `all of`?"),
    (
        "missing citation",
        (
            "  R-1:\n    title: t\n    when: child.left_alone is yes\n"
            "    floor: {level: section_17, rag: amber}\n"
        ),
        "the key `cite` is missing",
    ),
    ("empty title", rule("child.left_alone is yes", title='""'), "needs a title"),
    ("duplicate id", rule("child.left_alone is yes") + rule("child.left_alone is yes"), "stands twice"),
    ("unknown key", rule("child.left_alone is yes") + "    lowers: yes\n", "unknown key `lowers`"),
    ("misspelt action", rule("child.left_alone is yes") + "    actions: [police_nwo]\n", "`police_now`?"),
    (
        "a rule that lowers",
        rule("child.left_alone is yes").replace("floor:", "ceiling:"),
        "unknown key `ceiling`",
    ),
]


@pytest.mark.parametrize(("name", "body", "said"), FAULTS, ids=[one[0] for one in FAULTS])
def test_a_mistake_is_refused_with_its_place(name: str, body: str, said: str) -> None:
    with pytest.raises(DocumentError) as refused:
        policy(body)
    assert said in str(refused.value)
    assert "policy.yaml:" in str(refused.value)


def test_all_mistakes_of_a_file_come_at_once() -> None:
    body = rule("child.injry is yes") + rule("child.injury is yes").replace("R-1", "R-2")
    with pytest.raises(DocumentError) as refused:
        policy(body)
    assert len(refused.value.faults) == 2


def test_yamls_own_reading_of_no_and_1e3_is_switched_off() -> None:
    body = rule("child.left_alone is yes", title="no", cite="1e3")
    (loaded,) = policy(body).rules
    assert (loaded.title, loaded.citation) == ("no", "1e3")


def test_the_fingerprint_changes_with_every_word_that_decides() -> None:
    one = policy(rule("child.injury is at least unclear"))
    two = policy(rule("child.injury is at least unexplained"))
    again = policy(rule("child.injury is at least unclear"))
    assert one.fingerprint == again.fingerprint != two.fingerprint
