"""How many clocks ran out in a time, and why, as the board sees it."""

from datetime import datetime

import asyncpg
from pydantic import Field

from libs.schemas.base import Identifier, Model
from services.triage.clocks.record import Because

_COUNTS = """
SELECT clock, explained_at IS NOT NULL AS explained, why, count(*) AS breaches
  FROM breach WHERE due_at >= $1 AND due_at < $2
 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


class BreachCount(Model):
    """Breaches of one clock and kind of reason."""

    clock: Identifier
    explained: bool
    why: Because | None = Field(description="Absent where nobody has said why.")
    breaches: int


class BreachCounts(Model):
    """Every clock that ran out in a time. Nothing in it is about one child."""

    breaches: int
    unexplained: int
    counts: tuple[BreachCount, ...]


async def count_breaches(connection: asyncpg.Connection, start: datetime, end: datetime) -> BreachCounts:
    """Clocks that were due from `start` on and before `end`, and ran out."""
    counts = tuple(BreachCount(**dict(row)) for row in await connection.fetch(_COUNTS, start, end))
    return BreachCounts(
        breaches=sum(one.breaches for one in counts),
        unexplained=sum(one.breaches for one in counts if not one.explained),
        counts=counts,
    )
