"""Synthetic families whom the browser tests are about, and what is done on the pages in several of them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

from cli.client import Client
from cli.stories import read_story
from tests.journeys.referrals import fact, referral

HOME = (fact("child.hunger", "persistent"), fact("child.home_conditions", "poor"))
"""A child in need under section 17 as it stands."""

TONIGHT = (*HOME, fact("family.care_asked_for", "urgent"))
"""The same, with nobody to have the child tonight: red, and before everything else that waits for a decision."""

SCHOOL = "st_ives_primary"
PANEL = Path(__file__).resolve().parents[2] / "examples" / "6-school-panel.yaml"


class Family(StrEnum):
    """What a family is there for."""

    UNDECIDED = "Lark"
    SIGNING = "Dove"
    PANEL = "Ada"
    URGENT = "Robin"
    URGENT_TOO = "Wren"
    SHARED = "Finch"


FAMILIES = tuple(Family)


def send(client: Client, family: Family) -> str:
    """Sends a family's referral; gives its reference."""
    if family is Family.PANEL:
        story = read_story(PANEL.read_text(), name=PANEL.name)
        return str(client.refer(story.client, story.referral)["reference"])
    stated = TONIGHT if family in (Family.URGENT, Family.URGENT_TOO) else HOME
    more = ("Linnet",) if family is Family.UNDECIDED else ()
    return str(client.refer(SCHOOL, neglected(family.value, *more, stated=stated))["reference"])


def neglected(*names: str, stated: Sequence[dict[str, Any]] = HOME) -> dict[str, Any]:
    """A school's referral of children of whom it states the same."""
    children = [
        {"given_name": one, "family_name": "Example", "born": {"on": "2017-05-04"}, "facts": list(stated)}
        for one in names
    ]
    return referral(children=children)


def choose_and_go_on(page: Page, level: str, destination: str, *numbers: int) -> None:
    """Fills the first form of a decision in, alike for each child, and comes to the second one."""
    for number in numbers or (1,):
        page.locator(f"input[name='level.{number}'][value={level}]").check()
        page.locator(f"input[name='destination.{number}'][value={destination}]").check()
    with page.expect_navigation():
        page.get_by_role("button", name="Continue").click()


def give_reasons(page: Page, rationale: str) -> None:
    """Fills the second form in, with every obliged action under way, and decides."""
    for duty in page.locator("input[name^='duty.'][value=under_way]").all():
        duty.check()
    page.get_by_label("Reasons for the decision").fill(rationale)
    page.get_by_label("Yes, in the words for their role").check()
    page.get_by_role("button", name="Decide").click()


def most_urgent(page: Page) -> Locator:
    """The first row of what waits for a decision: the most urgent."""
    page.get_by_role("combobox", name="Stage").select_option("decision")
    with page.expect_navigation():
        page.get_by_role("button", name="Show").click()
    return page.locator("#live tbody tr").first


def today(page: Page) -> list[str]:
    """Day, month and year in the hub."""
    told = page.evaluate("new Date().toLocaleDateString('en-GB', {timeZone: 'Europe/London'})")
    return str(told).split("/")


def add_by_telephone(page: Page, name: str, value: str) -> None:
    """Adds one fact that a teacher told by telephone today."""
    page.get_by_role("link", name="Add a fact").click()
    page.get_by_label("By telephone").check()
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    for part, digits in zip(("day", "month", "year"), today(page), strict=True):
        page.locator(f"#on-{part}").fill(digits)
    page.get_by_label("A professional").check()
    page.get_by_label("Who said it?").fill("Class teacher")
    page.locator("input[name=immediate_danger][value=no]").check()
    page.locator(f"select[name='fact.{name}']").select_option(value)
    page.get_by_label("How is it known?").select_option("observed")
    page.get_by_role("button", name="Keep it").click()
