"""The console is on top of the API: it knows the operations, and nothing of what is behind them."""

import ast
from collections.abc import Iterator
from pathlib import Path

CONSOLE = Path(__file__).resolve().parents[4] / "services" / "triage" / "console"
OWN = "services.triage.console"


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_the_console_imports_nothing_else_of_any_service() -> None:
    modules = list(CONSOLE.glob("**/*.py"))
    assert len(modules) > 10
    for path in modules:
        others = {
            name for name in imported(path) if name.startswith("services.") and not name.startswith(OWN)
        }
        assert others == set(), f"{path.name} imports {others}"


def test_only_drafts_are_stored_by_the_console() -> None:
    """Whatever else changes does so by an operation, with its rules and its note of who did it."""
    for path in CONSOLE.glob("*.py"):
        touches = ".pool" in path.read_text() or "asyncpg" in path.read_text()
        assert touches == (path.name == "drafts.py"), path.name
