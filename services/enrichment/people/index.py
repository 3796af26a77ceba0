"""The index of people: who each child and adult of a referral is, among all whom the partnership knows."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from libs.messaging.codec import Codec
from libs.schemas.commands import PersonDecision
from libs.schemas.people import Band, Candidate, LinkMethod
from services.enrichment.people.choice import Choice, choose
from services.enrichment.people.decisions import Decided, Decisions
from services.enrichment.people.keys import Keys
from services.enrichment.people.names import Names, load_names
from services.enrichment.people.rules import Rules, load_rules
from services.enrichment.people.scoring import Record
from services.enrichment.people.store import Link, PeopleStore, Prepared, Standing
from services.enrichment.people.subject import Subject, joined, profile_of, side_by_side


@dataclass(frozen=True, slots=True)
class Identified:
    """Who a subject is, as far as is known."""

    person_id: UUID
    band: Band
    """`same` where the person was known before, `none` for a new one."""
    method: LinkMethod
    rules: str
    """The version of the rules by which it was decided."""
    candidates: tuple[Candidate, ...] = field(default=(), repr=False)
    """Who else it may be, best first: for a person to decide."""
    because: Candidate | None = field(default=None, repr=False)
    """What spoke for the link, where it was made just now and by a rule."""


@dataclass
class _Batch:
    """What identifying one batch has found so far."""

    people: dict[UUID, Prepared] = field(default_factory=dict)
    """New persons of this batch: later subjects may be them."""
    by_key: dict[bytes, set[UUID]] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    moved: dict[UUID, UUID] = field(default_factory=dict)
    """Who subjects were taken for, where that changes."""
    listed: dict[tuple[UUID, str], set[UUID]] = field(default_factory=dict)
    """The persons whom each source of a referral lists."""
    touched: set[UUID] = field(default_factory=set)
    """Known persons whose profile changes."""

    def add(self, person_id: UUID, prepared: Prepared) -> None:
        self.people[person_id] = prepared
        for key in prepared.keys:
            self.by_key.setdefault(key.digest, set()).add(person_id)

    def near(self, prepared: Prepared) -> set[UUID]:
        return {one for key in prepared.keys for one in self.by_key.get(key.digest, ())}


def open_index(codec: Codec, partnership: Path, secret: str) -> "Index":
    """The index with the rules and names of a partnership's directory. Raises DocumentError for a faulty file."""
    return Index(
        codec, load_rules(partnership / "matching.yaml"), load_names(partnership / "names.yaml"), secret
    )


class Index:
    """Identifies people, and applies what staff decide about them."""

    def __init__(self, codec: Codec, rules: Rules, names: Names, secret: str) -> None:
        """`secret`: under which blocking keys are hashed; the same in all instances."""
        self.rules = rules
        self._names = names
        self._keys = Keys(secret, names)
        self._store = PeopleStore(codec, self._keys, names)
        self._decisions = Decisions(codec, self._store, rules)

    async def identify(
        self, connection: asyncpg.Connection, subjects: Sequence[Subject], now: datetime
    ) -> dict[UUID, Identified]:
        """Says who each subject is, by the subject's id, and keeps it. Call it before the transaction writes.

        Whoever is nobody known becomes a new person. A subject that was identified before is identified anew by what
        is given now, unless staff decided who it is. Waits while another transaction identifies somebody who shares a
        key, so that two referrals about one new child make one person. The result does not depend on the order of
        `subjects`. Raises asyncpg.PostgresError.
        """
        given = {subject.id: subject for subject in sorted(subjects, key=lambda one: one.id)}
        if not given:
            return {}
        homes = side_by_side(given.values())
        wanted = {
            one.id: self._store.prepared(profile_of(one, self._keys.companions(homes[one.id])))
            for one in given.values()
        }
        await self._store.lock_keys(connection, wanted.values())
        around = await self._store.of_referrals(connection, {one.referral_id for one in given.values()})
        known = {one: around[one] for one in given if one in around}
        fellows, apart = await self._surroundings(connection, known)
        found = await self._store.candidates(connection, list(wanted.values()))
        batch = _Batch()
        for standing in around.values():
            if standing.id not in given:
                batch.listed.setdefault((standing.referral_id, standing.source), set()).add(
                    standing.person_id
                )
        results = {
            one: self._identify(given[one], wanted[one], candidates, known.get(one), fellows, apart, batch)
            for one, candidates in zip(given, found, strict=True)
        }
        return await self._keep(connection, given, wanted, results, batch, now)

    async def search(
        self, connection: asyncpg.Connection, subject: Subject, beside: Sequence[Subject] = ()
    ) -> Choice:
        """Who somebody is among those known, and keeps nothing. `beside`: who is named beside them.

        Raises asyncpg.PostgresError.
        """
        home = side_by_side([subject, *beside])[subject.id]
        wanted = self._store.prepared(profile_of(subject, self._keys.companions(home)))
        (found,) = await self._store.candidates(connection, [wanted])
        return choose(wanted.record, found.items(), self.rules, self._names)

    async def standing(
        self, connection: asyncpg.Connection, subjects: Collection[UUID]
    ) -> dict[UUID, Identified]:
        """Who subjects are taken for now, with who else they may be as far as nobody has decided. Changes nothing."""
        current = await self._store.of_subjects(connection, subjects)
        open_ = [one for one in current.values() if one.method is LinkMethod.NEW]
        wanted = [self._store.prepared(one.profile) for one in open_]
        apart = await self._store.apart(connection, {one.person_id for one in open_})
        offered = {
            one.id: self._choice(prepared.record, found, one.person_id, apart).offered
            for one, prepared, found in zip(
                open_, wanted, await self._store.candidates(connection, wanted), strict=True
            )
        }
        return {
            one.id: Identified(one.person_id, one.band, one.method, one.rules, offered.get(one.id, ()))
            for one in current.values()
        }

    async def decide(
        self, connection: asyncpg.Connection, child_id: UUID, decision: PersonDecision, now: datetime
    ) -> Decided:
        """Applies what a person decided about who a child is, and says whose cases it touches.

        Every decision is kept with who, why and when, also one that changes nothing; the same command twice has one
        effect. Raises asyncpg.PostgresError.
        """
        return await self._decisions.decide(connection, child_id, decision, now)

    async def rekey(self, connection: asyncpg.Connection, now: datetime, limit: int = 200) -> int:
        """Makes blocking keys anew after the secret or `names.yaml` changed, some persons at a time; gives how many."""
        return await self._store.rekey(connection, now, limit)

    async def _surroundings(
        self, connection: asyncpg.Connection, known: Mapping[UUID, Standing]
    ) -> tuple[dict[UUID, Standing], frozenset[frozenset[UUID]]]:
        """Who else is taken for the persons of subjects that are identified anew, and who is not whom."""
        if not known:
            return {}, frozenset()
        persons = {one.person_id for one in known.values()}
        await self._store.lock_persons(connection, persons)
        return await self._store.of_persons(connection, persons), await self._store.apart(connection, persons)

    def _identify(
        self,
        subject: Subject,
        wanted: Prepared,
        candidates: Mapping[UUID, Record],
        before: Standing | None,
        fellows: Mapping[UUID, Standing],
        apart: frozenset[frozenset[UUID]],
        batch: _Batch,
    ) -> Identified:
        listed = batch.listed.setdefault((subject.referral_id, subject.source), set())
        if before is not None and before.method is LinkMethod.STAFF:
            listed.add(before.person_id)
            batch.touched.add(before.person_id)
            return Identified(before.person_id, before.band, before.method, before.rules)
        pool = dict(candidates) | {one: batch.people[one].record for one in batch.near(wanted)}
        own = None if before is None else before.person_id
        if before is not None:
            others = [
                one.profile
                for one in fellows.values()
                if one.person_id == before.person_id and one.id != before.id
            ]
            if others:
                # What this subject said before must not speak for it.
                pool[before.person_id] = self._store.prepared(joined(others)).record
                own = None
            batch.touched.add(before.person_id)
        choice = self._choice(wanted.record, pool, own, apart, before, listed)
        if choice.linked is not None:
            person_id = choice.linked.person_id
            result = Identified(person_id, Band.SAME, choice.method, self.rules.version, (), choice.linked)
            if person_id not in batch.people:
                batch.touched.add(person_id)
        else:
            person_id = own or uuid7()
            if own is None:
                batch.add(person_id, wanted)
            result = Identified(person_id, Band.NONE, LinkMethod.NEW, self.rules.version, choice.offered)
        listed.add(person_id)
        if before is None or (before.person_id, before.method) != (person_id, result.method):
            batch.links.append(Link(subject.id, person_id, result.band, result.method, self.rules.version))
            if before is not None:
                batch.moved[subject.id] = before.person_id
        return result

    def _choice(
        self,
        ours: Record,
        candidates: Mapping[UUID, Record],
        own: UUID | None,
        apart: frozenset[frozenset[UUID]],
        before: Standing | None = None,
        doubted: Iterable[UUID] = (),
    ) -> Choice:
        mine = own or (before.person_id if before is not None else None)
        allowed = [
            (one, theirs)
            for one, theirs in candidates.items()
            if one != own and (mine is None or frozenset((mine, one)) not in apart)
        ]
        return choose(ours, allowed, self.rules, self._names, frozenset(doubted))

    async def _keep(
        self,
        connection: asyncpg.Connection,
        given: Mapping[UUID, Subject],
        wanted: Mapping[UUID, Prepared],
        results: dict[UUID, Identified],
        batch: _Batch,
        now: datetime,
    ) -> dict[UUID, Identified]:
        """Writes what was found. A person who was merged away meanwhile gives way to the one who stands for it."""
        stands_for = await self._store.lock_persons(connection, batch.touched) if batch.touched else {}
        await self._store.add_persons(connection, batch.people, now)
        await self._store.save_subjects(
            connection, {one: (subject, wanted[one].profile) for one, subject in given.items()}, now
        )
        links = [
            Link(
                link.subject_id,
                stands_for.get(link.person_id, link.person_id),
                link.band,
                link.method,
                link.rules,
            )
            for link in batch.links
        ]
        await self._store.relink(connection, links, now, ended=batch.moved)
        gone = {
            own: new
            for link in links
            if (own := batch.moved.get(link.subject_id)) is not None and own != (new := link.person_id)
        }
        await self._store.give_way(connection, gone, now)
        # Several subjects of this batch may be one new person, whose profile then is more than the first one's.
        shared = {link.person_id for link in links if link.band is Band.SAME}
        await self._store.refold(connection, set(stands_for.values()) | set(stands_for) | shared, now)
        return {
            one: Identified(
                stands_for.get(result.person_id, result.person_id),
                result.band,
                result.method,
                result.rules,
                result.candidates,
                result.because,
            )
            for one, result in results.items()
        }
