"""Strategy discussions as they stand on record."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.messaging.codec import Codec, Decoded
from libs.schemas.base import Instant, Line, Model, Nothing, Payload
from services.triage.strategy.rules import Flag, StrategyBody, flags

KEPT = """
SELECT number, recorded_by, recorded_at, fingerprint, document FROM strategy_discussion
 WHERE case_id = $1 ORDER BY number
"""


class RecordedDiscussion(Payload[Nothing, StrategyBody]):
    """A strategy discussion as it stands on record."""


class Discussion(Model):
    """A strategy discussion, and what is flagged of it."""

    number: int = Field(description="Later ones stand beside earlier ones; the last one counts.")
    recorded_by: Line
    recorded_at: Instant
    flags: tuple[Flag, ...] = ()
    discussion: StrategyBody | None = Field(description="Absent where it was erased.")


class Discussions(Model):
    """Every record of a case's strategy discussions, the first one first."""

    items: tuple[Discussion, ...]


async def discussions_of(connection: asyncpg.Connection, codec: Codec, case_id: UUID) -> Sequence[Discussion]:
    """Every record of a case's discussions, the first one first."""
    rows = await connection.fetch(KEPT, case_id)
    read = await codec.decode([(RecordedDiscussion, row["document"]) for row in rows])
    found = []
    for row, item in zip(rows, read, strict=True):
        body = item.payload.children.get(case_id) if isinstance(item, Decoded) else None
        found.append(
            Discussion(
                number=row["number"],
                recorded_by=row["recorded_by"],
                recorded_at=row["recorded_at"],
                flags=() if body is None else flags(body),
                discussion=body,
            )
        )
    return found
