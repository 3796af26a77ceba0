"""Marks what may have to be joined: in the unit of work in which something was learnt, for a sweep that joins it."""

from collections.abc import Iterable

from libs.messaging.ledger import Unit
from services.triage.case import File
from services.triage.documents import EvidenceKind
from services.triage.joined.report import same_event

_ASK = """
INSERT INTO joining (case_id, earlier, asked_at)
SELECT given.case_id, c.id, $3 FROM unnest($1::uuid[], $2::uuid[]) AS given (case_id, earlier)
  JOIN child_case AS c ON c.id = given.earlier
ON CONFLICT (case_id, earlier) DO UPDATE SET asked_at = EXCLUDED.asked_at, done_at = NULL
"""
_AGAIN = "UPDATE joining SET asked_at = $2, done_at = NULL WHERE case_id = ANY ($1) AND done_at IS NOT NULL"

_TELLING = frozenset(
    (
        EvidenceKind.INFORMATION,
        EvidenceKind.READING,
        EvidenceKind.PEOPLE,
        EvidenceKind.FINDING,
        EvidenceKind.FINDING_CHANGED,
        EvidenceKind.LINKED,
    )
)
"""What may change what a report says. What agencies answer is asked and answered for each case by itself."""


async def mark(unit: Unit, files: Iterable[File]) -> None:
    """Notes which of these cases have to be joined to an earlier one, anew or for the first time."""
    telling = [file for file in files if any(one.kind in _TELLING for one in file.new_evidence)]
    if not telling:
        return
    await unit.connection.execute(_AGAIN, [file.case.id for file in telling], unit.now)
    pairs = [(file.case.id, earlier) for file in telling for earlier in sorted(same_event(file.known.linked))]
    if pairs:
        await unit.connection.execute(
            _ASK, [one for one, _ in pairs], [other for _, other in pairs], unit.now
        )
