"""What staff put on record of a child: strategy discussions, clocks, tools, tasks and what they were told."""

from datetime import timedelta
from typing import Any

from tests.services.triage.conftest import NEGLECTED, Story
from tests.services.triage.console.conftest import Browser, Office, case_path
from tests.services.triage.console.test_flow import HELD, HURT
from tests.services.triage.console.test_pages import words_of

DISCUSSED = HELD | {
    "chaired_by": "Sam, social worker",
    "name_1": "Sam, social worker",
    "agency_1": "childrens_social_care",
    "name_2": "DC Marlow",
    "agency_2": "police",
    "name_3": "Nurse Quill",
    "agency_3": "health",
    "crime": "no",
    "outcome": "single",
    "rationale": "An injury without an account.",
    "safety_plan": "With the grandmother tonight.",
}


async def at(
    office: Office, page: str, *facts: Any, person: str = "staff-sw-1"
) -> tuple[Story, Browser, str]:
    """A child of whom this is known, somebody at one of the child's pages, and its path; 20 minutes later."""
    story = await office.told(list(facts or NEGLECTED))
    office.clock.advance(timedelta(minutes=20))
    path = case_path(story, 0, page)
    return story, await office.at(person, path), path


def fault(browser: Browser) -> str:
    """What the summary on top of the page says is wrong."""
    assert browser.page.status_code == 422, words_of(browser)
    return words_of(browser).partition("There is a problem ")[2]


DISCUSSED_IN_PART: list[tuple[dict[str, str], str]] = [
    ({"held-day": ""}, "Enter a day, a month and a year"),
    ({"held-time": ""}, "Enter the time, such as 14:30"),
    ({"held-day": "24"}, "The date must be today or in the past"),
    ({"chaired_by": ""}, "Enter who chaired it"),
    ({"rationale": ""}, "Enter the reasons"),
    ({"safety_plan": ""}, "Enter how the child is safe meanwhile"),
    ({"outcome": "perhaps"}, "Select what came of it"),
    ({"crime": ""}, "Select whether a crime may have occurred"),
    ({"name_2": ""}, "Enter the person and whom they speak for, or leave both empty"),
    ({"agency_2": ""}, "Enter the person and whom they speak for, or leave both empty"),
    (
        {f"{part}_{row}": "" for part in ("name", "agency") for row in (1, 2, 3)},
        "Enter at least one person who took part",
    ),
    ({"dissent_name": "DC Marlow"}, "Enter why"),
    ({"dissent_reason": "Wants an arrest first."}, "Enter who does not agree"),
    ({"caisu_by": "Sam"}, "Enter the day"),
]


async def test_a_strategy_discussion_is_not_recorded_in_part(office: Office) -> None:
    _, browser, path = await at(office, "/strategy-discussion", *HURT)
    for change, wanted in DISCUSSED_IN_PART:
        await browser.get(path)
        await browser.submit(DISCUSSED | change, path)
        assert fault(browser).startswith(wanted), change
    assert await office.hub.rows("SELECT * FROM strategy_discussion") == []


async def test_what_was_discussed_is_recorded_as_it_was_said(office: Office) -> None:
    _, browser, path = await at(office, "/strategy-discussion", *HURT)
    told = {"caisu-day": "23", "caisu-month": "11", "caisu-year": "2026", "caisu-time": "10.18"}
    more = {
        "crime": "yes",
        "caisu_by": "Sam",
        "caisu_reference": "CAD 7",
        "name_8": "Ms Day",
        "agency_8": "education",
    }
    await browser.submit(DISCUSSED | told | more, path)
    assert "The strategy discussion is kept." in browser.page.text, words_of(browser)
    said = words_of(browser)
    for wanted in (
        "Held 23 November 2026, 10:15, chaired by Sam, social worker",
        "Crime May have occurred ; the police’s unit was told by Sam, 23 November 2026, 10:18 (CAD 7)",
        "What came of it A section 47 enquiry by social care alone",
        "Ms Day (Education)",
    ):
        assert wanted in said or wanted.replace(" ;", ";") in said, said
    assert "took no part" not in said.partition("Record a discussion")[0]
    assert "does not agree" not in said.partition("Record a discussion")[0]


async def test_no_crime_is_said_where_none_is_thought_of(office: Office) -> None:
    _, browser, path = await at(office, "/strategy-discussion", *HURT)
    await browser.submit(DISCUSSED, path)
    said = words_of(browser)
    assert "Crime None is thought to have occurred" in said
    assert "the police’s unit was told" not in said


async def test_who_may_not_write_reads_a_discussion_and_is_offered_no_form(office: Office) -> None:
    _, browser, _ = await at(office, "/strategy-discussion", *HURT, person="receiver-csc-1")
    assert "None is recorded." in browser.page.text
    assert "Record a discussion" not in browser.page.text


CLOCK_IN_PART: list[tuple[dict[str, str], str]] = [
    ({"action": "stop decision", "at_decision-time": "10.10"}, "Enter the day"),
    ({"action": "pause urgency"}, "Enter why"),
    ({"action": "explain decision", "note_decision": "x"}, "Select the kind of reason"),
    ({"action": "explain decision", "why_decision": "other"}, "Enter why"),
    ({"action": "forget decision", "note_decision": "x"}, "Select what you want to say of a clock"),
]


async def test_nothing_is_said_of_a_clock_in_part(office: Office) -> None:
    _, browser, path = await at(office, "/clocks")
    for sent, wanted in CLOCK_IN_PART:
        await browser.get(path)
        await browser.submit(sent, path)
        assert fault(browser).startswith(wanted), sent


async def test_a_target_that_stood_still_goes_on(office: Office) -> None:
    _, browser, path = await at(office, "/clocks")
    await browser.submit({"action": "pause urgency", "note_urgency": "They are at the hospital."}, path)
    assert "The clock is kept." in browser.page.text
    assert 'value="resume urgency"' in browser.page.text
    office.clock.advance(timedelta(minutes=5))
    await browser.submit({"action": "resume urgency", "note_urgency": "They are home."}, path)
    assert "The clock is kept." in browser.page.text, words_of(browser)
    said = words_of(browser)
    assert "23 November 2026, 10:20 until 23 November 2026, 10:25, by Sam Sandbox, social worker" in said
    assert 'value="resume urgency"' not in browser.page.text


USED = {"on-day": "22", "on-month": "11", "on-year": "2026", "by": "PC Example", "result": "medium"}


TOOL_IN_PART: list[tuple[dict[str, str], str]] = [
    ({"by": ""}, "Enter who used it"),
    ({"result": ""}, "Select what the tool came to"),
    ({"on-day": "", "on-month": "", "on-year": ""}, "Enter the day on which it was used"),
    ({"on-day": "24"}, "The date must be today or in the past"),
    ({"answers_yes": "7"}, "Enter a whole number"),
    ({"answers_yes": "7", "answers_no": "x", "answers_unknown": "2"}, "Enter a whole number"),
]


async def test_a_tool_is_not_recorded_in_part(office: Office) -> None:
    _, browser, path = await at(office, "/tools")
    for change, wanted in TOOL_IN_PART:
        await browser.get(f"{path}?tool=dash")
        await browser.submit(USED | change, path)
        assert fault(browser).startswith(wanted), change


async def test_a_tool_that_came_to_nothing_is_not_said_to_have_come_to_its_mildest(office: Office) -> None:
    _, browser, path = await at(office, "/tools")
    await browser.get(f"{path}?tool=graded_care_profile")
    await browser.submit(USED | {"result": "none", "note": "She left."}, path)
    assert "The tool is kept." in browser.page.text, words_of(browser)
    assert "Result It came to none" in words_of(browser)
    assert "Note She left." in words_of(browser)
    assert "Answers" not in words_of(browser).partition("Record a tool")[0]
