"""What is kept of a referral as a whole, for a child who comes to it later."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from libs.messaging.codec import Codec, Undecodable
from libs.messaging.errors import Permanent
from libs.schemas.events import Received
from services.triage.case import File, NewEvidence
from services.triage.desk import Desk
from services.triage.documents import EVIDENCE, EvidenceKind

_SHARED_KINDS = [EvidenceKind.INFORMATION.value, EvidenceKind.WITHDRAWAL.value]


async def received_of(
    connection: asyncpg.Connection, codec: Codec, desk: Desk, referral_id: UUID
) -> Received | None:
    """A referral as it was received; None where it can no longer be read. Raises Permanent where it never could."""
    if referral_id in desk.new_referrals:
        return desk.new_referrals[referral_id]
    document = await connection.fetchval("SELECT document FROM referral WHERE id = $1", referral_id)
    if document is None:
        return None
    (item,) = await codec.decode([(Received, document)])
    if isinstance(item, Undecodable):
        if item.code != "erased":
            raise Permanent(f"referral-{item.code}")
        return None
    return item.payload


async def shared_evidence(
    connection: asyncpg.Connection, codec: Codec, family: Sequence[File]
) -> list[NewEvidence]:
    """What the referrer said later of the whole referral, as it is kept with the first of its cases."""
    first = family[0]
    rows = await connection.fetch(
        "SELECT number, event_id, kind, source, at, document FROM evidence"
        " WHERE case_id = $1 AND kind = ANY ($2) ORDER BY number",
        first.case.id,
        _SHARED_KINDS,
    )
    decoded = await codec.decode([(EVIDENCE[EvidenceKind(row["kind"])], row["document"]) for row in rows])
    stored = [
        NewEvidence(
            row["number"], row["event_id"], EvidenceKind(row["kind"]), row["source"], row["at"], item.payload
        )
        for row, item in zip(rows, decoded, strict=True)
        if not isinstance(item, Undecodable)
    ]
    return [*stored, *(one for one in first.new_evidence if one.kind.value in _SHARED_KINDS)]
