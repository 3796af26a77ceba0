"""Every page, at desktop and phone width, for everybody: axe finds nothing, nothing sticks out, and it prints."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.console.conftest import DESKTOP, PHONE, Opens, Site
from tests.console.families import SCHOOL, choose, neglected

pytestmark = pytest.mark.timeout(180)

WIDTHS = {"desktop": DESKTOP, "phone": PHONE}

OF_A_CASE = (
    "/family",
    "",
    "/chronology",
    "/reading",
    "/facts",
    "/matches",
    "/agencies",
    "/decision",
    "/sign-off",
    "/tasks",
    "/handover",
    "/reopening",
    "/clocks",
    "/strategy-discussion",
    "/tools",
    "/restriction",
    "/break-glass",
)
OF_NOBODY = (
    "/queue",
    "/queue?stage=decision&rag=amber",
    "/tasks",
    "/search",
    "/panels",
    "/lists/section_47",
    "/handovers",
    "/new-referral",
    "/workload",
    "/agencies",
    "/policy",
)


@pytest.fixture(scope="module")
def family(site: Site) -> str:
    """Two children who stay undecided."""
    return site.case_of(site.referred(SCHOOL, neglected("Lark", "Linnet")))


def faults(page: Page) -> list[Any]:
    """What axe finds, and whether anything sticks out sideways."""
    found = [
        (one["id"], [node["target"] for node in one["nodes"]])
        for one in Axe().run(page).response["violations"]
    ]
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return [*found, *(["sticks out"] if wide else [])]


def at_each_width(page: Page) -> list[Any]:
    """The same on a desk and on a phone."""
    found = []
    for name, viewport in WIDTHS.items():
        page.set_viewport_size(viewport)
        found += [(name, fault) for fault in faults(page)]
    return found


def test_every_page_can_be_used_by_everybody(site: Site, opened: Opens, family: str) -> None:
    page = opened("staff-mgr-1")
    paths = [f"/console/cases/{family}{rest}" for rest in OF_A_CASE] + [
        f"/console{rest}" for rest in OF_NOBODY
    ]
    found = {}
    for path in paths:
        answer = page.goto(f"{site.url}{path}")
        assert answer is not None
        assert answer.status == 200, path
        found[path] = at_each_width(page)
    page.goto(f"{site.url}/console/cases/{family}/decision?children=1,2")
    choose(page, "early_help", "early_help", 1, 2)
    found["reasons and duties"] = at_each_width(page)
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def test_every_form_with_mistakes_can_be_used_by_everybody(site: Site, opened: Opens, family: str) -> None:
    """Each form is sent empty: the summary leads to a field that is there."""
    page = opened("staff-mgr-1")
    found = {}
    context = page.context
    cookies = context.cookies()
    assert cookies[0]["httpOnly"]
    for rest in ("/family", "/reading", "/facts", "/agencies", "/decision", "/reopening", "/restriction"):
        page.goto(f"{site.url}/console/cases/{family}{rest}")
        page.locator("main form button").last.click()
        page.locator(".govuk-error-summary").wait_for()
        assert page.title().startswith("Error: "), rest
        links = page.locator(".govuk-error-summary a").all()
        assert links, rest
        for link in links:
            target = str(link.get_attribute("href")).removeprefix("#")
            assert page.locator(f"[id='{target}']").count() == 1, (rest, target)
        if wrong := faults(page):
            found[rest] = wrong
    assert found == {}


def test_a_case_prints_without_what_is_for_the_screen(site: Site, opened: Opens, family: str) -> None:
    page = opened("staff-sw-1")
    page.goto(f"{site.url}/console/cases/{family}")
    page.emulate_media(media="print")
    for selector in (".mash-navigation", ".mash-subnavigation", "main button", ".govuk-back-link"):
        expect(page.locator(selector).first).to_be_hidden()
    expect(page.get_by_text("What the referrer saw")).to_be_visible()
    closed = page.locator("details:not([open]) .govuk-details__text").first
    expect(closed).to_be_visible()
