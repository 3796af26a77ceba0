"""Pruning takes nothing that is needed, ages show what stands still, parts stop in order."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from uuid import uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from libs.messaging import ages
from libs.messaging.ages import Ages
from libs.messaging.errors import Permanent
from libs.messaging.ledger import Ledger
from libs.messaging.log import Cursor, load_cursor
from libs.messaging.parked import ParkedMessages, ParkedState
from libs.messaging.reconciler import Reconciler, Sweep
from libs.messaging.retention import Retention, outbox_readers
from libs.messaging.tables import create_sql
from libs.messaging.tasks import Background
from libs.messaging.transport import Backlog
from libs.platform.database import role_dsn, session_settings
from libs.platform.provision import grant, prepare
from libs.schemas.events import Service
from tests.libs.messaging.conftest import (
    Hands,
    Late,
    Once,
    Recorder,
    World,
    deliver,
    running,
    screen,
    until,
    withdraw,
)


async def events(world: World) -> int:
    count: int = (await world.fetch("SELECT count(*) AS n FROM triage.outbox"))[0]["n"]
    return count


async def place(ledger: Ledger, schema: Service, name: str, cursor: Cursor) -> None:
    await ledger.pool.execute(
        f"INSERT INTO {schema.value}.log_cursor VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (name) DO UPDATE SET xid = EXCLUDED.xid, id = EXCLUDED.id",
        name,
        cursor.xid,
        cursor.id,
        ledger.clock.now(),
    )


async def test_pruning_waits_for_every_cursor_and_for_the_retention(world: World) -> None:
    ledger = await world.ledger(Service.TRIAGE)
    readers = outbox_readers(Service.TRIAGE, "postgres")
    assert {service for service, _ in readers} == {Service.INTAKE, Service.ENRICHMENT, Service.NOTIFY}
    retention = Retention(ledger, readers)
    for _ in range(5):
        await screen(ledger, [uuid4()])
    rows = await world.fetch("SELECT xid, id FROM triage.outbox ORDER BY xid, id")
    places = [Cursor(row["xid"], row["id"]) for row in rows]
    world.clock.forward(days=8)
    await retention.prune()
    assert await events(world) == 5, "one reader was never seen"
    for (service, name), reached in zip(readers, (4, 1, 3), strict=True):
        await place(ledger, service, name, places[reached])
    await screen(ledger, [uuid4()])
    await retention.prune()
    assert await events(world) == 4, "two are behind the slowest reader"
    for service, name in readers:
        await place(ledger, service, name, Cursor(2**40, 2**40))
    await retention.prune()
    assert await events(world) == 1, "the newest is younger than the retention"


async def test_an_outbox_is_kept_whose_reader_cannot_be_asked_how_far_it_is(world: World) -> None:
    ledger = await world.ledger(Service.TRIAGE)
    await screen(ledger, [uuid4()])
    readers = outbox_readers(Service.TRIAGE, "postgres")
    for service, name in readers:
        await place(ledger, service, name, Cursor(2**40, 2**40))
    await world.fetch("DROP FUNCTION notify.log_position")
    world.clock.forward(days=8)
    await Retention(ledger, readers).prune()
    assert await events(world) == 1


async def test_a_settled_clock_is_kept_for_five_weeks_and_an_armed_one_for_good(world: World) -> None:
    ledger = await world.ledger(Service.TRIAGE)
    retention = Retention(ledger, outbox_readers(Service.TRIAGE, "kafka"))
    stopped, armed = uuid4(), uuid4()
    async with ledger.unit([stopped, armed]) as unit:
        for each in (stopped, armed):
            unit.arm("decision", each, each, unit.now, trace=None)
    async with ledger.unit([stopped]) as unit:
        unit.disarm("decision", stopped)
    left = []
    for days in (34, 2):
        world.clock.forward(days=days)
        await retention.prune()
        left.append({row["subject"] for row in await world.fetch("SELECT subject FROM triage.timer")})
    assert left == [{stopped, armed}, {armed}]


async def test_the_inbox_is_kept_longer_than_any_event_can_come_again(world: World) -> None:
    ledger = await world.ledger(Service.TRIAGE)
    retention = Retention(ledger, outbox_readers(Service.TRIAGE, "kafka"))
    await ledger.pool.execute(
        "INSERT INTO inbox SELECT 'triage', gen_random_uuid(), 'x', $1 FROM generate_series(1, 5000)",
        world.clock.now(),
    )
    world.clock.forward(days=34)
    await retention.prune()
    assert await ledger.pool.fetchval("SELECT count(*) FROM inbox") == 5000
    world.clock.forward(days=2)
    await retention.prune()
    assert await ledger.pool.fetchval("SELECT count(*) FROM inbox") == 0


async def test_the_content_of_a_settled_parked_message_goes_and_what_was_done_stays(world: World) -> None:
    intake, consumer = await world.ledger(Service.INTAKE), Recorder()
    consumer.fail = lambda event: Permanent("bad-fact")
    ids = [(await withdraw(intake, [uuid4()], words="Alice Example"))[0] for _ in range(2)]
    await deliver(world, consumer, Service.INTAKE, ids)
    ledger = await world.ledger(Service.TRIAGE)
    messages = ParkedMessages(ledger, consumer)
    await messages.discard(ids[0], reason="entered twice", by="person-7")
    retention = Retention(ledger, outbox_readers(Service.TRIAGE, "kafka"))
    for days, kept in ((34, True), (2, False)):
        world.clock.forward(days=days)
        await retention.prune()
        detail = await messages.show(ids[0], by="reader")
        assert (detail.event is not None) is kept
        assert bool(detail.text) is kept
    detail = await messages.show(ids[0], by="reader")
    assert detail.message.state is ParkedState.DISCARDED
    assert [each.reason for each in detail.actions if each.action == "discarded"] == ["entered twice"]
    (row,) = await world.fetch("SELECT * FROM triage.parked WHERE event_id = $1", ids[0])
    assert (row["payload"], row["headers"], row["key"]) == (b"", "{}", b"")
    assert (await messages.show(ids[1], by="reader")).event is not None, "what is open keeps it"
    inbox = await world.fetch("SELECT event_id FROM triage.inbox")
    assert [row["event_id"] for row in inbox] == [ids[1]], "what is open could be parked no second time"


async def test_what_waits_for_a_referral_that_does_not_come_is_named_each_day_and_never_dropped(
    world: World,
) -> None:
    ledger, intake, referral = await world.ledger(Service.TRIAGE), await world.ledger(Service.INTAKE), uuid4()
    ids = [(await withdraw(intake, [referral], words="Alice Example"))[0] for _ in range(2)]
    await deliver(world, Late(), Service.INTAKE, ids)
    alarms: list[tuple[str, dict[str, str]]] = []

    async def alarm(code: str, of: dict[str, str]) -> None:
        alarms.append((code, of))

    retention = Retention(ledger, outbox_readers(Service.TRIAGE, "kafka"), alarm=alarm)
    for hours, told in ((23, 0), (2, 1), (1, 1), (24, 2), (24 * 365, 3)):
        world.clock.forward(hours=hours)
        await retention.prune()
        assert len(alarms) == told
    assert {(code, of["referral_id"], of["count"]) for code, of in alarms} == {
        ("held-without-referral", str(referral), "2")
    }
    assert "Alice" not in repr(alarms)
    assert len(await world.fetch("SELECT event_id FROM triage.held")) == 2


async def test_who_holds_the_fence_is_named_in_the_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ages, "NAME_HOLDER_AFTER", 0.2)
    ledger = await world.ledger(Service.TRIAGE)
    watch = Ages(ledger, "triage", None)
    assert await watch.measure_fence() == 0
    idle = await asyncpg.connect(world.dsn, server_settings={"application_name": "somebody-else"})
    transaction = idle.transaction()
    await transaction.start()
    await idle.execute("SELECT pg_current_xact_id()")
    await screen(ledger, [uuid4()])
    with capture_logs() as logs:
        await watch.measure_fence()
        await asyncio.sleep(0.3)
        assert await watch.measure_fence() >= 0.2
        await watch.measure()
    await transaction.rollback()
    named = [log for log in logs if log["event"] == "outbox-fence-held"]
    assert [(log["pid"], log["application_name"]) for log in named] == [
        (idle.get_server_pid(), "somebody-else")
    ]
    await idle.close()
    await watch.measure_fence()
    assert await watch.measure_fence() < 0.2


async def test_what_cannot_be_measured_ends_nothing(world: World) -> None:
    asked = 0

    class Odd(Once):
        async def backlog(self) -> Backlog:
            nonlocal asked
            asked += 1
            raise KeyError("a client that is being rebuilt")

    async def twice() -> bool:
        return asked >= 2

    measuring = Ages(await world.ledger(Service.TRIAGE), "triage", Odd([]), every=0.01)
    async with running(measuring):
        await until(twice, 10)


async def test_a_sweep_runs_in_one_instance_at_a_time(world: World) -> None:
    ledger = await world.ledger(Service.TRIAGE)
    started, go = asyncio.Event(), asyncio.Event()

    async def slow() -> int:
        started.set()
        await go.wait()
        return 3

    sweep = Sweep("unscreened", 60, slow)
    first = asyncio.create_task(Reconciler(ledger, [sweep]).sweep_once(sweep))
    await started.wait()
    assert await Reconciler(ledger, [sweep]).sweep_once(sweep) is None
    go.set()
    assert await first == 3
    assert await Reconciler(ledger, [sweep]).sweep_once(sweep) == 3


class Step:
    """A part that writes down when it stops."""

    def __init__(self, name: str, order: list[str], *, ends: bool = False) -> None:
        self.name, self.order, self.ends = name, order, ends
        self.told = asyncio.Event()

    async def run(self) -> None:
        if self.ends:
            raise KeyError("Alice Example")
        await self.told.wait()
        self.order.append(self.name)

    def stop(self) -> None:
        self.told.set()


async def test_parts_stop_one_after_the_other_in_the_order_given() -> None:
    order: list[str] = []
    failures: list[str] = []
    parts = [(name, Step(name, order)) for name in ("runner", "timers", "relay")]
    async with Background(parts, failed=failures.append) as background:
        assert background.healthy
    assert order == ["runner", "timers", "relay"]
    assert failures == []
    assert not background.healthy


async def test_a_part_that_ends_by_itself_ends_the_process() -> None:
    order: list[str] = []
    failures: list[str] = []
    parts = [("runner", Step("runner", order)), ("relay", Step("relay", order, ends=True))]
    async with Background(parts, failed=failures.append) as background:
        await asyncio.sleep(0.05)
        assert failures == ["relay"]
        assert not background.healthy
    assert order == ["runner"]


class Falls:
    """A part that ends by itself so many times, and then runs until it is told to stop."""

    def __init__(self, *ends: BaseException | None) -> None:
        self.ends = list(ends)
        self.begun: list[float] = []
        self.told = asyncio.Event()

    async def run(self) -> None:
        self.begun.append(asyncio.get_running_loop().time())
        if self.ends:
            error = self.ends.pop(0)
            if error is not None:
                raise error
            return
        await self.told.wait()

    def stop(self) -> None:
        self.told.set()


async def test_a_part_that_may_is_started_anew_later_each_time_and_the_process_goes_on() -> None:
    failures: list[str] = []
    alarms: list[tuple[str, dict[str, str]]] = []

    async def alarm(code: str, ids: dict[str, str]) -> None:
        alarms.append((code, ids))
        raise OSError("nobody hears it")

    falls = Falls(KeyError("Alice Example"), None, asyncio.CancelledError())
    parts = [("relay", falls), ("ages", Falls())]
    background = Background(parts, failed=failures.append, restarted=["relay"], alarm=alarm, first_delay=0.05)
    with capture_logs() as logs:
        async with background:
            async with asyncio.timeout(30):
                while len(falls.begun) < 4:
                    await asyncio.sleep(0.01)
            assert background.healthy
    assert failures == []
    waits = [later - earlier for earlier, later in pairwise(falls.begun)]
    assert [wait >= least for wait, least in zip(waits, (0.05, 0.1, 0.2), strict=True)] == [True] * 3
    assert alarms == [
        ("part-restarted", {"worker": "relay", "reason": reason})
        for reason in ("key-error", "ended", "cancelled-error")
    ]
    assert "Alice" not in str([{**line, "exc_info": None} for line in logs])


async def test_a_part_that_waits_to_be_started_anew_stops_at_once() -> None:
    falls = Falls(*[RuntimeError()] * 9)
    background = Background([("relay", falls)], failed=pytest.fail, restarted=["relay"], first_delay=60)
    background.start()
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        await background.stop()
    assert len(falls.begun) == 1


async def test_a_part_that_does_not_stop_is_cancelled_when_the_grace_is_over() -> None:
    class Deaf(Step):
        async def run(self) -> None:
            await asyncio.Event().wait()

    order: list[str] = []
    parts = [("deaf", Deaf("deaf", order)), ("relay", Step("relay", order))]
    async with asyncio.timeout(30):
        async with Background(parts, failed=order.append, grace=0.1):
            pass
    assert order == ["relay"]


async def test_a_producer_learns_how_far_its_readers_are_and_nothing_else(database: str) -> None:
    await prepare(database, "postgres")
    admin = await asyncpg.connect(database)
    for service in Service:
        await admin.execute(f"SET search_path = {service}")
        await admin.execute(create_sql())
    await grant(admin, "postgres")
    now = Hands().now()
    for service in Service:
        own = await asyncpg.connect(role_dsn(database, service), server_settings=session_settings(service))
        for reader, name in outbox_readers(service, "postgres"):
            await admin.execute(f"SET search_path = {reader}")
            await load_cursor(admin, name, now)
            row = await own.fetchrow(f"SELECT xid, id FROM {reader}.log_position($1)", name)
            assert (row["xid"], row["id"]) == (0, 0)
            for table in ("log_cursor", "inbox", "parked"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await own.execute(f"SELECT FROM {reader}.{table}")
        await own.close()
    await admin.close()


async def test_a_sweep_that_looks_at_start_does_not_wait_for_its_turn(world: World) -> None:
    ledger, swept = await world.ledger(Service.TRIAGE), asyncio.Event()

    async def look() -> int:
        swept.set()
        return 0

    async def never() -> int:
        raise AssertionError

    later = Sweep("later", 3600, never)
    reconciler = Reconciler(ledger, [Sweep("at once", 3600, look, at_start=True), later])
    runs = asyncio.create_task(reconciler.run())
    async with asyncio.timeout(30):
        await swept.wait()
        reconciler.stop()
        await runs
