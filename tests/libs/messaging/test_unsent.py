"""An event that cannot be sent stands where people look, and goes out or is given up by a person."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from libs.messaging import unsent
from libs.messaging.consumer import Parked
from libs.messaging.errors import Refused, Transient
from libs.messaging.ledger import Unit
from libs.messaging.log import START, LogRow, OutboxLog
from libs.messaging.parked import ParkedMessages
from libs.messaging.retention import Retention
from libs.messaging.standing import ParkedState
from libs.messaging.tables import RELAY
from libs.schemas.events import WITHDRAWN, Service
from tests.libs.messaging.conftest import Recorder, World, withdraw


class Intake(Recorder):
    """Intake's own consumer."""

    name = "intake"


class Bench:
    """Intake with one event that its relay has just failed to send."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.consumer = Intake()
        self.referral = uuid4()
        self.alarms: list[tuple[str, dict[str, str]]] = []

    async def alarm(self, code: str, ids: dict[str, str]) -> None:
        self.alarms.append((code, ids))

    async def bury(self, event_id: UUID) -> None:
        ledger = await self.world.ledger(Service.INTAKE)
        await unsent.bury(ledger, self.consumer, await self.row(event_id), "message-too-large", self.alarm)

    async def row(self, event_id: UUID) -> LogRow:
        (row,) = [row for row in await self.log() if row.envelope.id == event_id]
        return row

    async def log(self) -> list[LogRow]:
        return (await OutboxLog().read((await self.world.ledger(Service.INTAKE)).pool, START, 100)).rows

    async def messages(self) -> ParkedMessages:
        return ParkedMessages(await self.world.ledger(Service.INTAKE), self.consumer)

    async def emit(self) -> UUID:
        (event_id,) = await withdraw(
            await self.world.ledger(Service.INTAKE), [self.referral], words="Alice Example"
        )
        return event_id


@pytest.fixture
def bench(world: World) -> Bench:
    return Bench(world)


async def test_its_referral_is_stopped_and_listed_and_the_alarm_names_it(bench: Bench) -> None:
    event_id = await bench.emit()
    with capture_logs() as logs:
        await bench.bury(event_id)
        await bench.bury(event_id)
    assert [(each.event_id, each.referral_id, each.first, each.code) for each in bench.consumer.told] == [
        (event_id, bench.referral, True, "message-too-large")
    ], "once, though a crash may bury it again"
    ids = {"event_id": str(event_id), "event_type": WITHDRAWN.name, "referral_id": str(bench.referral)}
    assert bench.alarms == [("event-unsent", {**ids, "reason": "message-too-large"})]
    (item,) = await (await bench.messages()).list()
    assert (item.event_id, item.state, item.code) == (event_id, ParkedState.UNSENT, "message-too-large")
    detail = await (await bench.messages()).show(event_id, by="reader")
    assert detail.event is not None
    assert detail.event.payload.shared.reason == "Alice Example"
    assert [(each.action, each.by) for each in detail.actions] == [("unsent", "system")]
    assert "Alice" not in f"{logs}{bench.alarms}{item}{detail}"


async def test_it_is_sent_again_at_the_end_of_the_log_as_the_same_event(bench: Bench) -> None:
    event_id, later = await bench.emit(), await bench.emit()
    before = await bench.row(event_id)
    await bench.bury(event_id)
    messages = await bench.messages()
    assert (await messages.retry(event_id, by="person-7")).processed == 1
    log = await bench.log()
    assert [row.envelope.id for row in log] == [later, event_id]
    assert (log[1].envelope, log[1].value) == (before.envelope, before.value)
    assert bench.consumer.went_on == [bench.referral]
    assert await messages.list() == []
    action = (await messages.show(event_id, by="reader")).actions[-1]
    assert (action.action, action.by) == ("sent-again", "person-7")
    with pytest.raises(Refused, match="not-parked"):
        await messages.retry(event_id, by="person-7")
    await bench.bury(event_id)
    (item,) = await messages.list()
    assert (item.state, item.attempts) == (ParkedState.UNSENT, 2), "where it fails again it stands again"
    assert len(bench.consumer.told) == 2


async def test_it_is_given_up_with_a_reason_and_goes_on_only_with_the_last(bench: Bench) -> None:
    first, second = await bench.emit(), await bench.emit()
    await bench.bury(first)
    await bench.bury(second)
    messages = await bench.messages()
    assert [item.event_id for item in await messages.list(limit=1)] == [first]
    (item,) = await messages.list(after=(await messages.list())[0].number)
    assert item.event_id == second
    await messages.discard(first, reason="told by telephone", by="person-7")
    assert bench.consumer.went_on == []
    await messages.discard(second, reason="told by telephone", by="person-7")
    assert bench.consumer.went_on == [bench.referral]
    action = (await messages.show(second, by="reader")).actions[-1]
    assert (action.action, action.by, action.reason) == ("discarded", "person-7", "told by telephone")


async def test_where_stopping_it_cannot_be_shown_it_is_listed_and_alarmed_all_the_same(bench: Bench) -> None:
    class Blind(Intake):
        async def stopped(self, unit: Unit, parked: Sequence[Parked]) -> None:
            raise LookupError("Alice Example")

    bench.consumer = Blind()
    event_id = await bench.emit()
    await bench.bury(event_id)
    assert [code for code, _ in bench.alarms] == ["event-unsent"]
    assert [item.event_id for item in await (await bench.messages()).list()] == [event_id]


async def test_a_database_that_is_away_buries_nothing(bench: Bench) -> None:
    class Away(Intake):
        async def stopped(self, unit: Unit, parked: Sequence[Parked]) -> None:
            raise Transient("busy")

    bench.consumer = Away()
    event_id = await bench.emit()
    with pytest.raises(Transient):
        await bench.bury(event_id)
    assert await (await bench.messages()).list() == []
    assert bench.alarms == []


async def test_the_retention_leaves_it_until_it_is_settled(bench: Bench) -> None:
    event_id = await bench.emit()
    await bench.bury(event_id)
    ledger = await bench.world.ledger(Service.INTAKE)
    await ledger.pool.execute(
        "INSERT INTO log_cursor VALUES ($1, '99999999', 0, $2)", RELAY, ledger.clock.now()
    )
    bench.world.clock.forward(days=30)
    retention = Retention(ledger, [(Service.INTAKE, RELAY)])
    await retention.prune()
    assert [row.envelope.id for row in await bench.log()] == [event_id]
    messages = await bench.messages()
    await messages.discard(event_id, reason="told by telephone", by="person-7")
    await retention.prune()
    assert await bench.log() == []
    assert (await messages.show(event_id, by="reader")).event is None
