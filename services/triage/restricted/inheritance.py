"""What is restricted without anybody saying so anew: a child who is found in a restricted referral, a child who is
restricted in another referral, and a case that takes the place of a restricted stand-in.

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
from services.triage.case import Case, File
from services.triage.desk import Desk
from services.triage.documents import EvidenceKind
from services.triage.restricted.persons import keep_persons, same_child
from services.triage.restricted.record import Given, RestrictionKind, keep_restriction, last_kinds
from services.triage.restricted.telling import tell_restricted


class _Heir(NamedTuple):
    file: File
    after: frozenset[UUID]
    """The cases whose restriction counts for it."""
    because: str
    linked: bool
    """The child's cases in other referrals count with them."""


async def inherit(unit: Unit, codec: Codec, desk: Desk) -> None:
    """Restricts what this unit of work opened or linked beside a restricted case, and tells the other services."""
    await keep_persons(unit, desk.files.values())
    heirs = [heir for file in desk.files.values() if not file.case.restricted for heir in _heirs(file)]
    if not heirs:
        return
    others: dict[UUID, set[UUID]] = {}
    for one in await same_child(unit, {heir.file.case.id for heir in heirs if heir.linked}):
        others.setdefault(one.of, set()).add(one.case_id)
    heirs = [heir._replace(after=heir.after | others.get(heir.file.case.id, set())) for heir in heirs]
    spoken = await last_kinds(unit.connection, set().union(*(heir.after for heir in heirs)))
    kinds = {case_id: kind for case_id, kind in spoken.items() if kind is not None}
    due = [heir for heir in heirs if heir.after & kinds.keys()]
    if not due:
        return
    settled = await last_kinds(unit.connection, {heir.file.case.id for heir in due})
    restricted = []
    for file, after, because, _ in due:
        if file.case.restricted or settled.get(file.case.id, RestrictionKind.OTHER) is None:
            continue
        file.case.restricted = file.case.changed = True
        kind = RestrictionKind(min(kinds[one] for one in after & kinds.keys()))
        given = Given(True, kind, because, Service.TRIAGE.value, unit.now)
        await keep_restriction(unit.connection, codec, [file.case.id], given)
        restricted.append(file.case)
    tell_restricted(unit, restricted)


async def outlive(unit: Unit, codec: Codec, stand_ins: Iterable[Case]) -> None:
    """A person took up by hand what restricted cases stood for: its messages stay, and stay hidden by the referral's
    own id, once no case is left to hide them by. Others are told of that id once more: they were not, where it was
    restricted before a whole referral could be told of.
    """
    hidden = [case for case in stand_ins if case.restricted]
    tell_restricted(unit, [case for case in hidden if case.id == case.referral_id])
    spoken = await last_kinds(unit.connection, {case.id for case in hidden})
    left: dict[UUID, RestrictionKind] = {}
    for case in hidden:
        if case.id != case.referral_id:
            left[case.referral_id] = RestrictionKind(spoken.get(case.id) or RestrictionKind.OTHER)
    for referral_id, kind in left.items():
        given = Given(
            True, kind, "What stood for this referral was restricted.", Service.TRIAGE.value, unit.now
        )
        await keep_restriction(unit.connection, codec, [referral_id], given)


def _heirs(file: File) -> Iterable[_Heir]:
    kinds, case = {one.kind for one in file.new_evidence}, file.case
    if EvidenceKind.RECEIVED in kinds:
        family = frozenset(one.case.id for one in file.family if one.case.restricted)
        yield _Heir(file, family, "A brother or sister in this referral is restricted.", linked=False)
        stand_ins = frozenset((case.id, case.referral_id))
        yield _Heir(file, stand_ins, "What stood for this case is restricted.", linked=False)
    if EvidenceKind.LINKED in kinds and file.known.linked is not None:
        earlier = _earlier(file.known.linked)
        yield _Heir(file, earlier, "Another case of this child is restricted.", linked=True)


def _earlier(linked: Linked) -> frozenset[UUID]:
    """The earlier cases of this very child, as far as is sure."""
    history = linked.history
    named = [one.case_id for one in history.earlier if not one.mistaken]
    named += [one.case_id for one in history.step_downs]
    named += [one.case_id for one in history.duplicates if one.decided == SameEvent.SAME]
    return frozenset(one for one in named if one is not None)
