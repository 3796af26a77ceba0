"""The policy commands say what holds, name what does not, and end accordingly."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.services.triage.policy.small import TEXTS, changed, line_of


def run(*arguments: str, typed: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(app, ["policy", *arguments], input=typed)
    return result.exit_code, result.output


def folder(path: Path, texts: dict[str, str]) -> str:
    path.mkdir(exist_ok=True)
    for name, text in texts.items():
        (path / name).write_text(text, encoding="utf-8")
    return str(path)


def test_a_policy_that_holds_ends_well(tmp_path: Path) -> None:
    code, output = run("check", folder(tmp_path, TEXTS))
    assert code == 0
    assert "small 1 holds: 12 claims" in output


def test_what_does_not_hold_is_named_with_place_and_case_and_ends_with_1(tmp_path: Path) -> None:
    texts = changed(("household.call_outs: 1,", "household.call_outs: 3,"))
    code, output = run("check", folder(tmp_path, texts))
    assert code == 1
    place = line_of(texts, "one-call:")
    assert f"{place}3: one-call: should be early help at the most" in output
    assert "1 refuted of 12 claims" in output


def test_a_file_with_mistakes_is_refused_with_all_of_them(tmp_path: Path) -> None:
    texts = changed(("domain: abuse", "domain: abus"), ("police_now]\n  R-4", "police_nwo]\n  R-4"))
    code, output = run("check", folder(tmp_path, texts))
    assert code == 1
    assert "did you mean `abuse`?" in output
    assert "did you mean `police_now`?" in output


def test_an_agency_that_is_none_of_the_partnerships_is_refused(tmp_path: Path) -> None:
    made = folder(tmp_path, TEXTS)
    (tmp_path / "agencies").mkdir()
    for agency in ("police", "health"):
        (tmp_path / "agencies" / f"{agency}.yaml").write_text("kind: pulled\n")
    code, output = run("check", made)
    assert code == 1
    assert "unknown source `education`" in output


def test_the_report_is_there_for_programs(tmp_path: Path) -> None:
    code, output = run("check", folder(tmp_path, TEXTS), "--json")
    report = json.loads(output)
    assert code == 0
    assert report["holds"] is True
    assert {claim["status"] for claim in report["claims"]} == {"proved"}


def test_what_the_loader_refuses_is_there_for_programs_too(tmp_path: Path) -> None:
    code, output = run("check", folder(tmp_path, changed(("domain: abuse", "domain: abus"))), "--json")
    assert code == 1
    report = json.loads(output)
    assert report["holds"] is False
    assert "did you mean `abuse`?" in report["faults"][0]


def test_the_quick_check_needs_no_solver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.triage.policy.check.available", lambda: False)
    path = folder(tmp_path, TEXTS)
    assert run("check", path, "--quick")[0] == 0
    code, output = run("check", path)
    assert code == 1
    assert "needs the solver, which is not installed" in output
    assert "7 not tried" in output


@pytest.mark.parametrize(
    ("format", "start"),
    [
        ("text", "Thresholds: small, version 1\n="),
        ("markdown", "# Thresholds: small, version 1"),
        ("html", "<!doctype html>"),
    ],
)
def test_the_policy_is_explained_in_every_format(tmp_path: Path, format: str, start: str) -> None:
    code, output = run("explain", "--policy", folder(tmp_path, TEXTS), "--format", format)
    assert code == 0
    assert output.startswith(start)
    assert "Every guarantee holds for every child" in output


def test_one_rule_is_explained_and_one_that_is_not_there_is_suggested(tmp_path: Path) -> None:
    path = folder(tmp_path, TEXTS)
    assert run("explain", "R-1", "--policy", path)[1].startswith("R-1: An injury")
    code, output = run("explain", "R1", "--policy", path)
    assert code == 1
    assert "no rule `R1`; did you mean `R-1`?" in output


NORTH = {
    "facts": [{"fact": "household.call_outs", "value": 2, "source": "police"}],
    "attributes": {"ward": "North"},
}
SOUTH = {
    "facts": [{"fact": "child.injury", "value": "inflicted"}],
    "answers": {"police": "nothing_held"},
    "attributes": {"ward": "South"},
}
STORED = [NORTH] * 6 + [SOUTH]


def test_two_versions_are_compared_over_every_child_and_over_stored_ones(tmp_path: Path) -> None:
    old = folder(tmp_path / "old", TEXTS)
    later = tmp_path / "old" / "later.yaml"
    later.write_text(TEXTS["policy.yaml"].replace("call_outs is at least 3", "call_outs is at least 2"))
    stored = tmp_path / "stored.jsonl"
    stored.write_text("\n".join(map(json.dumps, STORED)) + "\n")
    code, output = run("diff", old, str(later), "--over", str(stored))
    assert code == 0
    assert "Changed (condition); only raises." in output
    assert "police call-outs in a year: 2. Everything else" in " ".join(output.split())
    assert "Of 7 children" in output
    document = json.loads(run("diff", old, str(later), "--over", str(stored), "--json")[1])
    assert document["rules"][0]["direction"] == "only raises"
    assert document["changes"]["groups"]["ward"]["North"]["level rises"] == "6"
    assert document["changes"]["groups"]["ward"]["South"]["children"] == "fewer than 5"


def test_two_versions_are_not_compared_without_the_solver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.policy.available", lambda: False)
    path = folder(tmp_path, TEXTS)
    code, output = run("diff", path, path)
    assert code == 1
    assert "install the extra `policy`" in output


@pytest.mark.parametrize(
    "line",
    ['{"facts": 3}', "no json", '{"facts": [{"fact": "child.injury", "value": "a secret"}], "more": 1}'],
)
def test_a_stored_child_that_does_not_fit_is_named_by_its_line_alone(tmp_path: Path, line: str) -> None:
    path = folder(tmp_path, TEXTS)
    stored = tmp_path / "stored.jsonl"
    stored.write_text(f"{json.dumps(STORED[0])}\n{line}\n")
    code, output = run("diff", path, path, "--over", str(stored))
    assert code == 1
    assert "line 2" in output
    assert "secret" not in output


def test_a_rule_is_written_from_options_or_from_answers(tmp_path: Path) -> None:
    path = folder(tmp_path, TEXTS)
    options = [
        "--id",
        "R-8",
        "--title",
        "Often missing",
        "--cite",
        "page 9",
        "--level",
        "early_help",
        "--rag",
        "green",
    ]
    code, output = run(
        "new-rule",
        "--policy",
        path,
        *options,
        "--domain",
        "abuse",
        "--when",
        "household.call_outs is at least 2",
    )
    assert code == 0, output
    assert "R-8 stands at" in output
    typed = (
        "R-9\nAlone\npage 6\nsection_17\namber\nneglect\nchild.left_alone is yes\nchild.age is under 12\n\n"
    )
    assert run("new-rule", "--policy", path, typed=typed)[0] == 0
    assert run("check", path)[0] == 0


def test_a_rule_that_is_refused_or_only_shown_is_not_written(tmp_path: Path) -> None:
    path = folder(tmp_path, TEXTS)
    options = [
        "--domain",
        "abuse",
        "--id",
        "R-8",
        "--title",
        "t",
        "--cite",
        "c",
        "--level",
        "early_help",
        "--rag",
        "green",
    ]
    code, output = run("new-rule", "--policy", path, *options, "--when", "household.call_out is at least 2")
    assert code == 1
    assert "Nothing is written." in output
    assert "did you mean `household.call_outs`?" in output
    code, output = run(
        "new-rule", "--policy", path, *options, "--when", "household.call_outs is at least 2", "--show"
    )
    assert code == 0
    assert "  R-8:\n" in output
    assert (tmp_path / "policy.yaml").read_text() == TEXTS["policy.yaml"]


def test_schemas_are_printed_or_written(tmp_path: Path) -> None:
    path = folder(tmp_path, TEXTS)
    assert json.loads(run("schema", "policy.yaml", "--policy", path)[1])["title"] == "policy.yaml"
    assert run("schema", "--into", str(tmp_path / "schemas"), "--policy", path)[0] == 0
    assert sorted(file.name for file in (tmp_path / "schemas").iterdir()) == [
        "actions.schema.json",
        "facts.schema.json",
        "placement.schema.json",
        "policy.schema.json",
    ]
    assert run("schema", "teams.yaml", "--policy", path)[0] == 1
