"""A service's schema as the one place where effects and the events about them are written together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

import asyncpg

from libs.messaging import held, outbox, timers
from libs.messaging.codec import Codec, P
from libs.messaging.errors import ErrorClass, Transient, classify
from libs.messaging.event import Event, new_event_id, source_of
from libs.messaging.failpoints import NEVER, Failpoints
from libs.messaging.outbox import OutboxRow, Outgoing
from libs.messaging.timers import Arm
from libs.schemas.clock import Clock
from libs.schemas.events import EventType, Service

_BEGIN = "BEGIN; SELECT count(pg_advisory_xact_lock(key)) FROM unnest('{{{keys}}}'::bigint[]) AS key"
"""One round trip; the statements that follow see what was committed before the locks were had."""

_LOCK = "SELECT count(pg_advisory_xact_lock(key)) FROM unnest($1::bigint[]) AS key"


@contextlib.asynccontextmanager
async def _transaction(connection: asyncpg.Connection, keys: Iterable[int]) -> AsyncIterator[None]:
    """A transaction that begins by taking these advisory locks, in this order."""
    await connection.execute(_BEGIN.format(keys=",".join(map(str, keys))))
    try:
        yield
    except BaseException:
        if not _is_lost(connection):
            await connection.execute("ROLLBACK")
        raise
    if await connection.execute("COMMIT") != "COMMIT":
        raise RolledBack("a statement of this transaction had failed before")


def _is_lost(connection: asyncpg.Connection) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        # The pool has taken back what stood for it.
        return True


class RolledBack(Exception):
    """The database answered a commit by rolling back, as it does where a failed statement was passed over."""


class Bell:
    """Wakes the one task that waits for it, so that it need not poll often."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wakes the waiting task, or the next one that waits."""
        self._event.set()

    async def wait(self, timeout: float) -> bool:
        """Waits for a ring, at most `timeout` seconds. True if it rang."""
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Unit:
    """One open transaction that holds the locks of its referrals: the only way to write state, events and timers."""

    def __init__(
        self, ledger: Ledger, connection: asyncpg.Connection, now: datetime, referrals: frozenset[UUID]
    ) -> None:
        self.connection = connection
        self.now = now
        self.referrals = referrals
        self.holding: frozenset[UUID] | None = None
        """Referrals that events are held for, where that is known already; None where it is not."""
        self._ledger = ledger
        self._events: list[Outgoing] = []
        self._timers: dict[tuple[str, UUID], Arm | None] = {}
        self.committed: list[Callable[[], None]] = []
        """Called once the unit has committed, and never where it has not: to wake whoever goes on from here."""

    def emit(
        self,
        type: EventType[P],
        referral_id: UUID,
        payload: P,
        *,
        trace: str | None,
        tracestate: str | None = None,
    ) -> UUID:
        """Writes an event at the end of the unit; gives its id. `trace`: traceparent of what causes it.

        Raises ValueError where the unit does not hold the referral's lock or the service does not produce the
        type, TypeError where the payload is of another type.
        """
        self._require(referral_id)
        if type.producer is not self._ledger.service:
            raise ValueError(f"{self._ledger.service} does not produce {type.name}")
        if not isinstance(payload, type.payload):
            raise TypeError(f"the payload is not that of {type.name}")
        event = Outgoing(new_event_id(self.now), type, referral_id, payload, trace, tracestate)
        self._events.append(event)
        return event.id

    def arm(
        self,
        kind: str,
        referral_id: UUID,
        subject: UUID,
        due_at: datetime,
        *,
        trace: str | None = None,
        data: Mapping[str, str | int] | None = None,
        fires_at: datetime | None = None,
    ) -> None:
        """Starts the clock (kind, subject), or replaces it. `data` holds ids, codes and numbers only.

        `fires_at`: when it fires first, where that is before it is due; its handler then arms it again.
        """
        self._require(referral_id)
        self._timers[kind, subject] = Arm(kind, subject, referral_id, due_at, data or {}, trace, fires_at)

    def disarm(self, kind: str, subject: UUID) -> None:
        """Stops the clock (kind, subject) if it runs."""
        self._timers[kind, subject] = None

    async def lock(self, names: Iterable[str]) -> None:
        """Takes these locks in one sorted order until the unit ends: of what belongs to several referrals, and is known
        only once they were read. Waits while another unit holds one. Once in a unit, so that nobody waits in a circle.
        """
        keys = sorted({self._ledger.lock_key(name) for name in names})
        if keys:
            await self.connection.execute(_LOCK, keys)

    async def hold(self, events: Sequence[Event]) -> None:
        """Keeps events that came before their referral; `release` gives them back when it has come."""
        if events:
            await held.hold(self.connection, self._ledger.codec, events, self.now)

    async def release(self, referral_ids: Iterable[UUID]) -> list[Event]:
        """Takes back what was held for these referrals, to be processed in this unit.

        Each producer's events come in the order of their sequence. Raises Permanent where one cannot be read.
        """
        wanted = frozenset(referral_ids)
        if self.holding is not None:
            wanted &= self.holding
        return await held.take(self.connection, self._ledger.codec, wanted) if wanted else []

    async def flush(self) -> tuple[bool, bool]:
        """Writes what was emitted and armed. True, True: there were events, there were timers that fire so soon that
        the timer loop must be woken for them.
        """
        if self._events:
            values = await self._ledger.codec.encode([event.payload for event in self._events])
            await outbox.append(self.connection, self._events, values, self._ledger.source, self.now)
        armed = [timer for timer in self._timers.values() if timer is not None]
        if armed:
            await timers.arm(self.connection, armed, self.now)
        disarmed = [name for name, timer in self._timers.items() if timer is None]
        if disarmed:
            await timers.disarm(self.connection, disarmed, self.now)
        return bool(self._events), any(timers.is_soon(timer, self.now) for timer in armed)

    def _require(self, referral_id: UUID) -> None:
        if referral_id not in self.referrals:
            raise ValueError("this unit does not hold the referral's lock: name the referral when opening it")


class Ledger:
    """Opens units, and wakes whoever carries on what they wrote.

    `pool`: connections whose search_path is the service's own schema. `partnership`: named in every event's source.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        service: Service,
        *,
        partnership: str,
        codec: Codec,
        clock: Clock,
        failpoints: Failpoints = NEVER,
    ) -> None:
        self.pool = pool
        self.service = service
        self.source = source_of(partnership, service)
        self.codec = codec
        self.clock = clock
        self.failpoints = failpoints
        self.appended = Bell()
        """Rings after events were committed. The relay waits for it."""
        self.armed = Bell()
        """Rings after timers were committed that fire before the timer loop would look again by itself."""

    @contextlib.asynccontextmanager
    async def unit(self, referrals: Iterable[UUID] = (), *, locks: Iterable[str] = ()) -> AsyncIterator[Unit]:
        """Opens a transaction that holds the lock of each referral, and of each further name in `locks`.

        The locks are taken in one sorted order and before anything that assigns a transaction id: that is what
        makes the order of commits the order of each referral's events. On success what was emitted and armed is
        written and committed. Waits while another unit holds a lock. Never call a network service inside.
        Raises Transient where the database connection was lost, RolledBack where a failure was passed over inside.
        """
        held_referrals = frozenset(referrals)
        keys = sorted(
            {self.lock_key(str(each)) for each in held_referrals} | {self.lock_key(name) for name in locks}
        )
        async with self.pool.acquire() as connection:
            try:
                async with _transaction(connection, keys):
                    unit = Unit(self, connection, self.clock.now(), held_referrals)
                    yield unit
                    appended, armed = await unit.flush()
            except Exception as error:
                if _is_lost(connection) and classify(error) is ErrorClass.UNKNOWN:
                    raise Transient("database-connection-lost") from error
                raise
        if appended:
            self.appended.ring()
        if armed:
            self.armed.ring()
        for call in unit.committed:
            call()

    def lock_key(self, name: str) -> int:
        """The advisory lock of a name, within this service: a signed 64-bit number."""
        digest = blake2b(f"{self.service.value}/{name}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)

    async def outbox_row(
        self,
        type: EventType[P],
        referral_id: UUID,
        payload: P,
        *,
        trace: str | None,
        tracestate: str | None = None,
        now: datetime | None = None,
    ) -> OutboxRow:
        """The first event of a referral that nobody else can know yet, for a statement that inserts it all at once.

        That statement inserts these OUTBOX_COLUMNS into `outbox` and (referral_id, 1) into `stream`; no lock is
        needed. Call `wake` after the commit.
        """
        instant = now or self.clock.now()
        (value,) = await self.codec.encode([payload])
        return OutboxRow(
            new_event_id(instant),
            type.name,
            type.topic,
            self.source,
            referral_id,
            1,
            instant,
            trace,
            tracestate,
            value,
        )

    def wake(self) -> None:
        """Tells the relay that events were committed by a statement of the caller's own."""
        self.appended.ring()
