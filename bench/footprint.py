"""From nothing to the first routed referral, and memory at rest. Prints JSON.

python -m bench.footprint [--rest 20]

The clock starts before PostgreSQL and Kafka have a data directory, and ends when a referral that was posted as soon
as everything was ready is routed. Memory is each process's proportional set size (proc(5) smaps_rollup).
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import asyncpg
import httpx
import uvloop

from bench.ingest import BODY
from bench.processes import show
from bench.tokens import token
from sandbox.stack import Plan, Stack

OURS = ("sandbox", "intake", "enrichment", "triage", "notify")
PATIENCE = 30.0
ROUTED = "SELECT EXISTS (SELECT FROM triage.child_case WHERE routed_at IS NOT NULL)"


async def measure(rest: float) -> dict[str, object]:
    """A fresh system; `rest`: seconds without work before memory is read."""
    with tempfile.TemporaryDirectory(prefix="mash-bench-") as folder:
        begun = time.perf_counter()
        steps: dict[str, float] = {}

        def progress(step: str) -> None:
            steps[step.partition(" on port")[0]] = round(time.perf_counter() - begun, 2)

        stack = Stack(Plan(Path(folder), events="kafka", ports={}), progress)
        try:
            await stack.start()
            ready = time.perf_counter() - begun
            await _route_one(stack)
            routed = time.perf_counter() - begun
            await asyncio.sleep(rest)
            memory = stack.memory()
        finally:
            stack.stop()
    mebibytes = {name: round(size / 2**20, 1) for name, size in memory.items()}
    return {
        "benchmark": "footprint",
        "seconds": {"ready": round(ready, 2), "first_routed": round(routed, 2)},
        "began_after_seconds": steps,
        "memory_mib": mebibytes,
        "services_and_sandbox_mib": round(sum(mebibytes[name] for name in OURS), 1),
        "wanted": {"first_routed_under_seconds": 15, "mib_each_at_most": 130, "mib_together_at_most": 600},
    }


async def _route_one(stack: Stack) -> None:
    headers = {
        "Authorization": f"Bearer {await token(stack.url('sandbox'), 'st_ives_primary')}",
        "Content-Type": "application/json",
        "Idempotency-Key": "first",
    }
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{stack.url('intake')}/v1/referrals", content=BODY, headers=headers)
        answer.raise_for_status()
    admin = await asyncpg.connect(stack.admin_dsn)
    async with asyncio.timeout(PATIENCE):
        while not await admin.fetchval(ROUTED):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)
    await admin.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rest", type=float, default=20.0)
    show(uvloop.run(measure(parser.parse_args().rest)))
