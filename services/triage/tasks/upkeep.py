"""Keeps open tasks' times true: a changed calendar works them out anew, and a timer that is missing comes back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.messaging.ledger import Unit
from services.triage.live.changes import touch
from services.triage.tasks.due import BY_THE_CALENDAR, Days
from services.triage.tasks.raising import TASK_CLOCK
from services.triage.tasks.terms import CHALLENGE

AT_ONCE = 5000

_CAN_MOVE = """
SELECT id, referral_id, due_at, since, rule FROM task
 WHERE done_at IS NULL AND since IS NOT NULL AND rule LIKE ANY ($1) AND id > $2 ORDER BY id LIMIT $3
"""
_OPEN = """
SELECT task.id, task.referral_id, task.case_id, task.kind, task.due_at, task.since, task.rule, task.overdue_at,
       timer.due_at AS armed,
       (SELECT trace FROM child_case AS c WHERE c.referral_id = task.referral_id LIMIT 1) AS trace
  FROM task LEFT JOIN timer ON timer.kind = $2 AND timer.subject = task.id AND timer.state = 'armed'
 WHERE task.referral_id = ANY ($1) AND task.done_at IS NULL
"""
_MOVE = """
UPDATE task SET due_at = $2::timestamptz, overdue_at = CASE WHEN $2::timestamptz <= $3 THEN overdue_at END WHERE id = $1
"""
_MOVE_CHALLENGE = "UPDATE challenge SET due_at = $2 WHERE case_id = $1 AND resolved_at IS NULL"


async def moved(pool: asyncpg.Pool, days: Days) -> Sequence[UUID]:
    """The referrals with an open task whose rule comes to another instant now."""
    endings, last, found = [f"%{one}" for one in BY_THE_CALENDAR], UUID(int=0), set[UUID]()
    while rows := await pool.fetch(_CAN_MOVE, endings, last, AT_ONCE):
        found |= {row["referral_id"] for row in rows if _now(days, row) != row["due_at"]}
        last = rows[-1]["id"]
    return sorted(found)


async def keep_tasks(unit: Unit, days: Days, referral_ids: Sequence[UUID]) -> None:
    """Works the times of these referrals' open tasks out anew, and starts their timers where they are not running.

    What ran over its time before, and still has, is not told again. A stage of a challenge is due with its task.
    """
    touched = set()
    for row in await unit.connection.fetch(_OPEN, referral_ids, TASK_CLOCK):
        due_at = _now(days, row)
        if due_at != row["due_at"]:
            await unit.connection.execute(_MOVE, row["id"], due_at, unit.now)
            if row["kind"] == CHALLENGE:
                await unit.connection.execute(_MOVE_CHALLENGE, row["case_id"], due_at)
            touched |= {row["case_id"]} - {None}
        told = row["overdue_at"] is not None and due_at <= unit.now
        if row["armed"] != due_at and not told:
            unit.arm(TASK_CLOCK, row["referral_id"], row["id"], due_at, trace=row["trace"])
    if touched:
        await touch(unit.connection, sorted(touched))


def _now(days: Days, row: Any) -> datetime:
    """By when it is due now: as it was given where no rule says, or only a newer version knows the rule."""
    due_at: datetime = row["due_at"]
    if row["since"] is None or row["rule"] is None:
        return due_at
    try:
        return days.again(row["rule"], row["since"])
    except ValueError:
        return due_at
