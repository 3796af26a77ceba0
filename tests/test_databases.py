"""Whoever is lent a database finds it as if nobody had used it before."""

import asyncio

import asyncpg
import pytest

from sandbox.postgres import EmbeddedPostgres
from tests.databases import Databases, execute

MADE = """
CREATE SCHEMA house;
CREATE TABLE house.room (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, filler text);
CREATE TABLE house.bed (room bigint REFERENCES house.room);
CREATE TABLE house.standing (name text);
INSERT INTO house.standing VALUES ('from the beginning');
"""
WRITTEN = """
INSERT INTO house.room (name, filler) SELECT 'r', repeat('x', 500) FROM generate_series(1, {rooms});
INSERT INTO house.bed SELECT id FROM house.room;
DELETE FROM house.standing;
INSERT INTO house.standing VALUES ('by a test');
"""


@pytest.fixture
def houses(cluster: EmbeddedPostgres) -> Databases:
    return Databases(cluster, lambda dsn: execute(dsn, MADE))


@pytest.mark.parametrize(("rooms", "again"), [(2, True), (4000, False)])
async def test_rows_are_gone_and_those_from_the_beginning_are_back(
    houses: Databases, rooms: int, again: bool
) -> None:
    async with houses.lend() as first:
        await execute(first, WRITTEN.format(rooms=rooms))
    async with houses.lend() as second:
        connection = await asyncpg.connect(second)
        counted = await connection.fetchrow(
            "SELECT (SELECT count(*) FROM house.room), (SELECT count(*) FROM house.bed),"
            " (SELECT string_agg(name, ',') FROM house.standing)"
        )
        number = await connection.fetchval("INSERT INTO house.room (name) VALUES ('r') RETURNING id")
        await connection.close()
    assert (second == first) is again
    assert (*counted, number) == (0, 0, "from the beginning", 1)


async def test_whoever_still_writes_is_stopped_first(houses: Databases) -> None:
    async with houses.lend() as first:
        forgotten = await asyncpg.connect(first)
        await forgotten.execute("BEGIN; INSERT INTO house.room (name) VALUES ('r')")
    while not forgotten.is_closed():
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE house.bed ADD COLUMN more text",
        "DROP TABLE house.bed",
        "REVOKE ALL ON house.bed FROM CURRENT_USER",
        "CREATE FUNCTION house.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ],
)
async def test_a_database_whose_tables_were_changed_is_not_lent_again(houses: Databases, change: str) -> None:
    async with houses.lend() as first:
        await execute(first, change)
    async with houses.lend() as second:
        assert second != first
