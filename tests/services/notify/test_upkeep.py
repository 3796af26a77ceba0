"""Notices that make no progress are found, and a person hears of those that are not sent."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from libs.messaging.ledger import Ledger
from libs.platform.clock import ManualClock
from libs.platform.telemetry import Telemetry
from services.notify.upkeep import Upkeep
from services.notify.wording import Wording
from tests.services.notify.conftest import Story, feed, metric, notices

LATE = timedelta(minutes=15)


class Alarms:
    """Keeps what was raised, and can reach nobody."""

    def __init__(self) -> None:
        self.reaches = True
        self.raised: list[tuple[str, str | int | UUID]] = []

    async def raise_alarm(self, code: str, **ids: str | int | UUID) -> bool:
        self.raised.append((code, ids["count"]))
        return self.reaches


async def test_notices_that_stay_unsent_raise_one_alarm_until_they_are_sent(
    ledger: Ledger, wording: Wording, clock: ManualClock, telemetry: Telemetry
) -> None:
    alarms = Alarms()
    upkeep = Upkeep(ledger, alarms, telemetry.meter, LATE)
    await feed(ledger, wording, Story().received(), Story().received())
    clock.advance(LATE)
    await upkeep.sweep()
    assert alarms.raised == []
    clock.advance(timedelta(seconds=5))
    await ledger.pool.execute(
        "UPDATE notice SET state = 'unsure' WHERE number = (SELECT min(number) FROM notice)"
    )
    for alarms.reaches in (False, True, True):
        await upkeep.sweep()
    assert alarms.raised == [("notices-not-sent", 2)] * 2, "again where it reached nobody, and no more then"
    assert metric(telemetry, "mash_notices_unsent_age_seconds") == 905
    await ledger.pool.execute("UPDATE notice SET state = 'sent'")
    await upkeep.sweep()
    assert metric(telemetry, "mash_notices_unsent_age_seconds") == 0
    await feed(ledger, wording, Story().received())
    clock.advance(LATE + timedelta(seconds=1))
    await upkeep.sweep()
    assert alarms.raised[2:] == [("notices-not-sent", 1)]


async def test_a_notice_without_a_next_step_is_taken_up_again_and_one_that_has_ended_is_not(
    ledger: Ledger, wording: Wording, clock: ManualClock, telemetry: Telemetry
) -> None:
    upkeep = Upkeep(ledger, Alarms(), telemetry.meter, LATE)
    story = Story()
    await feed(ledger, wording, story.received(), story.screened(), *map(story.decided, story.children))
    given = ["unsure", "sent", "delivered", "failed"]
    for row, state in zip(await notices(ledger), given, strict=True):
        await ledger.pool.execute(
            "UPDATE notice SET state = $2, due_at = NULL WHERE id = $1", row["id"], state
        )
    assert await upkeep.sweep() == 2
    now = clock.now()
    assert [row["due_at"] for row in await notices(ledger)] == [now, now, None, None]
