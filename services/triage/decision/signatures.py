"""Signatures beside a decider's: given by somebody else, on what they have seen."""

from uuid import UUID

import asyncpg

from libs.messaging.ledger import Unit
from libs.platform.auth import Principal
from libs.platform.etags import Precondition
from libs.platform.problems import Problem, invalid_body
from libs.platform.validation import FieldError
from libs.schemas.decision import Signature
from services.triage.access import note
from services.triage.case import Case, File
from services.triage.claims.claim import release, writes
from services.triage.decision.circumstances import Choice, departure
from services.triage.decision.proposals import (
    Pending,
    SignOffBody,
    Step,
    keep_signing,
    last_proposal,
)
from services.triage.decision.record import (
    LATEST,
    Made,
    answer_of,
    read_decision,
    referral_of,
)
from services.triage.decision.register import Register, differing
from services.triage.desk import Desk, save


class Signatures:
    """Takes signatures: a decision that waits stands with the first one, by somebody who may give it."""

    def __init__(self, register: Register) -> None:
        self._register = register

    async def sign(self, case_id: UUID, body: SignOffBody, seen: Precondition, caller: Principal) -> Made:
        """Signs the decision that waits, or returns it to whoever proposed it.

        Raises Problem: 403 for one's own decision and for whoever may not sign, 404, 409 where nothing waits, somebody
        else has the pen or what is recommended has changed since, 412 where the case changed, 422.
        """
        referral_id = await referral_of(self._register.ledger, case_id)
        async with self._register.ledger.unit([referral_id]) as unit:
            desk, file = await self._register.taken(unit, referral_id, case_id)
            case, codec = file.case, self._register.ledger.codec
            last = await last_proposal(unit.connection, codec, case_id) if case.signing else None
            latest = await unit.connection.fetchrow(LATEST, case_id)
            again = await self._signed_again(case, latest, last, body, caller)
            if again is not None:
                return again
            if last is None or case.proposed_at is None:
                raise Problem(
                    409, "nothing-to-sign", "No decision waits for a signature here", "read the case again"
                )
            self._register.check_seen(case, latest, last, seen)
            self._check_signer(last, body, caller)
            await writes(unit.connection, case_id, caller, unit.now)
            signature = Signature(by=caller.subject, at=unit.now, note=body.note)
            tag = case.tag
            if not body.agree:
                await self._step(unit, case, last, Step.RETURNED, signature, tag)
                self._register.casework.signing(file, None)
                await note(unit.connection, unit.now, caller, "case.return", case_id)
                made = self._register.waits(
                    case, Pending(last.proposal, last.tag, last.signatures, signature)
                )
            else:
                self._check_measure(desk, file, last)
                await self._step(unit, case, last, Step.SIGNED, signature, tag)
                self._register.casework.signing(file, case.proposed_at)
                await note(unit.connection, unit.now, caller, "case.sign", case_id)
                made = await self._register.record(
                    unit, desk, file, last.proposal, last.tag, (signature,), caller
                )
            await release(unit.connection, case_id, caller)
            await save(unit, codec, self._register.policies, desk)
        return made

    async def _signed_again(
        self,
        case: Case,
        latest: asyncpg.Record | None,
        last: Pending | None,
        body: SignOffBody,
        caller: Principal,
    ) -> Made | None:
        """The first answer, where the same person signs or returns the same decision again."""
        if last is None:
            return None
        gave = [
            one for one in (*last.signatures, last.returned) if one is not None and one.by == caller.subject
        ]
        if not gave or gave[-1].note != body.note or body.agree is (gave[-1] is last.returned):
            return None
        if not body.agree:
            return self._register.waits(case, last)
        decision = (
            None
            if latest is None
            else await read_decision(self._register.ledger.codec, case.id, latest["document"])
        )
        return None if decision is None else Made(answer_of(case, decision), case.tag)

    def _check_signer(self, last: Pending, body: SignOffBody, caller: Principal) -> None:
        if not self._register.authority.may_sign(caller.roles):
            raise Problem(403, "signer-needed", "Your role does not sign decisions", "a manager signs")
        if caller.subject == last.proposal.proposed_by:
            raise Problem(
                403, "own-decision", "Nobody signs a decision of their own", "somebody else signs it"
            )
        if not body.agree and body.note is None:
            raise invalid_body([FieldError("/note", "missing", "is needed where the decision is returned")])

    def _check_measure(self, desk: Desk, file: File, last: Pending) -> None:
        """Raises Problem 409 where what the proposal was measured by has changed: it must be made anew."""
        choice = Choice.of(last.proposal)
        proposal, recommended = last.proposal, self._register.recommended(file)
        self._register.check_read(file.case, proposal)
        family = desk.by_referral[file.case.referral_id]
        apart = proposal.siblings_differ_because is None and differing(family, file, choice)
        if departure(choice, recommended) != proposal.departure or apart:
            raise Problem(
                409,
                "recommendation-changed",
                "What this decision was measured by has changed since it was proposed",
                "return it, or decide anew",
            )

    async def _step(
        self, unit: Unit, case: Case, last: Pending, did: Step, signature: Signature, tag: str
    ) -> None:
        await keep_signing(
            unit.connection,
            self._register.ledger.codec,
            case.id,
            last.proposal.number,
            case.signing + 1,
            did=did,
            by=signature.by,
            at=signature.at,
            tag=tag,
            note=signature.note,
        )
