"""What enrichment does with the events that it reads."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.messaging.consumer import Parked
from libs.messaging.errors import Permanent
from libs.messaging.event import Event
from libs.messaging.ledger import Unit
from libs.messaging.parked import discarded
from libs.platform.restricted import learn
from libs.schemas.commands import PersonAction
from libs.schemas.events import (
    CASE_DECIDED,
    CASE_RESTRICTED,
    CASE_SCREENED,
    CHECK_ORDERED,
    DISCARDED,
    ENRICHMENT_RESUMED,
    ENRICHMENT_STOPPED,
    INFORMATION_ADDED,
    PEOPLE_CORRECTED,
    PERSON_DECIDED,
    RECEIVED,
    WITHDRAWN,
    AddedInformation,
    CaseScreened,
    CheckOrdered,
    EventType,
    InformationAdded,
    PeopleCorrected,
    PersonDecided,
    ProcessingResumed,
    ProcessingStopped,
    Received,
    Resumed,
    Service,
    Stopped,
    WithdrawnReferral,
)
from libs.schemas.referral import Agreements
from services.enrichment.asking.question import Kept, homes, identifiers, keep
from services.enrichment.checks.desk import Desk
from services.enrichment.checks.effects import carry_out
from services.enrichment.checks.record import Child, Effect, Referral
from services.enrichment.checks.store import Store
from services.enrichment.family.family import Family
from services.enrichment.family.work import add_child
from services.enrichment.partnership import NOT_STATED

RELINKING = frozenset((PersonAction.LINK, PersonAction.UNLINK, PersonAction.UNDO))
"""Decisions after which a child may be somebody else: what was said of whom it was taken for counts no more."""


class EnrichmentConsumer:
    """Keeps what the checks need of a referral, and starts them when triage has screened."""

    name = Service.ENRICHMENT.value
    types: frozenset[EventType[Any]] = frozenset(
        {
            RECEIVED,
            INFORMATION_ADDED,
            WITHDRAWN,
            CASE_SCREENED,
            CASE_DECIDED,
            CASE_RESTRICTED,
            PERSON_DECIDED,
            CHECK_ORDERED,
            PEOPLE_CORRECTED,
        }
    )

    def __init__(self, desk: Desk, store: Store, family: Family, wake: Callable[[], None]) -> None:
        """`wake` is called when a committed batch may have left questions to ask."""
        self._desk = desk
        self._store = store
        self._family = family
        self._wake = wake

    async def handle(self, unit: Unit, events: Sequence[Event]) -> None:
        """Applies a batch. Raises Permanent for a child that its referral does not have."""
        await learn(unit.connection, events)
        events = [event for event in events if event.type is not CASE_RESTRICTED]
        referrals = await self._store.load(unit.connection, {event.referral_id for event in events})
        fresh: list[tuple[Referral, datetime, Kept]] = []
        early: list[Event] = []
        applied: list[Event] = []
        for event in await self._in_order(unit, events):
            if event.type is RECEIVED:
                if event.referral_id not in referrals:
                    referral, kept = _new(event)
                    referrals[referral.id] = referral
                    fresh.append((referral, event.payload.shared.received_at, kept))
                    applied.append(event)
            elif event.referral_id not in referrals:
                early.append(event)
            else:
                referral = referrals[event.referral_id]
                carry_out(unit, referral, self._apply(referral, event, unit.now))
                applied.append(event)
        await unit.hold(early)
        await self._store.add(unit.connection, fresh)
        kept_of = {referral.id: kept for referral, _, kept in fresh}
        for referral, child in await self._family.apply(unit, applied, referrals, kept_of):
            carry_out(unit, referral, self._desk.permitted(referral, child, unit.now))
        asks = any(
            check.changed and check.ask_at is not None
            for referral in referrals.values()
            for child in referral.children.values()
            for check in child.checks.values()
        )
        await self._store.save(unit.connection, referrals.values(), unit.now)
        if asks:
            unit.committed.append(self._wake)

    async def stopped(self, unit: Unit, parked: Sequence[Parked]) -> None:
        """Tells triage that this referral waits here for a person. Who is restricted counts at once: it is what keeps
        these very messages from others' eyes.
        """
        await learn(unit.connection, (one.event for one in parked if one.event is not None))
        for message in parked:
            if message.first:
                unit.emit(
                    ENRICHMENT_STOPPED,
                    message.referral_id,
                    ProcessingStopped(
                        shared=Stopped(
                            consumer=self.name,
                            event_id=message.event_id,
                            event_type=message.type,
                            reason=message.code,
                            at=unit.now,
                        )
                    ),
                    trace=message.event.trace if message.event else None,
                )

    async def resumed(self, unit: Unit, referral_id: UUID) -> None:
        """Tells triage that nothing of this referral waits here any more, and what was given up for good."""
        given_up = await discarded(unit.connection, self.name, referral_id, RECEIVED.name)
        if given_up is not None:
            stop = Stopped(
                consumer=self.name,
                event_id=given_up,
                event_type=RECEIVED.name,
                reason=DISCARDED,
                at=unit.now,
            )
            unit.emit(ENRICHMENT_STOPPED, referral_id, ProcessingStopped(shared=stop), trace=None)
        shared = Resumed(consumer=self.name, at=unit.now)
        unit.emit(ENRICHMENT_RESUMED, referral_id, ProcessingResumed(shared=shared), trace=None)

    async def _in_order(self, unit: Unit, events: Sequence[Event]) -> list[Event]:
        """Receipts first, then what was held for them, then the rest: each producer's own order stays."""
        received = [event for event in events if event.type is RECEIVED]
        held = await unit.release({event.referral_id for event in received}) if received else []
        return [*received, *held, *(event for event in events if event.type is not RECEIVED)]

    def _apply(self, referral: Referral, event: Event, now: datetime) -> list[Effect]:
        match event.payload:
            case CaseScreened(children=screened):
                return [
                    effect
                    for child_id, first in screened.items()
                    if child_id not in referral.erased
                    for effect in self._desk.screened(
                        referral, _child_of(referral, child_id), first.level, first.rag, event.trace, now
                    )
                ]
            case InformationAdded(shared=AddedInformation(agreements=Agreements() as agreements)):
                if agreements.checks is None:
                    return []
                referral.agreement, referral.changed = str(agreements.checks.answer), True
                return [
                    effect
                    for child in referral.children.values()
                    for effect in self._desk.permitted(referral, child, now)
                ]
            case InformationAdded():
                return []
            case CheckOrdered(children=ordered):
                return [
                    effect
                    for child_id, command in ordered.items()
                    if child_id not in referral.erased
                    for effect in self._desk.ordered(referral, _child_of(referral, child_id), command, now)
                ]
            case PersonDecided(children=decided):
                return [
                    effect
                    for child_id, decision in decided.items()
                    if decision.action in RELINKING and child_id in referral.children
                    for effect in self._desk.unlinked(referral, referral.children[child_id], now)
                ]
            case PeopleCorrected(children=corrected):
                # Triage may screen a child in the same breath as staff add them.
                for child_id in corrected.keys() - referral.children.keys() - referral.erased:
                    add_child(referral, child_id)
                return []
        if event.type is WITHDRAWN and isinstance(event.payload.shared, WithdrawnReferral):
            referral.withdrawn_at, referral.changed = event.payload.shared.received_at, True
        return []


def _new(event: Event) -> tuple[Referral, Kept]:
    payload = event.payload
    if not isinstance(payload, Received):
        raise Permanent("contract")
    kept = keep(payload, event.children)
    checks = payload.shared.referral.agreements.checks
    referral = Referral(
        id=event.referral_id,
        reference=payload.shared.reference,
        agreement=NOT_STATED if checks is None else str(checks.answer),
        erased=event.erased,
        employers=kept.shared.employers,
    )
    home = homes(kept)
    for child_id, child in kept.children.items():
        known_by = identifiers(kept, child_id)
        referral.children[child_id] = Child(
            child_id, referral.id, child.number, known_by, home.get(child_id), changed=True
        )
    return referral, kept


def _child_of(referral: Referral, child_id: UUID) -> Child:
    child = referral.children.get(child_id)
    if child is None:
        raise Permanent("unknown-child")
    return child
