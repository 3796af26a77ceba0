"""Sends stored events to Kafka in waves that keep each partition's order even when a send fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from libs.messaging.kafka import KafkaConnection
from libs.messaging.log import LogRow

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
"""What a broker answers to a batch above `max.message.bytes`: the one refusal that is about the record itself."""

BATCH_BYTES = 900_000
"""A batch stays below the broker's default `max.message.bytes` of 1,048,588; one larger record goes alone."""

START_SECONDS = 20.0
STOP_SECONDS = 5.0
REQUEST_SECONDS = 15.0
ACK_SECONDS = 45.0
"""A leader's death stalls sends for 8 to 12 s; a producer that is silent for longer than this is given up."""

KEYS_KEPT = 4096
"""Of so many referrals the partition is remembered."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one wave: a prefix of the rows that were given."""

    taken: int
    """How many rows the wave held."""
    failures: dict[int, Exception] = field(default_factory=dict)
    """The rows, by their place, that the broker did not acknowledge."""

    @property
    def acknowledged(self) -> int:
        """How many rows from the first on are acknowledged without a gap."""
        return min(self.failures, default=self.taken)


class EventProducer:
    """An idempotent producer (acks from all in-sync replicas) that is rebuilt when it fails.

    All rows of one partition travel in one batch, which the broker takes as a whole or not at all, and a wave ends
    where a batch is full. So no row overtakes an earlier one of its referral, whatever fails in between.
    """

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._producer: AIOKafkaProducer | None = None
        hashed = DefaultPartitioner()
        # A referral's events come close together, and its key is hashed in Python.
        self._partition = lru_cache(KEYS_KEPT)(lambda key, places: hashed(key, sorted(places), None))

    async def send(self, rows: Sequence[LogRow], limit: int | None = None) -> Sent:
        """Sends as many of the rows as fit in one wave, at most `limit`, and waits for the broker's answer.

        Raises KafkaError, OSError or TimeoutError where nothing was sent because Kafka cannot be reached; call
        `discard` after any failure that is not TOO_LARGE.
        """
        producer = await self._started()
        batches: dict[tuple[str, int], tuple[BatchBuilder, list[int]]] = {}
        taken = 0
        for row in rows[:limit]:
            topic = self._connection.named(row.topic)
            partitions = await producer.partitions_for(topic)
            key = str(row.envelope.referral_id).encode()
            place = (topic, self._partition(key, frozenset(partitions)))
            if place not in batches:
                batches[place] = (producer.create_batch(), [])
            batch, members = batches[place]
            # The broker stamps its own time: with the event's, an old backlog would be past its retention at once.
            if batch.append(timestamp=None, key=key, value=row.value, headers=row.envelope.headers()) is None:
                break
            members.append(taken)
            taken += 1
        return Sent(taken, await self._deliver(producer, batches))

    async def discard(self) -> None:
        """Gives up the present producer: after a lost or refused batch its sequence numbers may never fit again
        (aiokafka #1017). The next `send` makes a new one.
        """
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer)

    async def stop(self) -> None:
        """Leaves nothing behind."""
        await self.discard()

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                **self._connection.arguments(),
                enable_idempotence=True,
                acks="all",
                max_batch_size=BATCH_BYTES,
                request_timeout_ms=int(REQUEST_SECONDS * 1000),
            )
            try:
                async with asyncio.timeout(START_SECONDS):
                    await producer.start()
            except BaseException:
                await _stop(producer)
                raise
            self._producer = producer
        return self._producer

    async def _deliver(
        self, producer: AIOKafkaProducer, batches: dict[tuple[str, int], tuple[BatchBuilder, list[int]]]
    ) -> dict[int, Exception]:
        waiting: dict[asyncio.Future[object], list[int]] = {}
        for (topic, partition), (batch, members) in batches.items():
            batch.close()
            if members:
                waiting[await producer.send_batch(batch, topic, partition=partition)] = members
        failures: dict[int, Exception] = {}
        done, silent = await asyncio.wait(waiting, timeout=ACK_SECONDS) if waiting else (set(), set())
        for future in done:
            if (error := future.exception()) is not None:
                if not isinstance(error, Exception):
                    raise error
                failures.update(dict.fromkeys(waiting[future], error))
        for future in silent:
            future.add_done_callback(_ignore)
            failures.update(dict.fromkeys(waiting[future], TimeoutError()))
        return failures


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stops a producer that may never deliver what it still holds, for which its own `stop` would wait for ever."""
    stopping = asyncio.ensure_future(producer.stop())
    try:
        done, _ = await asyncio.wait([stopping], timeout=STOP_SECONDS)
        if not done:
            producer._message_accumulator.fail_all(KafkaError())
            await producer.client.close()
            if producer._sender.sender_task is not None:
                producer._sender.sender_task.cancel()
            await asyncio.wait([stopping], timeout=STOP_SECONDS)
    finally:
        if not stopping.done():
            stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError, KafkaError, OSError):
            await stopping


def _ignore(future: asyncio.Future[object]) -> None:
    if not future.cancelled():
        future.exception()
