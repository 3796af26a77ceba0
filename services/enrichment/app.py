"""Enrichment's composition root."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import SystemRandom

from fastapi import FastAPI

from libs.messaging.assembly import assemble
from libs.messaging.codec import PlainCodec
from libs.messaging.errors import Refused
from libs.messaging.failpoints import NEVER, Failpoints
from libs.messaging.ledger import Bell, Ledger
from libs.messaging.reconciler import Sweep
from libs.messaging.tasks import Background
from libs.messaging.timers import Handler
from libs.platform.alarms import Alarms, open_alarms
from libs.platform.auth import Authenticator
from libs.platform.clock import SystemClock
from libs.platform.cursors import Cursors
from libs.platform.database import connect
from libs.platform.http import http_client
from libs.platform.migrations import open_pool
from libs.platform.pages import Pages, pages_router
from libs.platform.parked_api import parked_router
from libs.platform.restricted import withheld
from libs.platform.service import create_app, failing
from libs.platform.signin import SignIn
from libs.platform.telemetry import Telemetry, setup
from libs.schemas.clock import Clock
from libs.schemas.dictionary import Dictionary, load_dictionary
from libs.schemas.events import Service
from services.enrichment import journeys
from services.enrichment.asking import standing
from services.enrichment.asking.agency import Agency, InstantAgency
from services.enrichment.asking.asker import Asker
from services.enrichment.asking.asking import STOP_GRACE, Asking
from services.enrichment.asking.reach import reach_agencies
from services.enrichment.asking.recorder import Recorder
from services.enrichment.asking.standing import Standings
from services.enrichment.checks.deadlines import Deadlines
from services.enrichment.checks.desk import Desk
from services.enrichment.checks.effects import CORRECTED, DEADLINE, FAMILY, STARTING
from services.enrichment.checks.reuse import Reuse
from services.enrichment.checks.starting import Starting
from services.enrichment.checks.store import Store
from services.enrichment.consumer import EnrichmentConsumer
from services.enrichment.family.events import worry_of
from services.enrichment.family.family import Family
from services.enrichment.family.hub import load_zone
from services.enrichment.family.records import Records
from services.enrichment.partnership import AgencyTerms, load_agencies, load_check_terms
from services.enrichment.people.index import Index, open_index
from services.enrichment.people.upkeep import rekey
from services.enrichment.pulled import api as work
from services.enrichment.pulled import lists_api as lists
from services.enrichment.pulled import web
from services.enrichment.pulled.agency import PulledAgency
from services.enrichment.pulled.answering import Answering
from services.enrichment.pulled.listing import Listing
from services.enrichment.settings import EnrichmentSettings
from services.enrichment.sharing import api as disclosures
from services.enrichment.sharing.agreement import load_agreement

DESCRIPTION = (
    "Asks the agencies what they know of a child, and keeps every kind of silence apart from an answer."
)
RECONCILE_SECONDS = 30.0
INSTANT_SLOTS = 500
"""Questions at a time to an agency inside the process."""


@dataclass(frozen=True, slots=True)
class Checks:
    """Everything that checks are made with, on one ledger."""

    consumer: EnrichmentConsumer
    deadlines: Deadlines
    clocks: Mapping[str, Handler]
    """What each kind of timer sets off."""
    asking: Asking
    recorder: Recorder
    answering: Answering
    index: Index
    listing: Listing
    standings: Standings


def compose(
    ledger: Ledger,
    settings: EnrichmentSettings,
    terms: Mapping[str, AgencyTerms],
    agencies: Mapping[str, Agency],
    telemetry: Telemetry,
    alarms: Alarms,
    dictionary: Dictionary,
) -> Checks:
    """The parts of checking, built on a ledger. An agency that `agencies` does not reach fetches its questions.

    Raises DocumentError for a faulty file.
    """
    leads = [name for name, agency in terms.items() if agency.lead is not None]
    desk = Desk(
        load_check_terms(settings.partnership_dir / "checks.yaml", settings.check_limit, terms),
        terms,
        load_agreement(settings.partnership_dir / "sharing.yaml", leads),
    )
    store = Store(ledger.codec)
    bell = Bell()
    zone = load_zone(settings.partnership_dir / "clocks.yaml")
    recorder = Recorder(ledger, store, desk, SystemRandom(), alarms, bell)
    standings = Standings(ledger, terms, desk.terms.breaker, telemetry.meter, alarms, zone)
    listing = Listing(ledger, settings.people_secret)
    fetching = {name: PulledAgency(name, ledger, listing) for name in terms}
    asking = Asking(
        [
            Asker(
                terms[name],
                fetching[name] if agency is None else agency,
                ledger=ledger,
                recorder=recorder,
                meter=telemetry.meter,
                alarms=alarms,
                standings=standings,
                slots=INSTANT_SLOTS
                if agency is None or isinstance(agency, InstantAgency)
                else terms[name].at_once,
                lead=None if terms[name].lead is None else fetching[name],
            )
            for name, agency in ((name, agencies.get(name)) for name in terms)
        ],
        ledger=ledger,
        desk=desk,
        store=store,
        standings=standings,
        bell=bell,
        lease=timedelta(seconds=settings.ask_lease_seconds),
        grace=min(STOP_GRACE, settings.shutdown_seconds),
    )
    directory = settings.partnership_dir
    index = open_index(ledger.codec, directory, settings.people_secret)
    family = Family(
        Records(ledger.codec),
        store,
        index,
        worry_of(dictionary),
        zone,
    )
    consumer = EnrichmentConsumer(desk, store, family, asking.wake)
    deadlines = Deadlines(ledger, store, desk, lambda: standings.away)
    reuse = Reuse(ledger.codec, store, desk)
    clocks: dict[str, Handler] = {
        DEADLINE: deadlines.passed,
        FAMILY: family.heard,
        CORRECTED: reuse.corrected,
        STARTING: Starting(store, desk, asking.wake).began,
    }
    answering = Answering(ledger, recorder, store, desk, terms, dictionary, alarms)
    return Checks(consumer, deadlines, clocks, asking, recorder, answering, index, listing, standings)


def build(
    settings: EnrichmentSettings,
    *,
    clock: Clock | None = None,
    agencies: Mapping[str, Agency] | None = None,
    failpoints: Failpoints = NEVER,
) -> FastAPI:
    """The service: its API, and in its lifespan everything that runs beside it. `agencies` replaces the way to them.

    Raises DocumentError for a faulty file. The lifespan raises CannotStart on a database that is away or not
    migrated; Kafka and the agencies may be away.
    """
    time = clock or SystemClock()
    terms = load_agencies(settings.partnership_dir / "agencies")
    dictionary = load_dictionary(settings.partnership_dir / "facts.yaml")
    telemetry = setup(Service.ENRICHMENT, settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(telemetry.shutdown)
            pool = await stack.enter_async_context(open_pool(settings, Service.ENRICHMENT))
            ledger = Ledger(
                pool,
                Service.ENRICHMENT,
                partnership=settings.partnership,
                codec=PlainCodec(),
                clock=time,
                failpoints=failpoints,
            )
            keys = await stack.enter_async_context(http_client(settings.jwks_url, peer="issuer", limit=2))
            app.state.authenticator = Authenticator(
                settings.jwks_url, settings.issuer, settings.audience, keys, time
            )
            alarms = await stack.enter_async_context(
                open_alarms(Service.ENRICHMENT, settings, time, telemetry.meter)
            )
            reached = dict(agencies or reach_agencies(settings, terms, dictionary, time))
            for agency in reached.values():
                stack.push_async_callback(agency.close)
            checks = compose(ledger, settings, terms, reached, telemetry, alarms, dictionary)

            assembly = assemble(
                ledger,
                checks.consumer,
                lambda: connect(settings.database_url, service=Service.ENRICHMENT),
                events=settings.events,
                bootstrap=settings.kafka_bootstrap,
                handlers=checks.clocks,
                sweeps=[
                    Sweep("checks-overdue", RECONCILE_SECONDS, checks.deadlines.reconcile),
                    Sweep("agencies-waiting", RECONCILE_SECONDS, checks.standings.count),
                    Sweep("people-rekey", RECONCILE_SECONDS, partial(rekey, ledger, checks.index)),
                    Sweep("lists-untold", RECONCILE_SECONDS, checks.listing.reconcile),
                ],
                workers=[("asking", checks.asking), ("recorder", checks.recorder)],
                alarm=alarms.tell,
            )
            app.state.parked = assembly.parked
            app.state.answering = checks.answering
            app.state.listing = checks.listing
            if settings.has_pages:
                signin = SignIn(settings, app.state.authenticator, keys, time)
                app.state.pages = Pages("Answers for the hub", web.HOME, signin, web.TEMPLATES)
            app.state.standings = checks.standings
            app.state.journeys = journeys.Journeys(ledger)
            app.state.disclosures = disclosures.Register(ledger, Cursors(settings.cursor_secret))
            app.state.pool = pool

            await stack.enter_async_context(Background(assembly.parts, failed=failing(app)))
            app.state.started = True
            yield

    return create_app(
        "Enrichment",
        settings,
        telemetry,
        [
            journeys.router,
            standing.router,
            disclosures.router,
            work.router,
            lists.router,
            lists.pages,
            web.router,
            pages_router(),
            parked_router(Refused, withheld),
        ],
        lifespan,
        description=DESCRIPTION,
    )
