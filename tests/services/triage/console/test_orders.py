"""A check that somebody orders by hand: what it asks for, and what the agency's service is told."""

from typing import Any

import pytest

from tests.services.triage.conftest import Story
from tests.services.triage.console.conftest import HUNGRY, Browser, Office, case_path
from tests.services.triage.console.test_pages import words_of

WHY = {"agency": "police", "reason": "A neighbour saw a knife."}
ASK = WHY | {"action": "ask", "purpose": "To protect the child", "basis": "Section 47"}


async def ordering(office: Office) -> tuple[Story, Browser]:
    story = Story()
    await office.hub.take(story.received([HUNGRY]))
    return story, await office.at("staff-sw-1", case_path(story, 0, "/agencies"))


async def ordered(office: Office, story: Story) -> dict[str, Any]:
    """The order as the service is told it that asks the agencies."""
    _, payload = (await office.hub.emitted(story.id))[-1]
    told: dict[str, Any] = payload.children[story.child_ids[0]].model_dump(mode="json", exclude_none=True)
    return told


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("agency", "Select the agency"),
        ("reason", "Enter why"),
        ("action", "Select what is to be done"),
        ("purpose", "Enter the purpose"),
        ("basis", "Enter the lawful basis"),
    ],
)
async def test_no_agency_is_asked_while_anything_is_left_open(
    office: Office, field: str, wanted: str
) -> None:
    story, browser = await ordering(office)
    before = await office.hub.names(story.id)
    await browser.submit(ASK | {field: ""}, "/agencies")
    assert browser.page.status_code == 422
    assert browser.page.text.count(wanted) == 2, "in the summary and beside the field"
    assert await office.hub.names(story.id) == before


@pytest.mark.parametrize("action", ["chase", "stop"])
async def test_an_agency_is_chased_or_left_without_a_basis_of_its_own(office: Office, action: str) -> None:
    story, browser = await ordering(office)
    await browser.submit(WHY | {"action": action}, "/agencies")
    assert "Your order is passed on" in browser.page.text, words_of(browser)
    told = await ordered(office, story)
    assert (told["agency"], told["action"], told["reason"]) == ("police", action, WHY["reason"])
    assert told.get("emergency", False) is False


async def test_what_somebody_approved_is_asked_as_an_emergency_in_their_name(office: Office) -> None:
    await office.at("staff-mgr-1")
    story, browser = await ordering(office)
    await browser.submit(ASK | {"approver": "Morgan Sandbox, manager"}, "/agencies")
    assert "Your order is passed on" in browser.page.text, words_of(browser)
    told = await ordered(office, story)
    assert (told["emergency"], told["approver"]) == (True, "staff-mgr-1")
    assert (told["purpose"], told["basis"]) == (ASK["purpose"], ASK["basis"])


async def test_nobody_approves_their_own_order_and_an_unknown_name_approves_none(office: Office) -> None:
    story, browser = await ordering(office)
    before = await office.hub.names(story.id)
    for approver, said in (("staff-sw-1", "pprover"), ("Nobody Here", "Nobody of this name has signed in")):
        await browser.submit(ASK | {"approver": approver}, "/agencies")
        assert browser.page.status_code == 422
        assert said in browser.page.text.partition("error-summary")[2].partition("</ul>")[0]
    assert await office.hub.names(story.id) == before
