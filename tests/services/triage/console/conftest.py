"""The console on a real database, and people with browsers that know no script."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from libs.platform.auth import Authenticator
from libs.platform.clock import ManualClock
from libs.platform.pages import Pages
from libs.platform.signin import SignIn
from libs.schemas.findings import Fact
from sandbox.authorization import Authorization, authorization_router
from sandbox.issuer import Issuer, issuer_router, load_clients, load_people
from services.triage.app import routers
from services.triage.console.api import offer, pages_of
from services.triage.settings import TriageSettings
from services.triage.thresholds import Thresholds
from tests.sandbox.serving import NO_TLS
from tests.services.triage.bell import Bell
from tests.services.triage.conftest import HubWorld, Story, parts_of
from tests.services.triage.furnishing import furnished

HUB = "http://localhost:8103"
TOKENS = "http://127.0.0.1:8100"
HUNGRY = Fact(fact="child.hunger", value="persistent", basis="observed")
FORM = re.compile(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
TEXT = re.compile(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', re.DOTALL)


@dataclass
class NoNeighbours:
    """Stands for intake and enrichment: keeps what it was sent."""

    sent: list[tuple[Mapping[str, Any], str]] = field(default_factory=list)

    async def agencies(self) -> Any:
        return [
            {
                "agency": "police",
                "name": "Police",
                "answering": False,
                "since": "2026-11-23T09:00:00Z",
                "tried_next": None,
                "waiting": 2,
                "words": "Police: not answering since 09:00; 2 children waiting",
            }
        ]

    async def refer(self, body: Mapping[str, Any], key: str) -> Any:
        self.sent.append((body, key))
        return {"reference": "4KKG-PZGK-2", "received_at": "2026-11-23T10:00:00Z", "children": []}


class Browser:
    """Somebody at the pages: follows links, keeps cookies, and fills in the forms that it was shown."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.seen: list[httpx.Response] = []

    @property
    def page(self) -> httpx.Response:
        return self.seen[-1]

    async def get(self, path: str) -> httpx.Response:
        return self._see(await self.http.get(path))

    async def sign_in(self, person: str, path: str = "/") -> httpx.Response:
        """Comes to a page, is sent to the issuer, and says there who they are."""
        shown = await self.get(path)
        assert shown.url.path == "/issuer/authorize", shown.text
        return await self.submit({"person": person})

    async def submit(self, fields: Mapping[str, str], action: str = "", place: int = 0) -> httpx.Response:
        """Sends the form of the page whose action ends so, with what it was shown with."""
        found = [
            each
            for each in FORM.findall(self.page.text)
            if each[0] != "/sign-out" and each[0].endswith(action)
        ]
        path, body = found[place]
        values = {name: unescape(value) for name, value in (*HIDDEN.findall(body), *TEXT.findall(body))}
        values |= dict(
            re.findall(r'<input[^>]*name="([^"]+)"[^>]*type="radio" value="([^"]*)" checked', body)
        )
        return self._see(await self.http.post(self.page.url.join(unescape(path)), data=values | dict(fields)))

    def _see(self, response: httpx.Response) -> httpx.Response:
        self.seen.append(response)
        return response


@dataclass
class Office:
    """The hub with its console."""

    hub: HubWorld
    app: FastAPI
    issuer_app: FastAPI
    neighbours: NoNeighbours
    stack: AsyncExitStack

    @property
    def clock(self) -> ManualClock:
        return self.hub.clock

    def browser(self) -> Browser:
        """A new browser."""
        mounts = {HUB: httpx.ASGITransport(self.app), TOKENS: httpx.ASGITransport(self.issuer_app)}
        http = httpx.AsyncClient(mounts=mounts, verify=NO_TLS, base_url=HUB, follow_redirects=True)
        self.stack.push_async_callback(http.aclose)
        return Browser(http)

    async def at(self, person: str, path: str = "/") -> Browser:
        """Somebody who is signed in and looks at a page."""
        browser = self.browser()
        await browser.sign_in(person, path)
        return browser

    async def told(self, *facts: list[Fact], **body: Any) -> Story:
        """A referral of as many children as there are lists of facts, whose checks have completed."""
        story = Story(children=len(facts), at=self.clock.now())
        await self.hub.take(story.received(*facts, **body))
        await self.hub.take(story.completed())
        return story


@pytest.fixture(scope="session")
def console_pages(shipped: Thresholds) -> Pages:
    """The templates, compiled once: each test signs people in at them in its own way."""
    nowhere: Any = None
    return pages_of(nowhere, shipped.rulebooks.directory.dictionary, shipped.names, routers())


@pytest.fixture
async def office(
    hub: HubWorld,
    console_pages: Pages,
    settings: TriageSettings,
    issuer_key: Any,
    clock: ManualClock,
    thresholds: Thresholds,
    alarms: Bell,
    application: FastAPI,
) -> AsyncIterator[Office]:
    async with AsyncExitStack() as stack:
        tokens = Issuer(issuer_key, load_clients(), issuer=f"{TOKENS}/issuer", audience="mash", clock=clock)
        people = Authorization(tokens, load_people())
        issuer_app = FastAPI()
        issuer_app.include_router(issuer_router(tokens, people.exchange))
        issuer_app.include_router(authorization_router(people))
        http = await stack.enter_async_context(
            httpx.AsyncClient(transport=httpx.ASGITransport(issuer_app), base_url=TOKENS)
        )
        own = settings.model_copy(
            update={
                "issuer": tokens.name,
                "jwks_url": f"{tokens.name}/jwks.json",
                "public_url": HUB,
                "sign_in_client": "triage-pages",
                "sign_in_secret": "sandbox-only-triage-pages",
            }
        )
        parts = parts_of(hub, thresholds, own, alarms)
        meet = parts.colleagues.meet
        authenticator = Authenticator(own.jwks_url, own.issuer, "mash", http, clock, meet)
        app = stack.enter_context(furnished(application, authenticator, parts))
        neighbours = NoNeighbours()
        dictionary = thresholds.rulebooks.directory.dictionary
        console_pages.signin = SignIn(own, authenticator, http, clock)
        offer(app, console_pages, hub.ledger, dictionary, neighbours)
        yield Office(hub, app, issuer_app, neighbours, stack)


def case_path(story: Story, child: int = 0, rest: str = "") -> str:
    """The page of a child's case."""
    return f"/console/cases/{story.child_ids[child]}{rest}"
