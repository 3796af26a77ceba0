"""Whoever looks at a challenge is offered what they may do about it, and sees what was said and how it stands."""

import re
from datetime import timedelta

from services.triage.console.forms import LONGEST
from tests.services.triage.challenges.test_challenges import sent
from tests.services.triage.conftest import NEGLECTED, Story
from tests.services.triage.console.conftest import Browser, Office, case_path
from tests.services.triage.console.test_pages import words_of
from tests.services.triage.console.test_work import chosen, decide
from tests.services.triage.staff import CANARY

SAID = {
    "agency": "colleague",
    "channel": "colleague",
    "challenger": "Sasha, social worker",
    "because": "He is hungry again.",
    "safe_meanwhile": "He eats at school.",
}
LIST = "/console/challenges"
SETTLED_LONG_AGO = """
INSERT INTO challenge (id, case_id, referral_id, decision, agency, channel, stage, raised_by, raised_at, due_at,
                       referrers, fingerprint, reviewer, outcome, agreed, resolved_at)
SELECT uuidv7(), case_id, referral_id, decision, 'police', 'telephone', stage, raised_by, raised_at,
       due_at - interval '9 days', false, '', 'staff-mgr-2', 'stands', false, raised_at - days * interval '1 day'
  FROM challenge, generate_series(1, 100) AS days
"""


async def challenged(office: Office) -> tuple[Story, Browser, str]:
    """A decision that a social worker challenges; the worker at the challenge's page."""
    story = await office.told(list(NEGLECTED))
    manager = await office.at("staff-mgr-1", case_path(story, 0, "/decision"))
    await manager.submit(chosen(1, level="section_17", destination="csc_section_17"), "/decision")
    await decide(manager)
    worker = await office.at("staff-sw-2", case_path(story, 0, "/challenges"))
    await worker.submit(SAID, "/challenges")
    return story, worker, worker.page.url.path


def offered(browser: Browser) -> set[str]:
    """What can be done on the page, by its buttons and choices."""
    buttons = re.findall(r"<button[^>]*>\s*([^<]+?)\s*</button>", browser.page.text)
    return {*buttons, *re.findall(r'name="outcome"[^>]*value="([^"]+)"', browser.page.text)} - {"Sign out"}


async def test_everybody_is_offered_what_they_may_do_about_a_challenge(office: Office) -> None:
    story, worker, one = await challenged(office)
    assert "Whose A colleague’s How it came A colleague says so, or I do Challenged Decision 1" in words_of(
        worker
    )
    assert f"{story.reference}, child 1, {CANARY} Challenge" in words_of(worker)
    assert "Stage The two services talk to each other To be settled by Tomorrow, 08:30 Reviewer" in words_of(
        worker
    )
    assert "Who disagrees Sasha, social worker Reasons He is hungry again." in words_of(worker)
    assert "Disagrees with" not in words_of(worker)
    assert "Take it up a stage" in words_of(worker)
    assert offered(worker) == {"Take the review", "Keep it", "up"}
    reader = await office.at("receiver-eh-1", one)
    assert offered(reader) == set()
    assert "Add what somebody says as well" not in reader.page.text
    helper = await office.at("staff-worker-1", one)
    assert offered(helper) == set()
    assert "Add what somebody says as well" in helper.page.text
    reviewer = await office.at("staff-sw-1", one)
    await reviewer.submit({}, one)
    assert "Reviewer Sam Sandbox, social worker" in words_of(reviewer)
    assert "Settle it, or take it up a stage" in words_of(reviewer)
    assert offered(reviewer) == {"Keep it", "up", "stands", "decide_anew", "withdrawn"}
    await worker.get(one)
    assert offered(worker) == set(), "somebody else reviews it"
    await worker.get(case_path(story, 0, "/challenges"))
    assert "Sam Sandbox, social worker reviews it and is asked to read it." in words_of(worker)
    assert "Add it to the challenge" in offered(worker)
    manager = await office.at("staff-mgr-2", one)
    assert offered(manager) == {"Take it over", "Keep it", "up"}
    assert "Why do you take the review from Sam Sandbox, social worker?" in words_of(manager)
    assert 'name="take_over_because"' in manager.page.text
    await office.hub.take(sent(story))
    office.clock.advance(timedelta(hours=29))
    await manager.sign_in("staff-mgr-2", one)
    assert "To be settled by Today, 08:30 Overdue" in words_of(manager)
    assert "Disagrees with That early help is enough. Reasons" in words_of(manager)
    assert "Recorded by St Ives Primary Whose St Ives Primary, by the referrer’s own system" in words_of(
        manager
    )
    await office.hub.rows("UPDATE challenge SET stage = 'board'")
    await manager.get(one)
    assert offered(manager) == {"Take it over"}, "no stage is above the last"
    await manager.submit({"take_over_because": "She is ill."}, one)
    assert offered(manager) == {"Keep it", "stands", "decide_anew", "withdrawn"}
    await manager.submit({"outcome": "stands", "agreed": "no", "because": "The plan holds."}, one)
    assert offered(manager) == set()
    assert "Add what somebody says as well" not in manager.page.text
    said = words_of(manager)
    for wanted in (
        "Settled The decision stands, 24 November 2026, 15:00",
        "Agreed No: the disagreement stays on record",
        "Settled, 24 November 2026, 15:00 Recorded by Marlow Sandbox",
        "Reasons The plan holds.",
    ):
        assert wanted in said
    await manager.get(case_path(story, 0, "/challenges"))
    assert "A colleague, 23 November 2026, 10:00" in words_of(manager)
    assert "Take a challenge" in words_of(manager), "a settled one is joined by nothing"


async def test_nothing_that_is_too_long_or_missing_is_sent_and_all_of_it_stays(office: Office) -> None:
    story, worker, one = await challenged(office)
    long, path = "a" * (LONGEST + 1), case_path(story, 0, "/challenges")
    await worker.get(path)
    await worker.submit({}, path)
    for wanted in ("Select whose challenge it is", "Select how it reached the hub", "Enter who disagrees"):
        assert wanted in worker.page.text
    reviewer = await office.at("staff-mgr-2", one)
    for browser, at, fields, name in (
        (worker, path, SAID, "because"),
        (worker, path, SAID, "safe_meanwhile"),
        (reviewer, one, {"outcome": "up", "safe_meanwhile": "With Gran."}, "because"),
        (reviewer, one, {"outcome": "up", "because": "Look again."}, "safe_meanwhile"),
    ):
        sent = {**fields, name: long}
        await browser.get(at)
        await browser.submit(sent, at, -1)
        assert browser.page.status_code == 422
        assert f'<a href="#{name}">Use 20,000 characters or fewer</a>' in browser.page.text
        assert all(text in browser.page.text for text in sent.values())
    await reviewer.get(one)
    await reviewer.submit({"because": "Look again."}, one, -1)
    assert "Enter how the child is safe meanwhile" in reviewer.page.text
    other = await office.at("staff-sw-1", one)
    await other.submit({}, one)
    await reviewer.get(one)
    await reviewer.submit({"take_over_because": long}, one)
    assert '<a href="#take_over_because">Use 20,000 characters or fewer</a>' in reviewer.page.text
    assert len(await office.hub.rows("SELECT * FROM challenge_step")) == 2


async def test_what_is_open_stands_first_however_much_was_settled_before(office: Office) -> None:
    story, worker, one = await challenged(office)
    await worker.get(LIST)
    assert "A colleague’s Nobody yet" in words_of(worker)
    assert "Overdue" not in words_of(worker)
    await office.hub.rows(SETTLED_LONG_AGO)
    await worker.get(LIST)
    links = re.findall(rf'href="({LIST}/[^"]+)"', worker.page.text)
    assert links == [one]
    assert 'value="yes" selected' not in worker.page.text
    assert "There are more" not in worker.page.text
    await worker.get(f"{LIST}?settled=yes")
    links = re.findall(rf'href="({LIST}/[^"]+)"', worker.page.text)
    assert (links[0], len(links)) == (one, 100)
    days = re.findall(r"The decision stands, ([^<]+),", worker.page.text)
    assert days[:2] == ["Yesterday", "21 November 2026"]
    assert "There are more." in worker.page.text
    assert "They show as these are settled" not in worker.page.text
    assert 'value="yes" selected' in worker.page.text
    assert story.reference in worker.page.text
