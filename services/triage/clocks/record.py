"""Clocks as they stand on record, with what people wrote about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.messaging.codec import Codec, Decoded
from libs.schemas.base import Identifier, Instant, Line, Model, Nothing, Payload, Text


class StopBody(Model):
    """The body of `PUT /v1/cases/{id}/clocks/{clock}/stop`."""

    at: Instant = Field(description="When what the clock waits for happened. Not in the future.")
    note: Text | None = None


class StartBody(Model):
    """The body of `PUT /v1/cases/{id}/clocks/{clock}/start`."""

    at: Instant = Field(description="When what starts the clock happened. Not in the future.")


class ReasonBody(Model):
    """Why a target stands still, or goes on."""

    reason: Text


class Because(StrEnum):
    """What kind of reason there is for a clock that ran out: counted for the board, beside the words that say it."""

    WORKLOAD = "workload"
    AGENCY_LATE = "agency_late"
    FAMILY_NOT_REACHED = "family_not_reached"
    TOLD_LATE = "told_late"
    """The hub was told late, or of something else than what had happened."""
    SIGNATURE_LATE = "signature_late"
    RECEIVER_LATE = "receiver_late"
    """The receiving end accepted late."""
    SYSTEM = "system"
    RECORDED_LATE = "recorded_late"
    """It was done in time, and written down late."""
    OTHER = "other"


class BreachBody(Model):
    """The body of `PUT /v1/cases/{id}/clocks/{clock}/breach`."""

    why: Because
    reason: Text = Field(description="In words: what happened, and what is done about it.")


class ClockWords(Model):
    """What a person wrote about a clock."""

    text: Text


class RecordedClockWords(Payload[Nothing, ClockWords]):
    """What a person wrote about a child's clock, as it stands on record."""


class Breach(Model):
    """A clock that ran out, and why."""

    due_at: Instant
    at: Instant = Field(description="When it was noticed.")
    why: Because | None = None
    reason: Text | None = Field(None, description="Absent while nobody has said why: somebody is asked to.")
    explained_by: Line | None = None
    explained_at: Instant | None = None


class Pause(Model):
    """A time during which the target stood still."""

    from_at: Instant
    by: Line
    because: Text | None = Field(None, description="Absent where it was erased.")
    until_at: Instant | None = Field(None, description="Absent while it lasts.")
    resumed_by: Line | None = Field(None, description="Absent where the rating ended it.")
    resumed_because: Text | None = None


class ClockState(Model):
    """One clock of a case."""

    clock: Identifier
    label: Line
    runs: bool = Field(description="Neither stopped nor standing still.")
    started_at: Instant | None = None
    due_at: Instant | None = Field(None, description="Absent while it stands still.")
    warn_at: Instant | None = None
    warned: bool = Field(False, description="It will soon run out, and people were warned.")
    rule: Line | None = Field(
        None, description="The rule by which the instant was worked out, as it was then, in words."
    )
    rules: Line | None = Field(None, description="Fingerprint of the rules and the calendar.")
    because: tuple[str, ...] = Field((), description="Why it is due then, sentence by sentence.")
    may_pause: bool = False
    stands_since: Instant | None = None
    stopped_at: Instant | None = None
    stopped_by: Line | None = None
    note: Text | None = None
    breaches: tuple[Breach, ...] = ()
    reason_wanted: bool = Field(False, description="It ran out and nobody has said why.")


class CaseClocks(Model):
    """The clocks of a case, those that run first, and when its target stood still."""

    case_id: UUID
    clocks: tuple[ClockState, ...]
    pauses: tuple[Pause, ...]


_KEPT = """
SELECT clock, number, started_at, due_at, rules, warned_at, stopped_at, stopped_by, document FROM kept_clock
 WHERE case_id = $1 ORDER BY stopped_at NULLS FIRST, due_at, clock
"""
_BREACHES = """
SELECT clock, due_at, at, explained_at, explained_by, why, document FROM breach
 WHERE case_id = $1 ORDER BY due_at, clock
"""
_PAUSES = """
SELECT from_at, by, document, until_at, resumed_by, resumption FROM target_pause WHERE case_id = $1 ORDER BY from_at
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept clock's row."""

    clock: str
    started_at: datetime
    due_at: datetime
    rules: str
    warned_at: datetime | None
    stopped_at: datetime | None
    stopped_by: str | None
    note: str | None


async def seal(codec: Codec, case_id: UUID, text: str) -> bytes:
    """What a person wrote, as it is stored."""
    document = RecordedClockWords(shared=Nothing(), children={case_id: ClockWords(text=text)})
    (sealed,) = await codec.encode([document])
    return sealed


async def kept_clocks(connection: asyncpg.Connection, codec: Codec, case_id: UUID) -> Sequence[Kept]:
    """The kept clocks of a case, those that run first."""
    rows = await connection.fetch(_KEPT, case_id)
    notes = await _texts(codec, case_id, [row["document"] for row in rows])
    return [
        Kept(
            row["clock"],
            row["started_at"],
            row["due_at"],
            row["rules"],
            row["warned_at"],
            row["stopped_at"],
            row["stopped_by"],
            note,
        )
        for row, note in zip(rows, notes, strict=True)
    ]


async def breaches(
    connection: asyncpg.Connection, codec: Codec, case_id: UUID
) -> Mapping[str, Sequence[Breach]]:
    """The clocks of a case that ran out."""
    rows = await connection.fetch(_BREACHES, case_id)
    reasons = await _texts(codec, case_id, [row["document"] for row in rows])
    found: dict[str, list[Breach]] = {}
    for row, reason in zip(rows, reasons, strict=True):
        found.setdefault(row["clock"], []).append(
            Breach(
                due_at=row["due_at"],
                at=row["at"],
                why=row["why"],
                reason=reason,
                explained_by=row["explained_by"],
                explained_at=row["explained_at"],
            )
        )
    return found


async def pauses(connection: asyncpg.Connection, codec: Codec, case_id: UUID) -> Sequence[Pause]:
    """When the target of a case stood still, and who said so."""
    rows = await connection.fetch(_PAUSES, case_id)
    because = await _texts(codec, case_id, [row["document"] for row in rows])
    resumed = await _texts(codec, case_id, [row["resumption"] for row in rows])
    return [
        Pause(
            from_at=row["from_at"],
            by=row["by"],
            because=why,
            until_at=row["until_at"],
            resumed_by=row["resumed_by"],
            resumed_because=why_not,
        )
        for row, why, why_not in zip(rows, because, resumed, strict=True)
    ]


async def _texts(codec: Codec, case_id: UUID, documents: Sequence[bytes | None]) -> list[str | None]:
    there = [(RecordedClockWords, document) for document in documents if document is not None]
    decoded = iter(await codec.decode(there) if there else ())
    texts: list[str | None] = []
    for document in documents:
        item = None if document is None else next(decoded)
        words = item.payload.children.get(case_id) if isinstance(item, Decoded) else None
        texts.append(words.text if words is not None else None)
    return texts
