"""Intake's composition root."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from fastapi import FastAPI

from libs.messaging.assembly import UntilCancelled, assemble
from libs.messaging.codec import PlainCodec
from libs.messaging.errors import Refused
from libs.messaging.failpoints import NEVER, Failpoints
from libs.messaging.ledger import Ledger
from libs.messaging.limits import Limits
from libs.messaging.tasks import Background
from libs.platform.alarms import open_alarms
from libs.platform.auth import Authenticator
from libs.platform.clock import SystemClock
from libs.platform.database import connect
from libs.platform.http import http_client
from libs.platform.migrations import open_pool
from libs.platform.parked_api import ParkedForm, parked_router
from libs.platform.restricted import withheld
from libs.platform.service import create_app, failing
from libs.platform.telemetry import Telemetry, setup
from libs.schemas.clock import Clock
from libs.schemas.dictionary import Dictionary, load_dictionary
from libs.schemas.events import Service
from services.intake.acceptance import Acceptance
from services.intake.additions import Additions
from services.intake.answers import danger_words
from services.intake.api import Desk, router
from services.intake.consumer import StatusProjection
from services.intake.employers import Employers, load_employers
from services.intake.hub import Hub, Wording, load_hub, load_wording
from services.intake.lookup import Lookup
from services.intake.settings import IntakeSettings
from services.intake.status import SeenWithin
from services.intake.watch import UnseenWatch

DESCRIPTION = "Refer a child, add what became known since, and ask how far a referral has come."
LINGER_SECONDS = 0.1
"""Nobody waits for the status, so that many events are taken in together."""


def build(
    settings: IntakeSettings,
    *,
    clock: Clock | None = None,
    failpoints: Failpoints = NEVER,
    telemetry: Telemetry | None = None,
) -> FastAPI:
    """The service: its API, and in its lifespan everything that runs beside it.

    Raises what the partnership's files are wrong with. The lifespan raises CannotStart on a database that is away or
    not migrated. Kafka may be away: the service starts, is ready and accepts all the same.
    """
    time = clock or SystemClock()
    partnership = load_partnership(settings.partnership_dir)
    instruments = telemetry or setup(Service.INTAKE, settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(instruments.shutdown)
            pool = await stack.enter_async_context(open_pool(settings, Service.INTAKE))
            ledger = Ledger(
                pool,
                Service.INTAKE,
                partnership=settings.partnership,
                codec=PlainCodec(),
                clock=time,
                failpoints=failpoints,
            )
            keys = await stack.enter_async_context(http_client(settings.jwks_url, peer="issuer", limit=2))
            app.state.authenticator = Authenticator(
                settings.jwks_url, settings.issuer, settings.audience, keys, time
            )
            app.state.desk = desk(ledger, settings, partnership)
            alarms = await stack.enter_async_context(
                open_alarms(Service.INTAKE, settings, time, instruments.meter)
            )
            watch = UnseenWatch(ledger, alarms, seen_within(settings))

            assembly = assemble(
                ledger,
                StatusProjection(),
                lambda: connect(settings.database_url, service=Service.INTAKE),
                events=settings.events,
                bootstrap=settings.kafka_bootstrap,
                workers=[("watch", UntilCancelled(watch.run))],
                alarm=alarms.tell,
                limits=Limits(linger=LINGER_SECONDS),
            )
            parked: ParkedForm = assembly.parked
            app.state.parked = parked
            app.state.pool = pool

            # Accepting needs none of them, so none of them may end the process that accepts.
            restarted = [name for name, _ in assembly.parts]
            await stack.enter_async_context(
                Background(assembly.parts, failed=failing(app), restarted=restarted, alarm=alarms.tell)
            )
            app.state.started = True
            yield

    return create_app(
        "Intake",
        settings,
        instruments,
        [router, parked_router(Refused, withheld)],
        lifespan,
        description=DESCRIPTION,
    )


@dataclass(frozen=True, slots=True)
class Partnership:
    """What intake reads of the partnership's files."""

    dictionary: Dictionary
    hub: Hub
    wording: Wording
    employers: Employers


def load_partnership(directory: Path) -> Partnership:
    """Reads the files. Raises what they are wrong with."""
    return Partnership(
        load_dictionary(directory / "facts.yaml"),
        load_hub(directory),
        load_wording(directory),
        load_employers(directory),
    )


def desk(ledger: Ledger, settings: IntakeSettings, partnership: Partnership) -> Desk:
    """What the operations work with."""
    dictionary, hub = partnership.dictionary, partnership.hub
    danger = danger_words(hub)
    return Desk(
        Acceptance(ledger, dictionary, danger),
        Additions(ledger, dictionary, danger),
        Lookup(ledger, danger, hub.status, partnership.wording, seen_within(settings), partnership.employers),
    )


def seen_within(settings: IntakeSettings) -> SeenWithin:
    """How long a referral may wait unseen."""
    return SeenWithin(
        timedelta(seconds=settings.unseen_seconds), timedelta(seconds=settings.unseen_danger_seconds)
    )
