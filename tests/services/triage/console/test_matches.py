"""A doubtful match is a person's to decide, with both records side by side."""

import re
from typing import Any
from uuid import uuid4

import pytest

from libs.schemas.history import PossibleDuplicate
from libs.schemas.people import Band, Candidate, Comparison, LinkMethod
from tests.services.triage.conftest import NEGLECTED, Story
from tests.services.triage.console.conftest import HUNGRY, Browser, Office, case_path
from tests.services.triage.console.test_pages import words_of
from tests.services.triage.staff import CANARY

WHO = uuid4()
FIELDS = (
    Comparison(field="given_name", ours=CANARY, theirs="Zyxwquil", likeness="close", points=12),
    Comparison(field="born", ours="2017-05-02", theirs="2017-05-03", likeness="different", points=-8),
)


async def test_a_possible_match_stands_side_by_side_and_is_linked_with_a_reason(office: Office) -> None:
    story = await office.told(list(NEGLECTED))
    candidate = Candidate(person_id=WHO, band=Band.LIKELY, score=71, comparisons=FIELDS)
    await office.hub.take(story.linked(band=Band.NONE, method=LinkMethod.NEW, candidates=(candidate,)))
    path = case_path(story, 0, "/matches")
    browser = await office.at("staff-sw-1", path)
    for said in ("71 of 100", "Zyxwquil", "+12", "-8", "Different"):
        assert said in browser.page.text
    await browser.submit({"action": f"link {WHO}"}, path)
    assert "Enter how you know" in browser.page.text
    await browser.submit({"action": f"link {WHO}", "reason": "The school named both."}, path)
    assert "Your decision is passed on" in browser.page.text, re.findall(
        r"<a href=.#[^>]+>([^<]+)", browser.page.text
    )
    assert "The school named both." in browser.page.text


async def doubtful(office: Office) -> tuple[Story, Story]:
    """An earlier report, and a later one that may tell of the same event, of a child who is linked to somebody."""
    earlier, later = await office.told([HUNGRY]), await office.told([HUNGRY])
    report = PossibleDuplicate(
        case_id=earlier.child_ids[0], reference=earlier.reference, because=("same_day",)
    )
    candidate = Candidate(person_id=WHO, band=Band.LIKELY, score=71, comparisons=FIELDS)
    await office.hub.take(later.linked(duplicates=(report,), candidates=(candidate,)))
    return earlier, later


async def said(office: Office, story: Story) -> dict[str, Any]:
    """What was said last of who a child is, as the index is told it."""
    _, payload = (await office.hub.emitted(story.id))[-1]
    told: dict[str, Any] = payload.children[story.child_ids[0]].model_dump(mode="json", exclude_none=True)
    return told


async def say(browser: Browser, path: str, action: str, place: int = 0) -> None:
    await browser.submit({"action": action, "reason": "The school named both."}, path, place)


async def test_whoever_is_linked_wrongly_is_unlinked(office: Office) -> None:
    _, story = await doubtful(office)
    path = case_path(story, 0, "/matches")
    browser = await office.at("staff-sw-1", path)
    (linked,) = re.findall(r'value="unlink ([^"]+)"', browser.page.text)
    await say(browser, path, f"unlink {linked}")
    assert "Your decision is passed on" in browser.page.text
    told = await said(office, story)
    assert (told["action"], told["person_id"]) == ("unlink", linked)


@pytest.mark.parametrize("action", ["same_event", "other_event"])
async def test_of_a_report_is_said_whether_it_tells_of_the_same_event(office: Office, action: str) -> None:
    earlier, story = await doubtful(office)
    path = case_path(story, 0, "/matches")
    browser = await office.at("staff-sw-1", path)
    assert f'href="{case_path(earlier)}"' in browser.page.text
    await say(browser, path, f"{action} {earlier.child_ids[0]}")
    assert "Your decision is passed on" in browser.page.text, words_of(browser)
    told = await said(office, story)
    assert (told["action"], told["case_id"]) == (action, str(earlier.child_ids[0]))


async def test_what_was_said_of_a_child_is_taken_back(office: Office) -> None:
    _, story = await doubtful(office)
    path = case_path(story, 0, "/matches")
    browser = await office.at("staff-sw-1", path)
    await say(browser, path, f"link {WHO}")
    assert "What staff said Sam Sandbox, social worker, 23 November 2026, 10:00: link" in words_of(browser)
    (first,) = re.findall(r'value="undo ([^"]+)"', browser.page.text)
    await say(browser, path, f"undo {first}")
    assert "Your decision is passed on" in browser.page.text, words_of(browser)
    assert (await said(office, story))["undoes"] == first
    assert 'value="undo ' not in browser.page.text, "what was taken back is not taken back twice"


async def test_who_says_nothing_that_the_page_offers_is_asked_what_they_mean(office: Office) -> None:
    _, story = await doubtful(office)
    path = case_path(story, 0, "/matches")
    browser = await office.at("staff-sw-1", path)
    before = await office.hub.names(story.id)
    await say(browser, path, "merge")
    assert browser.page.status_code == 422
    assert "Select what you want to say" in browser.page.text
    assert await office.hub.names(story.id) == before


async def test_who_saw_what_the_index_said_before_is_told_to_look_again(office: Office) -> None:
    _, story = await doubtful(office)
    path = case_path(story, 0, "/matches")
    browser = await office.at("staff-sw-1", path)
    await office.hub.take(story.linked(revision=2, person_id=WHO))
    before = await office.hub.names(story.id)
    await browser.submit({"action": f"link {WHO}", "reason": ""}, path)
    assert "Enter how you know" in browser.page.text
    await say(browser, path, f"link {WHO}")
    assert browser.page.status_code == 422, "a mistake in the form hides no change"
    assert "It has changed since you read it" in browser.page.text
    assert 'value="The school named both."' in browser.page.text
    assert await office.hub.names(story.id) == before
    await say(browser, path, f"unlink {WHO}")
    assert "Your decision is passed on" in browser.page.text, "what the page shows now can be answered"


async def test_who_prepares_sees_possible_matches_and_is_offered_no_word_on_them(office: Office) -> None:
    _, story = await doubtful(office)
    browser = await office.at("staff-worker-1", case_path(story, 0, "/matches"))
    assert "71 of 100" in browser.page.text
    assert 'name="reason"' not in browser.page.text
