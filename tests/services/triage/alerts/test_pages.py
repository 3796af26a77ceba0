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
    colleague = await office.at("staff-sw-2", "/console/alerts")
    await colleague.get("/console/alerts?ended=yes")
    assert "On my way." in colleague.page.text


async def test_an_alert_is_taken_with_a_note_or_without_and_by_nobody_who_may_not(
    list_at_work: OnCallWorld, office: Office
) -> None:
    story = await office.told([], immediate_danger=True)
    await list_at_work.wait()
    receiver = await office.at("receiver-csc-1", "/console/alerts")
    assert story.reference in receiver.page.text
    assert "I have it" not in receiver.page.text
    browser = await office.at("staff-sw-1", "/console/alerts")
    await browser.submit({"alert": "the first", "note": "On my way."}, "/alerts")
    assert browser.page.status_code == 404
    assert "There is no such alert" in browser.page.text
    assert "On my way." in browser.page.text
    second = await office.at("staff-sw-2", "/console/alerts")
    await browser.get("/console/alerts")
    await browser.submit({}, "/alerts")
    assert "You have taken the alert. Nobody else is alerted." in browser.page.text
    assert "Nobody is being called." in browser.page.text
    await second.submit({"note": "I come too."}, "/alerts")
    assert "I come too." in second.page.text
    taken = await office.hub.rows("SELECT acknowledged_by FROM alert WHERE acknowledged_by IS NOT NULL")
    assert {row["acknowledged_by"] for row in taken} == {"staff-sw-1"}
