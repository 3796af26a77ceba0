"""What staff are told, hand over, restrict and take by telephone goes through the same operations as anybody's."""

import re
from html import unescape
from urllib.parse import urlencode
from uuid import UUID

from libs.schemas.findings import Between
from services.triage.console.forms import fact_groups
from tests.services.triage.conftest import NEGLECTED, Story, stated
from tests.services.triage.console.conftest import HUNGRY, Browser, Office, case_path
from tests.services.triage.console.test_pages import words_of
from tests.services.triage.console.test_work import chosen, decide
from tests.services.triage.staff import CANARY

TOLD = {
    "how": "telephone",
    "on-day": "23",
    "on-month": "11",
    "on-year": "2026",
    "source": "professional",
    "said_by": "Class teacher",
    "immediate_danger": "no",
}


async def decided(office: Office) -> tuple[str, Browser]:
    """A child in need whom a manager has decided on, and the manager at the page."""
    story = await office.told(list(NEGLECTED))
    manager = await office.at("staff-mgr-1", case_path(story, 0, "/decision"))
    await manager.submit(chosen(1, level="section_17", destination="csc_section_17"), "/decision")
    await decide(manager)
    return case_path(story), manager


async def test_what_was_told_by_telephone_raises_the_level_at_once(office: Office) -> None:
    story = await office.told([HUNGRY, NEGLECTED[1]])
    before = (await office.hub.case(story.child_ids[0])).level
    browser = await office.at("staff-worker-1", case_path(story, 0, "/facts"))
    await browser.submit({}, "/facts")
    assert browser.page.status_code == 422
    for wanted in ("Select whose word it is", "Enter the day of the call", "Select how you came to know it"):
        assert wanted in browser.page.text
    await browser.submit(
        {**TOLD, "fact.child.injury": "unexplained", "fact.child.afraid_of_home": "yes", "basis": "observed"},
        "/facts",
    )
    assert "By it the level has risen" in browser.page.text, re.findall(
        "error-message[^<]*<[^<]*", browser.page.text
    )
    assert (await office.hub.case(story.child_ids[0])).level > before
    assert "Class teacher" in browser.page.text


async def test_an_entry_is_corrected_and_taken_back_with_a_reason_and_stays(office: Office) -> None:
    story = await office.told(list(NEGLECTED))
    browser = await office.at("staff-worker-1", case_path(story, 0, "/facts"))
    await browser.submit({**TOLD, "fact.child.hunger": "occasional", "basis": "observed"}, "/facts")
    (entry,) = set(re.findall(r'href="(/console/cases/[^"]+/facts/[^"]+)"', browser.page.text))
    await browser.get(entry)
    assert 'value="occasional" selected' in browser.page.text
    await browser.submit(
        {**TOLD, "fact.child.hunger": "persistent", "basis": "observed", "action": "correct"}, entry
    )
    assert "Enter why it is changed" in browser.page.text
    fixed = {
        **TOLD,
        "fact.child.hunger": "persistent",
        "basis": "observed",
        "reason": "Misheard.",
        "action": "correct",
    }
    await browser.submit(fixed, entry)
    assert "The correction is kept" in browser.page.text
    assert "Misheard." in browser.page.text
    await browser.get(entry)
    await browser.submit({"reason": "Another child.", "action": "retract"}, entry)
    assert "It was taken back and does not count" in browser.page.text
    assert "Another child." in browser.page.text


async def test_staff_are_asked_for_what_they_may_state_and_nothing_else(office: Office) -> None:
    story = await office.told([])
    browser = await office.at("staff-sw-1", case_path(story, 0, "/facts"))
    dictionary = office.app.state.console.dictionary
    asked = set(re.findall(r'name="fact\.([^"]+)"', browser.page.text))
    assert asked == {name for name, one in dictionary.definitions.items() if "staff" in one.sources}
    assert asked == {
        field.name.removeprefix("fact.") for group in fact_groups(dictionary) for field in group.fields
    }


async def test_a_referral_by_telephone_goes_to_intake_once(office: Office) -> None:
    browser = await office.at("staff-worker-1", "/console/new-referral")
    assert " checked" not in browser.page.text
    await browser.submit({"action": "send"}, "/new-referral")
    assert browser.page.status_code == 422
    assert "Select whether a child is in danger now" in browser.page.text
    call = {"worry": f"{CANARY} was crying.", "role": "public", "danger": "no", "given_1": "Robin"}
    await browser.submit({**call, "action": "child"}, "/new-referral")
    assert f"{CANARY} was crying." in browser.page.text
    both = {**call, "given_2": "Wren", "status_2": "unborn", "expected_2-day": "1", "expected_2-month": "2"}
    both |= {"expected_2-year": "2027", "words_1": "I am cold.", "agreement_checks": "not_sought"}
    both |= {"adult_given_1": "Lee", "adult_harm_1": "yes", "contact": "01632 960001", "channel": "telephone"}
    await browser.submit({**both, "action": "send"}, "/new-referral")
    assert "4KKG-PZGK-2" in browser.page.text
    ((body, key),) = office.neighbours.sent
    assert len(key) == 32
    assert [one["given_name"] for one in body["children"]] == ["Robin", "Wren"]
    assert body["children"][1]["expected"] == {"on": "2027-02-01"}
    assert body["children"][0]["voice"] == {"words": "I am cold."}
    assert body["referrer"] == {
        "role": "public",
        "source": "1D",
        "anonymous": False,
        "contacts": [{"channel": "telephone", "phone": "01632 960001"}],
    }
    assert body["source_reference"] == "Taken by telephone by staff-worker-1"
    assert body["channel"] == "telephone"


async def test_the_receiving_end_accepts_by_name_or_gives_the_child_back(office: Office) -> None:
    path, manager = await decided(office)
    assert "Waits to be accepted" in manager.page.text
    other = await office.at("receiver-eh-1", f"{path}/handover")
    assert "Answer for the receiving end" not in other.page.text
    receiver = await office.at("receiver-csc-1", "/console/handovers")
    assert f'href="{path}/handover"' in receiver.page.text
    assert CANARY not in receiver.page.text
    await receiver.get(f"{path}/handover")
    for wanted in ("What the referrer saw", "The child’s voice", "What is not known"):
        assert wanted in receiver.page.text
    robin = "Robin Sandbox, children&#39;s social care assessment team"
    assert f'<option value="{robin}"></option>' in receiver.page.text
    await receiver.submit({"answer": "refuse", "by": "Robin, duty manager"}, "/handover")
    assert "Enter why the child is refused" in receiver.page.text
    await receiver.submit(
        {"answer": "refuse", "by": "receiver-csc-1", "note": "Lives elsewhere."}, "/handover"
    )
    assert "The case goes back to the hub" in receiver.page.text
    told = (await manager.get(f"{path}/handover")).text
    assert "Lives elsewhere." in told
    assert f", by {robin} (recorded by {robin})" in told


async def test_a_referral_is_opened_again_with_a_reason(office: Office) -> None:
    path, manager = await decided(office)
    await manager.get(f"{path}/reopening")
    await manager.submit({"child.1": "yes"}, "/reopening")
    assert "Enter why the referral is opened again" in manager.page.text
    await manager.submit({"child.1": "yes", "reason": "The school rang."}, "/reopening")
    assert "The referral is open again" in manager.page.text


async def test_a_restricted_case_is_gone_for_who_has_no_right_and_opens_in_an_emergency(
    office: Office,
) -> None:
    story = await office.told(list(NEGLECTED))
    manager = await office.at("staff-mgr-2", case_path(story, 0, "/restriction"))
    await manager.submit(
        {"restricted": "yes", "family": "yes", "kind": "staff_family", "reason": "His aunt."}, "/restriction"
    )
    worker = await office.at("staff-sw-1", case_path(story))
    assert worker.page.status_code == 404
    assert CANARY not in worker.page.text
    unknown = re.sub(r"[0-9a-f]{12}$", "0" * 12, case_path(story))
    nothing = (await worker.get(unknown)).text
    assert nothing.replace(unknown, case_path(story)) == worker.seen[-2].text, "hidden looks like absent"
    assert case_path(story) not in (await worker.get("/console/queue")).text
    await worker.get(case_path(story, 0, "/break-glass"))
    await worker.submit({"reason": "The police are at the door."}, "/break-glass")
    assert "You may see this case for one hour" in worker.page.text
    assert case_path(story) in (await manager.get("/console/queue")).text


async def test_agencies_that_do_not_answer_are_said_not_to_and_are_asked_by_hand(office: Office) -> None:
    story = Story()
    await office.hub.take(story.received([HUNGRY]))
    browser = await office.at("staff-sw-1", "/console/agencies")
    assert "Does not answer" in browser.page.text
    assert 'href="/console/queue?awaiting=police"' in browser.page.text
    await browser.get("/console/queue?awaiting=police")
    assert '<option value="police" selected>' in browser.page.text
    assert case_path(story, 0, "/family") in browser.page.text
    assert "North and West" in browser.page.text
    assert case_path(story, 0, "/family") not in (await browser.get("/console/queue?locality=south")).text
    await browser.get(case_path(story, 0, "/agencies"))
    order = {"agency": "police", "action": "ask", "reason": "A neighbour saw a knife."}
    await browser.submit(order, "/agencies")
    assert "Enter the lawful basis" in browser.page.text
    await browser.submit({**order, "purpose": "To protect the child", "basis": "Section 47"}, "/agencies")
    assert "Your order is passed on" in browser.page.text
    assert "A neighbour saw a knife." in browser.page.text


async def test_managers_see_who_has_how_much_and_the_boards_numbers_of_a_time(office: Office) -> None:
    path, _ = await decided(office)
    ran_out = "INSERT INTO breach (case_id, clock, due_at, at) VALUES ($1, 'reading', $2, $2)"
    await office.hub.rows(ran_out, UUID(path.rpartition("/")[2]), office.clock.now())
    manager = await office.at("staff-mgr-1", "/console/workload")
    assert "Open cases by worker" in manager.page.text
    assert 'href="/console/numbers"' in manager.page.text
    await manager.get("/console/numbers")
    said = words_of(manager)
    for wanted in (
        "From 25 August 2026 to 23 November 2026, both counted.",
        "Clocks that ran out: 1",
        "The reading of the referrer&#39;s words Nobody has said why 1",
        "Decisions: 1",
        "Agrees with the recommendation None is needed",
        "Challenges: 0",
        "DASH risk checklist Not used 0 0",
    ):
        assert wanted in said
    await manager.get("/console/breaches")
    about = f"{path.rpartition('/')[2]}.reading"
    assert "The reading of the referrer&#39;s words" in manager.page.text
    await manager.submit({f"note.{about}": "Two of us were ill."}, "/console/breaches", 1)
    assert "Select the kind of reason" in manager.page.text
    again = {f"note.{about}": "Two of us were ill.", f"why.{about}": "workload"}
    page = manager.page
    await manager.submit(again, "/console/breaches", 1)
    assert "somebody has said why" in manager.page.text
    manager.seen.append(page)
    await manager.submit(again | {f"why.{about}": "other"}, "/console/breaches", 1)
    assert "Somebody has said why. Morgan Sandbox, manager, since" in manager.page.text
    assert "Two of us were ill." in manager.page.text
    await manager.get(f"{path}/clocks")
    assert "There was too much work. Two of us were ill." in words_of(manager)
    before = {"to-day": "22", "to-month": "11", "to-year": "2026"}
    await manager.get(f"/console/numbers?{urlencode(before)}")
    assert "Decisions: 0" in words_of(manager)
    await manager.get(f"/console/numbers?{urlencode(before | {'to-day': '31'})}")
    assert "Enter a day, a month and a year" in manager.page.text
    assert "Decisions:" not in manager.page.text
    worker = await office.at("staff-sw-1", "/console/workload")
    assert worker.page.status_code == 403
    assert not {"/console/workload", "/console/numbers"} & {
        *re.findall('href="([^"]+)"', (await worker.get("/console/queue")).text)
    }


async def test_the_thresholds_are_shown_in_english(office: Office) -> None:
    await office.hub.policies.start(office.hub.ledger)
    browser = await office.at("staff-sw-1", "/console/policy")
    policy = office.hub.policies.rulebooks.directory.policy
    shown = re.findall(r'summary-text">([^<]+)<', browser.page.text)
    assert len(shown) == len(policy.rules)
    assert unescape(shown[0]) in {rule.title for rule in policy.rules}


async def test_what_was_looked_for_is_in_no_address(office: Office) -> None:
    story = await office.told(list(NEGLECTED))
    browser = await office.at("staff-sw-1", "/console/search")
    await browser.submit({}, "/search")
    assert "Enter at least one thing to look for" in browser.page.text
    await browser.submit({"name": CANARY}, "/search")
    assert "1 case found" in browser.page.text
    assert f'href="{case_path(story, 0, "/family")}"' in browser.page.text
    assert str(browser.page.url).endswith("/console/search")
    assert browser.page.history == []
    listed = browser.page.text.partition("Search again")[0]
    assert CANARY not in listed
    await browser.submit({"name": "Somebody Else"}, "/search")
    assert "0 cases found" in browser.page.text
    await browser.submit({"nhs_number": "12"}, "/search")
    assert browser.page.status_code == 422


async def test_pages_lead_to_operations_that_there_are(office: Office) -> None:
    story = await office.told(list(NEGLECTED))
    browser = await office.at("staff-mgr-2", case_path(story))
    links = set(re.findall(r'<a class="[^"]*" href="(/console/[^"?#]+)', browser.page.text))
    assert len(links) > 15
    for link in sorted(links):
        assert (await browser.get(link)).status_code == 200, link


async def test_a_panels_agenda_takes_who_was_there_and_what_came_of_each_child(office: Office) -> None:
    story = await office.told([HUNGRY], agreements={"panel": {"answer": "given"}})
    manager = await office.at("staff-mgr-1", case_path(story, 0, "/reading"))
    await manager.submit({"immediate_danger": "no"}, "/reading")
    await manager.get(case_path(story, 0, "/decision"))
    await manager.submit(chosen(1, level="targeted", destination="masg"), "/decision")
    above = {"departure_code.1": "agreement", "departure_reason.1": "The family asks for it."}
    await decide(manager, **above)
    chair = await office.at("panel-chair-1", "/console/panels")
    meetings = re.findall(r'href="(/console/panels/[^"]+)"', chair.page.text)
    assert len(meetings) >= 5
    agenda = ""
    for path in meetings:
        if case_path(story) in (await chair.get(path)).text:
            agenda = path
            break
    assert agenda
    case = str(story.child_ids[0])
    await chair.submit({"case": case, "action": "outcome"}, agenda)
    assert "Select what the panel came to" in chair.page.text
    await chair.submit(
        {
            "case": case,
            f"outcome.{case}": "plan_agreed",
            f"note.{case}": "A play worker.",
            "action": "outcome",
        },
        agenda,
    )
    assert "The outcome is kept" in chair.page.text
    assert "A play worker." in chair.page.text
    # What was come to stands on record: nothing on the page offers to write it over.
    assert "Write down the outcome" not in chair.page.text
    correction = {"case": case, "action": "outcome", f"note.{case}": "A youth worker."}
    await chair.submit(correction, agenda)
    assert "Enter why the outcome is corrected" in chair.page.text
    assert "A youth worker." in chair.page.text
    await chair.submit(correction | {f"reason.{case}": "Of another child."}, agenda)
    assert "The correction is kept" in chair.page.text
    assert "Of another child." in chair.page.text
    table = await chair.http.get(f"{agenda}/export")
    assert table.headers["content-type"].startswith("text/csv")
    assert "youth worker" in table.text
    await chair.get(case_path(story))
    came = chair.page.text.partition("What panels came to")[2]
    assert came.index("A play worker.") < came.index("A youth worker.") < came.index("Clocks and tasks")
    assert "It was corrected and does not count" in came
    happened = (await chair.get(case_path(story, 0, "/chronology"))).text
    assert "A manager decided: targeted support, to the Multi-Agency Support Group." in happened
    await chair.get(agenda)
    await chair.submit({"chair": "Perry", "present.health": "Nurse Marlow", "action": "members"}, agenda)
    assert "Nurse Marlow (Community health, Cambridgeshire and Peterborough)" in chair.page.text
    assert (await chair.get("/console/panels/no.such/2026-11-24")).status_code == 404


async def test_maracs_list_says_how_many_dash_questions_are_unknown(office: Office) -> None:
    score = stated("household.dash_score", Between(at_least=7, at_most=21))
    await office.told([stated("household.strangulation_or_weapon", True), score])
    browser = await office.at("staff-sw-1", "/console/lists/marac_daily")
    assert "7 yes, 3 no, 14 unknown" in browser.page.text


async def test_a_list_prints_and_exports(office: Office) -> None:
    browser = await office.at("staff-sw-1", "/console/panels")
    lists = re.findall(r'href="(/console/lists/[^"]+)"', browser.page.text)
    assert lists
    assert (await browser.get(lists[0])).status_code == 200
    table = await browser.http.get(f"{lists[0]}/export")
    assert table.headers["content-type"].startswith("text/csv")
    assert "attachment" in table.headers["content-disposition"]
    assert table.headers["cache-control"] == "no-store"


async def test_a_task_is_raised_given_and_done_or_explained(office: Office) -> None:
    story = await office.told(list(NEGLECTED))
    path = case_path(story, 0, "/tasks")
    browser = await office.at("staff-sw-1", path)
    await browser.submit({"what": "", "action": "raise"}, path, place=-1)
    assert "Enter what must be done" in browser.page.text
    await browser.submit({"what": f"Ring {CANARY}'s aunt.", "action": "raise"}, path, place=-1)
    assert "The task is raised" in browser.page.text
    listed = await office.at("staff-sw-1", "/console/tasks")
    assert CANARY not in listed.page.text.partition("<main")[2].partition("Open tasks, the")[0]
    await browser.get(path)
    tasks = re.findall(r'name="task" value="([^"]+)"', browser.page.text)
    aunt = tasks[-1]
    at = 2 * list(dict.fromkeys(tasks)).index(aunt)
    await browser.submit({"action": "done"}, path, place=at)
    assert "Select what became of the task" in browser.page.text
    note = {f"outcome.{aunt}": "done", f"note.{aunt}": "She takes the child in.", "action": "done"}
    await browser.submit(note, path, place=at)
    assert "The task is done" in browser.page.text
    assert "She takes the child in." in browser.page.text


PAGES = (
    *(
        "",
        "/family",
        "/chronology",
        "/reading",
        "/facts",
        "/matches",
        "/agencies",
        "/decision",
        "/sign-off",
        "/tasks",
    ),
    *("/clocks", "/strategy-discussion", "/tools", "/handover", "/reopening", "/restriction", "/break-glass"),
)


async def test_every_page_of_a_case_is_there(office: Office) -> None:
    story = await office.told(list(NEGLECTED), [])
    browser = await office.at("staff-mgr-1")
    for rest in PAGES:
        assert (await browser.get(case_path(story, 0, rest))).status_code == 200, rest
