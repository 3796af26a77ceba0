"""The console shows what the API answers, to whoever may see it, and leaves nothing behind."""

import re
from datetime import date, timedelta
from uuid import UUID

from libs.platform.auth import Principal
from libs.platform.signin import IDLE
from libs.schemas.history import EarlierReport
from services.triage.colleagues.colleagues import Colleagues
from tests.services.triage.conftest import NEGLECTED, Story
from tests.services.triage.console.conftest import HUB, HUNGRY, Browser, Office, case_path
from tests.services.triage.staff import CANARY


def words_of(browser: Browser) -> str:
    """What the page says, without its mark-up."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", browser.page.text))


async def test_an_address_that_is_typed_in_leads_to_the_queue_or_to_a_page_that_says_it_is_none(
    office: Office,
) -> None:
    browser = await office.at("staff-sw-1")
    for address in ("/", "/console", "/console/"):
        assert (await browser.get(address)).url.path == "/console/queue"
    for address in ("/console/nowhere", "/console/cases", "/console/case/7/more"):
        page = await browser.get(address)
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "Check the address." in page.text
        assert "Sign out" in page.text


async def test_the_queue_names_nobody_and_leads_to_the_family(office: Office) -> None:
    story = await office.told(list(NEGLECTED), [])
    browser = await office.at("staff-sw-1")
    assert browser.page.url.path == "/console/queue"
    assert CANARY not in browser.page.text
    assert f'href="{case_path(story, 0, "/family")}"' in browser.page.text
    await browser.get(case_path(story, 0, "/family"))
    assert browser.page.text.count(f"{CANARY} comes without breakfast.") == 1, (
        "what is shared stands there once"
    )
    assert len(re.findall(r'<section class="mash-card', browser.page.text)) == 2


async def test_the_evidence_comes_before_the_evaluation(office: Office) -> None:
    story = await office.told([HUNGRY])
    browser = await office.at("staff-sw-1", case_path(story))
    order = [
        "What the referrer saw",
        "The child’s voice",
        "Household",
        "What each agency says",
        "What is missing",
    ]
    order += ["What the thresholds say", "Decisions", "Clocks and tasks"]
    headings = re.findall(r'<h2 class="govuk-heading-m"[^>]*>([^<]*)', browser.page.text)
    places = [next(n for n, text in enumerate(headings) if text.startswith(wanted)) for wanted in order]
    assert places == sorted(places)


async def test_every_kind_of_silence_is_said_in_words_of_its_own(office: Office) -> None:
    story = await office.told([HUNGRY])
    states = ("returned", "nothing_held", "outside_coverage", "declined", "no_answer", "unavailable")
    agencies = ("police", "health", "education", "marac", "early_help", "social_care")
    for agency, state in zip(agencies, states, strict=True):
        facts = [HUNGRY] if state == "returned" else []
        await office.hub.take(story.answer(agency, *facts, state=state))
    browser = await office.at("staff-sw-1", case_path(story))
    tags = re.findall(r'id="agency-[a-z_]+">[^<]+<strong[^>]*>([^<]+)', browser.page.text)
    assert len(tags) == len({*tags}) == 6
    missing = words_of(browser).partition("What is missing")[2].partition("What the thresholds say")[0]
    assert "Police" not in missing
    assert "Early help" in missing


async def test_only_who_is_asked_is_said_to_owe_an_answer_by_a_time(office: Office) -> None:
    story = await office.told([HUNGRY])
    for agency, state in (("police", "not_requested"), ("health", "declined"), ("early_help", "no_answer")):
        await office.hub.take(story.answer(agency, state=state, due_at=office.clock.now()))
    browser = await office.at("staff-sw-1", case_path(story))
    missing = words_of(browser).partition("What is missing")[2].partition("What the thresholds say")[0]
    assert missing.count("wanted by") == 1
    assert "Early help, Peterborough: has not answered in time, wanted by today" in missing


async def test_nothing_about_anybody_is_in_an_address_or_a_title_and_nothing_is_cached(
    office: Office,
) -> None:
    story = await office.told(list(NEGLECTED), [])
    browser = await office.at("staff-sw-1")
    pages = ("", "/family", "/chronology", "/reading", "/decision", "/tasks")
    for path in ("/console/queue", "/console/tasks", *(case_path(story, 0, rest) for rest in pages)):
        await browser.get(path)
        assert browser.page.status_code == 200, path
        assert browser.page.headers["cache-control"] == "no-store"
        assert CANARY not in "".join(re.findall("<title>.*?</title>", browser.page.text, re.DOTALL))
        assert CANARY not in str(browser.page.url)
        assert "<script>" not in browser.page.text
        assert " style=" not in browser.page.text
        assert " on" not in "".join(re.findall(r"<[a-z]+( on[a-z]+=)", browser.page.text))
    policy = browser.page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    (script,) = re.findall(r'<script src="([^"]+)" defer', browser.page.text)
    assert "text/javascript" in (await browser.http.get(script)).headers["content-type"]
    assert (await browser.http.get("/assets/0123456789abcdef.js")).status_code == 404


async def test_after_sign_in_comes_the_page_that_was_asked_for_with_what_was_chosen_on_it(
    office: Office,
) -> None:
    story = await office.told([HUNGRY], [HUNGRY])
    browser = await office.at("staff-sw-1", case_path(story, 0, "/decision?children=1,2"))
    assert str(browser.page.url).endswith("/decision?children=1,2")
    assert "Decide for 2 children" in browser.page.text
    long = case_path(story, 0, f"/decision?children=1,2&x={'x' * 600}")
    browser = await office.at("staff-sw-1", long)
    assert (browser.page.status_code, browser.page.url.query) == (200, b"")


async def test_a_chronology_says_when_what_and_who_and_what_no_longer_counts(office: Office) -> None:
    story, here = Story(), UUID(int=9)
    before = EarlierReport(on=date(2026, 3, 1), agency="st_ives_primary", reference="HERE", case_id=here)
    elsewhere = EarlierReport(on=date(2026, 3, 2), reference="ELSEWHERE", mistaken=True)
    on = HUNGRY.model_copy(update={"on": date(2026, 10, 2)})
    await office.hub.take(
        story.received([HUNGRY]),
        story.linked(before, elsewhere),
        story.answer("police", on),
        story.completed(),
    )
    reader = await office.at("staff-sw-1", case_path(story, 0, "/reading"))
    await reader.submit({"immediate_danger": "no"}, "/reading")
    await reader.get(case_path(story, 0, "/chronology"))
    rows = re.findall(
        r'<tr( class="mash-void")?>\s*<th scope="row"[^>]*>(.*?)</tr>', reader.page.text, re.DOTALL
    )
    said = [(bool(void), re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", row)).strip()) for void, row in rows]
    assert said[:3] == [
        (False, "1 1 March 2026 Reported by St Ives Primary: a new worry. HERE The hub’s index"),
        (True, "2 2 March 2026 Reported: a new worry. It does not count. ELSEWHERE The hub’s index"),
        (False, "3 2 October 2026 The child is hungry: persistent. Cambridgeshire Constabulary"),
    ]
    (referral,) = (row for _, row in said if "Referral by" in row)
    assert re.fullmatch(r"\d 23 November 2026, 10:00 Referral by St Ives Primary. The referrer", referral)
    assert any(row.endswith("were read. The hub’s staff: Sam Sandbox, social worker") for _, row in said)
    assert f'<a class="govuk-link" href="/console/cases/{here}">HERE</a>' in reader.page.text
    assert re.findall(r"<desc[^>]*>(\d) entries", reader.page.text) == ["4", "2"]
    titles = ["Until this referral", "Since this referral", "As a list"]
    assert re.findall(r"<h2[^>]*>([^<]+)", reader.page.text) == titles
    assert "What was stated" in reader.page.text.partition("As a list")[0]


async def test_a_case_whose_referral_is_not_read_yet_says_so_on_each_of_its_pages(office: Office) -> None:
    story = Story()
    await office.hub.park(story.answer("police"), value=b"?")
    browser = await office.at("staff-mgr-1", f"/console/cases/{story.id}")
    links = set(re.findall(r'href="(/console/(?:alerts|cases/[^"?#]+))"', browser.page.text))
    assert len(links) > 10
    for path in sorted(links):
        page = (await browser.get(path)).text
        assert "not read yet" in page.lower(), path
        assert not re.search(r"(of|on|:|,) None\b|None\s*</dd>", page), path


async def test_who_may_not_read_cases_is_told_so(office: Office) -> None:
    story = await office.told([HUNGRY])
    for person in ("auditor-1", "police-lead"):
        browser = await office.at(person, case_path(story))
        assert browser.page.status_code == 403
        assert CANARY not in browser.page.text
        assert "The console is for the hub’s workers" in browser.page.text
    receiver = await office.at("receiver-eh-1", case_path(story))
    assert receiver.page.status_code == 200
    assert f'href="{case_path(story, 0, "/decision")}"' not in receiver.page.text
    refused = await receiver.get(case_path(story, 0, "/decision"))
    assert (refused.status_code, "The console is for" in refused.text) == (403, False)


async def test_reading_through_the_console_is_recorded_like_any_reading(office: Office) -> None:
    story = await office.told([HUNGRY])
    await office.at("staff-sw-1", case_path(story))
    rows = await office.hub.rows(
        "SELECT subject, client_id, action FROM access WHERE case_id = $1", story.child_ids[0]
    )
    assert ("staff-sw-1", "triage-pages", "case.read") in {tuple(row) for row in rows}


async def test_a_form_without_its_token_changes_nothing(office: Office) -> None:
    story = await office.told([HUNGRY])
    browser = await office.at("staff-sw-1", case_path(story))
    for csrf in ({}, {"csrf": "x"}):
        answer = await browser.http.post(case_path(story), data={"action": "claim", **csrf})
        assert answer.status_code == 403
    assert await office.hub.rows("SELECT * FROM claim") == []
    await browser.submit({"action": "claim"})
    assert "You have the pen" in browser.page.text


async def test_the_pen_is_one_persons_and_a_manager_takes_it_over_with_a_reason(office: Office) -> None:
    story = await office.told([HUNGRY])
    first = await office.at("staff-sw-1", case_path(story))
    other = await office.at("staff-sw-2", case_path(story))
    await first.submit({"action": "claim"})
    await other.submit({"action": "claim"})
    assert other.page.status_code == 409
    assert "Somebody else is working on this case" in other.page.text
    assert "Sam Sandbox, social worker, since 23 November 2026, 10:00. Wait until" in words_of(other)
    manager = await office.at("staff-mgr-1", case_path(story))
    assert "Has the pen Sam Sandbox, social worker, since" in words_of(manager)
    await manager.submit({"action": "take-over", "take_over_because": ""}, place=0)
    assert manager.page.status_code == 422
    await manager.submit({"action": "take-over", "take_over_because": "Sam has gone home."}, place=0)
    assert "You have taken the case over" in manager.page.text


async def test_people_stand_by_name_and_are_chosen_by_name_or_account(office: Office) -> None:
    story = await office.told([HUNGRY])
    await office.at("staff-sw-1")
    colleagues = Colleagues(office.hub.ledger)
    for number in (1, 2):
        await colleagues.meet(
            Principal(f"ah-{number}", "x", roles=frozenset(("worker",)), name="Amira Hussain")
        )
    manager = await office.at("staff-mgr-1", case_path(story))
    offered = re.findall(r'<option value="([^"]*)"></option>', manager.page.text)
    assert offered == [
        "Amira Hussain (ah-1)",
        "Amira Hussain (ah-2)",
        "Morgan Sandbox, manager",
        "Sam Sandbox, social worker",
    ]
    form = {"action": "allocate", "reason": "Their turn."}
    for wrong, said in (
        ("amira hussain", "Several people have this name"),
        ("Amir Hussein", "Nobody of this name has signed in"),
    ):
        await manager.submit({**form, "worker": wrong}, place=1)
        assert manager.page.status_code == 422
        assert said in manager.page.text
        assert f'value="{wrong}"' in manager.page.text
    assert await office.hub.rows("SELECT * FROM allocation") == []
    for given, account, shown in (
        ("sam sandbox, SOCIAL worker", "staff-sw-1", "Sam Sandbox, social worker"),
        ("Amira Hussain (ah-2)", "ah-2", "Amira Hussain (ah-2)"),
        ("agency-temp-7", "agency-temp-7", "agency-temp-7"),
    ):
        await manager.submit({**form, "worker": given}, place=1)
        assert f"Allocated to {shown}, 23 November 2026" in words_of(manager)
        assert (await office.hub.rows("SELECT worker FROM allocated"))[0]["worker"] == account


async def test_a_stream_of_changes_needs_a_session_and_uses_none_up(office: Office) -> None:
    browser = await office.at("staff-sw-1")
    nobody = office.browser()
    assert (await nobody.http.get("/console/queue/events")).status_code == 401
    office.clock.advance(IDLE - timedelta(seconds=1))
    quiet = await browser.http.get("/console/queue", headers={"mash-unattended": "1"})
    assert quiet.status_code == 200
    office.clock.advance(timedelta(seconds=2))
    assert (await browser.http.get("/console/queue", headers={"mash-unattended": "1"})).status_code == 401
    assert str(browser.page.url) == f"{HUB}/console/queue"
