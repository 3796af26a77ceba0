"""Clocks, strategy discussions and tools, as staff record them on pages."""

import re
from datetime import timedelta

from libs.schemas.findings import Fact
from tests.services.triage.conftest import NEGLECTED
from tests.services.triage.console.conftest import Office, case_path
from tests.services.triage.console.test_work import chosen, decide

HURT = (*NEGLECTED, Fact(fact="child.injury", value="inflicted", basis="observed"))
HELD = {"held-day": "23", "held-month": "11", "held-year": "2026", "held-time": "10.15"}


async def test_a_strategy_discussion_is_recorded_with_who_was_missing(office: Office) -> None:
    story = await office.told(list(HURT))
    path = case_path(story, 0, "/strategy-discussion")
    office.clock.advance(timedelta(minutes=20))
    browser = await office.at("staff-sw-1", case_path(story, 0, "/family"))
    kept = dict(re.findall(r'<li><a class="govuk-link" href="([^"]+)">([^<]+)', browser.page.text))
    assert kept[case_path(story, 0, "/tasks")].startswith("Hold a strategy discussion with police")
    assert kept[case_path(story, 0, "/decision")] == "Nobody has decided on this child"
    await browser.get(path)
    assert " checked" not in browser.page.text
    await browser.submit({}, path)
    assert browser.page.status_code == 422
    for wanted in ("Enter how the child is safe meanwhile", "Select what came of it", "Enter the day"):
        assert wanted in browser.page.text
    record = HELD | {
        "chaired_by": "Sam, social worker",
        "name_1": "Sam, social worker",
        "agency_1": "childrens_social_care",
        "name_2": "DC Marlow",
        "agency_2": "police",
        "absent_health": "Nobody could come before noon.",
        "crime": "yes",
        "outcome": "joint",
        "rationale": "An injury without an account.",
        "safety_plan": "With the grandmother tonight.",
        "dissent_name": "DC Marlow",
        "dissent_reason": "Wants an arrest first.",
    }
    await browser.submit(record, path)
    assert "The strategy discussion is kept" in browser.page.text, re.findall(
        "error-message[^/]*/[^/]*", browser.page.text
    )
    for said in (
        "With the grandmother tonight.",
        "Nobody could come before noon.",
        "DC Marlow does not agree",
    ):
        assert said in browser.page.text
    await browser.get(case_path(story))
    shown = browser.page.text.partition("What the thresholds say")[2].partition("Clocks and tasks")[0]
    assert "A section 47 enquiry by social care and the police" in shown
    assert "With the grandmother tonight." in shown


async def test_a_tool_is_recorded_and_what_was_left_open_stays_unknown(office: Office) -> None:
    story = await office.told(list(NEGLECTED))
    path = case_path(story, 0, "/tools")
    browser = await office.at("staff-sw-1", path)
    assert 'name="result"' not in browser.page.text
    await browser.get(f"{path}?tool=")
    assert "Select the tool" in browser.page.text
    await browser.get(f"{path}?tool=graded_care_profile")
    assert re.findall(r'name="result"[^>]*value="([^"]+)"', browser.page.text) == [
        *(f"grade_{number}" for number in range(1, 6)),
        "none",
    ]
    assert "answers_unknown" not in browser.page.text
    await browser.get(f"{path}?tool=dash")
    used = {"on-day": "22", "on-month": "11", "on-year": "2026", "by": "PC Example"}
    answers = {"answers_yes": "7", "answers_no": "3", "answers_unknown": "14"}
    await browser.submit({**used, **answers}, path)
    assert "Select what the tool came to" in browser.page.text
    await browser.submit({**used, **answers, "result": "medium"}, path)
    assert "The tool is kept" in browser.page.text, re.findall("error-message[^/]*/[^/]*", browser.page.text)
    assert "7 yes, 3 no, 14 unknown" in browser.page.text
    assert "Medium. What was left open could make it graver" in browser.page.text
    await browser.get(case_path(story))
    evidence = browser.page.text.partition("What the thresholds say")[0]
    assert "Medium. What was left open could make it graver (7 yes, 3 no, 14 unknown)" in evidence


async def test_why_a_clock_ran_out_is_said_beside_it(office: Office) -> None:
    story = await office.told(list(NEGLECTED))
    path = case_path(story, 0, "/clocks")
    browser = await office.at("staff-sw-1", path)
    assert "One working day" in browser.page.text
    await browser.submit({"action": "pause urgency"}, path)
    assert "Enter why" in browser.page.text
    office.clock.advance(timedelta(minutes=1))
    await browser.submit(
        {"action": "pause urgency", "note_urgency": "The parents are at the hospital."}, path
    )
    assert "The clock is kept" in browser.page.text, re.findall("error-message[^/]*/[^/]*", browser.page.text)
    assert "The parents are at the hospital." in browser.page.text
    await browser.submit({"action": "stop decision", "note_decision": "x", **HELD}, path)
    assert browser.page.status_code == 422


async def test_a_challenge_is_taken_by_telephone_reviewed_by_somebody_else_and_settled(
    office: Office,
) -> None:
    story = await office.told(list(NEGLECTED))
    path = case_path(story, 0, "/challenges")
    caller = await office.at("staff-mgr-1", path)
    assert "Nothing is decided yet" in caller.page.text
    await caller.get(case_path(story, 0, "/decision"))
    await caller.submit(chosen(1, level="section_17", destination="csc_section_17"), "/decision")
    await decide(caller)
    await caller.get(path)
    assert "St Ives Primary, who referred" in caller.page.text
    said = {
        "agency": "st_ives_primary",
        "channel": "telephone",
        "challenger": "Pat Day, head teacher",
        "reach": "01632 960001",
        "because": "He was hungry again.",
    }
    await caller.submit(said, path)
    assert "Enter how the child is safe meanwhile" in caller.page.text
    assert "He was hungry again." in caller.page.text
    await caller.submit(said | {"safe_meanwhile": "He eats at school."}, path)
    for wanted in ("The challenge is kept", "01632 960001", "He eats at school.", "Nobody yet"):
        assert wanted in caller.page.text
    one = caller.page.url.path
    assert f'href="{path}#form"' in caller.page.text
    await caller.get(path)
    assert "Nobody reviews it yet." in caller.page.text
    more = {"agency": "health_visiting", "because": "She is cold.", "safe_meanwhile": "A nurse looks in."}
    await caller.submit(said | more, path)
    for wanted in ("kept with the challenge that is open", "She is cold.", "Health Visiting, by telephone"):
        assert wanted in caller.page.text
    await office.hub.rows("UPDATE challenge_step SET by = agency, channel = 'system' WHERE number = 2")
    await caller.get(one)
    assert "<dt>Recorded by</dt><dd>Health Visiting</dd>" in caller.page.text
    await caller.submit({}, one)
    assert "Somebody else must review this" in caller.page.text
    away = await office.at("staff-sw-2", one)
    await away.submit({}, one)
    manager = await office.at("staff-mgr-2", one)
    assert "How does it go on?" not in manager.page.text
    await manager.submit({"take_over_because": ""}, one)
    assert "Enter why you take the review over" in manager.page.text
    await manager.submit({"take_over_because": "She is on leave."}, one)
    for wanted in ("You review it", "Review taken over", "She is on leave."):
        assert wanted in manager.page.text
    await manager.submit({}, one)
    for wanted in ("Select how it goes on", "Select whether whoever challenged agrees", "Enter the reasons"):
        assert wanted in manager.page.text
    told, safe = {"because": "The plan holds."}, {"safe_meanwhile": "He eats at school."}
    await manager.submit(told | safe | {"outcome": "stands", "agreed": "yes"}, one)
    assert "write it into the reasons instead" in manager.page.text
    assert "He eats at school." in manager.page.text.partition('id="form"')[2]
    await manager.submit(told | {"outcome": "stands", "agreed": "no", "safe_meanwhile": ""}, one)
    assert "does not agree, and a stage is left" in manager.page.text
    await manager.submit(told | safe | {"outcome": "up"}, one)
    assert "gone up a stage" in manager.page.text
    await manager.submit({}, one)
    await manager.submit(told | {"outcome": "stands", "agreed": "yes"}, one)
    assert "The challenge is settled" in manager.page.text
    await manager.get("/console/challenges")
    assert "No challenge is open" in manager.page.text
    await manager.get("/console/challenges?settled=yes")
    for wanted in (story.reference, "The decision stands", "St Ives Primary"):
        assert wanted in manager.page.text
    await manager.get("/console/numbers")
    assert "Challenges: 1" in manager.page.text
    assert "The managers of both services decide" in manager.page.text
