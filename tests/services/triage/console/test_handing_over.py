"""The answer of a receiving end, the list of what waits for one, and opening a referral again."""

import pytest

from tests.services.triage.conftest import NEGLECTED
from tests.services.triage.console.conftest import Office, case_path
from tests.services.triage.console.test_deciding import SECTION_17
from tests.services.triage.console.test_more_work import decided
from tests.services.triage.console.test_pages import words_of
from tests.services.triage.console.test_work import chosen, decide


async def test_a_child_is_accepted_by_somebody_with_a_name(office: Office) -> None:
    path, _ = await decided(office)
    receiver = await office.at("receiver-csc-1", f"{path}/handover")
    await receiver.submit({"note": "Today."}, "/handover")
    assert receiver.page.status_code == 422
    for wanted in ("Select whether the child is accepted", "Enter who answers for the receiving end"):
        assert receiver.page.text.count(wanted) == 2
    assert "Enter why the child is refused" not in receiver.page.text
    await receiver.submit({"answer": "accept", "by": "Robin, duty manager", "note": "Today."}, "/handover")
    assert "The hand-over is accepted." in receiver.page.text
    assert ", by Robin, duty manager (recorded by Robin Sandbox" in words_of(receiver)
    assert "Note Today." in words_of(receiver)
    assert "Answer for the receiving end" not in receiver.page.text
    await receiver.get("/console/handovers")
    assert f'href="{path}/handover"' not in receiver.page.text


async def test_an_acceptance_needs_no_note(office: Office) -> None:
    path, _ = await decided(office)
    receiver = await office.at("receiver-csc-1", f"{path}/handover")
    await receiver.submit({"answer": "accept", "by": "receiver-csc-1"}, "/handover")
    assert "The hand-over is accepted." in receiver.page.text
    assert ", by Robin Sandbox, children&#39;s social care assessment team (recorded" in words_of(receiver)


async def test_who_was_overtaken_by_another_answer_is_told_so(office: Office) -> None:
    path, _ = await decided(office)
    first = await office.at("receiver-csc-1", f"{path}/handover")
    second = await office.at("staff-mgr-1", f"{path}/handover")
    await first.submit({"answer": "accept", "by": "Robin"}, "/handover")
    await second.submit({"answer": "refuse", "by": "Morgan", "note": "Lives elsewhere."}, "/handover")
    assert second.page.status_code == 422
    assert "Lives elsewhere." in second.page.text
    assert "Refused" not in words_of(second)
    assert (await office.hub.rows("SELECT count(*) FROM handover"))[0][0] == 1


async def test_what_waits_is_listed_for_one_team_or_all(office: Office) -> None:
    path, manager = await decided(office)
    for team, there in (("", True), ("csc", True), ("early_help", False)):
        await manager.get(f"/console/handovers?team={team}")
        assert (f'href="{path}/handover"' in manager.page.text) is there, team
        assert ("Nothing waits to be accepted." in manager.page.text) is not there
        assert (f'<option value="{team}" selected>' in manager.page.text) is (team != "")
        assert ('<option value="csc"' in manager.page.text) is there, "a team with work can be chosen"


@pytest.mark.parametrize("number", ["", "x", "²"])
async def test_an_answer_to_no_hand_over_answers_none(office: Office, number: str) -> None:
    path, _ = await decided(office)
    receiver = await office.at("receiver-csc-1", f"{path}/handover")
    await receiver.submit({"decision": number, "answer": "accept", "by": "Robin"}, "/handover")
    assert receiver.page.status_code == 200
    assert "Answer for the receiving end" in receiver.page.text
    assert 'value="Robin"' in receiver.page.text


async def test_a_referral_is_opened_again_for_the_chosen_child_alone(office: Office) -> None:
    story = await office.told(list(NEGLECTED), list(NEGLECTED))
    manager = await office.at("staff-mgr-1", case_path(story, 0, "/family"))
    await manager.submit({"child.1": "yes", "child.2": "yes"}, "/family")
    await manager.submit(chosen(1, 2, **SECTION_17), "/decision")
    await decide(manager)
    await manager.get(case_path(story, 0, "/reopening"))
    await manager.submit({"reason": "The school rang."}, "/reopening")
    assert manager.page.status_code == 422
    assert "Select at least one child" in manager.page.text
    assert ">The school rang.</textarea>" in manager.page.text
    await manager.submit({"child.2": "yes", "reason": "The school rang."}, "/reopening")
    assert "The referral is open again." in manager.page.text
    tags = [(await office.hub.case(child)).at_risk for child in story.child_ids]
    assert tags == [False, True]
