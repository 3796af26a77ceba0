"""Alerts to people who are on call: queued as triage calls them, and spared where somebody has acknowledged."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.messaging.codec import Codec
from libs.messaging.event import Event, new_event_id
from libs.messaging.ledger import Unit
from libs.schemas.alerts import AlertAcknowledged, AlertCalled, AlertFailed, CallResult
from libs.schemas.events import ALERT_FAILED
from libs.schemas.notice import NoticeChannel
from libs.schemas.on_call import OnCall
from services.notify import telling
from services.notify.wording import Wording

UNKNOWN = "unknown_contact"
"""Why a call failed whose contact is not on this service's copy of the list."""


_ADD_CALLS = """
INSERT INTO notice (id, referral_id, kind, decision, alert_id, call_id, channel, state, created_at, due_at, traceparent,
                    content)
SELECT id, referral_id, 'alert', 0, alert_id, call_id, channel, 'to_send', $8, $8, traceparent, content
  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::bytea[])
    AS given (id, referral_id, alert_id, call_id, channel, traceparent, content)
ON CONFLICT (call_id) WHERE call_id IS NOT NULL DO NOTHING
"""
_SPARE = """
UPDATE notice SET state = 'failed', reason = 'acknowledged', due_at = NULL, ended_at = $2
 WHERE alert_id = ANY ($1::uuid[]) AND state = 'to_send'
"""


@dataclass(frozen=True, slots=True)
class _Call:
    alert_id: UUID
    call_id: UUID
    referral_id: UUID
    channel: NoticeChannel
    content: bytes
    trace: str | None


async def queue(unit: Unit, codec: Codec, wording: Wording, on_call: OnCall, events: Sequence[Event]) -> bool:
    """Takes the alerts among the events; the referral need not be known. True where something is to be sent."""
    calls: list[tuple[Event, AlertCalled]] = []
    acknowledged = set()
    for event in events:
        if isinstance(event.payload, AlertCalled):
            calls.append((event, event.payload))
        elif isinstance(event.payload, AlertAcknowledged):
            acknowledged.add(event.payload.shared.alert_id)
    drafts = []
    for event, called in calls:
        call = called.shared
        contact = on_call.contacts.get(call.contact)
        if contact is None:
            result = CallResult(alert_id=call.alert_id, call_id=call.call_id, at=unit.now, reason=UNKNOWN)
            unit.emit(ALERT_FAILED, event.referral_id, AlertFailed(shared=result), trace=event.trace)
        else:
            drafts.append((event, call, contact))
    contents = await codec.encode([telling.alert(wording, contact) for _, _, contact in drafts])
    await _add(
        unit.connection,
        [
            _Call(call.alert_id, call.call_id, event.referral_id, contact.channel, content, event.trace)
            for (event, call, contact), content in zip(drafts, contents, strict=True)
        ],
        unit.now,
    )
    await _spare(unit.connection, acknowledged, unit.now)
    return bool(drafts)


async def _add(connection: asyncpg.Connection, calls: Sequence[_Call], now: datetime) -> None:
    if calls:
        await connection.execute(
            _ADD_CALLS,
            [new_event_id(now) for _ in calls],
            [call.referral_id for call in calls],
            [call.alert_id for call in calls],
            [call.call_id for call in calls],
            [call.channel.value for call in calls],
            [call.trace for call in calls],
            [call.content for call in calls],
            now,
        )


async def _spare(connection: asyncpg.Connection, alert_ids: Collection[UUID], now: datetime) -> None:
    if alert_ids:
        await connection.execute(_SPARE, list(alert_ids), now)
