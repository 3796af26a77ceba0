"""Staff read, decide and sign on the pages, and nothing of their work is lost."""

import re
from datetime import timedelta

import pytest

from libs.platform.signin import IDLE, LONGEST, REMEMBERED
from services.triage.console.drafts import KEPT_FOR, MOST, Drafts
from tests.services.triage.conftest import NEGLECTED
from tests.services.triage.console.conftest import HUNGRY, Browser, Office, case_path
from tests.services.triage.staff import CANARY

AGREE = {"level": "section_17", "destination": "csc_section_17"}


def chosen(*numbers: int, level: str, destination: str) -> dict[str, str]:
    """The first form, filled in alike for these children."""
    return {
        name: value
        for number in numbers
        for name, value in ((f"level.{number}", level), (f"destination.{number}", destination))
    } | {"action": "continue"}


def duties(browser: Browser) -> dict[str, str]:
    """Every obliged action as under way."""
    names = re.findall(r'type="radio" value="under_way"|name="(duty\.[^"]+)"', browser.page.text)
    return {name: "under_way" for name in names if name}


async def decide(browser: Browser, **fields: str) -> None:
    await browser.submit(
        {
            **duties(browser),
            "rationale": f"{CANARY} needs help.",
            "may_tell": "yes",
            "action": "decide",
            **fields,
        },
        "/decision",
    )


async def test_what_a_person_finds_in_the_words_counts_at_once(office: Office) -> None:
    story = await office.told([])
    browser = await office.at("staff-sw-1", case_path(story, 0, "/reading"))
    await browser.submit(
        {"fact.child.hunger": "persistent", "fact.child.home_conditions": "poor"}, "/reading"
    )
    assert browser.page.status_code == 422
    for text in ("Select how the referrer knows it", "Select whether the words tell of danger now"):
        assert browser.page.text.count(text) == 2, "in the summary and beside the field"
    assert 'value="persistent" selected' in browser.page.text
    found = {"fact.child.hunger": "persistent", "fact.child.home_conditions": "poor", "basis": "observed"}
    await browser.submit({**found, "immediate_danger": "no"}, "/reading")
    assert "Your reading is kept" in browser.page.text
    assert (await office.hub.case(story.child_ids[0])).level == "section_17"
    await browser.get(case_path(story, 0, "/chronology"))
    assert "The hub’s staff: Sam Sandbox, social worker</td>" in browser.page.text
    assert "staff-sw-1" not in browser.page.text


async def test_nothing_is_chosen_beforehand(office: Office) -> None:
    story = await office.told(list(NEGLECTED))
    browser = await office.at("staff-mgr-1", case_path(story, 0, "/decision"))
    assert " checked" not in browser.page.text
    await browser.submit({"action": "continue"}, "/decision")
    assert browser.page.status_code == 422
    assert "Select the level for child 1" in browser.page.text
    await browser.submit(chosen(1, level="section_17", destination="csc_section_17"), "/decision")
    assert " checked" not in browser.page.text
    await browser.submit({"action": "decide"}, "/decision")
    assert browser.page.status_code == 422
    assert "Select whether the referrer may be told the outcome" in browser.page.text
    assert await office.hub.rows("SELECT * FROM decision") == []


async def test_one_rationale_serves_several_children_and_each_gets_a_decision(office: Office) -> None:
    story = await office.told(list(NEGLECTED), list(NEGLECTED), list(NEGLECTED))
    browser = await office.at("staff-mgr-1", case_path(story, 0, "/family"))
    await browser.submit({"child.1": "yes", "child.3": "yes"}, "/family")
    assert "Decide for 2 children" in browser.page.text
    await browser.submit(chosen(1, 3, level="section_17", destination="csc_section_17"), "/decision")
    await decide(browser)
    assert "The decision is made" in browser.page.text
    rows = await office.hub.rows("SELECT case_id, level FROM decision ORDER BY case_id")
    assert {row["case_id"] for row in rows} == {story.child_ids[0], story.child_ids[2]}


async def test_children_who_differ_need_one_reason(office: Office) -> None:
    story = await office.told(list(NEGLECTED), list(NEGLECTED))
    browser = await office.at("staff-mgr-1", case_path(story, 0, "/family"))
    await browser.submit({"child.1": "yes", "child.2": "yes"}, "/family")
    different = chosen(1, level="section_17", destination="csc_section_17")
    different |= chosen(2, level="section_47", destination="csc_section_47")
    await browser.submit(different, "/decision")
    above = {"departure_code.2": "history", "departure_reason.2": "He was hurt before."}
    await decide(browser, **above)
    assert browser.page.status_code == 422
    assert "Enter why the children are decided differently" in browser.page.text
    assert await office.hub.rows("SELECT * FROM decision") == []
    await decide(browser, **above, siblings_differ_because="One lives with the father.")
    assert "The decision is made" in browser.page.text
    assert len(await office.hub.rows("SELECT * FROM decision")) == 2


async def test_a_manager_signs_what_a_social_worker_decided_and_nobody_signs_their_own(
    office: Office,
) -> None:
    story = await office.told(list(NEGLECTED))
    worker = await office.at("staff-sw-1", case_path(story, 0, "/decision"))
    await worker.submit(chosen(1, level="section_17", destination="csc_section_17"), "/decision")
    assert "It waits for a manager’s signature" in worker.page.text
    await decide(worker)
    assert "It stands once it is signed" in worker.page.text
    assert "This is your own decision" in (await worker.get(case_path(story, 0, "/sign-off"))).text
    manager = await office.at("staff-mgr-1", case_path(story, 0, "/sign-off"))
    assert " checked" not in manager.page.text
    await manager.submit({"agree": "no"}, "/sign-off")
    assert "Enter why you return the decision" in manager.page.text
    await manager.submit({"agree": "yes"}, "/sign-off")
    assert "The decision stands" in manager.page.text
    assert len(await office.hub.rows("SELECT * FROM decision")) == 1


async def test_who_decides_on_an_old_page_is_told_what_changed_and_keeps_what_they_wrote(
    office: Office,
) -> None:
    story = await office.told(list(NEGLECTED))
    browser = await office.at("staff-mgr-1", case_path(story, 0, "/decision"))
    await browser.submit(chosen(1, level="section_17", destination="csc_section_17"), "/decision")
    await office.hub.take(story.answer("police", HUNGRY))
    await decide(browser, rationale="Written for an hour.")
    assert browser.page.status_code == 412
    assert "has changed since you read it: what is known, an agency’s answer" in browser.page.text
    assert "Written for an hour." in browser.page.text
    await decide(browser, rationale="Written for an hour.")
    assert "The decision is made" in browser.page.text


async def test_the_second_of_two_deciders_is_told_what_the_first_decided(office: Office) -> None:
    story = await office.told(list(NEGLECTED))
    first = await office.at("staff-mgr-1", case_path(story, 0, "/decision"))
    second = await office.at("staff-mgr-2", case_path(story, 0, "/decision"))
    for browser in (first, second):
        await browser.submit(chosen(1, level="section_17", destination="csc_section_17"), "/decision")
    await decide(first)
    await decide(second, rationale="I think so too.")
    assert second.page.status_code == 409
    assert (
        "Morgan Sandbox, manager has decided for child 1 already, 23 November 2026, 10:00" in second.page.text
    )
    assert "I think so too." in second.page.text
    assert len(await office.hub.rows("SELECT * FROM decision")) == 1


async def test_what_was_written_when_a_session_ended_comes_back_to_who_wrote_it(office: Office) -> None:
    story = await office.told([])
    page = case_path(story, 0, "/reading")
    browser = await office.at("staff-sw-1", page)
    office.clock.advance(IDLE + timedelta(seconds=1))
    note = f"{CANARY} said it twice,\non Monday & today."
    shown = await browser.submit({"note": note, "fact.child.hunger": "persistent"}, "/reading")
    assert shown.url.path == "/issuer/authorize"
    assert (await office.hub.case(story.child_ids[0])).to_be_read
    other = await office.at("staff-sw-2", page)
    assert "said it twice" not in other.page.text
    await browser.submit({"person": "staff-sw-1"})
    assert browser.page.url.path == page
    assert "You were signed out before you sent this" in browser.page.text
    assert "said it twice,\non Monday &amp; today." in browser.page.text
    assert 'value="persistent" selected' in browser.page.text
    await browser.submit(
        {"fact.child.hunger": "persistent", "basis": "observed", "immediate_danger": "no"}, "/reading"
    )
    assert "Your reading is kept" in browser.page.text
    assert "signed out before" not in (await browser.get(page)).text
    assert await office.hub.rows("SELECT * FROM draft") == []


async def test_a_decision_comes_back_with_the_children_it_was_for(office: Office) -> None:
    story = await office.told(list(NEGLECTED), list(NEGLECTED))
    browser = await office.at("staff-mgr-1", case_path(story, 0, "/family"))
    await browser.submit({"child.1": "yes", "child.2": "yes"}, "/family")
    await browser.submit(chosen(1, 2, level="section_17", destination="csc_section_17"), "/decision")
    office.clock.advance(IDLE + timedelta(seconds=1))
    await decide(browser, rationale="Written at length.")
    await browser.submit({"person": "staff-mgr-1"})
    assert "Written at length." in browser.page.text
    await decide(browser)
    assert len(await office.hub.rows("SELECT * FROM decision")) == 2


async def test_no_draft_is_made_by_a_form_that_no_page_of_the_session_showed(office: Office) -> None:
    story = await office.told([])
    page = case_path(story, 0, "/reading")
    browser = await office.at("staff-sw-1", page)
    office.clock.advance(IDLE + timedelta(seconds=1))
    for csrf in ({}, {"csrf": "x"}):
        assert (await browser.http.post(page, data={"note": "forged", **csrf})).status_code == 403
    (csrf_token,) = set(re.findall(r'name="csrf" value="([^"]+)"', browser.page.text))
    office.clock.advance(LONGEST + REMEMBERED)
    late = await browser.http.post(page, data={"note": "late", "csrf": csrf_token})
    assert late.url.path == "/issuer/authorize"
    assert await office.hub.rows("SELECT * FROM draft") == []


async def test_drafts_are_few_and_do_not_stay(office: Office) -> None:
    drafts = Drafts(office.hub.ledger)
    for number in range(MOST + 3):
        await drafts.keep("staff-sw-1", f"/console/{number}", None, {"note": CANARY})
        office.clock.advance(timedelta(seconds=1))
    rows = await office.hub.rows("SELECT path FROM draft")
    assert len(rows) == MOST
    assert await drafts.find("staff-sw-1", "/console/0") is None
    assert await drafts.find("staff-sw-1", f"/console/{MOST}") == {"note": CANARY}
    office.clock.advance(KEPT_FOR)
    assert await drafts.find("staff-sw-1", f"/console/{MOST}") is None
    assert await drafts.prune() == MOST


@pytest.mark.parametrize("person", ["staff-worker-1", "receiver-eh-1"])
async def test_who_prepares_is_offered_no_decision(office: Office, person: str) -> None:
    story = await office.told(list(NEGLECTED))
    browser = await office.at(person, case_path(story))
    assert f'href="{case_path(story, 0, "/decision")}"' not in browser.page.text
    await browser.get(case_path(story, 0, "/decision"))
    assert browser.page.status_code == 403
