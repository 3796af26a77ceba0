"""`mash agency check` tells what fits, and ends with status 1 where something does not."""

import json
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.services.enrichment.dialects.test_comparison import DOCUMENTS

FACTS = "deploy/partnership/facts.yaml"


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["agency", "check", *arguments])
    return result.exit_code, result.output


def test_a_file_that_fits_a_third_partys_document_ends_well() -> None:
    code, output = run(
        str(DOCUMENTS / "family_context.yaml"),
        "--against",
        str(DOCUMENTS / "family-context.yaml"),
        "--dictionary",
        FACTS,
        "--json",
    )
    assert code == 0, output
    assert {"finding": "mapped", "place": "ask.who.given_name", "says": "firstName: string"} in json.loads(
        output
    )["lines"]


def test_what_is_missing_ends_with_status_one(tmp_path: Path) -> None:
    changed = (DOCUMENTS / "family-context.yaml").read_text(encoding="utf-8").replace("firstName", "forename")
    (tmp_path / "theirs.yaml").write_text(changed, encoding="utf-8")
    file = str(DOCUMENTS / "family_context.yaml")
    code, output = run(file, "--against", str(tmp_path / "theirs.yaml"), "--dictionary", FACTS)
    assert code == 1
    assert "no `firstName`" in output


def test_a_faulty_file_is_refused_with_its_place(tmp_path: Path) -> None:
    faulty = (DOCUMENTS / "family_context.yaml").read_text(encoding="utf-8").replace("eviction", "evicton")
    (tmp_path / "housing.yaml").write_text(faulty, encoding="utf-8")
    theirs = str(DOCUMENTS / "family-context.yaml")
    code, output = run(str(tmp_path / "housing.yaml"), "--against", theirs, "--dictionary", FACTS)
    assert code == 1
    assert "did you mean `eviction`?" in output


def test_a_file_that_stands_in_no_partnership_asks_for_the_dictionary() -> None:
    code, output = run("examples/agencies/housing.yaml", "--against", str(DOCUMENTS / "family-context.yaml"))
    assert code == 1
    assert "--dictionary names the partnership's facts.yaml" in " ".join(output.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a: [", "child.yaml:2:1: not YAML: did not find expected node content"),
        (b"\xff\xfe", "child.yaml: cannot be read"),
        (b"{born: {on: 2015-02-30}}", "child.yaml:1:9: `born.on`: input should be a valid date"),
        (b"given_name: [4711]", "child.yaml:1:1: `given_name`: input should be a valid string"),
        (b"given_nam: 4711", "child.yaml:1:1: `given_nam`: this key is not known here"),
    ],
)
def test_a_child_that_cannot_be_asked_about_is_refused_in_a_sentence(
    text: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / "child.yaml").write_bytes(text)
    file, child = str(DOCUMENTS / "family_context.yaml"), str(tmp_path / "child.yaml")
    code, output = run(file, "--against", "http://127.0.0.1:9", "--dictionary", FACTS, "--child", child)
    assert (code, output.startswith(said)) == (1, True), output
    assert "4711" not in output


@pytest.mark.parametrize("text", [b"\xff\xfe", b"a: [", b"on: 2015-02-30", b"[1]", b"openapi: 2.0"])
def test_what_is_no_openapi_document_is_refused_in_a_sentence(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "theirs.yaml").write_bytes(text)
    file, theirs = str(DOCUMENTS / "family_context.yaml"), str(tmp_path / "theirs.yaml")
    code, output = run(file, "--against", theirs, "--dictionary", FACTS)
    assert code == 1
    assert output.replace("\n", "") in (
        f"{theirs}: cannot be read as text",
        f"{theirs}: no OpenAPI 3 document",
    )


def test_an_interface_that_does_not_answer_is_told_as_that() -> None:
    code, output = run(
        str(DOCUMENTS / "family_context.yaml"), "--against", "http://127.0.0.1:9", "--dictionary", FACTS
    )
    assert code == 1
    assert "unavailable (cannot_connect)" in output


def test_another_machine_is_never_sent_the_sandboxes_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.agency.httpx.get", refuse)
    file = DOCUMENTS / "family_context.yaml"
    code, output = run(str(file), "--against", "https://agency.example.org", "--dictionary", FACTS)
    assert code != 0
    assert "is not set: another machine is not sent the sandbox's key" in " ".join(output.split())


def refuse(*_: object, **__: object) -> httpx.Response:
    raise httpx.ConnectError("nobody is asked")
