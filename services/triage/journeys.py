"""How one referral travelled through triage: codes and times only, for those who watch over the system."""

from datetime import datetime
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.platform.auth import Principal
from libs.platform.problems import Problem
from libs.schemas.base import Instant, Model
from libs.schemas.dictionary import REFERRER
from libs.schemas.levels import Destination, Level, Rag, Stage
from services.triage.desk import SELECT_CASES, case_of
from services.triage.documents import EvidenceKind
from services.triage.restricted.rights import hidden


class DecidedStep(Model):
    """A decision."""

    number: int
    level: Level
    destination: Destination
    decided_at: Instant


class ChildJourney(Model):
    """One child's way."""

    child_id: UUID
    child_number: int
    found: bool = Field(False, description="Named by a check or by staff: the referrer hears nothing of it.")
    stage: Stage
    team: str
    screened_at: Instant | None
    level: Level
    rag: Rag
    immediate_danger: bool
    to_be_read: bool
    evaluations: int
    answers: int
    completed_at: Instant | None
    routed_at: Instant | None
    destination: Destination | None
    reopened_at: Instant | None
    decisions: tuple[DecidedStep, ...]
    decision_due_at: Instant


class Journey(Model):
    """A referral's way."""

    referral_id: UUID
    reference: str
    received_at: Instant
    children: tuple[ChildJourney, ...]
    open_tasks: tuple[str, ...]
    stopped_by: tuple[str, ...]


async def journey(
    connection: asyncpg.Connection, reference: str, caller: Principal, now: datetime
) -> Journey:
    """The journey of the referral of that reference, without the children whom the caller may not see.

    Raises Problem 404 while triage has not seen it, or where the caller may see no child of it.
    """
    rows = await connection.fetch(f"{SELECT_CASES} WHERE reference = $1 ORDER BY child_number", reference)
    unseen = await hidden(connection, [row["id"] for row in rows], caller, now)
    rows = [row for row in rows if row["id"] not in unseen]
    if not rows:
        raise Problem(404, "referral-not-found", "There is no such referral here")
    cases = [case_of(row) for row in rows]
    ids, referral_id = [case.id for case in cases], cases[0].referral_id
    screened = dict(
        await connection.fetch(
            "SELECT case_id, at FROM evaluation WHERE case_id = ANY ($1) AND number = 1", ids
        )
    )
    decided: dict[UUID, list[DecidedStep]] = {}
    for case_id, *step in await connection.fetch(
        "SELECT case_id, number, level, destination, decided_at FROM decision"
        " WHERE case_id = ANY ($1) ORDER BY case_id, number",
        ids,
    ):
        number, level, destination, at = step
        one = DecidedStep(number=number, level=level, destination=destination, decided_at=at)
        decided.setdefault(case_id, []).append(one)
    tasks = await connection.fetch(
        "SELECT kind FROM task WHERE referral_id = $1 AND done_at IS NULL"
        " AND (case_id IS NULL OR case_id = ANY ($2)) ORDER BY due_at, id",
        referral_id,
        ids,
    )
    stops = await connection.fetch("SELECT consumer FROM stop WHERE referral_id = $1 ORDER BY 1", referral_id)
    found = {
        row[0]
        for row in await connection.fetch(
            "SELECT case_id FROM evidence WHERE case_id = ANY ($1) AND kind = $2 AND source <> $3",
            ids,
            EvidenceKind.RECEIVED.value,
            REFERRER,
        )
    }
    return Journey(
        referral_id=referral_id,
        reference=reference,
        received_at=cases[0].received_at,
        children=tuple(
            ChildJourney(
                child_id=case.id,
                child_number=case.child_number,
                found=case.id in found,
                stage=case.stage,
                team=case.team,
                screened_at=screened.get(case.id),
                level=case.level,
                rag=case.rag,
                immediate_danger=case.immediate_danger,
                to_be_read=case.to_be_read,
                evaluations=case.evaluation,
                answers=case.answers,
                completed_at=case.completed_at,
                routed_at=case.routed_at,
                destination=case.destination,
                reopened_at=case.reopened_at,
                decisions=tuple(decided.get(case.id, ())),
                decision_due_at=case.due_at,
            )
            for case in cases
        ),
        open_tasks=tuple(row[0] for row in tasks),
        stopped_by=tuple(row[0] for row in stops),
    )
