"""Applies the other services' events to the cases they are about, a batch at a time."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID, uuid5

from libs.messaging.codec import Codec
from libs.messaging.consumer import Parked
from libs.messaging.event import Event
from libs.messaging.ledger import Unit
from libs.schemas.alerts import AlertDelivered, AlertFailed
from libs.schemas.base import Payload
from libs.schemas.challenge import Challenged
from libs.schemas.events import (
    ALERT_DELIVERED,
    ALERT_FAILED,
    CASE_REOPENED,
    CASE_ROUTED,
    CASE_SCREENED,
    CHALLENGED,
    CHECK_CORRECTED,
    CHECK_RETURNED,
    CHECKS_COMPLETED,
    CHILDREN_FOUND,
    ENRICHMENT_RESUMED,
    ENRICHMENT_STOPPED,
    INFORMATION_ADDED,
    INTAKE_RESUMED,
    INTAKE_STOPPED,
    NOTICE_FAILED,
    NOTIFY_RESUMED,
    NOTIFY_STOPPED,
    PERSON_LINKED,
    RECEIVED,
    REFERRER_UNTELLABLE,
    WITHDRAWN,
    CaseReopened,
    CaseRouted,
    CaseScreened,
    CheckCorrected,
    CheckReturned,
    ChecksCompleted,
    ChildrenFound,
    EventType,
    InformationAdded,
    NoticeFailed,
    PersonLinked,
    ProcessingResumed,
    ProcessingStopped,
    Received,
    Reference,
    ReferrerUntellable,
    Service,
    Withdrawn,
)
from services.triage.alerts.calling import call_ended
from services.triage.case import File
from services.triage.casework import INDEX, Casework
from services.triage.challenges.hearing import Hearing
from services.triage.challenges.ladder import Ladder
from services.triage.clocks.joining import keep_first_clock
from services.triage.desk import Desk, load, save
from services.triage.handover.reopening import ask
from services.triage.joined.news import tell_workers
from services.triage.policies.store import Policies
from services.triage.reckoning import Cause, Change
from services.triage.referral import received_of, shared_evidence
from services.triage.restricted.inheritance import inherit
from services.triage.search.index import SearchIndex
from services.triage.stops import Stops
from services.triage.tasks.raising import NewTask

TELL_BY_TELEPHONE = "tell_referrer_by_telephone"
"""The task that a notice leaves which did not arrive, or which only a person can give."""

A_PERSON_CAN_TELL = frozenset(("no_usable_channel", "conditions"))
"""Notify's reasons for which there is a safe way, but none that a machine can go: a telephone, set hours. Nobody is
rung who is anonymous, who gave no contact or forbade it, or whose contact the person thought to harm may see.
"""

STOPPED = (INTAKE_STOPPED, ENRICHMENT_STOPPED, NOTIFY_STOPPED)
RESUMED = (INTAKE_RESUMED, ENRICHMENT_RESUMED, NOTIFY_RESUMED)


class TriageConsumer:
    """Triage's side of the events of intake, enrichment and notify."""

    name = Service.TRIAGE.value
    types: frozenset[EventType[Any]] = frozenset(
        (
            RECEIVED,
            INFORMATION_ADDED,
            WITHDRAWN,
            CHALLENGED,
            CHECK_RETURNED,
            CHECKS_COMPLETED,
            CHECK_CORRECTED,
            CHILDREN_FOUND,
            PERSON_LINKED,
            NOTICE_FAILED,
            ALERT_DELIVERED,
            ALERT_FAILED,
            REFERRER_UNTELLABLE,
            *STOPPED,
            *RESUMED,
        )
    )

    def __init__(
        self, casework: Casework, codec: Codec, policies: Policies, index: SearchIndex, ladder: Ladder
    ) -> None:
        self._casework = casework
        self._codec = codec
        self._policies = policies
        self._index = index
        self._hearing = Hearing(casework, codec, ladder)
        self._stops = Stops(casework, codec, policies)

    async def handle(self, unit: Unit, events: Sequence[Event]) -> None:
        """Applies a batch in order; what came before its referral is held until that comes."""
        referral_ids = {event.referral_id for event in events}
        desk = await load(unit, self._codec, self._policies, referral_ids)
        early: dict[UUID, list[Event]] = {}
        for event in events:
            payload = event.payload
            if isinstance(payload, Received):
                await self._receive(unit, desk, event, payload)
                for waiting in early.pop(event.referral_id, ()):
                    await self._apply(unit, desk, waiting)
            elif isinstance(payload, ProcessingStopped | ProcessingResumed):
                await self._stops.heard(unit, desk, event.referral_id, payload)
            elif isinstance(payload, AlertDelivered | AlertFailed):
                failed = isinstance(payload, AlertFailed)
                await call_ended(unit, event.referral_id, payload, failed=failed)
            elif desk.known(event.referral_id):
                await self._apply(unit, desk, event)
            else:
                early.setdefault(event.referral_id, []).append(event)
        waiting_on = [event for waiting in early.values() for event in waiting]
        await unit.hold(waiting_on)
        await self._stops.early(unit, desk, waiting_on)
        await tell_workers(unit, self._casework, desk)
        await inherit(unit, self._codec, desk)
        await self._index.fill(unit, self._codec, desk)
        await save(unit, self._codec, self._policies, desk)

    async def stopped(self, unit: Unit, parked: Sequence[Parked]) -> None:
        """The referrals stand in the duty queue at once, and danger in a blocked message is seen. What became of a
        call counts at once, too: whoever is next on the list waits for nothing.
        """
        await self._stops.parked(unit, parked)
        for one in parked:
            payload = None if one.event is None or one.first else one.event.payload
            if isinstance(payload, AlertDelivered | AlertFailed):
                await call_ended(unit, one.referral_id, payload, failed=isinstance(payload, AlertFailed))

    async def resumed(self, unit: Unit, referral_id: UUID) -> None:
        """Nothing of the referral is parked here any more."""
        await self._stops.resumed(unit, referral_id, self.name)

    async def _receive(self, unit: Unit, desk: Desk, event: Event, received: Received) -> None:
        referral_id = event.referral_id
        if desk.known(referral_id):
            return
        await self._stops.came(unit, desk, referral_id)
        desk.new_referrals[referral_id] = received
        cause = _cause(unit, event)
        opened = []
        for number, child_id in enumerate(_in_intakes_order(event, received), 1):
            child = None if child_id in event.erased else received.children[child_id]
            file = self._casework.open(
                cause,
                referral_id=referral_id,
                child_id=child_id,
                number=number,
                received=received,
                child=child,
                trace=event.trace,
            )
            if desk.stops.get(referral_id):
                file.case.stopped = True
                self._casework.refresh(file.case)
            desk.add(file)
            opened.append(file)
        about = Reference(reference=received.shared.reference, at=unit.now)
        screened = {file.case.id: file.case.screened() for file in opened}
        unit.emit(
            CASE_SCREENED, referral_id, CaseScreened(shared=about, children=screened), trace=event.trace
        )
        for held in await unit.release([referral_id]):
            await self._apply(unit, desk, held)

    async def _apply(self, unit: Unit, desk: Desk, event: Event) -> None:
        payload, cause, work = event.payload, _cause(unit, event), self._casework
        files = desk.by_referral[event.referral_id]
        changes: list[tuple[File, Change]] = []
        if isinstance(payload, CheckReturned):
            for file, answer in _named(desk, event, payload):
                changes.append((file, work.answer(file, cause, payload.shared, answer)))
        elif isinstance(payload, ChecksCompleted):
            for file, checks in _named(desk, event, payload):
                changes.append((file, work.complete(file, cause, checks)))
        elif isinstance(payload, CheckCorrected):
            for file, correction in _named(desk, event, payload):
                changes.append((file, work.correct(file, cause, payload.shared, correction)))
        elif isinstance(payload, PersonLinked):
            for file, linked in _named(desk, event, payload):
                change = work.link(file, cause, payload.shared, linked)
                if await keep_first_clock(unit.connection, work.thresholds.clocks, file):
                    work.refresh(file.case)
                    change |= Change.SCREENED
                changes.append((file, change))
        elif isinstance(payload, ChildrenFound):
            changes += await self._find(unit, desk, event, payload)
        elif isinstance(payload, InformationAdded):
            for file in files:
                if file.case.id not in event.erased:
                    child = payload.children.get(file.case.id)
                    changes.append((file, work.information(file, cause, payload.shared, child)))
        elif isinstance(payload, Withdrawn):
            for file in files:
                self._casework.withdraw(file, cause, payload)
        elif isinstance(payload, Challenged):
            changes += await self._hearing.hear(unit, desk, event, payload, cause)
        elif isinstance(payload, NoticeFailed):
            shared = payload.shared
            await self._tell_by_telephone(unit, desk, event, shared.reason, shared.notice_id)
        elif isinstance(payload, ReferrerUntellable):
            reason = payload.shared.reason
            desk.untellable[event.referral_id] = reason
            if reason in A_PERSON_CAN_TELL:
                # Notify speaks of an outcome only after triage decided: each further decision is told anew.
                decisions = sum(file.case.decision for file in files)
                told_once = payload.shared.step or uuid5(event.referral_id, f"untold/{decisions}")
                await self._tell_by_telephone(unit, desk, event, reason, told_once)
        if len(files) > 1:
            changes += work.spread(files, cause)
        tell(unit, changes, event.trace)

    async def _find(
        self, unit: Unit, desk: Desk, event: Event, payload: ChildrenFound
    ) -> list[tuple[File, Change]]:
        """A case in this referral, on its clock, for each child who was found or added; screened at once, with what
        its brothers and sisters and their home have brought.
        """
        referral_id, changes = event.referral_id, list[tuple[File, Change]]()
        new = [child_id for child_id in payload.children if child_id not in desk.files]
        received = await received_of(unit.connection, self._codec, desk, referral_id) if new else None
        if received is None:
            return changes
        cause, family = _cause(unit, event), desk.by_referral[referral_id]
        earlier = await shared_evidence(unit.connection, self._codec, family)
        for child_id in new:
            file = self._casework.open(
                cause,
                referral_id=referral_id,
                child_id=child_id,
                number=max(one.case.child_number for one in family) + 1,
                received=received,
                child=None if child_id in event.erased else payload.children[child_id],
                trace=event.trace,
                family=family,
                found_by=payload.shared.sources[0] if payload.shared.sources else INDEX,
            )
            for said in earlier:
                again = Cause(said.event_id, said.at, unit.now)
                if isinstance(said.document, Withdrawn):
                    self._casework.withdraw(file, again, said.document)
                else:
                    self._casework.information(file, again, said.document.shared, None)
            if desk.stops.get(referral_id):
                file.case.stopped = True
                self._casework.refresh(file.case)
            desk.add(file)
            changes.append((file, Change.SCREENED))
        return changes

    async def _tell_by_telephone(
        self, unit: Unit, desk: Desk, event: Event, reason: str | None, about: UUID
    ) -> None:
        kind, trace = TELL_BY_TELEPHONE, event.trace
        due = self._casework.thresholds.flow_due(kind, unit.now)
        task = NewTask(event.referral_id, None, kind, unit.now, due, reason=reason, about=about, trace=trace)
        await ask(unit, self._casework, desk, task)


def tell(unit: Unit, changes: Iterable[tuple[File, Change]], trace: str | None) -> None:
    """Emits what others must be told after a step: one event of each kind for all children of the referral."""
    screened, routed, reopened = {}, {}, {}
    referral_id, reference = None, None
    for file, change in changes:
        case = file.case
        referral_id, reference = case.referral_id, case.reference
        if Change.SCREENED in change:
            screened[case.id] = case.screened()
        if Change.ROUTED in change:
            routed[case.id] = case.routed()
        if Change.REOPENED in change:
            reopened[case.id] = case.reopened()
    if referral_id is None or reference is None:
        return
    about = Reference(reference=reference, at=unit.now)
    if screened:
        unit.emit(CASE_SCREENED, referral_id, CaseScreened(shared=about, children=screened), trace=trace)
    if routed:
        unit.emit(CASE_ROUTED, referral_id, CaseRouted(shared=about, children=routed), trace=trace)
    if reopened:
        unit.emit(CASE_REOPENED, referral_id, CaseReopened(shared=about, children=reopened), trace=trace)


def _in_intakes_order(event: Event, received: Received) -> list[UUID]:
    """The referral's children, erased ones with them, numbered as intake numbers them.

    Intake gives them version 7 ids one after the other (RFC 9562, 6.2), so the ids' order is that of the form.
    """
    gone = event.erased - received.children.keys()
    return sorted(gone | received.children.keys()) if gone else list(received.children)


def _named(desk: Desk, event: Event, payload: Payload[Any, Any]) -> Iterable[tuple[File, Any]]:
    for child_id, part in payload.children.items():
        file = desk.files.get(child_id)
        if file is not None and file.case.referral_id == event.referral_id and child_id not in event.erased:
            yield file, part


def _cause(unit: Unit, event: Event) -> Cause:
    return Cause(event.id, event.time, unit.now)
