"""The family: who stands side by side, what keeps the referral open, and who is led where."""

import re
from dataclasses import replace

import pytest

from services.triage.console.family import home
from tests.services.triage.conftest import NEGLECTED
from tests.services.triage.console.conftest import HUNGRY, Browser, Office, case_path
from tests.services.triage.console.test_deciding import SECTION_17
from tests.services.triage.console.test_flow import HURT
from tests.services.triage.console.test_forms import Failing
from tests.services.triage.console.test_restriction import HIDE
from tests.services.triage.console.test_work import chosen, decide
from tests.services.triage.staff import CANARY


def kept_open(browser: Browser) -> dict[str, str]:
    """What keeps the referral open: words by the page on which somebody ends it."""
    said = browser.page.text.partition("What keeps the referral open")[2].partition("</ul>")[0]
    return dict(re.findall(r'<a class="govuk-link" href="([^"]+)">([^<]+)', said))


async def test_what_keeps_a_referral_open_leads_to_where_it_is_ended(office: Office) -> None:
    hurt = await office.told(list(HURT))
    browser = await office.at("staff-sw-1", case_path(hurt, 0, "/family"))
    kept = kept_open(browser)
    assert kept[case_path(hurt, 0, "/tasks")].startswith("Hold a strategy discussion")
    assert kept[case_path(hurt, 0, "/decision")] == "Nobody has decided on this child"
    receiver = await office.at("receiver-csc-1", case_path(hurt, 0, "/family"))
    assert {*kept_open(receiver)} == {case_path(hurt), case_path(hurt, 0, "/tasks")}


async def test_what_keeps_it_open_is_said_of_the_child_whom_it_is_about(office: Office) -> None:
    story = await office.told(list(NEGLECTED), [HUNGRY])
    browser = await office.at("staff-sw-1", case_path(story, 0, "/family"))
    said = browser.page.text.partition("What keeps the referral open")[2].partition("</ul>")[0]
    for number in (1, 2):
        (item,) = [
            one for one in said.split("<li>") if "Nobody has decided" in one and f"(child {number})" in one
        ]
        assert f'href="{case_path(story, number - 1, "/decision")}"' in item
    assert browser.page.status_code == 200


async def test_a_signature_and_a_hand_over_keep_it_open_each_on_its_page(office: Office) -> None:
    story = await office.told(list(NEGLECTED))
    worker = await office.at("staff-sw-1", case_path(story, 0, "/decision"))
    await worker.submit(chosen(1, **SECTION_17), "/decision")
    await decide(worker)
    assert case_path(story, 0, "/sign-off") in kept_open(worker)
    manager = await office.at("staff-mgr-1", case_path(story, 0, "/sign-off"))
    await manager.submit({"agree": "yes"}, "/sign-off")
    await manager.get(case_path(story, 0, "/family"))
    assert case_path(story, 0, "/handover") in kept_open(manager)
    receiver = await office.at("receiver-csc-1", case_path(story, 0, "/family"))
    assert case_path(story, 0, "/handover") in kept_open(receiver), "who accepts is no decider"


async def test_a_child_whom_somebody_may_not_see_is_not_in_the_family(office: Office) -> None:
    story = await office.told(list(NEGLECTED), list(NEGLECTED), list(NEGLECTED))
    manager = await office.at("staff-mgr-2", case_path(story, 1, "/restriction"))
    await manager.submit(HIDE, "/restriction")
    worker = await office.at("staff-sw-1", case_path(story, 0, "/family"))
    assert "2 children, side by side" in worker.page.text
    assert "may not see" not in worker.page.text
    assert case_path(story, 1) not in worker.page.text
    await worker.submit({"child.1": "yes", "child.2": "yes", "child.3": "yes"}, "/family")
    assert "Decide for 2 children" in worker.page.text
    assert case_path(story, 1) not in worker.page.text
    hidden = await office.at("staff-sw-1", case_path(story, 1, "/family"))
    assert hidden.page.status_code == 404
    assert CANARY not in hidden.page.text
    assert "There is no such case, or you may not see it." in hidden.page.text


@pytest.mark.parametrize("page", ["", "/family"])
async def test_a_case_that_cannot_be_read_just_now_is_not_said_not_to_exist(
    office: Office, page: str
) -> None:
    story = await office.told(list(NEGLECTED))
    browser = await office.at("staff-sw-1", case_path(story, 0, page))
    assert browser.page.status_code == 200
    inside = Failing(office.app)
    inside.everything = True
    office.app.state.console = replace(office.app.state.console, inside=inside)
    await browser.get(case_path(story, 0, page))
    assert browser.page.status_code == 503
    assert "There is no such case" not in browser.page.text


async def test_nobody_is_decided_for_who_was_not_chosen(office: Office) -> None:
    story = await office.told(list(NEGLECTED), list(NEGLECTED))
    browser = await office.at("staff-mgr-1", case_path(story, 0, "/family"))
    await browser.submit({}, "/family")
    assert browser.page.status_code == 422
    assert "Select at least one child" in browser.page.text
    await browser.submit({"child.2": "yes"}, "/family")
    assert "Decide for 1 child<" in browser.page.text
    assert 'name="level.2"' in browser.page.text
    assert 'name="level.1"' not in browser.page.text


def test_what_was_said_of_the_home_stands_there_once_for_each_who_said_it() -> None:
    def said(source: str, value: object) -> dict[str, object]:
        return {"source": source, "fact": {"fact": "household.dogs", "value": value}}

    first = {"evidence": {"home": [said("referrer", 2), said("police", 2)]}}
    second = {"evidence": {"home": [said("referrer", 2), said("referrer", 3)]}}
    assert [(one["source"], one["value"]) for one in home([first, second])] == [
        ("referrer", 2),
        ("police", 2),
        ("referrer", 3),
    ]


@pytest.mark.parametrize("person", ["staff-worker-1", "receiver-csc-1"])
async def test_who_decides_nothing_is_offered_no_choice_of_children(office: Office, person: str) -> None:
    story = await office.told(list(NEGLECTED))
    browser = await office.at(person, case_path(story, 0, "/family"))
    assert 'name="child.1"' not in browser.page.text
    assert f'href="{case_path(story, 0, "/reopening")}"' not in browser.page.text


async def test_a_referral_is_offered_to_be_opened_again_once_a_child_of_it_was_decided_on(
    office: Office,
) -> None:
    story = await office.told(list(NEGLECTED), list(NEGLECTED))
    browser = await office.at("staff-mgr-1", case_path(story, 0, "/family"))
    link = f'href="{case_path(story, 0, "/reopening")}"'
    assert link not in browser.page.text
    await browser.submit({"child.2": "yes"}, "/family")
    await browser.submit(chosen(2, **SECTION_17), "/decision")
    await decide(browser)
    assert link in (await browser.get(case_path(story, 0, "/family"))).text
