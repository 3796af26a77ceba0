"""Agencies that fetch their questions, over HTTP from a running enrichment on a real database."""

import re
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc.jwk import ECKey

from libs.platform.auth import Authenticator
from libs.platform.clock import SystemClock
from libs.platform.http import http_client
from libs.platform.pages import Pages, pages_router
from libs.platform.service import create_app
from libs.platform.signin import SignIn
from libs.platform.telemetry import setup
from libs.schemas.events import Service
from sandbox.authorization import Authorization, authorization_router
from sandbox.issuer import Client, Issuer, issuer_router, load_clients, load_people
from services.enrichment.partnership import load_agencies
from services.enrichment.pulled import api, lists_api, web
from services.enrichment.settings import EnrichmentSettings
from tests.sandbox.serving import NO_TLS, serve
from tests.services.enrichment.conftest import PARTNERSHIP, Case, Instance, Sandbox, World, until

CLIENTS = {
    **load_clients(),
    "marac": Client("marac", "s", "MARAC", ("checks:answer", "lists:write"), "marac"),
    "marac-second": Client("marac-second", "s", "MARAC", ("checks:answer",), "marac"),
    "police-team": Client("police-team", "s", "Police", ("checks:answer",), "police"),
}


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


@asynccontextmanager
async def token_issuer() -> AsyncIterator[Issuer]:
    """The sandbox's issuer behind a real socket, with the sign-in of people."""
    app = FastAPI()
    key = ECKey.generate_key("P-256", {"kid": "test", "use": "sig", "alg": "ES256"})
    async with serve(app) as url:
        tokens = Issuer(key, CLIENTS, issuer=f"{url}/issuer", audience="mash", clock=SystemClock())
        authorization = Authorization(tokens, load_people())
        app.include_router(issuer_router(tokens, authorization.exchange))
        app.include_router(authorization_router(authorization))
        yield tokens


@pytest.fixture(scope="session")
def application(settings: EnrichmentSettings) -> Iterator[FastAPI]:
    """The service's operations, described once for all tests of a worker."""
    telemetry = setup(Service.ENRICHMENT, settings, install=False)
    routers = [api.router, lists_api.router, lists_api.pages, web.router, pages_router()]
    yield create_app("Enrichment", settings, telemetry, routers)
    telemetry.shutdown()


@pytest.fixture(scope="session")
def pages() -> Pages:
    """The templates, compiled once: each test signs people in at them in its own way."""
    nowhere: Any = None
    return Pages("Answers for the hub", web.HOME, nowhere, web.TEMPLATES)


@pytest.fixture
async def fetching(
    world: World, sandbox: Sandbox, application: FastAPI, pages: Pages
) -> AsyncIterator[Fetching]:
    world.terms |= {"marac": load_agencies(PARTNERSHIP / "agencies")["marac"]}
    instance = await world.start(check_deadline_cap_seconds=30.0)
    async with AsyncExitStack() as stack:
        tokens = await stack.enter_async_context(token_issuer())
        keys = await stack.enter_async_context(http_client(tokens.name, peer="issuer"))
        jwks_url = f"{tokens.name}/jwks.json"
        authenticator = Authenticator(jwks_url, tokens.name, "mash", keys, SystemClock())
        settings = world.settings.model_copy(
            update={
                "issuer": tokens.name,
                "jwks_url": jwks_url,
                "sign_in_client": "enrichment-pages",
                "sign_in_secret": "sandbox-only-enrichment-pages",
            }
        )
        application.state.authenticator = authenticator
        application.state.answering = instance.checks.answering
        application.state.listing = instance.checks.listing
        url = await stack.enter_async_context(serve(application))
        pages.signin = SignIn(
            settings.model_copy(update={"public_url": url}), authenticator, keys, SystemClock()
        )
        application.state.pages = pages
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, verify=NO_TLS))
        yield Fetching(instance, url, tokens, http)


class Browser:
    """Somebody at the pages: follows links, keeps cookies, and fills in the forms that it was shown."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, verify=NO_TLS, follow_redirects=True)
        self.seen: list[httpx.Response] = []

    async def get(self, path: str) -> httpx.Response:
        return self._see(await self.http.get(path))

    async def sign_in(self, person: str, path: str = "/questions") -> httpx.Response:
        """Comes to a page, is sent to the issuer, and says there who they are."""
        shown = await self.get(path)
        assert shown.url.path == "/issuer/authorize", shown.text
        return await self.submit({"person": person})

    async def submit(
        self, fields: Mapping[str, str], action: str = "", *, files: Any = None
    ) -> httpx.Response:
        """Sends the form of the page whose action ends so, with its hidden fields."""
        page = self.seen[-1]
        forms = re.findall(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', page.text, re.DOTALL)
        found = [(path, body) for path, body in forms if path.endswith(action) and path != "/sign-out"]
        path, body = found[0] if found else next(form for form in forms if form[0] == action)
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', body)
        values = {name: unescape(value) for name, value in hidden} | dict(fields)
        target = page.url.join(path)
        return self._see(await self.http.post(target, data=values, files=files))

    def _see(self, response: httpx.Response) -> httpx.Response:
        self.seen.append(response)
        return response


@pytest.fixture
async def browser(fetching: Fetching) -> AsyncIterator[Browser]:
    one = Browser(fetching.url)
    yield one
    await one.http.aclose()
