"""What the guide for the owner of the thresholds shows can be done as it is shown."""

import json
import re
from pathlib import Path

from typer.testing import CliRunner

from cli.main import app
from cli.policy import PARTNERSHIP
from services.triage.policy import load_policy, read_texts
from services.triage.policy.check import steps
from services.triage.policy.claims import Status
from services.triage.policy.stored import read_stored

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
TEXTS = read_texts(ROOT / PARTNERSHIP)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def test_its_rule_guarantee_and_golden_case_hold_in_the_shipped_policy() -> None:
    rule, rest = blocks("yaml")
    guarantee, golden = rest.removeprefix("guarantees:\n").split("golden:\n")
    text = TEXTS["policy.yaml"]
    for section, part in (("rules", rule), ("guarantees", guarantee), ("golden", golden)):
        assert text.count(f"\n{section}:\n") == 1
        text = text.replace(f"\n{section}:\n", f"\n{section}:\n{part}")
    policy = load_policy({**TEXTS, "policy.yaml": text})
    assert policy.rules[0].id == "SUPERVISION-3C"
    claims = [step.claim() for step in steps(policy) if step.id in ("golden", "rules_count", "guarantees")]
    assert [str(finding) for claim in claims for finding in claim.findings] == []
    assert {claim.status for claim in claims} == {Status.PROVED}


def test_every_command_that_it_names_is_there_with_its_options() -> None:
    named = set(re.findall(r"mash policy ([a-z-]+)", GUIDE))
    assert named >= {
        "check",
        "explain",
        "diff",
        "new-rule",
        "schema",
        "decide",
        "backtest",
        "adopt",
        "register",
    }
    for command in named:
        result = CliRunner().invoke(app, ["policy", command, "--help"], env={"COLUMNS": "200"})
        assert result.exit_code == 0, command
        for options in re.findall(rf"mash policy {command} ([^\n`]*)", GUIDE):
            for option in re.findall(r"--[a-z-]+", options):
                assert option in result.output, f"{command} {option}"


def test_its_line_of_a_stored_child_is_read() -> None:
    (line,) = [block for block in blocks("json") if '"facts":' in block]
    ((facts, attributes),) = read_stored(line.splitlines())
    assert {one.fact.fact for one in facts.stated} <= load_policy(TEXTS).dictionary.definitions.keys()
    assert attributes["ward"] == "North"
    settings = next(block for block in blocks("json") if "yaml.schemas" in block)
    assert set(json.loads(settings)["yaml.schemas"].values()) == {f"next/{name}" for name in TEXTS}
