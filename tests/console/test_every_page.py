"""Every page, at desktop and phone width, for everybody: axe finds nothing, nothing sticks out, and it prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import axe_playwright_python
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from playwright.sync_api import Page, expect

from libs.platform.clock import SystemClock
from services.triage.console.api import console_router
from tests.console.conftest import DESKTOP, PHONE, Opens, Site
from tests.console.families import SCHOOL, Family, choose_and_go_on

pytestmark = pytest.mark.timeout(240)

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
RUN = """() => axe.run(document, {
    resultTypes: ["violations"], rules: {"color-contrast": {enabled: false}}, preload: {assets: ["media"]},
}).then((found) => found.violations)"""
"""Style sheets are for one rule to read, which axe does not apply unless it is asked to: the turned screen's."""

REPLACE = """async (request) => {
    const answer = await fetch(request);
    const shown = new DOMParser().parseFromString(await answer.text(), "text/html");
    history.replaceState(null, "", answer.url);
    document.title = shown.title;
    document.documentElement.replaceChild(document.adoptNode(shown.body), document.body);
    return {status: answer.status, kept: answer.headers.get("cache-control"), title: shown.title};
}"""
"""A page in place of the one before: head and style are the same for all, and axe need not be read in each anew."""

SHOW = f"""([path, fields]) => {{
    const csrf = document.querySelector("input[name=csrf]").value;
    const form = fields && {{method: "POST", body: new URLSearchParams({{...fields, csrf}})}};
    return ({REPLACE})(new Request(path, form));
}}"""
"""What is at an address, or what answers a form with these fields."""

SEND = f"""(button) => {{
    const form = button.form, method = form.getAttribute("method").toUpperCase();
    if (method !== "POST" || !(form.noValidate || form.checkValidity())) throw Error("is not sent so");
    const body = new URLSearchParams(new FormData(form, button));
    return ({REPLACE})(new Request(form.getAttribute("action"), {{method, body}}));
}}"""
"""What answers the form of a button that is pressed, as it is filled in."""

COLOURS = """async (known) => {
    const seen = new Set(known), fresh = [];
    const ground = (one) => {
        for (; one; one = one.parentElement) {
            const style = getComputedStyle(one);
            if (style.backgroundImage !== "none" || !style.backgroundColor.endsWith(", 0)")) {
                return style.backgroundColor + style.backgroundImage;
            }
        }
    };
    for (const one of document.querySelectorAll("body *")) {
        if (![...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim())) continue;
        const {color, fill, fontSize, fontWeight} = getComputedStyle(one);
        const colours = [color, fill, fontSize, fontWeight, ground(one)].join();
        if (seen.has(colours)) continue;
        seen.add(colours);
        fresh.push(one);
    }
    const options = {resultTypes: ["violations"], runOnly: ["color-contrast"]};
    return {seen: [...seen], found: fresh.length ? (await axe.run(fresh, options)).violations : []};
}"""
"""Contrast, which takes axe longest, of each kind of text once: what has the same colours, size and ground is alike."""

CODES = r"() => document.body.textContent.match(/\b[a-z]+(_[a-z]+)+\b|\b([Mm]asg|[Cc]sc)\b/g) ?? []"
"""What is written as programs write it. People read words."""

CASE = "/console/cases/{case_id}"
CHALLENGE = "/console/challenges/{challenge_id}"
PAGES: Mapping[str, tuple[str, ...]] = {
    "/console/queue": ("", "?stage=decision&rag=amber"),
    "/console/tasks": ("", "?overdue=yes"),
    "/console/alerts": ("", "?ended=yes"),
    "/console/search": ("",),
    "/console/panels": ("",),
    "/console/panels/{panel}/{day}": ("",),
    "/console/lists/{name}": ("",),
    "/console/handovers": ("",),
    "/console/challenges": ("", "?settled=yes"),
    "/console/new-referral": ("",),
    "/console/workload": ("",),
    "/console/numbers": ("",),
    "/console/breaches": ("",),
    "/console/agencies": ("",),
    "/console/policy": ("",),
    CASE: ("",),
    f"{CASE}/family": ("",),
    f"{CASE}/chronology": ("",),
    f"{CASE}/reading": ("",),
    f"{CASE}/facts": ("",),
    f"{CASE}/facts/{{entry_id}}": ("",),
    f"{CASE}/matches": ("",),
    f"{CASE}/agencies": ("",),
    f"{CASE}/decision": ("", "?children=1,2"),
    f"{CASE}/sign-off": ("",),
    f"{CASE}/tasks": ("",),
    f"{CASE}/handover": ("",),
    f"{CASE}/reopening": ("",),
    CHALLENGE: ("",),
    f"{CASE}/challenges": ("",),
    f"{CASE}/clocks": ("",),
    f"{CASE}/strategy-discussion": ("",),
    f"{CASE}/tools": ("", "?tool=dash"),
    f"{CASE}/restriction": ("",),
    f"{CASE}/break-glass": ("",),
}
"""Every page, with what follows its address where that makes another page of it."""

NO_PAGES = frozenset(
    (
        "/",
        "/console",
        "/console/",
        "/console/{rest:path}",
        "/console/queue/events",
        "/console/lists/{name}/export",
        "/console/panels/{panel}/{day}/export",
        "/sign-in",
        "/sign-in/done",
        "/assets/{name}.js",
    )
)
FORMS = (
    "/family",
    "/reading",
    "/facts",
    "/agencies",
    "/decision",
    "/reopening",
    "/restriction",
    "/break-glass",
)
OTHERS = {
    f"{CASE}/sign-off": Family.SIGNING,
    f"{CASE}/handover": Family.PANEL,
    f"{CASE}/reopening": Family.PANEL,
    f"{CASE}/challenges": Family.PANEL,
}
"""Whose case shows most of a page, where it is not that of the family who stay undecided."""


NAMES = ("Example", "Orrell", *Family)
"""What nobody learns from an address or a title."""


def addresses_of(router: APIRouter) -> Iterator[str]:
    """What of a router, and of those in it, a browser may get."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield from [route.path] if "GET" in (route.methods or ()) else []
        else:
            yield from addresses_of(route.original_router)  # type: ignore[attr-defined]


def test_every_address_of_the_console_is_looked_at() -> None:
    offered = {path for path in addresses_of(console_router()) if not path.endswith(".css")}
    assert offered == {*PAGES} | NO_PAGES


@pytest.fixture(scope="module")
def filled(site: Site, references: dict[Family, str]) -> dict[Family, str]:
    """A case of each family, with something on every page."""
    cases = {family: site.case_of(reference) for family, reference in references.items()}
    path, now = f"/v1/cases/{cases[Family.UNDECIDED]}", SystemClock().now()
    told = {"fact": "child.hunger", "value": "persistent", "basis": "observed"}
    site.ask(
        "staff-sw-1",
        "POST",
        f"{path}/facts",
        {
            "how": "telephone",
            "on": now.date().isoformat(),
            "source": "professional",
            "said_by": "Teacher",
            "facts": [told],
            "immediate_danger": False,
        },
    )
    used = {"tool": "dash", "on": (now - timedelta(days=3)).date().isoformat(), "by": "PC Example"}
    answers = {"yes": 7, "no": 3, "unknown": 14}
    site.ask("staff-sw-1", "POST", f"{path}/tools", {**used, "result": "medium", "answers": answers})
    discussion = {
        "held_at": now.isoformat(),
        "chaired_by": "Morgan, manager",
        "members": [
            {"agency": "childrens_social_care", "name": "Morgan, manager"},
            {"agency": "police", "name": "DC Marlow"},
        ],
        "absences": [{"agency": "health", "reason": "Nobody could come."}],
        "crime_may_have_occurred": False,
        "outcome": "no_enquiry",
        "rationale": "It is neglect.",
        "safety_plan": "The school feeds them.",
        "dissent": [{"name": "DC Marlow", "reason": "Wants an enquiry."}],
    }
    site.ask("staff-sw-1", "PUT", f"{path}/strategy-discussion", discussion)
    found = {"at": (now - timedelta(days=5)).isoformat()}
    site.ask("staff-sw-1", "PUT", f"{path}/clocks/return_interview/start", found)
    for family in (Family.SIGNING, Family.PANEL):
        site.act(references[family])
    return cases


def faults(page: Page, colours: set[str] | None = None) -> list[Any]:
    """What axe finds, and whether anything sticks out sideways. `colours`: what was looked at before is not again."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found = page.evaluate(RUN)
    if colours is not None:
        contrast = page.evaluate(COLOURS, [*colours])
        found += contrast["found"]
        colours |= {*contrast["seen"]}
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    told: list[Any] = [(one["id"], [node["target"] for node in one["nodes"]]) for one in found]
    return [*told, *(["sticks out"] if wide else [])]


def at_each_width(page: Page, colours: set[str] | None = None) -> list[Any]:
    """The same on a desk and on a phone."""
    found: list[Any] = []
    # The width that the page before was looked at last comes first.
    for size in (DESKTOP, PHONE) if page.viewport_size == DESKTOP else (PHONE, DESKTOP):
        if page.viewport_size != size:
            page.set_viewport_size(size)
        looked = (set() if colours is None else colours) if size == DESKTOP else None
        found += [(size["width"], fault) for fault in faults(page, looked)]
    return found


def challenged(page: Page, site: Site, case_id: str) -> str:
    """A challenge of what was decided, once its form was looked at."""
    said = {"challenger": "Teacher", "agency": SCHOOL, "channel": "telephone", "reach": "01632 960001"}
    more = {"because": "She is hungry again.", "safe_meanwhile": "She eats at school."}
    site.ask("staff-sw-2", "POST", f"/v1/cases/{case_id}/challenges", said | more)
    page.evaluate(SHOW, ["/console/challenges", None])
    link = page.locator("main td, main th").get_by_role("link").first
    return str(link.get_attribute("href")).rpartition("/")[2]


def addresses(page: Page, site: Site, cases: Mapping[Family, str]) -> Iterator[str]:
    """Every page's address on this system, and one that is nobody's."""
    page.evaluate(SHOW, [f"/console/cases/{cases[Family.UNDECIDED]}", None])
    entry = str(page.locator("a[href*='/facts/']").first.get_attribute("href")).rpartition("/")[2]
    page.evaluate(SHOW, ["/console/panels", None])
    met = page.locator("tr", has_text="without an outcome").get_by_role("link").first
    panel, day = str(met.get_attribute("href")).split("/")[-2:]
    challenge = ""
    for template, variants in PAGES.items():
        if template == CHALLENGE:
            challenge = challenged(page, site, cases[Family.PANEL])
        case = cases[OTHERS.get(template, Family.UNDECIDED)]
        path = template.format(
            case_id=case, entry_id=entry, panel=panel, day=day, name="masg", challenge_id=challenge
        )
        yield from (f"{path}{more}" for more in variants)


def test_every_page_can_be_used_by_everybody(site: Site, opened: Opens, filled: dict[Family, str]) -> None:
    page = opened("staff-mgr-1", at="/console/search")
    found: dict[str, list[Any]] = {}
    colours: set[str] = set()
    for path in addresses(page, site, filled):
        answer = page.evaluate(SHOW, [path, None])
        assert (answer["status"], answer["kept"]) == (200, "no-store"), path
        assert not any(name in f"{path} {answer['title']}" for name in NAMES), path
        found[path] = [*page.evaluate(CODES), *at_each_width(page, colours)]
    for path in (f"/console/cases/{UUID(int=7)}", "/console/lists/nothing"):
        assert page.evaluate(SHOW, [path, None])["status"] == 404, path
        found[path] = at_each_width(page, colours)
    lost = {"action": "raise", "what": "Ring the school."}
    page.evaluate(SHOW, [f"/console/cases/{UUID(int=7)}/tasks", lost])
    expect(page.get_by_role("button", name="Send it again")).to_be_visible()
    found["what no page can take"] = at_each_width(page, colours)
    found["whom no page is for"] = at_each_width(opened("auditor-1"), colours)
    page.goto(f"{site.url}/console/challenges")
    page.locator("main table").get_by_role("link").first.click()
    page.get_by_role("button", name="Take the review").click()
    expect(page.get_by_role("alert")).to_contain_text("You review it")
    found["a review"] = at_each_width(page, colours)
    page.evaluate(SHOW, ["/console/breaches", None])
    page.locator("summary", has_text="return home interview").click()
    found["a reason for a clock"] = at_each_width(page, colours)
    page.goto(f"{site.url}/console/search")
    page.get_by_label("Name").fill("Example")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="cases found")).to_be_visible()
    found["what was found"] = at_each_width(page, colours)
    page.goto(f"{site.url}/console/cases/{filled[Family.UNDECIDED]}/decision?children=1,2")
    choose_and_go_on(page, "early_help", "early_help", 1, 2)
    found["reasons and duties"] = at_each_width(page, colours)
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def test_forms_with_mistakes_and_prints_can_be_used_by_everybody(
    site: Site, opened: Opens, filled: dict[Family, str]
) -> None:
    """Each form is sent empty: its summary leads to fields. A case prints without what is for a screen."""
    path = f"/console/cases/{filled[Family.UNDECIDED]}"
    page = opened("staff-mgr-1", at=path)
    found = {}
    for rest in FORMS:
        page.evaluate(SHOW, [f"{path}{rest}", None])
        answer = page.locator("main form button").last.evaluate(SEND)
        assert answer["title"].startswith("Error: "), rest
        targets = page.locator(".govuk-error-summary a").evaluate_all(
            "links => links.map((link) => link.hash.slice(1))"
        )
        assert targets, rest
        for target in targets:
            assert page.locator(f"[id='{target}']").count() == 1, (rest, target)
        if wrong := faults(page):
            found[rest] = wrong
    assert found == {}
    page.goto(f"{site.url}{path}")
    page.emulate_media(media="print")
    for selector in (".mash-navigation", ".mash-subnavigation", "main button", ".govuk-back-link"):
        expect(page.locator(selector).first).to_be_hidden()
    expect(page.get_by_text("What the referrer saw")).to_be_visible()
    expect(page.locator("details:not([open], .mash-screen) .govuk-details__text").first).to_be_visible()
