"""Decisions that wait for a signature, with every step on their way: rows are only ever added."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.messaging.codec import Codec, Decoded
from libs.schemas.base import Line, Model, Nothing, Text
from libs.schemas.decision import Proposal, Signature
from services.triage.decision.authority import Authority
from services.triage.documents import RecordedProposal, RecordedSigning, Signing

_STEPS = """
SELECT number, did, by, at, tag, document FROM proposal
 WHERE case_id = $1 AND number = (SELECT max(number) FROM proposal WHERE case_id = $1)
 ORDER BY step
"""
_STEP = """
INSERT INTO proposal (case_id, number, step, did, by, at, tag, document) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


class Step(StrEnum):
    """What happened to a proposal."""

    PROPOSED = "proposed"
    SIGNED = "signed"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Pending:
    """The last proposal on a case, and what became of it."""

    proposal: Proposal
    tag: str
    """The entity tag that whoever proposed it had before them."""
    signatures: tuple[Signature, ...]
    returned: Signature | None


class SignatureReason(Model):
    """A line of the scheme of delegation that asks for a signature."""

    id: str
    title: str
    cite: str


class ProposalView(Model):
    """A decision that waits for a signature, or was returned."""

    proposal: Proposal
    signatures: tuple[Signature, ...] = ()
    returned: Signature | None = Field(None, description="Who denied their signature, and why.")
    because: tuple[SignatureReason, ...] = ()


class SignOffBody(Model):
    """The body of `PUT /v1/cases/{id}/sign-off`."""

    agree: bool = Field(description="False returns the decision to whoever proposed it.")
    note: Text | None = Field(None, description="Demanded where the decision is returned.")


class SignatureNeeded(Model):
    """What a decision by the caller would need."""

    may_decide: bool
    may_sign: bool
    signatures: int
    because: tuple[SignatureReason, ...]
    departure: str = Field(description="How it would relate to the recommendation.")
    steps_down: bool = Field(
        description="It would be milder than the decision that stands: a reason is asked for, whatever is recommended."
    )
    departure_reasons: dict[str, str]
    obliged: tuple[str, ...] = Field(
        description="Obliged actions that are open: each is confirmed or explained."
    )
    siblings_differ: bool = Field(
        description="A brother or sister was decided differently: one reason is asked for."
    )


async def last_proposal(connection: asyncpg.Connection, codec: Codec, case_id: UUID) -> Pending | None:
    """The last proposal on a case; None where there is none or it can no longer be read."""
    rows = await connection.fetch(_STEPS, case_id)
    if not rows:
        return None
    read = await codec.decode(
        [
            (RecordedProposal if row["did"] == Step.PROPOSED else RecordedSigning, row["document"])
            for row in rows
        ]
    )
    proposal: Proposal | None = None
    signatures: list[Signature] = []
    returned: Signature | None = None
    for row, item in zip(rows, read, strict=True):
        payload = item.payload.children.get(case_id) if isinstance(item, Decoded) else None
        if row["did"] == Step.PROPOSED:
            proposal = payload if isinstance(payload, Proposal) else None
            continue
        note = payload.note if isinstance(payload, Signing) else None
        signed = Signature(by=row["by"], at=row["at"], note=note)
        if row["did"] == Step.SIGNED:
            signatures.append(signed)
        else:
            returned = signed
    return None if proposal is None else Pending(proposal, rows[0]["tag"], tuple(signatures), returned)


async def keep_proposal(
    connection: asyncpg.Connection, codec: Codec, case_id: UUID, step: int, tag: str, proposal: Proposal
) -> None:
    """Adds a decision that waits for a signature. `step`: its place among everything that was ever signed here."""
    (document,) = await codec.encode([RecordedProposal(shared=Nothing(), children={case_id: proposal})])
    await connection.execute(
        _STEP,
        case_id,
        proposal.number,
        step,
        Step.PROPOSED.value,
        proposal.proposed_by,
        proposal.proposed_at,
        tag,
        document,
    )


async def keep_signing(
    connection: asyncpg.Connection,
    codec: Codec,
    case_id: UUID,
    number: int,
    step: int,
    *,
    did: Step,
    by: Line,
    at: datetime,
    tag: str,
    note: str | None,
) -> None:
    """Adds a signature that was given or denied."""
    (document,) = await codec.encode(
        [RecordedSigning(shared=Nothing(), children={case_id: Signing(note=note)})]
    )
    await connection.execute(_STEP, case_id, number, step, did.value, by, at, tag, document)


def view_of(pending: Pending, authority: Authority) -> ProposalView:
    """A proposal as staff see it."""
    titles = {rule.id: rule for rule in authority.rules}
    return ProposalView(
        proposal=pending.proposal,
        signatures=pending.signatures,
        returned=pending.returned,
        because=tuple(
            SignatureReason(id=one, title=titles[one].title, cite=titles[one].cite)
            for one in pending.proposal.because
            if one in titles
        ),
    )
