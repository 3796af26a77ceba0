"""Schemathesis plays callers that send anything to a running service."""

import asyncio
import re
import sys
from collections.abc import Mapping
from pathlib import Path

PHASES = "examples,coverage,fuzzing"


async def faults_found(
    url: str,
    token: str,
    folder: Path,
    *,
    parameters: Mapping[str, str],
    examples: int = 4,
    at_least: int = 50,
) -> str | None:
    """What a bounded run of all checks found wrong, or None. `parameters`: values of paths that lead somewhere.

    `at_least`: fewer generated requests than these mean that the run tried nothing, which counts as a fault.
    """
    folder.mkdir(parents=True, exist_ok=True)
    listed = "".join(f'"{name}" = "{value}"\n' for name, value in parameters.items())
    (folder / "schemathesis.toml").write_text(f"[parameters]\n{listed}")
    run = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "schemathesis.cli", "--config-file", str(folder / "schemathesis.toml")),
        *("run", f"{url}/openapi.json", "--workers", "1", "--phases", PHASES, "-n", str(examples)),
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
