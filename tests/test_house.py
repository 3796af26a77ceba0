"""What holds for the whole repository, whichever module is touched."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from stdnum.gb import nhs

from libs.schemas.events import Service

ROOT = Path(__file__).resolve().parents[1]
LONGEST_MODULE = 400
CODE = ("libs", "services", "sandbox", "cli", "bench", "tests")
REGISTRIES = re.compile(
    r"(?:files\.pythonhosted|pypi)\.org|registry\.(?:npmjs|yarnpkg)\.\w+|repo\d?\.maven(?:\.apache)?\.org|"
    r"maven\.org/maven2|(?:static\.)?crates\.io|proxy\.golang\.org|(?:deb|security)\.debian\.org|docker\.io|ghcr\.io"
)
MACHINE_PATHS = re.compile(
    r"/(?<![\w.-]/)(?:work|root|tmp/[a-z]+venv|home/[a-z]\w*|Users/\w+)/(?!bash)[\w.-]+"
)
TEN_DIGITS = re.compile(r"(?<![\w.-])\d{3}[ -]?\d{3}[ -]?\d{4}(?![\w-]|\.\d)")


@cache
def tracked() -> tuple[Path, ...]:
    """The files that git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return tuple(ROOT / name for name in listed if name and (ROOT / name).is_file())


def texts() -> Iterator[tuple[str, str]]:
    """Path and text of every tracked file that is text, except this one, which names what it looks for."""
    for path in tracked():
        if path == Path(__file__).resolve():
            continue
        try:
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def modules() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in CODE]


@pytest.mark.timeout(120)
def test_dependencies_point_one_way() -> None:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
        "--no-cache",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_vocabulary_imports_pydantic_a_yaml_reader_and_nothing_else() -> None:
    allowed = {*sys.stdlib_module_names, "pydantic", "pydantic_core", "yaml", "typing_extensions"}
    for path in (ROOT / "libs" / "schemas").glob("**/*.py"):
        for name in imports(path):
            assert name.split(".")[0] in allowed or name.startswith("libs.schemas"), (
                f"{path.name} imports {name}"
            )


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""


def test_no_module_grows_beyond_what_one_reads_in_a_sitting() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules()}
    assert lengths
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


@pytest.mark.parametrize("service", Service)
def test_every_service_has_a_composition_root_and_can_be_run(service: Service) -> None:
    folder = ROOT / "services" / service.value
    assert (folder / "app.py").is_file()
    assert (folder / "__main__.py").is_file()
    assert (folder / "settings.py").is_file()


def test_no_module_keeps_state() -> None:
    """Names of a module are constants, types and functions: what can change would be shared by all its users."""
    for path in modules():
        relative = path.relative_to(ROOT)
        if relative.parts[0] in {"libs", "services"} and "versions" not in relative.parts:
            assert list(state(path.read_text())) == [], relative


def state(text: str) -> Iterator[str]:
    """What a module binds to a mutable display under a name that is no constant's, and its `global` statements."""
    mutable = (ast.List, ast.Set, ast.Dict, ast.ListComp, ast.SetComp, ast.DictComp)
    module = ast.parse(text)
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, mutable):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            yield from (name for name in names if not name.isupper() and not name.startswith("__"))
    for inner in ast.walk(module) if "global" in text else ():
        if isinstance(inner, ast.Global):
            yield from inner.names


def test_no_file_names_a_registry_or_a_place_on_somebodys_machine() -> None:
    for name, text in texts():
        for found in (REGISTRIES.search(text), MACHINE_PATHS.search(text)):
            assert found is None, f"{name} names {found.group()}"


def test_every_nhs_number_is_one_that_nobody_has() -> None:
    """Numbers from 999 are reserved for tests (NHS Data Dictionary); any other valid one could be a person's.

    One number in eleven is valid by chance; round ones, such as times in seconds, are let pass.
    """
    for name, text in texts():
        if name.endswith((".lock", "lock.toml")):
            continue
        for match in TEN_DIGITS.finditer(text):
            digits = nhs.compact(match.group())
            if nhs.is_valid(digits) and not digits.endswith("00000"):
                assert digits.startswith("999"), (
                    f"{name} holds an NHS number that may be real at {match.start()}"
                )


def _loose_parameters(path: Path) -> Iterator[str]:
    """Numbers and yes/no of a path, query or header that are read as pydantic alone reads them."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)) if "Annotated" in text else ():
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Annotated":
            kind, *rest = [ast.unparse(part) for part in ast.walk(node.slice) if isinstance(part, ast.expr)][
                1:
            ]
            names = {part.partition("(")[0] for part in rest}
            wanted = {"int": "WHOLE", "bool": "TRUE_FALSE"}.get(kind.removesuffix(" | None"))
            if wanted and names & {"Query", "Path", "Header"} and wanted not in names:
                yield f"{path.relative_to(ROOT)}:{node.lineno} lacks {wanted}"


def test_numbers_and_yes_or_no_in_parameters_are_read_as_they_are_described() -> None:
    operations = [path for path in modules() if path.relative_to(ROOT).parts[0] in ("services", "libs")]
    assert [fault for path in operations for fault in _loose_parameters(path)] == []
