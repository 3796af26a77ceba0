"""Notify's composition root."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import httpx
from fastapi import FastAPI

from libs.messaging.assembly import assemble
from libs.messaging.codec import PlainCodec
from libs.messaging.errors import Refused
from libs.messaging.failpoints import NEVER, Failpoints
from libs.messaging.ledger import Ledger
from libs.messaging.limits import Limits
from libs.messaging.reconciler import Sweep
from libs.messaging.tasks import Background
from libs.platform.alarms import open_alarms
from libs.platform.auth import Authenticator
from libs.platform.clock import SystemClock
from libs.platform.database import connect
from libs.platform.http import http_client
from libs.platform.migrations import open_pool
from libs.platform.parked_api import parked_router
from libs.platform.restricted import withheld
from libs.platform.service import create_app, failing
from libs.platform.telemetry import Telemetry, setup
from libs.schemas.clock import Clock
from libs.schemas.events import Service
from libs.schemas.on_call import load_on_call
from services.notify.consumer import NotifyConsumer
from services.notify.courier import Courier, Provider
from services.notify.govuk import GovUkNotify
from services.notify.journeys import Journeys, journeys_router
from services.notify.receipts import Receipts, receipts_router
from services.notify.settings import NotifySettings
from services.notify.upkeep import SWEEP_SECONDS, Upkeep
from services.notify.wording import load_wording

SERVICE = Service.NOTIFY
DESCRIPTION = "Tells referrers that their referral arrived, is in the queue, and was decided."
LINGER_SECONDS = 0.1
"""Nobody waits for a notice to the tenth of a second, so that many events are taken in together."""


def build(
    settings: NotifySettings,
    *,
    clock: Clock | None = None,
    provider: Provider | None = None,
    telemetry: Telemetry | None = None,
    failpoints: Failpoints = NEVER,
) -> FastAPI:
    """The service: its API, and in its lifespan everything that runs beside it.

    `provider` replaces GOV.UK Notify. Raises what the partnership's files are wrong with; the lifespan raises
    CannotStart on a database that is away or not migrated.
    """
    time = clock or SystemClock()
    measured = telemetry or setup(SERVICE, settings)
    wording = load_wording(settings.partnership_dir)
    on_call = load_on_call(settings.partnership_dir / "on_call.yaml")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if telemetry is None:
                stack.callback(measured.shutdown)
            pool = await stack.enter_async_context(open_pool(settings, SERVICE))
            ledger = Ledger(
                pool,
                SERVICE,
                partnership=settings.partnership,
                codec=PlainCodec(),
                clock=time,
                failpoints=failpoints,
            )
            keys = await stack.enter_async_context(http_client(settings.jwks_url, peer="issuer", limit=2))
            app.state.authenticator = Authenticator(
                settings.jwks_url, settings.issuer, settings.audience, keys, time
            )
            alarms = await stack.enter_async_context(open_alarms(SERVICE, settings, time, measured.meter))
            courier = Courier(
                ledger,
                provider or await _govuk(stack, settings, time),
                settings.patience,
                lease=timedelta(seconds=settings.send_lease_seconds),
                at_once=settings.notify_at_once,
                look_every=settings.look_every_seconds,
                meter=measured.meter,
                alerts_within=timedelta(minutes=max(on_call.answer_within.values())),
            )
            upkeep = Upkeep(ledger, alarms, measured.meter, timedelta(seconds=settings.unsent_alarm_seconds))

            assembly = assemble(
                ledger,
                NotifyConsumer(wording, on_call, ledger.codec, courier.wake),
                lambda: connect(settings.database_url, service=SERVICE),
                events=settings.events,
                bootstrap=settings.kafka_bootstrap,
                sweeps=[Sweep("notices", SWEEP_SECONDS, upkeep.sweep)],
                workers=[("courier", courier)],
                alarm=alarms.tell,
                limits=Limits(linger=LINGER_SECONDS),
            )
            app.state.parked = assembly.parked
            app.state.journeys = Journeys(ledger)
            app.state.receipts = Receipts(ledger, measured.meter)
            app.state.pool = pool

            await stack.enter_async_context(Background(assembly.parts, failed=failing(app)))
            app.state.started = True
            yield

    routers = [
        receipts_router(settings.notify_callback_token),
        journeys_router(),
        parked_router(Refused, withheld),
    ]
    return create_app("Notify", settings, measured, routers, lifespan, description=DESCRIPTION)


async def _govuk(stack: AsyncExitStack, settings: NotifySettings, clock: Clock) -> Provider:
    timeout = httpx.Timeout(settings.send_timeout_seconds, connect=3.0)
    http = await stack.enter_async_context(
        http_client(settings.notify_url, peer="govuk-notify", limit=settings.notify_at_once, timeout=timeout)
    )
    return GovUkNotify(http, settings.notify_api_key, clock)
