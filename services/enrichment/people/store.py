"""Reads and writes the index's tables, a batch at a time. Every method runs inside the caller's transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.messaging.codec import Codec, Decoded
from libs.schemas.base import Nothing
from libs.schemas.people import Band, LinkMethod
from services.enrichment.people.keys import Key, Keys
from services.enrichment.people.names import Names
from services.enrichment.people.scoring import Record, record
from services.enrichment.people.subject import KeptProfile, Profile, Subject, joined

_LOCK = "SELECT count(pg_advisory_xact_lock(key)) FROM unnest($1::bigint[]) AS key"
# From the side that is asked for, whatever the planner believes of tables that have just grown.
_LINKS = """
SELECT s.id, s.referral_id, s.adult, s.source, s.profile, l.person_id, l.band, l.method, l.rules
  FROM person_subject AS s CROSS JOIN LATERAL (
       SELECT person_id, band, method, rules FROM person_link WHERE subject_id = s.id AND until IS NULL LIMIT 1) AS l
"""
_OF_REFERRALS = _LINKS + " WHERE s.referral_id = ANY ($1::uuid[])"
_OF_SUBJECTS = _LINKS + " WHERE s.id = ANY ($1::uuid[])"
_OF_PERSONS = """
SELECT s.id, s.referral_id, s.adult, s.source, s.profile, l.person_id, l.band, l.method, l.rules
  FROM person_link AS l CROSS JOIN LATERAL (
       SELECT id, referral_id, adult, source, profile, given_at
         FROM person_subject WHERE id = l.subject_id LIMIT 1) AS s
 WHERE l.person_id = ANY ($1::uuid[]) AND l.until IS NULL
 ORDER BY s.given_at DESC, s.id DESC
"""
_CANDIDATES = """
WITH hit AS (
    SELECT w.number, k.person_id, sum(w.weight) AS weight
      FROM unnest($1::integer[], $2::bytea[], $3::integer[]) AS w (number, key, weight)
     CROSS JOIN LATERAL (
        SELECT person_id FROM person_key WHERE key = w.key ORDER BY person_id LIMIT $5) AS k
     GROUP BY w.number, k.person_id
), ranked AS (
    SELECT number, person_id, row_number() OVER (PARTITION BY number ORDER BY weight DESC, person_id) AS place
      FROM hit
), best AS (
    SELECT person_id, array_agg(number) AS numbers FROM ranked WHERE place <= $4 GROUP BY person_id
)
SELECT p.id, p.profile, best.numbers FROM best JOIN person AS p ON p.id = best.person_id
"""
_APART = """
SELECT low, high FROM person_apart
 WHERE until IS NULL AND (low = ANY ($1::uuid[]) OR high = ANY ($1::uuid[]))
"""
_LOCK_PERSONS = "SELECT id, merged_into FROM person WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE"
_NEW_PERSONS = """
WITH added AS (
    INSERT INTO person (id, profile, keyed, created_at, changed_at)
    SELECT id, profile, $3, $4, $4 FROM unnest($1::uuid[], $2::bytea[]) AS given (id, profile)
)
INSERT INTO person_key (key, person_id) SELECT * FROM unnest($5::bytea[], $6::uuid[])
"""
_SAVE_SUBJECTS = """
INSERT INTO person_subject (id, referral_id, adult, source, profile, given_at)
SELECT id, referral_id, adult, source, profile, $6
  FROM unnest($1::uuid[], $2::uuid[], $3::boolean[], $4::text[], $5::bytea[])
    AS given (id, referral_id, adult, source, profile)
ON CONFLICT (id) DO UPDATE SET profile = EXCLUDED.profile, given_at = EXCLUDED.given_at
"""
_END_LINKS = """
UPDATE person_link SET until = $2, ended_by = $3 WHERE subject_id = ANY ($1::uuid[]) AND until IS NULL
"""
_NEW_LINKS = """
INSERT INTO person_link (subject_id, person_id, band, method, rules, since, begun_by)
SELECT subject_id, person_id, band, method, rules, $6, $7
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[])
    AS given (subject_id, person_id, band, method, rules)
"""
_SAVE_PROFILES = """
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::bytea[]) AS given (id, profile)
), saved AS (
    UPDATE person AS p SET profile = given.profile, keyed = $3, changed_at = $4 FROM given WHERE p.id = given.id
), wanted AS (
    SELECT * FROM unnest($5::bytea[], $6::uuid[]) AS wanted (key, person_id)
), gone AS (
    DELETE FROM person_key AS k
     WHERE k.person_id = ANY ($1::uuid[])
       AND NOT EXISTS (SELECT 1 FROM wanted AS w WHERE w.person_id = k.person_id AND w.key = k.key)
)
INSERT INTO person_key (key, person_id) SELECT key, person_id FROM wanted ON CONFLICT DO NOTHING
"""
_GIVE_WAY = """
UPDATE person AS p SET merged_into = given.into_id, changed_at = $3
  FROM unnest($1::uuid[], $2::uuid[]) AS given (id, into_id)
 WHERE p.id = given.id AND NOT EXISTS (SELECT 1 FROM person_link AS l WHERE l.person_id = p.id AND l.until IS NULL)
"""
_CARRY_APART = """
INSERT INTO person_apart (low, high, since, begun_by)
SELECT DISTINCT ON (1, 2) least(pair.into_id, pair.third), greatest(pair.into_id, pair.third), $3, pair.begun_by
  FROM (SELECT given.into_id, CASE WHEN a.low = given.id THEN a.high ELSE a.low END AS third, a.begun_by
          FROM unnest($1::uuid[], $2::uuid[]) AS given (id, into_id)
          JOIN person AS p ON p.id = given.id AND p.merged_into IS NOT NULL
          JOIN person_apart AS a ON a.until IS NULL AND (a.low = given.id OR a.high = given.id)) AS pair
 WHERE pair.third <> pair.into_id
ON CONFLICT (low, high) WHERE until IS NULL DO NOTHING
"""
_STALE = "SELECT id FROM person WHERE keyed < $1 OR keyed > $1 LIMIT $2"

COMPARED = 40
"""So many persons are compared with a record at most, those with the weightiest keys in common."""


SHARED = 300
"""So many persons are looked at for one key at most: what more of them share, such as a common name of which nothing
else is known, tells nobody from anybody. Whoever shares more than that with the record is found by another key.
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """A subject as the index has it: what was given, and who it is taken for."""

    id: UUID
    referral_id: UUID
    adult: bool
    source: str
    profile: Profile
    person_id: UUID
    band: Band
    method: LinkMethod
    rules: str


@dataclass(frozen=True, slots=True)
class Link:
    """Who a subject is taken for from now on."""

    subject_id: UUID
    person_id: UUID
    band: Band
    method: LinkMethod
    rules: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A record with its keys, as candidates are looked up for it."""

    profile: Profile
    record: Record
    keys: tuple[Key, ...]


class PeopleStore:
    """The index's tables."""

    def __init__(self, codec: Codec, keys: Keys, names: Names) -> None:
        self._codec = codec
        self._keys = keys
        self._names = names

    def prepared(self, profile: Profile) -> Prepared:
        """A profile with its comparable form and keys."""
        compared = record(profile, self._names)
        return Prepared(profile, compared, self._keys.of(compared))

    async def lock_keys(self, connection: asyncpg.Connection, records: Iterable[Prepared]) -> None:
        """Waits until nobody else identifies somebody who shares a key with one of these."""
        keys = {
            int.from_bytes(key.digest[:8], "big", signed=True)
            for prepared in records
            for key in prepared.keys
        }
        if keys:
            await connection.execute(_LOCK, sorted(keys))

    async def of_referrals(
        self, connection: asyncpg.Connection, referrals: Collection[UUID]
    ) -> dict[UUID, Standing]:
        """Everybody whom these referrals name, as far as they are known here."""
        return await self._standings(await connection.fetch(_OF_REFERRALS, list(referrals)))

    async def of_subjects(
        self, connection: asyncpg.Connection, subjects: Collection[UUID]
    ) -> dict[UUID, Standing]:
        """These subjects, as far as they are known here."""
        return await self._standings(await connection.fetch(_OF_SUBJECTS, list(subjects)))

    async def of_persons(
        self, connection: asyncpg.Connection, persons: Collection[UUID]
    ) -> dict[UUID, Standing]:
        """Everybody who is taken for one of these persons, the latest first."""
        return await self._standings(await connection.fetch(_OF_PERSONS, list(persons)))

    async def candidates(
        self, connection: asyncpg.Connection, wanted: Sequence[Prepared]
    ) -> list[dict[UUID, Record]]:
        """For each record the persons who share a key with it, without those who cannot be read any more."""
        rows = [
            (number, key.digest, key.weight)
            for number, prepared in enumerate(wanted)
            for key in prepared.keys
        ]
        found: list[dict[UUID, Record]] = [{} for _ in wanted]
        if not rows:
            return found
        numbers, digests, weights = zip(*rows, strict=True)
        hits = await connection.fetch(_CANDIDATES, numbers, digests, weights, COMPARED, SHARED)
        profiles = await self._read([(hit["id"], hit["profile"]) for hit in hits])
        for hit in hits:
            profile = profiles.get(hit["id"])
            if profile is not None:
                compared = record(profile, self._names)
                for number in hit["numbers"]:
                    found[number][hit["id"]] = compared
        return found

    async def apart(
        self, connection: asyncpg.Connection, persons: Collection[UUID]
    ) -> frozenset[frozenset[UUID]]:
        """The pairs, with one of these persons in each, whom somebody said to be two."""
        if not persons:
            return frozenset()
        rows = await connection.fetch(_APART, list(persons))
        return frozenset(frozenset((row["low"], row["high"])) for row in rows)

    async def lock_persons(self, connection: asyncpg.Connection, persons: Iterable[UUID]) -> dict[UUID, UUID]:
        """Locks persons, and gives for each the one who stands for it now: another where it was merged."""
        now: dict[UUID, UUID] = {}
        wanted = set(persons)
        merged: dict[UUID, UUID] = {}
        while wanted:
            rows = await connection.fetch(_LOCK_PERSONS, sorted(wanted))
            if not rows:
                break
            for row in rows:
                now[row["id"]] = row["id"]
                if row["merged_into"] is not None:
                    merged[row["id"]] = row["merged_into"]
            wanted = {into for into in merged.values() if into not in now}
        for person_id in now:
            into = person_id
            while into in merged:
                into = merged[into]
            now[person_id] = into
        return now

    async def add_persons(
        self, connection: asyncpg.Connection, persons: Mapping[UUID, Prepared], now: datetime
    ) -> None:
        """Adds persons with their keys."""
        if persons:
            await connection.execute(
                _NEW_PERSONS,
                list(persons),
                await self._sealed({person_id: each.profile for person_id, each in persons.items()}),
                self._keys.fingerprint,
                now,
                [key.digest for each in persons.values() for key in each.keys],
                [person_id for person_id, each in persons.items() for _ in each.keys],
            )

    async def save_subjects(
        self, connection: asyncpg.Connection, subjects: Mapping[UUID, tuple[Subject, Profile]], now: datetime
    ) -> None:
        """Keeps what was given about subjects; what was given before is replaced."""
        if subjects:
            given = [subject for subject, _ in subjects.values()]
            await connection.execute(
                _SAVE_SUBJECTS,
                [subject.id for subject in given],
                [subject.referral_id for subject in given],
                [subject.adult for subject in given],
                [subject.source for subject in given],
                await self._sealed({subject.id: profile for subject, profile in subjects.values()}),
                now,
            )

    async def relink(
        self,
        connection: asyncpg.Connection,
        links: Sequence[Link],
        now: datetime,
        command: UUID | None = None,
        *,
        ended: Collection[UUID] = (),
    ) -> None:
        """Takes subjects for persons from now on. `ended`: those who were taken for others; that is kept as history."""
        if ended:
            await connection.execute(_END_LINKS, list(ended), now, command)
        if links:
            await connection.execute(
                _NEW_LINKS,
                [link.subject_id for link in links],
                [link.person_id for link in links],
                [link.band.value for link in links],
                [link.method.value for link in links],
                [link.rules for link in links],
                now,
                command,
            )

    async def refold(self, connection: asyncpg.Connection, persons: Collection[UUID], now: datetime) -> None:
        """Makes the profiles and keys of locked persons anew from everybody who is taken for them.

        Who is nobody's any more keeps no profile and no key, and is found no more.
        """
        if not persons:
            return
        parts: dict[UUID, list[Profile]] = {person_id: [] for person_id in sorted(persons)}
        for standing in (await self.of_persons(connection, persons)).values():
            parts[standing.person_id].append(standing.profile)
        folded = {person_id: self.prepared(joined(profiles)) for person_id, profiles in parts.items()}
        await connection.execute(
            _SAVE_PROFILES,
            list(folded),
            await self._sealed({person_id: each.profile for person_id, each in folded.items()}),
            self._keys.fingerprint,
            now,
            [key.digest for each in folded.values() for key in each.keys],
            [person_id for person_id, each in folded.items() for _ in each.keys],
        )

    async def give_way(
        self, connection: asyncpg.Connection, persons: Mapping[UUID, UUID], now: datetime
    ) -> None:
        """Remembers who stands for persons whom nobody is taken for any more, and who is apart from them."""
        if persons:
            await connection.execute(_GIVE_WAY, list(persons), list(persons.values()), now)
            await connection.execute(_CARRY_APART, list(persons), list(persons.values()), now)

    async def rekey(self, connection: asyncpg.Connection, now: datetime, limit: int) -> int:
        """Makes the keys anew of persons whose were made under another secret or other names; gives how many."""
        rows = await connection.fetch(_STALE, self._keys.fingerprint, limit)
        persons = [row["id"] for row in rows]
        await self.lock_persons(connection, persons)
        await self.refold(connection, persons, now)
        return len(persons)

    async def _standings(self, rows: Sequence[asyncpg.Record]) -> dict[UUID, Standing]:
        profiles = await self._read([(row["id"], row["profile"]) for row in rows])
        return {
            row["id"]: Standing(
                row["id"],
                row["referral_id"],
                row["adult"],
                row["source"],
                profiles.get(row["id"], Profile()),
                row["person_id"],
                Band(row["band"]),
                LinkMethod(row["method"]),
                row["rules"],
            )
            for row in rows
        }

    async def _sealed(self, profiles: Mapping[UUID, Profile]) -> list[bytes]:
        return await self._codec.encode(
            [KeptProfile(shared=Nothing(), children={one: profile}) for one, profile in profiles.items()]
        )

    async def _read(self, items: Sequence[tuple[UUID, bytes]]) -> dict[UUID, Profile]:
        decoded = await self._codec.decode([(KeptProfile, value) for _, value in items])
        return {
            one: item.payload.children[one]
            for (one, _), item in zip(items, decoded, strict=True)
            if isinstance(item, Decoded) and one in item.payload.children
        }
