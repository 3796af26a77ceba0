"""Reading the referrer's words: what is asked of whoever reads, and what is told of a page that has grown old."""

from services.triage.console.forms import LONGEST
from tests.services.triage.conftest import NEGLECTED
from tests.services.triage.console.conftest import HUNGRY, Office, case_path
from tests.services.triage.console.test_pages import words_of

READ = {"fact.child.hunger": "persistent", "basis": "observed", "immediate_danger": "no"}


async def test_words_that_tell_of_danger_make_it_red_at_once(office: Office) -> None:
    story = await office.told([])
    browser = await office.at("staff-sw-1", case_path(story, 0, "/reading"))
    assert browser.page.status_code == 200
    await browser.submit({"immediate_danger": "yes", "note": "A knife."}, "/reading")
    assert "Your reading is kept" in browser.page.text
    assert "A knife." in browser.page.text
    assert "Immediate danger" in words_of(browser)
    assert (await office.hub.case(story.child_ids[0])).rag == "red"


async def test_how_the_referrer_knows_it_is_kept_with_what_was_found(office: Office) -> None:
    story = await office.told([])
    browser = await office.at("staff-sw-1", case_path(story, 0, "/reading"))
    await browser.submit(READ | {"basis": "parent_said"}, "/reading")
    found = words_of(browser).partition("Found in the words by Sam Sandbox, social worker")[2]
    assert "Persistent A parent said it" in found.partition("The child’s voice")[0]


async def test_words_that_state_nothing_are_read_without_a_basis(office: Office) -> None:
    story = await office.told([])
    browser = await office.at("staff-sw-1", case_path(story, 0, "/reading"))
    await browser.submit({"immediate_danger": "no"}, "/reading")
    assert "Your reading is kept" in browser.page.text
    case = await office.hub.case(story.child_ids[0])
    assert not case.to_be_read
    assert case.rag != "red"
    assert "They tell of nothing that the dictionary knows." in browser.page.text


async def test_who_reads_an_old_page_is_told_what_changed_and_keeps_what_they_found(office: Office) -> None:
    story = await office.told([])
    browser = await office.at("staff-sw-1", case_path(story, 0, "/reading"))
    await office.hub.take(story.information(*NEGLECTED, worry="He came without shoes."))
    await browser.submit(READ | {"note": "Said twice.", "basis": ""}, "/reading")
    assert "Select how the referrer knows it" in browser.page.text
    await browser.submit(READ | {"note": "Said twice."}, "/reading")
    assert browser.page.status_code == 422, "a mistake in the form hides no change"
    assert "It has changed since you opened this page: what is known" in browser.page.text
    assert "He came without shoes." in browser.page.text
    assert 'value="persistent" selected' in browser.page.text
    assert ">Said twice.</textarea>" in browser.page.text
    assert (await office.hub.case(story.child_ids[0])).to_be_read
    await browser.submit(READ, "/reading")
    assert "Your reading is kept" in browser.page.text


async def test_a_note_that_is_too_long_is_refused_and_given_back(office: Office) -> None:
    story = await office.told([])
    browser = await office.at("staff-sw-1", case_path(story, 0, "/reading"))
    await browser.submit(READ | {"note": "x" * (LONGEST + 1)}, "/reading")
    assert browser.page.status_code == 422
    assert f"Use {LONGEST:,} characters or fewer" in browser.page.text
    assert "x" * (LONGEST + 1) in browser.page.text
    await browser.submit(READ | {"note": "x" * LONGEST}, "/reading")
    assert "Your reading is kept" in browser.page.text


async def test_a_fact_that_no_list_offers_is_refused_beside_its_field(office: Office) -> None:
    story = await office.told([HUNGRY])
    browser = await office.at("staff-sw-1", case_path(story, 0, "/reading"))
    await browser.submit(READ | {"fact.child.hunger": "ravenous"}, "/reading")
    assert browser.page.status_code == 422
    assert "select an answer, or leave it as not stated" in browser.page.text
    assert 'href="#fact.child.hunger"' in browser.page.text
