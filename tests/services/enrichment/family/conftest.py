"""The family's part of enrichment on a real database, with the index of people."""

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from libs.messaging.codec import Decoded, PlainCodec
from libs.messaging.event import Event
from libs.messaging.ledger import Ledger
from libs.messaging.timers import TimerLoop
from libs.platform.clock import SystemClock
from libs.platform.database import create_pool, role_dsn
from libs.schemas.base import Payload
from libs.schemas.commands import PersonDecision
from libs.schemas.dictionary import Dictionary
from libs.schemas.events import (
    BY_NAME,
    CASE_DECIDED,
    CHILDREN_FOUND,
    PEOPLE_CORRECTED,
    PERSON_DECIDED,
    PERSON_LINKED,
    CaseDecided,
    CorrectedPeople,
    DecidedChild,
    EventType,
    PeopleCorrected,
    PersonDecided,
    Reference,
    Service,
)
from libs.schemas.findings import AgencyState, CorrectionKind
from libs.schemas.levels import Destination, Level
from libs.schemas.people import Linked
from libs.schemas.person import FoundPerson
from libs.schemas.plans import Plan
from libs.schemas.referral import Adult, ReferredChild
from services.enrichment.asking.agency import Reply
from services.enrichment.checks.desk import Desk
from services.enrichment.checks.effects import FAMILY, carry_out
from services.enrichment.checks.record import Returned
from services.enrichment.checks.store import Store
from services.enrichment.consumer import EnrichmentConsumer
from services.enrichment.family.events import worry_of
from services.enrichment.family.family import Family
from services.enrichment.family.records import Records
from services.enrichment.partnership import load_agencies, load_check_terms
from services.enrichment.people.index import Index, open_index
from services.enrichment.sharing.agreement import load_agreement
from tests.services.enrichment.conftest import FINCH, PARTNERSHIP, WREN, Case

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HUNGER = {"fact": "child.hunger", "value": "persistent", "basis": "observed"}
MOTHER = {"given_name": "Ada", "family_name": "Kestrel-Test", "roles": ["mother"], "household": "home"}
HOME = {"household": "home"}
SIBLING = {"relation": "sibling", "same_household": True, **FINCH}


def child(**changes: object) -> dict[str, object]:
    return {**WREN, **changes}


@dataclass
class Hub:
    """Enrichment's consumer without its transport, and its clocks, fired by hand."""

    ledger: Ledger
    consumer: EnrichmentConsumer
    family: Family
    store: Store
    desk: Desk
    timers: TimerLoop

    async def take(self, *events: Event) -> None:
        """Applies events in one unit, then everything that follows elsewhere."""
        async with self.ledger.unit({event.referral_id for event in events}) as unit:
            await self.consumer.handle(unit, events)
        await self.settle()

    async def settle(self) -> None:
        """Fires the clocks that are due."""
        while await self.timers.fire_due():
            pass

    async def answered(
        self,
        case: "Told",
        agency: str,
        *people: Mapping[str, Any],
        child: int = 0,
        plans: tuple[Mapping[str, Any], ...] = (),
    ) -> None:
        """An agency's answer about a child names people, and plans."""
        async with self.ledger.unit([case.id]) as unit:
            referrals = await self.store.load(unit.connection, [case.id])
            referral = referrals[case.id]
            known = referral.children[case.child_ids[child]]
            (check, *_) = known.of(agency)
            check.state, check.answered_at, check.changed = AgencyState.RETURNED, unit.now, True
            answer = check.told(Reply(AgencyState.RETURNED)).model_copy(
                update={
                    "people": tuple(map(FoundPerson.model_validate, people)),
                    "plans": tuple(map(Plan.model_validate, plans)),
                }
            )
            check.answer = answer
            carry_out(unit, referral, [Returned(known, answer)])
            await self.store.save(unit.connection, [referral], unit.now)
        await self.settle()

    async def takes_back(self, case: "Told", agency: str, instead: Reply | None = None) -> None:
        """An agency takes back what it answered of the first child, or says something else instead."""
        async with self.ledger.unit([case.id]) as unit:
            referrals = await self.store.load(unit.connection, [case.id])
            referral = referrals[case.id]
            known = referral.children[case.child]
            (check, *_) = known.of(agency)
            kind = CorrectionKind.RETRACTED if instead is None else CorrectionKind.CORRECTED
            effects = self.desk.corrected(
                referral, known, check.question_id, kind, "mistake", instead, unit.now
            )
            carry_out(unit, referral, effects)
            await self.store.save(unit.connection, [referral], unit.now)
        await self.settle()

    async def told(self) -> list[tuple[EventType[Any], Payload[Any, Any], uuid.UUID]]:
        """The events that were written, with their referrals, in their order."""
        rows = await self.ledger.pool.fetch("SELECT type, payload, referral_id FROM outbox ORDER BY xid, id")
        decoded = await self.ledger.codec.decode(
            [(BY_NAME[row["type"]].payload, row["payload"]) for row in rows]
        )
        return [
            (BY_NAME[row["type"]], item.payload, row["referral_id"])
            for row, item in zip(rows, decoded, strict=True)
            if isinstance(item, Decoded)
        ]

    async def linked(self, case_id: uuid.UUID) -> list[Linked]:
        """What was told of a child, in its order."""
        return [
            payload.children[case_id]
            for kind, payload, _ in await self.told()
            if kind is PERSON_LINKED and case_id in payload.children
        ]

    async def last(self, case_id: uuid.UUID) -> Linked:
        """What was told of a child last."""
        return (await self.linked(case_id))[-1]

    async def found(self, referral_id: uuid.UUID) -> list[tuple[tuple[str, ...], uuid.UUID, ReferredChild]]:
        """The children who were found: by whom, under which id, and who."""
        return [
            (payload.shared.sources, child_id, child)
            for kind, payload, about in await self.told()
            if kind is CHILDREN_FOUND and about == referral_id
            for child_id, child in payload.children.items()
        ]


@dataclass
class Told(Case):
    """A referral as the events about it, received when the test says."""

    at: datetime | None = None
    agency: str = "school"

    def received(self) -> Event:
        event = super().received()
        shared = event.payload.shared.model_copy(
            update={"agency": self.agency, **({} if self.at is None else {"received_at": self.at})}
        )
        return replace(event, payload=event.payload.model_copy(update={"shared": shared}))

    def decided(self, at: datetime, level: Level = Level.EARLY_HELP, number: int = 1) -> Event:
        outcome = DecidedChild(
            level=level, destination=Destination.EARLY_HELP, departs=False, decision=number
        )
        shared = Reference(reference=self.reference, at=at)
        return self.event(
            CASE_DECIDED, CaseDecided(shared=shared, children=dict.fromkeys(self.child_ids, outcome))
        )

    def said(self, action: str, at: datetime, child: int = 0, **more: Any) -> Event:
        decision = PersonDecision(
            command_id=more.pop("command_id", None) or uuid.uuid4(),
            action=action,
            reason="Seen in both records.",
            by="Kit Invented",
            at=at,
            **more,
        )
        shared = Reference(reference=self.reference, at=at)
        return self.event(
            PERSON_DECIDED, PersonDecided(shared=shared, children={self.child_ids[child]: decision})
        )

    def corrected(
        self, children: Mapping[uuid.UUID, Mapping[str, Any]], adults: tuple[Mapping[str, Any], ...] = ()
    ) -> Event:
        shared = CorrectedPeople(
            reference=self.reference,
            at=SystemClock().now(),
            by="Kit Invented",
            reason="Told on the telephone.",
            adults=tuple(map(Adult.model_validate, adults)),
        )
        parts = {child_id: ReferredChild.model_validate(child) for child_id, child in children.items()}
        return self.event(PEOPLE_CORRECTED, PeopleCorrected(shared=shared, children=parts))


@pytest.fixture(scope="session")
def desk() -> Desk:
    terms = load_agencies(PARTNERSHIP / "agencies")
    leads = [name for name, agency in terms.items() if agency.lead is not None]
    agreement = load_agreement(PARTNERSHIP / "sharing.yaml", leads)
    return Desk(load_check_terms(PARTNERSHIP / "checks.yaml"), terms, agreement)


@pytest.fixture(scope="session")
def index() -> Index:
    return open_index(PlainCodec(), PARTNERSHIP, "p" * 32)


@pytest.fixture
async def hub(hub_database: str, dictionary: Dictionary, desk: Desk, index: Index) -> AsyncIterator[Hub]:
    pool = await create_pool(role_dsn(hub_database, Service.ENRICHMENT), service=Service.ENRICHMENT)
    codec = PlainCodec()
    ledger = Ledger(pool, Service.ENRICHMENT, partnership="peterborough", codec=codec, clock=SystemClock())
    store = Store(codec)
    family = Family(Records(codec), store, index, worry_of(dictionary), ZoneInfo("Europe/London"))
    consumer = EnrichmentConsumer(desk, store, family, lambda: None)
    yield Hub(ledger, consumer, family, store, desk, TimerLoop(ledger, {FAMILY: family.heard}))
    await pool.close()
