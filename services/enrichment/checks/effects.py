"""Turns what was decided about checks into events and clocks of one unit."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from libs.messaging.ledger import Unit
from libs.schemas.events import (
    CHECK_CORRECTED,
    CHECK_RETURNED,
    CHECKS_COMPLETED,
    CheckCorrected,
    CheckReturned,
    ChecksCompleted,
    CompletedChecks,
    Reference,
)
from services.enrichment.checks.record import Completed, Corrected, Due, Effect, Opens, Referral, Returned

DEADLINE = "checks-due"
"""The kind of the timer of a child's deadline; its subject is the child."""

CORRECTED = "answer-corrected"
"""The kind of the timer after which a corrected answer is corrected where it was used again; its subject is the
question.
"""

STARTING = "agreement-starts"
"""The kind of the timer of the day on which more may be asked; its subject is the referral."""

FAMILY = "family"
"""The kind of the timer after which a referral's people are looked at anew."""


def carry_out(unit: Unit, referral: Referral, effects: Iterable[Effect]) -> None:
    """Emits and arms what was decided about one referral."""
    shared = Reference(reference=referral.reference, at=unit.now)
    for effect in effects:
        child = effect.child
        match effect:
            case Returned(_, answer):
                returned = CheckReturned(shared=shared, children={child.id: answer})
                unit.emit(CHECK_RETURNED, referral.id, returned, trace=child.trace)
                if answer.people or answer.plans:
                    unit.arm(FAMILY, referral.id, referral.id, unit.now, trace=child.trace)
            case Corrected(_, correction, repeats):
                corrected = CheckCorrected(shared=shared, children={child.id: correction})
                unit.emit(CHECK_CORRECTED, referral.id, corrected, trace=child.trace)
                # The people and plans that the first answer told of may count no more.
                unit.arm(FAMILY, referral.id, referral.id, unit.now, trace=child.trace)
                for question in (UUID(correction.question_id), *repeats):
                    unit.arm(CORRECTED, referral.id, question, unit.now, trace=child.trace)
            case Completed():
                done = CompletedChecks(states=child.states, due_at=_due(child.due_at, unit.now))
                completed = ChecksCompleted(shared=shared, children={child.id: done})
                unit.emit(CHECKS_COMPLETED, referral.id, completed, trace=child.trace)
                unit.disarm(DEADLINE, child.id)
            case Opens(_, at):
                unit.arm(STARTING, referral.id, referral.id, at, trace=child.trace)
            case Due(_, at):
                unit.arm(DEADLINE, referral.id, child.id, at, trace=child.trace)


def _due(due_at: datetime | None, now: datetime) -> datetime:
    return now if due_at is None else due_at
