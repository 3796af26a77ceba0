"""How often people depart from what is recommended, in which direction and why."""

from collections.abc import Mapping
from datetime import datetime

import asyncpg
from pydantic import Field

from libs.platform.auth import Principal
from libs.schemas.base import Model
from services.triage.restricted.rights import visible

_COUNTS = """
SELECT d.departure, d.departure_code AS reason, d.destination, count(*) AS decisions
  FROM decision AS d JOIN child_case AS c ON c.id = d.case_id
 WHERE d.decided_at >= $1 AND d.decided_at < $2 AND {seen}
 GROUP BY d.departure, d.departure_code, d.destination ORDER BY d.departure, d.departure_code, d.destination
"""


class DepartureCount(Model):
    """Decisions of one direction, kind of reason and destination."""

    departure: str
    reason: str | None = Field(description="The kind of reason; absent where the decision agrees.")
    destination: str
    decisions: int


class Departures(Model):
    """The decisions of a time on children whom the caller may see, by direction and kind of reason; none is named."""

    decisions: int
    words: dict[str, str] = Field(
        description="The partnership's kinds of reasons, each with what it is called."
    )
    counts: tuple[DepartureCount, ...]


async def count_departures(
    connection: asyncpg.Connection,
    caller: Principal,
    start: datetime,
    end: datetime,
    words: Mapping[str, str],
) -> Departures:
    """Decisions that came to stand from `start` on and before `end`, on children whom the caller may see."""
    rows = await connection.fetch(_COUNTS.format(seen=visible(caller, "c")), start, end)
    counts = tuple(DepartureCount(**dict(row)) for row in rows)
    return Departures(decisions=sum(one.decisions for one in counts), words=dict(words), counts=counts)
