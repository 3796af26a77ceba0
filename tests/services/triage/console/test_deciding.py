"""Deciding on the pages: what is asked, what is told, and what is kept where one child of several is refused."""

import re
from urllib.parse import urlencode

import pytest

from libs.schemas.findings import Fact
from tests.services.triage.conftest import NEGLECTED
from tests.services.triage.console.conftest import HUNGRY, Browser, Office, case_path
from tests.services.triage.console.test_flow import HURT
from tests.services.triage.console.test_pages import words_of
from tests.services.triage.console.test_work import chosen, decide

SECTION_17 = {"level": "section_17", "destination": "csc_section_17"}


async def test_of_several_children_those_who_are_decided_are_not_decided_again(office: Office) -> None:
    story = await office.told(list(NEGLECTED), list(NEGLECTED))
    browser = await office.at("staff-mgr-1", case_path(story, 0, "/family"))
    await browser.submit({"child.1": "yes", "child.2": "yes"}, "/family")
    await browser.submit(chosen(1, 2, **SECTION_17), "/decision")
    await office.hub.take(story.answer("police", HUNGRY, child=1))
    await decide(browser, rationale="Both are hungry.")
    assert browser.page.status_code == 412
    assert "The case of child 2 has changed since you read it" in browser.page.text
    assert "What you decided for child 1 is kept" in browser.page.text
    assert "None is needed beside yours" in browser.page.text, "what the choice asks for is told again"
    await decide(browser, rationale="She is hungry too.")
    assert "The decision is made" in browser.page.text
    made = await office.hub.rows("SELECT case_id, number FROM decision ORDER BY decided_at")
    assert [tuple(row) for row in made] == [(child, 1) for child in story.child_ids]


async def choosing(office: Office, *facts: Fact, person: str = "staff-mgr-1") -> tuple[str, Browser]:
    """A child of whom this is known, and somebody who is asked what is decided."""
    story = await office.told(list(facts or NEGLECTED))
    path = case_path(story, 0, "/decision")
    return path, await office.at(person, path)


async def test_who_decides_reads_of_each_silence_what_it_is(office: Office) -> None:
    story = await office.told(list(NEGLECTED))
    states = {
        "police": "returned",
        "health": "declined",
        "early_help": "not_requested",
        "education": "no_answer",
    }
    for agency, state in states.items():
        await office.hub.take(story.answer(agency, state=state))
    browser = await office.at("staff-mgr-1", case_path(story, 0, "/decision"))
    said = words_of(browser).partition("What is missing")[2].partition("The thresholds say")[0].split("; ")
    kinds = {one.strip().partition(": ")[2] for one in said}
    assert kinds == {"not asked", "has not answered in time", "refused to answer"}
    assert "Constabulary" not in " ".join(said)


async def test_a_level_is_not_enough_without_who_helps(office: Office) -> None:
    _, browser = await choosing(office)
    await browser.submit({"level.1": "section_17", "action": "continue"}, "/decision")
    assert browser.page.status_code == 422
    assert browser.page.text.count("Select who helps child 1") == 2, "in the summary and beside the field"
    assert "Select the level for child 1" not in browser.page.text
    assert "Reasons and duties" not in browser.page.text


async def test_who_chooses_again_keeps_what_they_wrote(office: Office) -> None:
    _, browser = await choosing(office)
    await browser.submit(chosen(1, **SECTION_17), "/decision")
    written = {"rationale": "He is hungry.", "may_tell": "no"}
    await browser.submit(written | {"action": "change"}, "/decision")
    assert "What level of need does child 1 have?" in browser.page.text
    above = {"level": "section_47", "destination": "csc_section_47"}
    await browser.submit(chosen(1, **above), "/decision")
    assert ">He is hungry.</textarea>" in browser.page.text
    assert re.search(r'name="may_tell" type="radio" value="no" checked', browser.page.text)
    assert "Above the recommendation" in browser.page.text


async def test_an_obliged_action_is_answered_and_explained_where_it_is_not_under_way(office: Office) -> None:
    path, browser = await choosing(office, *HURT)
    await browser.submit(chosen(1, level="section_47", destination="csc_section_47"), "/decision")
    rest = {"rationale": "An injury.", "may_tell": "yes", "action": "decide"}
    action = "“Hold a strategy discussion with police, health and social care”"
    await browser.submit(rest, "/decision")
    assert f"Say what became of {action}" in browser.page.text
    duty, note = "duty.1.strategy_discussion", "duty_note.1.strategy_discussion"
    await browser.submit(rest | {duty: "done"}, "/decision")
    assert f"Enter what was done: {action}" in browser.page.text
    await browser.submit(rest | {duty: "not_needed"}, "/decision")
    assert f"Enter why it is not needed: {action}" in browser.page.text
    assert await office.hub.rows("SELECT * FROM decision") == []
    await browser.submit(rest | {duty: "not_needed", note: "One was held last night."}, "/decision")
    assert "The decision is made" in browser.page.text, words_of(browser)
    await browser.get(path.removesuffix("/decision"))
    assert "One was held last night." in browser.page.text


async def test_what_was_shared_is_kept_by_row_and_whole(office: Office) -> None:
    path, browser = await choosing(office)
    await browser.submit(chosen(1, **SECTION_17), "/decision")
    await browser.submit({"rationale": "He is hungry.", "action": "more"}, "/decision")
    assert browser.page.status_code == 200
    assert ">He is hungry.</textarea>" in browser.page.text
    first = {"shared_with.1": "The school", "shared_what.1": "That he is hungry", "shared_basis.1": "Consent"}
    await decide(browser, **first, **{"shared_with.2": "The GP"})
    assert "Say with whom, what, and on which basis" in browser.page.text
    assert await office.hub.rows("SELECT * FROM decision") == []
    second = {"shared_what.2": "That he is hungry too", "shared_basis.2": "Public task"}
    await decide(browser, **first, **{"shared_with.2": "The GP"}, **second)
    assert "The decision is made" in browser.page.text
    await browser.get(path.removesuffix("/decision"))
    for kept in (
        "Shared with The school: That he is hungry (Consent)",
        "Shared with The GP: That he is hungry too (Public task)",
    ):
        assert kept in browser.page.text


@pytest.mark.parametrize(
    ("answer", "said"),
    [("yes", "The referrer may be told."), ("no", "The referrer may not be told.")],
)
async def test_whether_the_referrer_is_told_is_what_the_decider_said(
    office: Office, answer: str, said: str
) -> None:
    path, browser = await choosing(office)
    await browser.submit(chosen(1, **SECTION_17), "/decision")
    await decide(browser, may_tell=answer)
    await browser.get(path.removesuffix("/decision"))
    assert said in browser.page.text


async def test_a_departure_needs_its_kind_and_its_reason(office: Office) -> None:
    path, browser = await choosing(office)
    await browser.submit(chosen(1, level="section_47", destination="csc_section_47"), "/decision")
    await decide(browser)
    for wanted in ("Select why child 1 is decided otherwise", "Enter why child 1 is decided otherwise"):
        assert browser.page.text.count(wanted) == 2
    await decide(browser, **{"departure_code.1": "history"})
    assert "Select why child 1 is decided otherwise" not in browser.page.text
    assert "Enter why child 1 is decided otherwise" in browser.page.text
    await decide(browser, **{"departure_code.1": "history", "departure_reason.1": "He was hurt before."})
    assert "The decision is made" in browser.page.text
    await browser.get(path.removesuffix("/decision"))
    assert "Why it departs: He was hurt before." in browser.page.text


async def test_a_decision_that_is_milder_than_the_one_before_needs_a_reason_though_it_is_recommended(
    office: Office,
) -> None:
    path, browser = await choosing(office)
    above = {"departure_code.1": "history", "departure_reason.1": "He was hurt before."}
    await browser.submit(chosen(1, level="section_47", destination="csc_section_47"), "/decision")
    await decide(browser, **above)
    await browser.get(path)
    await browser.submit(chosen(1, **SECTION_17), "/decision")
    assert "Agrees with the recommendation" in browser.page.text
    await decide(browser)
    assert "Select why child 1 is decided more mildly than before" in browser.page.text
    assert 'name="departure_reason.1"' in browser.page.text
    safe = {"departure_code.1": "seen_since", "departure_reason.1": "Nobody hurts him."}
    await decide(browser, **safe)
    assert "The decision is made" in browser.page.text
    await browser.get(path.removesuffix("/decision"))
    assert "Nobody hurts him." in browser.page.text


async def test_a_destination_that_gives_too_little_help_leads_back_to_the_choice(office: Office) -> None:
    _, browser = await choosing(office)
    await browser.submit(chosen(1, level="section_47", destination="early_help"), "/decision")
    below = {"departure_code.1": "other", "departure_reason.1": "Gran has him."}
    await decide(browser, **below)
    assert browser.page.status_code == 422
    assert "What level of need does child 1 have?" in browser.page.text
    assert 'href="#level.1"' in browser.page.text
    assert "Level of child 1 is above what this destination serves" in browser.page.text


async def test_whoever_has_the_pen_is_named_to_another_who_decides(office: Office) -> None:
    path, first = await choosing(office, person="staff-mgr-2")
    await first.get(path.removesuffix("/decision"))
    await first.submit({"action": "claim"})
    second = await office.at("staff-mgr-1", path)
    await second.submit(chosen(1, **SECTION_17), "/decision")
    await decide(second, rationale="He is hungry.")
    assert second.page.status_code == 409
    assert "has the pen for child 1, since 23 November 2026, 10:00" in second.page.text
    assert "staff-mgr-2" not in second.page.text
    assert "What you decided" not in second.page.text
    assert ">He is hungry.</textarea>" in second.page.text


@pytest.mark.parametrize(("children", "status"), [("7", 404), ("²", 200), ("", 200), ("1,7", 200)])
async def test_an_address_that_names_no_child_of_the_family_decides_for_nobody_else(
    office: Office, children: str, status: int
) -> None:
    path, browser = await choosing(office)
    await browser.get(f"{path}?{urlencode({'children': children})}")
    assert browser.page.status_code == status
    assert ("Decide for 1 child<" in browser.page.text) is (status == 200)


async def test_who_gives_little_help_before_anybody_read_the_words_is_sent_to_read_them(
    office: Office,
) -> None:
    story = await office.told([])
    browser = await office.at("staff-mgr-1", case_path(story, 0, "/decision"))
    await browser.submit(chosen(1, level="universal", destination="universal_advice"), "/decision")
    given = {"rationale": "Nothing is wrong.", "departure_code.1": "other", "departure_reason.1": "Seen."}
    await decide(browser, **given)
    assert browser.page.status_code == 409
    assert (
        "Nobody has read the referrer&#39;s words yet (child 1). Read the referrer’s words first, then decide."
        in browser.page.text
    )
    assert await office.hub.rows("SELECT * FROM decision") == []
