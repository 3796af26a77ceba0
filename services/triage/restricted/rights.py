"""Who may see a restricted case: the one place that every list, count, stream and operation asks.

Whoever has no right is told nothing: a restricted case is missing from what they list and count, and by its id it
looks like a case that does not exist.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import Depends, Request

from libs.platform.auth import Principal, requires
from libs.platform.problems import Problem
from libs.platform.restricted import sees_all
from services.triage.restricted.record import last_kinds

OPEN_FOR = timedelta(hours=1)
"""How long a restricted referral stays open to whoever broke the glass."""

_GLASS = """EXISTS (SELECT FROM broken_glass AS g WHERE g.referral_id = c.referral_id
                AND g.subject = $2 AND g.expires_at > $3)"""
_SEEN = f"SELECT NOT c.restricted OR $4 OR {_GLASS} FROM child_case AS c WHERE c.id = $1"  # noqa: S608 - constants
_HIDDEN = f"SELECT c.id FROM child_case AS c WHERE c.id = ANY ($1) AND c.restricted AND NOT {_GLASS}"  # noqa: S608


def visible(caller: Principal, case: str = "child_case") -> str:
    """The condition on the table of cases, by its name in the statement, that leaves out what the caller may not see.

    Broken glass opens a case by its id and no list.
    """
    return "TRUE" if sees_all(caller) else f"NOT {case}.restricted"


def visible_of(caller: Principal, case: str, referral: str) -> str:
    """The condition on something that belongs to a case or to a whole referral, by the columns of the two ids.

    What belongs to a referral is seen by whoever may see one of its children, or where it has none, unless the last
    that stood for it was restricted.
    """
    if sees_all(caller):
        return "TRUE"
    of_it = f"SELECT FROM child_case AS of_it WHERE of_it.referral_id = {referral}"
    left_hidden = (
        f"SELECT FROM (SELECT kind FROM restriction WHERE restriction.case_id = {referral}"  # noqa: S608
        " ORDER BY number DESC LIMIT 1) AS last WHERE last.kind IS NOT NULL"
    )
    return (
        f"(CASE WHEN {case} IS NULL"
        f" THEN EXISTS ({of_it} AND NOT of_it.restricted) OR NOT EXISTS ({of_it}) AND NOT EXISTS ({left_hidden})"
        f" ELSE NOT EXISTS (SELECT FROM child_case AS its WHERE its.id = {case} AND its.restricted) END)"
    )


async def sees(connection: asyncpg.Connection, case_id: UUID, caller: Principal, now: datetime) -> bool:
    """Whether there is such a case, and the caller may see it."""
    return bool(await connection.fetchval(_SEEN, case_id, caller.subject, now, sees_all(caller)))


async def hidden(
    connection: asyncpg.Connection, case_ids: Iterable[UUID], caller: Principal, now: datetime
) -> frozenset[UUID]:
    """Which of these cases the caller may not see."""
    wanted: Sequence[UUID] = [*case_ids]
    if not wanted or sees_all(caller):
        return frozenset()
    return frozenset(row["id"] for row in await connection.fetch(_HIDDEN, wanted, caller.subject, now))


async def demand(connection: asyncpg.Connection, case_id: UUID, caller: Principal, now: datetime) -> None:
    """Raises Problem 404 where there is no such case or the caller may not see it: the two look alike."""
    if not await sees(connection, case_id, caller, now):
        raise no_such_case()


async def sees_of(
    connection: asyncpg.Connection, case_id: UUID | None, referral_id: UUID, caller: Principal, now: datetime
) -> bool:
    """Whether the caller may see something of a case or, without one, of a whole referral."""
    if sees_all(caller):
        return True
    if case_id is not None:
        return await sees(connection, case_id, caller, now)
    ids = [
        row["id"]
        for row in await connection.fetch("SELECT id FROM child_case WHERE referral_id = $1", referral_id)
    ]
    if not ids:
        return not await _left_hidden(connection, referral_id)
    return len(await hidden(connection, ids, caller, now)) < len(ids)


async def withheld(request: Request, caller: Principal, referral_id: UUID) -> bool:
    """Whether a referral has a child whom the caller may not see: a message about it tells of every child."""
    ledger = request.app.state.office.ledger
    async with ledger.pool.acquire() as connection:
        rows = await connection.fetch("SELECT id FROM child_case WHERE referral_id = $1", referral_id)
        if not rows and not sees_all(caller):
            return await _left_hidden(connection, referral_id)
        return bool(await hidden(connection, [row["id"] for row in rows], caller, ledger.clock.now()))


async def _left_hidden(connection: asyncpg.Connection, referral_id: UUID) -> bool:
    """Whether a referral of which no case is left was restricted when a person took it up by hand."""
    return (await last_kinds(connection, {referral_id})).get(referral_id) is not None


def no_such_case() -> Problem:
    """A case that does not exist, or that the caller may not see."""
    return Problem(404, "case-not-found", "There is no such case")


def on_case(scope: str, roles: Sequence[str] = ()) -> Any:
    """A FastAPI dependency as `requires`, for operations whose path names a case: it gives the Principal where they may
    see that case.

    Raises Problem 401, 403 or 404.
    """

    async def caller_of_case(
        request: Request, case_id: UUID, caller: Annotated[Principal, requires(scope, roles)]
    ) -> Principal:
        ledger = request.app.state.office.ledger
        if not sees_all(caller):
            async with ledger.pool.acquire() as connection:
                await demand(connection, case_id, caller, ledger.clock.now())
        return caller

    return Depends(caller_of_case)
