"""The queue: whose work it lists, what it says of it, and that later pages are of the same choice."""

import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qsl

from services.triage.console.queue import MINE
from tests.services.triage.conftest import NEGLECTED, Story
from tests.services.triage.console.conftest import HUNGRY, Browser, Office, case_path
from tests.services.triage.console.test_flow import HURT
from tests.services.triage.console.test_pages import words_of

QUEUE = "/console/queue"


def listed(browser: Browser) -> set[str]:
    """The cases that the page lists."""
    return {*re.findall(r'id="case-([^"]+)"', browser.page.text)}


def row(browser: Browser, story: Story) -> str:
    """What the page says of a story's first child."""
    (found,) = re.findall(
        rf'<tr>(?:(?!<tr>).)*id="case-{story.child_ids[0]}".*?</tr>', browser.page.text, re.DOTALL
    )
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found))


async def test_work_is_listed_by_whose_it_is(office: Office) -> None:
    held, given, free = [await office.told([HUNGRY]) for _ in range(3)]
    other = await office.at("staff-sw-2", case_path(free))
    await other.submit({"action": "claim"})
    worker = await office.at("staff-sw-1", case_path(held))
    await worker.submit({"action": "claim"})
    await worker.get(case_path(given))
    await worker.submit({"action": "mine"})
    assert "The case is allocated." in worker.page.text
    one, two, three = (str(story.child_ids[0]) for story in (held, given, free))
    for mine, wanted in (
        ("pen", {one}),
        ("allocated", {two}),
        ("nobody", {one, three}),
        ("", {one, two, three}),
        ("somebody", {one, two, three}),
    ):
        await worker.get(f"{QUEUE}?mine={mine}")
        assert listed(worker) == wanted, mine
        assert (f'<option value="{mine}" selected>' in worker.page.text) is (mine in MINE or mine == "nobody")


NARROWED: list[tuple[str, set[str]]] = [
    ("rag=red", {"danger"}),
    ("tag=immediate_danger", {"danger"}),
    ("tag=to_be_read", {"danger", "unread"}),
    ("tag=immediate_danger&rag=amber", set[str]()),
    ("stage=decision", {"danger", "hurt"}),
    ("locality=nowhere", set[str]()),
    ("team=masg", set[str]()),
    ("rag=", {"danger", "unread", "hurt"}),
]


async def test_the_queue_is_narrowed_to_what_was_chosen(office: Office) -> None:
    stories = {
        "danger": await office.told([], immediate_danger=True),
        "unread": await office.told([]),
        "hurt": await office.told(list(HURT)),
    }
    browser = await office.at("staff-sw-1")
    for query, wanted in NARROWED:
        await browser.get(f"{QUEUE}?{query}")
        assert listed(browser) == {str(stories[name].child_ids[0]) for name in wanted}, query
        for _, value in parse_qsl(query.replace("nowhere", "")):
            assert f'<option value="{value}" selected>' in browser.page.text


async def test_work_is_late_from_the_moment_by_which_somebody_had_to_act(office: Office) -> None:
    story = await office.told(list(NEGLECTED))
    due = (await office.hub.rows("SELECT act_by FROM child_case"))[0]["act_by"]
    office.clock.advance(due - office.clock.now())
    browser = await office.at("staff-sw-1", QUEUE)
    assert "Overdue" not in row(browser, story)
    office.clock.advance(timedelta(seconds=1))
    await browser.get(QUEUE)
    assert "Overdue" in row(browser, story)


async def test_a_rating_stands_in_words_and_in_its_own_colour(office: Office) -> None:
    story = await office.told([], immediate_danger=True)
    browser = await office.at("staff-sw-1", QUEUE)
    assert "Red" in row(browser, story)
    assert 'govuk-tag--red">Red</strong>' in browser.page.text


async def test_of_words_that_nobody_has_read_the_queue_says_that_they_wait_and_says_it_once(
    office: Office,
) -> None:
    story = await office.told([])
    browser = await office.at("staff-sw-1", QUEUE)
    assert "Nothing yet: the words are to be read first" in row(browser, story)
    assert "Not evaluated yet" not in row(browser, story)
    assert row(browser, story).count("To be read") == 1
    await browser.get(case_path(story))
    assert browser.page.text.count("To be read</strong>") == 1


async def test_how_much_waits_leads_to_what_waits(office: Office) -> None:
    story = await office.told(list(HURT), list(HURT))
    await office.told([])
    browser = await office.at("staff-sw-1", QUEUE)
    assert "3 cases in 2 queues" in words_of(browser)
    (link,) = re.findall(r'href="([^"]+stage=decision)"', browser.page.text)
    await browser.get(unescape(link))
    assert listed(browser) == {str(child) for child in story.child_ids}


async def test_later_pages_are_of_the_same_choice_and_lead_back(office: Office) -> None:
    stories = [await office.told(*[list(HURT)] * 9) for _ in range(3)]
    await office.told([])
    browser = await office.at("staff-sw-1")
    await browser.get(f"{QUEUE}?stage=decision")
    assert "The most urgent</a>" not in browser.page.text
    first = listed(browser)
    assert len(first) == 25
    (later,) = re.findall(r'href="([^"]+)" rel="next"', browser.page.text)
    await browser.get(unescape(later))
    assert listed(browser) == {str(child) for story in stories for child in story.child_ids} - first
    assert 'rel="next"' not in browser.page.text
    (back,) = re.findall(r'href="([^"]+)">The most urgent</a>', browser.page.text)
    await browser.get(unescape(back))
    assert listed(browser) == first


async def test_a_queue_in_which_nothing_waits_says_so(office: Office) -> None:
    browser = await office.at("staff-sw-1", QUEUE)
    assert "Nothing here needs anybody." in browser.page.text
    assert "Nothing waits." in browser.page.text
