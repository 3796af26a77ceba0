"""The queue at 1,000,000 cases against 10,000: a page, filtered pages, a later page, and the counts. Prints JSON.

python -m bench.queue [--small 10000] [--large 1000000] [--times 400]

One case in twenty stands in a queue, one in fifty of these restricted; the reader has no right to them. `awaiting` and
`decision_at_risk` select few cases of the small database and hundreds of the large one, so that their ratio says less
than their milliseconds. Both sizes stand in databases of one server, read in turns through the same code as the
operation's.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from bench.processes import show
from libs.platform.auth import Principal
from libs.platform.cursors import Cursors
from libs.platform.database import create_pool, role_dsn
from libs.platform.migrations import migrate
from libs.platform.provision import prepare
from libs.schemas.events import Service
from libs.schemas.levels import Rag, Stage
from sandbox.postgres import EmbeddedPostgres
from services.triage.queue.pages import Queue
from services.triage.queue.selection import Filters
from services.triage.queue.tags import Tag

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
OPEN_ONE_IN = 20
READER = Principal("bench", "bench")
MOST_RATIO = 1.5
MOST_COUNT_MS = 50.0

_FILL = """
INSERT INTO child_case (id, referral_id, reference, child_number, received_at, due_at, team, stub, stage, level, rag,
    could_rise_to, destination, immediate_danger, unread, act_by, unrouted, at_risk, reopened_at, stopped, evidence,
    answers, evaluation, decision, announced_level, announced_rag, actions, locality, labels, awaiting, restricted)
SELECT gen_random_uuid(), gen_random_uuid(), n::text, 1, at, at, team, false,
       CASE WHEN open THEN stage ELSE 'decided' END, 'targeted',
       rag, 'section_17', destination, open AND n % 1000 = 0, false, CASE WHEN open THEN at END, false,
       open AND n % 4000 = 0, CASE WHEN open AND n % 4000 = 0 THEN at END, false, 5, 4, 5,
       CASE WHEN open THEN 0 ELSE 1 END,
       'targeted', rag, '{}', locality, CASE WHEN n / 20 % 10 = 0 THEN ARRAY['unborn'] ELSE '{}' END,
       CASE WHEN n % 400 = 0 THEN ARRAY['police'] ELSE '{}' END,
       n % 1000 = 500
  FROM generate_series(1, $2::int) AS n,
       LATERAL (SELECT $1::timestamptz - make_interval(secs => $2 - n) AS at, n % 20 = 0 AS open,
                       (ARRAY['duty', 'csc', 'masg', 'early_help', 'advice'])[1 + n / 20 % 5] AS team,
                       (ARRAY['checks', 'decision', 'to_be_read'])[1 + n / 20 % 3] AS stage,
                       (ARRAY['green', 'green', 'amber', 'red'])[1 + n / 20 % 4] AS rag,
                       (ARRAY['early_help', 'masg', 'csc_section_17'])[1 + n / 20 % 3] AS destination,
                       (ARRAY['north', 'south', 'east'])[1 + n / 20 % 3] AS locality) AS made
"""
_WORKERS = """
INSERT INTO allocated SELECT id, 'worker-' || row_number() OVER () / 20, $1 FROM child_case WHERE act_by IS NOT NULL
"""

FILTERS: Mapping[str, Filters] = {
    "first_page": Filters(),
    "team": Filters(team="csc"),
    "rag": Filters(rag=Rag.RED),
    "stage_and_locality": Filters(stage=Stage.DECISION, locality="south"),
    "awaiting": Filters(awaiting="police"),
    "worker": Filters(worker="worker-3"),
    "unborn": Filters(tag=Tag.UNBORN),
    "decision_at_risk": Filters(tag=Tag.DECISION_AT_RISK),
}
LIMIT = 50


async def fill(server: EmbeddedPostgres, name: str, cases: int) -> str:
    """A database with so many cases; gives triage's DSN."""
    admin = await asyncpg.connect(server.dsn())
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    await prepare(server.dsn(name), "postgres")
    await migrate(server.dsn(name), Service.TRIAGE, transport="postgres")
    connection = await asyncpg.connect(server.dsn(name), server_settings={"search_path": "triage"})
    await connection.execute(_FILL, NOW, cases, timeout=600)
    await connection.execute(_WORKERS, NOW)
    await connection.execute("VACUUM ANALYZE child_case, allocated", timeout=300)
    await connection.close()
    return role_dsn(server.dsn(name), Service.TRIAGE)


async def timed(work: Callable[[], Awaitable[object]]) -> tuple[float, int]:
    """Milliseconds that one call takes, and how many rows it gave."""
    began = time.perf_counter()
    given = await work()
    return 1000 * (time.perf_counter() - began), len(getattr(given, "items", ()))


def p99(taken: list[float]) -> float:
    """The 99th percentile, in the unit of what is given."""
    return statistics.quantiles(taken, n=100)[98]


async def measure(small: int, large: int, times: int) -> dict[str, object]:
    """Both sizes, read in turns."""
    sizes = {"small": small, "large": large}
    queue = Queue(Cursors("bench"))
    taken: dict[str, dict[str, list[float]]] = {}
    rows: dict[str, dict[str, int]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="mash-bench-") as folder,
        EmbeddedPostgres(Path(folder) / "postgres", settings={"max_wal_size": "4GB"}) as server,
    ):
        pools = {}
        for name, cases in sizes.items():
            dsn = await fill(server, name, cases)
            pools[name] = await create_pool(dsn, service=Service.TRIAGE, size=1)

        async def page(name: str, filters: Filters, cursor: str | None = None) -> object:
            async with pools[name].acquire() as connection:
                return await queue.page(connection, NOW, filters, caller=READER, cursor=cursor, limit=LIMIT)

        async def counts(name: str) -> object:
            async with pools[name].acquire() as connection:
                return await queue.counts(connection, NOW, READER)

        later = {name: (await _third(page, name)) for name in sizes}
        for turn in range(times + 20):
            for name in sizes:
                works: dict[str, Callable[[], Awaitable[object]]] = {
                    which: (lambda name=name, filters=filters: page(name, filters))  # type: ignore[misc]
                    for which, filters in FILTERS.items()
                }
                works["third_page"] = lambda name=name: page(name, Filters(), later[name])  # type: ignore[misc]
                works["counts"] = lambda name=name: counts(name)  # type: ignore[misc]
                for which, work in works.items():
                    spent, given = await timed(work)
                    rows.setdefault(which, {})[name] = given
                    if turn >= 20:
                        taken.setdefault(which, {}).setdefault(name, []).append(spent)
        for pool in pools.values():
            await pool.close()
    return report(sizes, taken, rows)


async def _third(page: Callable[..., Awaitable[object]], name: str) -> str | None:
    cursor: str | None = None
    for _ in range(2):
        cursor = getattr(await page(name, Filters(), cursor), "next_cursor", None)
    return cursor


def report(
    sizes: Mapping[str, int],
    taken: Mapping[str, Mapping[str, list[float]]],
    rows: Mapping[str, Mapping[str, int]],
) -> dict[str, object]:
    """Percentiles in milliseconds, and how the large size compares.

    A page that the small size cannot fill is compared with the small size's first page, which is full: rows of a page
    cost the same wherever they are read.
    """
    found: dict[str, dict[str, object]] = {}
    ratios = {}
    for which, both in taken.items():
        ends = {name: round(p99(values), 2) for name, values in both.items()}
        alike = rows[which]["small"] == rows[which]["large"]
        against = ends["small"] if alike else p99(taken["first_page"]["small"])
        found[which] = {
            "rows": rows[which],
            "p50_ms": {name: round(statistics.median(values), 2) for name, values in both.items()},
            "p99_ms": ends,
        }
        if which != "counts":
            ratios[which] = round(ends["large"] / against, 2)
            found[which] |= {
                "compared_with": which if alike else "first_page",
                "ratio_p99": ratios[which],
            }
    return {
        "benchmark": "queue",
        "cases": dict(sizes),
        "in_queue": {name: cases // OPEN_ONE_IN for name, cases in sizes.items()},
        "reads": found,
        "wanted": {"page_ratio_at_most": MOST_RATIO, "counts_ms_at_most": MOST_COUNT_MS},
        "met": {
            "pages": max(ratios.values()) <= MOST_RATIO,
            "counts": p99(taken["counts"]["large"]) <= MOST_COUNT_MS,
        },
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", type=int, default=10_000, help="cases in the small database")
    parser.add_argument("--large", type=int, default=1_000_000, help="cases in the large database")
    parser.add_argument("--times", type=int, default=400, help="reads of each kind")
    arguments = parser.parse_args()
    show(asyncio.run(measure(arguments.small, arguments.large, arguments.times)))
