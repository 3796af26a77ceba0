"""The hot statements stay cheap on full tables: they use an index however much is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from libs.messaging import inbox, log, parked, timers
from libs.schemas.events import Service
from tests.libs.messaging.conftest import World

FILL = """
SET search_path = triage;
INSERT INTO outbox (event_id, type, topic, source, referral_id, sequence, time, payload)
SELECT gen_random_uuid(), 't', 't', 's', gen_random_uuid(), 1, '2026-03-01', '\\x00' FROM generate_series(1, 20000);
INSERT INTO inbox SELECT 'triage', gen_random_uuid(), 't', '2026-03-01' FROM generate_series(1, 20000);
INSERT INTO timer SELECT 'decision', gen_random_uuid(), 1, gen_random_uuid(), 'armed', t, t, 0, '{}', NULL, t
  FROM generate_series(1, 20000) AS n, LATERAL (SELECT timestamptz '2026-04-01' + n * interval '1 minute' AS t) AS x;
INSERT INTO parked (consumer, event_id, referral_id, type, topic, partition, position, key, headers, payload, state,
                    error_class, code, attempts, parked_at)
SELECT 'triage', gen_random_uuid(), gen_random_uuid(), 't', 't', 0, n, '', '{}', '', 'done', 'unknown', 'c', 1,
       '2026-03-01' FROM generate_series(1, 20000) AS n;
INSERT INTO held SELECT gen_random_uuid(), 't', 's', gen_random_uuid(), 1, '2026-03-01', NULL, NULL, '', '2026-03-01'
  FROM generate_series(1, 20000);
ANALYZE outbox, inbox, timer, parked, held;
"""

STATEMENTS = {
    "the log's next rows": log._ROWS.format(table="outbox"),
    "taking events in": inbox._CLAIM,
    "the head of a referral": parked._HEAD,
    "parked messages that are due": parked._DUE,
    "timers that are due": timers._DUE,
    "the next timer": timers._NEXT,
}


def scans(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for inner in plan.get("Plans", []):
        yield from scans(inner)


@pytest.fixture
async def full(world: World) -> asyncpg.Connection:
    connection = await world.connect(Service.TRIAGE)
    await connection.execute(FILL)
    # What a prepared statement runs with after some executions: a plan for any parameters.
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    return connection


async def test_no_hot_statement_reads_a_whole_table(full: asyncpg.Connection) -> None:
    for name, statement in STATEMENTS.items():
        count = max(number for number in range(1, 9) if f"${number}" in statement)
        await full.execute(f"PREPARE hot AS {statement}")
        plan = await full.fetchval(f"EXPLAIN (FORMAT json) EXECUTE hot ({', '.join(['NULL'] * count)})")
        assert list(scans(json.loads(plan)[0]["Plan"])) == [], name
        await full.execute("DEALLOCATE hot")
