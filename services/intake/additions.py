"""Takes in what the referring agency sends afterwards: further information, a challenge, or a withdrawal.

A withdrawal is information too: it is kept with who and why, and nothing here closes, lowers or pauses anything.
Whether a decision stands that could be challenged is triage's to know: a challenge is never refused for want of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
from libs.schemas.base import Nothing, Payload
from libs.schemas.challenge import Challenged, ChallengedReferral
from libs.schemas.dictionary import Dictionary
from libs.schemas.events import (
    CHALLENGED,
    INFORMATION_ADDED,
    WITHDRAWN,
    AddedInformation,
    EventType,
    InformationAdded,
    Withdrawn,
    WithdrawnReferral,
)
from libs.schemas.referral import Challenge, Information, Withdrawal
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

Kind = Literal["information", "withdrawal", "challenge"]

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
        if not errors and _says_nothing(body):
            wanted = "must say something: `worry`, `immediate_danger`, `agreements`, or something of a child"
            errors.append(FieldError("", "nothing_said", wanted))
        if errors:
            # What was accepted stays accepted, though the dictionary has changed since.
            fingerprint = _fingerprint("information", referral_id, sent)
            earlier = await self._sent_before(self._ledger.pool, sent, fingerprint)
            if earlier is None:
                raise invalid_body(errors)
            return earlier
        added = self._added(reference, body, sent, receipt)
        return await self._add("information", INFORMATION_ADDED, reference, referral_id, added, sent)

    async def challenge(self, reference: str, body: Challenge, sent: Sent) -> AdditionAccepted:
        """Stores a challenge with its event, and what is new in it as further information with an event of its own.

        Raises Problem: 404 for another agency's referral, 422.
        """
        referral_id, receipt = await self._referral(reference, sent.agency)
        errors = [] if body.evidence is None else self._faults(body.evidence, receipt, "/evidence")
        errors += _strangers("/children", body.children, receipt)
        if errors:
            earlier = await self._sent_before(
                self._ledger.pool, sent, _fingerprint("challenge", referral_id, sent)
            )
            if earlier is None:
                raise invalid_body(errors)
            return earlier
        addition = uuid7()
        ids = {child.number: child_id for child_id, child in receipt.children.items()}
        payload = Challenged(
            shared=ChallengedReferral(
                reference=reference,
                received_at=self._ledger.clock.now(),
                agency=sent.agency,
                addition=addition,
                challenger=body.challenger,
                reach=body.reach,
                disagrees_with=body.disagrees_with,
                because=body.because,
                safe_meanwhile=body.safe_meanwhile,
            ),
            children={ids[number]: Nothing() for number in body.children},
        )
        evidence = None if body.evidence is None else self._added(reference, body.evidence, sent, receipt)
        return await self._add(
            "challenge", CHALLENGED, reference, referral_id, payload, sent, id=addition, evidence=evidence
        )

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

    def _added(self, reference: str, body: Information, sent: Sent, receipt: Receipt) -> InformationAdded:
        ids = {child.number: child_id for child_id, child in receipt.children.items()}
        return InformationAdded(
            shared=AddedInformation(
                reference=reference,
                received_at=self._ledger.clock.now(),
                agency=sent.agency,
                worry=body.worry,
                immediate_danger=body.immediate_danger,
                danger_reason=body.danger_reason,
                agreements=body.agreements,
            ),
            children={ids[part.child]: part for part in body.children},
        )

    def _faults(self, body: Information, receipt: Receipt, under: str = "") -> list[FieldError]:
        """`under`: the pointer of the information in the body."""
        errors = _strangers(f"{under}/children", [part.child for part in body.children], receipt, "/child")
        found = facts.faults(self._dictionary, (part.facts for part in body.children))
        return errors + [
            FieldError(f"{under}{pointer}", fault.code, fault.wanted) for pointer, fault in found
        ]

    async def _add(
        self,
        kind: Kind,
        type: EventType[Any],
        reference: str,
        referral_id: UUID,
        payload: Payload[Any, Any],
        sent: Sent,
        *,
        id: UUID | None = None,
        evidence: InformationAdded | None = None,
    ) -> AdditionAccepted:
        """`evidence`: what came with it and is kept beside it, as if it had been sent alone."""
        fingerprint = _fingerprint(kind, referral_id, sent)
        answer = AdditionAccepted(
            reference=reference,
            kind=kind,
            id=id or uuid7(),
            received_at=payload.shared.received_at,
            status=status_path(reference),
            effect=EFFECT[kind],
            if_danger_rises=self._danger,
        )
        receipt = AdditionReceipt(shared=SharedAddition(answer=answer))
        parts = [payload] if evidence is None else [payload, evidence]
        *stored, stored_answer = await self._ledger.codec.encode([*parts, receipt])

        def row(id: UUID, kind: Kind, sent: Sent, part: Payload[Any, Any], stored: bytes) -> list[Any]:
            danger = isinstance(part, InformationAdded) and part.shared.immediate_danger
            named = (id, referral_id, kind, sent.agency, sent.key_digest, fingerprint)
            return [*named, answer.received_at, danger, stored, stored_answer]

        async with self._ledger.unit([referral_id]) as unit:
            added = await unit.connection.fetchval(_ADD, *row(answer.id, kind, sent, payload, stored[0]))
            if added is None:
                earlier = await self._sent_before(unit.connection, sent, fingerprint)
                if earlier is None:
                    raise idempotency.reused()
                return earlier
            if evidence is not None:
                # No sender's key holds a NUL: this one is nobody's.
                beside = replace(sent, idempotency_key=f"evidence\0{sent.idempotency_key}")
                await unit.connection.fetchval(
                    _ADD, *row(uuid7(), "information", beside, evidence, stored[1])
                )
                # First, so that whoever takes up the challenge finds the child as it stands with what is new.
                unit.emit(INFORMATION_ADDED, referral_id, evidence, trace=sent.traceparent)
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


def _says_nothing(body: Information) -> bool:
    parts = body.model_dump(exclude_defaults=True)
    children = [
        value for child in parts.pop("children", ()) for name, value in child.items() if name != "child"
    ]
    return not any((*parts.values(), *children))


def _strangers(path: str, given: Sequence[int], receipt: Receipt, name: str = "") -> list[FieldError]:
    """Numbers that are no child's of the referral, or that stand there twice; `name`: the number's field, if any."""
    numbers = {child.number for child in receipt.children.values()}
    errors = []
    for index, number in enumerate(given):
        if number not in numbers:
            wanted = f"must be the number of a child of this referral, 1 to {max(numbers, default=1)}"
            errors.append(FieldError(f"{path}/{index}{name}", "unknown_child", wanted))
        elif number in given[:index]:
            wanted = "must name each child once; put all that is new about a child together"
            errors.append(FieldError(f"{path}/{index}{name}", "child_twice", wanted))
    return errors


def _fingerprint(kind: Kind, referral_id: UUID, sent: Sent) -> bytes:
    return sha256(kind.encode() + referral_id.bytes + sent.fingerprint).digest()
