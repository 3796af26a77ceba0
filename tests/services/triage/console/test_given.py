"""What of a form is somebody's work, and where it is given back."""

from datetime import timedelta

from libs.platform.signin import IDLE
from services.triage.console.drafts import KEPT_FOR, Drafts
from services.triage.console.given import Given
from tests.services.triage.conftest import NEGLECTED
from tests.services.triage.console.conftest import HUNGRY, Office, case_path
from tests.services.triage.console.test_deciding import SECTION_17
from tests.services.triage.console.test_work import chosen, decide
from tests.services.triage.staff import CANARY

SENT = {
    "csrf": "4f2c It is a token",
    "tag.1": '"3.1.2.0"',
    "tag": '"3.1.2.0"',
    "key": "Ring once",
    "action": "link it",
    "level.1": "section_17",
    "task": "00000000-0000-0000-0000-000000000007",
    "note": "He said it twice.",
    "reason": "He said it twice.",
    "may_tell": "",
}


def test_what_a_page_filled_in_by_itself_and_what_was_chosen_is_nobodys_writing() -> None:
    given = Given(SENT)
    assert list(given.written()) == ["He said it twice."]
    assert given.work.keys() == {"tag.1", "level.1", "task", "note", "reason"}
    assert Given({"csrf": "x", "note": ""}).work == {}


def test_what_a_page_shows_escaped_is_not_missing_from_it() -> None:
    given = Given({"note": "He & <she> said “no”.", "reason": "Not here"})
    assert given.missing("<p>He &amp; &lt;she&gt; said “no”.</p>") == ["Not here"]


async def test_a_form_that_its_page_gives_back_whole_is_not_given_back_twice(office: Office) -> None:
    story = await office.told(list(NEGLECTED))
    browser = await office.at("staff-mgr-1", case_path(story, 0, "/decision"))
    await browser.submit(chosen(1, **SECTION_17), "/decision")
    await office.hub.take(story.answer("police", HUNGRY))
    await decide(browser, rationale="Written for an hour.")
    assert browser.page.status_code == 412
    assert "What you had written" not in browser.page.text
    assert browser.page.text.count("Written for an hour.") == 1


async def test_a_draft_keeps_what_was_written_and_nothing_that_the_page_filled_in(office: Office) -> None:
    story = await office.told([])
    path = case_path(story, 0, "/reading")
    browser = await office.at("staff-sw-1", path)
    office.clock.advance(IDLE + timedelta(seconds=1))
    await browser.submit({"note": CANARY, "basis": ""}, "/reading")
    drafts = Drafts(office.hub.ledger)
    assert await drafts.find("staff-sw-1", path) == {"note": CANARY}
    assert await drafts.find("staff-sw-2", path) is None
    assert await drafts.find("staff-sw-1", case_path(story, 0, "/facts")) is None
    (row,) = await office.hub.rows("SELECT document FROM draft")
    assert str(story.child_ids[0]).encode() in row["document"], (
        "it is the child's part, erased with the child"
    )


async def test_what_was_looked_for_after_a_sessions_end_is_kept_nowhere(office: Office) -> None:
    browser = await office.at("staff-sw-1", "/console/search")
    office.clock.advance(IDLE + timedelta(seconds=1))
    shown = await browser.submit({"name": CANARY}, "/search")
    assert shown.url.path == "/issuer/authorize"
    assert await office.hub.rows("SELECT * FROM draft") == []


async def test_a_later_draft_of_a_page_takes_the_place_of_the_earlier(office: Office) -> None:
    drafts = Drafts(office.hub.ledger)
    await drafts.keep("staff-sw-1", "/console/search", None, {"name": "First", "reason": "x"})
    office.clock.advance(timedelta(hours=1))
    await drafts.keep("staff-sw-1", "/console/search", None, {"name": "Second"})
    office.clock.advance(KEPT_FOR - timedelta(seconds=1))
    assert await drafts.find("staff-sw-1", "/console/search") == {"name": "Second"}
    assert await drafts.prune() == 0
    await drafts.drop("staff-sw-2", "/console/search")
    assert await drafts.find("staff-sw-1", "/console/search") == {"name": "Second"}
    office.clock.advance(timedelta(seconds=1))
    assert await drafts.prune() == 1
