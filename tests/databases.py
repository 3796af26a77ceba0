"""Databases for tests: made once for each worker, lent to one test after another, and emptied in between.

To copy a template takes ten times as long as to empty what a test has filled.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from sandbox.postgres import EmbeddedPostgres

OWN = "nspname NOT IN ('information_schema', 'pristine') AND nspname NOT LIKE 'pg\\_%'"

KEEP = f"""
CREATE SCHEMA pristine;
DO $keep$
DECLARE one record; filled boolean;
BEGIN
    FOR one IN
        SELECT c.oid::regclass AS found, c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND {OWN}
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', one.found) INTO filled;
        IF filled THEN
            EXECUTE format('CREATE TABLE pristine.%I AS TABLE %s', one.oid, one.found);
        END IF;
    END LOOP;
END $keep$;
"""
"""Puts aside the rows that the migrations wrote."""

EMPTY = f"""
DO $empty$
DECLARE one record;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR one IN
        SELECT c.oid::regclass AS found, k.oid::regclass AS kept
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        LEFT JOIN pg_class AS k ON k.relname = c.oid::text AND k.relnamespace = 'pristine'::regnamespace
        WHERE c.relkind IN ('r', 'p') AND {OWN} AND (pg_stat_get_tuples_inserted(c.oid) > 0
            OR pg_stat_get_tuples_updated(c.oid) > 0 OR pg_stat_get_tuples_deleted(c.oid) > 0)
    LOOP
        IF pg_relation_size(one.found) > 1000000 THEN
            RAISE EXCEPTION 'grown';
        END IF;
        EXECUTE format('DELETE FROM %s', one.found);
        IF one.kept IS NOT NULL THEN
            EXECUTE format('INSERT INTO %s OVERRIDING SYSTEM VALUE TABLE %s', one.found, one.kept);
        END IF;
    END LOOP;
    PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence
    WHERE pg_sequence_last_value(seqrelid) IS NOT NULL;
    PERFORM pg_stat_reset();
END $empty$;
"""
"""What the server has counted since the last time says which tables a test has written.

Deleted rows leave their room behind, so a database that has grown is refused."""

SHAPE = f"""
SELECT md5(concat(
    (SELECT string_agg(concat(c.oid, relname, relnatts, relacl, relhastriggers, reloptions), ',' ORDER BY c.oid)
     FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace WHERE {OWN}),
    (SELECT string_agg(concat(nspname, nspacl), ',' ORDER BY nspname) FROM pg_namespace WHERE {OWN}),
    (SELECT concat(count(*), sum(oid::bigint)) FROM pg_constraint),
    (SELECT string_agg(md5(prosrc), ',' ORDER BY oid) FROM pg_proc WHERE oid >= 16384)
))
"""
"""What a test may have changed beside rows. A database of another shape is not lent again."""

OTHERS = "pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'"


class Databases:
    """Databases of one kind in one cluster; `fill` gives an empty one its schema and is given its DSN."""

    def __init__(self, cluster: EmbeddedPostgres, fill: Callable[[str], Awaitable[None]]) -> None:
        self._cluster = cluster
        self._fill = fill
        self._shape = ""
        self._template = ""
        self._free: list[str] = []

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[str]:
        """The administrator's DSN of a database with the schema and no rows but those of its migrations."""
        name = self._free.pop() if self._free else await self._copy()
        dsn = self._cluster.dsn(name)
        try:
            yield dsn
        finally:
            if await self._emptied(dsn):
                self._free.append(name)
            else:
                await execute(self._cluster.dsn(), f"DROP DATABASE {name} WITH (FORCE)")

    async def _copy(self) -> str:
        if not self._template:
            template = f"template_{uuid.uuid4().hex[:12]}"
            await execute(self._cluster.dsn(), f"CREATE DATABASE {template} STRATEGY FILE_COPY")
            await self._fill(self._cluster.dsn(template))
            await execute(self._cluster.dsn(template), KEEP)
            connection = await asyncpg.connect(self._cluster.dsn(template))
            self._shape = await connection.fetchval(SHAPE)
            await connection.close()
            self._template = template
        name = f"t_{uuid.uuid4().hex[:12]}"
        await execute(
            self._cluster.dsn(), f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY FILE_COPY"
        )
        return name

    async def _emptied(self, dsn: str) -> bool:
        connection = await asyncpg.connect(dsn)
        try:
            while await connection.fetchval(
                f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {OTHERS}"
            ):
                await asyncio.sleep(0.002)
            if await connection.fetchval(SHAPE) != self._shape:
                return False
            await connection.execute(EMPTY)
            return True
        except asyncpg.RaiseError:
            return False
        finally:
            await connection.close()


async def execute(dsn: str, statement: str) -> None:
    """Runs one statement on a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
