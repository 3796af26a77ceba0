"""How often people depart from what is recommended, in which direction and why."""

from datetime import datetime

import asyncpg
from pydantic import Field

from libs.schemas.base import Model

_COUNTS = """
SELECT departure, departure_code AS reason, destination, count(*) AS decisions
  FROM decision WHERE decided_at >= $1 AND decided_at < $2
 GROUP BY departure, departure_code, destination ORDER BY departure, departure_code, destination
"""


class DepartureCount(Model):
    """Decisions of one direction, kind of reason and destination."""

    departure: str
    reason: str | None = Field(description="The kind of reason; absent where the decision agrees.")
    destination: str
    decisions: int


class Departures(Model):
    """Every decision of a time, by direction and kind of reason. Nothing in it is about one child."""

    decisions: int
    counts: tuple[DepartureCount, ...]


async def count_departures(connection: asyncpg.Connection, start: datetime, end: datetime) -> Departures:
    """Decisions that came to stand from `start` on and before `end`."""
    counts = tuple(DepartureCount(**dict(row)) for row in await connection.fetch(_COUNTS, start, end))
    return Departures(decisions=sum(one.decisions for one in counts), counts=counts)
