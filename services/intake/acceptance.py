"""Takes a referral in: the row, its event and the answer to its sender, in one statement and one commit."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from libs.messaging.codec import Decoded
from libs.messaging.ledger import Ledger
from libs.platform import idempotency
from libs.platform.problems import Problem, invalid_body
from libs.platform.validation import FieldError
from libs.schemas.base import maker
from libs.schemas.dictionary import Dictionary
from libs.schemas.events import RECEIVED, Received, ReceivedReferral
from libs.schemas.reference import new_reference
from libs.schemas.referral import Referral
from services.intake import answers, facts
from services.intake.answers import IfDangerRises, Receipt
from services.intake.employers import employers_of

AFTER_COMMIT = "intake.after_commit"

# Nobody can know the id of a referral before this commits, so nobody else can be writing to its stream: it takes no
# lock, and its first event has the sequence 1.
_ACCEPT = """
WITH accepted AS (
    INSERT INTO referral (id, reference, agency, idempotency_key, fingerprint, received_at, immediate_danger,
                          referrer_role, payload, answer, employers)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $16)
    ON CONFLICT (agency, idempotency_key) DO NOTHING
    RETURNING id
), counted AS (
    INSERT INTO stream (referral_id, sequence) SELECT id, 1 FROM accepted
), logged AS (
    INSERT INTO outbox (event_id, type, topic, source, referral_id, sequence, time, traceparent, payload)
    SELECT $11, $12, $13, $14, id, 1, $6, $15, $9 FROM accepted
)
SELECT id FROM accepted
"""
_received, _shared = maker(Received), maker(ReceivedReferral)
_SENT_BEFORE = "SELECT fingerprint, answer FROM referral WHERE agency = $1 AND idempotency_key = $2"


@dataclass(frozen=True, slots=True)
class Sent:
    """What a partner's system sent, beside the body: who it is and how it names this sending."""

    agency: str
    idempotency_key: str
    fingerprint: bytes
    traceparent: str | None = None

    @property
    def key_digest(self) -> bytes:
        """SHA-256 of the sender's key, which could name a child."""
        return sha256(self.idempotency_key.encode()).digest()


class Acceptance:
    """Accepts referrals."""

    def __init__(self, ledger: Ledger, dictionary: Dictionary, danger: IfDangerRises) -> None:
        self._ledger = ledger
        self._dictionary = dictionary
        self._danger = danger

    async def accept(self, referral: Referral, sent: Sent) -> Receipt:
        """Stores the referral with its event, or finds the answer that the same sending got before.

        A concurrent sending with the same key waits for the first one's commit. Raises Problem: 422 where a fact is
        not of the dictionary, or where the key was used for another body.
        """
        found = facts.faults(self._dictionary, (child.facts for child in referral.children))
        if found:
            # What was accepted stays accepted, though the dictionary has changed since.
            earlier = await self._sent_before(sent)
            if earlier is None:
                raise invalid_body(
                    [FieldError(pointer, fault.code, fault.wanted) for pointer, fault in found]
                )
            return earlier
        while True:
            try:
                receipt = await self._insert(referral, sent)
            except asyncpg.UniqueViolationError as error:
                if error.constraint_name != "referral_reference_key":
                    raise
                continue
            if receipt is not None:
                return receipt
            earlier = await self._sent_before(sent)
            if earlier is not None:
                return earlier

    async def _insert(self, referral: Referral, sent: Sent) -> Receipt | None:
        now = self._ledger.clock.now()
        reference = new_reference()
        shared = _shared(
            {"reference": reference, "received_at": now, "agency": sent.agency, "referral": referral}
        )
        received = _received({"shared": shared, "children": {uuid7(): child for child in referral.children}})
        receipt = answers.receipt(referral, received, self._danger)
        referral_id = uuid7()
        event = await self._ledger.outbox_row(
            RECEIVED, referral_id, received, trace=sent.traceparent, now=now
        )
        (answer,) = await self._ledger.codec.encode([receipt])
        accepted: UUID | None = await self._ledger.pool.fetchval(
            _ACCEPT,
            referral_id,
            reference,
            sent.agency,
            sent.key_digest,
            sent.fingerprint,
            now,
            referral.immediate_danger,
            str(referral.referrer.role),
            event.payload,
            answer,
            event.event_id,
            event.type,
            event.topic,
            event.source,
            event.traceparent,
            sorted(employers_of(referral.adults)),
        )
        if accepted is None:
            return None
        await self._ledger.failpoints.hit(AFTER_COMMIT)
        self._ledger.wake()
        return receipt

    async def _sent_before(self, sent: Sent) -> Receipt | None:
        row = await self._ledger.pool.fetchrow(_SENT_BEFORE, sent.agency, sent.key_digest)
        if row is None:
            return None
        if row["fingerprint"] != sent.fingerprint:
            raise idempotency.reused()
        return await read_receipt(self._ledger, row["answer"])


async def read_receipt(ledger: Ledger, answer: bytes) -> Receipt:
    """A stored answer. Raises Problem 410 where it was erased."""
    (stored,) = await ledger.codec.decode([(Receipt, answer)])
    if not isinstance(stored, Decoded):
        raise Problem(410, "erased", "This referral's record was erased")
    return stored.payload
