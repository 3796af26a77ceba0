"""The schemas pass what the loader passes, and underline what it refuses as far as a schema can."""

import re
from pathlib import Path
from string import digits
from typing import Any

import jsonschema_rs
import pytest
import yaml

from libs.schemas.document import DocumentError, parse_document
from services.triage.policy import load_policy, read_texts
from services.triage.policy.schema import schemas, sentences
from services.triage.policy.sentence import Vocabulary, read_condition
from tests.services.triage.policy.small import TEXTS, changed

PARTNERSHIP = Path(__file__).parents[4] / "deploy" / "partnership"


class Yaml12(yaml.CSafeLoader):
    """Reads YAML as editors do: only whole numbers, true and false are no text."""


Yaml12.yaml_implicit_resolvers = {}
Yaml12.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+$"), [*"-+", *digits])
Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(true|false)$"), ["t", "f"])


def underlined(schema: dict[str, Any], text: str) -> list[str]:
    document = yaml.load(text, Yaml12)  # noqa: S506 - a safe loader
    errors = jsonschema_rs.validator_for(schema).iter_errors(document)
    return ["/".join(map(str, error.instance_path)) for error in errors]


@pytest.mark.parametrize("texts", [TEXTS, read_texts(PARTNERSHIP)], ids=["small", "shipped"])
def test_what_the_loader_passes_is_not_underlined(texts: dict[str, str]) -> None:
    made = schemas(load_policy(texts))
    assert {name: underlined(made[name], text) for name, text in texts.items()} == {
        name: [] for name in texts
    }


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("- child.age is under 8", "- child.age is under 26", "rules/R-3/when"),
        ("household.call_outs is at least 3", "household.call_outs is under 3", "rules/R-4/when"),
        ("household.abuse is at least medium", "household.abuse is medium", "rules/R-4/when"),
        (
            "when: child.injury is at least unexplained",
            "when: child.injry is at least unexplained",
            "rules/R-2/when",
        ),
        (
            "none of: [household.protective_adult is yes]",
            "none of: [child.left_alone is yes]",
            "rules/R-3/when",
        ),
        ("at least 2 of:", "al of:", "rules/R-5/when"),
        ("    cite: thresholds, page 4\n", "", "rules/R-2"),
        ("    immediate: yes\n", "    immediate: true\n", "rules/R-1/immediate"),
        ("    immediate: yes\n", "    imediate: yes\n", "rules/R-1"),
        ("level: early_help, rag: green", "level: early_help, rag: grene", "rules/R-5/floor/rag"),
        ("actions: [police_now]\n  R-4", "actions: [police_nwo]\n  R-4", "rules/R-3/actions/0"),
        ("domain: abuse", "domain: school", "rules/R-4/domain"),
        ("ask: [child.non_mobile]", "ask: [household.call_outs]", "decisive/D-1/ask/0"),
        ("child.injury: explained}", "child.injury: bruised}", "golden/hurt-baby/facts/child.injury"),
        ("child.age: 0,", "child.age: 30,", "golden/hurt-baby/facts/child.age"),
        ("answers: {police: returned}", "answers: {polise: returned}", "golden/one-call/answers"),
        ("at_most: early_help", "at_most: erly_help", "golden/one-call/at_most"),
        ('effective: "2026-01-01"', "effective: January", "effective"),
    ],
)
def test_what_the_loader_refuses_is_underlined_where_it_stands(old: str, new: str, where: str) -> None:
    texts = changed((old, new))
    with pytest.raises(DocumentError):
        load_policy(texts)
    assert where in underlined(schemas(load_policy(TEXTS))["policy.yaml"], texts["policy.yaml"])


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("    steps: [none, standard, medium, high]\n", "", "facts/household.abuse"),
        ("    maximum: 20\n", "", "facts/household.call_outs"),
        (
            "    polarity: protective\n",
            "    polarity: protects\n",
            "facts/household.protective_adult/polarity",
        ),
        ("    kind: count\n    maximum: 100\n", "    kind: yes_no\n", "facts/child.attendance/kind"),
        ("    sources: [education]\n", "    sources: []\n", "facts/child.attendance/sources"),
    ],
)
def test_a_faulty_dictionary_is_underlined(old: str, new: str, where: str) -> None:
    texts = changed((old, new), file="facts.yaml")
    with pytest.raises(DocumentError):
        load_policy(texts)
    assert where in underlined(schemas(load_policy(TEXTS))["facts.yaml"], texts["facts.yaml"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("unit: elapsed", "unit: hours"),
        ("minutes: 240", "minutes: 0"),
        ("within: {minutes: 240, unit: elapsed}", "before: the_weekend"),
        ("within: {minutes: 240", "before: school_day, within: {minutes: 240"),
        ("{label: the police are called, cite: chapter 3}", "{label: the police are called}"),
    ],
)
def test_faulty_actions_are_underlined(old: str, new: str) -> None:
    texts = changed((old, new), file="actions.yaml")
    with pytest.raises(DocumentError):
        load_policy(texts)
    assert underlined(schemas(load_policy(TEXTS))["actions.yaml"], texts["actions.yaml"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("to: section_17\n", "to: section_71\n"),
        ("when: [danger]", "when: [dangre]"),
        ("[referral.immediate_danger]", "[referral.danger]"),
    ],
)
def test_a_faulty_placement_is_underlined(old: str, new: str) -> None:
    texts = read_texts(PARTNERSHIP)
    schema = schemas(load_policy(texts))["placement.yaml"]
    assert underlined(schema, texts["placement.yaml"].replace(old, new, 1))


def test_every_sentence_that_is_offered_is_one_that_the_loader_takes() -> None:
    definitions = load_policy(TEXTS).dictionary.definitions
    offered = [text for one in definitions.values() for text in sentences(one)]
    assert len(offered) == len(set(offered))
    for text in offered:
        read_condition(parse_document(text, "policy.yaml"), Vocabulary(definitions))
