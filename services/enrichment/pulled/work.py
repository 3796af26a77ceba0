"""The work table: questions that wait to be fetched, under leases that release themselves.

A question is put once, whatever its id is asked again for. A claim takes questions for some minutes; work under it
renews it, and a claimer that dies leaves them to the next. No statement can give one question to two claimers.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from libs.messaging.codec import Codec, Decoded
from libs.platform.auth import Principal
from libs.platform.problems import current_trace_id
from libs.schemas.base import Nothing, Payload
from services.enrichment.asking.question import Question
from services.enrichment.pulled.given import Given
from services.enrichment.pulled.seats import Seat, columns
from services.enrichment.sharing.permission import Audience

LEASE = timedelta(minutes=15)
"""How long a claim lasts after the last work under it: long enough to look somebody up in one's own records."""

MOST_CLAIMED = 50


class Asked(Payload[Nothing, Question]):
    """A question as it is kept until it is answered."""


class GivenOf(Payload[Nothing, Given]):
    """An answer as it is kept."""


@dataclass(frozen=True, slots=True)
class Item:
    """One question on the table, as its claimer or its answerer has it."""

    question_id: UUID
    seat: Seat
    referral_id: UUID
    child_id: UUID
    put_at: datetime
    due_at: datetime | None
    claim_id: UUID | None
    claimed_by: str | None
    claimed_until: datetime | None
    closed_at: datetime | None
    digest: bytes | None
    question: Question | None = field(repr=False)
    """None where the child was erased."""


_ABOUT = """
SELECT referral_id, child_id FROM disclosure WHERE direction = 'out' AND question_id = $1 AND agency = $2 LIMIT 1
"""
# Nothing leaves unrecorded: what is not in the record of disclosures does not come onto the table.

_PUT = """
INSERT INTO work (question_id, agency, audience, referral_id, child_id, put_at, question, keys)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (question_id) DO NOTHING RETURNING question_id
"""
_TO_THE_LEAD = """
UPDATE work SET audience = 'lead', question = $2, claim_id = NULL, claimed_by = NULL, claimed_until = NULL
 WHERE question_id = $1 AND audience = 'team' AND closed_at IS NULL
"""
_ANSWER = "SELECT child_id, answer FROM work WHERE question_id = $1"

_CLAIM = """
WITH free AS MATERIALIZED (
    SELECT w.question_id
      FROM work AS w LEFT JOIN agency_check AS c ON c.question_id = w.question_id
     WHERE (w.agency, w.audience) IN (SELECT * FROM unnest($1::text[], $2::text[]))
       AND w.closed_at IS NULL AND (w.claimed_until IS NULL OR w.claimed_until <= $3)
     ORDER BY c.due_at NULLS LAST, w.put_at LIMIT $4 FOR UPDATE OF w SKIP LOCKED
), claimed AS (
    UPDATE work AS w SET claim_id = $5, claimed_by = $6, claimed_until = $7
      FROM free WHERE w.question_id = free.question_id
    RETURNING w.*
)
SELECT w.*, c.due_at
  FROM claimed AS w LEFT JOIN agency_check AS c ON c.question_id = w.question_id
 ORDER BY c.due_at NULLS LAST, w.put_at
"""
_CLAIM_ONE = """
WITH claimed AS (
    UPDATE work AS w SET claim_id = $5, claimed_by = $6, claimed_until = $7
     WHERE (w.agency, w.audience) IN (SELECT * FROM unnest($1::text[], $2::text[]))
       AND w.question_id = $4 AND w.closed_at IS NULL
       AND (w.claimed_until IS NULL OR w.claimed_until <= $3 OR w.claimed_by = $6)
    RETURNING w.*
)
SELECT w.*, c.due_at
  FROM claimed AS w LEFT JOIN agency_check AS c ON c.question_id = w.question_id
"""
_LIST = """
SELECT w.*, c.due_at
  FROM work AS w LEFT JOIN agency_check AS c ON c.question_id = w.question_id
 WHERE (w.agency, w.audience) IN (SELECT * FROM unnest($1::text[], $2::text[]))
   AND w.closed_at IS NULL ORDER BY c.due_at NULLS LAST, w.put_at, w.question_id LIMIT $3
"""
_ONE = """
SELECT w.*, c.due_at FROM work AS w LEFT JOIN agency_check AS c ON c.question_id = w.question_id
 WHERE (w.agency, w.audience) IN (SELECT * FROM unnest($1::text[], $2::text[])) AND w.question_id = $3
"""
_LOCK = _ONE + " FOR UPDATE OF w"
_RENEW = """
UPDATE work SET claimed_until = greatest(claimed_until, $3)
 WHERE claim_id = $1 AND claimed_by = $2 AND closed_at IS NULL AND claimed_until > $4
RETURNING question_id
"""
_RELEASE = """
UPDATE work SET claim_id = NULL, claimed_by = NULL, claimed_until = NULL
 WHERE question_id = $1 AND claim_id = $2 AND claimed_by = $3 AND closed_at IS NULL
"""
_CLOSE = """
UPDATE work SET closed_at = $2, answered_by = $3, answer = $4, answer_digest = $5, claimed_until = NULL
 WHERE question_id = $1
"""
_CLOSE_UNREADABLE = "UPDATE work SET closed_at = $2 WHERE question_id = ANY ($1::uuid[])"
_NOTE = """
INSERT INTO access (at, subject, client_id, action, referral_id, case_id, trace_id)
SELECT $1, $2, $3, $4, given.referral_id, given.case_id, $5
  FROM unnest($6::uuid[], $7::uuid[]) AS given (referral_id, case_id)
"""


class WorkTable:
    """Reads and writes the table."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    async def put(
        self,
        connection: asyncpg.Connection | asyncpg.Pool,
        agency: str,
        question: Question,
        keys: Collection[bytes],
        now: datetime,
    ) -> bool:
        """Puts a question there, once. `keys`: keyed hashes of whom it is about. False where it was there already.

        One that lies there for the team, and may only reach the lead by now, is taken from the team.
        """
        question_id = UUID(question.question_id)
        about = await connection.fetchrow(_ABOUT, question_id, agency)
        if about is None:
            raise LookupError("a question that no disclosure records")
        child_id: UUID = about["child_id"]
        (sealed,) = await self._codec.encode([Asked(shared=Nothing(), children={child_id: question})])
        put = await connection.fetchval(
            _PUT, question_id, agency, question.to, about["referral_id"], child_id, now, sealed, list(keys)
        )
        if put is None and question.to == "lead":
            await connection.execute(_TO_THE_LEAD, question_id, sealed)
        return put is not None

    async def answer(self, connection: asyncpg.Connection | asyncpg.Pool, question_id: UUID) -> Given | None:
        """The answer to a question, as far as there is one and it can be read."""
        row = await connection.fetchrow(_ANSWER, question_id)
        if row is None or row["answer"] is None:
            return None
        (decoded,) = await self._codec.decode([(GivenOf, row["answer"])])
        return decoded.payload.children.get(row["child_id"]) if isinstance(decoded, Decoded) else None

    async def claim(
        self,
        connection: asyncpg.Connection | asyncpg.Pool,
        seats: Sequence[Seat],
        by: Principal,
        most: int,
        now: datetime,
    ) -> list[Item]:
        """Takes up to so many questions that nobody holds, the most urgent first. Their reading is recorded."""
        rows = await connection.fetch(_CLAIM, *columns(seats), now, most, uuid4(), by.subject, now + LEASE)
        return await self._taken(connection, rows, by, now)

    async def claim_one(
        self,
        connection: asyncpg.Connection | asyncpg.Pool,
        seats: Sequence[Seat],
        by: Principal,
        question_id: UUID,
        now: datetime,
    ) -> Item | None:
        """Takes this question for a person, who may hold it already; None where somebody else does, or it is closed."""
        rows = await connection.fetch(
            _CLAIM_ONE, *columns(seats), now, question_id, uuid4(), by.subject, now + LEASE
        )
        taken = await self._taken(connection, rows, by, now)
        return taken[0] if taken else None

    async def _taken(
        self,
        connection: asyncpg.Connection | asyncpg.Pool,
        rows: Sequence[asyncpg.Record],
        by: Principal,
        now: datetime,
    ) -> list[Item]:
        items = await self._items(rows)
        gone = [item.question_id for item in items if item.question is None]
        if gone:
            await connection.execute(_CLOSE_UNREADABLE, gone, now)
        taken = [item for item in items if item.question is not None]
        await self.note(connection, by, "work.claimed", taken, now)
        return taken

    async def waiting(
        self, connection: asyncpg.Connection | asyncpg.Pool, seats: Sequence[Seat], most: int
    ) -> list[Item]:
        """What is not answered yet, the most urgent first, whoever holds it."""
        return await self._items(await connection.fetch(_LIST, *columns(seats), most))

    async def find(
        self,
        connection: asyncpg.Connection | asyncpg.Pool,
        seats: Sequence[Seat],
        question_id: UUID,
        *,
        lock: bool = False,
    ) -> Item | None:
        """One question of these seats. What is another's is not there."""
        row = await connection.fetchrow(_LOCK if lock else _ONE, *columns(seats), question_id)
        return None if row is None else (await self._items([row]))[0]

    async def renew(
        self, connection: asyncpg.Connection | asyncpg.Pool, claim_id: UUID, subject: str, now: datetime
    ) -> list[UUID]:
        """Lengthens a claim that has not ended; gives the questions that it still holds."""
        rows = await connection.fetch(_RENEW, claim_id, subject, now + LEASE, now)
        return [row["question_id"] for row in rows]

    async def release(
        self, connection: asyncpg.Connection | asyncpg.Pool, question_id: UUID, claim_id: UUID, subject: str
    ) -> bool:
        """Gives a question back. False where the claim does not hold it."""
        done: str = await connection.execute(_RELEASE, question_id, claim_id, subject)
        return done.endswith(" 1")

    async def close(
        self, connection: asyncpg.Connection | asyncpg.Pool, item: Item, by: str, given: Given, now: datetime
    ) -> None:
        """Keeps the answer to a question, which nobody can claim any more."""
        (sealed,) = await self._codec.encode([GivenOf(shared=Nothing(), children={item.child_id: given})])
        await connection.execute(_CLOSE, item.question_id, now, by, sealed, given.digest)

    async def note(
        self,
        connection: asyncpg.Connection | asyncpg.Pool,
        by: Principal,
        action: str,
        items: Sequence[Item],
        now: datetime,
    ) -> None:
        """Records that somebody read or changed these."""
        if items:
            await connection.execute(
                _NOTE,
                now,
                by.subject,
                by.client_id,
                action,
                current_trace_id(),
                [item.referral_id for item in items],
                [item.child_id for item in items],
            )

    async def _items(self, rows: Sequence[asyncpg.Record]) -> list[Item]:
        decoded = await self._codec.decode([(Asked, row["question"]) for row in rows])
        return [
            _item(row, one.payload.children if isinstance(one, Decoded) else {})
            for row, one in zip(rows, decoded, strict=True)
        ]


def _item(row: asyncpg.Record, children: Mapping[UUID, Question]) -> Item:
    audience: Audience = "lead" if row["audience"] == "lead" else "team"
    return Item(
        question_id=row["question_id"],
        seat=Seat(row["agency"], audience),
        referral_id=row["referral_id"],
        child_id=row["child_id"],
        put_at=row["put_at"],
        due_at=row["due_at"],
        claim_id=row["claim_id"],
        claimed_by=row["claimed_by"],
        claimed_until=row["claimed_until"],
        closed_at=row["closed_at"],
        digest=row["answer_digest"],
        question=children.get(row["child_id"]),
    )
