"""The index of people on a real database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from libs.messaging.codec import PlainCodec
from libs.platform.database import create_pool, role_dsn
from libs.schemas.commands import PersonAction, PersonDecision
from libs.schemas.events import Service
from services.enrichment.people.decisions import Decided
from services.enrichment.people.index import Identified, Index
from services.enrichment.people.subject import Subject
from tests.services.enrichment.people.people import NAMES, RULES, subject

SECRET = "k" * 32
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass
class Hub:
    """An index on a database of its own; each call is a transaction."""

    pool: asyncpg.Pool
    index: Index = field(default_factory=lambda: Index(PlainCodec(), RULES, NAMES, SECRET))
    now: datetime = NOON

    async def identify(self, *subjects: Subject) -> list[Identified]:
        """Who these are, in their order."""
        self.now += timedelta(minutes=1)
        async with self.pool.acquire() as connection, connection.transaction():
            found = await self.index.identify(connection, subjects, self.now)
        return [found[one.id] for one in subjects]

    async def known(self, **changes: Any) -> tuple[UUID, UUID]:
        """A child who becomes known: the case's and the person's id."""
        one = subject(**changes)
        (found,) = await self.identify(one)
        return one.id, found.person_id

    async def decide(self, child: UUID, action: PersonAction, **fields: Any) -> tuple[UUID, Decided]:
        """A command by a member of staff; gives its id and what it did."""
        self.now += timedelta(minutes=1)
        command = PersonDecision(
            **{
                "command_id": uuid4(),
                "action": action,
                "reason": "Seen the birth certificate.",
                "by": "s.worker",
            }
            | {"at": self.now}
            | fields
        )
        async with self.pool.acquire() as connection, connection.transaction():
            return command.command_id, await self.index.decide(connection, child, command, self.now)

    async def standing(self, *subjects: UUID) -> list[Identified]:
        """Who subjects are taken for now."""
        async with self.pool.acquire() as connection:
            found = await self.index.standing(connection, subjects)
        return [found[one] for one in subjects]

    async def taken_for(self, *persons: UUID) -> dict[UUID, set[UUID]]:
        """For each person who is taken for it."""
        rows = await self.rows(
            "SELECT person_id, array_agg(subject_id) AS subjects FROM person_link"
            " WHERE until IS NULL AND person_id = ANY ($1::uuid[]) GROUP BY person_id",
            persons,
        )
        return {row["person_id"]: set(row["subjects"]) for row in rows}

    async def rows(self, query: str, *arguments: Any) -> Sequence[asyncpg.Record]:
        """What stands in the tables."""
        rows: Sequence[asyncpg.Record] = await self.pool.fetch(query, *arguments)
        return rows


@asynccontextmanager
async def running(dsn: str) -> AsyncIterator[Hub]:
    pool = await create_pool(role_dsn(dsn, Service.ENRICHMENT), service=Service.ENRICHMENT, size=6)
    try:
        yield Hub(pool)
    finally:
        await pool.close()


@pytest.fixture
async def hub(hub_database: str) -> AsyncIterator[Hub]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(running(hub_database))
