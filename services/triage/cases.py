"""Puts a case together for the person who reads it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.messaging.codec import ERASED, Codec, Decoded, Undecodable
from libs.platform.problems import Problem
from libs.schemas.base import Payload
from libs.schemas.evaluation import Evaluation
from libs.schemas.events import CheckReturned, InformationAdded, Received, Withdrawn
from libs.schemas.levels import Destination, Level, Rag, Stage
from services.triage.blocked import blocked
from services.triage.case import Case, is_low
from services.triage.decisions import not_found, read_decision
from services.triage.desk import SELECT_CASES, case_of
from services.triage.documents import EVIDENCE, EvidenceKind, RecordedEvaluation, RecordedReading
from services.triage.explanation import Explanation, explain
from services.triage.known import Known, learn
from services.triage.policies.store import Policies
from services.triage.queue.tags import tags
from services.triage.tasks import task_views
from services.triage.thresholds import Thresholds
from services.triage.views import (
    AddedView,
    AgencyView,
    AtRisk,
    CaseView,
    ClockView,
    EvaluationShown,
    EvaluationView,
    EvidenceView,
    ReceivedView,
    Recommendation,
    SiblingView,
    StopView,
)


class Cases:
    """Reads cases."""

    def __init__(self, codec: Codec, thresholds: Thresholds, policies: Policies) -> None:
        self._codec = codec
        self.thresholds = thresholds
        self._policies = policies

    async def read(
        self, connection: asyncpg.Connection, case_id: UUID, now: datetime
    ) -> tuple[CaseView, str]:
        """The case and its entity tag's value, of one moment. Raises Problem 404."""
        await self._policies.fresh(connection, now)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            row = await connection.fetchrow(f"{SELECT_CASES} WHERE id = $1", case_id)
            if row is None:
                raise not_found()
            case = case_of(row)
            known = Known()
            evidence = await self._evidence(connection, case, known)
            rows = await connection.fetch(
                "SELECT number, at, trigger, level, rag, could_rise_to FROM evaluation"
                " WHERE case_id = $1 ORDER BY number",
                case_id,
            )
            decisions = await connection.fetch(
                "SELECT number, evaluation, document FROM decision WHERE case_id = $1 ORDER BY number",
                case_id,
            )
            made = [await read_decision(self._codec, case_id, row["document"]) for row in decisions]
            evaluation = await self._evaluation(connection, case)
            view = CaseView(
                case_id=case.id,
                referral_id=case.referral_id,
                reference=case.reference,
                child_number=case.child_number,
                stage=case.stage,
                team=case.team,
                tags=tags(case, now),
                untellable=await connection.fetchval(
                    "SELECT untellable FROM referral WHERE id = $1", case.referral_id
                ),
                evidence=evidence,
                recommendation=self._recommendation(case, known, evidence.received),
                evaluation=evaluation,
                explanation=await self._explained(connection, evaluation),
                evaluations=tuple(EvaluationView(**dict(row)) for row in rows),
                decisions=tuple(decision for decision in made if decision is not None),
                at_risk=_at_risk(case, rows, decisions),
                clocks=_clocks(case, now),
                tasks=await task_views(
                    connection, self._codec, referral_id=case.referral_id, case_id=case.id
                ),
                stops=tuple(
                    StopView(**dict(row))
                    for row in await connection.fetch(
                        "SELECT consumer, event_id, event_type, reason, at FROM stop WHERE referral_id = $1",
                        case.referral_id,
                    )
                ),
                blocked=await blocked(connection, self._codec, case),
            )
        return view, case.tag

    def _recommendation(
        self, case: Case, known: Known, received: ReceivedView | None
    ) -> Recommendation | None:
        if case.stub or case.evaluation == 0:
            return None
        rulebook = self.thresholds.rulebook(case.received_at)
        placement = rulebook.placement(case.level, known)
        if case.unread and (case.withheld or is_low(placement.level, placement.destination)):
            return None
        address = received.child.address if received and received.child else None
        at_panel = Destination.MASG in (placement.destination, *placement.listed)
        return Recommendation(
            level=placement.level,
            destination=placement.destination,
            listed=placement.listed,
            because=rulebook.places.reasons[placement.why],
            panel=rulebook.places.locality(address.postcode) if at_panel and address else None,
            rag=case.rag,
            next_steps=placement.next_steps,
            final=case.completed_at is not None,
        )

    async def evaluation(self, connection: asyncpg.Connection, case_id: UUID, number: int) -> EvaluationShown:
        """One of a case's evaluations. Raises Problem 404 where there is none, it was erased, or a person must first
        read the referrer's words.
        """
        row = await connection.fetchrow(f"{SELECT_CASES} WHERE id = $1", case_id)
        if row is None:
            raise not_found()
        found = await self._evaluation(connection, case_of(row), number)
        explanation = await self._explained(connection, found)
        if found is None or explanation is None:
            raise Problem(404, "evaluation-not-found", "There is no such evaluation to show")
        return EvaluationShown(evaluation=found, explanation=explanation)

    async def _evaluation(
        self, connection: asyncpg.Connection, case: Case, number: int | None = None
    ) -> Evaluation | None:
        document = await connection.fetchval(
            "SELECT document FROM evaluation WHERE case_id = $1 AND number = $2",
            case.id,
            number or case.evaluation,
        )
        if document is None or (case.unread and case.withheld):
            return None
        (item,) = await self._codec.decode([(RecordedEvaluation, document)])
        return None if isinstance(item, Undecodable) else item.payload.children.get(case.id)

    async def _explained(
        self, connection: asyncpg.Connection, evaluation: Evaluation | None
    ) -> Explanation | None:
        if evaluation is None:
            return None
        rulebook = await self._policies.load(connection, evaluation.outcome.policy)
        day = self.thresholds.clocks.day(evaluation.at)
        return explain(evaluation, rulebook.policy if rulebook is not None else None, day)

    async def _evidence(self, connection: asyncpg.Connection, case: Case, known: Known) -> EvidenceView:
        rows = await connection.fetch(
            "SELECT kind, at, document FROM evidence WHERE case_id = $1 ORDER BY number", case.id
        )
        decoded: Sequence[Decoded[Payload[Any, Any]] | Undecodable] = await self._codec.decode(
            [(EVIDENCE[EvidenceKind(row["kind"])], row["document"]) for row in rows]
        )
        added, withdrawn, readings = [], [], []
        erased = unreadable = 0
        answers: dict[str, list[Any]] = {}
        for row, item in zip(rows, decoded, strict=True):
            if isinstance(item, Undecodable):
                erased, unreadable = erased + (item == ERASED), unreadable + (item != ERASED)
                continue
            if case.id in item.erased:
                erased += 1
                continue
            payload = item.payload
            learn(known, case.id, payload)
            child = payload.children.get(case.id)
            if isinstance(payload, InformationAdded):
                added.append(AddedView(at=row["at"], shared=payload.shared, child=child))
            elif isinstance(payload, Withdrawn):
                withdrawn.append(payload.shared)
            elif isinstance(payload, CheckReturned) and child is not None:
                answers.setdefault(child.agency, []).append(child)
            elif isinstance(payload, RecordedReading) and child is not None:
                readings.append(child)
        states = await connection.fetch(
            "SELECT agency, state, reason, asked_at, due_at, answered_at, late FROM agency_state"
            " WHERE case_id = $1 ORDER BY agency",
            case.id,
        )
        siblings = await connection.fetch(
            "SELECT id AS case_id, child_number, stage FROM child_case"
            " WHERE referral_id = $1 AND id <> $2 AND NOT stub ORDER BY child_number",
            case.referral_id,
            case.id,
        )
        received, readable = await self._received(connection, case)
        return EvidenceView(
            received=received,
            added=tuple(added),
            withdrawn=tuple(withdrawn),
            agencies=tuple(
                AgencyView(**dict(row), answers=tuple(answers.get(row["agency"], ()))) for row in states
            ),
            readings=tuple(readings),
            siblings=tuple(
                SiblingView(case_id=row[0], child_number=row[1], stage=Stage(row[2])) for row in siblings
            ),
            erased=erased,
            unreadable=unreadable + (not readable),
        )

    async def _received(self, connection: asyncpg.Connection, case: Case) -> tuple[ReceivedView | None, bool]:
        """What the referrer wrote; and False where it is kept but is not what it should be."""
        document = await connection.fetchval("SELECT document FROM referral WHERE id = $1", case.referral_id)
        if document is None:
            return None, True
        (item,) = await self._codec.decode([(Received, document)])
        if isinstance(item, Undecodable):
            return None, item == ERASED
        shared = item.payload.shared
        view = ReceivedView(
            received_at=shared.received_at,
            agency=shared.agency,
            referral=shared.referral,
            child=None if case.id in item.erased else item.payload.children.get(case.id),
        )
        return view, True


def _at_risk(
    case: Case, evaluations: Sequence[asyncpg.Record], decisions: Sequence[asyncpg.Record]
) -> AtRisk | None:
    if not case.at_risk or not decisions:
        return None
    rested_on = decisions[-1]["evaluation"]
    then = next((row for row in evaluations if row["number"] == rested_on), None)
    return AtRisk(
        decision=decisions[-1]["number"],
        reopened_at=case.reopened_at,
        level_then=Level(then["level"]) if then is not None else case.level,
        level_now=case.level,
        rag_then=Rag(then["rag"]) if then is not None else case.rag,
        rag_now=case.rag,
        evaluations_since=tuple(row["number"] for row in evaluations if row["number"] > rested_on),
    )


def _clocks(case: Case, now: datetime) -> tuple[ClockView, ...]:
    times = dict(case.clocks())
    if case.rag_due_at is not None and not case.decided:
        times["urgency"] = case.rag_due_at
    return tuple(
        ClockView(clock=clock, due_at=due_at, overdue=due_at < now) for clock, due_at in times.items()
    )
