"""Which cases are of one child: those that the partnership's index links to one person."""

from collections.abc import Collection, Iterable
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.triage.case import File
from services.triage.documents import EvidenceKind

_KEEP = """
INSERT INTO child_person (case_id, person_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])
ON CONFLICT (case_id) DO UPDATE SET person_id = EXCLUDED.person_id
"""
_SAME_CHILD = """
SELECT mine.case_id AS of, other.case_id, c.referral_id
  FROM child_person AS mine
  JOIN child_person AS other ON other.person_id = mine.person_id AND other.case_id <> mine.case_id
  JOIN child_case AS c ON c.id = other.case_id
 WHERE mine.case_id = ANY ($1)
"""


class SameChild(NamedTuple):
    """Another case of a case's child."""

    of: UUID
    case_id: UUID
    referral_id: UUID


async def keep_persons(connection: asyncpg.Connection, files: Iterable[File]) -> None:
    """Keeps who these children are, as far as that was said in this unit of work."""
    linked = {
        file.case.id: file.known.linked.person_id
        for file in files
        if file.known.linked is not None and any(one.kind is EvidenceKind.LINKED for one in file.new_evidence)
    }
    if linked:
        await connection.execute(_KEEP, list(linked), list(linked.values()))


async def same_child(connection: asyncpg.Connection, case_ids: Collection[UUID]) -> list[SameChild]:
    """The other cases of these cases' children."""
    if not case_ids:
        return []
    return [SameChild(*row) for row in await connection.fetch(_SAME_CHILD, [*case_ids])]
