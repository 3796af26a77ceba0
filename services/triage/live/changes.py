"""Which cases changed, in the order of their commits.

There is one row for each case, moved to the end by every change, so that who listens, or comes back after an hour,
is told of a case once however often it changed. The place of a change is its transaction and the case: read below
the fence, as the event log is, nothing that commits late is passed over.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

import asyncpg

from services.triage.case import tag_of

_TOUCH = """
INSERT INTO case_change (case_id) SELECT unnest($1::uuid[])
ON CONFLICT (case_id) DO UPDATE SET xid = pg_current_xact_id()
"""
_READ = """
SELECT ch.xid, ch.case_id, c.evidence, c.answers, c.evaluation, c.decision, c.signing,
       c.act_by IS NOT NULL AS in_queue, c.restricted
  FROM case_change AS ch JOIN child_case AS c ON c.id = ch.case_id
 WHERE (ch.xid, ch.case_id) > ($1, $2) AND ch.xid < pg_snapshot_xmin(pg_current_snapshot())
 ORDER BY ch.xid, ch.case_id
 LIMIT $3
"""
_FENCE = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_WRITTEN = re.compile(r"([0-9]{1,18})-([0-9a-f]{32})")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Everything up to and including this change has been told."""

    xid: int
    case_id: UUID

    def __str__(self) -> str:
        return f"{self.xid}-{self.case_id.hex}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The place that was written so, None where it is none."""
        found = _WRITTEN.fullmatch(text)
        return None if found is None else cls(int(found[1]), UUID(found[2]))


START = Place(0, UUID(int=0))
_LAST = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class CaseChange:
    """A case as it stands now; `version` is its entity tag, so that who has read that needs not read again."""

    place: Place
    version: str
    in_queue: bool
    restricted: bool = False


async def touch(connection: asyncpg.Connection, case_ids: Iterable[UUID]) -> None:
    """Says that cases changed in what no entity tag covers, such as who has the pen."""
    await connection.execute(_TOUCH, sorted(case_ids))


async def read(connection: asyncpg.Connection, after: Place, limit: int) -> Sequence[CaseChange]:
    """The changes behind a place, at most `limit`."""
    rows = await connection.fetch(_READ, after.xid, after.case_id, limit)
    return [
        CaseChange(
            Place(row["xid"], row["case_id"]),
            tag_of(row["evidence"], row["answers"], row["evaluation"], row["decision"], row["signing"]),
            row["in_queue"],
            row["restricted"],
        )
        for row in rows
    ]


async def latest(connection: asyncpg.Connection) -> Place:
    """The place behind all that has changed so far. It names no case: not everybody may know of each.

    It never goes back, as the last change that is seen does when its case is touched again above the fence.
    """
    return Place(await connection.fetchval(_FENCE) - 1, _LAST)
