"""Whoever edits the partnership's files is told by every service where a mistake stands, before anything starts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libs.schemas.document import DocumentError
from sandbox.notify import load_templates
from services.intake import hub as intake_hub
from services.intake.app import build as build_intake
from services.intake.settings import IntakeSettings
from services.notify.wording import load_wording

PARTNERSHIP = Path(__file__).parents[2] / "deploy" / "partnership"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return shutil.copytree(PARTNERSHIP, tmp_path / "partnership")


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_intake_looks_at_the_files_before_it_serves(files: Path) -> None:
    change(files / "facts.yaml", "polarity: risk", "polarity: riskk")
    settings: dict[str, Any] = {
        "environment": "test",
        "database_url": "postgresql://nobody@127.0.0.1:1/nothing",
        "issuer": "http://127.0.0.1:1",
        "jwks_url": "http://127.0.0.1:1/jwks",
        "cursor_secret": "s" * 32,
        "events": "postgres",
        "partnership_dir": files,
    }
    with pytest.raises(DocumentError, match=r"facts\.yaml:\d+:\d+: .*riskk.*did you mean `risk`"):
        build_intake(IntakeSettings(**settings))


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("hub.yaml", "telephone: ", "telephon: ", r"hub\.yaml:\d+:\d+: `telephone`: this key is missing"),
        ("hub.yaml", "name: ", "name: [", r"hub\.yaml:\d+:\d+: not YAML"),
        (
            "wording.yaml",
            "\ndecided:",
            "\ndecided: no\nother:",
            r"wording\.yaml:\d+:\d+: `decided`: expected keys",
        ),
        (
            "wording.yaml",
            "next_step:",
            "nextstep:",
            r"wording\.yaml:\d+:\d+: `looked_at.next_step`: this key is missing",
        ),
    ],
)
@pytest.mark.parametrize(
    "load",
    [lambda files: (intake_hub.load_hub(files), intake_hub.load_wording(files)), load_wording],
    ids=["intake", "notify"],
)
def test_a_mistake_in_the_hubs_words_has_a_place(
    load: Callable[[Path], object], file: str, old: str, new: str, said: str, files: Path
) -> None:
    change(files / file, old, new)
    with pytest.raises(DocumentError, match=said):
        load(files)


@pytest.mark.parametrize("load", [load_wording, lambda files: load_templates(files / "wording.yaml")])
@pytest.mark.parametrize(
    ("old", "new"),
    [("templates:", "template:"), ("  receipt:", "  receipt: no\n  other:"), ("body:", "bodi:")],
)
def test_a_mistake_in_a_template_has_a_place(
    load: Callable[[Path], object], old: str, new: str, files: Path
) -> None:
    change(files / "wording.yaml", old, new)
    with pytest.raises(DocumentError, match=r"wording\.yaml:\d+:\d+: "):
        load(files)
