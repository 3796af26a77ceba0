"""Triage's composition root."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import httpx
from fastapi import APIRouter, FastAPI

from libs.messaging.assembly import assemble
from libs.messaging.codec import PlainCodec
from libs.messaging.errors import Refused
from libs.messaging.failpoints import NEVER, Failpoints
from libs.messaging.ledger import Ledger
from libs.messaging.reconciler import Sweep
from libs.messaging.tasks import Background
from libs.platform.alarms import Alarm, open_alarms
from libs.platform.auth import Authenticator
from libs.platform.clock import SystemClock
from libs.platform.cursors import Cursors
from libs.platform.database import connect
from libs.platform.http import http_client
from libs.platform.migrations import open_pool
from libs.platform.parked_api import parked_router
from libs.platform.service import create_app, failing
from libs.platform.signin import SignIn
from libs.platform.telemetry import setup
from libs.schemas.clock import Clock
from libs.schemas.dictionary import load_dictionary
from libs.schemas.events import Service
from services.triage.alerts.alerts import Alerts
from services.triage.alerts.api import router as alerts_router
from services.triage.alerts.calling import EVERY_SECONDS as ALERTS_EVERY_SECONDS
from services.triage.alerts.calling import Calling
from services.triage.api import Office, router
from services.triage.cases import Cases
from services.triage.casework import Casework
from services.triage.challenges.api import router as challenge_router
from services.triage.challenges.challenges import Challenges
from services.triage.claims.api import router as claims_router
from services.triage.clocks.api import ClockRoom
from services.triage.clocks.api import router as clocks_router
from services.triage.clocks.kept import Clocks
from services.triage.clocks.timekeeper import Timekeeper
from services.triage.clocks.upkeep import EVERY_SECONDS as CLOCKS_EVERY_SECONDS
from services.triage.clocks.upkeep import Upkeep
from services.triage.colleagues.api import router as colleagues_router
from services.triage.colleagues.colleagues import Colleagues
from services.triage.commands.api import router as commands_router
from services.triage.commands.commands import Commands
from services.triage.console.api import console_router, offer, pages_of
from services.triage.console.drafts import EVERY_SECONDS as DRAFTS_EVERY_SECONDS
from services.triage.console.neighbours import Addresses, HttpNeighbours
from services.triage.consumer import TriageConsumer
from services.triage.decision.api import Bench
from services.triage.decision.api import router as decision_router
from services.triage.decision.decisions import Decisions
from services.triage.decision.register import Register
from services.triage.decision.signatures import Signatures
from services.triage.family.api import router as family_router
from services.triage.family.family import Families
from services.triage.findings.api import router as findings_router
from services.triage.findings.findings import Findings
from services.triage.handover.api import router as handover_router
from services.triage.handover.handovers import Handovers
from services.triage.handover.sweep import EVERY_SECONDS as CLOSING_EVERY_SECONDS
from services.triage.handover.sweep import Closing
from services.triage.joined.joining import EVERY_SECONDS as JOINING_EVERY_SECONDS
from services.triage.joined.joining import Joining
from services.triage.live.api import router as live_router
from services.triage.live.feed import Feed
from services.triage.names import Names
from services.triage.offers.api import router as offer_router
from services.triage.offers.early_help import EarlyHelp
from services.triage.overdue import EVERY_SECONDS as BREACHES_EVERY_SECONDS
from services.triage.overdue import Overdue
from services.triage.panels.api import Chamber
from services.triage.panels.api import router as panel_router
from services.triage.panels.panels import Panels
from services.triage.partnership import Partnership, load_partnership
from services.triage.policies.api import router as policy_router
from services.triage.policies.shadow import Shadow
from services.triage.policies.store import Policies
from services.triage.queue.pages import Queue
from services.triage.readings import Readings
from services.triage.repair import EVERY_SECONDS, Repair
from services.triage.restricted.api import Vault
from services.triage.restricted.api import router as restricted_router
from services.triage.restricted.glass import EVERY_SECONDS as GLASS_EVERY_SECONDS
from services.triage.restricted.glass import BreakGlass
from services.triage.restricted.restrictions import Restrictions
from services.triage.restricted.rights import withheld
from services.triage.restricted.untold import EVERY_SECONDS as UNTOLD_EVERY_SECONDS
from services.triage.restricted.untold import Untold
from services.triage.search.api import Finder
from services.triage.search.api import router as search_router
from services.triage.search.index import EVERY_SECONDS as SEARCH_EVERY_SECONDS
from services.triage.search.index import SearchIndex
from services.triage.search.keys import Keys
from services.triage.search.search import Search
from services.triage.settings import TriageSettings
from services.triage.stops import TAKE_UP, Stops
from services.triage.strategy.api import router as strategy_router
from services.triage.strategy.discussions import Strategy
from services.triage.strays import EVERY_SECONDS as STRAYS_EVERY_SECONDS
from services.triage.strays import Strays
from services.triage.tasks.api import router as tasks_router
from services.triage.tasks.out_of_hours import EVERY_SECONDS as OUT_OF_HOURS_EVERY_SECONDS
from services.triage.tasks.out_of_hours import OutOfHours
from services.triage.tasks.overdue import TaskClock
from services.triage.tasks.tasks import Tasks
from services.triage.thresholds import load_thresholds
from services.triage.tools.api import router as tools_router
from services.triage.tools.tools import Tools

DESCRIPTION = "The queue of cases, each with its evidence and evaluation, and the decisions that people make."


def build(settings: TriageSettings, *, clock: Clock | None = None, failpoints: Failpoints = NEVER) -> FastAPI:
    """The service: its API, and in its lifespan everything that runs beside it.

    Raises DocumentError where the partnership's files are wrong. The lifespan raises CannotStart on a database that
    is away or not migrated.
    """
    time = clock or SystemClock()
    telemetry = setup(Service.TRIAGE, settings)
    thresholds = load_thresholds(settings.partnership_dir)
    casework = Casework(thresholds)
    partnership = load_partnership(settings.partnership_dir, thresholds)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(telemetry.shutdown)
            pool = await stack.enter_async_context(open_pool(settings, Service.TRIAGE))
            codec = PlainCodec()
            ledger = Ledger(
                pool,
                Service.TRIAGE,
                partnership=settings.partnership,
                codec=codec,
                clock=time,
                failpoints=failpoints,
            )
            keys = await stack.enter_async_context(http_client(settings.jwks_url, peer="issuer", limit=2))
            colleagues = Colleagues(ledger)
            app.state.authenticator = Authenticator(
                settings.jwks_url, settings.issuer, settings.audience, keys, time, colleagues.meet
            )
            shadow = Shadow(pool, thresholds.rulebooks)
            policies = Policies(thresholds.rulebooks, shadow.evaluated)
            await policies.start(ledger)
            alarms = await stack.enter_async_context(
                open_alarms(Service.TRIAGE, settings, time, telemetry.meter)
            )

            furnish(app, Parts(ledger, casework, policies, settings, partnership, alarms, colleagues))
            console = (
                []
                if not settings.has_pages
                else [await _open_console(stack, app, settings, ledger, keys, thresholds.names)]
            )
            repair = Repair(ledger, casework, policies, timedelta(minutes=settings.checks_patience_minutes))
            overdue = Overdue(ledger, alarms, thresholds.clocks)
            calling = Calling(
                ledger, partnership.on_call, thresholds.clocks.calendar, alarms, telemetry.meter
            )
            assembly = assemble(
                ledger,
                TriageConsumer(casework, codec, policies, app.state.index, partnership.ladder),
                lambda: connect(settings.database_url, service=Service.TRIAGE),
                events=settings.events,
                bootstrap=settings.kafka_bootstrap,
                handlers={**overdue.handlers, **TaskClock(telemetry.meter).handlers, **calling.handlers},
                sweeps=[
                    Sweep("checks-completed", EVERY_SECONDS, repair.sweep),
                    Sweep("closing", CLOSING_EVERY_SECONDS, Closing(ledger, app.state.handovers).sweep),
                    Sweep(
                        "clocks",
                        CLOCKS_EVERY_SECONDS,
                        Upkeep(ledger, casework).sweep,
                        at_start=True,
                    ),
                    Sweep("strays", STRAYS_EVERY_SECONDS, Strays(ledger, casework, policies).sweep),
                    Sweep("joining", JOINING_EVERY_SECONDS, Joining(ledger, casework, policies).sweep),
                    Sweep("search-keys", SEARCH_EVERY_SECONDS, partial(app.state.index.sweep, ledger)),
                    Sweep(
                        "out-of-hours",
                        OUT_OF_HOURS_EVERY_SECONDS,
                        OutOfHours(ledger, casework, policies).sweep,
                    ),
                    Sweep("alerts", ALERTS_EVERY_SECONDS, calling.sweep),
                    Sweep("restrictions", UNTOLD_EVERY_SECONDS, Untold(ledger).sweep, at_start=True),
                    Sweep("breaches", BREACHES_EVERY_SECONDS, overdue.sweep),
                    Sweep("broken-glass", GLASS_EVERY_SECONDS, app.state.vault.glass.sweep),
                    *console,
                ],
                workers=[("overdue", overdue), ("shadow", shadow), ("live", app.state.feed)],
                alarm=alarms.tell,
            )
            app.state.parked = assembly.parked
            app.state.pool = pool

            await stack.enter_async_context(Background(assembly.parts, failed=failing(app)))
            app.state.started = True
            yield

    return create_app(
        "Triage",
        settings,
        telemetry,
        [*routers(), parked_router(Refused, withheld)],
        lifespan,
        description=DESCRIPTION,
    )


async def _open_console(
    stack: AsyncExitStack,
    app: FastAPI,
    settings: TriageSettings,
    ledger: Ledger,
    issuer: httpx.AsyncClient,
    names: Names,
) -> Sweep:
    """Offers the pages for staff; gives what prunes their drafts."""
    # One client for three addresses: what it is for is asked by nobody in a hurry.
    near = await stack.enter_async_context(http_client(peer="neighbour", limit=10))
    addresses = Addresses(settings.issuer, settings.intake_url, settings.enrichment_url)
    client, secret = settings.sign_in_client or "", settings.sign_in_secret
    neighbours = HttpNeighbours(addresses, client, secret, near, ledger.clock)
    signin = SignIn(settings, app.state.authenticator, issuer, ledger.clock)
    dictionary = load_dictionary(settings.partnership_dir / "facts.yaml")
    drafts = offer(app, pages_of(signin, dictionary, names, routers()), ledger, dictionary, neighbours)
    return Sweep("drafts", DRAFTS_EVERY_SECONDS, drafts.prune)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the rooms of the service are built from."""

    ledger: Ledger
    casework: Casework
    policies: Policies
    settings: TriageSettings
    partnership: Partnership
    alarms: Alarm
    colleagues: Colleagues


def routers() -> list[APIRouter]:
    """The operations of every room."""
    return [
        router,
        decision_router,
        handover_router,
        family_router,
        panel_router,
        offer_router,
        alerts_router,
        challenge_router,
        colleagues_router,
        commands_router,
        claims_router,
        live_router,
        policy_router,
        clocks_router,
        restricted_router,
        findings_router,
        search_router,
        tasks_router,
        strategy_router,
        tools_router,
        console_router(),
    ]


def furnish(app: FastAPI, parts: Parts) -> None:
    """Sets what the rooms' operations work with as the application's state."""
    ledger, casework, policies = parts.ledger, parts.casework, parts.policies
    clocks = Clocks(casework.thresholds.clocks)
    panels = Panels(ledger, casework, policies, parts.partnership.programme)
    handovers = Handovers(ledger, casework, policies)
    early_help = EarlyHelp(casework, parts.partnership.offers, ledger.codec)
    register = Register(
        ledger,
        casework,
        policies,
        parts.partnership.authority,
        (early_help.decided, handovers.decided, clocks.decided, panels.decided),
    )
    cases = Cases(ledger.codec, casework.thresholds, policies, parts.partnership)
    app.state.handovers = handovers
    app.state.challenges = Challenges(ledger, casework, policies, parts.partnership.ladder, handovers)
    app.state.offers = parts.partnership.offers
    app.state.colleagues = parts.colleagues
    app.state.chamber = Chamber(ledger, panels)
    app.state.families = Families(cases)
    app.state.hub, app.state.terms = clocks.hub, casework.thresholds.terms
    app.state.clocks = ClockRoom(ledger, Timekeeper(ledger, casework, clocks))
    app.state.alerts = Alerts(ledger, parts.partnership.on_call)
    app.state.feed = Feed(ledger.pool)
    app.state.bench = Bench(ledger, Decisions(register), Signatures(register))
    keys = Keys(parts.settings.search_secret)
    app.state.index, app.state.finder = SearchIndex(keys), Finder(ledger, Search(keys))
    take_up = {TAKE_UP: Stops(casework, ledger.codec, policies).closed}
    app.state.tasks = Tasks(ledger, casework.thresholds, take_up, handovers.look)
    app.state.strategy = Strategy(ledger, casework.thresholds, clocks, handovers.look)
    app.state.findings = findings = Findings(ledger, casework, policies)
    app.state.tools = Tools(ledger, clocks.hub, parts.partnership.catalogue, findings.keep, handovers.look)
    app.state.vault = Vault(ledger, Restrictions(ledger, casework), BreakGlass(ledger, parts.alarms))
    app.state.office = Office(
        ledger,
        Queue(Cursors(parts.settings.cursor_secret)),
        cases,
        Readings(ledger, casework, policies, handovers.settle),
        policies,
        Commands(ledger, casework, policies, app.state.index),
    )
