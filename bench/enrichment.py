"""Answers of healthy agencies beside a dead one and a slow one, with hundreds of referrals in flight. Prints JSON.

python -m bench.enrichment [--in-flight 500] [--rate 10] [--seconds 8] [--rounds 4] [--agency-seconds 0.2]

Two systems of enrichment and the sandbox's agencies stand side by side, both with so many referrals in flight for
which MARAC has yet to look. In one of them the police are a black hole and education takes 5 seconds; its rounds begin
as an outage does: all that the police may be asked at a time hangs, and nobody is yet aware. Rounds of the same open
load alternate between the two. What counts is each answer of the others that are asked, from triage's screening
(committed) to the answer; and from the moment when a child's last answer leaves its agency until `checks-completed`
is committed. MARAC fetches its questions when it chooses to, and is shown by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import uvloop

from bench.processes import busy_seconds, cpu_seconds, show
from bench.producers import producers
from libs.platform.clock import SystemClock
from libs.schemas.events import CASE_SCREENED, CHECKS_COMPLETED, Service
from sandbox.stack import Plan, Stack
from services.enrichment.partnership import load_agencies

DEAD, SLOW, PULLING = "police", "education", "marac"
ASKED = ("health", "social_care", "early_help")
OTHERS = (*ASKED, PULLING)
SLOW_SECONDS = 5.0
A_DAY = 86_400.0
AN_HOUR = 3_600.0
PATIENCE = 60.0
LOOK_EVERY = 0.1
BATCH = 50

MOST_RATIO = 1.25
MOST_MS = 100.0
MOST_GROWTH_PERCENT = 5.0

SETTINGS = {"track_commit_timestamp": "on"}

_COUNT = """
SELECT count(*) FROM enrichment.agency_check
 WHERE child_id = ANY ($1::uuid[]) AND agency = ANY ($2::text[]) AND answered_at IS NOT NULL
"""
_ANSWERS = """
SELECT c.agency, c.question_id, c.child_id, c.answered_at, pg_xact_commit_timestamp(o.xid::xid) AS screened_at
  FROM enrichment.agency_check AS c
  JOIN triage.outbox AS o ON o.referral_id = c.referral_id AND o.type = $2
 WHERE c.child_id = ANY ($1::uuid[]) AND c.answered_at IS NOT NULL
"""
_COMPLETED = """
SELECT child.id, pg_xact_commit_timestamp(o.xid::xid) AS at
  FROM enrichment.child AS child
  JOIN enrichment.outbox AS o ON o.referral_id = child.referral_id AND o.type = $2
 WHERE child.id = ANY ($1::uuid[])
"""
_UNAWARE = "DELETE FROM enrichment.agency_standing WHERE agency = $1"
_IN_FLIGHT = "SELECT count(*) FROM enrichment.child WHERE completed_at IS NULL"


@dataclass
class Round:
    """What one round brought, in seconds: each answer of a healthy agency, and each child's completion."""

    in_flight: int
    answers: dict[str, list[float]] = field(default_factory=dict)
    completions: list[float] = field(default_factory=list)

    @property
    def all(self) -> list[float]:
        """The answers of the healthy agencies that are asked."""
        return [taken for agency in ASKED for taken in self.answers[agency]]


class Hub:
    """One system: enrichment as shipped, its agencies, and the events that intake and triage would write."""

    def __init__(self, name: str, folder: Path, faulty: bool, agency_seconds: float) -> None:
        day = {"MASH_CHECK_DEADLINE_CAP_SECONDS": str(A_DAY)}
        plan = Plan(
            folder / name,
            events="postgres",
            ports={},
            postgres_settings=SETTINGS,
            environment={"enrichment": day},
        )
        self.stack = Stack(plan)
        self.rounds: list[Round] = []
        self.memory: list[float] = []
        self._slots = load_agencies(self.stack.partnership / "agencies")[DEAD].at_once
        self._faulty = faulty
        self._agency_seconds = agency_seconds
        self._clock = SystemClock()
        self._exit = AsyncExitStack()

    async def start(self) -> None:
        """Starts the processes and tells the agencies how to behave."""
        await self.stack.start_only(Service.ENRICHMENT)
        self._admin = await asyncpg.connect(self.stack.admin_dsn)
        self._exit.push_async_callback(self._admin.close)
        self._producers = await self._exit.enter_async_context(producers(self.stack))
        self._http = await self._exit.enter_async_context(
            httpx.AsyncClient(base_url=self.stack.url("sandbox"))
        )
        for agency in (*OTHERS, DEAD, SLOW):
            await self._tell(agency, {"behaviour": "slow", "seconds": self._agency_seconds})
        if self._faulty:
            await self._tell(DEAD, {"behaviour": "fail", "fault": "hang"})
            await self._tell(SLOW, {"behaviour": "slow", "seconds": SLOW_SECONDS})

    async def stop(self) -> None:
        """Ends everything."""
        await self._exit.aclose()
        await asyncio.to_thread(self.stack.stop)

    async def fill(self, referrals: int) -> None:
        """Puts so many referrals in flight: MARAC has fetched their questions and will look them up in an hour."""
        await self._tell(PULLING, {"behaviour": "late", "seconds": AN_HOUR})
        sent: list[UUID] = []
        for start in range(0, referrals, BATCH):
            sent += await self._producers.send(min(BATCH, referrals - start))
        await self._until_answered(sent, ASKED)
        async with asyncio.timeout(PATIENCE):
            while len(await self._asked(PULLING)) < referrals:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_EVERY)
        await self._tell(PULLING, {"behaviour": "slow", "seconds": self._agency_seconds})

    async def warm_up(self, rate: float, seconds: float) -> None:
        """The same load before what counts."""
        await self._until_answered(await self._load(rate, seconds), OTHERS)

    async def round(self, rate: float, seconds: float) -> None:
        """One round of the load, up to the last answer that somebody healthy owes."""
        if self._faulty:
            await self._fall_silent()
        one = Round(await self._admin.fetchval(_IN_FLIGHT))
        children = await self._load(rate, seconds)
        healthy = OTHERS if self._faulty else (*OTHERS, DEAD, SLOW)
        await self._until_answered(children, healthy)
        last: dict[UUID, datetime] = {}
        left = {} if self._faulty else await self._left()
        for row in await self._admin.fetch(_ANSWERS, children, CASE_SCREENED.name):
            if row["agency"] in OTHERS:
                taken = (row["answered_at"] - row["screened_at"]).total_seconds()
                one.answers.setdefault(row["agency"], []).append(taken)
            at = left.get(row["question_id"])
            if at is not None:
                last[row["child_id"]] = max(at, last.get(row["child_id"], at))
        for row in await self._admin.fetch(_COMPLETED, children, CHECKS_COMPLETED.name):
            one.completions.append((row["at"] - last[row["id"]]).total_seconds())
        self.rounds.append(one)
        process = self.stack.parts()["enrichment"]
        self.memory.append(process.proportional_set_size() / 2**20)

    def spent(self) -> float:
        """Processor seconds of all processes so far."""
        return sum(cpu_seconds(process.pid) for process in self.stack.parts().values())

    async def _fall_silent(self) -> None:
        """The dead agency counts as answering until as many new questions hang as it may be asked at a time.

        One may hang already, sent to try it.
        """
        before = await self._requests(DEAD)
        async with asyncio.timeout(PATIENCE):
            while await self._requests(DEAD) - before < self._slots - 1:
                await self._admin.execute(_UNAWARE, DEAD)
                await asyncio.sleep(1.0)

    async def _requests(self, agency: str) -> int:
        return sum(each["requests"] for each in await self._asked(agency))

    async def _load(self, rate: float, seconds: float) -> list[UUID]:
        """Sends at a constant rate, whatever became of those before."""
        began = self._clock.now()

        async def one(number: int) -> list[UUID]:
            at = began + timedelta(seconds=number / rate)
            await asyncio.sleep(max(0.0, (at - self._clock.now()).total_seconds()))
            return await self._producers.send(1)

        sent = await asyncio.gather(*(one(number) for number in range(int(rate * seconds))))
        return [child_id for each in sent for child_id in each]

    async def _until_answered(self, children: Sequence[UUID], agencies: Sequence[str]) -> None:
        wanted = len(children) * len(agencies)
        try:
            async with asyncio.timeout(PATIENCE):
                # No event tells.
                while await self._admin.fetchval(_COUNT, children, agencies) < wanted:  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_EVERY)
        except TimeoutError:
            tail = self.stack.parts()["enrichment"].log_tail(20)
            raise RuntimeError(f"not all have answered; the end of enrichment's log:\n{tail}") from None

    async def _left(self) -> dict[UUID, datetime]:
        """When each question's answer left its agency."""
        return {
            UUID(each["question_id"]): datetime.fromisoformat(each["answered_at"])
            for agency in (*OTHERS, DEAD, SLOW)
            for each in await self._asked(agency)
            if each["answered_at"]
        }

    async def _asked(self, agency: str) -> list[dict[str, Any]]:
        questions: list[dict[str, Any]] = (await self._http.get(f"/agencies/{agency}/questions")).json()
        return questions

    async def _tell(self, agency: str, behaviour: Mapping[str, object]) -> None:
        (await self._http.put(f"/agencies/{agency}/behaviour", json=behaviour)).raise_for_status()


async def measure(
    in_flight: int, rate: float, seconds: float, rounds: int, agency_seconds: float
) -> dict[str, object]:
    """The two systems, round by round."""
    with tempfile.TemporaryDirectory(prefix="mash-bench-") as folder:
        sound = Hub("sound", Path(folder), faulty=False, agency_seconds=agency_seconds)
        faulty = Hub("faulty", Path(folder), faulty=True, agency_seconds=agency_seconds)
        try:
            await sound.start()
            await faulty.start()
            await asyncio.gather(sound.fill(in_flight), faulty.fill(in_flight))
            for hub in (sound, faulty):
                await hub.warm_up(rate, min(seconds, 3.0))
            busy, own, began = busy_seconds(), sound.spent() + faulty.spent(), SystemClock().now()
            for number in range(rounds):
                for hub in (sound, faulty) if number % 2 else (faulty, sound):
                    await hub.round(rate, seconds)
            lasted = (SystemClock().now() - began).total_seconds()
            used = {
                "of_both_systems": round((sound.spent() + faulty.spent() - own) / lasted, 2),
                "of_machine": round((busy_seconds() - busy) / lasted, 2),
                "there_are": os.cpu_count(),
            }
        finally:
            await sound.stop()
            await faulty.stop()
    return report(sound, faulty, rate, agency_seconds) | {"processors_used": used}


def report(sound: Hub, faulty: Hub, rate: float, agency_seconds: float) -> dict[str, object]:
    """The figures, the targets, and whether they are met."""
    without, with_faults = _together(sound.rounds), _together(faulty.rounds)
    ratio = _quantile(with_faults.all, 0.99) / _quantile(without.all, 0.99)
    growth = [100 * (hub.memory[-1] / hub.memory[0] - 1) for hub in (sound, faulty)]
    completed = _quantiles(without.completions)
    return {
        "benchmark": "enrichment",
        "referrals_per_second": rate,
        "rounds_of_each": len(sound.rounds),
        "agency_seconds": agency_seconds,
        "black_holed": DEAD,
        "answering_in_5_seconds": SLOW,
        "in_flight_at_least": {
            "without_faults": min(each.in_flight for each in sound.rounds),
            "with_faults": min(each.in_flight for each in faulty.rounds),
        },
        "screened_to_answered_ms": {
            "without_faults": _quantiles(without.all),
            "with_faults": _quantiles(with_faults.all),
            "p99_ratio": round(ratio, 3),
            "p99_by_agency": {
                agency: [round(1000 * _quantile(one.answers[agency], 0.99)) for one in (without, with_faults)]
                for agency in OTHERS
            },
            "p99_by_round": [
                [round(1000 * _quantile(one.all, 0.99)) for one in pair]
                for pair in zip(sound.rounds, faulty.rounds, strict=True)
            ],
        },
        "last_answer_to_completed_ms": {
            **completed,
            "p99_by_round": [round(1000 * _quantile(each.completions, 0.99), 1) for each in sound.rounds],
        },
        "memory_mib": {
            "without_faults": [round(each, 1) for each in sound.memory],
            "with_faults": [round(each, 1) for each in faulty.memory],
        },
        "wanted": {
            "p99_ratio_at_most": MOST_RATIO,
            "last_answer_to_completed_p99_ms_at_most": MOST_MS,
            "memory_grew_percent_at_most": MOST_GROWTH_PERCENT,
        },
        "met": {
            "p99_ratio": ratio <= MOST_RATIO,
            "last_answer_to_completed": completed["p99"] <= MOST_MS,
            "memory_flat": max(growth) <= MOST_GROWTH_PERCENT,
        },
    }


def _together(rounds: Iterable[Round]) -> Round:
    whole = Round(0)
    for one in rounds:
        whole.completions += one.completions
        for agency, taken in one.answers.items():
            whole.answers.setdefault(agency, []).extend(taken)
    return whole


def _quantile(seconds: Sequence[float], share: float) -> float:
    ordered = sorted(seconds)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    return {
        "count": len(seconds),
        "p50": round(1000 * statistics.median(seconds), 1),
        "p99": round(1000 * _quantile(seconds, 0.99), 1),
        "max": round(1000 * max(seconds), 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--in-flight", type=int, default=500)
    parser.add_argument("--rate", type=float, default=10.0, help="referrals a second")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=4, help="for each of the two")
    parser.add_argument("--agency-seconds", type=float, default=0.2, help="each agency's own answer")
    given = parser.parse_args()
    show(uvloop.run(measure(given.in_flight, given.rate, given.seconds, given.rounds, given.agency_seconds)))
