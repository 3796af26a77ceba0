"""How far the notices of one referral have come, for operations: codes and times, no addresses and no words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Path, Request

from libs.messaging.ledger import Ledger
from libs.platform.access import note
from libs.platform.auth import Principal, requires
from libs.platform.problems import Problem, responses
from libs.platform.restricted import hidden
from libs.schemas.base import Instant, Model
from libs.schemas.reference import parse_reference

_REFERRAL = "SELECT id, reference, children, received_at FROM referral WHERE reference = $1"
_NOTICES = """
SELECT id, kind, child_id, decision, channel, state, reason, sends, messages, created_at, last_send_at, ended_at
  FROM notice WHERE referral_id = $1 ORDER BY number
"""
_UNTOLD = "SELECT kind, child_id, decision, reason, at FROM untold WHERE referral_id = $1 ORDER BY id"


class NoticeProgress(Model):
    """One notice."""

    id: UUID
    kind: str
    child: int | None = None
    """Number of the child in the referral, where it is about one."""
    decision: int | None = None
    channel: str
    state: str
    reason: str | None = None
    sends: int
    messages: int
    """How many messages Notify is known to have for it; more than 1 means that it went out twice."""
    created_at: Instant
    last_send_at: Instant | None = None
    ended_at: Instant | None = None


class UntoldProgress(Model):
    """A notice that was not made, because the referrer cannot be told safely or at all."""

    kind: str
    child: int | None = None
    decision: int | None = None
    reason: str
    at: Instant


class NoticeJourney(Model):
    """Everything that notify did about one referral."""

    referral_id: UUID
    reference: str
    received_at: Instant
    notices: tuple[NoticeProgress, ...]
    untold: tuple[UntoldProgress, ...]


class Journeys:
    """Reads journeys."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def read(self, reference: str, reader: Principal) -> NoticeJourney | None:
        """The journey of a referral without the children whom the reader may not see. Who read it is recorded.

        None where it is not known here, or the reader may see no child of it.
        """
        async with self._ledger.pool.acquire() as connection:
            referral = await connection.fetchrow(_REFERRAL, parse_reference(reference))
            if referral is None:
                return None
            now = self._ledger.clock.now()
            await note(connection, now, reader, "journey.read", referral_id=referral["id"])
            unseen = await hidden(connection, referral["id"], reader)
            if unseen and (referral["id"] in unseen or unseen >= {*referral["children"]}):
                return None
            notices = await connection.fetch(_NOTICES, referral["id"])
            untold = await connection.fetch(_UNTOLD, referral["id"])
        numbers = {child: number for number, child in enumerate(referral["children"], start=1)}

        def seen(rows: Iterable[asyncpg.Record]) -> list[dict[str, Any]]:
            return [dict(row) for row in rows if row["child_id"] not in unseen]

        def about(row: dict[str, Any]) -> dict[str, Any]:
            return {
                **row,
                "child": numbers.get(row["child_id"]),
                "decision": row["decision"] or None,
            }

        return NoticeJourney(
            referral_id=referral["id"],
            reference=referral["reference"],
            received_at=referral["received_at"],
            notices=tuple(NoticeProgress.model_validate(about(row)) for row in seen(notices)),
            untold=tuple(UntoldProgress.model_validate(about(row)) for row in seen(untold)),
        )


def journeys_router() -> APIRouter:
    """`GET /v1/journeys/{reference}`, for the Journeys in `app.state.journeys`."""
    router = APIRouter(tags=["operations"])

    @router.get(
        "/v1/journeys/{reference}",
        responses=responses(401, 403, 404, 422, 503),
        summary="How far a referral's notices have come",
    )
    async def journey(
        request: Request,
        reference: Annotated[str, Path(max_length=40, description="The reference, in any case.")],
        reader: Annotated[Principal, requires("operations:read")],
    ) -> NoticeJourney:
        """Kind, channel, state and times of each notice. Reading is recorded."""
        journeys: Journeys = request.app.state.journeys
        found = await journeys.read(reference, reader)
        if found is None:
            raise Problem(404, "referral-not-found", "There is no such referral here")
        return found

    return router
