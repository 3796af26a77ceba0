"""When nothing more is to be done about a referral, and what keeps it open until then."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from libs.schemas.base import Model
from services.triage.case import Case


class Obstacle(StrEnum):
    """What keeps a referral open."""

    STOPPED = "processing_stopped"
    TO_BE_READ = "to_be_read"
    UNDECIDED = "undecided"
    SIGNATURE = "signature"
    AT_RISK = "decision_at_risk"
    HAND_OVER = "hand_over"
    TASK = "task"


FOLLOWS = frozenset(("complete_early_help_assessment",))
"""Tasks of the receiving end that go on when the hub's work is done."""

WORDS: Mapping[Obstacle, str] = {
    Obstacle.STOPPED: "something about this child could not be read yet",
    Obstacle.TO_BE_READ: "somebody must read what was written",
    Obstacle.UNDECIDED: "nobody has decided on this child",
    Obstacle.SIGNATURE: "the decision waits for a signature",
    Obstacle.AT_RISK: "what was decided must be looked at again",
    Obstacle.HAND_OVER: "the receiving end has not accepted this child",
    Obstacle.TASK: "something obliged is neither done nor explained",
}


class KeptOpenBy(Model):
    """One thing that keeps a referral open."""

    case_id: UUID | None = Field(description="Absent where it is about the referral as a whole.")
    obstacle: Obstacle
    task: str | None = Field(None, description="The kind of the task, where it is one.")
    words: str


def kept_open_by(
    family: Sequence[Case], tasks: Sequence[tuple[UUID | None, str]], *, stopped: bool
) -> tuple[KeptOpenBy, ...]:
    """What keeps a referral open; nothing where it is to be closed.

    `tasks`: the case and kind of every task that is neither done nor explained. `stopped`: a service cannot go on with
    the referral.
    """
    found = [_by(None, Obstacle.STOPPED)] if stopped or not family else []
    for case in family:
        if (obstacle := _obstacle(case)) is not None:
            found.append(_by(case.id, obstacle))
        if case.decided and case.hand_over_due_at is not None:
            found.append(_by(case.id, Obstacle.HAND_OVER))
    found += [_by(case_id, Obstacle.TASK, kind) for case_id, kind in tasks if kind not in FOLLOWS]
    return tuple(found)


def _obstacle(case: Case) -> Obstacle | None:
    if case.stub or case.stopped:
        return Obstacle.STOPPED
    if case.decided:
        return Obstacle.TO_BE_READ if case.to_be_read else None
    if case.proposed_at is not None:
        return Obstacle.SIGNATURE
    return Obstacle.AT_RISK if case.decision > 0 else Obstacle.UNDECIDED


def _by(case_id: UUID | None, obstacle: Obstacle, task: str | None = None) -> KeptOpenBy:
    return KeptOpenBy(case_id=case_id, obstacle=obstacle, task=task, words=WORDS[obstacle])
