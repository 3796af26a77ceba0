"""Who else looks at a case: those who read it within the last minutes, from the record of reads."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from libs.schemas.base import Instant, Line, Model

PRESENT_FOR = timedelta(minutes=5)

_PRESENT = """
SELECT subject, max(at) AS last_at FROM access
 WHERE case_id = $1 AND at > $2 AND action = 'case.read' AND subject <> $3
 GROUP BY subject ORDER BY subject
"""


class Presence(Model):
    """Somebody who read the case a moment ago."""

    subject: Line
    last_at: Instant


async def present(
    connection: asyncpg.Connection, case_id: UUID, now: datetime, beside: str
) -> tuple[Presence, ...]:
    """Who read the case within `PRESENT_FOR`, `beside` left out."""
    rows = await connection.fetch(_PRESENT, case_id, now - PRESENT_FOR, beside)
    return tuple(Presence(**dict(row)) for row in rows)
