"""What somebody says against a decision whose challenge is open joins that challenge, and its reviewer is told."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from libs.messaging.ledger import Unit
from services.triage.case import File
from services.triage.desk import Desk
from services.triage.tasks.due import Due
from services.triage.tasks.raising import NewTask
from services.triage.tasks.terms import CHALLENGE_JOINED

_OPEN = "SELECT id, stage, reviewer FROM challenge WHERE case_id = $1 AND resolved_at IS NULL"
_REFERRERS = "UPDATE challenge SET referrers = true WHERE id = $1"


async def open_challenge(connection: asyncpg.Connection, case_id: UUID) -> asyncpg.Record | None:
    """The case's challenge that is not settled: its id, stage and reviewer."""
    return await connection.fetchrow(_OPEN, case_id)


async def join(
    unit: Unit,
    desk: Desk,
    file: File,
    before: asyncpg.Record,
    sent: UUID,
    due: Due,
    by: str,
    *,
    referrers: bool,
) -> None:
    """Prepares an open challenge for one step more, which the caller keeps.

    Its reviewer, who may think that they have read everything, gets a task of its own, unless it is they who write it
    down. `referrers`: the referrer's agency says it, and hears from now on what becomes of the challenge.
    """
    if referrers:
        await unit.connection.execute(_REFERRERS, before["id"])
    reviewer, case = before["reviewer"], file.case
    if reviewer is None or reviewer == by:
        return
    desk.task(
        NewTask(
            case.referral_id,
            case.id,
            CHALLENGE_JOINED,
            unit.now,
            due,
            about=sent,
            trace=case.trace,
            owner=reviewer,
        )
    )
