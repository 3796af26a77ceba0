"""Obliged actions as a decision answers for them: each is confirmed or explained."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.messaging.codec import Codec
from libs.messaging.ledger import Unit
from libs.platform.validation import FieldError
from libs.schemas.decision import Duty, DutyState
from services.triage.case import Case
from services.triage.documents import RecordedNote, TaskNote
from services.triage.tasks.terms import AT_RISK, STRATEGY

_OPEN = """
SELECT DISTINCT kind FROM task WHERE case_id = $1 AND done_at IS NULL AND kind = ANY ($2::text[]) ORDER BY kind
"""
_DONE = """
UPDATE task SET done_at = $3, done_by = $4, document = given.document, outcome = given.outcome
  FROM unnest($2::text[], $5::bytea[], $6::text[]) AS given (kind, document, outcome)
 WHERE task.case_id = $1 AND task.kind = given.kind AND task.done_at IS NULL AND task.raised_at <= $7
"""
_LOOKED = """
UPDATE task SET done_at = $3, done_by = $4, outcome = 'done'
 WHERE case_id = $1 AND kind = ANY ($2::text[]) AND done_at IS NULL
"""
_HELD = """
SELECT EXISTS (SELECT FROM strategy_discussion AS d WHERE d.case_id = $1 AND NOT EXISTS (
    SELECT FROM task WHERE task.case_id = $1 AND task.kind = $2 AND done_at IS NULL AND raised_at > d.recorded_at))
"""


async def open_duties(connection: asyncpg.Connection, case: Case) -> tuple[str, ...]:
    """The obliged actions of a case that nobody has done or explained."""
    if not case.actions:
        return ()
    return tuple(row["kind"] for row in await connection.fetch(_OPEN, case.id, list(case.actions)))


def duty_faults(given: Mapping[str, Duty], wanted: tuple[str, ...], case: Case) -> list[FieldError]:
    """What is missing in a decision's answers for the open duties, and what does not belong there."""
    missing = [
        FieldError(f"/obliged/{kind}", "missing", "is obliged and open: confirm it, or explain why not")
        for kind in wanted
        if kind not in given
    ]
    strange = [
        FieldError(f"/obliged/{place}", "not_obliged", "is none of this case's obliged actions")
        for place, kind in enumerate(given)
        if kind not in case.actions
    ]
    silent = [
        FieldError(f"/obliged/{kind}/note", "missing", "is needed where the action is not under way")
        for kind, duty in given.items()
        if kind in case.actions and duty.state is not DutyState.UNDER_WAY and duty.note is None
    ]
    return [*missing, *strange, *silent]


async def record_faults(
    connection: asyncpg.Connection, case_id: UUID, given: Mapping[str, Duty]
) -> list[FieldError]:
    """A strategy discussion is done when there is a record of it since it was asked for: who took part, and what came
    of it.
    """
    duty = given.get(STRATEGY)
    if (
        duty is None
        or duty.state is not DutyState.DONE
        or await connection.fetchval(_HELD, case_id, STRATEGY)
    ):
        return []
    wanted = "must not be `done` before the strategy discussion is on record"
    return [FieldError(f"/obliged/{STRATEGY}/state", "not_recorded", wanted)]


async def answer_duties(
    unit: Unit, codec: Codec, case_id: UUID, given: Mapping[str, Duty], by: str, at: datetime
) -> None:
    """Takes the tasks of duties that are done or explained off the list, with what was written by whoever decided.

    `at`: when they wrote it. What was obliged since is not answered by it.
    """
    settled = [
        (kind, duty.note, duty.state.value)
        for kind, duty in given.items()
        if duty.state is not DutyState.UNDER_WAY and duty.note is not None
    ]
    if not settled:
        return
    documents = await codec.encode(
        [RecordedNote(shared=TaskNote(note=text, done_by=by)) for _, text, _ in settled]
    )
    kinds, outcomes = [kind for kind, _, _ in settled], [state for _, _, state in settled]
    await unit.connection.execute(_DONE, case_id, kinds, unit.now, by, documents, outcomes, at)


async def looked_again(unit: Unit, case_id: UUID, by: str) -> None:
    """A decision at risk was looked at again by whoever decides anew."""
    await unit.connection.execute(_LOOKED, case_id, list(AT_RISK), unit.now, by)
