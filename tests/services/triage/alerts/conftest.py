"""Triage with the on-call list at work."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from libs.messaging.timers import TimerLoop
from libs.schemas.alerts import AlertDelivered, AlertFailed, CallResult
from libs.schemas.events import ALERT_DELIVERED, ALERT_FAILED
from libs.schemas.notice import NoticeChannel
from libs.schemas.on_call import OnCall, load_on_call
from services.triage.alerts.calling import AGE, Calling
from services.triage.thresholds import Thresholds
from tests.services.triage.bell import Bell
from tests.services.triage.conftest import HubWorld, Story
from tests.services.triage.shipped import PARTNERSHIP


@dataclass
class OnCallWorld:
    """The list, and a clock that is moved by hand."""

    hub: HubWorld
    calling: Calling
    measured: InMemoryMetricReader

    async def wait(self, minutes: float = 0) -> None:
        """Lets time pass, and the clocks that run out meanwhile fire, each at its minute."""
        loop = TimerLoop(self.hub.ledger, self.calling.handlers)
        await loop.fire_due()
        for _ in range(int(minutes)):
            self.hub.clock.advance(timedelta(minutes=1))
            await loop.fire_due()

    def oldest(self) -> float:
        """How old the oldest alert is, in seconds, as operations were told by the last sweep."""
        data: Any = self.measured.get_metrics_data()
        [metric] = [
            one
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for one in scope.metrics
            if one.name == AGE
        ]
        [point] = metric.data.data_points
        return float(point.value)

    async def called(self, story: Story) -> list[str]:
        """Whom notify was asked to tell, in order."""
        return [call.shared.contact for call in await self.calls(story)]

    async def calls(self, story: Story) -> list[Any]:
        return [payload for name, payload in await self.hub.emitted(story.id) if name == "alert-called"]

    async def alerts(self, story: Story) -> list[Any]:
        return await self.hub.rows(
            "SELECT * FROM alert WHERE referral_id = $1 ORDER BY raised_at, id", story.id
        )

    async def ended(self, story: Story, call: int, *, failed: bool, behind: bool = False) -> None:
        """Notify tells what became of one of the calls. `behind`: a message of the referral is in its way."""
        shared = (await self.calls(story))[call].shared
        result = CallResult(
            alert_id=shared.alert_id,
            call_id=shared.call_id,
            channel=NoticeChannel.SMS,
            at=self.hub.clock.now(),
            reason="permanent_failure" if failed else None,
        )
        if failed:
            event = story.event(ALERT_FAILED, AlertFailed(shared=result))
        else:
            event = story.event(ALERT_DELIVERED, AlertDelivered(shared=result))
        if behind:
            await self.hub.park(event, first=False)
        else:
            await self.hub.take(event)
        await self.wait()

    async def open_alert(self, story: Story) -> UUID:
        [row] = [row for row in await self.alerts(story) if row["ended_at"] is None]
        alert_id: UUID = row["id"]
        return alert_id


@pytest.fixture(scope="session")
def on_call() -> OnCall:
    return load_on_call(PARTNERSHIP / "on_call.yaml")


@pytest.fixture
def list_at_work(hub: HubWorld, on_call: OnCall, thresholds: Thresholds, alarms: Bell) -> OnCallWorld:
    measured = InMemoryMetricReader()
    meter = MeterProvider([measured]).get_meter("tests")
    calling = Calling(hub.ledger, on_call, thresholds.clocks.calendar, alarms, meter)
    return OnCallWorld(hub, calling, measured)
