"""The sharing commands print the agreement, name what is wrong, and end accordingly."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app

PARTNERSHIP = Path("deploy/partnership")


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["sharing", *arguments])
    return result.exit_code, result.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(PARTNERSHIP, tmp_path / "partnership")
    return tmp_path / "partnership"


def test_the_agreement_is_printed_in_english_for_paper_and_screen() -> None:
    code, text = run("explain", "--on", "2026-11-25")
    assert code == 0
    assert "Cambridgeshire Constabulary" in text
    assert "agreement is not needed: no answer of theirs stops the question" in " ".join(text.split())
    code, page = run("explain", "--format", "html", "--agency", "marac", "--on", "2030-05-01")
    assert code == 0
    assert page.startswith("<!doctype html>")
    assert "EXPIRED" in page
    assert "Constabulary" not in page


def test_an_agency_that_there_is_not_is_told_with_the_nearest_one() -> None:
    code, text = run("explain", "--agency", "plice")
    assert code == 1
    assert "did you mean `police`?" in text


def test_the_shipped_agreement_fits_the_shipped_agencies_and_dictionary() -> None:
    code, text = run("check", "--on", "2026-11-25")
    assert "0 to put right" in text
    assert code == 0


def test_what_is_wrong_is_told_and_ends_with_1(folder: Path) -> None:
    code, text = run("check", str(folder), "--on", "2030-03-01")
    assert code == 1
    assert "marac: ends on 31 March 2030, in 30 days" in text
    code, text = run("check", str(folder), "--on", "2030-03-01", "--json")
    assert code == 1
    report = json.loads(text)
    assert report["holds"] is False
    assert any((one["agency"], one["kind"]) == ("marac", "expiry") for one in report["findings"])


def test_a_field_that_an_agencys_own_file_does_not_send_on_is_told(folder: Path) -> None:
    (folder / "agencies.yaml").unlink(missing_ok=True)
    agencies = folder / "agencies"
    shutil.rmtree(agencies, ignore_errors=True)
    agencies.mkdir()
    ask = "{post: /search, body: {surname: child.family_name, born: day(child.born.on), upn: child.upn}}"
    lead = "lead: {name: The lead, client: education-lead}"
    (agencies / "education.yaml").write_text(f"name: Schools\n{lead}\ndialect:\n  ask: {ask}\n")
    _, text = run("check", str(folder))
    assert "education: the field `school` is listed" in text
    assert "education: the field `upn` is listed" not in text


def test_a_mistake_in_the_file_is_named_with_its_place(folder: Path) -> None:
    file = folder / "sharing.yaml"
    file.write_text(file.read_text().replace("share: content", "share: contnet", 1))
    for command in ("check", "explain"):
        code, text = run(command, str(folder))
        assert code == 1
        assert "sharing.yaml:" in text
        assert "did you mean `content`?" in text
