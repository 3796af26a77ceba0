"""Takes in what the referring agency sends afterwards: further information, or a withdrawal.

A withdrawal is information too: it is kept with who and why, and nothing here closes, lowers or pauses anything.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from libs.messaging.codec import Decoded
from libs.messaging.ledger import Ledger
from libs.platform import idempotency
from libs.platform.problems import Problem, invalid_body
from libs.platform.validation import FieldError
from libs.schemas.base import Payload
from libs.schemas.dictionary import Dictionary
from libs.schemas.events import (
    INFORMATION_ADDED,
    WITHDRAWN,
    AddedInformation,
    EventType,
    InformationAdded,
    Withdrawn,
    WithdrawnReferral,
)
from libs.schemas.referral import Information, Withdrawal
from services.intake import facts
from services.intake.acceptance import AFTER_COMMIT, Sent, read_receipt
from services.intake.answers import (
    EFFECT,
    AdditionAccepted,
    AdditionReceipt,
    IfDangerRises,
    Receipt,
    SharedAddition,
    status_path,
)
from services.intake.lookup import not_found

Kind = Literal["information", "withdrawal"]

_REFERRAL = "SELECT id, answer FROM referral WHERE reference = $1 AND agency = $2"
_ADD = """
INSERT INTO addition (id, referral_id, kind, agency, idempotency_key, fingerprint, received_at, immediate_danger,
                      payload, answer)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (agency, idempotency_key) DO NOTHING
RETURNING id
"""
_SENT_BEFORE = "SELECT fingerprint, answer FROM addition WHERE agency = $1 AND idempotency_key = $2"


class Additions:
    """Accepts what is added to a referral by the agency that sent it."""

    def __init__(self, ledger: Ledger, dictionary: Dictionary, danger: IfDangerRises) -> None:
        self._ledger = ledger
        self._dictionary = dictionary
        self._danger = danger

    async def inform(self, reference: str, body: Information, sent: Sent) -> AdditionAccepted:
        """Stores further information with its event. Raises Problem: 404 for another agency's referral, 422."""
        referral_id, receipt = await self._referral(reference, sent.agency)
        errors = self._faults(body, receipt)
        if errors:
            # What was accepted stays accepted, though the dictionary has changed since.
            fingerprint = _fingerprint("information", referral_id, sent)
            earlier = await self._sent_before(self._ledger.pool, sent, fingerprint)
            if earlier is None:
                raise invalid_body(errors)
            return earlier
        ids = {child.number: child_id for child_id, child in receipt.children.items()}
        now = self._ledger.clock.now()
        payload = InformationAdded(
            shared=AddedInformation(
                reference=reference,
                received_at=now,
                agency=sent.agency,
                worry=body.worry,
                immediate_danger=body.immediate_danger,
                danger_reason=body.danger_reason,
                agreements=body.agreements,
            ),
            children={ids[part.child]: part for part in body.children},
        )
        return await self._add("information", INFORMATION_ADDED, reference, referral_id, payload, sent)

    async def withdraw(self, reference: str, body: Withdrawal, sent: Sent) -> AdditionAccepted:
        """Stores a withdrawal with its event. Raises Problem: 404 for another agency's referral, 422."""
        referral_id, _ = await self._referral(reference, sent.agency)
        payload = Withdrawn(
            shared=WithdrawnReferral(
                reference=reference,
                received_at=self._ledger.clock.now(),
                agency=sent.agency,
                by=body.by,
                reason=body.reason,
            )
        )
        return await self._add("withdrawal", WITHDRAWN, reference, referral_id, payload, sent)

    async def _referral(self, reference: str, agency: str) -> tuple[UUID, Receipt]:
        row = await self._ledger.pool.fetchrow(_REFERRAL, reference, agency)
        if row is None:
            raise not_found()
        return row["id"], await read_receipt(self._ledger, row["answer"])

    def _faults(self, body: Information, receipt: Receipt) -> list[FieldError]:
        numbers = {child.number for child in receipt.children.values()}
        seen: set[int] = set()
        errors: list[FieldError] = []
        for index, part in enumerate(body.children):
            if part.child not in numbers:
                wanted = f"must be the number of a child of this referral, 1 to {max(numbers, default=1)}"
                errors.append(FieldError(f"/children/{index}/child", "unknown_child", wanted))
            elif part.child in seen:
                wanted = "must name each child once; put all that is new about a child together"
                errors.append(FieldError(f"/children/{index}/child", "child_twice", wanted))
            seen.add(part.child)
        found = facts.faults(self._dictionary, (part.facts for part in body.children))
        return errors + [FieldError(pointer, fault.code, fault.wanted) for pointer, fault in found]

    async def _add(
        self,
        kind: Kind,
        type: EventType[Any],
        reference: str,
        referral_id: UUID,
        payload: Payload[Any, Any],
        sent: Sent,
    ) -> AdditionAccepted:
        fingerprint = _fingerprint(kind, referral_id, sent)
        answer = AdditionAccepted(
            reference=reference,
            kind=kind,
            id=uuid7(),
            received_at=payload.shared.received_at,
            status=status_path(reference),
            effect=EFFECT[kind],
            if_danger_rises=self._danger,
        )
        receipt = AdditionReceipt(shared=SharedAddition(answer=answer))
        stored, stored_answer = await self._ledger.codec.encode([payload, receipt])
        async with self._ledger.unit([referral_id]) as unit:
            added = await unit.connection.fetchval(
                _ADD,
                answer.id,
                referral_id,
                kind,
                sent.agency,
                sent.key_digest,
                fingerprint,
                answer.received_at,
                isinstance(payload, InformationAdded) and payload.shared.immediate_danger,
                stored,
                stored_answer,
            )
            if added is None:
                earlier = await self._sent_before(unit.connection, sent, fingerprint)
                if earlier is None:
                    raise idempotency.reused()
                return earlier
            unit.emit(type, referral_id, payload, trace=sent.traceparent)
        await self._ledger.failpoints.hit(AFTER_COMMIT)
        return answer

    async def _sent_before(
        self, connection: asyncpg.Connection | asyncpg.Pool, sent: Sent, fingerprint: bytes
    ) -> AdditionAccepted | None:
        row = await connection.fetchrow(_SENT_BEFORE, sent.agency, sent.key_digest)
        if row is None:
            return None
        if row["fingerprint"] != fingerprint:
            raise idempotency.reused()
        (stored,) = await self._ledger.codec.decode([(AdditionReceipt, row["answer"])])
        if not isinstance(stored, Decoded):
            raise Problem(410, "erased", "This referral's record was erased")
        return stored.payload.shared.answer


def _fingerprint(kind: Kind, referral_id: UUID, sent: Sent) -> bytes:
    return sha256(kind.encode() + referral_id.bytes + sent.fingerprint).digest()
