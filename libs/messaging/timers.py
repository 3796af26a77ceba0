"""Clocks that survive: rows that are armed, replaced and disarmed with their effects, and fire once."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

import asyncpg
import structlog

from libs.messaging.errors import ErrorClass, classify, code_of

if TYPE_CHECKING:
    from libs.messaging.ledger import Ledger, Unit

_log = structlog.get_logger(__name__)

LONGEST_SLEEP = 1.0
"""Seconds between two looks at the clocks, however far the next one is: another process may have armed one."""


@dataclass(frozen=True, slots=True)
class Timer:
    """A clock. (kind, subject) names it: arming it again replaces it and counts the generation up."""

    kind: str
    subject: UUID
    generation: int
    referral_id: UUID
    due_at: datetime
    data: Mapping[str, str | int]
    """Ids, codes and numbers only, never personal data."""
    trace: str | None
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Arm:
    """A clock to be started, not written yet."""

    kind: str
    subject: UUID
    referral_id: UUID
    due_at: datetime
    data: Mapping[str, str | int]
    trace: str | None
    fires_at: datetime | None = None
    """When it fires first, where that is before it is due, such as to warn; its handler arms it again."""


_ARM = """
INSERT INTO timer AS t (kind, subject, generation, referral_id, state, due_at, claim_at, data, traceparent, changed_at)
SELECT kind, subject, 1, referral_id, 'armed', due_at, claim_at, data, traceparent, $8
  FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::jsonb[],
              $7::text[])
    AS given (kind, subject, referral_id, due_at, claim_at, data, traceparent)
ON CONFLICT (kind, subject) DO UPDATE
   SET generation = t.generation + 1, referral_id = EXCLUDED.referral_id, state = 'armed', attempts = 0,
       due_at = EXCLUDED.due_at, claim_at = EXCLUDED.claim_at, data = EXCLUDED.data,
       traceparent = EXCLUDED.traceparent, changed_at = EXCLUDED.changed_at
"""
_DISARM = """
UPDATE timer AS t SET state = 'disarmed', changed_at = $3
  FROM unnest($1::text[], $2::uuid[]) AS given (kind, subject)
 WHERE t.kind = given.kind AND t.subject = given.subject AND t.state = 'armed'
"""


async def arm(connection: asyncpg.Connection, timers: Sequence[Arm], now: datetime) -> None:
    """Starts or replaces the clocks, in one statement. Each (kind, subject) occurs once."""
    await connection.execute(
        _ARM,
        [timer.kind for timer in timers],
        [timer.subject for timer in timers],
        [timer.referral_id for timer in timers],
        [timer.due_at for timer in timers],
        [timer.fires_at or timer.due_at for timer in timers],
        [json.dumps(dict(timer.data)) for timer in timers],
        [timer.trace for timer in timers],
        now,
    )


def is_soon(timer: Arm, now: datetime) -> bool:
    """Whether a clock fires before the timer loop looks at the clocks anyhow."""
    return (timer.fires_at or timer.due_at) < now + timedelta(seconds=LONGEST_SLEEP)


async def disarm(connection: asyncpg.Connection, names: Sequence[tuple[str, UUID]], now: datetime) -> None:
    """Stops the clocks of these (kind, subject), in one statement; those that do not run stay as they are."""
    await connection.execute(_DISARM, [kind for kind, _ in names], [subject for _, subject in names], now)


Handler: TypeAlias = "Callable[[Unit, Timer], Awaitable[None]]"
"""What a timer sets off, in the transaction that marks it as fired. It does nothing where the state has moved on."""

_DUE = """
SELECT kind, subject, generation, referral_id, attempts FROM timer
 WHERE state = 'armed' AND kind = ANY ($1::text[]) AND claim_at <= $2
 ORDER BY claim_at LIMIT $3
"""
_CLAIM = """
WITH claimed AS (
    SELECT t.kind, t.subject
      FROM timer AS t JOIN unnest($1::text[], $2::uuid[], $3::int[]) AS due (kind, subject, generation)
        ON t.kind = due.kind AND t.subject = due.subject AND t.generation = due.generation
     WHERE t.state = 'armed' AND t.claim_at <= $4
       FOR UPDATE OF t SKIP LOCKED
)
UPDATE timer AS t SET state = 'fired', changed_at = $4
  FROM claimed WHERE t.kind = claimed.kind AND t.subject = claimed.subject
RETURNING t.kind, t.subject, t.generation, t.referral_id, t.due_at, t.data, t.traceparent, t.attempts
"""
_POSTPONE = """
UPDATE timer SET attempts = attempts + 1, claim_at = $4
 WHERE kind = $1 AND subject = $2 AND generation = $3 AND state = 'armed'
"""
_NEXT = "SELECT min(claim_at) FROM timer WHERE state = 'armed' AND kind = ANY ($1::text[])"

FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(minutes=5)
PATIENCE = 2
"""So often a batch may fail in passing; after that each of its timers is tried alone, for one may be the cause."""


class TimerLoop:
    """Fires the timers of the kinds that it has handlers for. Several instances may run; each timer fires once.

    A timer is claimed, handled and marked in one transaction under its referral's lock. One whose handler fails is
    tried again, later each time, for ever: a clock is never given up. It delays no other, whatever it fails with.
    """

    def __init__(self, ledger: Ledger, handlers: Mapping[str, Handler], *, batch: int = 200) -> None:
        self._ledger = ledger
        self._handlers = dict(handlers)
        self._kinds = list(handlers)
        self._batch = batch
        self._stumbles = 0
        self._stopping = False

    def stop(self) -> None:
        """Asks `run` to finish what it has claimed and return."""
        self._stopping = True
        self._ledger.armed.ring()

    async def run(self) -> None:
        """Fires what is due, until `stop`."""
        while not self._stopping:
            sleep = LONGEST_SLEEP
            try:
                if await self.fire_due() >= self._batch:
                    continue
                sleep = await self._until_next()
            except Exception as error:
                if classify(error) is not ErrorClass.TRANSIENT:
                    raise
                _log.warning("timers-paused", code=code_of(error))
            await self._ledger.armed.wait(sleep)

    async def fire_due(self) -> int:
        """Fires one batch of what is due now. Gives how many it found."""
        now = self._ledger.clock.now()
        due = await self._ledger.pool.fetch(_DUE, self._kinds, now, self._batch)
        together = [row for row in due if not row["attempts"] and self._stumbles < PATIENCE]
        alone = [row for row in due if row["attempts"] or self._stumbles >= PATIENCE]
        try:
            if together:
                await self._fire(together, now)
            for row in alone:
                await self._fire_alone(row, now)
        except Exception:
            self._stumbles += 1
            raise
        self._stumbles = 0
        return len(due)

    async def _fire_alone(self, row: asyncpg.Record, now: datetime) -> None:
        """Fires one timer. Raises only where it cannot even be put off: then it is the surroundings that fail."""
        try:
            await self._fire([row], now)
        except Exception as error:  # noqa: BLE001 - putting it off tells which kind it is
            await self._postpone(row, error)

    async def _fire(self, due: Sequence[asyncpg.Record], now: datetime) -> None:
        """Fires these in one transaction; where that fails, in halves, so that one bad handler stands alone."""
        try:
            async with self._ledger.unit({row["referral_id"] for row in due}) as unit:
                claimed = await unit.connection.fetch(
                    _CLAIM,
                    [row["kind"] for row in due],
                    [row["subject"] for row in due],
                    [row["generation"] for row in due],
                    now,
                )
                await self._ledger.failpoints.hit("timers.after_claim")
                for row in sorted(claimed, key=lambda row: (row["due_at"], row["kind"], row["subject"])):
                    await self._handlers[row["kind"]](unit, _timer(row))
            return
        except Exception as error:
            if classify(error) is ErrorClass.TRANSIENT:
                raise
            failure = error
        if len(due) == 1:
            await self._postpone(due[0], failure)
            return
        middle = len(due) // 2
        await self._fire(due[:middle], now)
        await self._fire(due[middle:], now)

    async def _postpone(self, row: asyncpg.Record, error: Exception) -> None:
        async with self._ledger.unit([row["referral_id"]]) as unit:
            attempts = await unit.connection.fetchval(
                "SELECT attempts FROM timer WHERE kind = $1 AND subject = $2", row["kind"], row["subject"]
            )
            delay = min(FIRST_DELAY * float(2 ** min(attempts or 0, 16)), LONGEST_DELAY)
            await unit.connection.execute(
                _POSTPONE, row["kind"], row["subject"], row["generation"], unit.now + delay
            )
        _log.error(
            "timer-failed",
            timer=row["kind"],
            referral_id=str(row["referral_id"]),
            code=code_of(error),
            attempts=(attempts or 0) + 1,
        )

    async def _until_next(self) -> float:
        due = await self._ledger.pool.fetchval(_NEXT, self._kinds)
        if due is None:
            return LONGEST_SLEEP
        seconds: float = (due - self._ledger.clock.now()).total_seconds()
        return min(max(seconds, 0.001), LONGEST_SLEEP)


def _timer(row: asyncpg.Record) -> Timer:
    return Timer(
        kind=row["kind"],
        subject=row["subject"],
        generation=row["generation"],
        referral_id=row["referral_id"],
        due_at=row["due_at"],
        data=json.loads(row["data"]),
        trace=row["traceparent"],
        attempts=row["attempts"],
    )
