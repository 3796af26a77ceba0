"""Hand-overs as they stand on record: rows are added, and answered once."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.messaging.codec import Codec, Decoded
from libs.platform.auth import Principal
from libs.schemas.base import Instant, Line, Model, Nothing, Payload, Text
from libs.schemas.levels import Destination
from services.triage.restricted.rights import visible_of
from services.triage.tasks.due import Due

_ASK = """
INSERT INTO handover (case_id, decision, referral_id, destination, team, asked_at, due_at, rule)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_LEAVE = """
UPDATE handover SET answer = 'superseded', answered_at = $2 WHERE case_id = $1 AND answer IS NULL
"""
_ANSWER = """
UPDATE handover SET answer = $3, answered_at = $4, recorded_by = $5, document = $6 WHERE case_id = $1 AND decision = $2
"""
_SELECT = """
SELECT h.case_id, h.decision, h.destination, h.team, h.asked_at, h.due_at, h.answer, h.answered_at, h.recorded_by,
       h.document, c.reference, c.child_number
  FROM handover AS h JOIN child_case AS c ON c.id = h.case_id
"""
MOST = 200


class Answered(StrEnum):
    """What became of a hand-over."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    """A later decision took its place."""


class Receipt(Model):
    """Who answered at the receiving end, and what they said."""

    name: Line = Field(description="The person, with their role.")
    note: Text | None = None


class RecordedReceipt(Payload[Nothing, Receipt]):
    """An answer to a hand-over as it was given."""


class HandoverView(Model):
    """One hand-over of a child."""

    case_id: UUID
    reference: str | None
    child_number: int
    decision: int = Field(description="The number of the decision that it follows from.")
    destination: Destination
    team: str
    asked_at: Instant
    due_at: Instant
    overdue: bool
    answer: Answered | None = Field(description="Absent while the receiving end has not answered.")
    answered_at: Instant | None = None
    answered_by: Line | None = Field(None, description="The person at the receiving end, with their role.")
    recorded_by: Line | None = Field(None, description="Subject of the token with which it was recorded.")
    note: Text | None = None


class HandoverPage(Model):
    """Hand-overs that wait for the receiving end, the most urgent first."""

    items: tuple[HandoverView, ...]
    more: bool


async def ask(
    connection: asyncpg.Connection,
    case_id: UUID,
    referral_id: UUID,
    decision: int,
    destination: Destination,
    team: str,
    now: datetime,
    due: Due,
) -> None:
    """Asks the receiving end to accept."""
    await connection.execute(_ASK, case_id, decision, referral_id, destination, team, now, due.at, due.rule)


async def leave(connection: asyncpg.Connection, case_id: UUID, now: datetime) -> None:
    """A new decision takes the place of what still waits."""
    await connection.execute(_LEAVE, case_id, now)


async def keep_answer(
    connection: asyncpg.Connection,
    codec: Codec,
    case_id: UUID,
    decision: int,
    answer: Answered,
    now: datetime,
    recorded_by: str,
    receipt: Receipt,
) -> None:
    """Keeps what the receiving end said."""
    (document,) = await codec.encode([RecordedReceipt(shared=Nothing(), children={case_id: receipt})])
    await connection.execute(_ANSWER, case_id, decision, answer.value, now, recorded_by, document)


async def handovers_of(
    connection: asyncpg.Connection, codec: Codec, case_id: UUID, now: datetime
) -> Sequence[HandoverView]:
    """Every hand-over of a case, the first one first."""
    rows = await connection.fetch(f"{_SELECT} WHERE h.case_id = $1 ORDER BY h.decision", case_id)
    return await _views(codec, rows, now)


async def waiting(
    connection: asyncpg.Connection,
    codec: Codec,
    team: str | None,
    limit: int,
    caller: Principal,
    now: datetime,
) -> HandoverPage:
    """Hand-overs that nobody has answered, of one team or of all, as far as the caller may see them."""
    seen = visible_of(caller, "h.case_id", "h.referral_id")
    rows = await connection.fetch(
        f"{_SELECT} WHERE h.answer IS NULL AND ($1::text IS NULL OR h.team = $1) AND {seen}"
        " ORDER BY h.due_at, h.case_id LIMIT $2",
        team,
        limit + 1,
    )
    return HandoverPage(items=tuple(await _views(codec, rows[:limit], now)), more=len(rows) > limit)


async def _views(codec: Codec, rows: Sequence[Any], now: datetime) -> list[HandoverView]:
    kept = [row for row in rows if row["document"] is not None]
    read = await codec.decode([(RecordedReceipt, row["document"]) for row in kept])
    receipts = {
        (row["case_id"], row["decision"]): item.payload.children.get(row["case_id"])
        for row, item in zip(kept, read, strict=True)
        if isinstance(item, Decoded)
    }
    views = []
    for row in rows:
        values = {name: value for name, value in dict(row).items() if name != "document"}
        receipt = receipts.get((row["case_id"], row["decision"]))
        overdue = row["answer"] is None and row["due_at"] < now
        name, note = (None, None) if receipt is None else (receipt.name, receipt.note)
        views.append(HandoverView(**values, overdue=overdue, answered_by=name, note=note))
    return views
