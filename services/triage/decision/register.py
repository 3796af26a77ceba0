"""What decisions and signatures have in common: the case in hand, what was seen of it, and a decision that stands."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from opentelemetry import trace

from libs.messaging.ledger import Ledger, Unit
from libs.messaging.tracing import span_context
from libs.platform.auth import Principal
from libs.platform.etags import Precondition
from libs.platform.problems import Problem
from libs.schemas.base import Nothing
from libs.schemas.decision import Decision, DecisionBody, Departure, Proposal, Signature
from libs.schemas.events import CASE_DECIDED, CaseDecided, DecidedChild, Reference
from libs.schemas.levels import Destination, Level
from services.triage.access import note
from services.triage.case import Case, File, is_low
from services.triage.casework import Casework
from services.triage.decision.authority import Authority
from services.triage.decision.circumstances import Choice
from services.triage.decision.duties import answer_duties, looked_again
from services.triage.decision.proposals import (
    Pending,
    view_of,
)
from services.triage.decision.record import (
    DECIDE,
    DecisionMade,
    Made,
    answer_of,
    changed_meanwhile,
    changed_parts,
    decided_already,
    processing_stopped,
)
from services.triage.desk import Desk, load
from services.triage.documents import RecordedDecision
from services.triage.placement.places import Placement
from services.triage.policies.store import Policies

Stands = Callable[[Unit, Desk, File, Decision], Awaitable[None]]
"""What else happens in the unit in which a decision comes to stand."""


@dataclass(frozen=True, slots=True)
class Register:
    """Takes a decision onto the record. `stands`: what else happens when one comes to stand."""

    ledger: Ledger
    casework: Casework
    policies: Policies
    authority: Authority
    stands: Sequence[Stands] = ()

    async def taken(self, unit: Unit, referral_id: UUID, case_id: UUID) -> tuple[Desk, File]:
        desk = await load(unit, self.ledger.codec, self.policies, [referral_id])
        file = desk.files.get(case_id)
        if file is None:
            raise processing_stopped()
        return desk, file

    def recommended(self, file: File) -> Placement:
        rulebook = self.casework.thresholds.rulebook(file.case.received_at)
        return rulebook.placement(file.case.level, file.known)

    def check_seen(
        self, case: Case, latest: asyncpg.Record | None, last: Pending | None, seen: Precondition
    ) -> None:
        changed = changed_parts(seen, case.tag)
        if "decision" in changed and case.proposed_at is not None and last is not None:
            proposal = last.proposal
            first = (proposal.proposed_by, proposal.proposed_at, proposal.level, proposal.destination)
            raise decided_already(case, first, signed=False)
        if "decision" in changed and latest is not None:
            first = (latest["decided_by"], latest["decided_at"], latest["level"], latest["destination"])
            raise decided_already(case, first, signed=True)
        if changed:
            raise changed_meanwhile(case, seen)

    def check_read(self, case: Case, body: DecisionBody) -> None:
        if case.unread and is_low(Level(body.level), Destination(body.destination)):
            raise Problem(
                409,
                "to-be-read",
                "Nobody has read the referrer's words yet",
                "PUT /v1/cases/{id}/reading, then decide",
            )

    async def record(
        self,
        unit: Unit,
        desk: Desk,
        file: File,
        proposal: Proposal,
        tag: str,
        signatures: tuple[Signature, ...],
        caller: Principal,
    ) -> Made:
        """The decision stands from now on."""
        case, codec = file.case, self.ledger.codec
        decision = Decision(
            **{name: getattr(proposal, name) for name in DecisionBody.model_fields},
            number=case.decision + 1,
            departure=proposal.departure,
            evaluation=proposal.evaluation,
            decided_by=proposal.proposed_by,
            decided_at=unit.now,
            roles=proposal.roles,
            signatures=signatures,
        )
        (document,) = await codec.encode([RecordedDecision(shared=Nothing(), children={case.id: decision})])
        await unit.connection.execute(
            DECIDE,
            case.id,
            decision.number,
            decision.evaluation,
            decision.level,
            decision.destination,
            decision.departure,
            decision.departure_code,
            decision.decided_by,
            decision.decided_at,
            tag,
            document,
        )
        await note(unit.connection, unit.now, caller, "case.decide", case.id)
        await answer_duties(
            unit, codec, case.id, proposal.obliged, proposal.proposed_by, proposal.proposed_at
        )
        await looked_again(unit, case.id, decision.decided_by)
        if (referral := span_context(case.trace)) is not None:
            trace.get_current_span().add_link(referral)
        level, destination = Level(decision.level), Destination(decision.destination)
        self.casework.decided(file, decision.number, level, destination, unit.now)
        child = DecidedChild(
            level=level,
            destination=destination,
            departs=decision.departure != Departure.AGREES,
            decision=decision.number,
            may_tell_referrer=decision.may_tell_referrer,
        )
        about = Reference(reference=case.reference or "", at=unit.now)
        unit.emit(
            CASE_DECIDED,
            case.referral_id,
            CaseDecided(shared=about, children={case.id: child}),
            trace=case.trace,
        )
        for stands in self.stands:
            await stands(unit, desk, file, decision)
        return Made(answer_of(case, decision), case.tag)

    def waits(self, case: Case, pending: Pending) -> Made:
        view = view_of(pending, self.authority)
        return Made(DecisionMade(case_id=case.id, stage=case.stage, decision=None, proposal=view), case.tag)


def differing(family: Sequence[File], file: File, choice: Choice) -> list[File]:
    """Brothers and sisters who were decided differently. A case that all may see tells nothing of a restricted one."""
    return [
        one
        for one in family
        if one is not file
        and one.case.decided
        and (file.case.restricted or not one.case.restricted)
        and (one.case.decided_level, one.case.decided_to) != choice
    ]
