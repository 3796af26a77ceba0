"""A running system, a browser, and people who work in it as staff do."""

from __future__ import annotations

import asyncio
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from cli import staff
from cli.client import Client
from cli.journey import Snapshot
from cli.watch import Follower
from libs.schemas.events import Service
from sandbox.stack import Plan, Stack
from tests.conftest import FAST
from tests.console.families import FAMILIES, Family, send
from tests.journeys.referrals import until

DESKTOP: ViewportSize = {"width": 1280, "height": 900}
FRUGAL = ["--disable-gpu", "--in-process-gpu", "--num-raster-threads=1", "--disable-site-isolation-trials"]
"""A browser of fewer processes: a quarter less work for the same pages."""
PHONE: ViewportSize = {"width": 375, "height": 812}
ENVIRONMENT = {Service.ENRICHMENT.value: {"MASH_CHECK_DEADLINE_CAP_SECONDS": "3"}}


@dataclass
class Site:
    """A running system with its console."""

    client: Client
    url: str
    follower: Follower

    def look(self, reference: str) -> Snapshot:
        """How far a referral has come, everywhere."""
        return self.follower.look(reference)

    def checked(self, reference: str) -> None:
        """Waits until a referral's children have been evaluated on complete checks."""

        def stands() -> bool | None:
            children = (self.client.journey("triage", reference) or {}).get("children", ())
            done = children and all(child["stage"] in ("decision", "to_be_read") for child in children)
            return True if done else None

        until(stands, f"{reference} to be checked")

    def ask(self, person: str, method: str, path: str, body: dict[str, Any]) -> None:
        """Does something as a person would by triage's API."""
        headers = {
            "Authorization": f"Bearer {self.client.token(person)}",
            "Idempotency-Key": uuid4().hex,
        }
        answer = httpx.request(method, f"{self.url}{path}", json=body, headers=headers, trust_env=False)
        assert answer.is_success, answer.text

    def session(self, person: str) -> tuple[str, str]:
        """Name and value of the cookie of somebody who has signed in."""
        with httpx.Client(base_url=self.url, follow_redirects=True, trust_env=False) as http:
            asked = http.get("/").url
            http.post(asked, data={**asked.params, "person": person})
            (cookie,) = http.cookies.items()
        return cookie

    def act(self, reference: str) -> None:
        """The sandbox's staff go one step on with a referral: from decision to signature, or to acceptance."""
        staff.act(self.client, self.look(reference), {"facts": []})

    def case_of(self, reference: str, child: int = 0) -> str:
        """The case of a referral's child."""
        return str((self.look(reference).triage or {})["children"][child]["child_id"])


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Debian's Chromium is. `MASH_CHROMIUM` names another one."""
    found = os.environ.get("MASH_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is not None:
        return found
    missing = "There is no Chromium: install the system's `chromium` package, or set MASH_CHROMIUM."
    if os.environ.get("CI"):
        pytest.fail(f"CI needs a browser. {missing}", pytrace=False)
    warnings.warn(f"EVERY TEST IN A BROWSER IS SKIPPED. {missing}", pytest.PytestWarning, stacklevel=1)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def site(chromium: str, scratch: Path) -> Iterator[Site]:
    """The system on the PostgreSQL event log, which starts soonest; the journeys of `tests/journeys` are on Kafka."""
    stack = Stack(
        Plan(
            scratch / "system-console",
            events="postgres",
            ports={},
            postgres_settings=FAST,
            environment=ENVIRONMENT,
        )
    )
    try:
        asyncio.run(stack.start())
        urls = {name: stack.url(name) for name in ("sandbox", *(service.value for service in Service))}
        with Client(urls) as client:
            yield Site(client, stack.url(Service.TRIAGE.value), Follower(client, lambda _: None))
    finally:
        stack.stop()


@pytest.fixture(scope="session")
def references(site: Site) -> dict[Family, str]:
    """The families' referrals, checked. All are sent before any is waited for: their checks run side by side."""
    sent = {family: send(site.client, family) for family in FAMILIES}
    for reference in sent.values():
        site.checked(reference)
    return sent


@pytest.fixture(scope="package")
def browser(site: Site, chromium: str) -> Iterator[Browser]:
    # Playwright holds this thread's event loop while it lives: nothing asynchronous may be tested beside it.
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=FRUGAL)
        yield launched
        launched.close()


def complains(said: ConsoleMessage) -> bool:
    """Whether the browser tells of a fault of ours: a form that was sent back is none."""
    return said.type == "error" and "responded with a status of 4" not in said.text


Opens = Callable[..., Page]
QUEUE = "/console/queue"


@pytest.fixture
def opened(site: Site, browser: Browser) -> Iterator[Opens]:
    """`opened("staff-sw-1")`: somebody signed in, at the queue. Whatever a page complains of fails the test.

    `by_hand`: signed in on the pages themselves, which a browser takes longer for than for all else that it opens;
    `at`: at another page.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_for(person: str, *, scripts: bool = True, by_hand: bool = False, at: str = QUEUE) -> Page:
        context = browser.new_context(viewport=DESKTOP, java_script_enabled=scripts)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if complains(said) else None)
        if by_hand:
            page.goto(f"{site.url}/")
            page.locator(f"button[value={person}]").click()
            page.wait_for_url(f"**{QUEUE}")
        else:
            name, value = site.session(person)
            context.add_cookies([{"name": name, "value": value, "url": site.url, "httpOnly": True}])
            page.goto(f"{site.url}{at}")
        return page

    yield open_for
    for context in contexts:
        context.close()
    assert complaints == []
