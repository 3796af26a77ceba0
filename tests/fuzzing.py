"""Schemathesis plays callers that send anything to a running service."""

import asyncio
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

PHASES = "examples,coverage,fuzzing"
EXAMPLES = int(os.environ.get("MASH_FUZZ_EXAMPLES", "2"))
"""Random requests of each kind and operation, beside the hundreds that cover each bound of each schema."""


async def faults_found(
    url: str,
    token: str,
    folder: Path,
    *,
    parameters: Mapping[str, str],
    paths: str = ".*",
    at_least: int = 50,
    valid_is_taken: bool = True,
    seconds: int | None = None,
    operations: str = "",
) -> str | None:
    """What a bounded run of all checks found wrong, or None. `parameters`: values of paths that lead somewhere.

    `paths`: a regular expression of the operations to try. `at_least`: fewer generated requests than these mean that
    the run tried nothing, which counts as a fault. `valid_is_taken`: a request of the right form must be accepted;
    not so where that hangs on more than its form. `seconds`: ends the run after so long, for large schemas.
    `operations`: settings of single operations, as schemathesis' own configuration has them.
    """
    bound = () if seconds is None else ("--max-time", str(seconds))
    excluded = () if valid_is_taken else ("--exclude-checks", "positive_data_acceptance")
    folder.mkdir(parents=True, exist_ok=True)
    listed = "".join(f'"{name}" = "{value}"\n' for name, value in parameters.items())
    (folder / "schemathesis.toml").write_text(f"[parameters]\n{listed}{operations}")
    run = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "schemathesis.cli", "--config-file", str(folder / "schemathesis.toml")),
        *("run", f"{url}/openapi.json", "--workers", "1", "--phases", PHASES, "-n", str(EXAMPLES)),
        *("--include-path-regex", paths, *bound, *excluded),
        *("--header", f"Authorization: Bearer {token}", "--seed", "1", "--no-color"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await run.communicate())[0].decode()
    generated = re.search(r"(\d+) generated", output)
    if run.returncode != 0:
        return output[-6000:]
    if generated is None or int(generated[1]) < at_least:
        return f"too few requests were generated:\n{output[-2000:]}"
    return None
