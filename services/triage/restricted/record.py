"""Restrictions as they stand on record: who hid a case or showed it again, and who broke the glass."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import asyncpg
from pydantic import Field, StrictBool

from libs.messaging.codec import Codec, Decoded
from libs.schemas.base import Instant, Line, Model, Nothing, Payload, Text

_LAST = """
SELECT DISTINCT ON (case_id) case_id, number, kind, by, at, document FROM restriction
 WHERE case_id = ANY ($1) ORDER BY case_id, number DESC
"""
_ADD = """
INSERT INTO restriction (case_id, number, kind, by, at, document, told)
SELECT given.case_id, 1 + coalesce((SELECT max(number) FROM restriction AS r WHERE r.case_id = given.case_id), 0),
       $2, $3, $4, given.document, true
  FROM unnest($1::uuid[], $5::bytea[]) AS given (case_id, document)
"""
_BREAK = """
INSERT INTO broken_glass (referral_id, case_id, subject, at, expires_at, document) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING id
"""
_BROKEN_BY = """
SELECT g.subject, g.at, g.expires_at, g.case_id, g.document FROM broken_glass AS g
 WHERE g.referral_id = (SELECT referral_id FROM child_case WHERE id = $1) ORDER BY g.id DESC LIMIT 100
"""
_BROKEN = """
SELECT at, expires_at FROM broken_glass
 WHERE referral_id = $1 AND subject = $2 AND expires_at > $3 ORDER BY expires_at DESC LIMIT 1
"""


class RestrictionKind(StrEnum):
    """Why a case is not for everybody's eyes."""

    STAFF_FAMILY = "staff_family"
    """Somebody of the family works for the hub or a partner agency."""
    ADOPTION = "adoption"
    PROTECTED_ADDRESS = "protected_address"
    OTHER = "other"


class RestrictionBody(Model):
    """The body of `PUT /v1/cases/{id}/restriction`."""

    restricted: StrictBool
    kind: RestrictionKind | None = Field(None, description="Needed to restrict; says nothing for its end.")
    reason: Text
    family: StrictBool = Field(
        True,
        description="Every child of the referral; false: this child alone, whose brothers and sisters stay open.",
    )


class Reason(Model):
    """Why a case was hidden or shown again, or the glass broken."""

    reason: Text


class RecordedRestriction(Payload[Nothing, Reason]):
    """A restriction, or its end, with its reason."""


class RecordedGlass(Payload[Nothing, Reason]):
    """Glass that was broken, with the reason."""


class BrokenGlass(Model):
    """Somebody without the right who opened the referral."""

    by: Line
    at: Instant
    expires_at: Instant
    case_id: UUID
    reason: Text | None = Field(description="Absent where it was erased.")


class Restriction(Model):
    """Whether a case is restricted, and who said so last."""

    case_id: UUID
    restricted: bool
    kind: RestrictionKind | None = None
    by: Line | None = Field(None, description="Absent where nobody ever restricted it.")
    at: Instant | None = None
    reason: Text | None = None
    broken: tuple[BrokenGlass, ...] = Field(
        (), description="Who broke the glass of the referral, the last one first."
    )


class GlassBody(Model):
    """The body of `POST /v1/cases/{id}/break-glass`."""

    reason: Text


class Glass(Model):
    """What the caller may see, and until when."""

    case_id: UUID
    at: Instant
    expires_at: Instant = Field(description="When the case is hidden from the caller again.")


class Given(NamedTuple):
    """A restriction as it is given."""

    restricted: bool
    kind: RestrictionKind | None
    reason: str
    by: str
    at: datetime


async def last_restriction(connection: asyncpg.Connection, codec: Codec, case_id: UUID) -> Restriction:
    """What was said last about hiding a case."""
    row = await connection.fetchrow(_LAST, [case_id])
    if row is None:
        return Restriction(case_id=case_id, restricted=False)
    (item,) = await codec.decode([(RecordedRestriction, row["document"])])
    reason = item.payload.children.get(case_id) if isinstance(item, Decoded) else None
    return Restriction(
        case_id=case_id,
        restricted=row["kind"] is not None,
        kind=row["kind"],
        by=row["by"],
        at=row["at"],
        reason=None if reason is None else reason.reason,
    )


async def last_kinds(
    connection: asyncpg.Connection, case_ids: Collection[UUID]
) -> dict[UUID, RestrictionKind | None]:
    """Those of these cases of which anything was ever said about hiding them: why they are hidden, or None where they
    were shown again.
    """
    rows = await connection.fetch(_LAST, [*case_ids])
    return {row["case_id"]: RestrictionKind(row["kind"]) if row["kind"] else None for row in rows}


async def keep_restriction(
    connection: asyncpg.Connection, codec: Codec, case_ids: Sequence[UUID], given: Given
) -> None:
    """Adds a restriction, or its end, to each of these cases. The caller tells the other services in the same unit."""
    documents = await codec.encode(
        [
            RecordedRestriction(shared=Nothing(), children={case_id: Reason(reason=given.reason)})
            for case_id in case_ids
        ]
    )
    await connection.execute(_ADD, case_ids, given.kind, given.by, given.at, documents)


async def keep_broken(
    connection: asyncpg.Connection, codec: Codec, referral_id: UUID, glass: Glass, subject: str, reason: str
) -> int:
    """Opens a referral to somebody until the glass mends itself. Gives the record's number."""
    (document,) = await codec.encode(
        [RecordedGlass(shared=Nothing(), children={glass.case_id: Reason(reason=reason)})]
    )
    number: int = await connection.fetchval(
        _BREAK, referral_id, glass.case_id, subject, glass.at, glass.expires_at, document
    )
    return number


async def broken_by(connection: asyncpg.Connection, codec: Codec, case_id: UUID) -> tuple[BrokenGlass, ...]:
    """Everybody who broke the glass of a case's referral, the last one first."""
    rows = await connection.fetch(_BROKEN_BY, case_id)
    read = await codec.decode([(RecordedGlass, row["document"]) for row in rows])
    return tuple(
        BrokenGlass(
            by=row["subject"],
            at=row["at"],
            expires_at=row["expires_at"],
            case_id=row["case_id"],
            reason=item.payload.children[row["case_id"]].reason
            if isinstance(item, Decoded) and row["case_id"] in item.payload.children
            else None,
        )
        for row, item in zip(rows, read, strict=True)
    )


async def broken(
    connection: asyncpg.Connection, referral_id: UUID, case_id: UUID, subject: str, now: datetime
) -> Glass | None:
    """The glass that somebody broke of a referral, as far as it has not mended itself."""
    row = await connection.fetchrow(_BROKEN, referral_id, subject, now)
    return None if row is None else Glass(case_id=case_id, **dict(row))
