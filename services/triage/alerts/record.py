"""Alerts as they stand on record, and what is shown of them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.messaging.codec import Codec, Decoded
from libs.platform.auth import Principal
from libs.schemas.base import Identifier, Instant, Line, Model, Nothing, Payload, Text
from libs.schemas.notice import NoticeChannel
from libs.schemas.on_call import OnCall, Urgency
from services.triage.restricted.rights import visible

MOST = 200

_LIST = """
SELECT a.* FROM alert AS a
 WHERE ($1::uuid IS NULL OR $1 = ANY (a.case_ids))
   AND (a.ended_at IS NULL OR NOT $2)
   AND EXISTS (SELECT FROM child_case AS c WHERE c.id = ANY (a.case_ids) AND {seen})
 ORDER BY a.ended_at IS NOT NULL, a.urgency <> 'immediate_danger', a.raised_at, a.id LIMIT $3
"""
_CALLS = """
SELECT alert_id, contact, called_at, state, told_at, channel, reason FROM alert_call
 WHERE alert_id = ANY ($1) ORDER BY alert_id, number
"""
_CASES = "SELECT id, reference FROM child_case AS c WHERE c.id = ANY ($1) AND {seen} ORDER BY child_number"


class AcknowledgementBody(Model):
    """The body of `PUT /v1/alerts/{id}/acknowledgement`, which may be left out. Who it is says the token."""

    note: Text | None = None


class RecordedAcknowledgement(Payload[AcknowledgementBody, Nothing]):
    """An acknowledgement as it was given."""


class CallView(Model):
    """One call of somebody who is on call."""

    contact: Identifier
    name: Line | None = Field(description="Absent where the list does not have the contact any more.")
    called_at: Instant
    state: str = Field(description="`called`, `delivered` or `failed`: of the message, not of its reader.")
    told_at: Instant | None = None
    channel: NoticeChannel | str | None = None
    reason: str | None = Field(None, description="A code for why it failed.")


class AlertView(Model):
    """Red work, and who was called about it."""

    id: UUID
    referral_id: UUID
    reference: str | None
    case_ids: tuple[UUID, ...]
    urgency: Urgency
    raised_at: Instant
    calls: tuple[CallView, ...]
    next_at: Instant | None = Field(
        description="When the next person is called, unless somebody acknowledges."
    )
    silences: int = Field(description="How often the list came to its end and nobody had answered.")
    ended_at: Instant | None = None
    ended_as: str | None = Field(
        None,
        description="`acknowledged`, `replaced` by a later alert, or `moot`: what stood in the queue is gone.",
    )
    acknowledged_by: Line | None = None
    note: Text | None = None


class AlertPage(Model):
    """Alerts: open ones first, then the most urgent, then the oldest."""

    items: tuple[AlertView, ...]
    more: bool


async def alerts(
    connection: asyncpg.Connection,
    codec: Codec,
    on_call: OnCall,
    caller: Principal,
    case_id: UUID | None,
    limit: int,
    *,
    only_open: bool,
) -> AlertPage:
    """Alerts of one case or of all, as far as the caller may see them."""
    rows = await connection.fetch(_LIST.format(seen=visible(caller, "c")), case_id, only_open, limit + 1)
    items = await views(connection, codec, on_call, rows[:limit], visible(caller, "c"))
    return AlertPage(items=tuple(items), more=len(rows) > limit)


async def views(
    connection: asyncpg.Connection, codec: Codec, on_call: OnCall, rows: Sequence[Any], seen: str
) -> list[AlertView]:
    """What is shown of rows of alerts. `seen`: the condition on cases `c` that the caller may know of."""
    calls = await connection.fetch(_CALLS, [row["id"] for row in rows])
    wanted = [case_id for row in rows for case_id in row["case_ids"]]
    known = {row["id"]: row["reference"] for row in await connection.fetch(_CASES.format(seen=seen), wanted)}
    return [
        AlertView(
            id=row["id"],
            referral_id=row["referral_id"],
            reference=next((known[one] for one in row["case_ids"] if known.get(one)), None),
            case_ids=tuple(one for one in row["case_ids"] if one in known),
            urgency=row["urgency"],
            raised_at=row["raised_at"],
            calls=tuple(_call(one, on_call) for one in calls if one["alert_id"] == row["id"]),
            next_at=None if row["ended_at"] is not None else row["next_at"],
            silences=row["round"] - 1,
            ended_at=row["ended_at"],
            ended_as=row["ended_as"],
            acknowledged_by=row["acknowledged_by"],
            note=await _note(codec, row["document"]),
        )
        for row in rows
    ]


def _call(row: Any, on_call: OnCall) -> CallView:
    contact = on_call.contacts.get(row["contact"])
    values = {name: value for name, value in dict(row).items() if name != "alert_id"}
    return CallView(**values, name=None if contact is None else contact.name)


async def _note(codec: Codec, document: bytes | None) -> str | None:
    if document is None:
        return None
    (item,) = await codec.decode([(RecordedAcknowledgement, document)])
    return item.payload.shared.note if isinstance(item, Decoded) else None
