"""Receipts that arrive together share a transaction, and nothing else."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast
from uuid import uuid4

from opentelemetry.metrics import get_meter

from libs.messaging.errors import Transient
from libs.messaging.ledger import Ledger
from services.notify import receipts as module
from services.notify.progress import Message
from services.notify.receipts import Receipts


class Kept(Receipts):
    """Keeps receipts in memory; a status can stand for what the database makes of one."""

    def __init__(self) -> None:
        super().__init__(cast(Ledger, None), get_meter("tests"))
        self.batches: list[list[str]] = []

    async def _keep(self, batch: Sequence[Any]) -> list[str]:
        statuses = [each.message.status for each in batch]
        self.batches.append(statuses)
        if "unwritable" in statuses:
            raise ValueError
        if "away" in statuses:
            raise Transient("database-away")
        return [f"kept {status}" for status in statuses]


async def taken(receipts: Receipts, *statuses: str) -> list[str | BaseException]:
    """What becomes of receipts that arrive at once."""
    return await asyncio.gather(
        *(receipts.take(uuid4(), Message(uuid4(), status)) for status in statuses), return_exceptions=True
    )


async def test_receipts_that_arrive_together_are_taken_together() -> None:
    receipts = Kept()
    assert await taken(receipts, "sending", "delivered") == ["kept sending", "kept delivered"]
    assert receipts.batches == [["sending", "delivered"]]
    assert await taken(receipts, "delivered") == ["kept delivered"]


async def test_a_receipt_that_cannot_be_kept_refuses_no_other() -> None:
    good, bad, other = await taken(Kept(), "sending", "unwritable", "delivered")
    assert (good, other) == ("kept sending", "kept delivered")
    assert isinstance(bad, ValueError)


async def test_while_the_database_is_away_every_sender_is_told_to_try_again() -> None:
    receipts = Kept()
    assert all(isinstance(each, Transient) for each in await taken(receipts, "away", "delivered"))
    assert len(receipts.batches) == 1


async def test_a_sender_that_gave_up_delays_no_other(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "GATHER_SECONDS", 0.02)
    receipts = Kept()
    gone = asyncio.create_task(receipts.take(uuid4(), Message(uuid4(), "sending")))
    await asyncio.sleep(0)
    staying = asyncio.create_task(receipts.take(uuid4(), Message(uuid4(), "delivered")))
    await asyncio.sleep(0)
    gone.cancel()
    assert await staying == "kept delivered"
