"""Agencies that fetch their questions, over HTTP from a running enrichment on a real database."""

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from libs.platform.auth import Authenticator
from libs.platform.clock import SystemClock
from libs.platform.service import create_app
from libs.platform.telemetry import setup
from libs.schemas.events import Service
from sandbox.issuer import Client, Issuer, load_clients
from services.enrichment.partnership import Kind
from services.enrichment.pulled import api
from tests.sandbox.serving import serve
from tests.services.enrichment.conftest import Case, Instance, Sandbox, World, until

ISSUER = "https://issuer.example.org"
CLIENTS = {
    **load_clients(),
    "marac": Client("marac", "s", "MARAC", ("checks:answer",), "marac"),
    "marac-second": Client("marac-second", "s", "MARAC", ("checks:answer",), "marac"),
    "police-team": Client("police-team", "s", "Police", ("checks:answer",), "police"),
}


def issuer() -> Issuer:
    key = ECKey.generate_key("P-256", {"kid": "test", "use": "sig", "alg": "ES256"})
    return Issuer(key, CLIENTS, issuer=ISSUER, audience="mash", clock=SystemClock())


@dataclass
class Fetching:
    """A running enrichment whose MARAC fetches its questions, and callers of its API."""

    instance: Instance
    url: str
    tokens: Issuer
    http: httpx.AsyncClient
    cases: list[Case] = field(default_factory=list)

    def headers(self, client: str = "marac") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens.token(client)}"}

    async def ask(self, *cases: Case) -> None:
        """Has the agencies asked about these, and waits until MARAC's questions lie on the table."""
        for case in cases:
            await self.instance.take(case.received(), case.screened())
        self.instance.checks.asking.wake()
        wanted = [child for case in cases for child in case.child_ids]

        async def put() -> bool:
            count = "SELECT count(*) FROM work WHERE agency = 'marac' AND child_id = ANY ($1::uuid[])"
            return bool(await self.instance.ledger.pool.fetchval(count, wanted) == len(wanted))

        await until(put)

    async def until_accepted(self, child_id: uuid.UUID) -> None:
        """Waits until MARAC's check counts as asked, and the silence as that of an agency that has the question."""

        async def accepted() -> bool:
            row = await self.instance.ledger.pool.fetchrow(
                "SELECT state, silence, reason FROM agency_check WHERE child_id = $1 AND agency = 'marac'",
                child_id,
            )
            return tuple(row) == ("pending", "no_answer", "accepted")

        await until(accepted)

    async def claim(self, client: str = "marac", most: int = 1) -> dict[str, Any]:
        answer = await self.http.post("/v1/work/claims", json={"most": most}, headers=self.headers(client))
        assert answer.status_code == 200, answer.text
        claimed: dict[str, Any] = answer.json()
        return claimed

    async def answer(
        self, claimed: Mapping[str, Any], body: Mapping[str, Any], client: str = "marac", place: int = 0
    ) -> httpx.Response:
        question_id = claimed["items"][place]["question_id"]
        return await self.http.put(
            f"/v1/work/{question_id}/answer",
            json={"claim_id": claimed["claim_id"], **body},
            headers=self.headers(client),
        )

    async def marac_answers(self, child_id: uuid.UUID) -> list[Any]:
        return [each for each in await self.instance.answers(child_id) if each.agency == "marac"]


@pytest.fixture
async def fetching(world: World, sandbox: Sandbox, scratch: Path) -> AsyncIterator[Fetching]:
    world.terms = {
        name: replace(terms, kind=Kind.PULLED) if name == "marac" else terms
        for name, terms in world.terms.items()
    }
    instance = await world.start(check_deadline_cap_seconds=30.0)
    telemetry = setup(Service.ENRICHMENT, world.settings, install=False)
    tokens = issuer()
    keys = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=tokens.jwks())))
    app = create_app(
        "Enrichment",
        world.settings,
        telemetry,
        [api.router],
        authenticator=Authenticator(ISSUER, ISSUER, "mash", keys, SystemClock()),
    )
    app.state.answering = instance.checks.answering
    async with serve(app) as url, httpx.AsyncClient(base_url=url) as http:
        yield Fetching(instance, url, tokens, http)
    await keys.aclose()
    telemetry.shutdown()
