"""What notify does with the events that it reads: it decides what referrers are told, and queues it, and calls those
who are on call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from libs.messaging.codec import Codec, Undecodable
from libs.messaging.consumer import Parked
from libs.messaging.errors import Permanent
from libs.messaging.event import Event
from libs.messaging.ledger import Unit
from libs.messaging.parked import discarded
from libs.platform.restricted import learn
from libs.schemas.events import (
    ALERT_ACKNOWLEDGED,
    ALERT_CALLED,
    CASE_DECIDED,
    CASE_RESTRICTED,
    CASE_SCREENED,
    CHALLENGE_MOVED,
    DISCARDED,
    NOTIFY_RESUMED,
    NOTIFY_STOPPED,
    RECEIVED,
    REFERRER_UNTELLABLE,
    CaseDecided,
    CaseScreened,
    ChallengeMoved,
    EventType,
    ProcessingResumed,
    ProcessingStopped,
    Received,
    ReferrerUntellable,
    Resumed,
    Service,
    Stopped,
    UntellableReferrer,
)
from libs.schemas.notice import NoticeKind
from libs.schemas.on_call import OnCall
from services.notify import alerts, store, telling
from services.notify.documents import Recipient, StoredNotice, StoredRecipient, recipient_of
from services.notify.store import Draft, Occasion, Referral
from services.notify.telling import Place, Untold
from services.notify.wording import Wording

BESIDE = (ALERT_CALLED, ALERT_ACKNOWLEDGED, CASE_RESTRICTED)
"""What tells no referrer anything, and waits for no referral: calls to those on call, and who is restricted."""


class Known:
    """A referral with its referrer, read."""

    def __init__(self, referral: Referral, recipient: Recipient | None) -> None:
        self.referral = referral
        self.recipient = recipient
        self.place: Place | Untold = Untold.ERASED if recipient is None else telling.place(recipient)


class NotifyConsumer:
    """Queues a receipt, `being looked at` once, an outcome for each child's decision, and how challenges of it go."""

    name = Service.NOTIFY.value
    types: frozenset[EventType[Any]] = frozenset(
        {
            RECEIVED,
            CASE_SCREENED,
            CASE_DECIDED,
            CASE_RESTRICTED,
            CHALLENGE_MOVED,
            ALERT_CALLED,
            ALERT_ACKNOWLEDGED,
        }
    )

    def __init__(self, wording: Wording, on_call: OnCall, codec: Codec, wake: Callable[[], None]) -> None:
        """`wake` is called when notices are there to be sent."""
        self._wording = wording
        self._on_call = on_call
        self._codec = codec
        self._wake = wake

    async def handle(self, unit: Unit, events: Sequence[Event]) -> None:
        """Applies a batch. Raises Permanent where what is kept of a referrer can no longer be read."""
        await learn(unit.connection, events)
        if await alerts.queue(unit, self._codec, self._wording, self._on_call, events):
            unit.committed.append(self._wake)
        ordered = await _with_released(unit, [event for event in events if event.type not in BESIDE])
        known = await self._load(unit, {event.referral_id for event in ordered})
        fresh: list[tuple[Event, StoredRecipient]] = []
        early: list[Event] = []
        told: list[tuple[Occasion, Place, StoredNotice, str | None]] = []
        untold: dict[Occasion, tuple[Untold, str | None]] = {}
        for event in ordered:
            payload = event.payload
            if isinstance(payload, Received):
                if event.referral_id in known:
                    continue
                recipient = recipient_of(payload)
                fresh.append((event, recipient))
                referral = _referral(event, b"")
                known[event.referral_id] = Known(referral, recipient.shared)
            elif event.referral_id not in known:
                early.append(event)
                continue
            who = known[event.referral_id]
            for occasion in _occasions(event):
                if occasion.child_id in who.referral.erased:
                    continue
                if occasion.child_id is not None and occasion.child_id not in who.referral.children:
                    # Found by a check or added by staff: whoever did not name a child learns nothing of it.
                    continue
                if isinstance(who.place, Untold):
                    untold.setdefault(occasion, (who.place, event.trace))
                else:
                    notice = self._notice(who, who.place, occasion, event)
                    told.append((occasion, who.place, notice, event.trace))
        await unit.hold(early)
        await self._keep(unit, fresh)
        contents = await self._codec.encode([notice for _, _, notice, _ in told])
        drafts = [
            Draft(occasion, place.channel, content, trace)
            for (occasion, place, _, trace), content in zip(told, contents, strict=True)
        ]
        await store.add_notices(unit.connection, drafts, unit.now)
        if drafts:
            unit.committed.append(self._wake)
        reasons = [(occasion, reason.value) for occasion, (reason, _) in untold.items()]
        for occasion in await store.add_untold(unit.connection, reasons, unit.now):
            reason, trace = untold[occasion]
            shared = UntellableReferrer(
                reference=known[occasion.referral_id].referral.reference,
                reason=reason.value,
                at=unit.now,
                step=_step(occasion),
            )
            unit.emit(
                REFERRER_UNTELLABLE, occasion.referral_id, ReferrerUntellable(shared=shared), trace=trace
            )

    async def stopped(self, unit: Unit, parked: Sequence[Parked]) -> None:
        """Tells triage that this referral's notices wait here for a person. Who is restricted counts at once: it is
        what keeps these very messages from others' eyes. Whoever is on call is called at once, too: danger does not
        wait for what a referrer is to be told.
        """
        await learn(unit.connection, (one.event for one in parked if one.event is not None))
        behind = [one.event for one in parked if one.event is not None and not one.first]
        if await alerts.queue(unit, self._codec, self._wording, self._on_call, behind):
            unit.committed.append(self._wake)
        for message in parked:
            if message.first:
                shared = Stopped(
                    consumer=self.name,
                    event_id=message.event_id,
                    event_type=message.type,
                    reason=message.code,
                    at=message.parked_at,
                )
                trace = message.event.trace if message.event else None
                unit.emit(NOTIFY_STOPPED, message.referral_id, ProcessingStopped(shared=shared), trace=trace)

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
            unit.emit(NOTIFY_STOPPED, referral_id, ProcessingStopped(shared=stop), trace=None)
        shared = Resumed(consumer=self.name, at=unit.now)
        unit.emit(NOTIFY_RESUMED, referral_id, ProcessingResumed(shared=shared), trace=None)

    async def _load(self, unit: Unit, referral_ids: set[UUID]) -> dict[UUID, Known]:
        referrals = await store.load(unit.connection, referral_ids)
        decoded = await self._codec.decode([(StoredRecipient, each.recipient) for each in referrals.values()])
        return {
            referral_id: Known(referral, None if isinstance(item, Undecodable) else item.payload.shared)
            for (referral_id, referral), item in zip(referrals.items(), decoded, strict=True)
        }

    async def _keep(self, unit: Unit, fresh: Sequence[tuple[Event, StoredRecipient]]) -> None:
        encoded = await self._codec.encode([recipient for _, recipient in fresh])
        rows: list[tuple[Referral, datetime]] = []
        for (event, _), recipient in zip(fresh, encoded, strict=True):
            rows.append((_referral(event, recipient), event.payload.shared.received_at))
        await store.add_referrals(unit.connection, rows)

    def _notice(self, who: Known, place: Place, occasion: Occasion, event: Event) -> StoredNotice:
        reference = who.referral.reference
        match occasion.kind:
            case NoticeKind.RECEIPT:
                return telling.receipt(self._wording, place, reference)
            case NoticeKind.BEING_LOOKED_AT:
                return telling.being_looked_at(self._wording, place, reference)
            case NoticeKind.OUTCOME:
                if who.recipient is None or occasion.child_id is None:
                    raise Permanent("unknown-recipient")
                decided = event.payload.children[occasion.child_id]
                children = who.referral.children
                return telling.outcome(
                    self._wording, place, reference, who.recipient, children, occasion.child_id, decided
                )
            case NoticeKind.CHALLENGE:
                if who.recipient is None or occasion.child_id is None:
                    raise Permanent("unknown-recipient")
                moved = event.payload.children[occasion.child_id]
                children = who.referral.children
                return telling.challenge(
                    self._wording, place, reference, who.recipient, children, occasion.child_id, moved
                )


def _referral(event: Event, recipient: bytes) -> Referral:
    reference = event.payload.shared.reference
    return Referral(event.referral_id, reference, event.children, recipient, event.erased)


def _occasions(event: Event) -> list[Occasion]:
    match event.payload:
        case Received():
            return [Occasion(event.referral_id, NoticeKind.RECEIPT)]
        case CaseScreened():
            return [Occasion(event.referral_id, NoticeKind.BEING_LOOKED_AT)]
        case CaseDecided(children=children):
            return [
                Occasion(event.referral_id, NoticeKind.OUTCOME, child_id, decided.decision)
                for child_id, decided in children.items()
            ]
        case ChallengeMoved(children=moved):
            # What was kept as information has no step; its sender reads it in the status.
            return [
                Occasion(event.referral_id, NoticeKind.CHALLENGE, child_id, one.number)
                for child_id, one in moved.items()
                if one.number
            ]
    return []


def _step(occasion: Occasion) -> UUID | None:
    if occasion.kind is not NoticeKind.CHALLENGE or occasion.child_id is None:
        return None
    return uuid5(occasion.child_id, f"challenge/{occasion.decision}")


async def _with_released(unit: Unit, events: Sequence[Event]) -> Sequence[Event]:
    """The batch with referrals first, then what was held for them, then the rest.

    Within a batch, too, an event may stand before its referral: the topics have no common order.
    """
    arrived = [event for event in events if event.type is RECEIVED]
    held = await unit.release({event.referral_id for event in arrived})
    return [*arrived, *held, *(event for event in events if event.type is not RECEIVED)]
