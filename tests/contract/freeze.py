"""Freezes what this release writes and reads: `python -m tests.contract.freeze 2` for the second release.

A frozen release is never changed again; what it pins is what consumers of that release can read.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from libs.schemas.asyncapi import event_schemas

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "libs" / "schemas" / "golden"


def freeze(release: int) -> Path:
    """Writes the release's folder: `read.json`, `written.json` and `payloads/`. Raises FileExistsError."""
    folder = HERE / f"release_{release}"
    folder.mkdir()
    _write(folder / "read.json", event_schemas("read"))
    _write(folder / "written.json", event_schemas("written"))
    shutil.copytree(GOLDEN, folder / "payloads")
    return folder


def _write(path: Path, schemas: tuple[dict[str, Any], dict[str, Any]]) -> None:
    references, definitions = schemas
    path.write_text(json.dumps({"events": references, "$defs": definitions}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    print(freeze(int(sys.argv[1])))
