"""The operations of claim and allocation."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Request, Response

from libs.platform.auth import Principal, requires
from libs.platform.bodies import json_body, read_json_body
from libs.platform.problems import Problem, invalid_body, responses
from libs.platform.validation import FieldError
from libs.schemas.base import Model
from services.triage.access import Books, note
from services.triage.claims import allocation, claim
from services.triage.claims.allocation import Allocation, AllocationBody, Made, Workload
from services.triage.claims.claim import Claim, ClaimBody
from services.triage.claims.presence import Presence, present
from services.triage.live.changes import touch
from services.triage.restricted.rights import on_case

MANAGER = "manager"

Reader = Annotated[Principal, on_case("case:read")]
Writer = Annotated[Principal, on_case("case:write")]
Manager = Annotated[Principal, requires("queue:read", (MANAGER,))]

_THERE = "SELECT 1 FROM child_case WHERE id = $1"
_LOCKED = "SELECT 1 FROM child_case WHERE id = $1 FOR NO KEY UPDATE"

READS = responses(400, 401, 403, 404, 422, 503)
WRITES = responses(400, 401, 403, 404, 409, 413, 415, 422, 503)


class Attendance(Model):
    """Who is at a case: who has the pen, whose it is and was, and who looks at it too."""

    claim: Claim | None
    allocation: Allocation | None
    allocations: tuple[Made, ...]
    present: tuple[Presence, ...]


router = APIRouter(prefix="/v1", tags=["claims"])


@router.get("/cases/{case_id}/attendance", responses=READS, summary="Who is at a case")
async def read_attendance(caller: Reader, case_id: UUID, ledger: Books) -> Attendance:
    """Who has the pen and since when, whose case it is, and who else read it within the last five minutes."""
    now = ledger.clock.now()
    async with ledger.pool.acquire() as connection:
        await _demand(connection, case_id)
        await note(connection, now, caller, "attendance.read", case_id)
        return Attendance(
            claim=await claim.held(connection, case_id, now),
            allocation=await allocation.allocated(connection, case_id),
            allocations=tuple(await allocation.history(connection, ledger.codec, case_id)),
            present=await present(connection, case_id, now, caller.subject),
        )


@router.put(
    "/cases/{case_id}/claim",
    responses=WRITES,
    openapi_extra=json_body(ClaimBody, required=False),
    summary="Take the pen",
)
async def take_pen(request: Request, caller: Writer, case_id: UUID, ledger: Books) -> Claim:
    """Claims the case for fifteen minutes, or renews the caller's claim; every piece of work renews it too.

    409 says who has it and since when. A manager who gives a reason takes it over, which is recorded.
    """
    body, _ = await read_json_body(request, ClaimBody, optional=True)
    now = ledger.clock.now()
    async with ledger.pool.acquire() as connection, connection.transaction():
        await _demand(connection, case_id)
        if body.take_over_because is None:
            taken = await claim.hold(connection, case_id, caller, now)
            await note(connection, now, caller, "case.claim", case_id)
            await touch(connection, [case_id])
            return taken
        if MANAGER not in caller.roles:
            raise Problem(403, "manager-needed", "Only a manager takes a case over", "ask a manager, or wait")
        await touch(connection, [case_id])
        return await claim.taken_over(connection, ledger.codec, case_id, caller, now, body.take_over_because)


@router.delete("/cases/{case_id}/claim", status_code=204, responses=WRITES, summary="Put the pen down")
async def put_pen_down(caller: Writer, case_id: UUID, ledger: Books) -> Response:
    """Releases the caller's claim. Nothing happens where the caller has none."""
    now = ledger.clock.now()
    async with ledger.pool.acquire() as connection, connection.transaction():
        await _demand(connection, case_id)
        if await claim.release(connection, case_id, caller):
            await note(connection, now, caller, "case.release", case_id)
            await touch(connection, [case_id])
    return Response(status_code=204)


@router.put(
    "/cases/{case_id}/allocation",
    responses=WRITES,
    openapi_extra=json_body(AllocationBody),
    summary="Give a case to a worker",
)
async def allocate_case(request: Request, caller: Writer, case_id: UUID, ledger: Books) -> Allocation:
    """Whose case it is from now on. Anybody takes what nobody has; what is somebody's is a manager's to give on.

    The same allocation sent again changes nothing.
    """
    body, _ = await read_json_body(request, AllocationBody)
    now = ledger.clock.now()
    async with ledger.pool.acquire() as connection, connection.transaction():
        # Two at once: the second one waits here, and then sees whose it is.
        await _demand(connection, case_id, lock=True)
        current = await allocation.allocated(connection, case_id)
        if current is not None and current.worker == body.worker:
            return current
        if MANAGER not in caller.roles:
            if current is not None:
                raise _somebodys(current)
            if body.worker != caller.subject:
                raise Problem(
                    403, "manager-needed", "Only a manager gives a case to somebody else", "take it yourself"
                )
        if current is not None and body.reason is None:
            raise invalid_body(
                [FieldError("/reason", "missing", "is needed where the case is somebody's already")]
            )
        made = Made(worker=body.worker, by=caller.subject, at=now, reason=body.reason)
        await allocation.allocate(connection, ledger.codec, case_id, made)
        await note(connection, now, caller, "case.allocate", case_id)
        await touch(connection, [case_id])
    return Allocation(worker=made.worker, at=made.at)


@router.get("/workload", responses=responses(401, 403, 503), summary="Who has how much, and what nobody has")
async def read_workload(caller: Manager, ledger: Books) -> Workload:
    """Open cases by worker, how many are red or overdue, and those that are allocated to nobody."""
    now = ledger.clock.now()
    async with ledger.pool.acquire() as connection:
        await note(connection, now, caller, "workload.read")
        return await allocation.workload(connection, now, caller)


def _somebodys(current: Allocation) -> Problem:
    return Problem(
        409,
        "allocated-already",
        "The case is somebody's already",
        "a manager gives it on",
        extra=current.model_dump(mode="json"),
    )


async def _demand(connection: asyncpg.Connection, case_id: UUID, *, lock: bool = False) -> None:
    if await connection.fetchval(_LOCKED if lock else _THERE, case_id) is None:
        raise Problem(404, "case-not-found", "There is no such case")
