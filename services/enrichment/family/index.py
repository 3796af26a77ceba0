"""The index of people as the family needs it: who somebody is, by whatever is known of them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import asyncpg

from libs.schemas.commands import PersonDecision
from services.enrichment.people.decisions import Decided
from services.enrichment.people.index import Identified
from services.enrichment.people.subject import Subject


class Index(Protocol):
    """Every method runs inside the caller's transaction, whose referrals are locked."""

    async def identify(
        self, connection: asyncpg.Connection, subjects: Sequence[Subject], now: datetime
    ) -> Mapping[UUID, Identified]:
        """Who each of these is, by the subject's id; somebody who was identified before is looked at anew."""
        ...

    async def decide(
        self, connection: asyncpg.Connection, child_id: UUID, decision: PersonDecision, now: datetime
    ) -> Decided:
        """Applies a person's command; gives the subjects whose person may now be another."""
        ...

    async def standing(
        self, connection: asyncpg.Connection, subject_ids: Collection[UUID]
    ) -> Mapping[UUID, Identified]:
        """Who each of these is now; those who were never identified are left out."""
        ...
