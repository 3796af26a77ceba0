"""Five hundred listeners of the queue on one process, at fifty changes a second. Prints JSON.

python -m bench.live [--listeners 500] [--changes 50] [--seconds 20]

Triage runs alone, as shipped. Changes are committed beside it, each on another case; what counts is the time from the
commit until each listener has the change, and what the process's memory grows by.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import uvloop

from bench.processes import cpu_seconds, show
from bench.tokens import token
from libs.schemas.events import Service
from sandbox.processes import proportional_set_size
from sandbox.stack import Plan, Stack

MOST_MB = 100.0
MOST_MS = 500.0

_CASE = """
INSERT INTO triage.child_case (id, referral_id, child_number, received_at, due_at, team, stub, stage, level, rag,
    could_rise_to, immediate_danger, unread, unrouted, at_risk, stopped, evidence, answers, evaluation, decision,
    announced_level, announced_rag, actions)
SELECT id, id, 1, now(), now(), 'duty', false, 'checks', 'targeted', 'green', 'targeted', false, false, false, false,
       false, 1, 0, 1, 0, 'targeted', 'green', '{}' FROM unnest($1::uuid[]) AS given (id)
"""
_TOUCH = """
INSERT INTO triage.case_change (case_id) VALUES ($1)
ON CONFLICT (case_id) DO UPDATE SET xid = pg_current_xact_id()
"""


class Changes:
    """When each change was committed, by the number of changes that its case had by then."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self.taken: list[float] = []
        self.heard = 0

    def told(self, case_id: str) -> None:
        """A listener has been told of a case's latest change."""
        began = self.at.get(case_id)
        if began is not None:
            self.taken.append(1000 * (time.perf_counter() - began))
        self.heard += 1


async def listen(url: str, bearer: str, changes: Changes, ready: asyncio.Semaphore) -> None:
    """Reads one listener's messages until it is cancelled."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET /v1/queue/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {bearer}\r\n\r\n".encode()
    )
    try:
        while line := await reader.readline():
            if line.startswith(b"event: here"):
                ready.release()
            elif line.startswith(b'data: {"cases"'):
                for one in json.loads(line[6:])["cases"]:
                    changes.told(one["id"])
    finally:
        writer.close()


async def measure(listeners: int, rate: int, seconds: float) -> dict[str, object]:
    """Starts triage, lets people listen, changes cases."""
    with tempfile.TemporaryDirectory(prefix="mash-bench-") as folder:
        stack = Stack(Plan(Path(folder), events="postgres", ports={}))
        try:
            await stack.start_only(Service.TRIAGE)
            bearer = await token(stack.url("sandbox"), "staff-sw-1")
            pid = stack.parts()["triage"].pid
            admin = await asyncpg.connect(stack.admin_dsn)
            cases: list[UUID] = [uuid4() for _ in range(rate * int(seconds))]
            await admin.execute(_CASE, cases)
            async with httpx.AsyncClient() as http:
                await http.get(f"{stack.url('triage')}/livez")
            before = proportional_set_size(pid) / 2**20
            changes, ready = Changes(), asyncio.Semaphore(0)
            people = [
                asyncio.create_task(listen(stack.url("triage"), bearer, changes, ready))
                for _ in range(listeners)
            ]
            for _ in people:
                await asyncio.wait_for(ready.acquire(), 30)
            spent, began = cpu_seconds(pid), time.perf_counter()
            for number, case_id in enumerate(cases):
                await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
                await admin.execute(_TOUCH, case_id)
                changes.at[str(case_id)] = time.perf_counter()
            await asyncio.sleep(1.0)
            used = (cpu_seconds(pid) - spent) / (time.perf_counter() - began)
            after = proportional_set_size(pid) / 2**20
            for person in people:
                person.cancel()
            await asyncio.gather(*people, return_exceptions=True)
            await admin.close()
        finally:
            stack.stop()
    ordered = sorted(changes.taken)
    return {
        "benchmark": "live",
        "listeners": listeners,
        "changes_per_second": rate,
        "changes": len(cases),
        "told": changes.heard,
        "missed": listeners * len(cases) - changes.heard,
        "from_commit_to_listener_ms": {
            "p50": round(statistics.median(ordered), 1),
            "p99": round(ordered[int(0.99 * len(ordered))], 1),
            "max": round(ordered[-1], 1),
        },
        "memory_mb": {
            "before": round(before, 1),
            "after": round(after, 1),
            "grew_by": round(after - before, 1),
        },
        "processor_share_of_triage": round(used, 2),
        "wanted": {"p99_ms_at_most": MOST_MS, "memory_mb_at_most": MOST_MB},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listeners", type=int, default=500)
    parser.add_argument("--changes", type=int, default=50, help="changes a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    show(uvloop.run(measure(arguments.listeners, arguments.changes, arguments.seconds)))
