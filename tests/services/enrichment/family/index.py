"""An index of people that knows only what is exactly equal, so that tests say who is whom."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.schemas.commands import PersonAction, PersonDecision
from libs.schemas.people import Band, Candidate, LinkMethod
from services.enrichment.people.decisions import Decided
from services.enrichment.people.index import Identified
from services.enrichment.people.subject import Subject

RULES = "exact"


class ExactIndex:
    """People are the same by NHS number, else by name and day of birth; the same name alone is likely."""

    def __init__(self) -> None:
        self.subjects: dict[UUID, Subject] = {}
        self.links: dict[UUID, UUID] = {}
        self.methods: dict[UUID, LinkMethod] = {}
        self.said: dict[UUID, tuple[UUID, PersonDecision, UUID | None]] = {}
        self.calls = 0

    async def identify(
        self, connection: asyncpg.Connection, subjects: Sequence[Subject], now: datetime
    ) -> dict[UUID, Identified]:
        self.calls += 1
        for subject in subjects:
            self.subjects[subject.id] = subject
            if self.methods.get(subject.id) is not LinkMethod.STAFF:
                self._link(subject)
        return await self.standing(connection, [subject.id for subject in subjects])

    def _link(self, subject: Subject) -> None:
        found = [
            self.links[other.id]
            for other in self.subjects.values()
            if other.id != subject.id and other.id in self.links and _same(subject, other)
        ]
        if found:
            self.links[subject.id], self.methods[subject.id] = found[0], LinkMethod.IDENTIFIER
        elif subject.id not in self.links or self.methods[subject.id] is not LinkMethod.NEW:
            self.links[subject.id], self.methods[subject.id] = uuid.uuid4(), LinkMethod.NEW

    async def standing(
        self, connection: asyncpg.Connection, subjects: Collection[UUID]
    ) -> dict[UUID, Identified]:
        return {one: self._identified(one) for one in subjects if one in self.links}

    def _identified(self, subject_id: UUID) -> Identified:
        method, person_id = self.methods[subject_id], self.links[subject_id]
        mine = self.subjects[subject_id]
        likely = sorted(
            {
                self.links[other.id]
                for other in self.subjects.values()
                if _name(other) == _name(mine) and self.links[other.id] != person_id
            }
        )
        band = Band.NONE if method is LinkMethod.NEW else Band.SAME
        candidates = tuple(Candidate(person_id=one, band=Band.LIKELY, score=70) for one in likely)
        return Identified(person_id, band, method, RULES, candidates)

    async def decide(
        self, connection: asyncpg.Connection, child_id: UUID, decision: PersonDecision, now: datetime
    ) -> Decided:
        if decision.action == PersonAction.LINK and decision.person_id is not None:
            self.said[decision.command_id] = child_id, decision, self.links[child_id]
            self.links[child_id], self.methods[child_id] = decision.person_id, LinkMethod.STAFF
            return self._touched({child_id})
        if decision.action == PersonAction.MERGE and decision.person_id is not None:
            moved = frozenset(one for one, person in self.links.items() if person == decision.other_id)
            self.links |= dict.fromkeys(moved, decision.person_id)
            return self._touched(moved)
        if decision.action == PersonAction.UNDO and decision.undoes in self.said:
            child_id, _, before = self.said.pop(decision.undoes)
            if before is not None:
                self.links[child_id], self.methods[child_id] = before, LinkMethod.NEW
            return self._touched({child_id})
        return self._touched(())

    def _touched(self, subjects: Collection[UUID]) -> Decided:
        return Decided(bool(subjects), {one: self.subjects[one].referral_id for one in subjects})


def _name(subject: Subject) -> tuple[object, ...]:
    return subject.adult, subject.given_name, subject.family_name


def _same(one: Subject, other: Subject) -> bool:
    if one.nhs_number is not None and other.nhs_number is not None:
        return one.nhs_number == other.nhs_number
    born = one.born is not None and one.born == other.born
    grown = one.adult and one.referral_id != other.referral_id
    return _name(one) == _name(other) and one.given_name is not None and (born or grown)
