"""Fills the keys of cases: when a child comes, when people are corrected, and of those that have none yet."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from libs.messaging.codec import Codec, Undecodable
from libs.messaging.ledger import Ledger, Unit
from libs.schemas.base import Payload
from libs.schemas.events import PeopleCorrected, Received
from libs.schemas.referral import Adult, ReferredChild
from services.triage.desk import Desk
from services.triage.documents import EVIDENCE, EvidenceKind, Stated
from services.triage.referral import received_of
from services.triage.search.keys import Keys

EVERY_SECONDS = 600.0
AT_ONCE = 200

_ADD = """
INSERT INTO search_key (digest, case_id) SELECT * FROM unnest($1::bytea[], $2::uuid[]) ON CONFLICT DO NOTHING
"""
_SEARCHABLE = """
INSERT INTO searchable (case_id, scheme) SELECT unnest($1::uuid[]), $2
ON CONFLICT (case_id) DO UPDATE SET scheme = EXCLUDED.scheme
"""
_MISSING = """
SELECT c.id, c.referral_id FROM child_case AS c
 WHERE NOT c.stub AND NOT EXISTS (SELECT FROM searchable AS s WHERE s.case_id = c.id AND s.scheme = $1)
 LIMIT $2
"""
_SAID = "SELECT document FROM evidence WHERE case_id = $1 AND kind = ANY ($2) ORDER BY number"
_FORGET = "DELETE FROM search_key WHERE case_id = ANY ($1)"
_OF_PEOPLE = (EvidenceKind.RECEIVED, EvidenceKind.PEOPLE)


class SearchIndex:
    """The keys of cases. Names that were corrected stay: who was looked for by them still is."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def fill(self, unit: Unit, codec: Codec, desk: Desk) -> None:
        """Adds the keys of children who came, and of people whom staff gave, in this unit of work."""
        found: dict[UUID, frozenset[bytes]] = {}
        for file in desk.files.values():
            documents = [one.document for one in file.new_evidence if one.kind in _OF_PEOPLE]
            if documents:
                received = None
                if any(isinstance(one, Stated) for one in documents):
                    received = await received_of(unit.connection, codec, desk, file.case.referral_id)
                found[file.case.id] = self._of(file.case.id, received, documents)
        await self._keep(unit.connection, found)

    async def sweep(self, ledger: Ledger) -> int:
        """Makes the keys of cases that have none of this secret and scheme. Gives how many."""
        made = 0
        while rows := await ledger.pool.fetch(_MISSING, self._keys.scheme, AT_ONCE):
            for case_id, referral_id in rows:
                async with ledger.unit([referral_id]) as unit:
                    await self._make_anew(unit.connection, ledger.codec, case_id, referral_id)
            made += len(rows)
        return made

    async def _make_anew(
        self, connection: asyncpg.Connection, codec: Codec, case_id: UUID, referral_id: UUID
    ) -> None:
        """What can no longer be read is found no more."""
        document = await connection.fetchval("SELECT document FROM referral WHERE id = $1", referral_id)
        received = await self._read(codec, [] if document is None else [(Received, document)])
        rows = await connection.fetch(_SAID, case_id, [kind.value for kind in _OF_PEOPLE[1:]])
        said = await self._read(codec, [(PeopleCorrected, row["document"]) for row in rows])
        first = await connection.fetch(_SAID, case_id, [EvidenceKind.RECEIVED.value])
        said += await self._read(codec, [(EVIDENCE[EvidenceKind.RECEIVED], row["document"]) for row in first])
        await forget(connection, [case_id])
        await self._keep(connection, {case_id: self._of(case_id, next(iter(received), None), said)})

    async def _read(
        self, codec: Codec, stored: Sequence[tuple[type[Payload[Any, Any]], bytes]]
    ) -> list[Payload[Any, Any]]:
        read = await codec.decode(stored)
        return [item.payload for item in read if not isinstance(item, Undecodable)]

    def _of(
        self, case_id: UUID, received: Payload[Any, Any] | None, said: Iterable[Payload[Any, Any]]
    ) -> frozenset[bytes]:
        people: list[tuple[ReferredChild | None, tuple[Adult, ...]]] = []
        if isinstance(received, Received):
            people.append((received.children.get(case_id), received.shared.referral.adults))
        for one in said:
            if isinstance(one, PeopleCorrected):
                people.append((one.children.get(case_id), one.shared.adults))
            elif isinstance(one, Stated) and case_id in one.children:
                people.append((one.children[case_id].found, ()))
        return frozenset().union(*(self._keys.of_case(child, adults) for child, adults in people))

    async def _keep(self, connection: asyncpg.Connection, found: Mapping[UUID, Collection[bytes]]) -> None:
        if not found:
            return
        pairs = sorted((digest, case_id) for case_id, digests in found.items() for digest in digests)
        await connection.execute(_ADD, [digest for digest, _ in pairs], [case_id for _, case_id in pairs])
        await connection.execute(_SEARCHABLE, list(found), self._keys.scheme)


async def forget(connection: asyncpg.Connection, case_ids: Sequence[UUID]) -> None:
    """Erases the keys of cases: they are found by their reference alone."""
    await connection.execute(_FORGET, case_ids)
