"""A backlog of referrals from received to routed, beside the same steps written the usual way. Prints JSON.

python -m bench.drain [--referrals 20000] [--peer 1500] [--workers 1] [--agencies in-process|http]

The backlog is posted to intake and stands in Kafka before the clock starts. The clock starts with the processes of
enrichment and triage, one each, and ends at the last case's own time of routing.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.load import closed_loop, post
from bench.processes import busy_seconds, cpu_seconds, show
from bench.referrals import body
from bench.tokens import token
from libs.platform.clock import SystemClock
from libs.schemas.events import PARTITIONS, TOPICS, Service
from sandbox.kafka import create_topics
from sandbox.processes import Process
from sandbox.stack import Plan, Stack

_TABLES = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY ($1) ORDER BY 1, 2"
PEER_TOPICS = ("peer.referral.v1", "peer.checks.v1", "peer.triage.v1")
LOOK_EVERY = 1.0
LONGEST = 900.0
"""No deadline of a check passes before: the sandbox counts them in seconds, and a backlog would be told twice."""
SETTLE = 2.0
"""For leaders of new partitions to be known."""


@dataclass(frozen=True, slots=True)
class Drained:
    """How long one backlog took."""

    referrals: int
    seconds: float
    cpu: Mapping[str, float]
    machine_cpu: float
    rows: Mapping[str, float]
    """Of each table with any, for one referral: what shows that the two do the same."""

    @property
    def rate(self) -> float:
        """Referrals a second."""
        return self.referrals / self.seconds

    def report(self) -> dict[str, object]:
        """For the JSON."""
        return {
            "referrals": self.referrals,
            "seconds": round(self.seconds, 2),
            "referrals_per_second": round(self.rate, 1),
            "cpu_seconds": {name: round(each, 2) for name, each in self.cpu.items()},
            "cpu_ms_per_referral": round(1000 * sum(self.cpu.values()) / self.referrals, 2),
            "cpu_seconds_of_machine": round(self.machine_cpu, 1),
            "rows_per_referral": {name: round(each, 2) for name, each in sorted(self.rows.items())},
        }


class Bench:
    """One system with a backlog in it."""

    def __init__(self, stack: Stack, admin: asyncpg.Connection) -> None:
        self._stack = stack
        self._admin = admin
        self._bootstrap = str(stack.bootstrap)

    async def seed(self, referrals: int) -> None:
        """Posts referrals until intake has accepted so many and Kafka holds them; then intake stops."""
        bearer = await token(self._stack.url("sandbox"), "st_ives_primary")
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {bearer}"}
        port = self._stack.ports["intake"]
        requests = (
            post("/v1/referrals", port, body(number), headers | {"Idempotency-Key": f"drain-{number}"})
            for number in range(referrals)
        )
        tally = await closed_loop(port, requests, connections=32, seconds=LONGEST)
        if tally.statuses != {201: referrals}:
            raise RuntimeError(f"intake answered {tally.statuses}")
        while sum((await self._ends(TOPICS[Service.INTAKE])).values()) < referrals:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_EVERY)
        await asyncio.to_thread(self._stack.services.pop((Service.INTAKE, 0)).stop)

    async def ours(self, referrals: int) -> Drained:
        """Enrichment and triage as shipped."""
        for service in (Service.ENRICHMENT, Service.TRIAGE):
            self._stack.start_service(service)
        processes = {service.value: process for (service, _), process in self._stack.services.items()}
        return await self._drained("triage", referrals, processes)

    async def peer(self, referrals: int, workers: int) -> Drained:
        """The peer, on a copy of the first referrals."""
        await create_topics(self._bootstrap, PEER_TOPICS, PARTITIONS)
        await asyncio.sleep(SETTLE)
        await self._copy(referrals)
        for name in ("enrichment", "triage"):
            await self._admin.execute(f"CREATE SCHEMA peer_{name}")
        environment = {"MASH_DATABASE_URL": self._stack.admin_dsn, "PEER_WORKERS": str(workers)}
        processes = {
            name: self._stack.start_other(f"peer-{name}", f"bench.peer.{name}", 0, environment)
            for name in ("enrichment", "triage")
        }
        return await self._drained("peer_triage", referrals, processes)

    async def _drained(self, schema: str, referrals: int, processes: Mapping[str, Process]) -> Drained:
        clock, busy = SystemClock(), busy_seconds()
        begun = clock.now()
        pids = {name: process.pid for name, process in {**self._stack.parts(), **processes}.items()}
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        routed = f"SELECT count(*), max(routed_at) FROM {schema}.child_case WHERE routed_at IS NOT NULL"
        while True:
            if (clock.now() - begun).total_seconds() > LONGEST:
                raise TimeoutError(f"not drained after {LONGEST:.0f} s")
            for name, process in processes.items():
                if not process.running:
                    raise RuntimeError(f"{name} ended:\n{process.log_tail(30)}")
            await asyncio.sleep(LOOK_EVERY)
            try:
                count, last = await self._admin.fetchrow(routed)
            except asyncpg.UndefinedTableError:
                continue
            if count >= referrals:
                break
        cpu = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
        busy = busy_seconds() - busy
        for process in processes.values():
            await asyncio.to_thread(process.stop)
        rows = await self._rows([schema, schema.replace("triage", "enrichment")], referrals)
        return Drained(referrals, (last - begun).total_seconds(), cpu, busy, rows)

    async def _rows(self, schemas: Sequence[str], referrals: int) -> Mapping[str, float]:
        tables = await self._admin.fetch(_TABLES, schemas)
        counts = {
            f"{schema.removeprefix('peer_')}.{name}": await self._admin.fetchval(
                f'SELECT count(*) FROM "{schema}"."{name}"'
            )
            for schema, name in tables
        }
        return {name: count / referrals for name, count in counts.items() if count}

    async def _copy(self, referrals: int) -> None:
        topic = TOPICS[Service.INTAKE]
        producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, linger_ms=5)
        await producer.start()
        copied = 0
        async with _reader(self._bootstrap) as consumer:
            consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
            await consumer.seek_to_beginning()
            while copied < referrals:
                for records in (await consumer.getmany(timeout_ms=1000)).values():
                    for record in records[: referrals - copied]:
                        await producer.send(
                            PEER_TOPICS[0], record.value, record.key, headers=list(record.headers)
                        )
                        copied += 1
        await producer.stop()

    async def _ends(self, topic: str) -> Mapping[TopicPartition, int]:
        async with _reader(self._bootstrap) as consumer:
            found: Mapping[TopicPartition, int] = await consumer.end_offsets(
                [TopicPartition(topic, number) for number in range(PARTITIONS)]
            )
        return found


@asynccontextmanager
async def _reader(bootstrap: str) -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def measure(referrals: int, peer: int, workers: int, agencies: str) -> dict[str, object]:
    """Ours on the whole backlog, then the peer on a part of it."""
    with tempfile.TemporaryDirectory(prefix="mash-bench-") as folder:
        own = {"MASH_CHECK_DEADLINE_CAP_SECONDS": str(LONGEST)}
        own |= {"MASH_AGENCIES_IN_PROCESS": "true"} if agencies == "in-process" else {}
        plan = Plan(Path(folder), events="kafka", ports={}, environment={"enrichment": own})
        stack = Stack(plan)
        try:
            await stack.start_only(Service.INTAKE)
            admin = await asyncpg.connect(stack.admin_dsn)
            bench = Bench(stack, admin)
            await bench.seed(referrals)
            ours = await bench.ours(referrals)
            print("ours:", ours.report(), file=sys.stderr)
            usual = await bench.peer(min(peer, referrals), workers) if peer else None
            await admin.close()
        finally:
            stack.stop()
    return {
        "benchmark": "drain",
        "agencies": agencies,
        "partitions": PARTITIONS,
        "ours": ours.report(),
        "peer": usual and {**usual.report(), "workers": workers},
        "ratio": usual and round(ours.rate / usual.rate, 2),
        "wanted": {"ratio_at_least": 10},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--referrals", type=int, default=20_000)
    parser.add_argument(
        "--peer", type=int, default=1_500, help="the peer's part of the backlog; 0 leaves it out"
    )
    parser.add_argument("--workers", type=int, default=1, help="the peer's workers for each subscriber")
    parser.add_argument("--agencies", choices=("in-process", "http"), default="in-process")
    arguments = parser.parse_args()
    show(uvloop.run(measure(arguments.referrals, arguments.peer, arguments.workers, arguments.agencies)))
