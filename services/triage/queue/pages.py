"""Reads the queue a page at a time, with the counts of every team's queue."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.platform.auth import Principal
from libs.platform.cursors import Cursors
from libs.platform.problems import Problem
from libs.schemas.base import Instant, Model
from libs.schemas.levels import Destination, Level, Rag, Stage
from services.triage.case import Case
from services.triage.desk import SELECT_CASES, case_of
from services.triage.queue.selection import CAN_WAIT, IN_QUEUE, Filters, selection
from services.triage.queue.tags import Tag, tags
from services.triage.restricted.rights import visible


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
    locality: str | None = None
    awaiting: tuple[str, ...] = Field((), description="Agencies that were asked and have not spoken.")
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
    query: str = Field(description="The path that lists just these cases.")


class QueueCounts(Model):
    """How many cases stand where, each with the query that lists them."""

    counts: tuple[QueueCount, ...]


class QueuePage(Model):
    """One page of the queue."""

    items: tuple[QueueItem, ...]
    next_cursor: str | None = None


_PAGE = f"""
{SELECT_CASES}
 WHERE ({CAN_WAIT}, act_by, id) > ($1, $2, $3) AND {{condition}}
 ORDER BY {CAN_WAIT}, act_by, id
 LIMIT {{limit}}
"""
_COUNTS = f"""
SELECT team, stage, count(*) AS cases, count(*) FILTER (WHERE rag = 'red') AS red,
       count(*) FILTER (WHERE act_by < $1) AS overdue
  FROM child_case WHERE {IN_QUEUE} AND {{seen}}
 GROUP BY team, stage ORDER BY team, stage
"""  # noqa: S608 - a constant
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
        caller: Principal,
        cursor: str | None,
        limit: int,
    ) -> QueuePage:
        """One page, most urgent first; equally urgent ones in a fixed order. Raises Problem 400 on a bad cursor."""
        scope = filters.scope(caller.subject)
        after = self._after(scope, cursor)
        statement, parameters = page_statement(filters, now, visible(caller), after, limit + 1)
        rows = await connection.fetch(statement, *parameters)
        cases = [case_of(row) for row in rows[:limit]]
        more = self._cursors.sign(scope, _place(cases[-1])) if len(rows) > limit else None
        return QueuePage(
            items=tuple(item_of(case, now) for case in cases),
            next_cursor=more,
        )

    async def counts(self, connection: asyncpg.Connection, now: datetime, caller: Principal) -> QueueCounts:
        """How many cases that the caller may see stand in each team's queue at each stage."""
        rows = await connection.fetch(counts_statement(visible(caller)), now)
        return QueueCounts(counts=tuple(_count(row) for row in rows))

    def _after(self, scope: str, cursor: str | None) -> tuple[bool, datetime, UUID]:
        if cursor is None:
            return _FIRST
        match self._cursors.read(scope, cursor):
            case [bool() as can_wait, datetime() as act_by, UUID() as case_id]:
                return can_wait, act_by, case_id
        raise Problem(400, "cursor-invalid", "This cursor is not one of this list")


def counts_statement(seen: str) -> str:
    """The statement of the counts, over what a condition lets the reader see."""
    return _COUNTS.format(seen=seen)


def page_statement(
    filters: Filters, now: datetime, seen: str, after: tuple[bool, datetime, UUID], limit: int
) -> tuple[str, list[Any]]:
    """The statement of one page behind a place, with its parameters."""
    condition, parameters = selection(filters, now, seen, first=4)
    place = f"${4 + len(parameters)}"
    return _PAGE.format(condition=condition, limit=place), [*after, *parameters, limit]


def _count(row: asyncpg.Record) -> QueueCount:
    query = f"/v1/queue?{urlencode({'team': row['team'], 'stage': row['stage']})}"
    return QueueCount(**dict(row), query=query)


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
        locality=case.locality,
        awaiting=case.awaiting,
        tags=tags(case, now),
        received_at=case.received_at,
        act_by=case.act_by or case.due_at,
        decision_due_at=case.due_at,
    )
