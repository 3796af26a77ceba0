"""Writes down what became of questions, many at a time: state, events and clocks in one transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from uuid import UUID

import structlog

from libs.messaging.errors import ErrorClass, classify, code_of
from libs.messaging.ledger import Bell, Ledger
from services.enrichment.agency import Reply
from services.enrichment.checks import Desk, Effect
from services.enrichment.effects import carry_out
from services.enrichment.store import Store

MOST_AT_ONCE = 200
WAITING = 2000
LONGEST_WAIT = 60.0
PAUSE = 0.5
"""Seconds between attempts while the database fails."""

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Claim:
    """One question that this process has taken on, until its lease ends."""

    child_id: UUID
    referral_id: UUID
    agency: str
    question_id: UUID
    attempt: int
    trace: str | None
    kept: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one claimed question."""

    claim: Claim
    reply: Reply
    at: datetime


class Recorder:
    """Takes replies from all agencies. What it cannot write is asked again when the claim's lease ends."""

    def __init__(self, ledger: Ledger, store: Store, desk: Desk, random: Random) -> None:
        self._ledger = ledger
        self._store = store
        self._desk = desk
        self._random = random
        self._queue: asyncio.Queue[Recorded] = asyncio.Queue(WAITING)
        self._bell = Bell()
        self._stopping = False

    async def put(self, recorded: Recorded) -> None:
        """Hands over a reply; waits while too many are on their way."""
        await self._queue.put(recorded)
        self._bell.ring()

    def stop(self) -> None:
        """Asks `run` to record what it was handed and return."""
        self._stopping = True
        self._bell.ring()

    async def run(self) -> None:
        """Records until `stop`."""
        while not (self._stopping and self._queue.empty()):
            waiting: list[Recorded] = []
            while not self._queue.empty():
                waiting.append(self._queue.get_nowait())
            # The answers of one referral side by side: its state is then loaded and written once, not once for each.
            waiting.sort(key=lambda item: item.claim.referral_id)
            for start in range(0, len(waiting), MOST_AT_ONCE):
                await self._persist(waiting[start : start + MOST_AT_ONCE])
            if not waiting:
                await self._bell.wait(LONGEST_WAIT)

    async def _persist(self, batch: Sequence[Recorded]) -> None:
        while True:
            try:
                await self.record(batch)
            except Exception as error:
                if classify(error) is ErrorClass.TRANSIENT:
                    await asyncio.sleep(PAUSE)
                    continue
                if len(batch) > 1:
                    for item in batch:
                        await self._persist([item])
                else:
                    logger.exception(
                        "reply-not-recorded",
                        agency=batch[0].claim.agency,
                        referral_id=str(batch[0].claim.referral_id),
                        code=code_of(error),
                    )
            return

    async def record(self, batch: Sequence[Recorded]) -> None:
        """Writes a batch in one unit. Replies to what was answered already change nothing."""
        async with self._ledger.unit({item.claim.referral_id for item in batch}) as unit:
            referrals = await self._store.load(unit.connection, unit.referrals)
            effects: dict[UUID, list[Effect]] = {}
            for item in batch:
                claim = item.claim
                referral = referrals[claim.referral_id]
                effects.setdefault(referral.id, []).extend(
                    self._desk.replied(
                        referral.children[claim.child_id],
                        claim.agency,
                        claim.attempt,
                        item.reply,
                        max(item.at, unit.now),
                        self._random.random(),
                    )
                )
            for referral_id, decided in effects.items():
                carry_out(unit, referrals[referral_id], decided)
            await self._store.save(unit.connection, referrals.values(), unit.now)
