"""Makes the pictures of the documentation anew, from the real pages of a running system on synthetic families.

Run it from the root of the repository: `.venv/bin/python -m tests.console.pictures`. It writes to `docs/images`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from cli import staff
from cli.client import Client
from cli.stories import example_stories
from cli.watch import Follower
from libs.schemas.events import Service
from sandbox.stack import Plan, Stack
from tests.conftest import FAST
from tests.console.conftest import ENVIRONMENT, Site
from tests.console.families import choose_and_go_on

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
WINDOW: ViewportSize = {"width": 1200, "height": 900}
SIBLINGS, PANEL = "13-school-found-brother", "6-school-panel"


def main() -> None:
    """Starts the system in a directory of its own, and ends it."""
    data = Path(tempfile.mkdtemp(prefix="mash-pictures-"))
    stack = Stack(Plan(data, events="postgres", ports={}, postgres_settings=FAST, environment=ENVIRONMENT))
    try:
        asyncio.run(stack.start())
        urls = {name: stack.url(name) for name in ("sandbox", *(service.value for service in Service))}
        with Client(urls) as client, sync_playwright() as playwright:
            found = os.environ.get("MASH_CHROMIUM") or shutil.which("chromium")
            site = Site(client, stack.url(Service.TRIAGE.value), Follower(client, lambda _: None))
            take(site, playwright.chromium.launch(executable_path=found))
    finally:
        stack.stop()
        shutil.rmtree(data, ignore_errors=True)


def take(site: Site, browser: Browser) -> None:
    """Every picture, with the sample stories in the queue."""
    examples = ROOT / "examples"
    names = sorted(path.stem for path in examples.glob("*.yaml"))
    stories = dict(zip(names, example_stories(examples), strict=True))
    sent = {
        name: str(site.client.refer(story.client, story.referral)["reference"])
        for name, story in stories.items()
    }
    for reference in sent.values():
        site.checked(reference)
    staff.act(site.client, site.look(sent[PANEL]), stories[PANEL].reading)
    case = f"{site.url}/console/cases/{site.case_of(sent[SIBLINGS])}"
    page = signed_in(site, browser, "staff-sw-1")
    shoot(page, "queue", 1200)
    for name, rest, height in (
        ("family", "/family", 2500),
        ("case", "", 900),
        ("chronology", "/chronology", 1300),
    ):
        page.goto(f"{case}{rest}")
        shoot(page, name, height)
    page.goto(f"{case}/decision")
    choose_and_go_on(page, "section_47", "csc_section_47")
    shoot(page, "decide", 2500)
    page.goto(f"{site.url}/console/tasks")
    shoot(page, "tasks", 800)
    chair = signed_in(site, browser, "panel-chair-1")
    chair.goto(f"{site.url}/console/panels")
    chair.locator("tr", has_text="without an outcome").get_by_role("link").first.click()
    chair.get_by_text("Write down the outcome").click()
    shoot(chair, "agenda", 1200)


def signed_in(site: Site, browser: Browser, person: str) -> Page:
    """Somebody at the queue."""
    page = browser.new_context(viewport=WINDOW).new_page()
    page.goto(f"{site.url}/")
    page.locator(f"button[value={person}]").click()
    page.wait_for_url("**/console/queue")
    return page


def shoot(page: Page, name: str, height: int = 900) -> None:
    """The page's upper part."""
    tall = int(page.evaluate("document.documentElement.scrollHeight"))
    clip = {"x": 0, "y": 0, "width": WINDOW["width"], "height": min(height, tall)}
    page.screenshot(path=IMAGES / f"console-{name}.png", full_page=True, clip=clip)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
