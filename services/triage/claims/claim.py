"""The pen of a case: a lease that one person holds while they work, and that releases itself.

It keeps two people from writing at once and decides nothing else: it is no part of what a decision rests on, and whose
case it is says the allocation.
"""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from pydantic import Field

from libs.messaging.codec import Codec
from libs.platform.auth import Principal
from libs.platform.problems import Problem
from libs.schemas.base import Instant, Line, Model, Nothing, Payload, Text
from services.triage.access import note

LEASE = timedelta(minutes=15)
"""How long a claim lasts without work: long enough for a telephone call, short enough for whoever comes next."""

# Two at once: the second waits for the first one's row, and then finds it held.
_CLAIM = """
INSERT INTO claim (case_id, holder, since, expires_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (case_id) DO UPDATE
   SET holder = EXCLUDED.holder, expires_at = EXCLUDED.expires_at,
       since = CASE WHEN claim.holder = EXCLUDED.holder AND claim.expires_at > $3 THEN claim.since ELSE $3 END
 WHERE claim.holder = EXCLUDED.holder OR claim.expires_at <= $3 OR $5
RETURNING since
"""
_HELD = "SELECT holder, since, expires_at FROM claim WHERE case_id = $1 AND expires_at > $2"
_RENEW = "UPDATE claim SET expires_at = $3 WHERE case_id = $1 AND holder = $2 AND expires_at > $4"
_TAKEN_OVER = "INSERT INTO claim_taken_over (case_id, at, held_by, by, document) VALUES ($1, $2, $3, $4, $5)"
_RELEASE = "DELETE FROM claim WHERE case_id = $1 AND holder = $2"


class ClaimBody(Model):
    """The body of `PUT /v1/cases/{id}/claim`. A reason takes over what somebody else holds; only a manager may."""

    take_over_because: Text | None = None


class TakeOver(Model):
    """Why the pen was taken from somebody."""

    reason: Text


class RecordedTakeOver(Payload[TakeOver, Nothing]):
    """A claim that was taken over, as it stands on record."""


class Claim(Model):
    """Who has the pen."""

    holder: Line = Field(description="Subject of the holder's token.")
    since: Instant
    expires_at: Instant = Field(description="When it releases itself, unless work renews it.")


async def held(connection: asyncpg.Connection, case_id: UUID, now: datetime) -> Claim | None:
    """The claim that stands now."""
    row = await connection.fetchrow(_HELD, case_id, now)
    return None if row is None else Claim(**dict(row))


async def hold(
    connection: asyncpg.Connection,
    case_id: UUID,
    caller: Principal,
    now: datetime,
    *,
    take_over: bool = False,
) -> Claim:
    """Takes the pen, or renews it. Raises Problem 409 where somebody else has it, with who and since when."""
    expires_at = now + LEASE
    since = await connection.fetchval(_CLAIM, case_id, caller.subject, now, expires_at, take_over)
    if since is not None:
        return Claim(holder=caller.subject, since=since, expires_at=expires_at)
    other = await held(connection, case_id, now)
    if other is None:
        # It was released between the two statements.
        return await hold(connection, case_id, caller, now)
    raise claimed(other)


async def renew(connection: asyncpg.Connection, case_id: UUID, caller: Principal, now: datetime) -> None:
    """Work by the caller renews the caller's claim, where there is one. It asks nobody else's."""
    await connection.execute(_RENEW, case_id, caller.subject, now + LEASE, now)


async def writes(connection: asyncpg.Connection, case_id: UUID, caller: Principal, now: datetime) -> None:
    """Work by the caller: it renews the caller's claim, and needs none where nobody has the pen.

    Raises Problem 409 where somebody else has it.
    """
    await renew(connection, case_id, caller, now)
    other = await held(connection, case_id, now)
    if other is not None and other.holder != caller.subject:
        raise claimed(other)


async def release(connection: asyncpg.Connection, case_id: UUID, caller: Principal) -> bool:
    """Puts the pen down; False where the caller did not have it."""
    done: str = await connection.execute(_RELEASE, case_id, caller.subject)
    return done != "DELETE 0"


async def taken_over(
    connection: asyncpg.Connection,
    codec: Codec,
    case_id: UUID,
    caller: Principal,
    now: datetime,
    because: str,
) -> Claim:
    """A manager takes the pen from whoever has it; from whom, and why, stays on record."""
    before = await held(connection, case_id, now)
    claim = await hold(connection, case_id, caller, now, take_over=True)
    (document,) = await codec.encode([RecordedTakeOver(shared=TakeOver(reason=because))])
    held_by = None if before is None else before.holder
    await connection.execute(_TAKEN_OVER, case_id, now, held_by, caller.subject, document)
    await note(connection, now, caller, "case.claim-taken-over", case_id)
    return claim


def claimed(claim: Claim) -> Problem:
    """Somebody else is writing."""
    return Problem(
        409,
        "claimed",
        "Somebody else is working on this case",
        "wait until they are done, or ask a manager to take it over",
        extra={"held_by": claim.holder, **claim.model_dump(mode="json", exclude={"holder"})},
    )
