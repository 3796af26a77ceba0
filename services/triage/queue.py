"""The queue: every case in which somebody must act, most urgent first. Codes and times, never what was said."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.platform.cursors import Cursors
from libs.platform.problems import Problem
from libs.schemas.base import Instant, Model
from libs.schemas.levels import Destination, Level, Rag, Stage
from services.triage.case import LOW, NEVER_LOW, PASSED_ON, Case
from services.triage.desk import SELECT_CASES, case_of


class Tag(StrEnum):
    """What sets a case apart in its queue."""

    IMMEDIATE_DANGER = "immediate_danger"
    TO_BE_READ = "to_be_read"
    PROCESSING_STOPPED = "processing_stopped"
    DECISION_AT_RISK = "decision_at_risk"
    REOPENED = "reopened"
    WITHDRAWN = "withdrawn"
    OVERDUE = "overdue"


class Filters(Model):
    """Which part of the queue; what is not given does not narrow it."""

    team: str | None = None
    stage: Stage | None = None
    rag: Rag | None = None
    destination: Destination | None = None
    due_before: Instant | None = None
    tag: Tag | None = None

    def scope(self, subject: str) -> str:
        """Names this list for its cursors: a cursor of another list, or of somebody else's, is refused."""
        return f"queue|{subject}|{self.model_dump_json()}"


class QueueItem(Model):
    """One case as the queue shows it."""

    case_id: UUID
    reference: str | None = Field(description="Absent while the referral itself could not be read.")
    child_number: int
    stage: Stage
    team: str
    level: Level | None = Field(description="Absent while a person must first read the referrer's words.")
    rag: Rag
    could_rise_to: Level | None
    destination: Destination | None = None
    tags: tuple[Tag, ...]
    received_at: Instant
    act_by: Instant = Field(
        description="When somebody must act at the latest: the queue's order, behind immediate danger."
    )
    decision_due_at: Instant


class QueueCount(Model):
    """How many cases stand in one team's queue at one stage."""

    team: str
    stage: Stage
    cases: int
    red: int
    overdue: int


class QueuePage(Model):
    """One page of the queue."""

    items: tuple[QueueItem, ...]
    counts: tuple[QueueCount, ...] = Field((), description="Of the whole queue; on the first page only.")
    next_cursor: str | None = None


_LOW = ", ".join(f"'{destination}'" for destination in sorted(LOW))
_PASSED_ON = ", ".join(f"'{destination}'" for destination in sorted(PASSED_ON))
_NEVER_LOW = ", ".join(f"'{level}'" for level in sorted(NEVER_LOW))
CAN_WAIT = "(NOT immediate_danger OR decision > 0 AND NOT at_risk)"
"""Orders the queue first: immediate danger on which nobody has decided stands before what is long overdue."""

PAGE = f"""
{SELECT_CASES}
 WHERE act_by IS NOT NULL AND ({CAN_WAIT}, act_by, id) > ($1, $2, $3)
   AND ($4::text IS NULL OR team = $4)
   AND ($5::text IS NULL OR stage = $5)
   AND ($6::text IS NULL OR rag = $6)
   AND ($7::text IS NULL OR destination = $7)
   AND ($8::timestamptz IS NULL OR act_by < $8)
   AND ($9::text IS NULL OR CASE $9
        WHEN 'immediate_danger' THEN immediate_danger
        WHEN 'to_be_read' THEN read_due_at IS NOT NULL OR narrative_due_at IS NOT NULL
             AND CASE WHEN destination IS NULL OR destination IN ({_PASSED_ON})
                      THEN level NOT IN ({_NEVER_LOW}) ELSE destination IN ({_LOW}) END
        WHEN 'processing_stopped' THEN stopped OR stub
        WHEN 'decision_at_risk' THEN at_risk
        WHEN 'reopened' THEN reopened_at IS NOT NULL
        WHEN 'withdrawn' THEN withdrawn_at IS NOT NULL
        WHEN 'overdue' THEN act_by < $10 END)
 ORDER BY {CAN_WAIT}, act_by, id
 LIMIT $11
"""
_COUNTS = """
SELECT team, stage, count(*) AS cases, count(*) FILTER (WHERE rag = 'red') AS red,
       count(*) FILTER (WHERE act_by < $1) AS overdue
  FROM child_case WHERE act_by IS NOT NULL
 GROUP BY team, stage ORDER BY team, stage
"""
_FIRST: tuple[bool, datetime, UUID] = (
    False,
    datetime.fromisoformat("0001-01-02T00:00:00+00:00"),
    UUID(int=0),
)


class Queue:
    """Reads the queue."""

    def __init__(self, cursors: Cursors) -> None:
        self._cursors = cursors

    async def page(
        self,
        connection: asyncpg.Connection,
        now: datetime,
        filters: Filters,
        *,
        subject: str,
        cursor: str | None,
        limit: int,
    ) -> QueuePage:
        """One page, most urgent first; equally urgent ones in a fixed order. Raises Problem 400 on a bad cursor."""
        scope = filters.scope(subject)
        after = self._after(scope, cursor)
        rows = await connection.fetch(
            PAGE,
            *after,
            filters.team,
            filters.stage,
            filters.rag,
            filters.destination,
            filters.due_before,
            filters.tag,
            now,
            limit + 1,
        )
        cases = [case_of(row) for row in rows[:limit]]
        counts = await connection.fetch(_COUNTS, now) if cursor is None else []
        more = self._cursors.sign(scope, _place(cases[-1])) if len(rows) > limit else None
        return QueuePage(
            items=tuple(item_of(case, now) for case in cases),
            counts=tuple(QueueCount(**dict(row)) for row in counts),
            next_cursor=more,
        )

    def _after(self, scope: str, cursor: str | None) -> tuple[bool, datetime, UUID]:
        if cursor is None:
            return _FIRST
        match self._cursors.read(scope, cursor):
            case [bool() as can_wait, datetime() as act_by, UUID() as case_id]:
                return can_wait, act_by, case_id
        raise Problem(400, "cursor-invalid", "This cursor is not one of this list")


def _place(case: Case) -> tuple[bool, datetime | None, UUID]:
    return not case.immediate_danger or case.decided, case.act_by, case.id


def item_of(case: Case, now: datetime) -> QueueItem:
    """A case as the queue shows it."""
    return QueueItem(
        case_id=case.id,
        reference=case.reference,
        child_number=case.child_number,
        stage=case.stage,
        team=case.team,
        level=None if case.withheld or case.stub else case.level,
        rag=case.rag,
        could_rise_to=None if case.stub else case.could_rise_to,
        destination=None if case.withheld else case.destination,
        tags=tags(case, now),
        received_at=case.received_at,
        act_by=case.act_by or case.due_at,
        decision_due_at=case.due_at,
    )


def tags(case: Case, now: datetime) -> tuple[Tag, ...]:
    """What sets a case apart."""
    holds = {
        Tag.IMMEDIATE_DANGER: case.immediate_danger,
        Tag.TO_BE_READ: case.to_be_read,
        Tag.PROCESSING_STOPPED: case.stopped or case.stub,
        Tag.DECISION_AT_RISK: case.at_risk,
        Tag.REOPENED: case.reopened_at is not None,
        Tag.WITHDRAWN: case.withdrawn_at is not None,
        Tag.OVERDUE: case.act_by is not None and case.act_by < now,
    }
    return tuple(tag for tag, held in holds.items() if held)
