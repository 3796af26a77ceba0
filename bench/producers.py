"""What intake and triage tell enrichment, written into their logs without them: referrals, received and screened."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from bench.referrals import body
from libs.messaging.codec import PlainCodec
from libs.messaging.ledger import Ledger
from libs.platform.clock import SystemClock
from libs.platform.database import create_pool
from libs.schemas.events import (
    CASE_SCREENED,
    RECEIVED,
    CaseScreened,
    Received,
    ReceivedReferral,
    Reference,
    ScreenedChild,
    Service,
)
from libs.schemas.levels import Level, Rag
from libs.schemas.reference import new_reference
from libs.schemas.referral import ReferralBody, ReferredChild
from sandbox.stack import Stack


class Producers:
    """Both, on one system whose events are read from PostgreSQL."""

    def __init__(self, intake: Ledger, triage: Ledger) -> None:
        self._intake = intake
        self._triage = triage
        self._sent = 0

    async def send(self, referrals: int) -> list[UUID]:
        """Writes so many referrals in two transactions; gives the child of each."""
        now = self._intake.clock.now()
        made = [self._referral(now) for _ in range(referrals)]
        ids = [referral_id for referral_id, *_ in made]
        async with self._intake.unit(ids) as unit:
            for referral_id, received, _ in made:
                unit.emit(RECEIVED, referral_id, received, trace=None)
        async with self._triage.unit(ids) as unit:
            for referral_id, _, screened in made:
                unit.emit(CASE_SCREENED, referral_id, screened, trace=None)
        return [child_id for _, received, _ in made for child_id in received.children]

    def _referral(self, now: datetime) -> tuple[UUID, Received, CaseScreened]:
        document = json.loads(body(self._sent))
        self._sent += 1
        (child,) = document.pop("children")
        child_id, reference = uuid4(), new_reference()
        shared = ReceivedReferral(
            reference=reference,
            received_at=now,
            agency="st_ives_primary",
            referral=ReferralBody.model_validate(document),
        )
        screened = ScreenedChild(
            level=Level.EARLY_HELP,
            rag=Rag.GREEN,
            immediate_danger=False,
            to_be_read=False,
            team="duty",
            due_at=now + timedelta(days=1),
        )
        return (
            uuid4(),
            Received(shared=shared, children={child_id: ReferredChild.model_validate(child)}),
            CaseScreened(shared=Reference(reference=reference, at=now), children={child_id: screened}),
        )


@asynccontextmanager
async def producers(stack: Stack) -> AsyncIterator[Producers]:
    """Opens the logs of a system whose intake and triage do not run."""
    async with AsyncExitStack() as opened:
        ledgers = []
        for service in (Service.INTAKE, Service.TRIAGE):
            pool = await create_pool(stack.dsn(service), service=service, size=4)
            opened.push_async_callback(pool.close)
            ledgers.append(
                Ledger(pool, service, partnership="bench", codec=PlainCodec(), clock=SystemClock())
            )
        yield Producers(*ledgers)
