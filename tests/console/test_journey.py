"""Staff at work in a browser, from the queue to the referrer's notice."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from cli.journey import has_delivered
from tests.console.conftest import Opens, Site
from tests.console.families import SCHOOL, add_by_telephone, choose, give_reasons, neglected
from tests.journeys.referrals import until

pytestmark = pytest.mark.timeout(120)


def told(site: Site, reference: str) -> None:
    """Waits until the outcome has reached the referrer."""
    until(
        lambda: True if has_delivered(site.look(reference), "outcome") else None,
        f"the referrer of {reference} to hear the outcome",
    )


def test_from_the_most_urgent_case_to_the_referrers_notice(site: Site, opened: Opens) -> None:
    reference = site.referred(SCHOOL, neglected("Robin"))
    page = opened("staff-sw-1")
    page.get_by_role("link", name=f"{reference}, child 1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Family, {reference}")
    page.get_by_role("link", name="Robin Example").click()
    page.get_by_role("button", name="Take the pen").click()
    expect(page.get_by_role("alert")).to_contain_text("You have the pen")
    add_by_telephone(page, "child.injury", "unexplained")
    expect(page.get_by_role("alert")).to_contain_text("the level has risen")
    page.get_by_role("link", name="Decide", exact=True).click()
    assert page.locator("input:checked").count() == 0, "nothing is chosen beforehand"
    choose(page, "section_47", "csc_section_47")
    give_reasons(page, "The injury has no explanation, and the home is neglected.")
    expect(page.get_by_role("alert")).to_contain_text("It stands once it is signed")
    assert not has_delivered(site.look(reference), "outcome"), "nothing is told before it is signed"

    manager = opened("staff-mgr-1")
    manager.get_by_role("combobox", name="Stage").select_option("sign_off")
    manager.get_by_role("button", name="Show").click()
    manager.get_by_role("link", name=f"{reference}, child 1").click()
    manager.get_by_role("link", name="Robin Example").click()
    manager.get_by_role("link", name="Read and sign").click()
    expect(manager.get_by_text("The injury has no explanation")).to_be_visible()
    manager.get_by_label("Yes, I sign this decision").check()
    manager.get_by_role("button", name="Continue").click()
    expect(manager.get_by_role("alert")).to_contain_text("The decision stands")
    told(site, reference)


class Keyboard:
    """Somebody who has a keyboard, no pointer, and a browser that runs no script."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def reach(self, selector: str, most: int = 220) -> None:
        """Goes on with the tabulator key until the element has the focus."""
        wanted = self.page.locator(selector).first
        expect(wanted).to_be_attached()
        for _ in range(most):
            if wanted.evaluate("one => one === document.activeElement"):
                return
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


def test_the_same_without_a_script_and_by_keyboard_alone(site: Site, opened: Opens) -> None:
    reference = site.referred(SCHOOL, neglected("Wren"))
    page = opened("staff-sw-1", scripts=False)
    keys = Keyboard(page)
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to main content")
    keys.follow(f"a[href$='/{site.case_of(reference)}/family']")
    keys.follow(".mash-card__title a")
    keys.follow("a[href$='/facts']")
    keys.mark("input[name=how][value=telephone]")
    on = page.evaluate("new Date().toLocaleDateString('en-GB', {timeZone: 'Europe/London'})").split("/")
    for part, digits in zip(("day", "month", "year"), on, strict=True):
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
    manager.goto(f"{site.url}/console/cases/{site.case_of(reference)}/sign-off")
    keys = Keyboard(manager)
    keys.mark("input[name=agree][value=yes]")
    keys.follow("main form button")
    expect(manager.get_by_role("alert")).to_contain_text("The decision stands")
    told(site, reference)


def test_two_people_at_once_on_one_case(site: Site, opened: Opens) -> None:
    reference = site.referred(SCHOOL, neglected("Finch"))
    path = f"{site.url}/console/cases/{site.case_of(reference)}"
    first, second = opened("staff-mgr-1"), opened("staff-mgr-2")
    for page in (first, second):
        page.goto(path)
    first.reload()
    expect(first.get_by_text("staff-mgr-2")).to_be_visible()
    for page in (first, second):
        page.goto(f"{path}/decision")
        choose(page, "section_17", "csc_section_17")
    # Of what this page's own reading brought about it says nothing, for half a second.
    second.locator("[data-live-status][data-listening]").wait_for(state="attached")
    second.wait_for_timeout(600)
    give_reasons(first, "A child in need.")
    expect(first.get_by_role("alert")).to_contain_text("The decision is made")
    expect(second.locator("[data-live-status]")).to_contain_text(
        "This case has changed since you opened the page"
    )
    give_reasons(second, "I had written for an hour.")
    expect(second.get_by_role("alert")).to_contain_text("staff-mgr-1 has decided for child 1 already")
    expect(second.get_by_label("Reasons for the decision")).to_have_value("I had written for an hour.")
    assert len(site.look(reference).triage["children"][0]["decisions"]) == 1  # type: ignore[index]


def test_the_queue_brings_itself_up_to_date_and_nobody_loses_their_place(site: Site, opened: Opens) -> None:
    page = opened("staff-sw-2")
    reference = site.referred(SCHOOL, neglected("Martin"))
    row = page.get_by_role("link", name=f"{reference}, child 1")
    expect(row).to_be_visible()
    expect(page.locator("[data-live-status]")).to_contain_text("brought up to date")
    row.focus()
    case = site.case_of(reference)
    worker = opened("staff-mgr-1")
    worker.goto(f"{site.url}/console/cases/{case}")
    worker.get_by_role("button", name="Take the pen").click()
    page.wait_for_timeout(4_000)
    expect(row).to_be_focused()
