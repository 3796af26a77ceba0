"""`mash policy register|adopt|in-force|shadow|backtest` and `mash case replay` on a real database."""

import asyncio
import json
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli import policy as cli_policy
from cli.main import app
from libs.platform.clock import SystemClock
from libs.platform.database import connect
from libs.platform.migrations import migrate
from libs.platform.provision import prepare
from libs.schemas.events import Service
from services.triage.policy import Policy, load_policy, read_texts
from services.triage.policy.claims import Claim, Finding, Report, Status
from tests.databases import execute

PARTNERSHIP = Path(__file__).resolve().parents[2] / "deploy" / "partnership"
SAID = ("--by", "A. Lead", "--reason", "the board agreed")


@pytest.fixture
async def address(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    await prepare(database, "postgres")
    await migrate(database, Service.TRIAGE, transport="postgres")
    monkeypatch.setenv("MASH_DATABASE_URL", database)
    return database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped policy of another version."""
    for name, text in read_texts(PARTNERSHIP).items():
        (tmp_path / name).write_text(text)
    document = yaml.load((tmp_path / "policy.yaml").read_text(), yaml.CBaseLoader)  # noqa: S506
    document.update(version="2", default={"level": "early_help", "rag": "amber"})
    text = yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
    (tmp_path / "policy.yaml").write_text(text)
    return tmp_path


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[Status]:
    """What the check is to say; the real one takes seconds and has its own tests."""
    says = [Status.PROVED]

    def check(policy: Policy, **_: object) -> Report:
        findings = (Finding("policy.yaml:1:1", "R-1", "falls"),) if says[0] is Status.REFUTED else ()
        claim = Claim("falls", "Nothing falls", says[0], "", findings)
        return Report(policy.id, policy.version, policy.fingerprint, (claim,))

    monkeypatch.setattr(cli_policy, "check_policy", check)
    return says


async def run(*arguments: str) -> tuple[int, str]:
    """In a thread: the command has an event loop of its own."""
    result = await asyncio.to_thread(CliRunner().invoke, app, list(arguments))
    return result.exit_code, result.output


def ahead(**distance: float) -> str:
    return f"{SystemClock().now() + timedelta(**distance):%Y-%m-%dT%H:%M:%SZ}"


async def rows(address: str, statement: str) -> list[Any]:
    connection = await connect(address, service=Service.TRIAGE)
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close()


async def test_adopting_checks_stores_and_puts_in_force_with_who_and_why(
    address: str, folder: Path, checks: list[Status]
) -> None:
    policy = load_policy(read_texts(folder))
    code, output = await run("policy", "adopt", str(folder), "--from", ahead(hours=1), *SAID)
    assert (code, policy.fingerprint in output) == (0, True), output
    (row,) = await rows(address, "SELECT * FROM policy_in_force")
    assert (row["fingerprint"], row["mode"], row["by"], row["reason"]) == (
        policy.fingerprint,
        "live",
        "A. Lead",
        "the board agreed",
    )
    (stored,) = await rows(address, "SELECT * FROM policy")
    assert json.loads(stored["texts"]) == dict(policy.texts)
    assert json.loads(stored["proof"])["holds"] is True
    code, output = await run(
        "policy", "adopt", policy.fingerprint[:8], "--from", ahead(hours=2), "--shadow", *SAID
    )
    assert (code, "shadow" in output) == (0, True), output
    code, output = await run("policy", "end-shadow", policy.fingerprint[:8], "--from", ahead(hours=3), *SAID)
    assert code == 0, output
    code, output = await run("policy", "in-force")
    assert [mode for mode in ("live", "shadow", "ended") if mode in output] == ["live", "shadow", "ended"], (
        output
    )


async def test_a_refuted_policy_is_refused_with_the_place_and_changes_nothing(
    address: str, folder: Path, checks: list[Status]
) -> None:
    checks[0] = Status.REFUTED
    code, output = await run("policy", "adopt", str(folder), "--from", ahead(hours=1), *SAID)
    assert code == 1
    assert "policy.yaml:1:1: R-1: falls" in output
    assert await rows(address, "SELECT FROM policy") == []


async def test_where_nothing_can_be_proved_it_says_so(
    address: str, folder: Path, checks: list[Status]
) -> None:
    checks[0] = Status.NOT_TRIED
    code, output = await run("policy", "register", str(folder))
    assert (code, "Not everything can be proved here" in output) == (0, True), output
    code, output = await run("policy", "in-force")
    assert "registered" in output
    assert "in part" in output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from", "2026-01-01T00:00:00Z", *SAID), "at least a minute ahead"),
        (("--from", "tomorrow", *SAID), "takes an instant"),
        (("--from", "2126-01-01T00:00:00", *SAID), "with its offset"),
        (("--from", "2126-01-01T00:00:00Z", "--by", " ", "--reason", "why"), "must say something"),
    ],
)
async def test_adopting_refuses_what_is_not_said_properly(
    address: str, folder: Path, checks: list[Status], arguments: tuple[str, ...], says: str
) -> None:
    code, output = await run("policy", "adopt", str(folder), *arguments)
    assert (code, says in output) == (1, True), output


async def test_a_policy_that_is_not_registered_or_wrong_is_told(
    address: str, folder: Path, checks: list[Status]
) -> None:
    code, output = await run("policy", "adopt", "0" * 64, "--from", ahead(hours=1), *SAID)
    assert (code, "No registered policy begins so" in output) == (1, True)
    text = (folder / "policy.yaml").read_text()
    (folder / "policy.yaml").write_text(text.replace("child.hunger is", "child.hungre is"))
    code, output = await run("policy", "register", str(folder))
    assert (code, "did you mean `child.hunger`" in output) == (1, True), output


async def test_a_shadow_is_named_by_its_folder_as_the_guide_names_it(
    address: str, folder: Path, checks: list[Status]
) -> None:
    code, output = await run("policy", "shadow", str(folder))
    assert (code, "is not registered" in output) == (1, True), output
    code, output = await run("policy", "adopt", str(folder), "--from", ahead(hours=2), "--shadow", *SAID)
    assert code == 0, output
    code, output = await run("policy", "shadow", str(folder))
    assert (code, "Nothing was evaluated by it in the shadow yet." in output) == (1, True), output
    code, output = await run("policy", "end-shadow", str(folder), "--from", ahead(hours=3), *SAID)
    assert (code, "leaves the shadow" in output) == (0, True), output
    (folder / "policy.yaml").write_text("id: [")
    code, output = await run("policy", "shadow", str(folder))
    assert (code, "policy.yaml:2:1: not YAML" in output) == (1, True), output


async def test_a_shadow_without_evaluations_says_so(address: str, folder: Path, checks: list[Status]) -> None:
    await run("policy", "register", str(folder))
    fingerprint = load_policy(read_texts(folder)).fingerprint
    code, output = await run("policy", "shadow", fingerprint)
    assert (code, "Nothing was evaluated" in output) == (1, True), output
    for case in range(30):
        level = "early_help" if case < 27 else "section_17"
        await execute(
            address,
            "INSERT INTO triage.shadow_evaluation VALUES"
            f" ('{fingerprint}', '{uuid.uuid4()}', 1, '2026-11-23', '{level}', 'amber', 'universal', 'green')",
        )
    code, output = await run("policy", "shadow", fingerprint)
    assert code == 0
    assert "30" in output
    assert "27" not in output, "a small number could be had by taking it from the total"


async def test_a_backtest_of_a_file_compares_two_folders_on_several_processes(
    folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "facts.jsonl"
    child = {"facts": [{"fact": "child.hunger", "value": "none"}], "attributes": {"ward": "Park"}}
    file.write_text((json.dumps(child) + "\n") * 40)
    command = (
        "policy",
        "backtest",
        str(folder),
        "--file",
        str(file),
        "--against",
        str(PARTNERSHIP),
        "--json",
    )
    code, output = await run(*command, "--workers", "2")
    assert code == 0, output
    report = json.loads(output)
    assert report["children"] == 40
    assert report["levels"]["early_help"] == "40"
    assert report["changes"]["measures"]["level rises"] == "40"
    assert report["changes"]["groups"]["ward"]["Park"]["urgency rises"] == "40"
    file.write_text(file.read_text() + "{}\n")
    code, output = await run(*command)
    assert (code, "1 lines could not be read" in output) == (1, True), output


async def test_a_backtest_of_what_is_stored_needs_something_stored(address: str, folder: Path) -> None:
    code, output = await run("policy", "backtest", str(folder))
    assert (code, "nothing to apply it to" in output) == (1, True), output


async def test_replaying_names_what_differs_fails_and_is_kept(address: str, checks: list[Status]) -> None:
    code, output = await run("case", "replay", "--all")
    assert (code, "There is no case" in output) == (1, True), output
    code, output = await run("case", "replay")
    assert code == 2
    read = await rows(address, "SELECT action, client_id FROM access")
    assert [tuple(row) for row in read] == [("case.replay", "mash")]
