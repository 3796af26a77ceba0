"""Carries notices to GOV.UK Notify and follows them, outside any transaction and under a lease.

A notice is marked `unsure` before the request leaves. Whatever then happens to this process or to the answer, the
notice is looked up by its reference, once Notify must show what it accepted, before it is sent again.

The window that remains: Notify's reference is not unique, so a message that Notify accepted but shows in look-ups
only later than `look_up_after` goes out twice, and so does one whose sender was suspended between its last look at
its lease and the request for longer than the lease and `look_up_after` together. Every such message is counted
when Notify first shows it (`mash.notices.duplicates`), because each notice is followed by its reference.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4

import structlog
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.metrics import Meter
from opentelemetry.trace import NonRecordingSpan, SpanKind

from libs.messaging.codec import Decoded, Undecodable
from libs.messaging.errors import ErrorClass, classify, code_of
from libs.messaging.ledger import Bell, Ledger
from libs.messaging.tracing import span_context, traceparent_of
from services.notify import store
from services.notify.documents import Addressed, StoredNotice
from services.notify.progress import Answer, Change, Limit, Limited, NotSent, Patience, Refused, after
from services.notify.results import Tally, emit_ends
from services.notify.store import Claimed, Step

CLAIM_BATCH = 100
RECORD_BATCH = 200
GATHER_SECONDS = 0.1
"""Notices that fall due, or are answered, so close together are claimed and recorded in one transaction: a message
reaches its reader minutes later, and a transaction for each took a third of what a referral costs."""
STOP_GRACE = 5.0
"""Seconds that requests under way get when the service stops. The others are looked up by whoever runs."""

KEY_REFUSED_PAUSE = timedelta(seconds=30)

logger = structlog.get_logger(__name__)


class Provider(Protocol):
    """Sends messages for us and finds them again."""

    async def send(self, reference: UUID, addressed: Addressed, words: dict[str, str]) -> Answer:
        """Asks for one message to be sent under our reference. Never raises for what the provider does."""
        ...

    async def find(self, reference: UUID) -> Answer:
        """Every message under our reference. Never raises for what the provider does."""
        ...


@dataclass(frozen=True, slots=True)
class _Followed:
    claimed: Claimed
    change: Change
    trace: str | None


class Courier:
    """Follows every notice to its end, many at a time. Several instances share the work by leases."""

    def __init__(
        self,
        ledger: Ledger,
        provider: Provider,
        patience: Patience,
        *,
        lease: timedelta,
        at_once: int,
        look_every: float,
        meter: Meter,
        alerts_within: timedelta,
    ) -> None:
        """`alerts_within`: an alert that has not arrived after this has failed; somebody else was called by then."""
        self._ledger = ledger
        self._provider = provider
        self._patience = patience
        self._alerts_patience = replace(patience, give_up_after=alerts_within)
        self._lease = lease
        self._at_once = at_once
        self._look_every = look_every
        self._bell = Bell()
        self._done: asyncio.Queue[_Followed] = asyncio.Queue()
        self._out: set[asyncio.Task[None]] = set()
        self._sends_from: datetime | None = None
        self._claimed_at = float("-inf")
        self._stopping = False
        self._tracer = trace.get_tracer("services.notify")
        self._requests = meter.create_counter(
            "mash.notices.requests", "{request}", "Requests to GOV.UK Notify, by what became of them."
        )
        self._tally = Tally(meter)

    def stop(self) -> None:
        """Asks `run` to take on nothing more, to record what is out, and to return."""
        self._stopping = True
        self._bell.ring()

    def wake(self) -> None:
        """There may be notices that are due."""
        self._bell.ring()

    async def run(self) -> None:
        """Claims, asks and records until `stop`."""
        recorder = asyncio.create_task(self._record_all(), name="courier-recorder")
        try:
            while not self._stopping:
                try:
                    claimed = await self._claim()
                except Exception as error:  # noqa: BLE001 - the next look is the retry
                    self._report("notices-not-claimed", error)
                    claimed = 0
                if not claimed and await self._bell.wait(self._look_every) and not self._stopping:
                    await asyncio.sleep(GATHER_SECONDS)
            if self._out:
                await asyncio.wait(self._out, timeout=STOP_GRACE)
            for task in set(self._out):
                task.cancel()
            await asyncio.gather(*self._out, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_GRACE):
                    await self._done.join()
        finally:
            recorder.cancel()
            await asyncio.gather(recorder, return_exceptions=True)

    async def _claim(self) -> int:
        free = min(self._at_once - len(self._out), CLAIM_BATCH)
        ticks = asyncio.get_running_loop().time()
        # Few large claims rather than one for each slot that falls free.
        if free <= 0 or (free * 2 < self._at_once and ticks - self._claimed_at < self._look_every):
            return 0
        self._claimed_at = ticks
        now = self._ledger.clock.now()
        sends = self._sends_from is None or now >= self._sends_from
        claimed = await store.claim(self._ledger.pool, uuid4(), free, now, self._lease, sends=sends)
        if not claimed:
            return 0
        contents = await self._ledger.codec.decode([(StoredNotice, each.content) for each in claimed])
        for each, content in zip(claimed, contents, strict=True):
            task = asyncio.create_task(self._follow(each, content, ticks), name="notice")
            self._out.add(task)
            task.add_done_callback(self._finished)
        return len(claimed)

    async def _follow(
        self, claimed: Claimed, content: Decoded[StoredNotice] | Undecodable, since: float
    ) -> None:
        answer, traceparent = await self._ask(claimed, content, since)
        if claimed.send:
            await self._ledger.failpoints.hit("notify.after_send")
        now = self._ledger.clock.now()
        patience = self._alerts_patience if claimed.alert else self._patience
        change = after(claimed.standing, answer, patience, now)
        labels = {"request": "send" if claimed.send else "find", "answer": type(answer).__name__.lower()}
        self._requests.add(1, labels)
        if isinstance(answer, Limited) and answer.limit is Limit.RATE and change.due_at is not None:
            self._sends_from = change.due_at
        if isinstance(answer, NotSent) and answer.code == "key_refused":
            self._sends_from = now + KEY_REFUSED_PAUSE
            logger.critical("notify-key-refused", notice_id=str(claimed.id))
        elif isinstance(answer, Limited | Refused):
            logger.warning("notice-not-taken", notice_id=str(claimed.id), reason=change.reason)
        await self._done.put(_Followed(claimed, change, traceparent))

    async def _ask(
        self, claimed: Claimed, content: Decoded[StoredNotice] | Undecodable, since: float
    ) -> tuple[Answer, str | None]:
        """The provider's answer, and the traceparent of having asked."""
        parent = span_context(claimed.trace)
        base = otel_context.Context()
        if parent is not None:
            base = trace.set_span_in_context(NonRecordingSpan(parent), base)
        name = "send notice" if claimed.send else "follow notice"
        ids: dict[str, str | int] = {
            "mash.notice_id": str(claimed.id),
            "mash.notice.kind": claimed.kind,
            "mash.referral_id": str(claimed.referral_id),
            "mash.attempt": claimed.standing.asks,
        }
        with self._tracer.start_as_current_span(
            name, base, SpanKind.INTERNAL, ids, record_exception=False, set_status_on_exception=False
        ) as span:
            traced = span.get_span_context()
            traceparent = traceparent_of(traced) if traced.is_valid and claimed.send else None
            if not claimed.send:
                return await self._provider.find(claimed.id), traceparent
            if isinstance(content, Undecodable):
                return Refused(f"content_{content.code}"), traceparent
            addressed = content.payload.shared
            about = content.payload.children.get(claimed.child_id) if claimed.child_id else None
            if claimed.child_id is not None and about is None:
                return Refused("content_erased"), traceparent
            if asyncio.get_running_loop().time() - since > self._lease.total_seconds() / 2:
                # Too close to the moment when somebody else may look it up and send it.
                return NotSent("late"), traceparent
            words = about.personalisation if about else {}
            return await self._provider.send(claimed.id, addressed, words), traceparent

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._out.discard(task)
        self._bell.ring()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._report("notice-not-followed", error)

    async def _record_all(self) -> None:
        while True:
            batch = [await self._done.get()]
            await asyncio.sleep(GATHER_SECONDS)
            while len(batch) < RECORD_BATCH and not self._done.empty():
                batch.append(self._done.get_nowait())
            try:
                await self._record(batch)
            except Exception as error:  # noqa: BLE001 - unrecorded notices are looked up when their lease ends
                self._report("notices-not-recorded", error)
            finally:
                for _ in batch:
                    self._done.task_done()
            self._bell.ring()

    async def _record(self, batch: Sequence[_Followed]) -> None:
        """Writes what became of a batch of notices, and the events of those that ended, in one transaction."""
        async with self._ledger.unit({each.claimed.referral_id for each in batch}) as unit:
            seen = [(each.claimed.id, message) for each in batch for message in each.change.seen]
            sighting = await store.add_seen(unit.connection, seen, "asked", unit.now)
            steps = [Step(each.claimed.id, each.change, each.claimed.claim, each.trace) for each in batch]
            moved = await store.apply(unit.connection, steps, unit.now)
            ended = emit_ends(unit, moved)
        self._tally.count(sighting, ended)

    def _report(self, event: str, error: BaseException) -> None:
        passing = classify(error) is ErrorClass.TRANSIENT
        report = logger.warning if passing else logger.error
        report(event, code=code_of(error), exc_info=None if passing else error)
