"""What notify keeps, written and read in batches, inside the caller's transaction where it gives one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from libs.messaging.event import new_event_id
from libs.schemas.notice import NoticeChannel, NoticeKind, NoticeState
from services.notify.progress import LAST, Change, Message, Standing

_LOAD = "SELECT id, reference, children, recipient, erased FROM referral WHERE id = ANY ($1::uuid[])"
_ADD_REFERRAL = """
INSERT INTO referral (id, reference, children, received_at, recipient, erased) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO NOTHING
"""
_ADD_NOTICES = """
INSERT INTO notice (id, referral_id, kind, child_id, decision, channel, state, created_at, due_at, traceparent, content)
SELECT id, referral_id, kind, child_id, decision, channel, 'to_send', $9, $9, traceparent, content
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::integer[], $6::text[], $7::text[], $8::bytea[])
       WITH ORDINALITY
    AS given (id, referral_id, kind, child_id, decision, channel, traceparent, content, place)
 ORDER BY place
ON CONFLICT (referral_id, kind, child_id, decision) WHERE call_id IS NULL DO NOTHING
"""
_ADD_UNTOLD = """
INSERT INTO untold (referral_id, kind, child_id, decision, reason, at)
SELECT referral_id, kind, child_id, decision, reason, $6
  FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::integer[], $5::text[])
    AS given (referral_id, kind, child_id, decision, reason)
ON CONFLICT (referral_id, kind, child_id, decision) DO NOTHING
RETURNING referral_id, kind, child_id, decision
"""
_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT n.id, n.state FROM notice AS n
     WHERE n.due_at <= $1 AND n.call_id IS {which}
       AND (n.state <> 'to_send' OR ($5 AND NOT EXISTS (
            SELECT FROM notice AS earlier
             WHERE earlier.referral_id = n.referral_id AND earlier.number < n.number AND earlier.call_id IS NULL
               AND earlier.state IN ('to_send', 'unsure') AND n.call_id IS NULL)))
     ORDER BY n.due_at LIMIT $2 FOR UPDATE OF n SKIP LOCKED
)
UPDATE notice AS n
   SET due_at = $3, claim = $4, asks = n.asks + 1,
       state = CASE due.state WHEN 'to_send' THEN 'unsure' ELSE n.state END,
       sends = n.sends + (due.state = 'to_send')::integer,
       last_send_at = CASE due.state WHEN 'to_send' THEN $1 ELSE n.last_send_at END
  FROM due
 WHERE n.id = due.id
RETURNING n.id, n.referral_id, n.kind, n.child_id, n.call_id, due.state = 'to_send' AS send, n.state, n.created_at,
          n.sends, n.asks, n.last_send_at, n.traceparent, n.content
"""
_REFERRALS = "SELECT id, referral_id FROM notice WHERE id = ANY ($1::uuid[])"
_UNDER_WAY = "SELECT id FROM notice WHERE id = ANY ($1::uuid[]) AND state NOT IN ('delivered', 'failed')"
_SEEN = """
INSERT INTO receipt (notice_id, message_id, status, source, completed_at, arrived_at, contradicts)
SELECT given.notice_id, given.message_id, given.status, $5, given.completed_at, $6,
       n.state IN ('delivered', 'failed') AND given.status = ANY ($7::text[])
       AND (n.state = 'delivered') <> (given.status = 'delivered')
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[])
    AS given (notice_id, message_id, status, completed_at)
  JOIN notice AS n ON n.id = given.notice_id
ON CONFLICT (notice_id, message_id, status) DO NOTHING
RETURNING notice_id, contradicts
"""
_TWICE = """
WITH seen AS (
    SELECT notice_id, count(DISTINCT message_id) AS messages FROM receipt
     WHERE notice_id = ANY ($1::uuid[]) GROUP BY notice_id HAVING count(DISTINCT message_id) > 1
), known AS (
    SELECT n.id, n.messages FROM notice AS n JOIN seen ON seen.notice_id = n.id
)
UPDATE notice AS n SET messages = seen.messages
  FROM seen JOIN known ON known.id = seen.notice_id
 WHERE n.id = seen.notice_id AND n.messages < seen.messages
RETURNING seen.messages - known.messages
"""
_APPLY = """
UPDATE notice AS n
   SET state = given.state, due_at = given.due_at, reason = given.reason, claim = NULL,
       asks = CASE WHEN n.state <> given.state AND given.state = 'sent' THEN 0 ELSE n.asks END,
       sends = n.sends - given.unsent,
       ended_at = CASE WHEN given.state IN ('delivered', 'failed') THEN $8::timestamptz END,
       traceparent = coalesce(given.traceparent, n.traceparent)
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::integer[], $7::text[])
    AS given (id, claim, state, due_at, reason, unsent, traceparent)
 WHERE n.id = given.id AND n.state NOT IN ('delivered', 'failed')
   AND (given.claim IS NULL OR n.claim = given.claim)
RETURNING n.id, n.referral_id, (SELECT reference FROM referral AS r WHERE r.id = n.referral_id) AS reference, n.kind,
          n.alert_id, n.call_id, n.channel, n.state, n.reason, n.traceparent
"""
_STATUSES = """
SELECT DISTINCT ON (notice_id, message_id) notice_id, status FROM receipt WHERE notice_id = ANY ($1::uuid[])
 ORDER BY notice_id, message_id, status = ANY ($2::text[]) DESC, arrived_at DESC
"""


@dataclass(frozen=True, slots=True)
class Referral:
    """What is kept of a referral; `recipient` is encoded.

    `children` has those too who were erased before notify heard of them, so that each keeps its number; `erased`
    says who they are.
    """

    id: UUID
    reference: str
    children: tuple[UUID, ...]
    recipient: bytes
    erased: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a notice is about: each is told once. `decision` is 0 where it is about no decision, and counts the
    steps where it is about a challenge.
    """

    referral_id: UUID
    kind: NoticeKind
    child_id: UUID | None = None
    decision: int = 0


@dataclass(frozen=True, slots=True)
class Draft:
    """A notice to be sent; `content` is encoded."""

    occasion: Occasion
    channel: NoticeChannel
    content: bytes
    trace: str | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notice that is this instance's to follow for the length of the lease."""

    id: UUID
    referral_id: UUID
    kind: str
    child_id: UUID | None
    claim: UUID
    send: bool
    alert: bool
    standing: Standing
    trace: str | None
    content: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """One notice's change. `claim`: whose it must still be; None: whoever's."""

    notice_id: UUID
    change: Change
    claim: UUID | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """A notice after its change."""

    id: UUID
    referral_id: UUID
    reference: str
    """Empty for an alert, which may be about a referral that is not known here."""
    kind: str
    channel: str
    state: NoticeState
    reason: str | None
    trace: str | None
    alert: tuple[UUID, UUID] | None = None
    """The alert and the call that it was."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What recording of messages brought to light."""

    extra: int
    """Messages beyond the one that each notice should be."""
    contradicted: tuple[UUID, ...]
    """The notice of each last status that came after it had ended otherwise."""

    @property
    def contradictions(self) -> int:
        """How many such statuses came."""
        return len(self.contradicted)


async def load(connection: asyncpg.Connection, referral_ids: Collection[UUID]) -> dict[UUID, Referral]:
    """The referrals of these ids that are known here."""
    rows = await connection.fetch(_LOAD, list(referral_ids))
    return {
        row["id"]: Referral(
            row["id"], row["reference"], tuple(row["children"]), row["recipient"], frozenset(row["erased"])
        )
        for row in rows
    }


async def add_referrals(
    connection: asyncpg.Connection, referrals: Sequence[tuple[Referral, datetime]]
) -> None:
    """Keeps new referrals, with the time when each was received."""
    if referrals:
        await connection.executemany(
            _ADD_REFERRAL,
            [
                (each.id, each.reference, list(each.children), at, each.recipient, sorted(each.erased))
                for each, at in referrals
            ],
        )


async def add_notices(connection: asyncpg.Connection, drafts: Sequence[Draft], now: datetime) -> None:
    """Queues notices; an occasion that has one already keeps it."""
    if drafts:
        await connection.execute(
            _ADD_NOTICES,
            [new_event_id(now) for _ in drafts],
            *_occasions([draft.occasion for draft in drafts]),
            [draft.channel.value for draft in drafts],
            [draft.trace for draft in drafts],
            [draft.content for draft in drafts],
            now,
        )


async def add_untold(
    connection: asyncpg.Connection, untold: Sequence[tuple[Occasion, str]], now: datetime
) -> set[Occasion]:
    """Records why occasions are not told. Gives those that were not recorded before."""
    if not untold:
        return set()
    rows = await connection.fetch(
        _ADD_UNTOLD,
        *_occasions([occasion for occasion, _ in untold]),
        [reason for _, reason in untold],
        now,
    )
    return {
        Occasion(row["referral_id"], NoticeKind(row["kind"]), row["child_id"], row["decision"])
        for row in rows
    }


async def claim(
    pool: asyncpg.Pool, claim_id: UUID, limit: int, now: datetime, lease: timedelta, *, sends: bool
) -> list[Claimed]:
    """Takes notices that are due, for the length of the lease, alerts first. `sends`: also those that are to be sent.

    An alert waits for nothing. Another one that is to be sent waits for earlier ones of its referral. What is to be
    sent is marked as unsure in the same statement: if this process dies now, whoever comes next looks it up.
    """
    rows: list[asyncpg.Record] = []
    for which in ("NOT NULL", "NULL"):
        if len(rows) < limit:
            statement = _CLAIM.format(which=which)
            rows += await pool.fetch(statement, now, limit - len(rows), now + lease, claim_id, sends)
    return [
        Claimed(
            id=row["id"],
            referral_id=row["referral_id"],
            kind=row["kind"],
            child_id=row["child_id"],
            claim=claim_id,
            send=row["send"],
            alert=row["call_id"] is not None,
            standing=_standing(row),
            trace=row["traceparent"],
            content=row["content"],
        )
        for row in rows
    ]


async def referrals_of(pool: asyncpg.Pool, notice_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """The referral of each notice that is known here."""
    return {row["id"]: row["referral_id"] for row in await pool.fetch(_REFERRALS, list(notice_ids))}


async def under_way(connection: asyncpg.Connection, notice_ids: Collection[UUID]) -> set[UUID]:
    """Those of the notices that have not come to their end."""
    return {row["id"] for row in await connection.fetch(_UNDER_WAY, list(notice_ids))}


async def add_seen(
    connection: asyncpg.Connection, seen: Iterable[tuple[UUID, Message]], source: str, now: datetime
) -> Sighting:
    """Keeps what Notify said of messages, by notice. Must come before `apply` of what follows from it."""
    rows = list(seen)
    if not rows:
        return Sighting(0, ())
    new = await connection.fetch(
        _SEEN,
        [notice_id for notice_id, _ in rows],
        [message.id for _, message in rows],
        [message.status for _, message in rows],
        [message.completed_at for _, message in rows],
        source,
        now,
        sorted(LAST),
    )
    twice = await connection.fetch(_TWICE, [row["notice_id"] for row in new]) if new else []
    return Sighting(
        sum(row[0] for row in twice), tuple(row["notice_id"] for row in new if row["contradicts"])
    )


async def statuses(connection: asyncpg.Connection, notice_ids: Collection[UUID]) -> dict[UUID, list[str]]:
    """By notice the status of each of its messages, a last one before any other."""
    found: dict[UUID, list[str]] = {notice_id: [] for notice_id in notice_ids}
    for row in await connection.fetch(_STATUSES, list(notice_ids), sorted(LAST)):
        found[row["notice_id"]].append(row["status"])
    return found


async def apply(connection: asyncpg.Connection, steps: Sequence[Step], now: datetime) -> list[Moved]:
    """Makes the changes, except to notices that have ended or were claimed by somebody else since."""
    rows = await connection.fetch(
        _APPLY,
        [step.notice_id for step in steps],
        [step.claim for step in steps],
        [step.change.state.value for step in steps],
        [step.change.due_at for step in steps],
        [step.change.reason for step in steps],
        [0 if step.change.reached else 1 for step in steps],
        [step.trace for step in steps],
        now,
    )
    return [
        Moved(
            row["id"],
            row["referral_id"],
            row["reference"] or "",
            row["kind"],
            row["channel"],
            NoticeState(row["state"]),
            row["reason"],
            row["traceparent"],
            None if row["call_id"] is None else (row["alert_id"], row["call_id"]),
        )
        for row in rows
    ]


def _standing(row: asyncpg.Record) -> Standing:
    return Standing(
        state=NoticeState(row["state"]),
        created_at=row["created_at"],
        sends=row["sends"],
        asks=row["asks"],
        last_send_at=row["last_send_at"],
    )


def _occasions(
    occasions: Sequence[Occasion],
) -> tuple[list[UUID], list[str], list[UUID | None], list[int]]:
    return (
        [each.referral_id for each in occasions],
        [each.kind.value for each in occasions],
        [each.child_id for each in occasions],
        [each.decision for each in occasions],
    )
