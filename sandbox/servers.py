"""Servers that somebody else runs: whether they can be used, said in one sentence where they cannot."""

from __future__ import annotations

import asyncpg
from aiokafka.errors import KafkaError

from libs.schemas.events import PARTITIONS, RETENTION_DAYS, TOPICS
from sandbox.kafka import create_topics
from sandbox.processes import StartError


async def try_database(dsn: str) -> None:
    """Raises StartError where nobody answers at an address or lets us in. The message repeats no password."""
    try:
        connection = await asyncpg.connect(dsn)
    except (OSError, ValueError, asyncpg.PostgresError) as error:
        raise StartError(
            f"the database of MASH_DATABASE_URL cannot be used ({type(error).__name__}): see that it runs and that the "
            "address is postgresql://USER:PASSWORD@HOST:PORT/DATABASE, an administrator's"
        ) from error
    await connection.close()


async def make_topics(bootstrap: str) -> None:
    """Makes the topics that a broker has not yet. Raises StartError where it cannot be used."""
    try:
        await create_topics(
            bootstrap,
            list(TOPICS.values()),
            partitions=PARTITIONS,
            retention_ms=RETENTION_DAYS * 86_400_000,
        )
    except (OSError, ValueError, KafkaError) as error:
        raise StartError(
            f"Kafka at {bootstrap} cannot be used ({type(error).__name__}): see that it runs and that "
            "MASH_KAFKA_BOOTSTRAP is its host:port, or run with --events postgres"
        ) from error
