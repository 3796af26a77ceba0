"""From POST to routed on the whole running system, over Kafka and with agencies over HTTP. Prints JSON.

python -m bench.latency [--rate 20] [--seconds 30] [--agency-seconds 0.2]

Open loop: a referral is sent when its time has come, whatever became of those before it, and its time counts from
then. Every agency takes `--agency-seconds` for its own answer, and one that fetches its questions also the time until
it comes for them; what the system adds to the slowest is what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import uvloop

from bench.processes import busy_seconds, cpu_seconds, show
from bench.referrals import body
from bench.tokens import token
from libs.platform.clock import SystemClock
from sandbox.agencies import AGENCIES
from sandbox.processes import Process
from sandbox.stack import Plan, Stack

WARM_UP = 5.0
"""Seconds of the same load before what counts."""
PATIENCE = 30.0
MOST_MS = 100.0
PULLING = "marac"
"""Fetches its questions."""

_WAYS = """
SELECT c.id, c.received_at, c.routed_at, e.at AS screened_at, a.asked_at, a.answered_at, w.question_id, w.put_at
  FROM triage.child_case AS c
  JOIN triage.evaluation AS e ON e.case_id = c.id AND e.number = 1
  JOIN (SELECT child_id, max(asked_at) AS asked_at, max(answered_at) AS answered_at
          FROM enrichment.agency_check GROUP BY child_id) AS a ON a.child_id = c.id
  LEFT JOIN enrichment.work AS w ON w.child_id = c.id AND w.agency = $1
 WHERE c.routed_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """One referral: when its time had come, when it was accepted, and its child."""

    at: datetime
    accepted_at: datetime
    child_id: UUID


async def load(
    http: httpx.AsyncClient, run: str, rate: float, seconds: float, *, first: int = 0
) -> list[Sent]:
    """Sends at a constant rate. Raises httpx.HTTPStatusError where a referral is not accepted."""
    bodies = [body(first + number) for number in range(int(rate * seconds))]
    clock, began = SystemClock(), SystemClock().now()

    async def one(number: int) -> Sent:
        at = began + timedelta(seconds=number / rate)
        await asyncio.sleep(max(0.0, (at - clock.now()).total_seconds()))
        answer = await http.post(
            "/v1/referrals",
            content=bodies[number],
            headers={"Idempotency-Key": f"{run}-{number}"},
        )
        answer.raise_for_status()
        return Sent(at, clock.now(), UUID(answer.json()["children"][0]["id"]))

    return await asyncio.gather(*(one(number) for number in range(int(rate * seconds))))


async def measure(rate: float, seconds: float, agency_seconds: float) -> dict[str, object]:
    """The whole system under the load."""
    with tempfile.TemporaryDirectory(prefix="mash-bench-") as folder:
        stack = Stack(Plan(Path(folder), events="kafka", ports={}))
        try:
            await stack.start()
            sandbox = stack.url("sandbox")
            async with httpx.AsyncClient() as http:
                for agency in AGENCIES:
                    told = {"behaviour": "slow", "seconds": agency_seconds}
                    await http.put(f"{sandbox}/agencies/{agency}/behaviour", json=told)
            headers = {
                "Authorization": f"Bearer {await token(sandbox, 'st_ives_primary')}",
                "Content-Type": "application/json",
            }
            async with httpx.AsyncClient(base_url=stack.url("intake"), headers=headers) as http:
                await load(http, "warm-up", rate, WARM_UP)
                parts = stack.parts()
                before, began = _spent(parts), SystemClock().now()
                sent = await load(http, "run", rate, seconds, first=int(rate * WARM_UP))
                lasted = (SystemClock().now() - began).total_seconds()
                used = {name: spent - before[name] for name, spent in _spent(parts).items()}
            admin = await asyncpg.connect(stack.admin_dsn)
            try:
                ways = await _routed(admin, {each.child_id for each in sent})
            except TimeoutError:
                tails = "\n".join(f"{name}: {part.log_tail(4)}" for name, part in stack.parts().items())
                raise RuntimeError(f"not all are routed; the ends of the logs:\n{tails}") from None
            await admin.close()
            left = await _left(sandbox)
        finally:
            stack.stop()
    shares = {name: round(each / lasted, 2) for name, each in used.items()}
    return report(sent, ways, left, rate, agency_seconds) | {"processors_used": shares}


def _spent(parts: Mapping[str, Process]) -> dict[str, float]:
    return {name: cpu_seconds(process.pid) for name, process in parts.items()} | {"machine": busy_seconds()}


async def _routed(admin: asyncpg.Connection, children: set[UUID]) -> dict[UUID, asyncpg.Record]:
    async with asyncio.timeout(PATIENCE):
        while True:
            ways = {row["id"]: row for row in await admin.fetch(_WAYS, PULLING) if row["id"] in children}
            if len(ways) == len(children):
                return ways
            await asyncio.sleep(0.2)


async def _left(sandbox: str) -> dict[UUID, datetime]:
    """When each answer left the agency that fetches its questions."""
    async with httpx.AsyncClient() as http:
        questions = (await http.get(f"{sandbox}/agencies/{PULLING}/questions")).json()
    return {
        UUID(each["question_id"]): datetime.fromisoformat(each["answered_at"])
        for each in questions
        if each["answered_at"]
    }


def report(
    sent: Sequence[Sent],
    ways: Mapping[UUID, asyncpg.Record],
    left: Mapping[UUID, datetime],
    rate: float,
    agency_seconds: float,
) -> dict[str, object]:
    """What the system took beyond the agencies' own answer, and where."""
    pairs = [(each, ways[each.child_id]) for each in sent]
    answered = [way for _, way in pairs if way["answered_at"] is not None]
    fetched = {
        way["id"]: (left[way["question_id"]] - way["put_at"]).total_seconds()
        for _, way in pairs
        if way["question_id"] in left
    }
    beyond = [
        (way["routed_at"] - each.at).total_seconds() - max(agency_seconds, fetched.get(way["id"], 0.0))
        for each, way in pairs
    ]
    steps = {
        "sent_to_accepted": [each.accepted_at - each.at for each, _ in pairs],
        "sent_to_received": [way["received_at"] - each.at for each, way in pairs],
        "received_to_screened": [way["screened_at"] - way["received_at"] for _, way in pairs],
        "screened_to_asked": [way["asked_at"] - way["screened_at"] for way in answered],
        "asked_to_answered": [way["answered_at"] - way["asked_at"] for way in answered],
        "answered_to_routed": [way["routed_at"] - way["answered_at"] for way in answered],
    }
    return {
        "benchmark": "latency",
        "referrals": len(pairs),
        "never_asked": len(pairs) - len(answered),
        "referrals_per_second": rate,
        "agency_seconds": agency_seconds,
        "beyond_the_slowest_agency_ms": _quantiles(beyond),
        "fetched_and_answered_ms": _quantiles(fetched.values()),
        "steps_ms": {
            name: _quantiles(each.total_seconds() for each in taken) for name, taken in steps.items()
        },
        "wanted": {"p99_ms_at_most": MOST_MS},
    }


def _quantiles(seconds: Iterable[float]) -> dict[str, float]:
    ordered = sorted(1000 * each for each in seconds) or [0.0]
    return {
        "p50": round(statistics.median(ordered), 1),
        "p99": round(ordered[min(int(0.99 * len(ordered)), len(ordered) - 1)], 1),
        "max": round(ordered[-1], 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=20.0, help="referrals a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--agency-seconds", type=float, default=0.2, help="each agency's own answer")
    arguments = parser.parse_args()
    show(uvloop.run(measure(arguments.rate, arguments.seconds, arguments.agency_seconds)))
