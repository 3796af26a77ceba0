"""Takes GOV.UK Notify's delivery receipts, which arrive in any order, late, twice, or not at all."""

from __future__ import annotations

import hmac
from typing import Self
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from opentelemetry.metrics import Meter
from pydantic import Field

from libs.messaging.ledger import Ledger
from libs.platform.bodies import json_body, read_json_body
from libs.platform.problems import Problem, responses
from libs.schemas.base import Instant, Model
from libs.schemas.notice import NoticeState
from services.notify import store
from services.notify.progress import Change, Message, ending
from services.notify.results import emit_ends
from services.notify.store import Step

MOST_BYTES = 65_536


class Receipt(Model):
    """What is read of a delivery receipt as GOV.UK Notify posts it. Its address (`to`) is not."""

    id: UUID = Field(description="Notify's id of the message.")
    reference: str | None = Field(default=None, max_length=200, description="Ours: the notice's id.")
    status: str = Field(max_length=40, pattern=r"^[a-z-]+$")
    completed_at: Instant | None = None

    @classmethod
    def strictly(cls, body: bytes | str) -> Self:
        """Ignores what it does not know all the same: Notify decides what a receipt holds."""
        return cls.model_validate_json(body)


class Receipts:
    """Ends notices by what Notify reports of their messages."""

    def __init__(self, ledger: Ledger, meter: Meter) -> None:
        self._ledger = ledger
        self._taken = meter.create_counter(
            "mash.notices.receipts", "{receipt}", "Delivery receipts, by what became of them."
        )

    async def take(self, notice_id: UUID, message: Message) -> str:
        """Keeps one receipt and ends its notice where that follows. Gives a code of what became of it.

        A receipt after the end changes nothing; one that contradicts the end is kept as such and counted.
        """
        referral_id: UUID | None = await self._ledger.pool.fetchval(
            "SELECT referral_id FROM notice WHERE id = $1", notice_id
        )
        if referral_id is None:
            return self._count("unknown")
        async with self._ledger.unit([referral_id]) as unit:
            standing = await store.standing(unit.connection, notice_id)
            sighting = await store.add_seen(unit.connection, [(notice_id, message)], "callback", unit.now)
            end = ending(await store.statuses(unit.connection, notice_id))
            if standing is None or standing.state in (NoticeState.DELIVERED, NoticeState.FAILED):
                return self._count("contradicts" if sighting.contradictions else "repeated")
            if end is None:
                return self._count("under_way")
            step = Step(notice_id, Change(end[0], None, end[1]))
            emit_ends(unit, await store.apply(unit.connection, [step], unit.now))
        return self._count("ended")

    def _count(self, outcome: str) -> str:
        self._taken.add(1, {"outcome": outcome})
        return outcome


def receipts_router(bearer_token: str | None) -> APIRouter:
    """`POST /v1/notify/callback`, for the Receipts in `app.state.receipts`.

    `bearer_token` is what the callback is registered with at Notify; without one nothing is taken.
    """
    router = APIRouter(tags=["GOV.UK Notify"])

    async def authenticated(request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = token.strip().encode("utf-8", "surrogateescape")
        expected = (bearer_token or "").encode()
        if not bearer_token or scheme.lower() != "bearer" or not hmac.compare_digest(given, expected):
            raise Problem(
                401,
                "callback-token-invalid",
                "The callback's bearer token is needed",
                "send the token that the callback was registered with",
                headers={"WWW-Authenticate": 'Bearer realm="notify-callback"'},
            )

    @router.post(
        "/v1/notify/callback",
        status_code=204,
        dependencies=[Depends(authenticated)],
        responses=responses(400, 401, 413, 415, 422, 503),
        openapi_extra=json_body(Receipt),
        summary="Delivery receipt of GOV.UK Notify",
    )
    async def callback(request: Request) -> Response:
        """Takes a receipt. A reference that is not ours is taken too, and forgotten."""
        receipts: Receipts = request.app.state.receipts
        receipt, _fingerprint = await read_json_body(request, Receipt, max_bytes=MOST_BYTES)
        try:
            notice_id = UUID(receipt.reference or "")
        except ValueError:
            return Response(status_code=204)
        await receipts.take(notice_id, Message(receipt.id, receipt.status, receipt.completed_at))
        return Response(status_code=204)

    return router
