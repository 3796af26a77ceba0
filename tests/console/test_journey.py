"""Staff at work in a browser, from the queue to the referrer's notice."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from cli.journey import has_delivered
from tests.console.conftest import Opens, Site
from tests.console.families import (
    SCHOOL,
    Family,
    add_by_telephone,
    choose_and_go_on,
    give_reasons,
    most_urgent,
    neglected,
    today,
)
from tests.console.test_every_page import at_each_width, faults
from tests.journeys.referrals import until

pytestmark = pytest.mark.timeout(240)


def told(site: Site, reference: str) -> None:
    """Waits until the outcome has reached the referrer."""
    until(
        lambda: True if has_delivered(site.look(reference), "outcome") else None,
        f"the referrer of {reference} to hear the outcome",
    )


def picked(page: Page, references: dict[Family, str]) -> Family:
    """Whose case stands on top of what waits for a decision."""
    row = most_urgent(page)
    expect(row).to_contain_text("Red")
    of = {reference: family for family, reference in references.items()}
    family = of[row.get_by_role("link").inner_text().partition(",")[0]]
    assert family in (Family.URGENT, Family.URGENT_TOO)
    return family


def test_from_the_most_urgent_case_to_the_referrers_notice(
    site: Site, opened: Opens, references: dict[Family, str]
) -> None:
    page = opened("staff-sw-1", by_hand=True)
    assert page.context.cookies()[0]["httpOnly"]
    family = picked(page, references)
    reference = references[family]
    most_urgent(page).get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Family, {reference}")
    expect(page.get_by_text("What the class teacher saw this week.")).to_be_visible()
    page.get_by_role("link", name=f"{family} Example").click()
    page.get_by_role("button", name="Take the pen").click()
    expect(page.get_by_role("alert")).to_contain_text("You have the pen")
    add_by_telephone(page, "child.injury", "unexplained")
    expect(page.get_by_role("alert")).to_contain_text("the level has risen")
    with page.expect_navigation():
        page.get_by_role("link", name="Decide", exact=True).click()
    assert page.locator("input:checked").count() == 0, "nothing is chosen beforehand"
    choose_and_go_on(page, "section_47", "csc_section_47")
    give_reasons(page, "The injury has no explanation, and the home is neglected.")
    expect(page.get_by_role("alert")).to_contain_text("It stands once it is signed")
    assert not has_delivered(site.look(reference), "outcome"), "nothing is told before it is signed"

    manager = opened("staff-mgr-1")
    manager.get_by_role("combobox", name="Stage").select_option("sign_off")
    manager.get_by_role("button", name="Show").click()
    manager.get_by_role("link", name=f"{reference}, child 1").click()
    manager.get_by_role("link", name=f"{family} Example").click()
    manager.get_by_role("link", name="Read and sign").click()
    expect(manager.get_by_text("The injury has no explanation")).to_be_visible()
    manager.get_by_label("Yes, I sign this decision").check()
    manager.get_by_role("button", name="Continue").click()
    expect(manager.get_by_role("alert")).to_contain_text("The decision stands")
    told(site, reference)


STOPS_BETWEEN = """(wanted) => {
    const kinds = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]";
    const open = (one) => one.checkVisibility() || one.matches(".govuk-skip-link");
    const alone = (one) => one.type !== "radio" || one === document.activeElement || one === first(one);
    const first = (one) => document.querySelector(`input[name="${CSS.escape(one.name)}"]:checked`)
        ?? document.querySelector(`input[name="${CSS.escape(one.name)}"]`);
    const stops = [...document.querySelectorAll(kinds)].filter((one) => open(one) && alone(one));
    const led = location.hash && document.querySelector(location.hash);
    const before = (one) => led.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_PRECEDING;
    const here = document.activeElement === document.body && led
        ? stops.findLastIndex(before) : stops.indexOf(document.activeElement);
    const there = stops.indexOf(wanted);
    return there >= here ? there - here : stops.length - here + there;
}"""
"""How often the tabulator key is to be pressed until an element has the focus. A group of radio buttons is one stop.

Where an address leads to a place on its page, the key goes on from there.
"""

SKIPS = "(wanted) => document.activeElement === document.body && !location.hash && !!wanted.closest('main')"
"""Whether the first link of a page is of use to somebody who has just come to it."""


class Keyboard:
    """Somebody who has a keyboard, no pointer, and a browser that runs no script."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def reach(self, selector: str) -> None:
        """Goes on with the tabulator key until the element has the focus, past the menu by the link for that.

        The page says how many stops are between, so that one look, and not one for each, tells where the focus is.
        """
        wanted = self.page.locator(selector).first
        expect(wanted).to_be_attached()
        if wanted.evaluate(SKIPS):
            self.page.keyboard.press("Tab")
            self.page.keyboard.press("Enter")
            self.page.wait_for_url("**#main-content")
        for _ in range(4):
            away = wanted.evaluate(STOPS_BETWEEN)
            if away == 0:
                return
            for _ in range(away):
                self.page.keyboard.press("Tab")
        raise AssertionError(f"{selector} is not reached by keyboard")

    def follow(self, selector: str) -> None:
        """Follows a link, or presses a button."""
        self.reach(selector)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def mark(self, selector: str) -> None:
        """Chooses one of several: the tabulator key leads to the group, the arrows or the space key choose."""
        group = str(self.page.locator(selector).first.get_attribute("name"))
        wanted = self.page.locator(selector).first
        self.reach(f"input[name='{group}']")
        self.page.keyboard.press("Space")
        for _ in range(12):
            if wanted.is_checked():
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"{selector} is not chosen by keyboard")

    def write(self, selector: str, text: str) -> None:
        self.reach(selector)
        self.page.keyboard.type(text)


def test_the_same_without_a_script_and_by_keyboard_alone(
    site: Site, opened: Opens, references: dict[Family, str]
) -> None:
    page = opened("staff-sw-1", scripts=False, by_hand=True)
    keys = Keyboard(page)
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to main content")
    keys.write("#stage", "To be decided")
    keys.follow(".mash-filters button")
    row = page.locator("#live tbody tr").first
    expect(row).to_contain_text("Red")
    reference = row.get_by_role("link").inner_text().partition(",")[0]
    assert reference in (references[Family.URGENT], references[Family.URGENT_TOO])
    keys.follow("#live tbody tr:first-child th a")
    keys.follow(".mash-card__title a")
    keys.follow("a[href$='/facts']")
    keys.mark("input[name=how][value=telephone]")
    for part, digits in zip(("day", "month", "year"), today(page), strict=True):
        keys.write(f"#on-{part}", digits)
    keys.mark("input[name=source][value=professional]")
    keys.mark("input[name=immediate_danger][value=no]")
    keys.reach("summary:has-text('The child')")
    page.keyboard.press("Enter")
    keys.write("select[name='fact.child.injury']", "Unexplained")
    keys.write("select[name=basis]", "Somebody saw")
    keys.follow("main form button")
    expect(page.get_by_role("alert")).to_contain_text("the level has risen")
    keys.follow(".mash-subnavigation a[href$='/decision']")
    keys.mark("input[name='level.1'][value=section_47]")
    keys.mark("input[name='destination.1'][value=csc_section_47]")
    keys.follow("button[value=continue]")
    for duty in [
        str(one.get_attribute("name")) for one in page.locator("input[name^='duty.'][value=under_way]").all()
    ]:
        keys.mark(f"input[name='{duty}'][value=under_way]")
    keys.write("#rationale", "The injury has no explanation.")
    keys.mark("input[name=may_tell][value=yes]")
    keys.follow("button[value=decide]")
    expect(page.get_by_role("alert")).to_contain_text("It stands once it is signed")

    manager = opened("staff-mgr-1", scripts=False)
    keys = Keyboard(manager)
    keys.write("#stage", "Waits for a signature")
    keys.follow(".mash-filters button")
    keys.follow(f"a[href$='/{site.case_of(reference)}/family']")
    keys.follow(".mash-card__title a")
    keys.follow("main a[href$='/sign-off']")
    keys.mark("input[name=agree][value=yes]")
    keys.follow("main form button")
    expect(manager.get_by_role("alert")).to_contain_text("The decision stands")
    told(site, reference)

    keys.follow(".mash-subnavigation a[href$='/challenges']")
    keys.write("#agency", "St Ives")
    keys.mark("input[name=channel][value=telephone]")
    keys.write("#challenger", "Head")
    keys.write("#because", "Explained.")
    keys.write("#safe_meanwhile", "With an aunt.")
    keys.follow("main form button")
    expect(manager.get_by_role("alert")).to_contain_text("The challenge is kept")
    reviewer = opened("staff-sw-2", scripts=False)
    keys = Keyboard(reviewer)
    keys.follow("a[href='/console/challenges']")
    keys.follow(f"main a:has-text('{reference}')")
    keys.follow("main form button")
    expect(reviewer.locator("dt:has-text('Reviewer') + dd")).to_have_text("Sasha Sandbox, social worker")
    keys.mark("input[name=outcome][value=stands]")
    keys.mark("input[name=agreed][value=yes]")
    keys.write("#because", "Shown.")
    keys.follow("main form button")
    expect(reviewer.get_by_role("alert")).to_contain_text("The challenge is settled")


def test_two_people_at_once_on_one_case(site: Site, opened: Opens, references: dict[Family, str]) -> None:
    reference = references[Family.SHARED]
    path = f"/console/cases/{site.case_of(reference)}"
    second, first = opened("staff-mgr-2", at=path), opened("staff-mgr-1", at=path)
    expect(first.get_by_text("Marlow Sandbox")).to_be_visible()
    for page in (first, second):
        page.goto(f"{site.url}{path}/decision")
        choose_and_go_on(page, "section_17", "csc_section_17")
    # Of what this page's own reading brought about it says nothing, for half a second.
    second.locator("[data-live-status][data-listening]").wait_for(state="attached")
    second.wait_for_timeout(600)
    give_reasons(first, "A child in need.")
    expect(first.get_by_role("alert")).to_contain_text("The decision is made")
    expect(second.locator("[data-live-status]")).to_contain_text(
        "This case has changed since you opened the page"
    )
    give_reasons(second, "I had written for an hour.")
    expect(second.get_by_role("alert")).to_contain_text(
        "Morgan Sandbox, manager has decided for child 1 already"
    )
    expect(second.get_by_label("Reasons for the decision")).to_have_value("I had written for an hour.")
    assert len(site.look(reference).triage["children"][0]["decisions"]) == 1  # type: ignore[index]


def test_the_queue_brings_itself_up_to_date_and_nobody_loses_their_place(site: Site, opened: Opens) -> None:
    page = opened("staff-sw-2")
    page.locator("[data-live-status][data-listening]").wait_for(state="attached")
    reference = str(site.client.refer(SCHOOL, neglected("Martin"))["reference"])
    row = page.get_by_role("link", name=f"{reference}, child 1")
    expect(row).to_be_visible()
    expect(page.locator("[data-live-status]")).to_contain_text("brought up to date")
    row.focus()
    site.ask("staff-mgr-1", "PUT", f"/v1/cases/{site.case_of(reference)}/claim", {})
    page.wait_for_timeout(3_500)
    expect(row).to_be_focused()


def test_a_call_is_taken_with_what_intake_refuses_at_its_field_and_nothing_lost(
    site: Site, opened: Opens
) -> None:
    page = opened("staff-worker-1")
    page.get_by_role("link", name="New referral").click()
    page.locator("input[name=danger][value=no]").check()
    page.get_by_label("What is the caller worried about").fill("Two children cry at night.")
    page.get_by_label("Who is calling?").select_option("public")
    page.get_by_label("How is it safe to reach the caller?").select_option("telephone")
    page.get_by_label("Number or address").fill("by the garden gate")
    page.locator("#given_1").fill("Plover")
    page.get_by_role("button", name="Add another child").click()
    page.locator("#given_2").fill("Curlew")
    page.locator("#address_2").fill("2 Sandbox Row")
    page.locator("#postcode_2").fill("nowhere")
    page.locator("input[name=adult_harm_1][value=yes]").check()
    page.get_by_role("button", name="Take the referral").click()
    for field, told in (("contact", "Enter a telephone number"), ("postcode_2", "Enter a full postcode")):
        expect(page.locator(f"#{field}-error")).to_contain_text(told)
        expect(page.locator(f".govuk-error-summary a[href='#{field}']")).to_be_visible()
    assert faults(page) == []
    for field, kept in (("given_1", "Plover"), ("given_2", "Curlew"), ("postcode_2", "nowhere")):
        expect(page.locator(f"#{field}")).to_have_value(kept)
    expect(page.get_by_label("What is the caller worried about")).to_have_value("Two children cry at night.")
    expect(page.locator("input[name=adult_harm_1][value=yes]")).to_be_checked()
    page.get_by_label("Number or address").fill("01632 960001")
    page.locator("#postcode_2").fill("PE1 1AA")
    page.get_by_role("button", name="Take the referral").click()
    expect(page.get_by_role("heading", name="Referral taken")).to_be_visible()
    assert at_each_width(page) == []
    reference = page.locator(".govuk-panel strong").inner_text()
    until(lambda: site.look(reference).triage, f"{reference} to reach the queue")
    page.goto(f"{site.url}/console/cases/{site.case_of(reference)}/family")
    for said in ("Two children cry at night.", "Plover", "Curlew", "01632 960001", "Thought to harm"):
        expect(page.get_by_text(said).first).to_be_visible()
