"""The first thing that a newcomer runs, on whatever Python they have."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what bootstrap.py reads, with an environment that has nothing in it."""
    for name in ("bootstrap.py", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, tmp_path)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")], check=True)
    return tmp_path


def python(tree: Path, code: str) -> subprocess.CompletedProcess[str]:
    script = f"import bootstrap\n{code}"
    return subprocess.run(
        [sys.executable, "-c", script], cwd=tree, capture_output=True, text=True, check=False
    )


def test_an_older_python_is_told_what_is_needed_in_one_sentence(tree: Path) -> None:
    done = python(tree, "bootstrap.OLDEST = (4, 0)\nbootstrap.main('run')")
    assert done.returncode == 1
    assert done.stderr.startswith("MASH Triage needs Python 4.0 or later, and ")
    assert len(done.stderr.splitlines()) == 1


def test_older_pythons_can_read_it_far_enough_to_say_so() -> None:
    ast.parse((ROOT / "bootstrap.py").read_text(), feature_version=(3, 7))


def test_an_environment_is_rebuilt_when_the_lock_changes_or_the_tree_moves_and_not_otherwise(
    tree: Path,
) -> None:
    stamp = "bootstrap.STAMP.write_text(f\"{bootstrap.fingerprint('dev')}\\n{bootstrap.ROOT}\\n\")"
    ask = "print(bootstrap.is_current('run'), bootstrap.is_current('dev'))"
    assert python(tree, ask).stdout == "False False\n"
    assert python(tree, f"{stamp}\n{ask}").stdout == "True True\n"
    assert python(tree, f"{stamp.replace('dev', 'run')}\n{ask}").stdout == "True False\n"

    assert python(tree, f"{stamp}\n{ask}").stdout == "True True\n"
    lock = tree / "requirements-dev.lock"
    text = lock.read_text()
    lock.write_text(text.replace("sha256:a", "sha256:b", 1))
    assert python(tree, ask).stdout == "False False\n"
    lock.write_text(text)
    assert python(tree, ask).stdout == "True True\n"
    moved = tree.rename(tree.with_name("moved"))
    assert python(moved, ask).stdout == "False False\n"


def test_uv_is_installed_at_its_locked_hash(tree: Path) -> None:
    text = python(tree, "print(bootstrap.locked('uv', bootstrap.LOCKS['run']))").stdout.strip()
    assert re.fullmatch(r"uv==[\d.]+ \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n?)+", text)
