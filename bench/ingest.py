"""`POST /v1/referrals` as shipped against its floor, in turns on one machine. Prints JSON.

python -m bench.ingest [--rounds 5] [--seconds 4] [--connections 32]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import uvloop

from bench.load import Tally, closed_loop, post
from bench.tokens import token
from libs.schemas.events import Service
from sandbox.processes import free_port
from sandbox.stack import Plan, Stack

BODY = json.dumps(
    json.loads((Path(__file__).parent / "referral.json").read_text()), separators=(",", ":")
).encode()


def numbered(path: str, port: int, headers: dict[str, str]) -> Iterator[bytes]:
    """Endless requests, each with an Idempotency-Key of its own."""
    run = os.urandom(4).hex()
    for number in itertools.count():
        yield post(path, port, BODY, headers | {"Idempotency-Key": f"{run}-{number}"})


async def measure(rounds: int, seconds: float, connections: int) -> dict[str, object]:
    """Both servers up at once, loaded in turns so that the machine's drift hits both."""
    with tempfile.TemporaryDirectory(prefix="mash-bench-") as folder:
        plan = Plan(Path(folder), events="postgres", ports=dict.fromkeys(("sandbox",), 0))
        stack = Stack(plan)
        try:
            await stack.start_only(Service.INTAKE)
            floor_port = free_port()
            admin = await asyncpg.connect(stack.admin_dsn)
            await admin.execute("CREATE TABLE public.floor (id uuid PRIMARY KEY, body bytea NOT NULL)")
            await admin.execute(
                "GRANT ALL ON public.floor TO mash_intake; GRANT USAGE ON SCHEMA public TO mash_intake"
            )
            await admin.close()
            stack.start_other(
                "floor", "bench.floor", floor_port, {"MASH_DATABASE_URL": stack.dsn(Service.INTAKE)}
            )
            await stack.answering(floor_port, "/openapi.json")
            bearer = await token(stack.url("sandbox"), "st_ives_primary")
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {bearer}"}
            ports = {"floor": floor_port, "intake": stack.ports["intake"]}
            tallies: dict[str, list[Tally]] = {"floor": [], "intake": []}
            for _ in range(rounds + 1):
                for name, port in ports.items():
                    requests = numbered("/v1/referrals", port, headers)
                    tallies[name].append(
                        await closed_loop(port, requests, connections=connections, seconds=seconds)
                    )
        finally:
            stack.stop()
    return report(tallies, connections)


def report(tallies: dict[str, list[Tally]], connections: int) -> dict[str, object]:
    """Rates without the warm-up round, and their ratios pair by pair."""
    rates = {name: [tally.rate for tally in runs[1:]] for name, runs in tallies.items()}
    ratios = [intake / floor for intake, floor in zip(rates["intake"], rates["floor"], strict=True)]
    return {
        "benchmark": "ingest",
        "connections": connections,
        "body_bytes": len(BODY),
        "requests_per_second": {name: round(statistics.median(each)) for name, each in rates.items()},
        "p99_ms": {name: round(runs[-1].quantile(0.99), 1) for name, runs in tallies.items()},
        "statuses": {name: runs[-1].statuses for name, runs in tallies.items()},
        "ratio": {
            "median": round(statistics.median(ratios), 3),
            "min": round(min(ratios), 3),
            "max": round(max(ratios), 3),
        },
        "wanted": {"at_least": 0.6, "aim": 0.75},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=32)
    arguments = parser.parse_args()
    result = uvloop.run(measure(arguments.rounds, arguments.seconds, arguments.connections))
    json.dump(result, sys.stdout, indent=2)
    print()
