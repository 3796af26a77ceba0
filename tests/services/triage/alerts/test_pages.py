"""Whoever is called takes the red work on a page, and from then on nobody else is called."""

from tests.services.triage.alerts.conftest import OnCallWorld
from tests.services.triage.console.conftest import Office, console_pages, office

__all__ = ["console_pages", "office"]


async def test_red_work_is_taken_on_the_page(list_at_work: OnCallWorld, office: Office) -> None:
    await office.told([], immediate_danger=True)
    await list_at_work.wait()
    browser = await office.at("staff-sw-1", "/console/alerts")
    assert "I have it" in browser.page.text
    await browser.submit({"note": "On my way."}, "/alerts")
    assert "You have taken the alert" in browser.page.text
    assert "I have it" not in browser.page.text
    await browser.get("/console/alerts?ended=yes")
    assert "by Sam Sandbox, social worker" in browser.page.text
