"""Who may see a case: what hiding one asks for, whom it is hidden from, and showing it again."""

import re
from datetime import timedelta

import pytest

from tests.services.triage.conftest import NEGLECTED
from tests.services.triage.console.conftest import Office, case_path
from tests.services.triage.console.test_pages import words_of
from tests.services.triage.staff import CANARY

HIDE = {"restricted": "yes", "family": "no", "kind": "staff_family", "reason": "His aunt works here."}


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("restricted", "Select whether the case is restricted"),
        ("reason", "Enter why"),
        ("kind", "Select what it is about"),
        ("family", "Select for whom"),
    ],
)
async def test_a_case_is_not_hidden_while_anything_is_left_open(
    office: Office, field: str, wanted: str
) -> None:
    story = await office.told(list(NEGLECTED))
    manager = await office.at("staff-mgr-2", case_path(story, 0, "/restriction"))
    assert "The case is not restricted." in manager.page.text
    await manager.submit(HIDE | {field: ""}, "/restriction")
    assert manager.page.status_code == 422
    assert manager.page.text.count(wanted) == 2, "in the summary and beside the field"
    worker = await office.at("staff-sw-1", case_path(story))
    assert worker.page.status_code == 200


async def test_one_child_is_hidden_without_the_others_and_shown_again_with_a_reason(office: Office) -> None:
    story = await office.told(list(NEGLECTED), list(NEGLECTED))
    manager = await office.at("staff-mgr-2", case_path(story, 0, "/restriction"))
    await manager.submit(HIDE, "/restriction")
    assert "Who may see the case is kept." in manager.page.text
    worker = await office.at("staff-sw-1", case_path(story))
    assert worker.page.status_code == 404
    assert (await worker.get(case_path(story, 1))).status_code == 200
    beside = (await worker.get(case_path(story, 1, "/family"))).text
    assert case_path(story) not in beside
    await manager.get(case_path(story, 0, "/restriction"))
    assert ", 23 November 2026, 10:00: His aunt works here." in words_of(manager)
    await manager.submit({"restricted": "no", "family": "no", "reason": "She has left."}, "/restriction")
    assert "Who may see the case is kept." in manager.page.text
    assert (await worker.get(case_path(story))).status_code == 200


async def test_a_whole_family_is_hidden_where_that_is_asked(office: Office) -> None:
    story = await office.told(list(NEGLECTED), list(NEGLECTED))
    manager = await office.at("staff-mgr-2", case_path(story, 0, "/restriction"))
    await manager.submit(HIDE | {"family": "yes"}, "/restriction")
    worker = await office.at("staff-sw-1", case_path(story, 1))
    assert worker.page.status_code == 404


async def test_no_case_is_opened_in_an_emergency_without_saying_why(office: Office) -> None:
    story = await office.told(list(NEGLECTED))
    manager = await office.at("staff-mgr-2", case_path(story, 0, "/restriction"))
    await manager.submit(HIDE, "/restriction")
    worker = await office.at("staff-sw-1", case_path(story, 0, "/break-glass"))
    await worker.submit({"reason": "  "}, "/break-glass")
    assert worker.page.status_code == 422
    assert "Enter why you must see the case now" in worker.page.text
    assert (await worker.get(case_path(story))).status_code == 404


async def test_a_case_that_is_opened_in_an_emergency_is_shown_for_an_hour_and_that_is_on_record(
    office: Office,
) -> None:
    story = await office.told(list(NEGLECTED))
    manager = await office.at("staff-mgr-2", case_path(story, 0, "/restriction"))
    await manager.submit(HIDE, "/restriction")
    worker = await office.at("staff-sw-1", case_path(story, 0, "/break-glass"))
    await worker.submit({"reason": "The police are at the door."}, "/break-glass")
    assert worker.page.status_code == 200
    assert CANARY in worker.page.text
    (row,) = await office.hub.rows("SELECT subject FROM broken_glass")
    assert row["subject"] == "staff-sw-1"
    other = await office.at("staff-sw-2", case_path(story))
    assert other.page.status_code == 404
    office.clock.advance(timedelta(hours=1))
    later = await office.at("staff-sw-1", case_path(story))
    assert later.page.status_code == 404


async def test_who_may_not_restrict_is_led_to_no_form_and_hides_nothing(office: Office) -> None:
    story = await office.told(list(NEGLECTED))
    worker = await office.at("staff-sw-1", case_path(story))
    assert f'href="{case_path(story, 0, "/restriction")}"' not in worker.page.text
    await worker.get(case_path(story, 0, "/restriction"))
    assert "A manager restricts it" in worker.page.text
    assert "Should it be restricted?" not in worker.page.text
    (csrf,) = {*re.findall(r'name="csrf" value="([^"]+)"', worker.page.text)}
    forged = await worker.http.post(case_path(story, 0, "/restriction"), data=HIDE | {"csrf": csrf})
    assert forged.status_code == 403
    other = await office.at("staff-sw-2", case_path(story))
    assert other.page.status_code == 200
