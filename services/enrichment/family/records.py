"""Loads and saves what is kept of families, a batch at a time."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

import asyncpg

from libs.messaging.codec import Codec, Decoded
from libs.schemas.base import Payload
from libs.schemas.events import CheckReturned, PersonDecided, PersonLinked, Reference
from libs.schemas.findings import Answer
from libs.schemas.people import Linked
from services.enrichment.family.circle import Case, Circle
from services.enrichment.family.decisions import Word
from services.enrichment.family.history import MOST
from services.enrichment.family.home import NO_HOME, Home

_HOMES = """
SELECT h.referral_id, r.reference, r.received_at, h.kind, h.agency, h.said, h.named, h.persons
  FROM home AS h JOIN referral AS r ON r.id = h.referral_id
 WHERE h.referral_id = ANY ($1::uuid[]) ORDER BY h.referral_id
"""
_CONTACTS = """
SELECT case_id, referral_id, person_id, origin, level, destination, decided_at, decision, revision,
       CASE WHEN $2 THEN told END AS told
  FROM contact WHERE referral_id = ANY ($1::uuid[]) ORDER BY referral_id, case_id
"""
_LOCK = "SELECT count(pg_advisory_xact_lock(key)) FROM unnest($1::bigint[]) AS key"
_NEIGHBOURS = """
SELECT near.referral_id, near.case_id, near.person_id, near.received_at, near.decided_at IS NULL AS open
  FROM unnest($1::uuid[]) AS known (person_id)
 CROSS JOIN LATERAL (
    SELECT c.* FROM contact AS c WHERE c.person_id = known.person_id
     ORDER BY c.received_at DESC, c.case_id DESC LIMIT $2) AS near
"""
_WORDS = """
SELECT command_id, case_id, other_case_id, action, undoes, said_at FROM event_word
 WHERE case_id = ANY ($1::uuid[]) OR other_case_id = ANY ($1::uuid[])
    OR undoes IN (SELECT command_id FROM event_word
                   WHERE case_id = ANY ($1::uuid[]) OR other_case_id = ANY ($1::uuid[]))
"""
_SAVE_HOMES = """
INSERT INTO home (referral_id, kind, agency, said, named, persons)
SELECT referral_id, kind, agency, said, string_to_array(named, ' ')::uuid[], string_to_array(persons, ' ')::uuid[]
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[])
    AS given (referral_id, kind, agency, said, named, persons)
ON CONFLICT (referral_id) DO UPDATE
   SET said = EXCLUDED.said, named = EXCLUDED.named, persons = EXCLUDED.persons
"""
_SAVE_CONTACTS = """
INSERT INTO contact AS c (case_id, referral_id, person_id, received_at, origin, level, destination, decided_at,
                          decision, revision, told)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::text[],
                     $8::timestamptz[], $9::int[], $10::int[], $11::bytea[])
ON CONFLICT (case_id) DO UPDATE
   SET person_id = EXCLUDED.person_id, level = EXCLUDED.level, destination = EXCLUDED.destination,
       decided_at = EXCLUDED.decided_at, decision = EXCLUDED.decision, revision = EXCLUDED.revision,
       told = coalesce(EXCLUDED.told, c.told)
"""
_SAVE_WORDS = """
INSERT INTO event_word (command_id, case_id, other_case_id, action, undoes, said_at, given)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::timestamptz[], $7::bytea[])
ON CONFLICT DO NOTHING
"""
_ANSWERS = """
SELECT referral_id, child_id, answer
  FROM (SELECT referral_id, child_id, CASE WHEN corrected_at IS NULL THEN answer ELSE instead END AS answer
          FROM agency_check WHERE referral_id = ANY ($1::uuid[])) AS counting
 WHERE answer IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A report about a person, by its place in time and whether it waits for a decision."""

    referral_id: UUID
    case_id: UUID
    person_id: UUID
    received_at: datetime
    open: bool


class Records:
    """The family's tables. Every method runs inside the caller's transaction."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    async def circles(
        self, connection: asyncpg.Connection, referral_ids: Collection[UUID], *, told: bool
    ) -> dict[UUID, Circle]:
        """The people of those of these referrals that are known here. `told`: with what was last told of them."""
        if not referral_ids:
            return {}
        ids = list(referral_ids)
        homes = await connection.fetch(_HOMES, ids)
        rows = await connection.fetch(_CONTACTS, ids, told)
        said = await self._codec.decode([(Home, row["said"]) for row in homes])
        circles = {
            row["referral_id"]: Circle(
                referral_id=row["referral_id"],
                reference=row["reference"],
                received_at=row["received_at"],
                kind=row["kind"],
                agency=row["agency"],
                home=home.payload if isinstance(home, Decoded) else NO_HOME,
                persons=dict(zip(row["named"], row["persons"], strict=True)),
            )
            for row, home in zip(homes, said, strict=True)
        }
        spoken = [row for row in rows if row["told"] is not None]
        decoded = await self._codec.decode([(PersonLinked, row["told"]) for row in spoken])
        before: dict[UUID, Linked] = {
            row["case_id"]: linked
            for row, item in zip(spoken, decoded, strict=True)
            if isinstance(item, Decoded) and (linked := item.payload.children.get(row["case_id"])) is not None
        }
        for row in rows:
            circles[row["referral_id"]].cases[row["case_id"]] = _case(row, before.get(row["case_id"]))
        return circles

    async def neighbours(
        self, connection: asyncpg.Connection, person_ids: Collection[UUID]
    ) -> list[Neighbour]:
        """The latest reports about each of these persons.

        Waits while another transaction has looked at one of them: of two that concern one person at the same moment,
        the later sees what the earlier wrote.
        """
        if not person_ids:
            return []
        await connection.execute(_LOCK, sorted(map(_lock_key, person_ids)))
        rows = await connection.fetch(_NEIGHBOURS, list(person_ids), MOST + 1)
        return [Neighbour(*row.values()) for row in rows]

    async def words(self, connection: asyncpg.Connection, case_ids: Collection[UUID]) -> list[Word]:
        """What people said of whether these reports tell of the same event."""
        if not case_ids:
            return []
        return [
            Word(
                row["command_id"],
                row["case_id"],
                row["action"],
                row["said_at"],
                row["other_case_id"],
                row["undoes"],
            )
            for row in await connection.fetch(_WORDS, list(case_ids))
        ]

    async def answers(
        self, connection: asyncpg.Connection, referral_ids: Collection[UUID]
    ) -> dict[UUID, list[tuple[UUID, Answer]]]:
        """What counts of what agencies said for each of these referrals, with the child of each answer."""
        if not referral_ids:
            return {}
        rows = await connection.fetch(_ANSWERS, list(referral_ids))
        decoded = await self._codec.decode([(CheckReturned, row["answer"]) for row in rows])
        found: dict[UUID, list[tuple[UUID, Answer]]] = {}
        for row, item in zip(rows, decoded, strict=True):
            answer = item.payload.children.get(row["child_id"]) if isinstance(item, Decoded) else None
            if answer is not None:
                found.setdefault(row["referral_id"], []).append((row["child_id"], answer))
        return found

    async def save(
        self,
        connection: asyncpg.Connection,
        circles: Iterable[Circle],
        words: Sequence[tuple[Word, PersonDecided]],
        now: datetime,
    ) -> None:
        """Writes what has changed."""
        known = list(circles)
        homes = [circle for circle in known if circle.changed]
        cases = [(circle, case) for circle in known for case in circle.cases.values() if case.changed]
        payloads: list[Payload[Any, Any]] = [circle.home for circle in homes]
        payloads += [
            PersonLinked(shared=Reference(reference=circle.reference, at=now), children={case.id: case.told})
            for circle, case in cases
            if case.told is not None
        ]
        payloads += [given for _, given in words]
        encoded = iter(await self._codec.encode(payloads) if payloads else ())
        if homes:
            await connection.execute(
                _SAVE_HOMES,
                [circle.referral_id for circle in homes],
                [circle.kind for circle in homes],
                [circle.agency for circle in homes],
                [next(encoded) for _ in homes],
                [" ".join(map(str, circle.persons)) for circle in homes],
                [" ".join(map(str, circle.persons.values())) for circle in homes],
            )
        if cases:
            await self._save_cases(
                connection, cases, [None if case.told is None else next(encoded) for _, case in cases]
            )
        if words:
            given = [word for word, _ in words]
            await connection.execute(
                _SAVE_WORDS,
                [word.command_id for word in given],
                [word.case_id for word in given],
                [word.other_case_id for word in given],
                [word.action for word in given],
                [word.undoes for word in given],
                [word.at for word in given],
                list(encoded),
            )

    async def _save_cases(
        self,
        connection: asyncpg.Connection,
        cases: Sequence[tuple[Circle, Case]],
        told: Sequence[bytes | None],
    ) -> None:
        rows = [case for _, case in cases]
        await connection.execute(
            _SAVE_CONTACTS,
            [case.id for case in rows],
            [circle.referral_id for circle, _ in cases],
            [case.person_id for case in rows],
            [circle.received_at for circle, _ in cases],
            [case.origin for case in rows],
            [case.level for case in rows],
            [case.destination for case in rows],
            [case.decided_at for case in rows],
            [case.decision for case in rows],
            [case.revision for case in rows],
            told,
        )


def _lock_key(person_id: UUID) -> int:
    """The advisory lock of a person: a signed 64-bit number."""
    return int.from_bytes(blake2b(b"family/" + person_id.bytes, digest_size=8).digest(), "big", signed=True)


def _case(row: asyncpg.Record, told: Linked | None) -> Case:
    return Case(
        id=row["case_id"],
        person_id=row["person_id"],
        origin=row["origin"],
        level=row["level"],
        destination=row["destination"],
        decided_at=row["decided_at"],
        decision=row["decision"],
        revision=row["revision"],
        told=told,
    )
