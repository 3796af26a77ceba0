"""Which cases are of one child: those that the partnership's index links to one person.

A case that is linked to a person, and a restriction that covers a person's cases, wait for each other: whichever comes
second sees the first, though they hold the locks of different referrals. Persons are held after referrals, so that
nobody waits in a circle.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple
from uuid import UUID

from libs.messaging.ledger import Unit
from services.triage.case import File
from services.triage.documents import EvidenceKind

_KEEP = """
INSERT INTO child_person (case_id, person_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])
ON CONFLICT (case_id) DO UPDATE SET person_id = EXCLUDED.person_id
"""
_PERSONS = "SELECT DISTINCT person_id FROM child_person WHERE case_id = ANY ($1)"
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


async def keep_persons(unit: Unit, files: Iterable[File]) -> None:
    """Keeps who these children are, as far as that was said in this unit of work, and holds these persons."""
    linked = {
        file.case.id: file.known.linked.person_id
        for file in files
        if file.known.linked is not None and any(one.kind is EvidenceKind.LINKED for one in file.new_evidence)
    }
    if linked:
        await _hold(unit, linked.values())
        await unit.connection.execute(_KEEP, list(linked), list(linked.values()))


async def hold_persons(unit: Unit, case_ids: Collection[UUID]) -> None:
    """Holds who these cases' children are, until the unit ends."""
    await _hold(unit, [row[0] for row in await unit.connection.fetch(_PERSONS, [*case_ids])])


async def same_child(unit: Unit, case_ids: Collection[UUID]) -> list[SameChild]:
    """The other cases of these cases' children, who are held."""
    if not case_ids:
        return []
    return [SameChild(*row) for row in await unit.connection.fetch(_SAME_CHILD, [*case_ids])]


async def _hold(unit: Unit, person_ids: Iterable[UUID]) -> None:
    await unit.lock(f"person/{one}" for one in person_ids)
