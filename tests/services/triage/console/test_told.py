"""What staff are told, set each other and give away: facts, tasks, the pen and the allocation."""

import re
from datetime import timedelta

from services.triage.console.case import child_of
from tests.services.triage.conftest import NEGLECTED
from tests.services.triage.console.conftest import HUNGRY, Browser, Office, case_path
from tests.services.triage.console.test_more_work import TOLD
from tests.services.triage.console.test_pages import words_of
from tests.services.triage.console.test_records import at, fault

HEARD = {**TOLD, "fact.child.hunger": "persistent", "basis": "observed"}


HEARD_IN_PART: list[tuple[dict[str, str], str]] = [
    ({"basis": ""}, "Select how it is known"),
    ({"source": "gossip"}, "Select whose word it is"),
    ({"source": "agency"}, "Select the agency"),
    ({"how": ""}, "Select how you came to know it"),
    ({"immediate_danger": ""}, "Select whether it tells of danger now"),
    ({"on-day": "24"}, "The date must be today or in the past"),
    ({"on-day": "", "on-month": "", "on-year": ""}, "Enter the day of the call, the visit or the entry"),
    ({"fact.child.hunger": ""}, "State at least one fact, or write a note"),
]


async def test_what_was_told_is_not_kept_in_part(office: Office) -> None:
    story, browser, path = await at(office, "/facts", HUNGRY)
    for change, wanted in HEARD_IN_PART:
        await browser.get(path)
        await browser.submit(HEARD | change, path)
        assert fault(browser).startswith(wanted), change
    await browser.get(case_path(story))
    assert "Entered by" not in browser.page.text


async def test_a_note_alone_is_kept_and_raises_nothing(office: Office) -> None:
    _, browser, path = await at(office, "/facts", *NEGLECTED)
    await browser.submit({**TOLD, "note": "The aunt rang."}, path)
    assert "What you were told is kept, and counts from now on." in browser.page.text, words_of(browser)
    assert "By it the level has risen" not in browser.page.text
    assert "The aunt rang." in browser.page.text
    assert "It tells of danger now." not in browser.page.text


async def test_danger_that_was_told_of_is_said_and_makes_it_red(office: Office) -> None:
    story, browser, path = await at(office, "/facts", HUNGRY)
    await browser.submit(HEARD | {"immediate_danger": "yes"}, path)
    assert "It tells of danger now." in browser.page.text
    assert (await office.hub.case(story.child_ids[0])).rag == "red"


async def test_whose_word_it_is_stands_with_what_was_told(office: Office) -> None:
    _, browser, path = await at(office, "/facts", HUNGRY)
    await browser.submit(HEARD | {"source": "agency", "agency": "police", "said_by": ""}, path)
    assert "Telephone, 23 November 2026: Cambridgeshire Constabulary" in words_of(browser)
    await browser.get(path)
    # An agency that was chosen before the source was changed is nobody's word.
    await browser.submit(HEARD | {"source": "family", "agency": "police", "said_by": ""}, path)
    assert "Telephone, 23 November 2026: Family" in words_of(browser)


async def entry_of(browser: Browser, path: str, **change: str) -> str:
    """The page of an entry that was just made."""
    await browser.submit(HEARD | change, path)
    (entry,) = set(re.findall(r'href="(/console/cases/[^"]+/facts/[^"]+)"', browser.page.text))
    await browser.get(entry)
    return str(entry)


async def test_an_entry_is_shown_for_correction_as_it_counts_now(office: Office) -> None:
    _, browser, path = await at(office, "/facts", HUNGRY)
    entry = await entry_of(browser, path, **{"fact.child.afraid_of_home": "no", "note": "By the gate."})
    shown = browser.page.text
    for name, value in (("source", "professional"), ("immediate_danger", "no")):
        assert re.search(rf'name="{name}" type="radio" value="{value}" checked', shown), name
    for value in ("persistent", "no", "observed", "telephone"):
        assert f'<option value="{value}" selected>' in shown or f'value="{value}" checked' in shown, value
    for day in ("23", "11", "2026"):
        assert f'value="{day}"' in shown
    assert ">By the gate.</textarea>" in shown
    assert 'value="Class teacher"' in shown
    changed = HEARD | {
        "fact.child.hunger": "occasional",
        "fact.child.afraid_of_home": "",
        "reason": "Misheard.",
    }
    await browser.submit(changed | {"action": "correct"}, entry)
    assert "The correction is kept." in browser.page.text
    await browser.get(entry)
    assert '<option value="occasional" selected>' in browser.page.text
    assert '<option value="no" selected>' not in browser.page.text


async def test_danger_that_an_entry_tells_of_stands_in_the_form_that_corrects_it(office: Office) -> None:
    _, browser, path = await at(office, "/facts", HUNGRY)
    said = {"immediate_danger": "yes", "source": "agency", "agency": "police"}
    await entry_of(browser, path, **said)
    assert re.search(r'name="immediate_danger" type="radio" value="yes" checked', browser.page.text)
    assert '<option value="police" selected>' in browser.page.text


async def test_an_entry_is_taken_back_with_a_reason_alone(office: Office) -> None:
    _, browser, path = await at(office, "/facts", HUNGRY)
    entry = await entry_of(browser, path)
    await browser.submit({"reason": "", "action": "retract"}, entry)
    assert fault(browser).startswith("Enter why it is changed")
    await browser.submit({"reason": "Another child.", "on-day": "", "how": "", "action": "retract"}, entry)
    assert "The statement is taken back. It stays on record." in browser.page.text, words_of(browser)
    assert "It was taken back and does not count." in browser.page.text
    assert "Correct it or take it back" not in browser.page.text


async def test_an_entry_of_another_case_is_none_of_this_one(office: Office) -> None:
    other = await office.told([HUNGRY])
    _, browser, path = await at(office, "/facts", HUNGRY)
    entry = await entry_of(browser, path)
    number = entry.rpartition("/")[2]
    assert (await browser.get(case_path(other, 0, f"/facts/{number}"))).status_code == 404


async def raised(browser: Browser, path: str, **fields: str) -> str:
    """The id of a task that was just raised."""
    await browser.submit({"what": "Ring the aunt.", "action": "raise", **fields}, path, -1)
    assert "The task is raised." in browser.page.text, words_of(browser)
    (_, task), *_ = re.findall(
        r'Ring the aunt\.(.*?)name="task" value="([^"]+)"', browser.page.text, re.DOTALL
    )
    return str(task)


def place_of(browser: Browser, task: str) -> int:
    """Which form of the page finishes a task; the next one gives it away."""
    tasks = list(dict.fromkeys(re.findall(r'name="task" value="([^"]+)"', browser.page.text)))
    return 2 * tasks.index(task)


async def test_a_task_is_given_to_somebody_by_name(office: Office) -> None:
    await office.at("staff-sw-1")
    story, browser, path = await at(office, "/tasks", person="staff-mgr-1")
    task = await raised(browser, path, owner="Morgan Sandbox, manager")
    owners = "SELECT owner FROM task WHERE kind = 'other'"
    assert (await office.hub.rows(owners))[0]["owner"] == "staff-mgr-1"
    give = {"action": "give", f"owner.{task}": ""}
    await browser.submit(give, path, place_of(browser, task) + 1)
    assert fault(browser).startswith("Enter who owns the task")
    await browser.submit(give | {f"owner.{task}": "Nobody Here"}, path, place_of(browser, task) + 1)
    assert fault(browser).startswith("Nobody of this name has signed in")
    await browser.submit(
        give | {f"owner.{task}": "Sam Sandbox, social worker"}, path, place_of(browser, task) + 1
    )
    assert "The task has a new owner." in browser.page.text
    assert (await office.hub.rows(owners))[0]["owner"] == "staff-sw-1"
    worker = await office.at("staff-sw-1")
    await worker.get("/console/tasks?mine=yes")
    assert story.reference in worker.page.text
    await browser.get("/console/tasks?mine=yes")
    assert "No task is open." in browser.page.text


async def test_a_task_is_not_done_without_what_became_of_it(office: Office) -> None:
    _, browser, path = await at(office, "/tasks")
    task = await raised(browser, path)
    done = {"action": "done", f"outcome.{task}": "not_needed", f"note.{task}": "She rang us."}
    for field, wanted in ((f"outcome.{task}", "Select what became"), (f"note.{task}", "Enter what was done")):
        await browser.submit(done | {field: ""}, path, place_of(browser, task))
        assert fault(browser).startswith(wanted)
    await browser.submit(done, path, place_of(browser, task))
    assert "The task is done." in browser.page.text
    (row,) = await office.hub.rows("SELECT outcome, done_by FROM task WHERE kind = 'other'")
    assert tuple(row) == ("not_needed", "staff-sw-1")


async def test_a_task_that_is_none_is_not_done(office: Office) -> None:
    _, browser, path = await at(office, "/tasks")
    await raised(browser, path)
    await browser.submit({"task": "the first", "note.x": "Done.", "action": "done"}, path)
    assert browser.page.status_code == 404
    assert "There is no such task" in browser.page.text
    assert "Done." in browser.page.text


async def test_only_what_is_overdue_is_listed_where_that_is_asked(office: Office) -> None:
    story, browser, path = await at(office, "/tasks")
    await raised(browser, path)
    await browser.get("/console/tasks?overdue=yes")
    assert "No task is open." in browser.page.text
    due = (await office.hub.rows("SELECT due_at FROM task WHERE kind = 'other'"))[0]["due_at"]
    office.clock.advance(due - office.clock.now() + timedelta(seconds=1))
    later = await office.at("staff-sw-1")
    await later.get("/console/tasks?overdue=yes")
    assert story.reference in later.page.text


async def test_a_case_that_is_somebodys_changes_hands_with_a_reason(office: Office) -> None:
    _, worker, path = await at(office, "")
    await worker.submit({"action": "mine"}, path)
    manager = await office.at("staff-mgr-1", path)
    await manager.submit({"action": "allocate", "worker": ""}, path, 1)
    assert fault(manager).startswith("Enter the worker")
    await manager.submit({"action": "allocate", "worker": "staff-sw-2"}, path, 1)
    assert fault(manager).startswith("Enter why the case changes hands")
    assert (await office.hub.rows("SELECT worker FROM allocated"))[0]["worker"] == "staff-sw-1"
    await manager.submit({"action": "allocate", "worker": "staff-sw-2", "reason": "Leave."}, path, 1)
    assert "The case is allocated." in manager.page.text
    assert (await office.hub.rows("SELECT worker FROM allocated"))[0]["worker"] == "staff-sw-2"


async def test_the_pen_is_put_down_by_whoever_has_it(office: Office) -> None:
    _, worker, path = await at(office, "")
    assert "Has the pen Nobody" in words_of(worker)
    assert 'value="release"' not in worker.page.text
    await worker.submit({"action": "claim"}, path)
    assert "Has the pen You, since" in words_of(worker)
    other = await office.at("staff-sw-2", path)
    assert 'value="release"' not in other.page.text
    assert 'value="claim"' not in other.page.text
    await worker.submit({"action": "release"}, path)
    assert "You have put the pen down." in worker.page.text
    assert await office.hub.rows("SELECT * FROM claim") == []


async def test_a_manager_takes_the_pen_over_with_words_of_their_own(office: Office) -> None:
    _, worker, path = await at(office, "")
    await worker.submit({"action": "claim"}, path)
    manager = await office.at("staff-mgr-1", path)
    await manager.submit({"action": "take-over", "take_over_because": ""}, path)
    assert fault(manager).startswith("Enter why you take the case over")
    assert (await office.hub.rows("SELECT holder FROM claim"))[0]["holder"] == "staff-sw-1"
    await manager.submit({"action": "take-over", "take_over_because": "Sam has gone home."}, path)
    assert "Has the pen You, since" in words_of(manager)
    assert (await office.hub.rows("SELECT holder FROM claim"))[0]["holder"] == "staff-mgr-1"


def test_a_child_is_as_staff_corrected_them_last_or_as_the_referrer_said() -> None:
    said, first, last = {"given_name": "Robin"}, {"given_name": "Robyn"}, {"given_name": "Rowan"}

    def case(received: object, *corrected: object) -> dict[str, object]:
        return {"evidence": {"received": received, "corrected": corrected}}

    assert child_of(case({"child": said}, first, last)) == last
    assert child_of(case({"child": said})) == said
    assert child_of(case({"child": None})) == child_of(case(None)) == {}
