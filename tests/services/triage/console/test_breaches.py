"""Clocks that ran out wait for a reason: the longest wait first, of every team or of one."""

import re
from datetime import timedelta

from services.triage.console.breaches import SHOWN
from services.triage.console.forms import LONGEST
from tests.services.triage.conftest import MONDAY, NEGLECTED, Story
from tests.services.triage.console.conftest import Browser, Office
from tests.services.triage.console.test_pages import words_of

PAGE = "/console/breaches"


async def ran_out(office: Office, story: Story, clock: str, *hours: int) -> str:
    """A clock that ran out so many hours ago, each time; gives what the page's form is about."""
    for ago in hours:
        due = MONDAY - timedelta(hours=ago)
        await office.hub.rows(
            "INSERT INTO breach (case_id, clock, due_at, at) VALUES ($1, $2, $3, $3)",
            story.child_ids[0],
            clock,
            due,
        )
    return f"{story.child_ids[0]}.{clock}"


def listed(browser: Browser) -> list[str]:
    """What the page asks a reason for, in its order."""
    return re.findall(r'name="action" value="([^"]+)"', browser.page.text)


def teams(browser: Browser) -> list[str]:
    (offered,) = re.findall(r'<select[^>]*name="team".*?</select>', browser.page.text, re.DOTALL)
    return re.findall(r'<option value="([^"]+)"', offered)


async def test_the_longest_wait_is_first_and_one_reason_is_for_every_time_that_a_clock_ran_out(
    office: Office,
) -> None:
    first, second = await office.told(list(NEGLECTED)), await office.told(list(NEGLECTED))
    wanted = [
        await ran_out(office, first, "reading", 90, 1),
        await ran_out(office, second, "decision", 60),
        await ran_out(office, first, "decision", 30),
    ]
    browser = await office.at("staff-mgr-1", PAGE)
    assert listed(browser) == wanted
    for about in wanted:
        case_id = about.partition(".")[0]
        assert f'name="note.{about}"' in browser.page.text
        assert f'name="why.{about}"' in browser.page.text
        assert f'href="/console/cases/{case_id}/clocks"' in browser.page.text
    assert f"{first.reference}, child 1 : The reading of the referrer&#39;s words" in words_of(browser)
    assert words_of(browser).count("Say why it ran out") == 3
    assert "Ran out 19 November 2026, 16:00 Today, 09:00 Team" in words_of(browser)
    assert f"{second.reference}, child 1" in words_of(browser)
    assert " open>" not in browser.page.text
    about = wanted[1]
    await browser.submit({f"note.{about}": "a" * (LONGEST + 1), f"why.{about}": "other"}, PAGE, 2)
    assert "Use 20,000 characters or fewer" in browser.page.text
    assert browser.page.text.count(" open>") == 1, "only where something is wrong is the form unfolded"
    assert 'value="other" selected' in browser.page.text
    await browser.submit({f"note.{about}": "We were ill.", f"why.{about}": "other"}, PAGE, 2)
    assert "The clock is kept" in browser.page.text
    assert listed(browser) == [wanted[0], wanted[2]]
    (csrf,) = {*re.findall(r'name="csrf" value="([^"]+)"', browser.page.text)}
    for about in ("nobody.reading", f"{first.child_ids[0]}.", f"{first.child_ids[0]}.a/b"):
        forged = {"csrf": csrf, "action": about, f"note.{about}": "x", f"why.{about}": "other"}
        answer = await browser.http.post(PAGE, data=forged)
        assert (answer.status_code, "Choose a clock that ran out" in answer.text) == (422, True), about
    reader = await office.at("receiver-eh-1", PAGE)
    assert first.reference in reader.page.text
    assert listed(reader) == [], "who may not write is asked for nothing"


async def test_the_clocks_of_one_team_are_chosen_among_every_team_and_stay_chosen(office: Office) -> None:
    ours, theirs, other = [await office.told(list(NEGLECTED)) for _ in range(3)]
    move = "UPDATE child_case SET team = $2 WHERE id = $1"
    for story, team in ((ours, "early_help"), (theirs, "hub_duty"), (other, "another_team")):
        await office.hub.rows(move, story.child_ids[0], team)
    about = await ran_out(office, ours, "reading", 1)
    await ran_out(office, theirs, "reading", *range(2, SHOWN + 2))
    browser = await office.at("staff-mgr-1", PAGE)
    assert "There are more" in browser.page.text
    assert teams(browser) == ["another_team", "early_help", "hub_duty"]
    await browser.get(f"{PAGE}?team=hub_duty")
    assert "There are more" not in browser.page.text
    await browser.get(f"{PAGE}?team=early_help")
    assert listed(browser) == [about]
    assert teams(browser) == ["another_team", "early_help", "hub_duty"]
    assert 'value="early_help" selected' in browser.page.text
    chosen = f"{PAGE}?team=early_help"
    await browser.submit({f"note.{about}": "We were ill."}, chosen)
    assert listed(browser) == [about], "a refusal leaves the choice as it is"
    await browser.submit({f"note.{about}": "We were ill.", f"why.{about}": "workload"}, chosen)
    assert browser.page.url.query == b"team=early_help&said=clock"
    assert "somebody has said why" in browser.page.text
