"""A consumer group on Kafka: explicit commits, hand-over that waits for the batch in hand, and a watchdog."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    ConsumerStoppedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from aiokafka.structs import ConsumerRecord
from opentelemetry import metrics

from libs.messaging.errors import Transient, code_of
from libs.messaging.event import Record
from libs.messaging.failpoints import NEVER, Failpoints
from libs.messaging.kafka import KafkaConnection
from libs.messaging.transport import Backlog
from libs.messaging.transports import unreadable
from libs.messaging.transports.commits import Commits
from libs.messaging.transports.positions import Positions, Token, record_of
from libs.messaging.transports.watch import Stuck, Watch

T = TypeVar("T")

SLACK = 0.25

FETCH_WAIT_MS = 150
"""The broker holds an empty answer for so long; a partition that is asked for anew waits for that answer first."""

GATHERED_BYTES = 65_536
"""A consumer that lingers is answered when so much has come together, or when its time is up."""


@dataclass(frozen=True, slots=True)
class KafkaTiming:
    """Bounds of a group member, in seconds. A broker's death stalls it for up to 12 s, which is no fault of ours."""

    session: float = 10.0
    """A member that is silent for so long is dead, and others take its partitions."""
    hand_over: float = 20.0
    """How long a hand-over waits for the batch in hand; a batch's transaction is bounded by the database at 30 s."""
    request: float = 10.0
    """For one answer of the broker, such as to a commit."""
    start: float = 30.0
    stuck: float = 60.0
    """Without a fetch for so long, although records wait and the broker answers, the client is rebuilt."""


class KafkaTransport:
    """One member of the consumer group `group`.

    Partitions are assigned by range, so that one member has the same partitions of every topic and with them all
    events of a referral. `instance` names a member that keeps its partitions over a restart (static membership).
    A group that was never there reads from the beginning; one whose place the broker no longer has goes on from the
    beginning too, but that is an incident: logged as critical and counted, for events may be missing.
    """

    system = "kafka"

    def __init__(
        self,
        connection: KafkaConnection,
        group: str,
        topics: Collection[str],
        *,
        instance: str | None = None,
        linger: float = 0.0,
        timing: KafkaTiming = KafkaTiming(),
        failpoints: Failpoints = NEVER,
    ) -> None:
        """`linger`: seconds that the broker may let events gather for a consumer that nobody waits for."""
        self._connection = connection
        self._group = group
        self._topics = {connection.named(topic): topic for topic in sorted(topics)}
        self._instance = instance
        self._linger = linger
        self._timing = timing
        self._failpoints = failpoints
        self._consumer: AIOKafkaConsumer | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._assigned = asyncio.Event()
        self._paused = False
        self._singly_until = 0.0
        self._positions = Positions()
        self._commits = Commits(self._positions, timing.request, group)
        self._watch = Watch()
        self._log = structlog.get_logger().bind(consumer=group, transport=self.system)
        meter = metrics.get_meter("libs.messaging")
        self._lost_places = meter.create_counter(
            "consumer_lost_places",
            "{partition}",
            "Partitions whose committed place the broker no longer has.",
        )
        self._rebuilds = meter.create_counter(
            "consumer_rebuilds", "{rebuild}", "Clients that had stopped fetching."
        )

    async def start(self) -> None:
        """Joins the group. Raises Transient while Kafka cannot be reached, SlowClient without C extensions."""
        await self._joined()

    async def poll(self, max_records: int, timeout: float) -> list[Record]:
        """The next records, whole runs of partitions one after the other. Raises Transient, or Stuck."""
        consumer = await self._joined()
        self._commits.begin_if_due(consumer)
        try:
            records = await self._fetch(consumer, max_records, 0.0 if self._paused else timeout)
        except (KafkaError, ConsumerStoppedError, UnicodeDecodeError) as error:
            # What the other partitions gave is lost with an unreadable record: all is read anew, one by one.
            if isinstance(error, UnicodeDecodeError):
                self._singly_until = asyncio.get_running_loop().time() + unreadable.SECONDS
            await self._close()
            raise Transient(code_of(error)) from error
        if records:
            self._idle.clear()
        else:
            await self._look_after(consumer)
            if self._paused:
                await asyncio.sleep(timeout)
        return records

    async def commit(self, records: Sequence[Record]) -> None:
        """Commits the place after each partition's last record, with those of the batches shortly before and after.

        What the group has since given away is left out.
        """
        self._positions.processed(records)
        try:
            if self._consumer is not None:
                self._commits.begin_if_due(self._consumer)
        finally:
            self._idle.set()

    async def abandon(self, records: Sequence[Record]) -> None:
        """Goes back to each partition's first record, where the partition is still ours."""
        self._idle.set()
        for place, offset in self._positions.firsts(records).items():
            if self._consumer is not None:
                with contextlib.suppress(IllegalStateError):
                    self._consumer.seek(place, offset)

    def pause(self) -> None:
        """Stops fetching; heartbeats go on, and so does the membership while `poll` is called."""
        self._paused = True
        self._apply_pause()

    def resume(self) -> None:
        """Fetches again."""
        self._paused = False
        self._apply_pause()

    async def backlog(self) -> Backlog:
        """Records between what is committed and the partitions' ends; the oldest only of what was polled."""
        consumer = self._consumer
        if consumer is None or not self._assigned.is_set():
            return Backlog(0, None)
        places = consumer.assignment()
        with contextlib.suppress(KafkaError, TimeoutError):
            ends = await self._bounded(consumer.end_offsets(list(places)))
            begun = {place: await self._begun(consumer, place) for place in places}
            waiting = sum(max(0, ends[place] - begun[place]) for place in places)
            return Backlog(waiting, self._positions.oldest())
        return Backlog(0, self._positions.oldest())

    async def _begun(self, consumer: AIOKafkaConsumer, place: TopicPartition) -> int:
        """The first record that is not processed."""
        known = self._positions.next.get(place)
        return known if known is not None else await self._bounded(consumer.position(place))

    async def stop(self) -> None:
        """Commits what is left and leaves the group."""
        if self._consumer is not None:
            await self._commits.finish(self._consumer)
        await self._close()

    async def revoke(self, revoked: Collection[TopicPartition]) -> None:
        """The group is about to share its partitions out anew: waits, bounded, for the batch in hand."""
        self._assigned.clear()
        if revoked:
            await self._failpoints.hit("kafka.revoke")
        try:
            async with asyncio.timeout(self._timing.hand_over):
                await self._idle.wait()
        except TimeoutError:
            self._log.warning("hand-over-without-commit", seconds=self._timing.hand_over)
        if self._consumer is not None:
            await self._commits.finish(self._consumer, self._timing.request)
        self._positions.start_anew()

    def assign(self, places: Iterable[TopicPartition]) -> None:
        """The group has given us these partitions; all of them, not only the new ones."""
        self._assigned.set()
        self._watch.rest()
        self._log.info("partitions-assigned", count=len(list(places)))
        self._apply_pause()

    async def _joined(self) -> AIOKafkaConsumer:
        if self._consumer is not None:
            return self._consumer
        timing = self._timing
        rebalance = timing.hand_over + timing.request + 5
        consumer = AIOKafkaConsumer(
            **self._connection.arguments(),
            group_id=self._connection.named(self._group),
            group_instance_id=self._instance,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=max(FETCH_WAIT_MS, int(1000 * self._linger)),
            fetch_min_bytes=GATHERED_BYTES if self._linger else 1,
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=int(timing.session * 1000),
            heartbeat_interval_ms=int(timing.session * 250),
            rebalance_timeout_ms=int(rebalance * 1000),
            # The broker answers a join only when every other member has joined.
            request_timeout_ms=int((rebalance + 5) * 1000),
        )
        self._assigned.clear()
        self._idle.set()
        consumer.subscribe(list(self._topics), listener=_Listener(self))
        try:
            async with asyncio.timeout(timing.start):
                await consumer.start()
        except (KafkaError, OSError) as error:
            await self._dispose(consumer)
            raise Transient(code_of(error)) from error
        except BaseException:
            await self._dispose(consumer)
            raise
        self._consumer = consumer
        self._watch.rest()
        self._apply_pause()
        return consumer

    async def _fetch(self, consumer: AIOKafkaConsumer, max_records: int, timeout: float) -> list[Record]:
        epoch = self._positions.epoch
        polled: dict[TopicPartition, list[ConsumerRecord]] = {}
        try:
            # While the group shares out its partitions aiokafka waits for them without a bound of its own.
            async with asyncio.timeout(timeout + SLACK):
                if asyncio.get_running_loop().time() < self._singly_until:
                    polled, reached = await unreadable.read_singly(consumer, max_records)
                    if epoch != self._positions.epoch:
                        # Read partly before and partly after: all is read anew from what is committed.
                        await self._close()
                        return []
                    if reached:
                        self._singly_until = 0.0
                else:
                    polled = await consumer.getmany(timeout_ms=int(timeout * 1000), max_records=max_records)
        except TimeoutError:
            return []
        except NoOffsetForPartitionError:
            await self._begin_new(consumer)
            return []
        except OffsetOutOfRangeError as error:
            self._lost_place(consumer, error)
            return []
        records: list[Record] = []
        for place, found in polled.items():
            # Not the epoch in which the wait began: aiokafka waits through a hand-over, and what it then gives is of
            # the new one. Passed over here, it would never be given again.
            token = Token(self._positions.epoch, place)
            run = [record_of(each, self._topics[place.topic], token) for each in found]
            self._positions.polled(run)
            records += run
        return records

    async def _begin_new(self, consumer: AIOKafkaConsumer) -> None:
        """Puts every partition that the group has never committed at its beginning."""
        places = list(consumer.assignment())
        with contextlib.suppress(IllegalStateError, TimeoutError):
            committed = await self._bounded(asyncio.gather(*(consumer.committed(place) for place in places)))
            new = [place for place, offset in zip(places, committed, strict=True) if offset is None]
            if new:
                await self._bounded(consumer.seek_to_beginning(*new))

    def _lost_place(self, consumer: AIOKafkaConsumer, error: OffsetOutOfRangeError) -> None:
        for place, offset in error.args[0].items():
            self._log.critical(
                "committed-place-gone", topic=place.topic, partition=place.partition, offset=offset
            )
            self._lost_places.add(1, {"messaging.consumer.group.name": self._group})
            with contextlib.suppress(IllegalStateError):
                # Its answer is awaited by the next fetch.
                asyncio.ensure_future(consumer.seek_to_beginning(place)).add_done_callback(_ignore)

    async def _look_after(self, consumer: AIOKafkaConsumer) -> None:
        """Rebuilds a client that gets nothing although records wait, or that is never given partitions."""
        places = consumer.assignment()
        if self._assigned.is_set():
            answered = max((consumer.last_poll_timestamp(place) or 0 for place in places), default=0)
            if self._paused or not places or self._watch.saw(answered):
                self._watch.rest()
        if self._watch.silence() < self._timing.stuck:
            return
        if self._assigned.is_set() and await self._nothing_waits(consumer, places):
            self._watch.rest()
            return
        if self._watch.rebuilt:
            raise Stuck(f"the consumer {self._group} gets nothing although records wait")
        self._log.error("consumer-rebuilt", seconds=round(self._watch.silence()))
        self._rebuilds.add(1, {"messaging.consumer.group.name": self._group})
        await self._close()
        self._watch = Watch(rebuilt=True)

    async def _nothing_waits(self, consumer: AIOKafkaConsumer, places: Collection[TopicPartition]) -> bool:
        """True also where the broker does not answer: then the client is not what is stuck."""
        try:
            ends = await self._bounded(consumer.end_offsets(list(places)))
        except (KafkaError, TimeoutError):
            return True
        try:
            begun = await self._bounded(asyncio.gather(*(self._begun(consumer, place) for place in places)))
        except KafkaError:
            return True
        except TimeoutError:
            # Places are found by the same task that fetches.
            return not any(ends.values())
        return all(ends[place] <= first for place, first in zip(places, begun, strict=True))

    def _apply_pause(self) -> None:
        consumer = self._consumer
        if consumer is not None and (places := consumer.assignment()):
            (consumer.pause if self._paused else consumer.resume)(*places)

    async def _bounded(self, answer: Awaitable[T]) -> T:
        async with asyncio.timeout(self._timing.request):
            return await answer

    async def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._assigned.clear()
        self._idle.set()
        self._positions.start_anew()
        await self._commits.drop()
        if consumer is not None:
            await self._dispose(consumer)

    async def _dispose(self, consumer: AIOKafkaConsumer) -> None:
        with contextlib.suppress(KafkaError, OSError):
            await self._bounded(consumer.stop())


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    def __init__(self, transport: KafkaTransport) -> None:
        self._transport = transport

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self._transport.revoke(revoked)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._transport.assign(assigned)


def _ignore(task: asyncio.Future[object]) -> None:
    if not task.cancelled():
        task.exception()
