"""What staff decide about who a child is: links, un-links, merges, and taking any of these back.

Everything that a command begins or ends bears its id, so that taking it back needs no memory of its own: what it began
ends, and what it ended begins again, wherever nothing decided later stands in the way.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from libs.messaging.codec import Codec
from libs.schemas.base import Nothing, Payload
from libs.schemas.commands import PersonAction, PersonDecision
from libs.schemas.people import Band, LinkMethod
from services.enrichment.people.rules import Rules
from services.enrichment.people.store import Link, PeopleStore, Standing

_KEEP = """
INSERT INTO person_decision (command_id, child_id, action, done, undoes, at, decision)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_KNOWN = "SELECT true FROM person_decision WHERE command_id = $1"
_BEGIN_APART = """
INSERT INTO person_apart (low, high, since, begun_by)
SELECT low, high, $3, $4 FROM unnest($1::uuid[], $2::uuid[]) AS given (low, high)
ON CONFLICT (low, high) WHERE until IS NULL DO NOTHING
"""
_END_APART = """
UPDATE person_apart SET until = $3, ended_by = $4
 WHERE until IS NULL AND (low, high) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
"""
_MERGE = "UPDATE person SET merged_into = $2, merged_by = $3, changed_at = $4 WHERE id = $1 AND merged_into IS NULL"
_UNMERGE = "UPDATE person SET merged_into = NULL, merged_by = NULL, changed_at = $2 WHERE merged_by = $1 RETURNING id"
_LINKS_OF = """
SELECT subject_id, person_id, band, method, rules, until IS NULL AS stands, begun_by IS NOT DISTINCT FROM $1 AS began
  FROM person_link WHERE begun_by = $1 OR ended_by = $1 ORDER BY id
"""
_APART_OF = """
SELECT low, high, until IS NULL AS stands, begun_by = $1 AS began
  FROM person_apart WHERE begun_by = $1 OR ended_by = $1 ORDER BY id
"""


class KeptDecision(Payload[Nothing, PersonDecision]):
    """A decision as it is stored, sealed as the child's part."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision did. `children`, `adults`: whose link or history it touches, with the referral of each."""

    done: bool
    """False where it changed nothing."""
    children: Mapping[UUID, UUID] = field(default_factory=dict)
    adults: Mapping[UUID, UUID] = field(default_factory=dict)

    @property
    def affected(self) -> frozenset[UUID]:
        """The cases of the children whose evidence has to be worked out again."""
        return frozenset(self.children)


@dataclass
class _Work:
    """One decision while it is applied, on locked persons."""

    connection: asyncpg.Connection
    child: Standing
    decision: PersonDecision
    now: datetime
    persons: set[UUID]
    """Whose subjects may change."""
    stands_for: Mapping[UUID, UUID]

    @property
    def command(self) -> UUID:
        return self.decision.command_id


class Decisions:
    """Applies staff's decisions to the index."""

    def __init__(self, codec: Codec, store: PeopleStore, rules: Rules) -> None:
        self._codec = codec
        self._store = store
        self._rules = rules

    async def decide(
        self, connection: asyncpg.Connection, child_id: UUID, decision: PersonDecision, now: datetime
    ) -> Decided:
        """Applies one decision inside the caller's transaction, which holds the lock of the child's referral."""
        if await connection.fetchval(_KNOWN, decision.command_id):
            return Decided(False)
        child = (await self._store.of_subjects(connection, [child_id])).get(child_id)
        if child is None:
            await self._record(connection, child_id, decision, now, done=False)
            return Decided(False)
        named = {one for one in (decision.person_id, decision.other_id) if one is not None}
        undone = (
            await connection.fetch(_LINKS_OF, decision.undoes)
            if decision.action is PersonAction.UNDO and decision.undoes is not None
            else []
        )
        persons = named | {child.person_id} | {row["person_id"] for row in undone}
        stands_for = await self._store.lock_persons(connection, persons)
        # Read again under the lock: a merge may have moved the child meanwhile.
        child = (await self._store.of_subjects(connection, [child_id]))[child_id]
        work = _Work(
            connection, child, decision, now, set(stands_for.values()) | {child.person_id}, stands_for
        )
        before = await self._store.of_persons(connection, work.persons)
        done = await self._apply(work, before)
        await self._record(connection, child_id, decision, now, done=done)
        if not done:
            return Decided(False)
        await self._store.refold(connection, work.persons, now)
        after = await self._store.of_persons(connection, work.persons)
        touched = before | after | {child_id: child}
        return Decided(
            True,
            {one.id: one.referral_id for one in touched.values() if not one.adult},
            {one.id: one.referral_id for one in touched.values() if one.adult},
        )

    async def _apply(self, work: _Work, before: Mapping[UUID, Standing]) -> bool:
        decision = work.decision
        person = work.stands_for.get(decision.person_id) if decision.person_id is not None else None
        other = work.stands_for.get(decision.other_id) if decision.other_id is not None else None
        match decision.action:
            case PersonAction.LINK if person is not None:
                return await self._link(work, person)
            case PersonAction.UNLINK if person is not None:
                return await self._unlink(work, person, before)
            case PersonAction.MERGE if person is not None and other is not None and person != other:
                await self._merge(
                    work, person, other, [one.id for one in before.values() if one.person_id == other]
                )
                return True
            case PersonAction.UNDO if decision.undoes is not None:
                return await self._undo(work, decision.undoes)
            case _:
                return False

    async def _link(self, work: _Work, person: UUID) -> bool:
        """The child is this person. Nobody else's link changes: two persons who are one are merged."""
        child = work.child
        if child.person_id == person and child.method is LinkMethod.STAFF:
            return False
        await self._relink(work, [child.id], person, Band.SAME, LinkMethod.STAFF)
        await self._end_apart(work, child.person_id, person)
        await self._retire(work, child.person_id, person)
        return True

    async def _unlink(self, work: _Work, person: UUID, before: Mapping[UUID, Standing]) -> bool:
        """The child is not this person, and is not offered them again."""
        child = work.child
        own = child.person_id
        if own == person:
            if all(one.id == child.id for one in before.values() if one.person_id == person):
                # The person is known by this child alone: there is nobody else to part from.
                return False
            own = uuid7()
            await self._store.add_persons(
                work.connection, {own: self._store.prepared(child.profile)}, work.now
            )
            work.persons.add(own)
            await self._relink(work, [child.id], own, Band.NONE, LinkMethod.NEW)
        elif frozenset((own, person)) in await self._store.apart(work.connection, [own]):
            return False
        await self._begin_apart(work, [(own, person)])
        return True

    async def _merge(self, work: _Work, person: UUID, other: UUID, subjects: Collection[UUID]) -> None:
        """Two persons are one: everybody who was taken for the other is this one, and who is apart from it stays so."""
        await self._relink(work, subjects, person, Band.SAME, LinkMethod.STAFF)
        await self._end_apart(work, person, other)
        await self._retire(work, other, person)

    async def _undo(self, work: _Work, undone: UUID) -> bool:
        """What a command began ends, and what it ended begins again, where nothing later stands in the way."""
        links = await work.connection.fetch(_LINKS_OF, undone)
        still = {row["subject_id"] for row in links if row["began"] and row["stands"]}
        again = [row for row in links if not row["began"] and row["subject_id"] in still]
        unmerged = await work.connection.fetch(_UNMERGE, undone, work.now)
        work.persons.update(row["id"] for row in unmerged)
        work.persons.update(row["person_id"] for row in links)
        await self._store.relink(
            work.connection,
            [
                Link(
                    row["subject_id"],
                    row["person_id"],
                    Band(row["band"]),
                    LinkMethod(row["method"]),
                    row["rules"],
                )
                for row in again
            ],
            work.now,
            work.command,
            ended=[row["subject_id"] for row in again],
        )
        back = {row["subject_id"]: row["person_id"] for row in again}
        for row in links:
            if row["subject_id"] in back:
                await self._retire(work, row["person_id"], back[row["subject_id"]])
        aparts = await work.connection.fetch(_APART_OF, undone)
        for row in aparts:
            if row["began"] and row["stands"]:
                await self._end_apart(work, row["low"], row["high"])
            elif not row["began"]:
                await self._begin_apart(work, [(row["low"], row["high"])])
        return bool(again or unmerged or aparts)

    async def _relink(
        self, work: _Work, subjects: Collection[UUID], person: UUID, band: Band, method: LinkMethod
    ) -> None:
        links = [Link(one, person, band, method, self._rules.version) for one in subjects]
        await self._store.relink(work.connection, links, work.now, work.command, ended=list(subjects))

    async def _retire(self, work: _Work, person: UUID, into: UUID) -> None:
        """A person whom nobody is taken for any more gives way to another, who stays apart from the same people."""
        if person == into or await self._store.of_persons(work.connection, [person]):
            return
        await work.connection.execute(_MERGE, person, into, work.command, work.now)
        pairs = await self._store.apart(work.connection, [person])
        await self._begin_apart(work, [(into, one) for pair in pairs for one in pair - {person, into}])

    async def _begin_apart(self, work: _Work, pairs: Iterable[tuple[UUID, UUID]]) -> None:
        ordered = [(min(pair), max(pair)) for pair in pairs]
        if ordered:
            lows, highs = zip(*ordered, strict=True)
            await work.connection.execute(_BEGIN_APART, lows, highs, work.now, work.command)

    async def _end_apart(self, work: _Work, one: UUID, other: UUID) -> None:
        await work.connection.execute(
            _END_APART, [min(one, other)], [max(one, other)], work.now, work.command
        )

    async def _record(
        self,
        connection: asyncpg.Connection,
        child_id: UUID,
        decision: PersonDecision,
        now: datetime,
        *,
        done: bool,
    ) -> None:
        (sealed,) = await self._codec.encode([KeptDecision(shared=Nothing(), children={child_id: decision})])
        await connection.execute(
            _KEEP, decision.command_id, child_id, str(decision.action), done, decision.undoes, now, sealed
        )
