"""What is restricted without anybody saying so anew: a child who is found in a restricted referral, and a new referral
of a child whose earlier case is restricted.

Only ever hides, and only once: what a manager showed again stays visible.
"""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from libs.messaging.codec import Codec
from libs.messaging.ledger import Unit
from libs.schemas.events import Service
from libs.schemas.history import SameEvent
from libs.schemas.people import Linked
from services.triage.case import File
from services.triage.desk import Desk
from services.triage.documents import EvidenceKind
from services.triage.restricted.record import Given, RestrictionKind, ever_restricted, keep_restriction

_RESTRICTED = """
SELECT c.id, (SELECT r.kind FROM restriction AS r WHERE r.case_id = c.id ORDER BY r.number DESC LIMIT 1) AS kind
  FROM child_case AS c WHERE c.id = ANY ($1) AND c.restricted
"""


class _Heir(NamedTuple):
    file: File
    after: frozenset[UUID]
    """The cases whose restriction counts for it."""
    because: str


async def inherit(unit: Unit, codec: Codec, desk: Desk) -> None:
    """Restricts what this unit of work opened or linked beside a restricted case."""
    heirs = [heir for file in desk.files.values() if not file.case.restricted for heir in _heirs(file)]
    wanted = sorted(set().union(*(heir.after for heir in heirs)))
    if not wanted:
        return
    rows = await unit.connection.fetch(_RESTRICTED, wanted)
    kinds = {row["id"]: row["kind"] or RestrictionKind.OTHER for row in rows}
    due = [heir for heir in heirs if heir.after & kinds.keys()]
    if not due:
        return
    settled = await ever_restricted(unit.connection, [heir.file.case.id for heir in due])
    for file, after, because in due:
        if file.case.id in settled or file.case.restricted:
            continue
        file.case.restricted = file.changed = True
        kind = RestrictionKind(min(kinds[one] for one in after & kinds.keys()))
        given = Given(True, kind, because, Service.TRIAGE.value, unit.now)
        await keep_restriction(unit.connection, codec, [file.case.id], given)


def _heirs(file: File) -> Iterable[_Heir]:
    kinds = {one.kind for one in file.new_evidence}
    family = frozenset(one.case.id for one in file.family if one.case.restricted)
    if EvidenceKind.RECEIVED in kinds and family:
        yield _Heir(file, family, "A brother or sister in this referral is restricted.")
    if EvidenceKind.LINKED in kinds and file.known.linked is not None:
        yield _Heir(file, _earlier(file.known.linked), "An earlier case of this child is restricted.")


def _earlier(linked: Linked) -> frozenset[UUID]:
    """The earlier cases of this very child, as far as is sure."""
    history = linked.history
    named = [one.case_id for one in history.earlier if not one.mistaken]
    named += [one.case_id for one in history.step_downs]
    named += [one.case_id for one in history.duplicates if one.decided == SameEvent.SAME]
    return frozenset(one for one in named if one is not None)
