"""What comes on a case that is somebody's goes to that worker: a task, which is whose the case is."""

from libs.messaging.ledger import Unit
from services.triage.case import File, NewEvidence, Obliged
from services.triage.casework import LOOK_AT_NEWS, Casework
from services.triage.desk import Desk
from services.triage.documents import EvidenceKind
from services.triage.reckoning import Cause, about

_ALLOCATED = "SELECT case_id FROM allocated WHERE case_id = ANY ($1)"
_NEWS = frozenset(
    (EvidenceKind.INFORMATION, EvidenceKind.WITHDRAWAL, EvidenceKind.CORRECTION, EvidenceKind.ANSWER)
)
"""What comes from outside. Before the checks are complete, answers are what everybody waits for and no news."""


async def tell_workers(unit: Unit, casework: Casework, desk: Desk) -> None:
    """Raises a task for each piece of news on a case that is allocated. Words that wait to be read need none."""
    told = {file.case.id: news for file in desk.files.values() if (news := _news(file))}
    if not told:
        return
    due = casework.thresholds.reading_due(unit.now)
    for (case_id,) in await unit.connection.fetch(_ALLOCATED, list(told)):
        file = desk.files[case_id]
        for one in told[case_id]:
            subject = about(file.case, Cause(one.event_id, one.at, unit.now))
            casework.ask(file, Obliged(LOOK_AT_NEWS, subject, due))


def _news(file: File) -> list[NewEvidence]:
    if file.case.unread:
        return []
    complete = file.case.completed_at is not None
    return [
        one
        for one in file.new_evidence
        if one.kind in _NEWS and (complete or one.kind is not EvidenceKind.ANSWER)
    ]
