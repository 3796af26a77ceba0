"""Synthetic families whom the browser tests are about, and what is done on the pages in several of them."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.journeys.referrals import fact, referral

HOME = (fact("child.hunger", "persistent"), fact("child.home_conditions", "poor"))
"""A child in need under section 17 as it stands."""

SCHOOL = "st_ives_primary"


def neglected(name: str, *more: str) -> dict[str, Any]:
    """A school's referral of a child, and of brothers and sisters of whom it states the same."""
    children = [
        {"given_name": one, "family_name": "Example", "born": {"on": "2017-05-04"}, "facts": list(HOME)}
        for one in (name, *more)
    ]
    return referral(children=children)


def choose(page: Page, level: str, destination: str, *numbers: int) -> None:
    """Fills the first form of a decision in, alike for each child."""
    for number in numbers or (1,):
        page.locator(f"input[name='level.{number}'][value={level}]").check()
        page.locator(f"input[name='destination.{number}'][value={destination}]").check()
    page.get_by_role("button", name="Continue").click()


def give_reasons(page: Page, rationale: str) -> None:
    """Fills the second form in, with every obliged action under way, and decides."""
    for duty in page.locator("input[name^='duty.'][value=under_way]").all():
        duty.check()
    page.get_by_label("Reasons for the decision").fill(rationale)
    page.get_by_label("Yes, in the words for their role").check()
    page.get_by_role("button", name="Decide").click()


def add_by_telephone(page: Page, name: str, value: str) -> None:
    """Adds one fact that a teacher told by telephone today."""
    page.get_by_role("link", name="Add a fact").click()
    page.get_by_label("By telephone").check()
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    today = page.evaluate("new Date().toLocaleDateString('en-GB', {timeZone: 'Europe/London'})").split("/")
    for part, digits in zip(("day", "month", "year"), today, strict=True):
        page.locator(f"#on-{part}").fill(digits)
    page.get_by_label("A professional").check()
    page.get_by_label("Who said it?").fill("Class teacher")
    page.locator("input[name=immediate_danger][value=no]").check()
    page.locator(f"select[name='fact.{name}']").select_option(value)
    page.get_by_label("How is it known?").select_option("observed")
    page.get_by_role("button", name="Keep it").click()
