"""A decision that waits for a signature: what a signer is shown, and what becomes of it."""

from tests.services.triage.conftest import NEGLECTED, Story
from tests.services.triage.console.conftest import HUNGRY, Browser, Office, case_path
from tests.services.triage.console.test_deciding import SECTION_17
from tests.services.triage.console.test_flow import HURT
from tests.services.triage.console.test_pages import words_of
from tests.services.triage.console.test_work import chosen, decide


async def waiting(office: Office) -> tuple[Story, Browser]:
    """A child on whom a social worker has decided, and the worker at the page."""
    story = await office.told(list(NEGLECTED))
    worker = await office.at("staff-sw-1", case_path(story, 0, "/decision"))
    await worker.submit(chosen(1, **SECTION_17), "/decision")
    await decide(worker, rationale="He is hungry.", may_tell="no")
    return story, worker


async def test_a_decision_that_needs_a_signature_is_shown_as_waiting_for_it(office: Office) -> None:
    story, worker = await waiting(office)
    assert "Your decision is kept. It stands once it is signed." in worker.page.text
    await worker.get(case_path(story))
    assert "A decision waits for a signature:" in worker.page.text
    assert "Nobody has decided yet." in worker.page.text
    assert await office.hub.rows("SELECT * FROM decision") == []
    await worker.get(case_path(story, 0, "/sign-off"))
    assert 'name="agree"' not in worker.page.text


async def test_whoever_may_not_sign_is_shown_what_waits_and_no_form(office: Office) -> None:
    story, _ = await waiting(office)
    other = await office.at("staff-sw-2", case_path(story, 0, "/sign-off"))
    assert "A manager signs it." in other.page.text
    assert "He is hungry." in other.page.text
    assert 'name="agree"' not in other.page.text


async def test_a_signer_is_shown_everything_that_they_sign(office: Office) -> None:
    story = await office.told(list(HURT))
    worker = await office.at("staff-sw-1", case_path(story, 0, "/decision"))
    await worker.submit(chosen(1, **SECTION_17), "/decision")
    shared = {"shared_with.1": "The school", "shared_what.1": "That he was hurt", "shared_basis.1": "Consent"}
    below = {"departure_code.1": "protective_factor", "departure_reason.1": "Gran has him."}
    await decide(worker, **shared, **below, rationale="He is safe.", may_tell="no")
    manager = await office.at("staff-mgr-1", case_path(story, 0, "/sign-off"))
    said = words_of(manager)
    for wanted in (
        "Decided by Sam Sandbox, social worker, 23 November 2026, 10:00",
        "Against the recommendation Below the recommendation",
        "Recommended now Level 4, child protection (section 47)",
        "Reasons He is safe.",
        "Why it departs Gran has him.",
        "Shared with The school That he was hurt (Consent)",
        "Hold a strategy discussion with police, health and social care Under way",
        "May the referrer be told No",
        "A decision below the recommendation needs two people",
    ):
        assert wanted in said


async def test_a_decision_that_is_returned_does_not_stand_and_says_why(office: Office) -> None:
    story, worker = await waiting(office)
    manager = await office.at("staff-mgr-1", case_path(story, 0, "/sign-off"))
    await manager.submit({}, "/sign-off")
    assert manager.page.status_code == 422
    assert "Select whether you sign" in manager.page.text
    await manager.submit({"agree": "no", "note": "Ask the school first."}, "/sign-off")
    assert "You have returned the decision." in manager.page.text
    assert await office.hub.rows("SELECT * FROM decision") == []
    await worker.get(case_path(story, 0, "/sign-off"))
    assert "No decision waits for a signature." in worker.page.text
    assert "It was returned by Morgan Sandbox, manager, 23 November 2026, 10:00: Ask the school first." in (
        words_of(worker)
    )


async def test_who_signs_an_old_page_is_told_what_changed_and_signs_what_they_then_read(
    office: Office,
) -> None:
    story, _ = await waiting(office)
    manager = await office.at("staff-mgr-1", case_path(story, 0, "/sign-off"))
    assert manager.page.status_code == 200
    await office.hub.take(story.answer("police", HUNGRY))
    await manager.submit({"note": "I agree with Sam."}, "/sign-off")
    assert "Select whether you sign" in manager.page.text
    await manager.submit({"agree": "yes", "note": "I agree with Sam."}, "/sign-off")
    assert manager.page.status_code == 422, "a mistake in the form hides no change"
    assert "The case has changed since you opened this page: what is known" in manager.page.text
    assert "I agree with Sam." in manager.page.text
    assert await office.hub.rows("SELECT * FROM decision") == []
    await manager.submit({"agree": "yes", "note": "I agree with Sam."}, "/sign-off")
    assert "You have signed. The decision stands." in manager.page.text
    assert "Signed by Morgan Sandbox, manager, 23 November 2026, 10:00: I agree with Sam." in (
        words_of(manager)
    )
    assert "The referrer may not be told." in manager.page.text
