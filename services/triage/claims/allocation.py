"""Whose case it is: allocated to a named worker until it is decided or handed on, across shifts."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.messaging.codec import Codec, Decoded
from libs.platform.auth import Principal
from libs.schemas.base import Instant, Line, Model, Nothing, Payload, Text
from services.triage.restricted.rights import visible

_ALLOCATE = """
INSERT INTO allocation (case_id, number, worker, by, at, document)
SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5 FROM allocation WHERE case_id = $1
"""
_CURRENT = """
INSERT INTO allocated (case_id, worker, at) VALUES ($1, $2, $3)
ON CONFLICT (case_id) DO UPDATE SET worker = EXCLUDED.worker, at = EXCLUDED.at
"""
_WORKLOADS = """
SELECT a.worker, count(*) AS cases, count(*) FILTER (WHERE c.rag = 'red') AS red,
       count(*) FILTER (WHERE c.act_by < $1) AS overdue, min(c.act_by) AS next_due_at
  FROM allocated AS a JOIN child_case AS c ON c.id = a.case_id
 WHERE c.act_by IS NOT NULL AND {seen}
 GROUP BY a.worker ORDER BY a.worker
"""
_UNATTENDED = """
SELECT count(*) AS cases, count(*) FILTER (WHERE c.rag = 'red') AS red,
       count(*) FILTER (WHERE c.act_by < $1) AS overdue, min(c.act_by) AS next_due_at
  FROM child_case AS c
 WHERE c.act_by IS NOT NULL AND {seen} AND NOT EXISTS (SELECT FROM allocated AS a WHERE a.case_id = c.id)
"""


class AllocationBody(Model):
    """The body of `PUT /v1/cases/{id}/allocation`."""

    worker: Line = Field(description="Subject of the worker's token.")
    reason: Text | None = Field(None, description="Demanded where the case is somebody's already.")


class AllocationReason(Model):
    """Why a case changed hands."""

    reason: Text | None = None


class RecordedAllocation(Payload[AllocationReason, Nothing]):
    """An allocation as it was made."""


class Allocation(Model):
    """Whose case it is."""

    worker: Line
    at: Instant


class Made(Model):
    """One allocation as it stands on record."""

    worker: Line
    by: Line
    at: Instant
    reason: Text | None = None


class Load(Model):
    """Work that waits for somebody: how many open cases, and how pressing."""

    cases: int
    red: int
    overdue: int
    next_due_at: Instant | None = None


class WorkerLoad(Load):
    """One worker's open cases."""

    worker: Line


class Workload(Model):
    """Who has how much, and what nobody has."""

    workers: tuple[WorkerLoad, ...]
    unattended: Load = Field(description="Open cases that are allocated to nobody.")


async def allocated(connection: asyncpg.Connection, case_id: UUID) -> Allocation | None:
    """Whose case it is now."""
    row = await connection.fetchrow("SELECT worker, at FROM allocated WHERE case_id = $1", case_id)
    return None if row is None else Allocation(**dict(row))


async def allocate(connection: asyncpg.Connection, codec: Codec, case_id: UUID, made: Made) -> None:
    """Gives a case to a worker. What was before stays on record. Runs in the caller's transaction."""
    (document,) = await codec.encode([RecordedAllocation(shared=AllocationReason(reason=made.reason))])
    await connection.execute(_CURRENT, case_id, made.worker, made.at)
    await connection.execute(_ALLOCATE, case_id, made.worker, made.by, made.at, document)


async def history(connection: asyncpg.Connection, codec: Codec, case_id: UUID) -> Sequence[Made]:
    """Every allocation of a case, the first one first. A reason that was erased is left out."""
    rows = await connection.fetch(
        "SELECT worker, by, at, document FROM allocation WHERE case_id = $1 ORDER BY number", case_id
    )
    read = await codec.decode([(RecordedAllocation, row["document"]) for row in rows])
    return [
        Made(
            worker=row["worker"],
            by=row["by"],
            at=row["at"],
            reason=item.payload.shared.reason if isinstance(item, Decoded) else None,
        )
        for row, item in zip(rows, read, strict=True)
    ]


async def workload(connection: asyncpg.Connection, now: datetime, caller: Principal) -> Workload:
    """What every worker has, and what nobody has, of the cases that the caller may see."""
    seen = visible(caller, "c")
    workers = await connection.fetch(_WORKLOADS.format(seen=seen), now)
    unattended = await connection.fetchrow(_UNATTENDED.format(seen=seen), now)
    return Workload(
        workers=tuple(WorkerLoad(**dict(row)) for row in workers), unattended=Load(**dict(unattended))
    )
