"""Hands children over, takes the receiving end's answer, and closes and re-opens referrals."""

from collections.abc import Iterable
from uuid import UUID, uuid5

from pydantic import Field
from uuid_utils.compat import uuid7

from libs.messaging.ledger import Ledger, Unit
from libs.platform import idempotency
from libs.platform.auth import Principal
from libs.platform.problems import Problem, invalid_body
from libs.platform.validation import FieldError
from libs.schemas.base import Line, Model, Nothing, Payload, Text
from libs.schemas.decision import Decision
from libs.schemas.events import (
    CASE_HANDED_OVER,
    REFERRAL_CLOSED,
    CaseHandedOver,
    ClosedChild,
    HandedOverChild,
    Reference,
    ReferralClosed,
)
from libs.schemas.levels import Destination
from services.triage.access import note
from services.triage.case import File
from services.triage.casework import Casework
from services.triage.consumer import tell
from services.triage.decision.record import referral_of
from services.triage.desk import Desk, load, save
from services.triage.handover.closing import KeptOpenBy, kept_open_by
from services.triage.handover.record import (
    Answered,
    HandoverView,
    Receipt,
    ask,
    handovers_of,
    keep_answer,
    leave,
)
from services.triage.policies.store import Policies
from services.triage.reckoning import Cause, Change
from services.triage.restricted.rights import hidden

_OPEN_TASKS = """
SELECT case_id, kind FROM task WHERE referral_id = $1 AND done_at IS NULL ORDER BY due_at, id
"""
_REOPENING = """
INSERT INTO reopening (id, referral_id, by, at, idempotency_key, fingerprint, document)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


class AcceptanceBody(Model):
    """The body of `PUT /v1/cases/{id}/handover/acceptance`."""

    decision: int = Field(ge=1, description="The decision that is accepted, by its number.")
    accepted_by: Line = Field(description="The person at the receiving end, with their role.")
    note: Text | None = None


class RefusalBody(Model):
    """The body of `PUT /v1/cases/{id}/handover/refusal`."""

    decision: int = Field(ge=1, description="The decision that is refused, by its number.")
    refused_by: Line = Field(description="The person at the receiving end, with their role.")
    reason: Text


class ReopeningBody(Model):
    """The body of `POST /v1/referrals/{reference}/reopening`."""

    reason: Text
    case_ids: tuple[UUID, ...] = Field((), max_length=40, description="Which children; none named means all.")


class ReopeningReason(Model):
    """Why a referral was opened again, and for which children."""

    reason: Text
    case_ids: tuple[UUID, ...]


class RecordedReopening(Payload[ReopeningReason, Nothing]):
    """A re-opening as it was asked for."""


class Reopened(Model):
    """A referral that was opened again."""

    reference: str
    case_ids: tuple[UUID, ...] = Field(description="The children on whom somebody decides anew.")


class Handovers:
    """The rules of handing over. `decided` and `settle` run in their caller's unit."""

    def __init__(self, ledger: Ledger, casework: Casework, policies: Policies) -> None:
        self._ledger = ledger
        self._casework = casework
        self._policies = policies

    async def decided(self, unit: Unit, desk: Desk, file: File, decision: Decision) -> None:
        """A decision stands: the receiving end is asked to accept, or the referral may be closed."""
        case, destination = file.case, Destination(decision.destination)
        await leave(unit.connection, case.id, unit.now)
        thresholds = self._casework.thresholds
        due = thresholds.terms.due(thresholds.days, destination, unit.now)
        if due is not None:
            team = thresholds.teams.owners[destination.value]
            await ask(
                unit.connection,
                case.id,
                case.referral_id,
                decision.number,
                destination,
                team,
                unit.now,
                due,
            )
        self._casework.handing_over(file, None if due is None else due.at)
        await self.settle(unit, desk, case.referral_id)

    async def accept(
        self, case_id: UUID, body: AcceptanceBody, caller: Principal, team: str | None = None
    ) -> HandoverView:
        """The receiving end accepts. The same acceptance sent again is the same answer. `team`: the only one that the
        caller answers for.

        Raises Problem: 403 where another team was asked, 404, 409 where it was answered otherwise, or another decision
        stands.
        """
        receipt = Receipt(name=body.accepted_by, note=body.note)
        return await self._answer(case_id, body.decision, Answered.ACCEPTED, receipt, caller, team)

    async def refuse(
        self, case_id: UUID, body: RefusalBody, caller: Principal, team: str | None = None
    ) -> HandoverView:
        """The receiving end refuses: the child comes back to whoever decides. Raises Problem as `accept` does."""
        receipt = Receipt(name=body.refused_by, note=body.reason)
        return await self._answer(case_id, body.decision, Answered.REFUSED, receipt, caller, team)

    async def _answer(
        self,
        case_id: UUID,
        number: int,
        answer: Answered,
        receipt: Receipt,
        caller: Principal,
        team: str | None,
    ) -> HandoverView:
        referral_id = await referral_of(self._ledger, case_id)
        codec = self._ledger.codec
        async with self._ledger.unit([referral_id]) as unit:
            desk = await load(unit, codec, self._policies, [referral_id])
            asked = {
                one.decision: one for one in await handovers_of(unit.connection, codec, case_id, unit.now)
            }
            one, file = asked.get(number), desk.files.get(case_id)
            if one is None or file is None:
                raise Problem(
                    409, "not-handed-over", "That decision hands nothing over", "read the case again"
                )
            if team is not None and one.team != team:
                raise Problem(
                    403,
                    "other-team",
                    "The child is handed over to another team than that of the access token",
                    f"the team {one.team} accepts or refuses it",
                    extra={"team": one.team},
                )
            if one.answer is not None:
                if (one.answer, one.answered_by, one.note) == (answer, receipt.name, receipt.note):
                    await note(unit.connection, unit.now, caller, "handover.read", case_id)
                    return one
                raise _answered(one)
            case = file.case
            await keep_answer(
                unit.connection, codec, case_id, number, answer, unit.now, caller.subject, receipt
            )
            await note(unit.connection, unit.now, caller, f"handover.{answer.value}", case_id)
            if answer is Answered.ACCEPTED:
                self._casework.handing_over(file, None)
            else:
                cause = Cause(uuid5(case_id, f"refused/{number}"), unit.now, unit.now)
                tell(unit, [(file, self._casework.refused(file, cause))], case.trace)
            self._announce(unit, file, one, answer)
            await self.settle(unit, desk, referral_id)
            await save(unit, codec, self._policies, desk)
            answered = await handovers_of(unit.connection, codec, case_id, unit.now)
        return next(one for one in answered if one.decision == number)

    def _announce(self, unit: Unit, file: File, one: HandoverView, answer: Answered) -> None:
        case = file.case
        child = HandedOverChild(
            destination=one.destination, decision=one.decision, accepted=answer is Answered.ACCEPTED
        )
        about = Reference(reference=case.reference or "", at=unit.now)
        unit.emit(
            CASE_HANDED_OVER,
            case.referral_id,
            CaseHandedOver(shared=about, children={case.id: child}),
            trace=case.trace,
        )

    async def keeps_open(self, unit: Unit, desk: Desk, referral_id: UUID) -> tuple[KeptOpenBy, ...]:
        """What keeps a referral open, as things stand in this unit."""
        rows = await unit.connection.fetch(_OPEN_TASKS, referral_id)
        asked: list[tuple[UUID | None, str]] = [
            (file.case.id, one.kind) for file in desk.files.values() for one in file.new_actions
        ]
        asked += [
            (task.case_id, task.kind) for task in desk.new_tasks.values() if task.referral_id == referral_id
        ]
        family = [file.case for file in desk.by_referral.get(referral_id, ())]
        return kept_open_by(
            [*family, *desk.stubs.get(referral_id, ())],
            [*((row["case_id"], row["kind"]) for row in rows), *asked],
            stopped=bool(desk.stops.get(referral_id)),
        )

    async def settle(self, unit: Unit, desk: Desk, referral_id: UUID) -> None:
        """Closes a referral about which nothing more is to be done. The caller saves the desk."""
        family = desk.by_referral.get(referral_id, [])
        if not family or all(file.case.closed_at is not None for file in family):
            return
        if await self.keeps_open(unit, desk, referral_id):
            return
        self._casework.closed(family, unit.now)
        children = {
            file.case.id: ClosedChild(
                level=file.case.decided_level or file.case.level,
                destination=file.case.decided_to or Destination.UNIVERSAL_ADVICE,
                decision=file.case.decision,
            )
            for file in family
        }
        first = family[0].case
        about = Reference(reference=first.reference or "", at=unit.now)
        unit.emit(
            REFERRAL_CLOSED, referral_id, ReferralClosed(shared=about, children=children), trace=first.trace
        )

    async def look(self, unit: Unit, referral_id: UUID) -> None:
        """Closes a referral about which nothing more is to be done, whatever did the last of it, and opens a closed one
        about which something is.
        """
        desk = await load(unit, self._ledger.codec, self._policies, [referral_id])
        family = desk.by_referral.get(referral_id, [])
        if family and await self.keeps_open(unit, desk, referral_id):
            self._casework.open_again(family[0])
        await self.settle(unit, desk, referral_id)
        await save(unit, self._ledger.codec, self._policies, desk)

    async def reopen(
        self, reference: str, body: ReopeningBody, caller: Principal, key: bytes, fingerprint: bytes
    ) -> Reopened:
        """Asks that somebody decides anew, with a reason. What was decided stays on record.

        Raises Problem: 404, 409 where a child has no decision yet, 422 where a child is not of this referral or the
        key was used for something else.
        """
        referral_id = await self._ledger.pool.fetchval(
            "SELECT referral_id FROM child_case WHERE reference = $1 LIMIT 1", reference
        )
        if referral_id is None:
            raise Problem(404, "referral-not-found", "There is no such referral here")
        lock = f"reopening/{caller.subject}/{key.hex()}"
        async with self._ledger.unit([referral_id], locks=[lock]) as unit:
            desk = await load(unit, self._ledger.codec, self._policies, [referral_id])
            family = desk.by_referral.get(referral_id, [])
            unseen = await hidden(unit.connection, desk.files, caller, unit.now)
            seen = [file for file in family if file.case.id not in unseen]
            if not seen:
                raise Problem(404, "referral-not-found", "There is no such referral here")
            chosen = _chosen(seen, body.case_ids)
            answer = Reopened(reference=reference, case_ids=tuple(file.case.id for file in chosen))
            if await self._asked_before(unit, caller, key, fingerprint):
                return answer
            if any(not file.case.decided for file in chosen):
                raise Problem(409, "not-decided", "A child of this referral waits for its decision already")
            one_id = uuid7()
            reason = ReopeningReason(reason=body.reason, case_ids=answer.case_ids)
            (document,) = await self._ledger.codec.encode([RecordedReopening(shared=reason)])
            await unit.connection.execute(
                _REOPENING, one_id, referral_id, caller.subject, unit.now, key, fingerprint, document
            )
            cause = Cause(one_id, unit.now, unit.now)
            changes: list[tuple[File, Change]] = []
            for file in chosen:
                changes.append((file, self._casework.reopened(file, cause)))
                await note(unit.connection, unit.now, caller, "case.reopen", file.case.id)
            tell(unit, changes, family[0].case.trace)
            await save(unit, self._ledger.codec, self._policies, desk)
        return answer

    async def _asked_before(self, unit: Unit, caller: Principal, key: bytes, fingerprint: bytes) -> bool:
        row = await unit.connection.fetchrow(
            "SELECT fingerprint FROM reopening WHERE by = $1 AND idempotency_key = $2", caller.subject, key
        )
        if row is None:
            return False
        if row["fingerprint"] != fingerprint:
            raise idempotency.reused()
        return True


def _chosen(family: list[File], wanted: Iterable[UUID]) -> list[File]:
    wanted = list(wanted)
    known = {file.case.id for file in family}
    faults = [
        FieldError(f"/case_ids/{place}", "unknown_child", "is no child of this referral")
        for place, case_id in enumerate(wanted)
        if case_id not in known
    ]
    if faults:
        raise invalid_body(faults)
    return [file for file in family if not wanted or file.case.id in wanted]


def _answered(one: HandoverView) -> Problem:
    return Problem(
        409,
        "answered-already",
        "This hand-over was answered already, or another decision took its place",
        "read the case again",
        extra={
            "answer": None if one.answer is None else one.answer.value,
            "answered_at": None if one.answered_at is None else one.answered_at.isoformat(),
        },
    )
