"""Takes GOV.UK Notify's delivery receipts, which arrive in any order, late, twice, or not at all."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from opentelemetry.metrics import Meter
from pydantic import ConfigDict, Field

from libs.messaging.errors import ErrorClass, classify
from libs.messaging.ledger import Ledger
from libs.platform.bodies import json_body, read_json_body
from libs.platform.problems import Problem, responses
from libs.schemas.base import Instant, Model
from services.notify import store
from services.notify.progress import Change, Message, ending
from services.notify.results import Tally, emit_ends
from services.notify.store import Step

MOST_BYTES = 65_536
GATHER_SECONDS = 0.05
"""Receipts that arrive so close together are taken in one transaction."""


class Receipt(Model):
    """What is read of a delivery receipt as GOV.UK Notify posts it. Its address (`to`) is not."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": True})

    id: UUID = Field(description="Notify's id of the message.")
    reference: str | None = Field(default=None, max_length=200, description="Ours: the notice's id.")
    status: str = Field(max_length=40, pattern=r"^[a-z-]+$")
    completed_at: Instant | None = None

    @classmethod
    def strictly(cls, body: bytes | str) -> Self:
        """Ignores what it does not know all the same: Notify decides what a receipt holds."""
        return cls.model_validate_json(body)


@dataclass(frozen=True, slots=True)
class _Waiting:
    notice_id: UUID
    message: Message
    outcome: asyncio.Future[str] = field(compare=False)


class Receipts:
    """Ends notices by what Notify reports of their messages."""

    def __init__(self, ledger: Ledger, meter: Meter) -> None:
        self._ledger = ledger
        self._waiting: list[_Waiting] = []
        self._taking: set[asyncio.Task[None]] = set()
        self._taken = meter.create_counter(
            "mash.notices.receipts", "{receipt}", "Delivery receipts, by what became of them."
        )
        self._tally = Tally(meter)

    async def take(self, notice_id: UUID, message: Message) -> str:
        """Keeps one receipt and ends its notice where that follows. Gives a code of what became of it.

        Receipts that come close together share a transaction; each returns when it has committed. A receipt after
        the end changes nothing; one that contradicts the end is kept as such and counted.
        """
        outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(notice_id, message, outcome))
        if len(self._waiting) == 1:
            task = asyncio.create_task(self._take_waiting(), name="receipts")
            self._taking.add(task)
            task.add_done_callback(self._taking.discard)
        code = await outcome
        self._taken.add(1, {"outcome": code})
        return code

    async def _take_waiting(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        batch, self._waiting = self._waiting, []
        await self._settle(batch)

    async def _settle(self, batch: Sequence[_Waiting]) -> None:
        """Gives each its outcome; where a batch fails, each alone, so that one bad receipt refuses no other."""
        try:
            codes = await self._keep(batch)
        except Exception as error:  # noqa: BLE001 - whoever waits for it raises it
            if len(batch) > 1 and classify(error) is not ErrorClass.TRANSIENT:
                for each in batch:
                    await self._settle([each])
                return
            for each in batch:
                if not each.outcome.done():
                    each.outcome.set_exception(error)
            return
        for each, code in zip(batch, codes, strict=True):
            if not each.outcome.done():
                each.outcome.set_result(code)

    async def _keep(self, batch: Sequence[_Waiting]) -> list[str]:
        referrals = await store.referrals_of(self._ledger.pool, {each.notice_id for each in batch})
        if not referrals:
            return ["unknown"] * len(batch)
        seen = {(each.notice_id, each.message): None for each in batch if each.notice_id in referrals}
        async with self._ledger.unit(referrals.values()) as unit:
            under_way = await store.under_way(unit.connection, referrals)
            sighting = await store.add_seen(unit.connection, seen, "callback", unit.now)
            statuses = await store.statuses(unit.connection, under_way) if under_way else {}
            ends = {notice_id: end for notice_id in under_way if (end := ending(statuses[notice_id]))}
            steps = [Step(notice_id, Change(end[0], None, end[1])) for notice_id, end in ends.items()]
            moved = await store.apply(unit.connection, steps, unit.now) if steps else []
            ended = emit_ends(unit, moved)
        self._tally.count(sighting, ended)

        def code(notice_id: UUID) -> str:
            if notice_id not in referrals:
                return "unknown"
            if notice_id in under_way:
                return "ended" if notice_id in ends else "under_way"
            return "contradicts" if notice_id in sighting.contradicted else "repeated"

        return [code(each.notice_id) for each in batch]


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
