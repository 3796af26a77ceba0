"""Schemathesis plays callers that send anything to a running service."""

import asyncio
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

LONG = os.environ.get("MASH_FUZZ") == "long"
EXAMPLES = 20 if LONG else 2
"""Random requests of each kind and operation, beside the hundreds that cover each bound of each schema.

The long form makes as many again, of other values, until its time is over.
"""
LONG_SECONDS = int(os.environ.get("MASH_FUZZ_SECONDS", "100"))
"""What the long form gives each group of operations, so often as its `share` says."""
LIMIT = 4 * LONG_SECONDS + 120 if LONG else 180
"""Seconds that a test may take that looks for faults."""
REFUSALS = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]
"""Answers that refuse a request: schemathesis' own, and 413, which it does not know."""
STORAGE = Path(__file__).resolve().parents[1] / ".hypothesis"

_SUMMARY = re.compile(r"^(?: +Selected| +Tested| +\d+ generated|Seed|  ⚠).*", re.MULTILINE)

Record = Callable[[str, object], None]
"""pytest's `record_property`."""


async def faults_found(
    url: str,
    token: str,
    folder: Path,
    *,
    parameters: Mapping[str, str],
    record: Record,
    paths: str = ".*",
    at_least: int = 50,
    valid_is_taken: bool = True,
    share: float = 1,
    large: bool = False,
    operations: str = "",
) -> str | None:
    """What a bounded run of all checks found wrong, or None. `parameters`: values of paths that lead somewhere.

    `record`: is told how many requests were made. `paths`: a regular expression of the operations to try. `at_least`:
    fewer generated requests than these mean that the run tried nothing, which counts as a fault. `valid_is_taken`: a
    request of the right form must be accepted; not so where that hangs on more than its form. `share`: how many times
    as long as others the long form (MASH_FUZZ=long) takes; the short one goes once over every operation, however busy
    the machine. `large`: schemas whose bounds take minutes to cover, which is left to the long form.
    `operations`: settings of single operations, as schemathesis' own configuration has them.
    """
    phases = "fuzzing" if large and not LONG else "examples,coverage,fuzzing"
    bounded = ("--max-time", str(int(LONG_SECONDS * share))) if LONG else ()
    excluded = () if valid_is_taken else ("--exclude-checks", "positive_data_acceptance")
    # The long form tries other values each time, and says by which seed to try them again.
    seed = ("--continue-on-failure",) if LONG else ("--seed", "1")
    folder.mkdir(parents=True, exist_ok=True)
    listed = "".join(f'"{name}" = "{value}"\n' for name, value in parameters.items())
    (folder / "schemathesis.toml").write_text(
        f"[checks.negative_data_rejection]\nexpected-statuses = {REFUSALS}\n[parameters]\n{listed}{operations}"
    )
    run = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "schemathesis.cli", "--config-file", str(folder / "schemathesis.toml")),
        *("run", f"{url}/openapi.json", "--workers", "1", "--phases", phases, "-n", str(EXAMPLES)),
        *("--include-path-regex", paths, *bounded, *excluded, *seed),
        *("--header", f"Authorization: Bearer {token}", "--generation-database", "none", "--no-color"),
        cwd=folder,
        # What hypothesis knows of characters takes it seconds to work out, and is kept there.
        env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(STORAGE)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await run.communicate())[0].decode()
    record("tried", "; ".join(line.strip() for line in _SUMMARY.findall(output)))
    generated = re.search(r"(\d+) generated", output)
    enough = generated is not None and int(generated[1]) >= at_least
    if enough and run.returncode == 0:
        return None
    if generated is not None and run.returncode != 0:
        return "\n".join(line[:300] for line in output.splitlines())[-12_000:]
    return f"too few requests were generated:\n{output[-2000:]}"
