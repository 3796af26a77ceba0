"""Notify on a real database, with the sandbox's GOV.UK Notify behind a real socket, on one clock that tests move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import yaml
from fastapi import FastAPI

from libs.messaging.codec import PlainCodec
from libs.messaging.consumer import Parked
from libs.messaging.event import Event, new_event_id
from libs.messaging.failpoints import NEVER, Failpoints
from libs.messaging.ledger import Ledger
from libs.platform.clock import ManualClock
from libs.platform.database import create_pool, role_dsn
from libs.platform.http import http_client
from libs.platform.settings import ServiceSettings
from libs.platform.telemetry import Telemetry, setup
from libs.schemas.challenge import ChallengedChild, ChallengeOutcome, ChallengeState
from libs.schemas.clock import Clock
from libs.schemas.codes import ReferralSource, ReferrerRole, SafeChannel
from libs.schemas.events import (
    CASE_DECIDED,
    CASE_RESTRICTED,
    CASE_SCREENED,
    CHALLENGE_MOVED,
    RECEIVED,
    CaseDecided,
    CaseRestricted,
    CaseScreened,
    ChallengeMoved,
    DecidedChild,
    Received,
    ReceivedReferral,
    Reference,
    ScreenedChild,
    Service,
)
from libs.schemas.levels import Destination, Level, Rag
from libs.schemas.on_call import load_on_call
from libs.schemas.outcomes import RestrictedChild
from libs.schemas.reference import new_reference
from libs.schemas.referral import ReferralBody, ReferredChild, Referrer, SafeContact
from sandbox.issuer import CLIENTS
from sandbox.messages import Behaviour, Messages
from sandbox.notify import NotifyApi, load_templates, notify_router
from services.notify.consumer import NotifyConsumer
from services.notify.courier import Courier
from services.notify.govuk import GovUkNotify
from services.notify.progress import Patience
from services.notify.wording import Wording, load_wording
from tests.sandbox.serving import serve

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PARTNERSHIP = Path("deploy/partnership")
KEY: str = yaml.load(CLIENTS.read_text(), yaml.CSafeLoader)["notify"]["api_key"]
CALLBACK_TOKEN: str = yaml.load(CLIENTS.read_text(), yaml.CSafeLoader)["notify"]["callback_token"]
LEASE = timedelta(seconds=60)
ALERTS_WITHIN = timedelta(minutes=10)
ON_CALL = load_on_call(PARTNERSHIP / "on_call.yaml")
PATIENCE = Patience(
    look_up_after=timedelta(seconds=30), poll_after=timedelta(seconds=60), give_up_after=timedelta(hours=76)
)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
EMAIL = SafeContact(channel=SafeChannel.EMAIL, email="referrer@example.org")
SMS = SafeContact(channel=SafeChannel.SMS, phone="07700 900123")


@pytest.fixture(scope="session")
def wording() -> Wording:
    return load_wording(PARTNERSHIP)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@asynccontextmanager
async def open_ledger(
    dsn: str, clock: Clock, service: Service = Service.NOTIFY, failpoints: Failpoints = NEVER
) -> AsyncIterator[Ledger]:
    pool = await create_pool(role_dsn(dsn, service), service=service, size=10)
    try:
        yield Ledger(
            pool,
            service,
            partnership="peterborough",
            codec=PlainCodec(),
            clock=clock,
            failpoints=failpoints,
        )
    finally:
        await pool.close()


@pytest.fixture
async def ledger(hub_database: str, clock: ManualClock) -> AsyncIterator[Ledger]:
    async with open_ledger(hub_database, clock) as opened:
        yield opened


@pytest.fixture
def telemetry() -> Telemetry:
    settings = ServiceSettings.model_construct(otlp_endpoint=None, environment="test", partnership="p")
    settings = settings.model_copy(update={"trace_ratio": 1.0})
    return setup(Service.NOTIFY, settings, install=False)


def metric(telemetry: Telemetry, name: str) -> float:
    """A counter's total over all its labels."""
    return sum(
        sample.value
        for family in telemetry.registry.collect()
        for sample in family.samples
        if sample.name == name
    )


@dataclass
class GovUk:
    """The sandbox's GOV.UK Notify."""

    url: str
    messages: Messages
    clock: ManualClock
    receipts: list[dict[str, Any]]
    key: str = KEY

    def behave(self, **changes: Any) -> None:
        self.messages.behaviour = Behaviour.model_validate(
            {"delivery_seconds": 0, "callback": False, **changes}
        )

    def sent(self) -> list[dict[str, Any]]:
        return self.messages.everything()

    @asynccontextmanager
    async def client(self, timeout: float = 5.0) -> AsyncIterator[GovUkNotify]:
        bound = httpx.Timeout(timeout)
        async with http_client(self.url, peer="govuk-notify", limit=20, timeout=bound) as http:
            yield GovUkNotify(http, self.key, self.clock)


@pytest.fixture
async def govuk(clock: ManualClock) -> AsyncIterator[GovUk]:
    receipts: list[dict[str, Any]] = []

    async def post(receipt: dict[str, Any]) -> bool:
        receipts.append(receipt)
        return True

    messages = Messages(None, clock=clock, post=post)
    app = FastAPI()
    templates = load_templates(PARTNERSHIP / "wording.yaml")
    app.include_router(notify_router(NotifyApi(messages, templates, api_key=KEY, clock=clock)))
    async with serve(app) as url:
        stand_in = GovUk(url, messages, clock, receipts)
        stand_in.behave()
        yield stand_in
    await messages.stop()


@dataclass
class Story:
    """One referral and the events about it."""

    id: UUID = field(default_factory=lambda: new_event_id(START))
    reference: str = field(default_factory=new_reference)
    children: tuple[UUID, ...] = field(default_factory=lambda: (new_event_id(START), new_event_id(START)))
    role: ReferrerRole = ReferrerRole.HEALTH_VISITOR
    anonymous: bool = False
    contacts: tuple[SafeContact, ...] = (EMAIL,)
    suspect_may_read: str | None = None
    sequences: dict[Service, int] = field(default_factory=dict)

    def received(self) -> Event:
        referral = ReferralBody(
            worry="He comes without breakfast.",
            referrer=Referrer(
                role=self.role,
                source=ReferralSource.HEALTH_VISITOR,
                anonymous=self.anonymous,
                contacts=self.contacts,
                suspect_may_read=self.suspect_may_read,
            ),
        )
        shared = ReceivedReferral(
            reference=self.reference, received_at=START, agency="health_visiting", referral=referral
        )
        children = {
            child: ReferredChild(given_name="Zebedee", family_name="Canary-Test") for child in self.children
        }
        return self.event(RECEIVED, Received(shared=shared, children=children))

    def screened(self, *children: UUID) -> Event:
        first = ScreenedChild(
            level=Level.SECTION_17,
            rag=Rag.AMBER,
            immediate_danger=False,
            to_be_read=False,
            team="mash",
            due_at=START,
        )
        shared = Reference(reference=self.reference, at=START)
        return self.event(
            CASE_SCREENED,
            CaseScreened(shared=shared, children=dict.fromkeys(children or self.children, first)),
        )

    def restricted(self, *children: UUID, restricted: bool = True) -> Event:
        shared = Reference(reference=self.reference, at=START)
        part = RestrictedChild(restricted=restricted)
        return self.event(
            CASE_RESTRICTED, CaseRestricted(shared=shared, children=dict.fromkeys(children, part))
        )

    def decided(
        self,
        child: UUID,
        destination: Destination | str = Destination.EARLY_HELP,
        *,
        decision: int = 1,
        may_tell: bool = True,
    ) -> Event:
        made = DecidedChild(
            level=Level.EARLY_HELP,
            destination=destination,
            departs=False,
            decision=decision,
            may_tell_referrer=may_tell,
        )
        shared = Reference(reference=self.reference, at=START)
        return self.event(CASE_DECIDED, CaseDecided(shared=shared, children={child: made}))

    def moved(self, number: int, state: str) -> Event:
        """A step of the referrer's challenge of the first child's decision, which stands in the end."""
        child = ChallengedChild(
            challenge=self.id,
            number=number,
            state=ChallengeState(state),
            stage="practitioners",
            outcome=ChallengeOutcome.STANDS if state == "settled" else None,
        )
        shared = Reference(reference=self.reference, at=START)
        return self.event(CHALLENGE_MOVED, ChallengeMoved(shared=shared, children={self.children[0]: child}))

    def event(self, kind: Any, payload: Any) -> Event:
        sequence = self.sequences[kind.producer] = self.sequences.get(kind.producer, 0) + 1
        source = f"/peterborough/{kind.producer.value}"
        return Event(
            new_event_id(START),
            kind,
            source,
            self.id,
            sequence,
            START,
            payload,
            trace=TRACE,
            value=payload.model_dump_json().encode(),
        )


async def feed(ledger: Ledger, wording: Wording, *events: Event) -> None:
    """One batch of events, as the runner would hand it over."""
    consumer = NotifyConsumer(wording, ON_CALL, ledger.codec, lambda: None)
    async with ledger.unit({event.referral_id for event in events}) as unit:
        await consumer.handle(unit, events)


async def put_behind(ledger: Ledger, wording: Wording, event: Event) -> None:
    """The event has to wait behind a message that stopped its referral."""
    behind = Parked(event.id, event.referral_id, event.type.name, False, "behind", event, START)
    consumer = NotifyConsumer(wording, ON_CALL, ledger.codec, lambda: None)
    async with ledger.unit({event.referral_id}) as unit:
        await consumer.stopped(unit, [behind])


@dataclass
class Couriers:
    """Couriers of this test, stopped at its end."""

    ledger: Ledger
    govuk: GovUk
    telemetry: Telemetry
    stack: AsyncExitStack

    async def start(
        self,
        *,
        ledger: Ledger | None = None,
        timeout: float = 5.0,
        at_once: int = 20,
        lease: timedelta = LEASE,
    ) -> Courier:
        client = await self.stack.enter_async_context(self.govuk.client(timeout))
        courier = Courier(
            ledger or self.ledger,
            client,
            PATIENCE,
            lease=lease,
            at_once=at_once,
            look_every=0.02,
            meter=self.telemetry.meter,
            alerts_within=ALERTS_WITHIN,
        )
        task = asyncio.create_task(courier.run())

        async def stop() -> None:
            courier.stop()
            await task

        self.stack.push_async_callback(stop)
        return courier


@pytest.fixture
async def couriers(ledger: Ledger, govuk: GovUk, telemetry: Telemetry) -> AsyncIterator[Couriers]:
    async with AsyncExitStack() as stack:
        yield Couriers(ledger, govuk, telemetry, stack)


async def notices(ledger: Ledger) -> list[asyncpg.Record]:
    """All notices in the order of their making."""
    return list(await ledger.pool.fetch("SELECT * FROM notice ORDER BY number"))


async def emitted(ledger: Ledger) -> list[tuple[str, dict[str, Any]]]:
    """What notify told the other services: type and payload's shared part."""
    rows = await ledger.pool.fetch("SELECT type, payload FROM outbox ORDER BY id")
    return [(row["type"], yaml.load(row["payload"], yaml.CSafeLoader)["shared"]) for row in rows]


async def until(condition: Callable[[], Any], seconds: float = 40.0) -> None:
    """Waits for a condition, which may be asynchronous."""
    async with asyncio.timeout(seconds):
        while True:
            result = condition()
            if asyncio.iscoroutine(result):
                result = await result
            if result:
                return
            await asyncio.sleep(0.01)


async def states(ledger: Ledger) -> list[str]:
    return [row["state"] for row in await notices(ledger)]


async def reach(ledger: Ledger, *expected: str) -> None:
    """Waits until the notices have these states."""
    wanted: Sequence[str] = list(expected)

    async def there() -> bool:
        return await states(ledger) == wanted

    await until(there)
