"""Puts a referral together for whoever decides on its children."""

from datetime import datetime
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.platform.auth import Principal
from libs.platform.problems import Problem
from libs.schemas.base import Identifier, Instant, Model
from libs.schemas.decision import Decision
from libs.schemas.events import AddedInformation, WithdrawnReferral
from libs.schemas.levels import Destination, Level, Rag, Stage
from libs.schemas.referral import ReferralBody, ReferredChild
from services.triage.cases import Cases
from services.triage.decision.proposals import ProposalView
from services.triage.desk import load_cases
from services.triage.handover.closing import KeptOpenBy, kept_open_by
from services.triage.handover.record import HandoverView
from services.triage.queue.tags import Tag
from services.triage.restricted.rights import hidden
from services.triage.views import AgencyView, CaseView, ClockView, Recommendation, TaskView

_OPEN_TASKS = """
SELECT case_id, kind FROM task WHERE referral_id = $1 AND done_at IS NULL ORDER BY due_at, id
"""


class ChildOfFamily(Model):
    """One child of the referral, as far as whoever decides on several needs to see it."""

    case_id: UUID
    child_number: int
    etag: str = Field(description="What a decision on this child names in `If-Match`.")
    child: ReferredChild | None = Field(description="Absent where the child's part was erased.")
    found_by: str | None = None
    stage: Stage
    team: str
    rag: Rag | None
    tags: tuple[Tag, ...]
    agencies: tuple[AgencyView, ...]
    recommendation: Recommendation | None = Field(
        description="Absent while a person must first read the referrer's words."
    )
    could_rise_to: Level | None
    why: tuple[str, ...] = Field(description="The titles of the rules that hold, as they were shown.")
    decision: Decision | None = Field(description="The one that stands.")
    proposal: ProposalView | None
    handover: HandoverView | None
    decided_level: Level | None
    decided_to: Destination | None
    clocks: tuple[ClockView, ...]
    open_tasks: tuple[TaskView, ...]


class AddedOnce(Model):
    """What the referrer added later, about the family as a whole."""

    at: Instant
    shared: AddedInformation


class FamilyView(Model):
    """A referral and its children."""

    referral_id: UUID
    reference: str
    received_at: Instant
    agency: Identifier | None
    referral: ReferralBody | None = Field(
        description="What the referrer wrote of the family; absent where it was erased."
    )
    added: tuple[AddedOnce, ...] = ()
    withdrawn: tuple[WithdrawnReferral, ...] = ()
    children: tuple[ChildOfFamily, ...]
    closed_at: Instant | None
    kept_open_by: tuple[KeptOpenBy, ...] = Field(description="Nothing where it is closed.")


class Families:
    """Reads referrals."""

    def __init__(self, cases: Cases) -> None:
        self._cases = cases

    async def read(
        self, connection: asyncpg.Connection, reference: str, caller: Principal, now: datetime
    ) -> FamilyView:
        """The referral of that reference. Raises Problem 404 where there is none that the caller may see."""
        referral_id = await connection.fetchval(
            "SELECT referral_id FROM child_case WHERE reference = $1 LIMIT 1", reference
        )
        if referral_id is None:
            raise _not_found()
        desk = await load_cases(connection, [referral_id])
        family = [file.case for file in desk.by_referral.get(referral_id, ())]
        unseen = await hidden(connection, [case.id for case in family], caller, now)
        seen = [case for case in family if case.id not in unseen]
        if not seen:
            raise _not_found()
        read = [await self._cases.read(connection, case.id, caller, now) for case in seen]
        tasks = [(row["case_id"], row["kind"]) for row in await connection.fetch(_OPEN_TASKS, referral_id)]
        kept = kept_open_by(
            [*family, *desk.stubs.get(referral_id, ())], tasks, stopped=bool(desk.stops.get(referral_id))
        )
        first = read[0][0]
        received = first.evidence.received
        return FamilyView(
            referral_id=referral_id,
            reference=reference,
            received_at=seen[0].received_at,
            agency=None if received is None else received.agency,
            referral=None if received is None else received.referral,
            added=tuple(AddedOnce(at=one.at, shared=one.shared) for one in first.evidence.added),
            withdrawn=first.evidence.withdrawn,
            children=tuple(
                _child(view, tag, case.decided_level, case.decided_to)
                for case, (view, tag) in zip(seen, read, strict=True)
            ),
            closed_at=seen[0].closed_at if all(case.closed_at is not None for case in family) else None,
            kept_open_by=tuple(one for one in kept if one.case_id not in unseen),
        )


def _child(view: CaseView, tag: str, level: Level | None, to: Destination | None) -> ChildOfFamily:
    received, evaluation = view.evidence.received, view.evaluation
    return ChildOfFamily(
        case_id=view.case_id,
        child_number=view.child_number,
        etag=f'"{tag}"',
        child=None if received is None else received.child,
        found_by=None if received is None else received.found_by,
        stage=view.stage,
        team=view.team,
        rag=None if view.recommendation is None else view.recommendation.rag,
        tags=view.tags,
        agencies=view.evidence.agencies,
        recommendation=view.recommendation,
        could_rise_to=None if evaluation is None else Level(evaluation.outcome.could_rise_to),
        why=() if evaluation is None else tuple(rule.title for rule in evaluation.outcome.fired),
        decision=view.decisions[-1] if view.decisions else None,
        proposal=view.proposal,
        handover=view.handovers[-1] if view.handovers else None,
        decided_level=level,
        decided_to=to,
        clocks=view.clocks,
        open_tasks=tuple(task for task in view.tasks if task.done_at is None),
    )


def _not_found() -> Problem:
    return Problem(404, "referral-not-found", "There is no such referral here")
