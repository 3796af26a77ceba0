"""What a message of a restricted referral says is kept from whoever looks after messages and has no right to see it."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx

from libs.messaging.errors import Refused
from libs.platform.auth import Authenticator
from libs.platform.parked_api import parked_router
from libs.platform.restricted import RIGHT
from libs.platform.service import create_app
from libs.platform.telemetry import setup
from libs.schemas.events import Service
from sandbox.issuer import Issuer
from services.triage.restricted.rights import withheld
from services.triage.settings import TriageSettings
from tests.services.triage.conftest import ISSUER, MONDAY, HubWorld
from tests.services.triage.restricted.test_leaks import restricted
from tests.services.triage.staff import CANARY, Person


class Held:
    """A consumer with one parked message that is not what its type says."""

    def __init__(self, referral_id: UUID) -> None:
        at: datetime | None = MONDAY
        self.message = SimpleNamespace(
            consumer="triage",
            event_id=uuid4(),
            number=1,
            referral_id=referral_id,
            type="t",
            state="failed",
            error_class="permanent",
            code="contract",
            attempts=1,
            parked_at=at,
            next_attempt_at=None,
            resolved_at=None,
        )

    async def show(self, event_id: UUID, *, by: str) -> Any:
        return SimpleNamespace(message=self.message, event=None, text=CANARY, actions=())


async def test_it_is_withheld_without_the_right_and_shown_with_it(
    hub: HubWorld, http: httpx.AsyncClient, issuer: Issuer, settings: TriageSettings, manager: Person
) -> None:
    story = await restricted(hub, manager, 2, family=False)
    held = Held(story.id)
    telemetry = setup(Service.TRIAGE, settings, install=False)
    keys = httpx.MockTransport(lambda request: httpx.Response(200, json=issuer.jwks()))
    async with httpx.AsyncClient(transport=keys) as client:
        authenticator = Authenticator(settings.jwks_url, ISSUER, "mash", client, hub.clock)
        routers = [parked_router(Refused, withheld)]
        app = create_app("Triage", settings, telemetry, routers, authenticator=authenticator)
        app.state.parked, app.state.office = held, SimpleNamespace(ledger=hub.ledger)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://triage.example.org") as caller:
            for scopes, there in ((("parked:manage",), False), (("parked:manage", RIGHT), True)):
                token = issuer.token("operations", scopes=scopes)
                headers = {"Authorization": f"Bearer {token}"}
                answer = await caller.get(f"/v1/parked/{held.message.event_id}", headers=headers)
                assert answer.status_code == 200, answer.text
                assert (CANARY in answer.text) is there
                assert answer.json()["withheld"] is not there
    telemetry.shutdown()
