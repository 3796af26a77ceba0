"""Evaluates beside the policy in force those that are tried out, and keeps where they differ.

It begins after the unit that evaluated has committed and works on what that unit had in memory: a policy in the shadow
can fail, be slow or be left behind, and no case waits for it.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog
from opentelemetry import metrics

from libs.messaging.errors import code_of
from libs.messaging.ledger import Bell
from libs.schemas.levels import Level, Rag
from services.triage.case import NewEvaluation
from services.triage.policies.rulebook import Rulebook, Rulebooks
from services.triage.policy import evaluate
from services.triage.policy.changes import guarded

MOST_WAITING = 10_000
"""Evaluations that may wait for the shadow; more than these are left out and counted."""

AT_ONCE = 200
IDLE_SECONDS = 5.0

_KEEP = """
INSERT INTO shadow_evaluation (fingerprint, case_id, number, at, level, rag, live_level, live_rag)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::int[], $4::timestamptz[], $5::text[], $6::text[], $7::text[],
                     $8::text[])
ON CONFLICT DO NOTHING
"""

_COUNTS = """
SELECT live_level, live_rag, level, rag, count(*) AS cases FROM (
    SELECT DISTINCT ON (case_id) case_id, live_level, live_rag, level, rag
      FROM shadow_evaluation WHERE fingerprint = $1 ORDER BY case_id, number DESC
) AS last GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1, 2, 3, 4
"""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    at: datetime
    case_id: UUID
    made: NewEvaluation
    shadow: Rulebook


@dataclass(frozen=True, slots=True)
class ShadowCount:
    """How many children came out so, each by the last evaluation."""

    live_level: Level
    live_rag: Rag
    level: Level
    rag: Rag
    cases: int


async def shadow_counts(connection: asyncpg.Connection, fingerprint: str) -> list[ShadowCount]:
    """What a policy in the shadow said beside what was in force, the most frequent first."""
    rows = await connection.fetch(_COUNTS, fingerprint)
    return [ShadowCount(Level(row[0]), Rag(row[1]), Level(row[2]), Rag(row[3]), row[4]) for row in rows]


async def report_of_shadow(connection: asyncpg.Connection, fingerprint: str) -> dict[str, dict[str, str]]:
    """The same as tables that may be shown, small numbers hidden: how it compares, and what would change."""
    results: Counter[str] = Counter()
    moves: Counter[str] = Counter()
    for one in await shadow_counts(connection, fingerprint):
        result = comparison((one.level, one.rag), (one.live_level, one.live_rag))
        results[result] += one.cases
        if result != "same":
            moves[f"{one.live_level} {one.live_rag} → {one.level} {one.rag}".replace("_", " ")] += one.cases
    tables = {"Compared with what was in force": guarded(results), "What would change": guarded(moves)}
    return {title: table for title, table in tables.items() if table}


class Shadow:
    """A part of the process: takes what was evaluated, says nothing back."""

    def __init__(self, pool: asyncpg.Pool, rulebooks: Rulebooks) -> None:
        self._pool = pool
        self._rulebooks = rulebooks
        self._waiting: deque[_Waiting] = deque()
        self._bell = Bell()
        self._stopping = False
        meter = metrics.get_meter("services.triage")
        self._compared = meter.create_counter(
            "shadow_evaluations",
            "{evaluation}",
            "Evaluations by a policy in the shadow, by how they compare.",
        )

    def evaluated(self, at: datetime, made: Sequence[tuple[UUID, NewEvaluation]]) -> None:
        """Evaluations were committed."""
        shadows = self._rulebooks.shadows(at)
        if not shadows:
            return
        for case_id, one in made:
            for shadow in shadows:
                if len(self._waiting) >= MOST_WAITING:
                    self._count("left_out", shadow)
                else:
                    self._waiting.append(_Waiting(at, case_id, one, shadow))
        self._bell.ring()

    def stop(self) -> None:
        """Asks `run` to finish what waits and return."""
        self._stopping = True
        self._bell.ring()

    async def run(self) -> None:
        """Evaluates what comes, until `stop`."""
        while self._waiting or not self._stopping:
            if not self._waiting:
                await self._bell.wait(IDLE_SECONDS)
                continue
            batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            try:
                await self._compare(batch)
            except Exception as error:  # noqa: BLE001 - nothing that is tried out may end the process
                _log.warning("the shadow's evaluations were not kept", code=code_of(error), count=len(batch))
                for one in batch:
                    self._count("failed", one.shadow)

    async def _compare(self, batch: Sequence[_Waiting]) -> None:
        rows = []
        for one in batch:
            try:
                outcome = evaluate(one.shadow.policy, one.made.facts)
            except Exception as error:  # noqa: BLE001 - the policy in force has decided already
                _log.error(
                    "a policy in the shadow failed", policy=one.shadow.fingerprint, code=code_of(error)
                )
                self._count("failed", one.shadow)
                continue
            evaluation, live = one.made.evaluation, one.made.evaluation.outcome
            found = (outcome.level, outcome.rag, live.level, live.rag)
            rows.append((one.shadow.fingerprint, one.case_id, evaluation.number, one.at, *found))
            self._count(comparison((outcome.level, outcome.rag), (live.level, live.rag)), one.shadow)
            # The event loop belongs to the cases.
            await asyncio.sleep(0)
        if rows:
            await self._pool.execute(_KEEP, *map(list, zip(*rows, strict=True)))

    def _count(self, result: str, shadow: Rulebook) -> None:
        self._compared.add(1, {"result": result, "policy": shadow.fingerprint[:12]})


def comparison(one: tuple[object, object], other: tuple[object, object]) -> str:
    """How level and urgency under one policy compare with those under another: same, higher, lower or both."""
    pairs = list(zip(one, other, strict=True))
    higher, lower = any(a > b for a, b in pairs), any(a < b for a, b in pairs)  # type: ignore[operator]
    return {(False, False): "same", (True, False): "higher", (False, True): "lower"}.get(
        (higher, lower), "both"
    )
