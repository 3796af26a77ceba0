"""Commits the places that a group member has processed, a few times a second."""

from __future__ import annotations

import asyncio

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from libs.messaging.errors import code_of
from libs.messaging.transports.positions import Positions

PATIENCE = 1.0

EVERY = 0.2
"""Seconds between two commits while batches keep coming. What a crash delivers again the inbox knows, so that a
commit for each small batch would only cost the broker and the next batch's time."""


class Commits:
    """The commits of one member, one at a time. `request`: seconds that the broker has for an answer."""

    def __init__(self, positions: Positions, request: float, group: str) -> None:
        self._positions = positions
        self._request = request
        self._under_way: asyncio.Task[None] | None = None
        self._next_at = 0.0
        self._log = structlog.get_logger().bind(consumer=group, transport="kafka")

    def begin_if_due(self, consumer: AIOKafkaConsumer) -> None:
        """Begins a commit of what is processed, unless the last was a moment ago; waits for nothing."""
        if asyncio.get_running_loop().time() >= self._next_at:
            self._begin(consumer)

    async def finish(self, consumer: AIOKafkaConsumer, patience: float = PATIENCE) -> None:
        """Commits everything that is processed; waits for each answer at most so many seconds, for a coordinator that
        is away must not hold up a member that leaves.
        """
        # Once for a commit that was under way, once for what came after it.
        for _ in range(2):
            if (commit := self._begin(consumer)) is not None:
                await asyncio.wait([commit], timeout=patience)

    async def drop(self) -> None:
        """Gives up the commit that is under way, if there is one."""
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.wait([self._under_way])
            self._under_way = None

    def _begin(self, consumer: AIOKafkaConsumer) -> asyncio.Task[None] | None:
        """The commit that is under way, or a new one; None where there is nothing to commit."""
        if self._under_way is None or self._under_way.done():
            if not self._positions.uncommitted:
                return None
            self._under_way = asyncio.create_task(self._commit(consumer))
        return self._under_way

    async def _commit(self, consumer: AIOKafkaConsumer) -> None:
        self._next_at = asyncio.get_running_loop().time() + EVERY
        offsets, epoch = dict(self._positions.uncommitted), self._positions.epoch
        try:
            async with asyncio.timeout(self._request):
                await consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            # The partitions went to another member, whose inbox knows what we have processed.
            self._log.info("commit-came-too-late", count=len(offsets))
        except (KafkaError, TimeoutError) as error:
            self._log.warning("commit-lost", code=code_of(error), count=len(offsets))
            return
        self._positions.committed(offsets, epoch)
