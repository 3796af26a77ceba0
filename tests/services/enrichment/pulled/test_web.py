"""A small team answers on pages: without a program, without a script, and nobody else's questions."""

import re
from datetime import UTC, datetime, timedelta

from libs.platform.signin import IDLE
from services.enrichment.pulled.form import read_answer
from tests.services.enrichment.conftest import FINCH, WREN, Case, until
from tests.services.enrichment.pulled.conftest import Browser, Fetching
from tests.services.enrichment.pulled.test_work import WORKS_FOR_POLICE

FILLED = {
    "state": "returned",
    "fact.household.domestic_abuse": "high_risk",
    "fact.household.victim_afraid": "yes",
    "fact.household.domestic_abuse_incidents_6_months": "4",
    "basis": "record",
    "dash_yes": "15",
    "dash_asked": "24",
    "as_of-day": "20",
    "as_of-month": "11",
    "as_of-year": "2025",
    "narrative": "Heard on <Tuesday>.\r\nTwo children & a dog.",
}


async def test_a_question_is_answered_by_a_form_that_is_checked_before_it_is_sent(
    fetching: Fetching, browser: Browser
) -> None:
    case = Case()
    await fetching.ask(case)
    waiting = await browser.sign_in("marac-worker")
    assert (waiting.status_code, waiting.url.path) == (200, "/questions")
    assert "Wren" not in waiting.text
    shown = await browser.submit({}, "/open")
    assert "Kestrel-Test" in shown.text
    assert "Heard" not in shown.text
    check = await browser.submit({**FILLED, "action": "check"})
    assert "Check your answer" in check.text
    for said in ("High risk", "15 yes of 24 asked", "20 November 2025", "Heard on &lt;Tuesday&gt;"):
        assert said in check.text
    assert await fetching.marac_answers(case.child) == []
    changing = await browser.submit({"action": "change"})
    assert 'value="high_risk" selected' in changing.text
    await browser.submit({**FILLED, "action": "check"})
    shown = browser.seen[-1]
    sent = await browser.submit({"action": "send"})
    assert "Answer sent" in sent.text
    # Pressed twice it has arrived all the same; another answer, or a look at the question, is too late.
    for more, status in (({}, 200), ({"dash_yes": "9"}, 409), ({"action": "check"}, 409)):
        browser.seen.append(shown)
        again = await browser.submit({"action": "send", **more})
        assert (again.status_code, "Answer sent" in again.text) == (status, status == 200)
    assert "Nothing waits for you" in (await browser.get("/questions")).text
    (answer,) = await fetching.marac_answers(case.child)
    assert (answer.state, answer.dash.yes, str(answer.as_of)) == ("returned", 15, "2025-11-20")
    assert {(fact.fact, fact.value) for fact in answer.facts} == {
        ("household.domestic_abuse", "high_risk"),
        ("household.victim_afraid", True),
        ("household.domestic_abuse_incidents_6_months", 4),
    }
    assert answer.narrative == "Heard on <Tuesday>.\nTwo children & a dog."
    for page in browser.seen:
        assert page.headers["cache-control"] == "no-store" or page.url.path.startswith("/issuer")
        assert "Kestrel" not in str(page.url)
        assert "Kestrel" not in "".join(re.findall("<title>.*?</title>", page.text, re.DOTALL))
        assert "<script" not in page.text
    assert "frame-ancestors 'none'" in sent.headers["content-security-policy"]


async def test_what_is_wrong_stands_beside_its_field_and_in_the_summary(
    fetching: Fetching, browser: Browser
) -> None:
    case = Case()
    await fetching.ask(case)
    await browser.sign_in("marac-worker")
    await browser.submit({}, "/open")
    wrong = {
        **FILLED,
        "state": "",
        "fact.household.domestic_abuse_incidents_6_months": "many",
        "dash_yes": "24",
        "dash_asked": "10",
        "as_of-month": "13",
        **dict(zip(("coverage_from-day", "coverage_from-month", "coverage_from-year"), "123", strict=True)),
        "action": "check",
    }
    page = await browser.submit(wrong)
    assert page.status_code == 422
    assert page.text.count("<title>Error: ") == 1
    summary = re.findall(r'<li>\s*<a href="#([^"]+)"[^>]*>([^<]+)<', page.text)
    assert [target for target, _ in summary] == [
        "state",
        "fact.household.domestic_abuse_incidents_6_months",
        "dash_yes",
        "as_of-day",
        "coverage_from-day",
    ]
    assert "Enter the year with four digits" in summary[-1][1]
    for target, text in summary:
        assert f'id="{target}"' in page.text
        assert page.text.count(text.strip()) == 2, "in the summary and beside the field"
    assert 'value="many"' in page.text
    assert "Two children &amp; a dog." in page.text
    assert await fetching.marac_answers(case.child) == []


async def test_only_the_facts_that_the_agency_may_state_are_asked_for(
    fetching: Fetching, browser: Browser
) -> None:
    await fetching.ask(Case())
    await browser.sign_in("marac-worker")
    page = await browser.submit({}, "/open")
    asked = set(re.findall(r'name="fact\.([^"]+)"', page.text))
    sources = {
        name: one.sources for name, one in fetching.instance.checks.answering.dictionary.definitions.items()
    }
    assert asked == {name for name, agencies in sources.items() if "marac" in agencies}
    forged = {"state": "returned", "fact.child.private_fostering": "yes", "action": "check"}
    refused = await browser.submit(forged)
    assert (refused.status_code, "Check your answer" in refused.text) == (422, False)
    for said, shown in (
        ({"state": "returned", "narrative": "Heard on Tuesday."}, "Heard on Tuesday."),
        ({"state": "declined"}, "Select why you do not answer"),
        ({"state": "declined", "reason": "no_capacity"}, "We cannot look in time"),
    ):
        browser.seen.append(refused)
        page = await browser.submit({**said, "action": "check"})
        assert shown in page.text
        assert ("Check your answer" in page.text) is (len(said) == 2)


async def test_one_question_is_one_persons_until_they_give_it_back(
    fetching: Fetching, browser: Browser
) -> None:
    await fetching.ask(Case())
    await browser.sign_in("marac-worker")
    await browser.submit({}, "/open")
    path = browser.seen[-1].url.path
    other = Browser(fetching.url)
    waiting = await other.sign_in("marac-lead")
    assert "Somebody is answering it" in waiting.text
    assert "/open" not in waiting.text
    assert (await other.get(path)).status_code == 409
    assert (await fetching.claim())["items"] == []
    await browser.submit({"action": "release"})
    assert (await other.get(path)).status_code == 200
    await other.http.aclose()


async def test_the_teams_pages_do_not_know_of_what_is_for_the_lead(
    fetching: Fetching, browser: Browser
) -> None:
    await fetching.ask(Case(body=WORKS_FOR_POLICE))
    pool = fetching.instance.ledger.pool

    async def put() -> bool:
        return bool(await pool.fetchval("SELECT count(*) FROM work WHERE agency = 'police'"))

    await until(put)
    question_id = await pool.fetchval("SELECT question_id FROM work WHERE agency = 'police'")
    page = await browser.sign_in("marac-worker")
    assert page.text.count("/open") == 1
    for path in (f"/questions/{question_id}", "/questions/0199d3c8-0000-7000-8000-000000000000"):
        assert (await browser.get(path)).status_code == 404
    lead = Browser(fetching.url)
    shown = await lead.sign_in("police-lead")
    assert "The safeguarding lead only" in shown.text
    assert "Kestrel-Test" in (await lead.submit({}, "/open")).text
    await lead.http.aclose()


async def test_a_form_without_its_token_and_a_person_without_a_session_change_nothing(
    fetching: Fetching, browser: Browser
) -> None:
    case = Case(children=(WREN, FINCH))
    await fetching.ask(case)
    await browser.sign_in("marac-worker")
    await browser.submit({}, "/open")
    path = browser.seen[-1].url.path
    sent = {**FILLED, "action": "send"}
    for csrf in ({}, {"csrf": "x"}, {"csrf": "é"}):
        assert (await browser.http.post(path, data={**sent, **csrf})).status_code == 403
    nobody = Browser(fetching.url)
    assert (await nobody.http.post(path, data=sent)).url.path == "/issuer/authorize"
    await nobody.http.aclose()
    out = await browser.submit({}, "/sign-out")
    assert "You are signed out" in out.text
    assert (await browser.get(path)).url.path == "/issuer/authorize"
    assert await fetching.marac_answers(case.child) == []
    assert timedelta(minutes=5) <= IDLE <= timedelta(hours=1)


async def test_staff_of_the_hub_may_not_answer_for_an_agency(fetching: Fetching, browser: Browser) -> None:
    page = await browser.sign_in("staff-sw-1")
    assert page.status_code == 403
    assert "You may not do this" in page.text


def test_what_is_filled_in_is_taken_or_refused_beside_its_field() -> None:
    told = {"state": "returned", "narrative": "Heard."}
    start = {"coverage_from-day": "1", "coverage_from-month": "2", "coverage_from-year": "2020"}
    before = {name.replace("from", "to"): value for name, value in start.items()} | {
        "coverage_to-year": "2019"
    }
    for fields, wrong in (
        (told | start, []),
        (told | before, []),
        (told | start | before, ["coverage_to"]),
        (told | {"dash_asked": "9"}, ["dash_yes"]),
        (told | {"dash_yes": "0", "dash_asked": "9"}, []),
        (told | {"dash_yes": "9", "dash_asked": "9"}, []),
        ({"state": "nothing_held", "reason": "no_capacity"}, []),
        ({"state": "nothing_held", "dash_yes": "3", "dash_asked": "9"}, ["state"]),
        (told | {"narrative": "x" * 20_001}, ["narrative"]),
        (told | {"basis": "hearsay"}, ["basis"]),
        ({"state": "returned", "narrative": "  "}, ["state"]),
    ):
        filled = read_answer(fields, (), datetime(2026, 11, 25, tzinfo=UTC))
        assert (list(filled.errors), filled.given is None) == (wrong, bool(wrong)), fields
