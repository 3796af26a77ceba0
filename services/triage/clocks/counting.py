"""How many clocks ran out in a time, and why, as the board sees it."""

from collections.abc import Mapping
from datetime import datetime

import asyncpg
from pydantic import Field

from libs.platform.auth import Principal
from libs.schemas.base import Identifier, Model
from services.triage.clocks.record import Because
from services.triage.restricted.rights import visible

_COUNTS = """
SELECT b.clock, b.explained_at IS NOT NULL AS explained, b.why, count(*) AS breaches
  FROM breach AS b JOIN child_case AS c ON c.id = b.case_id
 WHERE b.due_at >= $1 AND b.due_at < $2 AND {seen}
 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


class BreachCount(Model):
    """Breaches of one clock and kind of reason."""

    clock: Identifier
    explained: bool
    why: Because | None = Field(description="Absent where nobody has said why.")
    breaches: int


class BreachCounts(Model):
    """The clocks that ran out in a time, of children whom the caller may see. Nothing in it names one."""

    breaches: int
    unexplained: int
    words: dict[str, str] = Field(description="What each clock is called.")
    counts: tuple[BreachCount, ...]


async def count_breaches(
    connection: asyncpg.Connection,
    caller: Principal,
    start: datetime,
    end: datetime,
    words: Mapping[str, str],
) -> BreachCounts:
    """Clocks that were due from `start` on and before `end`, and ran out, of children whom the caller may see."""
    rows = await connection.fetch(_COUNTS.format(seen=visible(caller, "c")), start, end)
    counts = tuple(BreachCount(**dict(row)) for row in rows)
    return BreachCounts(
        breaches=sum(one.breaches for one in counts),
        unexplained=sum(one.breaches for one in counts if not one.explained),
        words=dict(words),
        counts=counts,
    )
