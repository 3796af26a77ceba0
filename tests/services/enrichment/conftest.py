"""Enrichment on a real database, asking the sandbox's agencies over real HTTP."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from libs.messaging.codec import Decoded, PlainCodec
from libs.messaging.consumer import Parked
from libs.messaging.event import Event
from libs.messaging.failpoints import NEVER, Failpoints
from libs.messaging.ledger import Ledger
from libs.messaging.tasks import Part
from libs.messaging.timers import TimerLoop
from libs.platform.alarms import Alarms
from libs.platform.clock import SystemClock
from libs.platform.database import create_pool, role_dsn
from libs.platform.telemetry import setup
from libs.schemas.base import Payload
from libs.schemas.codes import ReferralSource, ReferrerRole
from libs.schemas.dictionary import Dictionary, load_dictionary
from libs.schemas.events import (
    BY_NAME,
    CASE_RESTRICTED,
    CASE_SCREENED,
    INFORMATION_ADDED,
    RECEIVED,
    AddedInformation,
    CaseRestricted,
    CaseScreened,
    EventType,
    InformationAdded,
    Received,
    ReceivedReferral,
    Reference,
    ScreenedChild,
    Service,
)
from libs.schemas.findings import Answer
from libs.schemas.levels import Level, Rag
from libs.schemas.outcomes import RestrictedChild
from libs.schemas.reference import new_reference
from libs.schemas.referral import Agreement, Agreements, ReferralBody, ReferredChild, Referrer
from sandbox.agencies import make_suppliers, suppliers_router
from sandbox.agencies.supplier import Supplier
from sandbox.families import Families, load_families
from sandbox.settings import AGENCY_KEY
from services.enrichment.app import Checks, compose
from services.enrichment.asking.reach import reach_agencies
from services.enrichment.checks.deadlines import OVERDUE_AFTER
from services.enrichment.partnership import AgencyTerms, load_agencies
from services.enrichment.settings import EnrichmentSettings
from tests.sandbox.serving import NO_TLS, serve

PARTNERSHIP = Path("deploy/partnership")
WREN = {
    "given_name": "Wren",
    "family_name": "Kestrel-Test",
    "born": {"on": "2015-02-11"},
    "nhs_number": "9990041008",
}
FINCH = {
    "given_name": "Finch",
    "family_name": "Kestrel-Test",
    "born": {"on": "2019-10-03"},
    "nhs_number": "9990041016",
}
STRANGER = {"given_name": "Ada", "family_name": "Nobody-Test", "born": {"on": "2016-05-04"}}
"""A child whom no agency knows, nor anybody of the home."""

FOUR = {"police", "health", "education", "early_help"}


def four_agencies() -> dict[str, AgencyTerms]:
    """Four agencies that are asked in four ways, none of which needs an interface of the hub's."""
    return {name: one for name, one in load_agencies(PARTNERSHIP / "agencies").items() if name in FOUR}


@pytest.fixture(scope="session")
def dictionary() -> Dictionary:
    return load_dictionary(PARTNERSHIP / "facts.yaml")


@dataclass
class Sandbox:
    """The sandbox's agencies behind a real socket."""

    url: str
    http: httpx.AsyncClient
    suppliers: Mapping[str, Supplier]

    async def tell(self, agency: str, behaviour: str, **more: Any) -> None:
        """Tells an agency how to treat questions."""
        told = await self.http.put(f"/agencies/{agency}/behaviour", json={"behaviour": behaviour, **more})
        told.raise_for_status()

    async def asked(self, agency: str) -> list[dict[str, Any]]:
        """What an agency was asked."""
        answer = await self.http.get(f"/agencies/{agency}/questions")
        questions: list[dict[str, Any]] = answer.json()
        return questions


@pytest.fixture(scope="session")
def families() -> Families:
    """The sandbox's families."""
    return load_families()


@pytest.fixture(scope="session")
def agencies(families: Families) -> tuple[FastAPI, Mapping[str, Supplier]]:
    """The sandbox's agencies with their APIs, which take longer to put up than most tests."""
    app = FastAPI()
    suppliers = make_suppliers(families, key=AGENCY_KEY, clock=SystemClock())
    app.include_router(suppliers_router(suppliers))
    return app, suppliers


@pytest.fixture
async def sandbox(
    families: Families, agencies: tuple[FastAPI, Mapping[str, Supplier]]
) -> AsyncIterator[Sandbox]:
    app, suppliers = agencies
    for one in suppliers.values():
        # Each test meets them as they were in the beginning.
        type(one).__init__(one, families, key=AGENCY_KEY, clock=SystemClock())
    async with serve(app) as url, httpx.AsyncClient(base_url=url, verify=NO_TLS) as http:
        yield Sandbox(url, http, suppliers)


@dataclass
class Instance:
    """One running enrichment without its transport: `take` hands it events as its runner would."""

    ledger: Ledger
    checks: Checks
    hanging: list[str] = field(default_factory=list)
    """Agencies that will never end a question, so that trying them leaves no trace."""

    async def take(self, *events: Event) -> None:
        """Applies events in one unit, in this order."""
        async with self.ledger.unit({event.referral_id for event in events}) as unit:
            await self.checks.consumer.handle(unit, events)

    async def put_behind(self, event: Event) -> None:
        """The event has to wait behind a message that stopped its referral."""
        now = self.ledger.clock.now()
        behind = Parked(event.id, event.referral_id, event.type.name, False, "behind", event, now)
        async with self.ledger.unit({event.referral_id}) as unit:
            await self.checks.consumer.stopped(unit, [behind])

    async def told(self) -> list[tuple[EventType[Any], Payload[Any, Any]]]:
        """The events that were written, in their order."""
        rows = await self.ledger.pool.fetch("SELECT type, payload FROM outbox ORDER BY xid, id")
        decoded = await self.ledger.codec.decode(
            [(BY_NAME[row["type"]].payload, row["payload"]) for row in rows]
        )
        return [
            (BY_NAME[row["type"]], item.payload)
            for row, item in zip(rows, decoded, strict=True)
            if isinstance(item, Decoded)
        ]

    async def answers(self, child_id: uuid.UUID) -> list[Answer]:
        """The answers about a child that were told, in their order."""
        return [
            payload.children[child_id]
            for kind, payload in await self.told()
            if kind.name.endswith("check-returned.v1") and child_id in payload.children
        ]

    async def completed(self, child_id: uuid.UUID) -> list[dict[str, str]]:
        """The states of each completion of a child's checks that was told."""
        return [
            {agency: str(state) for agency, state in payload.children[child_id].states.items()}
            for kind, payload in await self.told()
            if kind.name.endswith("checks.completed.v1") and child_id in payload.children
        ]


@dataclass
class World:
    """Starts instances of enrichment on one database and one sandbox, with no interface to fetch questions from."""

    dsn: str
    settings: EnrichmentSettings
    stack: AsyncExitStack
    dictionary: Dictionary
    terms: dict[str, AgencyTerms] = field(default_factory=four_agencies)

    def with_terms(self, **changes: Any) -> None:
        """Changes every agency's terms, such as its timeouts."""
        self.terms = {name: replace(terms, **changes) for name, terms in self.terms.items()}

    async def start(self, failpoints: Failpoints = NEVER, **settings: Any) -> Instance:
        """Starts an instance with everything but its transport."""
        return await self.stack.enter_async_context(self._running(failpoints, settings))

    @asynccontextmanager
    async def _running(self, failpoints: Failpoints, changes: Mapping[str, Any]) -> AsyncIterator[Instance]:
        settings = self.settings.model_copy(update=dict(changes))
        clock = SystemClock()
        pool = await create_pool(role_dsn(self.dsn, Service.ENRICHMENT), service=Service.ENRICHMENT)
        ledger = Ledger(
            pool,
            Service.ENRICHMENT,
            partnership="peterborough",
            codec=PlainCodec(),
            clock=clock,
            failpoints=failpoints,
        )
        telemetry = setup(Service.ENRICHMENT, settings, install=False)
        agencies = reach_agencies(settings, self.terms, self.dictionary, clock)
        alarms = Alarms(Service.ENRICHMENT, clock, telemetry.meter)
        checks = compose(ledger, settings, self.terms, agencies, telemetry, alarms, self.dictionary)
        timers = TimerLoop(ledger, checks.clocks)
        parts: list[Part] = [checks.asking, checks.recorder, timers]
        tasks = [asyncio.create_task(part.run()) for part in parts]
        try:
            yield Instance(ledger, checks)
        finally:
            for part, task in zip(parts, tasks, strict=True):
                part.stop()
                await asyncio.wait([task], timeout=5)
                task.cancel()
            for agency in agencies.values():
                await agency.close()
            telemetry.shutdown()
            await pool.close()


@pytest.fixture(scope="session")
def settings() -> EnrichmentSettings:
    return EnrichmentSettings(
        environment="test",
        database_url="postgresql://unused",
        events="postgres",
        issuer="https://issuer.example.org",
        jwks_url="http://issuer.example.org/jwks.json",
        cursor_secret="s" * 32,
        people_secret="p" * 32,
        agency_key=AGENCY_KEY,
        check_deadline_cap_seconds=0.5,
        shutdown_seconds=0.1,
    )


@pytest.fixture
async def world(
    hub_database: str, sandbox: Sandbox, dictionary: Dictionary, settings: EnrichmentSettings
) -> AsyncIterator[World]:
    settings = settings.model_copy(update={"agencies_url": sandbox.url})
    async with AsyncExitStack() as stack:
        yield World(hub_database, settings, stack, dictionary)


@dataclass
class Case:
    """A referral as the events about it, with ids of its own."""

    children: tuple[Mapping[str, Any], ...] = (WREN,)
    agreement: str | None = "given"
    body: Mapping[str, Any] = field(default_factory=dict)
    id: uuid.UUID = field(default_factory=uuid.uuid4)

    def __post_init__(self) -> None:
        self.child_ids = [uuid.uuid4() for _ in self.children]
        self.reference = new_reference()
        self._sequence = dict.fromkeys(Service, 0)

    @property
    def child(self) -> uuid.UUID:
        """The first child's id."""
        return self.child_ids[0]

    def received(self) -> Event:
        checks = None if self.agreement is None else Agreement(answer=self.agreement)
        body = ReferralBody.model_validate(
            {
                "worry": "He comes without breakfast.",
                "referrer": Referrer(role=ReferrerRole.TEACHER, source=ReferralSource.SCHOOL),
                "agreements": Agreements(checks=checks),
                **self.body,
            }
        )
        now = SystemClock().now()
        shared = ReceivedReferral(reference=self.reference, received_at=now, agency="school", referral=body)
        children = {
            child_id: ReferredChild.model_validate(child)
            for child_id, child in zip(self.child_ids, self.children, strict=True)
        }
        return self.event(RECEIVED, Received(shared=shared, children=children))

    def screened(self, level: Level = Level.EARLY_HELP, rag: Rag = Rag.GREEN) -> Event:
        now = SystemClock().now()
        child = ScreenedChild(
            level=level,
            rag=rag,
            immediate_danger=False,
            to_be_read=False,
            team="duty",
            due_at=now + timedelta(days=1),
        )
        payload = CaseScreened(
            shared=Reference(reference=self.reference, at=now), children=dict.fromkeys(self.child_ids, child)
        )
        return self.event(CASE_SCREENED, payload)

    def restricted(self, *children: uuid.UUID, restricted: bool = True) -> Event:
        shared = Reference(reference=self.reference, at=SystemClock().now())
        part = RestrictedChild(restricted=restricted)
        return self.event(
            CASE_RESTRICTED, CaseRestricted(shared=shared, children=dict.fromkeys(children, part))
        )

    def informed(self, agreement: str) -> Event:
        shared = AddedInformation(
            reference=self.reference,
            received_at=SystemClock().now(),
            agency="school",
            agreements=Agreements(checks=Agreement(answer=agreement)),
        )
        return self.event(INFORMATION_ADDED, InformationAdded(shared=shared))

    def event(self, kind: EventType[Any], payload: Payload[Any, Any]) -> Event:
        self._sequence[kind.producer] += 1
        return Event(
            id=uuid.uuid4(),
            type=kind,
            source=f"/peterborough/{kind.producer.value}",
            referral_id=self.id,
            sequence=self._sequence[kind.producer],
            time=SystemClock().now(),
            payload=payload,
        )


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 40.0) -> None:
    """Waits until a condition holds; fails the test where it does not in time."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def until_completed(instance: Instance, child_id: uuid.UUID) -> dict[str, str]:
    """Waits for a child's completion; gives the states that it told."""

    async def there() -> bool:
        return bool(await instance.completed(child_id))

    await until(there)
    (states,) = await instance.completed(child_id)
    return states


async def until_time_is_up(instance: Instance, child_id: uuid.UUID) -> dict[str, str]:
    """Waits until each agency was tried, then lets the deadline pass; gives the states that completion told."""
    pool = instance.ledger.pool
    untried = (
        "SELECT count(*) FROM agency_check WHERE child_id = $1 AND state = 'pending' AND reason IS NULL"
        " AND (attempts = 0 OR agency <> ALL ($2::text[]))"
    )

    async def all_tried() -> bool:
        return bool(await pool.fetchval(untried, child_id, instance.hanging) == 0)

    await until(all_tried)
    past = instance.ledger.clock.now() - OVERDUE_AFTER - timedelta(seconds=1)
    referral_id = await pool.fetchval("SELECT referral_id FROM child WHERE id = $1", child_id)
    # Under the referral's lock: an attempt that is being recorded writes the whole check back.
    async with instance.ledger.unit([referral_id]) as unit:
        await unit.connection.execute("UPDATE child SET due_at = $2 WHERE id = $1", child_id, past)
        await unit.connection.execute(
            "UPDATE agency_check SET due_at = $2 WHERE child_id = $1", child_id, past
        )
    await instance.checks.deadlines.reconcile()
    return await until_completed(instance, child_id)
