"""The console is on top of the API: it knows the operations, and nothing of what is behind them."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
TRIAGE = ROOT / "services" / "triage"
OWN = "services.triage.console"


def test_the_contract_keeps_the_console_from_every_other_module_of_triage() -> None:
    """`lint-imports` checks the contract; this keeps a new room from being forgotten in it."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (forbidden,) = [
        {*one["forbidden_modules"]} for one in linter["contracts"] if one.get("source_modules") == [OWN]
    ]
    modules = {path.stem for path in TRIAGE.glob("*.py")} | {
        path.parent.name for path in TRIAGE.glob("*/__init__.py")
    }
    assert forbidden == {f"services.triage.{name}" for name in modules - {"__init__", "console"}}


def test_only_drafts_are_stored_by_the_console() -> None:
    """Whatever else changes does so by an operation, with its rules and its note of who did it."""
    for path in (TRIAGE / "console").glob("*.py"):
        touches = ".pool" in path.read_text() or "asyncpg" in path.read_text()
        assert touches == (path.name == "drafts.py"), path.name
