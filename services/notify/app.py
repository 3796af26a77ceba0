"""Notify's composition root."""

from __future__ import annotations

import asyncio
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
from libs.messaging.reconciler import Sweep
from libs.messaging.runner import Limits
from libs.messaging.tasks import Background
from libs.platform.alarms import Alarms
from libs.platform.auth import Authenticator
from libs.platform.clock import SystemClock
from libs.platform.database import connect, create_pool
from libs.platform.health import health_router
from libs.platform.http import http_client
from libs.platform.migrations import check_schema
from libs.platform.parked_api import parked_router
from libs.platform.restricted import withheld
from libs.platform.service import create_app
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
    SchemaMismatch on a database that is not migrated, and what PostgreSQL raises.
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
            dsn = settings.database_url
            pool = await create_pool(
                dsn, service=SERVICE, size=settings.pool_size, trace_sql=settings.trace_sql
            )
            stack.push_async_callback(pool.close)
            await check_schema(pool, SERVICE)
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
            alarm_http = None
            if settings.alarm_url is not None:
                alarm_http = await stack.enter_async_context(http_client(settings.alarm_url, peer="alarms"))
            alarms = Alarms(SERVICE.value, time, measured.meter, alarm_http, settings.alarm_url)
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

            async def alarm(code: str, ids: dict[str, str]) -> None:
                await alarms.raise_alarm(code, **ids)

            assembly = assemble(
                ledger,
                NotifyConsumer(wording, on_call, ledger.codec, courier.wake),
                lambda: connect(dsn, service=SERVICE),
                events=settings.events,
                bootstrap=settings.kafka_bootstrap,
                sweeps=[Sweep("notices", SWEEP_SECONDS, upkeep.sweep)],
                workers=[("courier", courier)],
                alarm=alarm,
                limits=Limits(linger=LINGER_SECONDS),
            )
            app.state.parked = assembly.parked
            app.state.journeys = Journeys(ledger)
            app.state.receipts = Receipts(ledger, measured.meter)
            app.state.pool = pool

            def failed(part: str) -> None:
                app.state.failed = part
                app.state.stop.set()

            await stack.enter_async_context(Background(assembly.parts, failed=failed))
            app.state.started = True
            yield

    async def database() -> None:
        await app.state.pool.fetchval("SELECT 1")

    health = health_router(
        {"database": database},
        started=lambda: app.state.started,
        stopping=lambda: app.state.stop.is_set(),
    )
    routers = [
        receipts_router(settings.notify_callback_token),
        journeys_router(),
        parked_router(Refused, withheld),
        health,
    ]
    app = create_app("Notify", settings, measured, routers, lifespan, description=DESCRIPTION)
    app.state.started = False
    app.state.failed = None
    app.state.stop = asyncio.Event()
    return app


async def _govuk(stack: AsyncExitStack, settings: NotifySettings, clock: Clock) -> Provider:
    timeout = httpx.Timeout(settings.send_timeout_seconds, connect=3.0)
    http = await stack.enter_async_context(
        http_client(settings.notify_url, peer="govuk-notify", limit=settings.notify_at_once, timeout=timeout)
    )
    return GovUkNotify(http, settings.notify_api_key, clock)
