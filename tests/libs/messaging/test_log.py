"""The outbox is read in commit order and nothing that will still appear is passed."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterable
from uuid import UUID, uuid4

import asyncpg
import pytest

from libs.messaging.ledger import Ledger, Unit
from libs.messaging.log import (
    START,
    Cursor,
    LogRow,
    OutboxLog,
    RestoredLog,
    advance_cursor,
    find_holder,
    load_cursor,
    read_fence,
)
from libs.schemas.events import CASE_SCREENED, Service
from tests.libs.messaging.conftest import World, screen, screening

LOG = OutboxLog()
WRITERS = 16
ROWS = 6_400
PER_UNIT = 8


async def follow(connection: asyncpg.Connection, wanted: int, done: asyncio.Event) -> list[LogRow]:
    """Reads with the fence until nothing comes any more."""
    rows: list[LogRow] = []
    cursor = START
    while True:
        ended = done.is_set()
        batch = (await LOG.read(connection, cursor, 500)).rows
        rows += batch
        if batch:
            cursor = batch[-1].cursor
        elif ended or len(rows) >= wanted:
            return rows
        else:
            await asyncio.sleep(0.005)


async def follow_naively(connection: asyncpg.Connection, done: asyncio.Event) -> set[int]:
    """Reads with a cursor on the id alone."""
    seen: set[int] = set()
    last = 0
    while True:
        ended = done.is_set()
        rows = await connection.fetch("SELECT id FROM outbox WHERE id > $1 ORDER BY id LIMIT 500", last)
        if rows:
            last = rows[-1]["id"]
            seen.update(row["id"] for row in rows)
        elif ended:
            return seen
        else:
            await asyncio.sleep(0.005)


async def test_the_fenced_reader_misses_nothing_where_a_reader_by_id_does(world: World) -> None:
    ledger = await world.ledger(Service.TRIAGE)
    done = asyncio.Event()
    chance = random.Random(7)

    async def write() -> None:
        for _ in range(ROWS // WRITERS // PER_UNIT):
            referral = uuid4()
            async with ledger.unit([referral]) as unit:
                for _ in range(PER_UNIT):
                    unit.emit(CASE_SCREENED, referral, screening(unit.now), trace=None)
                await unit.flush()
                unit._events.clear()
                await asyncio.sleep(chance.uniform(0, 0.01))

    fenced = asyncio.create_task(follow(await world.connect(Service.TRIAGE), ROWS, done))
    naive = asyncio.create_task(follow_naively(await world.connect(Service.TRIAGE), done))
    await asyncio.gather(*(write() for _ in range(WRITERS)))
    done.set()
    rows = await fenced
    assert len(rows) == ROWS
    assert len({row.envelope.id for row in rows}) == ROWS
    assert [row.cursor for row in rows] == sorted(row.cursor for row in rows)
    assert len(await naive) < ROWS, "the control must fail: a reader by id alone was expected to miss rows"


async def emit_in_a_batch(ledger: Ledger, hot: list[UUID], chance: random.Random) -> None:
    for _ in range(30):
        some = chance.sample(hot, 10)
        async with ledger.unit(some) as unit:
            for referral in some:
                unit.emit(CASE_SCREENED, referral, screening(unit.now), trace=None)
            await asyncio.sleep(chance.uniform(0, 0.004))


async def emit_alone(ledger: Ledger, hot: list[UUID], chance: random.Random) -> None:
    for _ in range(60):
        async with ledger.unit([chance.choice(hot)]) as unit:
            (referral,) = unit.referrals
            unit.emit(CASE_SCREENED, referral, screening(unit.now), trace=None)
            await asyncio.sleep(chance.uniform(0, 0.002))


class RowLocks(Ledger):
    """The control: locks rows as it comes to them, after its transaction has an id."""

    @contextlib.asynccontextmanager
    async def unit(self, referrals: Iterable[UUID] = (), *, locks: Iterable[str] = ()) -> AsyncIterator[Unit]:
        wanted = frozenset(referrals)
        async with self.pool.acquire() as connection, connection.transaction():
            # What a consumer does first: it takes the event into its inbox, which gives the transaction its id.
            await connection.execute("SELECT pg_current_xact_id()")
            await connection.execute(
                "SELECT 1 FROM stream WHERE referral_id = ANY ($1::uuid[]) ORDER BY referral_id FOR UPDATE",
                wanted,
            )
            unit = Unit(self, connection, self.clock.now(), wanted)
            yield unit
            await unit.flush()


async def out_of_order(world: World, ledger: Ledger) -> int:
    """Has batches and single writers meet on 20 hot referrals; counts events that the log shows too early."""
    hot = [uuid4() for _ in range(20)]
    await screen(ledger, hot)
    chance = random.Random(11)
    await asyncio.gather(
        *(emit_in_a_batch(ledger, hot, chance) for _ in range(4)),
        *(emit_alone(ledger, hot, chance) for _ in range(8)),
    )
    connection = await world.connect(Service.TRIAGE)
    last: dict[UUID, int] = {}
    wrong = 0
    everything = 20 + 4 * 30 * 10 + 8 * 60
    done = asyncio.Event()
    done_at = asyncio.get_running_loop().call_later(5, done.set)
    rows = await follow(connection, everything, done)
    done_at.cancel()
    for row in rows:
        wrong += row.envelope.sequence != last.get(row.envelope.referral_id, 0) + 1
        last[row.envelope.referral_id] = row.envelope.sequence
    assert len(rows) == everything
    return wrong


async def test_batches_beside_single_writers_keep_each_referrals_order(world: World) -> None:
    assert await out_of_order(world, await world.ledger(Service.TRIAGE)) == 0


async def test_row_locks_alone_would_not_keep_the_order(world: World) -> None:
    ledger = await world.ledger(Service.TRIAGE)
    control = RowLocks(
        ledger.pool, Service.TRIAGE, partnership="peterborough", codec=ledger.codec, clock=ledger.clock
    )
    assert await out_of_order(world, control) > 0, "the control must fail"


async def test_a_log_restored_into_a_younger_cluster_is_refused(world: World) -> None:
    ledger = await world.ledger(Service.TRIAGE)
    await screen(ledger, [uuid4()])
    await LOG.refuse_if_restored(ledger.pool, START)
    await world.fetch("UPDATE triage.outbox SET xid = '9000000000'")
    with pytest.raises(RestoredLog, match="another cluster"):
        await LOG.refuse_if_restored(ledger.pool, START)


async def test_a_reader_restored_ahead_of_its_cluster_is_refused_where_the_log_is_empty(world: World) -> None:
    ledger = await world.ledger(Service.TRIAGE)
    ahead = Cursor(9_000_000_000, 7)
    await screen(ledger, [uuid4()])
    assert (await LOG.read(ledger.pool, ahead, 10)).rows == [], "what is written now would never be read"
    await world.fetch("TRUNCATE triage.outbox")
    with pytest.raises(RestoredLog, match="another cluster"):
        await LOG.refuse_if_restored(ledger.pool, ahead)


async def test_a_cursor_moves_only_from_where_it_stands(world: World) -> None:
    pool = (await world.ledger(Service.TRIAGE)).pool
    now = world.clock.now()
    assert await load_cursor(pool, "relay", now) == START
    assert await advance_cursor(pool, "relay", START, Cursor(7, 3), now)
    assert not await advance_cursor(pool, "relay", START, Cursor(9, 9), now)
    assert not await advance_cursor(pool, "relay", Cursor(7, 2), Cursor(9, 9), now)
    assert await load_cursor(pool, "relay", now) == Cursor(7, 3)


async def test_a_look_tells_what_may_be_read_what_is_held_back_and_that_more_may_follow(world: World) -> None:
    ledger = await world.ledger(Service.TRIAGE)
    early = await screen(ledger, [uuid4() for _ in range(3)])
    idle = await asyncpg.connect(world.dsn)
    transaction = idle.transaction()
    await transaction.start()
    await idle.execute("SELECT pg_current_xact_id()")
    await screen(ledger, [uuid4() for _ in range(4)])
    looks = [await LOG.read(ledger.pool, START, limit) for limit in (2, 3, 10)]
    assert [[row.envelope.id for row in look.rows] for look in looks] == [early[:2], early, early]
    assert [(look.held, look.full) for look in looks] == [(True, True), (True, True), (True, False)]
    await transaction.rollback()
    await idle.close()
    after = await LOG.read(ledger.pool, looks[-1].rows[-1].cursor, 10)
    assert (len(after.rows), after.held, after.full) == (4, False, False)


async def test_a_prepared_transaction_that_nobody_ends_is_named(world: World) -> None:
    ledger = await world.ledger(Service.TRIAGE)
    other = await asyncpg.connect(world.dsn)
    await other.execute("BEGIN; CREATE TABLE public.left_open (); PREPARE TRANSACTION 'left-open'")
    try:
        await screen(ledger, [uuid4()])
        holder = await find_holder(ledger.pool, await read_fence(ledger.pool))
    finally:
        await other.execute("ROLLBACK PREPARED 'left-open'")
        await other.close()
    assert holder is not None
    assert (holder.pid, holder.application_name) == (None, "prepared transaction")


async def test_an_idle_writer_holds_later_rows_back_and_is_named(world: World) -> None:
    ledger = await world.ledger(Service.TRIAGE)
    idle = await asyncpg.connect(world.dsn, server_settings={"application_name": "somebody-else"})
    transaction = idle.transaction()
    await transaction.start()
    await idle.execute("SELECT pg_current_xact_id()")
    await screen(ledger, [uuid4()])
    assert await LOG.read(ledger.pool, START, 10) == ([], True, False)
    fence = await read_fence(ledger.pool)
    holder = await find_holder(ledger.pool, fence)
    assert fence.held
    assert holder is not None
    assert (holder.pid, holder.application_name) == (idle.get_server_pid(), "somebody-else")
    await transaction.rollback()
    await idle.close()
    assert len((await LOG.read(ledger.pool, START, 10)).rows) == 1
