"""Consumes: polls a batch, applies it in a transaction or two, commits it, and finds the culprit when that fails."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from uuid import UUID

import structlog
from opentelemetry import metrics

from libs.messaging import inbox, parking
from libs.messaging.alarm import Alarm, log_only
from libs.messaging.consumer import Consumer
from libs.messaging.errors import ErrorClass, Transient, classify, code_of
from libs.messaging.ledger import Ledger, Unit
from libs.messaging.limits import LANE_RECORDS, USUAL, Limits
from libs.messaging.message import Message, read, runs
from libs.messaging.parking import BEHIND, Parking
from libs.messaging.suspect import OUT_OF_TIME, Suspect
from libs.messaging.tracing import Tracing, end
from libs.messaging.transport import Transport

_log = structlog.get_logger(__name__)


class BreakerOpen(Exception):
    """Too many messages failed one after the other to believe that it is their fault."""


class Runner:
    """Runs one consumer on one transport until it is told to stop.

    A batch is one transaction, a large one a few: inbox, state, outbox, timers and parked messages together; the
    transport's commit comes after all of them and may be lost. A transaction that fails is halved until the culprit
    stands alone. Transient errors pause and park nothing, and the next batch is half as large: this one may have been
    too much for the database's limits of time and locks. Too many failures in a row pause too, since they look like a
    bad deploy; after each such pause what can be processed of other referrals is, and one more message is parked. A
    success ends the suspicion, and batches grow again.
    """

    def __init__(
        self,
        ledger: Ledger,
        transport: Transport,
        consumer: Consumer,
        *,
        limits: Limits = USUAL,
        alarm: Alarm = log_only,
        tracing: Tracing | None = None,
    ) -> None:
        self._ledger = ledger
        self._transport = transport
        self._consumer = consumer
        self._limits = limits
        self._alarm = alarm
        self._tracing = tracing or Tracing(consumer.name, transport.system)
        self._stopping = asyncio.Event()
        self._consecutive = 0
        self._suspicious = False
        self._suspect = Suspect(limits)
        self._pauses = 0
        self._halvings = 0
        meter = metrics.get_meter("libs.messaging")
        self._consumed = meter.create_counter("messaging.client.consumed.messages", "{message}")
        self._parked = meter.create_counter("parked_messages", "{message}", "Messages put aside.")
        self._duration = meter.create_histogram(
            "messaging.process.duration", "s", "Time to process one batch."
        )
        self._attributes = {
            "messaging.system": transport.system,
            "messaging.consumer.group.name": consumer.name,
            "messaging.operation.name": "process",
        }

    def stop(self) -> None:
        """Asks `run` to finish the batch in hand, commit it, leave the group and return."""
        self._stopping.set()

    async def run(self) -> None:
        """Consumes until `stop`. Raises what the transport raises beyond transient errors."""
        started = False
        try:
            while not self._stopping.is_set():
                try:
                    if not started:
                        await self._transport.start()
                        started = True
                    if 0 < await self._round() < self._limits.max_records and self._limits.linger:
                        await self._rest(self._limits.linger)
                except BreakerOpen:
                    await self._sit_out()
                except Exception as error:
                    if classify(error) is not ErrorClass.TRANSIENT:
                        raise
                    await self._wait_after(error)
        finally:
            if started:
                await self._transport.stop()

    async def _round(self) -> int:
        """Polls one batch and applies it. Gives how many records it had."""
        most = max(1, self._limits.max_records >> self._halvings)
        if self._suspect.stands:
            # Only what waits behind it can show that the fault is its own.
            most = max(most, LANE_RECORDS)
        records = await self._transport.poll(most, self._limits.poll_timeout)
        if not records:
            return 0
        begun = asyncio.get_running_loop().time()
        messages: list[Message] = []
        failure: str | None = "abandoned"
        try:
            messages = await read(records, self._consumer.types, self._ledger.codec, self._tracing)
            with self._tracing.batch([message.span for message in messages]):
                suspect = self._suspect.among(messages)
                if suspect is not None and await self._others_pass(messages, suspect):
                    await self._convict(suspect)
                    self._suspect.passed([suspect])
                if self._suspicious:
                    await self._look_behind(messages)
                await self._process_in_lanes(messages)
            self._suspicious = False
            failure = None
        except BaseException as error:
            failure = code_of(error)
            if classify(error) is ErrorClass.TRANSIENT:
                self._halvings = min(self._halvings + 1, 16)
            with contextlib.suppress(Exception):
                await self._transport.abandon(records)
            raise
        finally:
            for message in messages:
                end(message.span, failure)
        self._suspect.passed(messages)
        self._pauses = 0
        self._halvings = max(0, self._halvings - 1)
        self._consumed.add(len(messages), self._attributes)
        self._duration.record(asyncio.get_running_loop().time() - begun, self._attributes)
        try:
            await self._ledger.failpoints.hit("runner.after_commit")
            await self._transport.commit(records)
        except Exception:
            with contextlib.suppress(Exception):
                await self._transport.abandon(records)
            raise
        return len(records)

    async def _process_in_lanes(self, messages: Sequence[Message]) -> None:
        """Applies a large batch as several transactions side by side, all events of a referral in one of them.

        Each referral goes to the lane with the least to do. By its id it would share one with those that were in one
        lane where their events were made, and so come together.

        Where one fails the others end first; the whole batch then comes again, and theirs has no second effect.
        """
        count = 1 if self._suspicious else min(self._limits.lanes, len(messages) // LANE_RECORDS)
        if count < 2:
            await self._process(messages)
            return
        lanes: list[list[Message]] = [[] for _ in range(count)]
        lane_of: dict[UUID, list[Message]] = {}
        for message in messages:
            lane = lane_of.get(message.referral_id)
            if lane is None:
                lane = lane_of[message.referral_id] = min(lanes, key=len)
            lane.append(message)
        ended = await asyncio.gather(*(self._process(lane) for lane in lanes), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def _process(self, messages: Sequence[Message]) -> None:
        """Applies the messages in order. Raises only what is transient, or BreakerOpen."""
        if not messages:
            return
        if len(messages) == 1:
            await self._process_one(messages[0])
            return
        try:
            await self._apply(messages)
            return
        except Exception as error:
            if classify(error) is ErrorClass.TRANSIENT:
                raise
            _log.warning(
                "batch-halved", consumer=self._consumer.name, count=len(messages), code=code_of(error)
            )
        middle = len(messages) // 2
        await self._process(messages[:middle])
        await self._process(messages[middle:])

    async def _look_behind(self, messages: Sequence[Message]) -> None:
        """Applies, after a pause, the messages of each referral that can be, and parks nothing for failing.

        From the last referral to the first, for it is at the head that the bad ones stand. Ends where so many fail
        that it is no use.
        """
        failed = 0
        for run in reversed(runs(messages)):
            try:
                await self._apply(run)
            except Exception as error:
                if classify(error) is ErrorClass.TRANSIENT:
                    raise
                failed += 1
                if failed >= self._limits.max_consecutive_parked:
                    return

    async def _others_pass(self, messages: Sequence[Message], suspect: Message) -> bool:
        """Applies the messages of one other referral, as the first that can be: whether the surroundings let any pass.

        Raises what is transient where none of a few does.
        """
        failures = 0
        for run in runs(messages, apart_from=suspect.referral_id):
            try:
                await self._apply(run)
            except Exception as error:
                if classify(error) is not ErrorClass.TRANSIENT:
                    continue
                failures += 1
                if failures >= self._limits.overlong_tries:
                    raise
            else:
                return True
        return False

    async def _convict(self, suspect: Message) -> None:
        """Parks it where it outlasts surroundings that have just let another pass. Raises what is transient."""
        began = asyncio.get_running_loop().time()
        try:
            await self._apply([suspect])
        except Exception as error:
            if classify(error) is not ErrorClass.TRANSIENT:
                return
            if asyncio.get_running_loop().time() - began < self._limits.overlong:
                raise
            await self._park(suspect, ErrorClass.UNKNOWN, Transient(OUT_OF_TIME))

    async def _process_one(self, message: Message) -> None:
        for attempt in range(1, self._limits.quick_retries + 2):
            began = asyncio.get_running_loop().time()
            try:
                await self._apply([message])
                return
            except BreakerOpen:
                raise
            except Exception as error:
                kind = classify(error)
                if kind is ErrorClass.TRANSIENT:
                    self._suspect.failed(message, asyncio.get_running_loop().time() - began)
                    raise
                if kind is ErrorClass.PERMANENT or attempt > self._limits.quick_retries:
                    await self._park(message, kind, error)
                    return
            await asyncio.sleep(self._limits.quick_delay * 2 ** (attempt - 1))

    async def _apply(self, messages: Sequence[Message]) -> None:
        """One transaction for all of them: those that can be read and are not blocked are handled."""
        handled = False
        async with self._ledger.unit({message.referral_id for message in messages}) as unit:
            claimed = await self._claim(unit, messages)
            blocked = set(claimed.blocked)
            events = []
            parkings = []
            for message in messages:
                if message.id not in claimed.fresh or message.erased:
                    continue
                if message.referral_id in blocked:
                    parkings.append(Parking(message, False, ErrorClass.UNKNOWN, BEHIND, attempts=0))
                elif message.event is None:
                    blocked.add(message.referral_id)
                    parkings.append(
                        Parking(message, True, ErrorClass.PERMANENT, message.code or "unreadable")
                    )
                else:
                    events.append(message.event)
            if events:
                await self._consumer.handle(unit, events)
                handled = True
            if parkings:
                self._count_consecutive(parkings, handled)
                await parking.park(unit.connection, self._consumer.name, parkings, unit.now)
                await self._consumer.stopped(unit, [each.parked(unit.now) for each in parkings])
        if handled:
            self._consecutive = 0
        if parkings:
            self._note(parkings)

    async def _park(self, message: Message, kind: ErrorClass, error: Exception) -> None:
        """Puts one message aside; also where the consumer cannot make that visible, which then is an alarm."""
        if message.code is None:
            first = Parking(message, True, kind, code_of(error))
        else:
            first = Parking(message, True, ErrorClass.PERMANENT, message.code)
        self._count_consecutive([first], False)
        try:
            await self._park_once(first, visibly=True)
        except Exception as hidden:
            if classify(hidden) is ErrorClass.TRANSIENT:
                raise
            await self._park_once(first, visibly=False)
            await self._alarm(
                "stopped-unseen",
                {
                    "consumer": self._consumer.name,
                    "event_id": str(message.id),
                    "referral_id": str(message.referral_id),
                    "reason": code_of(hidden),
                },
            )

    async def _park_once(self, first: Parking, *, visibly: bool) -> None:
        message = first.message
        async with self._ledger.unit([message.referral_id]) as unit:
            claimed = await self._claim(unit, [message])
            if message.id not in claimed.fresh:
                return
            behind = message.referral_id in claimed.blocked
            final = Parking(message, False, ErrorClass.UNKNOWN, BEHIND, attempts=0) if behind else first
            await parking.park(unit.connection, self._consumer.name, [final], unit.now)
            if visibly:
                await self._consumer.stopped(unit, [final.parked(unit.now)])
        self._note([final])

    async def _claim(self, unit: Unit, messages: Sequence[Message]) -> inbox.Claimed:
        claimed = await inbox.claim(
            unit.connection,
            self._consumer.name,
            [message.id for message in messages],
            [message.type for message in messages],
            list(unit.referrals),
            unit.now,
        )
        unit.holding = claimed.holding
        return claimed

    def _count_consecutive(self, parkings: Sequence[Parking], handled: bool) -> None:
        """Raises BreakerOpen before the transaction parks more in a row than is believable."""
        failed = sum(each.first for each in parkings)
        if failed and (0 if handled else self._consecutive) + failed > self._limits.max_consecutive_parked:
            raise BreakerOpen

    def _note(self, parkings: Sequence[Parking]) -> None:
        for each in parkings:
            self._consecutive += each.first
            self._parked.add(1, {**self._attributes, "error.type": each.code})
            _log.error(
                "parked",
                consumer=self._consumer.name,
                event_id=str(each.message.id),
                event_type=each.message.type,
                referral_id=str(each.message.referral_id),
                error_class=each.error_class.value,
                code=each.code,
                attempts=each.attempts,
            )

    async def _sit_out(self) -> None:
        """Keeps the membership without taking messages; then a few may show whether it works again."""
        await self._alarm("consumer-paused", {"consumer": self._consumer.name})
        loop = asyncio.get_running_loop()
        until = loop.time() + self._limits.breaker_pause
        self._transport.pause()
        try:
            while not self._stopping.is_set() and (left := until - loop.time()) > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left, 1.0)):
                        await self._stopping.wait()
                try:
                    await self._transport.poll(1, 0.0)
                except Exception as error:
                    if classify(error) is not ErrorClass.TRANSIENT:
                        raise
                    await self._wait_after(error)
        finally:
            self._transport.resume()
        self._suspicious = True
        self._consecutive = self._limits.max_consecutive_parked - 1

    async def _wait_after(self, error: Exception) -> None:
        delay = min(self._limits.pause * 2**self._pauses, self._limits.longest_pause)
        self._pauses = min(self._pauses + 1, 16)
        delay *= random.uniform(0.5, 1.0)  # noqa: S311 - spreads instances, guards nothing
        _log.warning("paused", consumer=self._consumer.name, code=code_of(error), seconds=round(delay, 2))
        await self._rest(delay)

    async def _rest(self, seconds: float) -> None:
        """Waits, but not for longer than until `stop`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
