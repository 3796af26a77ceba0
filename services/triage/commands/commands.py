"""Takes staff's commands: each is kept, and told to enrichment in the same transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from libs.messaging.ledger import Ledger, Unit
from libs.platform import idempotency
from libs.platform.auth import Principal
from libs.platform.etags import Precondition
from libs.platform.problems import Problem, invalid_body
from libs.platform.validation import FieldError
from libs.schemas.base import Payload
from libs.schemas.commands import CheckOrder, PersonAction, PersonDecision
from libs.schemas.events import (
    CHECK_ORDERED,
    PEOPLE_CORRECTED,
    PERSON_DECIDED,
    CheckOrdered,
    CorrectedPeople,
    PeopleCorrected,
    PersonDecided,
    Reference,
)
from services.triage.access import note
from services.triage.case import Case, File
from services.triage.casework import POSSIBLE_DUPLICATE, POSSIBLE_MATCH, Casework
from services.triage.claims.claim import writes
from services.triage.commands.bodies import CheckOrderBody, PeopleBody, PersonDecisionBody
from services.triage.commands.record import DOCUMENTS, CommandKind, CommandView, Kept, Known, command_view
from services.triage.consumer import tell
from services.triage.decision.record import changed_meanwhile, referral_of
from services.triage.desk import Desk, load, save
from services.triage.documents import EvidenceKind, RecordedNote, TaskNote
from services.triage.policies.store import Policies
from services.triage.reckoning import Cause
from services.triage.restricted.rights import hidden
from services.triage.search.index import SearchIndex
from services.triage.tasks.raising import task_id

_GIVE = """
INSERT INTO command (id, referral_id, case_id, kind, by, at, idempotency_key, fingerprint, document)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_BEFORE = (
    "SELECT id, case_id, kind, at, fingerprint, document FROM command WHERE by = $1 AND idempotency_key = $2"
)
_SETTLE = """
UPDATE task SET done_at = $2, done_by = $3, document = $4, outcome = 'done' WHERE id = $1 AND done_at IS NULL
"""
_LAST_LINK = "SELECT max(number) FROM evidence WHERE case_id = $1 AND kind = $2"

MOST_ERRORS = 20


@dataclass(frozen=True, slots=True)
class Sent:
    """A request: who sends it, and how it is known again when it is sent again."""

    caller: Principal
    key: str
    fingerprint: bytes


class Commands:
    """Takes commands."""

    def __init__(self, ledger: Ledger, casework: Casework, policies: Policies, index: SearchIndex) -> None:
        self._ledger = ledger
        self._casework = casework
        self._policies = policies
        self._index = index

    async def person(
        self, case_id: UUID, body: PersonDecisionBody, seen: Precondition, sent: Sent
    ) -> CommandView:
        """Who the child is, or which report tells of the same event.

        Raises Problem: 404, 409 where somebody else has the pen, 412 where the index has said something else since
        the caller read the case, 422.
        """
        _refuse(body.faults())

        async def give(unit: Unit, desk: Desk, file: File, command_id: UUID) -> Payload[Any, Any]:
            case = file.case
            await writes(unit.connection, case.id, sent.caller, unit.now)
            await self._unchanged(unit, case, seen)
            if body.action == PersonAction.UNDO:
                await self._undoable(unit, case, body.undoes)
            decision = PersonDecision(
                command_id=command_id, by=sent.caller.subject, at=unit.now, **dict(body)
            )
            await self._settle(unit, case, body, sent.caller)
            payload = PersonDecided(shared=_about(case, unit), children={case.id: decision})
            unit.emit(PERSON_DECIDED, case.referral_id, payload, trace=case.trace)
            return payload

        return await self._give(CommandKind.PERSON, case_id, sent, give)

    async def check(self, case_id: UUID, body: CheckOrderBody, sent: Sent) -> CommandView:
        """Asks an agency by hand, chases it, or stops chasing it. Raises Problem: 404, 422."""

        async def give(unit: Unit, desk: Desk, file: File, command_id: UUID) -> Payload[Any, Any]:
            case = file.case
            agencies = {*self._casework.thresholds.rulebook(case.received_at).agencies, *file.agencies}
            _refuse(body.faults(agencies, sent.caller.subject))
            order = CheckOrder(command_id=command_id, by=sent.caller.subject, at=unit.now, **dict(body))
            payload = CheckOrdered(shared=_about(case, unit), children={case.id: order})
            unit.emit(CHECK_ORDERED, case.referral_id, payload, trace=case.trace)
            return payload

        return await self._give(CommandKind.CHECK, case_id, sent, give)

    async def people(self, case_id: UUID, body: PeopleBody, sent: Sent) -> CommandView:
        """Adds or corrects children and adults. What is said of them counts at once; a new child's case is opened as
        soon as enrichment has seen that it is nobody who is there already.

        Raises Problem: 404, 409 where somebody else has the pen, 422.
        """

        async def give(unit: Unit, desk: Desk, file: File, command_id: UUID) -> Payload[Any, Any]:
            case = file.case
            family = desk.by_referral[case.referral_id]
            dictionary = self._casework.thresholds.rulebook(case.received_at).dictionary
            unseen = await hidden(unit.connection, desk.files, sent.caller, unit.now)
            _refuse(body.faults(desk.files.keys() - unseen, dictionary))
            await writes(unit.connection, case.id, sent.caller, unit.now)
            shared = CorrectedPeople(
                reference=case.reference or "",
                at=unit.now,
                by=sent.caller.subject,
                reason=body.reason,
                adults=body.adults,
            )
            children = {given.case_id or uuid7(): given.child for given in body.children}
            payload = PeopleCorrected(shared=shared, children=children)
            cause = Cause(command_id, unit.now, unit.now)
            changes = [
                (one, self._casework.people(one, cause, shared, children.get(one.case.id)))
                for one in family
                if body.adults or one.case.id in children
            ]
            changes += self._casework.spread(family, cause)
            tell(unit, changes, case.trace)
            unit.emit(PEOPLE_CORRECTED, case.referral_id, payload, trace=case.trace)
            return payload

        return await self._give(CommandKind.PEOPLE, case_id, sent, give)

    async def _give(
        self, kind: CommandKind, case_id: UUID, sent: Sent, give: Callable[..., Any]
    ) -> CommandView:
        referral_id = await referral_of(self._ledger, case_id)
        caller, key = sent.caller, sha256(sent.key.encode()).digest()
        fingerprint = sha256(f"{kind}/{case_id}/".encode() + sent.fingerprint).digest()
        lock = f"command/{caller.subject}/{key.hex()}"
        async with self._ledger.unit([referral_id], locks=[lock]) as unit:
            desk = await load(unit, self._ledger.codec, self._policies, [referral_id])
            file = desk.files.get(case_id)
            if file is None:
                raise Problem(409, "processing-stopped", "The referral could not be read yet")
            before = await unit.connection.fetchrow(_BEFORE, caller.subject, key)
            if before is not None:
                if before["fingerprint"] != fingerprint:
                    raise idempotency.reused()
                (item,) = await self._ledger.codec.decode([(DOCUMENTS[kind], before["document"])])
                payload = getattr(item, "payload", None)
                return self._view(desk, file, Kept(before["id"], kind, caller.subject, before["at"], payload))
            command_id = uuid7()
            payload = await give(unit, desk, file, command_id)
            (document,) = await self._ledger.codec.encode([payload])
            await unit.connection.execute(
                _GIVE,
                command_id,
                referral_id,
                case_id,
                kind.value,
                caller.subject,
                unit.now,
                key,
                fingerprint,
                document,
            )
            await note(unit.connection, unit.now, caller, f"case.command-{kind.value}", case_id)
            await self._index.fill(unit, self._ledger.codec, desk)
            await save(unit, self._ledger.codec, self._policies, desk)
            return self._view(desk, file, Kept(command_id, kind, caller.subject, unit.now, payload))

    def _view(self, desk: Desk, file: File, kept: Kept) -> CommandView:
        known = Known(file.known.linked, None, file.known.given, frozenset(desk.files))
        return command_view(file.case.id, kept, known)

    async def _unchanged(self, unit: Unit, case: Case, seen: Precondition) -> None:
        """Agencies' answers come at any moment and refuse nothing; who the child is must be as the caller saw it."""
        last = await unit.connection.fetchval(_LAST_LINK, case.id, EvidenceKind.LINKED.value) or 0
        read = [tag.strip('"').partition(".")[0] for tag in seen.tags]
        if not any(one.isascii() and one.isdigit() and last <= int(one) <= case.evidence for one in read):
            raise changed_meanwhile(case, seen)

    async def _undoable(self, unit: Unit, case: Case, command_id: UUID | None) -> None:
        there = await unit.connection.fetchval(
            "SELECT 1 FROM command WHERE id = $1 AND case_id = $2 AND kind = $3",
            command_id,
            case.id,
            CommandKind.PERSON.value,
        )
        if there is None:
            raise invalid_body(
                [FieldError("/undoes", "unknown_command", "must be a command about who this child is")]
            )

    async def _settle(self, unit: Unit, case: Case, body: PersonDecisionBody, caller: Principal) -> None:
        """What waited for this very answer is done by whoever gives it."""
        kind, about = (
            (POSSIBLE_MATCH, body.person_id)
            if body.action in (PersonAction.LINK, PersonAction.UNLINK)
            else (POSSIBLE_DUPLICATE, body.case_id)
        )
        if about is None:
            return
        (document,) = await self._ledger.codec.encode(
            [RecordedNote(shared=TaskNote(note=body.reason, done_by=caller.subject))]
        )
        await unit.connection.execute(
            _SETTLE, task_id(case.id, about, kind), unit.now, caller.subject, document
        )


def _refuse(faults: Any) -> None:
    found: Sequence[FieldError] = list(faults)
    if found:
        raise invalid_body(found[:MOST_ERRORS])


def _about(case: Case, unit: Unit) -> Reference:
    return Reference(reference=case.reference or "", at=unit.now)
