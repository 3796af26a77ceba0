"""Decisions as they stand on record, and what is said to whoever has not seen them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import Field

from libs.messaging.codec import Codec, Undecodable
from libs.messaging.ledger import Ledger
from libs.platform.etags import Precondition
from libs.platform.problems import Problem
from libs.schemas.base import Model
from libs.schemas.decision import Decision, DecisionBody
from libs.schemas.levels import Stage
from services.triage.case import Case
from services.triage.decision.proposals import (
    ProposalView,
)
from services.triage.documents import RecordedDecision

LATEST = """
SELECT number, decided_by, decided_at, level, destination, tag, document
  FROM decision WHERE case_id = $1 ORDER BY number DESC LIMIT 1
"""
DECIDE = """
INSERT INTO decision
    (case_id, number, evaluation, level, destination, departure, departure_code, decided_by, decided_at, tag, document)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_PARTS = ("evidence", "answers", "evaluation", "decision")


class DecisionMade(Model):
    """What became of a decision: it stands on record, or waits for a signature."""

    case_id: UUID
    stage: Stage
    decision: Decision | None = Field(description="Absent while a signature is wanted.")
    proposal: ProposalView | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """The answer to a decider, with the case's new entity tag."""

    answer: DecisionMade
    tag: str


def not_found() -> Problem:
    """A case that does not exist, or that the caller may not see: the two look alike."""
    return Problem(404, "case-not-found", "There is no such case")


def processing_stopped() -> Problem:
    return Problem(
        409,
        "processing-stopped",
        "The referral could not be read yet",
        "act by telephone; decide when its message was retried",
    )


def changed_meanwhile(case: Case, seen: Precondition) -> Problem:
    """The caller has not seen what stands. `*` has seen nothing."""
    return Problem(
        412,
        "changed-meanwhile",
        "It has changed since you read it",
        "read it again, then decide",
        headers={"ETag": f'"{case.tag}"'},
        extra={"changed": changed_parts(seen, case.tag)},
    )


def changed_parts(seen: Precondition, current: str) -> list[str]:
    """What of a case is new since the caller read it, by the names of the entity tag's parts."""
    now = current.split(".")
    best: list[str] = list(_PARTS)
    for tag in seen.tags:
        before = tag.strip('"').split(".")
        if len(before) == len(now):
            parts = [name for name, old, new in zip(_PARTS, before, now, strict=True) if old != new]
            best = min(best, parts, key=len)
    return best


def decided_already(case: Case, first: tuple[str, datetime, str, str], *, signed: bool) -> Problem:
    by, at, level, destination = first
    return Problem(
        409,
        "decided-already",
        "Somebody has decided already",
        "read the case again",
        headers={"ETag": f'"{case.tag}"'},
        extra={
            "decided_by": by,
            "decided_at": at.isoformat(),
            "level": level,
            "destination": destination,
            "stands": signed,
        },
    )


def same_decision(made: DecisionBody | Decision, body: DecisionBody) -> bool:
    return {name: getattr(made, name) for name in DecisionBody.model_fields} == dict(body)


def answer_of(case: Case, decision: Decision) -> DecisionMade:
    return DecisionMade(case_id=case.id, stage=case.stage, decision=decision)


async def referral_of(ledger: Ledger, case_id: UUID) -> UUID:
    """The referral that a case belongs to. Raises Problem 404."""
    referral_id: UUID | None = await ledger.pool.fetchval(
        "SELECT referral_id FROM child_case WHERE id = $1", case_id
    )
    if referral_id is None:
        raise not_found()
    return referral_id


async def read_decision(codec: Codec, case_id: UUID, document: bytes) -> Decision | None:
    """A stored decision; None where it can no longer be read."""
    (item,) = await codec.decode([(RecordedDecision, document)])
    return None if isinstance(item, Undecodable) else item.payload.children.get(case_id)
