"""Measures what may only ever be young: alerts look at ages, not at counts."""

from __future__ import annotations

import asyncio
import contextlib

import structlog
from opentelemetry import metrics

from libs.messaging.errors import ErrorClass, classify, code_of
from libs.messaging.ledger import Ledger
from libs.messaging.log import Fence, find_holder, read_fence
from libs.messaging.transport import Transport

_log = structlog.get_logger(__name__)

NAME_HOLDER_AFTER = 5.0
"""Seconds that one transaction may hold the fence before the log names its session."""

_ROWS = """
SELECT (SELECT count(*) FROM parked WHERE consumer = $1 AND state IN ('failed', 'waiting')) AS parked,
       (SELECT min(parked_at) FROM parked WHERE consumer = $1 AND state IN ('failed', 'waiting')) AS parked_since,
       (SELECT min(held_at) FROM held) AS held_since,
       (SELECT min(least(due_at, claim_at)) FROM timer WHERE state = 'armed' AND claim_at <= $2) AS due_since,
       (SELECT count(*) FROM outbox_dead WHERE state = 'unsent') AS dead
"""


class Ages:
    """Refreshes a service's gauges every few seconds.

    The fence's age is how long this process has seen the same oldest transaction: no clock is compared with
    another machine's, and no right to see other sessions is needed.
    """

    def __init__(
        self, ledger: Ledger, consumer: str, transport: Transport | None, *, every: float = 2.0
    ) -> None:
        self._ledger = ledger
        self._consumer = consumer
        self._transport = transport
        self._every = every
        self._stopping = asyncio.Event()
        self._fence: Fence | None = None
        self._fence_since = 0.0
        self._named: int | None = None
        meter = metrics.get_meter("libs.messaging")
        self._fence_age = meter.create_gauge(
            "outbox_fence_age_seconds",
            "s",
            "How long one transaction has held back the readers of the outbox.",
        )
        self._oldest = meter.create_gauge(
            "oldest_unprocessed_seconds", "s", "Age of the oldest event that this consumer has not processed."
        )
        self._waiting = meter.create_gauge("unprocessed_messages", "{message}", "Events not processed yet.")
        self._parked = meter.create_gauge("parked_open", "{message}", "Messages put aside and not settled.")
        self._parked_age = meter.create_gauge("parked_oldest_age_seconds", "s", "Age of the oldest of them.")
        self._held_age = meter.create_gauge(
            "held_oldest_age_seconds", "s", "How long an event waits for its referral."
        )
        self._overdue = meter.create_gauge("timers_overdue_seconds", "s", "How late the latest timer is.")
        self._dead = meter.create_gauge("outbox_dead", "{message}", "Events that could not be sent.")

    def stop(self) -> None:
        """Asks `run` to return."""
        self._stopping.set()

    async def run(self) -> None:
        """Measures until `stop`."""
        while not self._stopping.is_set():
            try:
                await self.measure()
            except Exception as error:  # noqa: BLE001 - what only measures ends nothing that works
                level = "warning" if classify(error) is ErrorClass.TRANSIENT else "error"
                getattr(_log, level)("ages-unknown", code=code_of(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._stopping.wait()

    async def measure(self) -> None:
        """Measures once."""
        await self.measure_fence()
        now = self._ledger.clock.now()
        labels = {"consumer": self._consumer}
        row = await self._ledger.pool.fetchrow(_ROWS, self._consumer, now)
        for gauge, since in (
            (self._parked_age, row["parked_since"]),
            (self._held_age, row["held_since"]),
            (self._overdue, row["due_since"]),
        ):
            gauge.set((now - since).total_seconds() if since else 0.0, labels)
        self._parked.set(row["parked"], labels)
        self._dead.set(row["dead"], labels)
        if self._transport is not None:
            backlog = await self._transport.backlog()
            self._waiting.set(backlog.records, labels)
            self._oldest.set((now - backlog.oldest).total_seconds() if backlog.oldest else 0.0, labels)

    async def measure_fence(self) -> float:
        """How many seconds the same transaction has been the oldest; names its session once it is too long."""
        now = asyncio.get_running_loop().time()
        async with self._ledger.pool.acquire() as connection:
            fence = await read_fence(connection)
            if self._fence is None or fence.xid != self._fence.xid or not fence.held:
                self._fence_since = now
            self._fence = fence
            age = now - self._fence_since
            self._fence_age.set(age, {"service": self._ledger.service.value})
            if age >= NAME_HOLDER_AFTER and self._named != fence.xid:
                self._named = fence.xid
                holder = await find_holder(connection, fence)
                if holder is not None:
                    _log.warning(
                        "outbox-fence-held",
                        pid=holder.pid,
                        application_name=holder.application_name,
                        state=holder.state,
                        age_seconds=round(age, 1),
                    )
        return age
