"""Schemathesis plays callers that send anything to a running service."""

import asyncio
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from libs.platform.clock import SystemClock
from libs.schemas.events import RECEIVED, Service
from tests import fuzzing_hooks

LONG = os.environ.get("MASH_FUZZ") == "long"
EXAMPLES = 20 if LONG else 2
"""Random requests of each kind and operation, beside the hundreds that cover each bound of each schema.

The long form makes as many again, of other values, until its time is over.
"""
LONG_SECONDS = int(os.environ.get("MASH_FUZZ_SECONDS", "100"))
"""What the long form gives each group of operations, so often as its `share` says."""
LIMIT = 4 * LONG_SECONDS + 240 if LONG else 240
"""Seconds that a test may take that looks for faults."""
REFUSALS = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]
"""Answers that refuse a request: schemathesis' own, and 413, which it does not know."""
ROOT = Path(__file__).resolve().parents[1]
STORAGE = ROOT / ".hypothesis"

_SUMMARY = re.compile(r"^(?: +Selected| +Tested| +\d+ generated|Seed|  ⚠).*", re.MULTILINE)

Record = Callable[[str, object], None]
"""pytest's `record_property`."""


@dataclass(frozen=True)
class Way:
    """A request that leads into an operation: it is right, and about something that exists."""

    path: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    """Who sends it, where that is somebody else than everywhere."""
    valid_is_taken: bool = True
    """Whether a request of the right form must be accepted; not so where that hangs on more than its form."""

    def written(self) -> dict[str, Any]:
        body = {} if self.body is None else {"body": self.body}
        return {"path": dict(self.path), "query": dict(self.query), "headers": dict(self.headers), **body}


async def faults_found(
    url: str,
    token: str,
    folder: Path,
    *,
    ways: Mapping[str, Way],
    record: Record,
    paths: str = ".*",
    valid_is_taken: bool = True,
    share: float = 1,
    large: bool = False,
) -> str | None:
    """What a bounded run of all checks found wrong, or None.

    `ways`: by operation ("GET /v1/queue"), a request that leads into it; an operation that needs nothing to be led to
    needs none. An operation that carried out no request at all counts as a fault, so that nothing is found in vain.
    `record`: is told how many requests were made. `paths`: a regular expression of the operations to try.
    `valid_is_taken`: a request of the right form must be accepted; not so where that hangs on more than its form.
    `share`: how many times as long as others the long form (MASH_FUZZ=long) takes; the short one goes once over every
    operation, however busy the machine. `large`: schemas whose bounds take minutes to cover, which is left to the long
    form.
    """
    phases = "examples,fuzzing" if large and not LONG else "examples,coverage,fuzzing"
    bounded = ("--max-time", str(int(LONG_SECONDS * share))) if LONG else ()
    excluded = () if valid_is_taken else ("--exclude-checks", "positive_data_acceptance")
    # The long form tries other values each time, and says by which seed to try them again.
    seed = ("--continue-on-failure",) if LONG else ("--seed", "1")
    folder.mkdir(parents=True, exist_ok=True)
    known, answered, described = folder / "ways.json", folder / "answered", folder / "openapi.json"
    # Its own patience with a service that describes itself is too short for a busy machine.
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        described.write_bytes((await client.get("/openapi.json")).content)
    known.write_text(json.dumps({operation: way.written() for operation, way in ways.items()}))
    answered.write_text("")
    special = "".join(_special(operation, way) for operation, way in ways.items())
    (folder / "schemathesis.toml").write_text(
        f"[checks.negative_data_rejection]\nexpected-statuses = {REFUSALS}\n{special}"
    )
    run = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "schemathesis.cli", "--config-file", str(folder / "schemathesis.toml")),
        *("run", str(described), "--url", url, "--workers", "1", "--phases", phases, "-n", str(EXAMPLES)),
        *("--include-path-regex", paths, *bounded, *excluded, *seed),
        *("--header", f"Authorization: Bearer {token}", "--generation-database", "none", "--no-color"),
        cwd=folder,
        env={
            **os.environ,
            # What hypothesis knows of characters takes it seconds to work out, and is kept there.
            "HYPOTHESIS_STORAGE_DIRECTORY": str(STORAGE),
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": fuzzing_hooks.__name__,
            fuzzing_hooks.WAYS: str(known),
            fuzzing_hooks.ANSWERED: str(answered),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await run.communicate())[0].decode()
    record("tried", "; ".join(line.strip() for line in _SUMMARY.findall(output)))
    if run.returncode != 0:
        return "\n".join(line[:300] for line in output.splitlines())[-12_000:]
    offered = {
        f"{method.upper()} {path}"
        for path, methods in json.loads(described.read_text())["paths"].items()
        for method in methods
    }
    if misnamed := ways.keys() - offered:
        return f"no such operations: {sorted(misnamed)}"
    return kept_out(answered.read_text(), {one for one in offered if re.search(paths, one.split(" ")[1])})


def _special(operation: str, way: Way) -> str:
    """What schemathesis' own configuration says of one operation."""
    token = f'headers = {{ Authorization = "Bearer {way.token}" }}\n' if way.token else ""
    taken = "" if way.valid_is_taken else "checks.positive_data_acceptance.enabled = false\n"
    return f'[[operations]]\ninclude-name = "{operation}"\n{token}{taken}' if token or taken else ""


async def park(connection: asyncpg.Connection, service: Service) -> UUID:
    """Puts aside a message for a service that is not what its type says; gives its id.

    `connection`: of a role that may write to the service's schema.
    """
    event_id = uuid4()
    await connection.execute(
        f"INSERT INTO {service.value}.parked (consumer, event_id, referral_id, type, topic, partition, position, key,"
        " headers, payload, state, error_class, code, attempts, parked_at)"
        " VALUES ($1, $2, $3, $4, $5, 0, 0, '', '{}', '', 'failed', 'permanent', 'contract', 1, $6)",
        service.value,
        event_id,
        uuid4(),
        RECEIVED.name,
        RECEIVED.topic,
        SystemClock().now(),
    )
    return event_id


async def parked_ways(connection: asyncpg.Connection, service: Service, token: str = "") -> dict[str, Way]:
    """What leads into the operations on parked messages; each has a message of its own.

    `token`: who may look after them, where the run's token may not.
    """
    bodies = {
        "GET /v1/parked": None,
        "GET /v1/parked/{event_id}": None,
        "POST /v1/parked/{event_id}/retry": None,
        "POST /v1/parked/{event_id}/discard": {"reason": "Sent by hand."},
    }
    return {
        operation: Way(
            {"event_id": str(await park(connection, service))} if "{" in operation else {}, body, token=token
        )
        for operation, body in bodies.items()
    }


def kept_out(answered: str, offered: Collection[str]) -> str | None:
    """Which of the operations offered did nothing that they were asked for, or None."""
    answers: dict[str, Counter[int]] = {operation: Counter() for operation in offered}
    for line in answered.splitlines():
        status, operation = line.split(" ", 1)
        answers.setdefault(operation, Counter())[int(status)] += 1
    shut = {one: dict(found) for one, found in answers.items() if found.keys().isdisjoint(range(200, 300))}
    return f"no request led into {shut or 'anything'}" if shut or not answers else None
