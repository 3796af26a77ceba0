"""A log restored from a dump goes on where its readers were, in the same order."""

from __future__ import annotations

from uuid import uuid4

import pytest

from libs.messaging.log import START, Cursor, OutboxLog, RestoredLog, advance_cursor, load_cursor
from libs.messaging.rebase import rebase
from libs.messaging.tables import RELAY, cursor_name
from libs.schemas.events import Service
from tests.libs.messaging.conftest import World, screen

LOG = OutboxLog(Service.TRIAGE)


async def test_a_restored_log_is_rebased_and_read_on_in_order(world: World) -> None:
    triage, notify = await world.ledger(Service.TRIAGE), await world.ledger(Service.NOTIFY)
    for _ in range(6):
        await screen(triage, [uuid4()])
    # Another cluster's ids: ahead of this one's, and not in the order of `id`.
    await world.fetch("UPDATE triage.outbox SET xid = (9000000000 - id / 4)::text::xid8")
    rows = await world.fetch("SELECT xid, id, event_id FROM triage.outbox ORDER BY xid, id")
    now = world.clock.now()
    half = Cursor(rows[2]["xid"], rows[2]["id"])
    name = cursor_name(Service.NOTIFY, Service.TRIAGE)
    await load_cursor(notify.pool, name, now)
    await advance_cursor(notify.pool, name, START, half, now)
    await load_cursor(triage.pool, RELAY, now)
    with pytest.raises(RestoredLog):
        await LOG.refuse_if_restored(triage.pool, START)

    admin = await world.connect(Service.TRIAGE)
    assert (await rebase(admin))[Service.TRIAGE] == 6
    await LOG.refuse_if_restored(triage.pool, START)
    (new,) = await screen(triage, [uuid4()])

    order = [row["event_id"] for row in rows]
    everything = (await LOG.read(triage.pool, await load_cursor(triage.pool, RELAY, now), 100)).rows
    assert [row.envelope.id for row in everything] == [*order, new]
    rest = (await LOG.read(triage.pool, await load_cursor(notify.pool, name, now), 100)).rows
    assert [row.envelope.id for row in rest] == [*order[3:], new]
