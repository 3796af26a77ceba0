"""Challenges as they stand on record: one row for each, and one for each step; steps are only ever added."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.messaging.codec import Codec, Decoded
from libs.platform.auth import Principal
from libs.schemas.base import Identifier, Instant, Line, Model, Nothing, Payload, Text
from libs.schemas.challenge import ChallengeOutcome
from services.triage.restricted.rights import visible

MOST = 200

_SELECT = """
SELECT g.id, g.case_id, g.referral_id, g.decision, g.agency, g.channel, g.stage, g.raised_by, g.raised_at, g.due_at,
       g.reviewer, g.outcome, g.agreed, g.resolved_at, g.referrers, c.reference, c.child_number
  FROM challenge AS g JOIN child_case AS c ON c.id = g.case_id
"""
_STEPS = """
SELECT did, stage, by, at, agency, channel, document FROM challenge_step WHERE challenge_id = $1 ORDER BY number
"""
_RAISE = """
INSERT INTO challenge
    (id, case_id, referral_id, decision, agency, channel, stage, raised_by, raised_at, due_at, referrers, fingerprint)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
_STEP = """
INSERT INTO challenge_step
    (challenge_id, number, did, stage, by, at, document, agency, channel, sent, fingerprint)
SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10
  FROM challenge_step WHERE challenge_id = $1
"""
_COUNTS = """
SELECT g.agency, g.stage, g.outcome, g.agreed, count(*) AS challenges
  FROM challenge AS g JOIN child_case AS c ON c.id = g.case_id
 WHERE g.raised_at >= $1 AND g.raised_at < $2 AND {seen}
 GROUP BY g.agency, g.stage, g.outcome, g.agreed ORDER BY g.agency, g.stage, g.outcome, g.agreed
"""


class Channel(StrEnum):
    """How a challenge reached the hub."""

    TELEPHONE = "telephone"
    MEETING = "meeting"
    LETTER = "letter"
    COLLEAGUE = "colleague"
    SYSTEM = "system"
    """The referrer's own system sent it, through intake."""


class Did(StrEnum):
    """What happened to a challenge."""

    RAISED = "raised"
    ADDED = "added"
    """Somebody challenges the same decision while it is open: what they say joins it."""
    TAKEN = "taken"
    TAKEN_OVER = "taken_over"
    """A manager reviews it in the place of somebody who did."""
    ESCALATED = "escalated"
    RESOLVED = "resolved"


class Came(NamedTuple):
    """How somebody's disagreement came: of what nobody sent, such as a review, nothing."""

    agency: str | None = None
    channel: Channel | None = None
    sent: UUID | None = None
    """What it is kept under, once."""
    fingerprint: bytes | None = None


NOBODYS = Came()


class Said(Model):
    """What was said at a step."""

    text: Text
    safe_meanwhile: Text | None = Field(None, description="How the child is safe until this is settled.")
    challenger: Line | None = Field(None, description="Who disagrees, with their role.")
    reach: Line | None = Field(None, description="Whom the reviewer talks to, and how they are reached.")
    disagrees_with: Text | None = None


_OF_STEP = ("did", "stage", "by", "at", "agency", "channel")


class RecordedSaid(Payload[Nothing, Said]):
    """A step of a challenge as it stands on record."""


class StepView(Model):
    """One step of a challenge."""

    did: Did
    stage: Identifier
    by: Line
    at: Instant
    agency: Identifier | None = Field(
        None, description="Who disagrees at this step; absent for a colleague, and for what the hub does."
    )
    channel: Channel | None = Field(None, description="How it came; absent for what the hub does.")
    text: Text | None = None
    safe_meanwhile: Text | None = None
    challenger: Line | None = None
    reach: Line | None = None
    disagrees_with: Text | None = None


class ChallengeItem(Model):
    """A challenge without what was said."""

    id: UUID
    case_id: UUID
    reference: str | None
    child_number: int
    decision: int = Field(description="The number of the decision that is challenged.")
    agency: Identifier | None = Field(description="Whose challenge it is; absent for a colleague's.")
    channel: Channel
    stage: Identifier
    title: str = Field(description="What the stage is called.")
    raised_by: Line
    raised_at: Instant
    last: bool = Field(description="No stage is above this one.")
    due_at: Instant
    overdue: bool
    reviewer: Line | None
    outcome: ChallengeOutcome | None
    agreed: bool | None = Field(description="Whether whoever challenged agrees with the outcome.")
    resolved_at: Instant | None


class ChallengeView(ChallengeItem):
    """A challenge with everything that was said."""

    steps: tuple[StepView, ...]


class ChallengePage(Model):
    """Challenges: the open ones, the most urgent first, then those that were settled last."""

    items: tuple[ChallengeItem, ...]
    more: bool


class ChallengeCount(Model):
    """Challenges of one agency, stage and outcome."""

    agency: str | None
    stage: str
    outcome: ChallengeOutcome | None = Field(description="Absent while it is open.")
    agreed: bool | None
    challenges: int


class ChallengeCounts(Model):
    """The challenges that were raised in a time, of children whom the caller may see. Nothing in it names one."""

    challenges: int
    words: dict[str, str] = Field(description="What each stage is called.")
    counts: tuple[ChallengeCount, ...]


async def keep_challenge(connection: asyncpg.Connection, *values: Any) -> None:
    """Keeps a challenge as it is raised; the values in the order of the table's first columns, then its fingerprint."""
    await connection.execute(_RAISE, *values)


async def keep_step(
    connection: asyncpg.Connection,
    codec: Codec,
    challenge_id: UUID,
    case_id: UUID,
    did: Did,
    stage: str,
    by: str,
    at: datetime,
    said: Said,
    came: Came = NOBODYS,
) -> None:
    """Adds a step. What is kept under the same `sent` makes one step only."""
    (document,) = await codec.encode([RecordedSaid(shared=Nothing(), children={case_id: said})])
    channel = None if came.channel is None else came.channel.value
    whence = (came.agency, channel, came.sent, came.fingerprint)
    await connection.execute(_STEP, challenge_id, did.value, stage, by, at, document, *whence)


async def challenge_row(connection: asyncpg.Connection, challenge_id: UUID) -> asyncpg.Record | None:
    """A challenge's row with its case's reference."""
    return await connection.fetchrow(f"{_SELECT} WHERE g.id = $1", challenge_id)


async def steps_of(
    connection: asyncpg.Connection, codec: Codec, challenge_id: UUID, case_id: UUID
) -> Sequence[StepView]:
    """What happened to a challenge. What was erased is left out."""
    rows = await connection.fetch(_STEPS, challenge_id)
    read = await codec.decode([(RecordedSaid, row["document"]) for row in rows])
    steps = []
    for row, item in zip(rows, read, strict=True):
        said = item.payload.children.get(case_id) if isinstance(item, Decoded) else None
        words = {} if said is None else said.model_dump()
        steps.append(StepView(**{name: row[name] for name in _OF_STEP}, **words))
    return steps


async def challenge_rows(
    connection: asyncpg.Connection, caller: Principal, case_id: UUID | None, open_only: bool, limit: int
) -> Sequence[asyncpg.Record]:
    """Challenges that the caller may see, one more than `limit` where there are more: the open ones by when they are
    due, then those that were settled last.
    """
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        f"{_SELECT} WHERE {visible(caller, 'c')} AND ($1::uuid IS NULL OR g.case_id = $1)"
        " AND (NOT $2 OR g.resolved_at IS NULL)"
        " ORDER BY g.resolved_at DESC NULLS FIRST, g.due_at, g.id LIMIT $3",
        case_id,
        open_only,
        limit + 1,
    )
    return rows


async def count_challenges(
    connection: asyncpg.Connection,
    caller: Principal,
    start: datetime,
    end: datetime,
    words: Mapping[str, str],
) -> ChallengeCounts:
    """Challenges raised from `start` on and before `end`, of children whom the caller may see."""
    rows = await connection.fetch(_COUNTS.format(seen=visible(caller, "c")), start, end)
    counts = tuple(ChallengeCount(**dict(row)) for row in rows)
    return ChallengeCounts(challenges=sum(one.challenges for one in counts), words=dict(words), counts=counts)
