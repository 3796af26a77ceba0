"""Clocks that ran out and for which nobody has given the reason that is asked for."""

from collections.abc import Mapping
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.platform.auth import Principal
from libs.schemas.base import Identifier, Instant, Line, Model
from services.triage.restricted.rights import visible

MOST = 200

_SILENT = """
SELECT c.id AS case_id, c.reference, c.child_number, c.team, b.clock, b.due_at, b.at
  FROM breach AS b JOIN child_case AS c ON c.id = b.case_id
 WHERE b.explained_at IS NULL AND ($1::text IS NULL OR b.clock = $1) AND ($2::text IS NULL OR c.team = $2)
   AND {seen}
 ORDER BY b.due_at, c.id, b.clock LIMIT $3
"""


class SilentBreach(Model):
    """A clock of a case that ran out, and nobody has said why."""

    case_id: UUID
    reference: Line | None
    child_number: int
    team: Identifier
    clock: Identifier
    label: Line = Field(description="What the clock is called.")
    due_at: Instant
    at: Instant = Field(description="When it was noticed.")


class SilentBreaches(Model):
    """Those that wait longest first."""

    items: tuple[SilentBreach, ...]


async def unexplained(
    connection: asyncpg.Connection,
    caller: Principal,
    clock: str | None,
    team: str | None,
    limit: int,
    words: Mapping[str, str],
) -> SilentBreaches:
    """What the caller may see of them, at most `limit`. `words`: what the clocks are called."""
    rows = await connection.fetch(_SILENT.format(seen=visible(caller, "c")), clock, team, limit)
    return SilentBreaches(
        items=tuple(SilentBreach(**dict(row), label=words.get(row["clock"], row["clock"])) for row in rows)
    )
