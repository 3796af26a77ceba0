"""Triage on a real database, with the shipped thresholds, fed with the other services' events."""

import itertools
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from libs.messaging.codec import Decoded, PlainCodec
from libs.messaging.consumer import Parked
from libs.messaging.event import Event
from libs.messaging.ledger import Ledger
from libs.platform.auth import Authenticator
from libs.platform.clock import ManualClock
from libs.platform.database import create_pool, role_dsn
from libs.platform.service import create_app
from libs.platform.telemetry import setup
from libs.schemas.base import Payload
from libs.schemas.events import (
    BY_NAME,
    CHECK_RETURNED,
    CHECKS_COMPLETED,
    INFORMATION_ADDED,
    RECEIVED,
    WITHDRAWN,
    AddedInformation,
    CheckReturned,
    ChecksCompleted,
    CompletedChecks,
    EventType,
    InformationAdded,
    Received,
    ReceivedReferral,
    Reference,
    Service,
    Withdrawn,
    WithdrawnReferral,
)
from libs.schemas.findings import AgencyState, Answer, Fact
from libs.schemas.person import Date
from libs.schemas.reference import new_reference
from libs.schemas.referral import Agreements, ChildInformation, ReferralBody, ReferredChild
from sandbox.issuer import Client, Issuer, load_key
from services.triage.app import Parts, routers
from services.triage.casework import Casework
from services.triage.colleagues.colleagues import Colleagues
from services.triage.consumer import TriageConsumer
from services.triage.desk import SELECT_CASES, case_of
from services.triage.policies.rulebook import Rulebooks
from services.triage.policies.store import Policies
from services.triage.settings import TriageSettings
from services.triage.thresholds import Thresholds
from tests.services.triage.bell import Bell
from tests.services.triage.enriched import Enriched
from tests.services.triage.furnishing import SEARCH_SECRET, consumer_of, furnished
from tests.services.triage.noting import noting
from tests.services.triage.shipped import shipped_partnership, shipped_thresholds
from tests.services.triage.staff import CANARY, Person

ISSUER = "https://issuer.example.org"
MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
AGENCIES = ("early_help", "education", "health", "marac", "police", "social_care")

CODEC = PlainCodec()


@pytest.fixture(scope="session")
def shipped() -> Thresholds:
    return shipped_thresholds()


@pytest.fixture
def thresholds(shipped: Thresholds) -> Thresholds:
    """The shipped thresholds, with what is in force this test's alone."""
    return replace(shipped, rulebooks=Rulebooks(shipped.rulebooks.directory))


@pytest.fixture
def policies(thresholds: Thresholds) -> Policies:
    return Policies(thresholds.rulebooks)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MONDAY)


@pytest.fixture
async def ledger(hub_database: str, clock: ManualClock) -> AsyncIterator[Ledger]:
    pool = await create_pool(role_dsn(hub_database, Service.TRIAGE), service=Service.TRIAGE, size=10)
    yield Ledger(pool, Service.TRIAGE, partnership="peterborough", codec=CODEC, clock=clock)
    await pool.close()


@pytest.fixture
def hub(ledger: Ledger, thresholds: Thresholds, policies: Policies, clock: ManualClock) -> "HubWorld":
    return HubWorld(ledger, consumer_of(thresholds, policies), policies, clock)


@pytest.fixture(scope="session")
def issuer_key(scratch: Path) -> Any:
    return load_key(scratch / "issuer")


@pytest.fixture
def issuer(issuer_key: Any, clients: Mapping[str, Client], clock: ManualClock) -> Issuer:
    return Issuer(issuer_key, clients, issuer=ISSUER, audience="mash", clock=clock)


def made_settings() -> TriageSettings:
    return TriageSettings(
        environment="test",
        database_url="postgresql://unused",
        events="postgres",
        issuer=ISSUER,
        jwks_url="http://issuer.example.org/jwks.json",
        cursor_secret="s" * 32,
        search_secret=SEARCH_SECRET,
    )


@pytest.fixture
def settings() -> TriageSettings:
    return made_settings()


@pytest.fixture(scope="session")
def application() -> Iterator[FastAPI]:
    """The service's operations, described once: working out seventy of them takes longer than most tests."""
    made = made_settings()
    telemetry = setup(Service.TRIAGE, made, install=False)
    yield create_app("Triage", made, telemetry, routers())
    telemetry.shutdown()


def parts_of(hub: "HubWorld", thresholds: Thresholds, settings: TriageSettings, alarms: Bell) -> Parts:
    """What the rooms are built from, with the shipped files."""
    people = Colleagues(hub.ledger)
    return Parts(
        hub.ledger, Casework(thresholds), hub.policies, settings, shipped_partnership(), alarms, people
    )


@pytest.fixture
def alarms() -> Bell:
    return Bell()


@pytest.fixture
async def http(
    hub: "HubWorld",
    settings: TriageSettings,
    issuer: Issuer,
    clock: ManualClock,
    thresholds: Thresholds,
    alarms: Bell,
    application: FastAPI,
) -> AsyncIterator[httpx.AsyncClient]:
    """Triage's API in this process, with tokens of the sandbox's issuer."""

    def keys(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=issuer.jwks())

    async with httpx.AsyncClient(transport=httpx.MockTransport(keys)) as client:
        authenticator = Authenticator(settings.jwks_url, ISSUER, "mash", client, clock)
        parts = parts_of(hub, thresholds, settings, alarms)
        with furnished(application, authenticator, parts) as app:
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport,
                base_url="http://triage.example.org",
                event_hooks=noting(hub.ledger.pool),
            ) as caller:
                yield caller


@pytest.fixture
def worker(http: httpx.AsyncClient, issuer: Issuer) -> Person:
    return Person(http, issuer, "staff-sw-1")


@pytest.fixture
def manager(http: httpx.AsyncClient, issuer: Issuer) -> Person:
    return Person(http, issuer, "staff-mgr-1")


@pytest.fixture
def trusted(http: httpx.AsyncClient, issuer: Issuer) -> Person:
    """A manager who may see restricted cases."""
    return Person(http, issuer, "staff-mgr-2")


@pytest.fixture
def operator(http: httpx.AsyncClient, issuer: Issuer) -> Person:
    return Person(http, issuer, "operations")


def stated(name: str, value: Any, basis: str = "observed") -> Fact:
    return Fact(fact=name, value=value, basis=basis)


NEGLECTED = (stated("child.hunger", "persistent"), stated("child.home_conditions", "poor"))
"""A child in need under section 17: routed at once, though nobody has read the words."""


@dataclass
class Story(Enriched):
    """One referral, as the other services tell of it."""

    children: int = 1
    id: UUID = field(default_factory=uuid.uuid4)
    reference: str = field(default_factory=new_reference)
    at: datetime = MONDAY
    counts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.child_ids = [uuid.uuid4() for _ in range(self.children)]
        self._sequences = {service: itertools.count(1) for service in Service}

    def event(self, type: EventType[Any], payload: Payload[Any, Any]) -> Event:
        return Event(
            id=uuid.uuid4(),
            type=type,
            source=f"/peterborough/{type.producer.value}",
            referral_id=self.id,
            sequence=next(self._sequences[type.producer]),
            time=self.at,
            payload=payload,
            trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )

    def received(self, *facts: Sequence[Fact], **body: Any) -> Event:
        """`facts`: one list for each child; a child without one states nothing."""
        referral = ReferralBody.model_validate(
            {
                "worry": f"{CANARY} comes without breakfast.",
                "referrer": {"role": "teacher", "source": "2A", "name": CANARY},
                **body,
            }
        )
        children = {
            child_id: ReferredChild(
                given_name=CANARY,
                born=Date(on=date(2017, 5, 2)),
                nhs_number="9990000018",
                facts=tuple(facts[place] if place < len(facts) else ()),
            )
            for place, child_id in enumerate(self.child_ids)
        }
        shared = ReceivedReferral(
            reference=self.reference, received_at=self.at, agency="st_ives_primary", referral=referral
        )
        return self.event(RECEIVED, Received(shared=shared, children=children))

    def answer(
        self, agency: str, *facts: Fact, child: int = 0, state: str | None = None, **fields: Any
    ) -> Event:
        code = AgencyState(state) if state else AgencyState.RETURNED if facts else AgencyState.NOTHING_HELD
        question = fields.pop("question_id", None) or self.question(agency, child)
        answer = Answer(agency=agency, question_id=question, state=code, facts=facts, **fields)
        return self.event(
            CHECK_RETURNED, CheckReturned(shared=self.about(), children={self.child_ids[child]: answer})
        )

    def question(self, agency: str, child: int = 0) -> str:
        """The question to an agency about a child: the same however often it is asked."""
        return uuid.uuid5(self.child_ids[child], agency).hex

    def completed(self, states: dict[str, str] | None = None) -> Event:
        given = dict.fromkeys(AGENCIES, AgencyState.NOTHING_HELD) | {
            agency: AgencyState(state) for agency, state in (states or {}).items()
        }
        checks = CompletedChecks(states=given, due_at=self.at + timedelta(minutes=30))
        children = dict.fromkeys(self.child_ids, checks)
        return self.event(CHECKS_COMPLETED, ChecksCompleted(shared=self.about(), children=children))

    def information(self, *facts: Fact, child: int = 0, **shared: Any) -> Event:
        added = AddedInformation(
            reference=self.reference, received_at=self.at, agency="st_ives_primary", **shared
        )
        children = {self.child_ids[child]: ChildInformation(child=child + 1, facts=facts)} if facts else {}
        return self.event(INFORMATION_ADDED, InformationAdded(shared=added, children=children))

    def agreement(self, answer: str) -> Event:
        agreements = Agreements.model_validate(
            {"early_help": {"answer": answer}, "panel": {"answer": answer}}
        )
        return self.information(agreements=agreements)

    def withdrawn(self) -> Event:
        shared = WithdrawnReferral(
            reference=self.reference,
            received_at=self.at,
            agency="st_ives_primary",
            by="teacher",
            reason=f"{CANARY} is fine now.",
        )
        return self.event(WITHDRAWN, Withdrawn(shared=shared, children={}))

    def about(self) -> Reference:
        return Reference(reference=self.reference, at=self.at)


@dataclass
class HubWorld:
    """Triage with everything around it left out but the database."""

    ledger: Ledger
    consumer: TriageConsumer
    policies: Policies
    clock: ManualClock

    async def take(self, *events: Event) -> None:
        """Takes in a batch, in one transaction, as the runner does."""
        async with self.ledger.unit({event.referral_id for event in events}) as unit:
            await self.consumer.handle(unit, events)

    async def take_one_by_one(self, events: Sequence[Event]) -> None:
        for event in events:
            await self.take(event)

    async def park(self, event: Event, *, first: bool = True, value: bytes | None = None) -> None:
        """Puts a message aside; `value`: what it holds instead of what its type says."""
        async with self.ledger.unit([event.referral_id]) as unit:
            await unit.connection.execute(
                "INSERT INTO parked (consumer, event_id, referral_id, type, topic, partition, position, key, headers,"
                " payload, state, error_class, code, attempts, parked_at)"
                " VALUES ('triage', $1, $2, $3, $4, 0, 0, '', '{}', $5, 'failed', 'permanent', 'contract', 1, $6)",
                event.id,
                event.referral_id,
                event.type.name,
                event.type.topic,
                value if value is not None else b"",
                unit.now,
            )
            readable = None if value is not None else event
            parked = Parked(
                event.id, event.referral_id, event.type.name, first, "contract", readable, unit.now
            )
            await self.consumer.stopped(unit, [parked])

    async def resume(self, referral_id: UUID) -> None:
        async with self.ledger.unit([referral_id]) as unit:
            await self.consumer.resumed(unit, referral_id)

    async def case(self, child_id: UUID) -> Any:
        row = await self.ledger.pool.fetchrow(f"{SELECT_CASES} WHERE id = $1", child_id)
        return case_of(row) if row is not None else None

    async def rows(self, query: str, *parameters: Any) -> list[asyncpg.Record]:
        found: list[asyncpg.Record] = await self.ledger.pool.fetch(query, *parameters)
        return found

    async def emitted(self, referral_id: UUID) -> list[tuple[str, Any]]:
        """The events written about a referral, in order: the type's middle name and the payload."""
        rows = await self.rows(
            "SELECT type, payload FROM outbox WHERE referral_id = $1 ORDER BY sequence", referral_id
        )
        decoded = await CODEC.decode([(BY_NAME[row[0]].payload, row[1]) for row in rows])
        found = []
        for row, item in zip(rows, decoded, strict=True):
            assert isinstance(item, Decoded)
            found.append((row[0].removeprefix("uk.mash.triage.").removesuffix(".v1"), item.payload))
        return found

    async def names(self, referral_id: UUID) -> list[str]:
        return [name for name, _ in await self.emitted(referral_id)]
