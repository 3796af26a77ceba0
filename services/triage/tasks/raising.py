"""Raises tasks: each once for what it is about, with a durable timer that fires when it is overdue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from libs.messaging.ledger import Unit
from services.triage.tasks.due import Due
from services.triage.tasks.terms import LOOK_AGAIN

TASK_CLOCK = "task"
"""The kind of the timers of tasks; the subject is the task."""

AGREEMENT = "seek_agreement_to_early_help"
"""The family is to be asked whether it agrees to early help."""

ASKED_AGAIN = ["possible_match", "possible_duplicate", AGREEMENT]
"""Tasks that stand for a question which is raised again when what a person said of it is taken back, or a decision
asks it anew.
"""

_RAISE = """
INSERT INTO task (id, referral_id, case_id, kind, reason, raised_at, due_at, since, rule, owner)
SELECT id, referral_id, case_id, kind, reason, raised_at, due_at, since, rule,
       CASE WHEN kind = $12 THEN (SELECT decided_by FROM decision WHERE decision.case_id = given.case_id
                                  ORDER BY number DESC LIMIT 1) ELSE owner END
  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
              $8::timestamptz[], $9::text[], $10::text[])
    AS given (id, referral_id, case_id, kind, reason, raised_at, due_at, since, rule, owner)
ON CONFLICT (id) DO UPDATE
   SET raised_at = EXCLUDED.raised_at, due_at = EXCLUDED.due_at, since = EXCLUDED.since, rule = EXCLUDED.rule,
       overdue_at = NULL, done_at = NULL, done_by = NULL, outcome = NULL, document = NULL
 WHERE task.done_at IS NOT NULL AND task.kind = ANY ($11)
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class NewTask:
    """Something that a person must do; raised once for each subject and kind."""

    referral_id: UUID
    case_id: UUID | None
    kind: str
    raised_at: datetime
    due: Due
    reason: str | None = None
    about: UUID | None = None
    trace: str | None = None
    owner: str | None = None
    """Whose it is from the start; nobody's by itself."""

    @property
    def id(self) -> UUID:
        """The same for the same thing, however often it is raised."""
        return uuid5(self.about or self.case_id or self.referral_id, self.kind)


def task_id(case_id: UUID, about: UUID, kind: str) -> UUID:
    """The id of a case's task about somebody or something of it."""
    return uuid5(uuid5(case_id, about.hex), kind)


async def raise_tasks(unit: Unit, tasks: Sequence[NewTask]) -> None:
    """Raises tasks that are not there yet, and starts their clocks. The unit holds the locks of their referrals."""
    if not tasks:
        return
    rows = await unit.connection.fetch(
        _RAISE,
        [task.id for task in tasks],
        [task.referral_id for task in tasks],
        [task.case_id for task in tasks],
        [task.kind for task in tasks],
        [task.reason for task in tasks],
        [task.raised_at for task in tasks],
        [task.due.at for task in tasks],
        [task.due.since for task in tasks],
        [task.due.rule for task in tasks],
        [task.owner for task in tasks],
        ASKED_AGAIN,
        LOOK_AGAIN,
    )
    raised = {row["id"] for row in rows}
    for task in tasks:
        # One that is there already keeps its first clock.
        if task.id in raised:
            unit.arm(TASK_CLOCK, task.referral_id, task.id, task.due.at, trace=task.trace)
