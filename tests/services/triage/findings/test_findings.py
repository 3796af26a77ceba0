"""Facts from staff count at once and for the whole home; they are corrected or taken back, and never deleted."""

import asyncio
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.schemas.findings import Fact
from libs.schemas.levels import Level
from services.triage.findings.finding import Finding, FindingChange, Told
from services.triage.known import Known, learn_finding, learn_finding_change
from services.triage.policies.replay import Result
from tests.services.triage.conftest import MONDAY, NEGLECTED, HubWorld, Story, stated
from tests.services.triage.staff import CANARY, Person
from tests.services.triage.test_family import HUNGRY, counts, replays

STRANGLED = {"fact": "household.strangulation_or_weapon", "value": True, "basis": "parent_said"}
CALL: dict[str, Any] = {
    "facts": [STRANGLED],
    "source": "family",
    "how": "telephone",
    "said_by": f"{CANARY}'s mother",
    "on": "2026-11-20",
    "note": f"{CANARY}'s mother rang from her sister's.",
}


async def case_of(hub: HubWorld, story: Story, child: int = 0) -> Any:
    return await hub.case(story.child_ids[child])


@pytest.fixture
def preparer(worker: Person) -> Person:
    """A worker of the hub who prepares and does not decide."""
    return Person(worker.http, worker.issuer, "staff-worker-1")


async def begun(hub: HubWorld, children: int = 1) -> tuple[Story, str]:
    await hub.policies.start(hub.ledger)
    story = Story(children=children)
    await hub.take(story.received(*[[HUNGRY]] * children))
    return story, f"/v1/cases/{story.child_ids[0]}/facts"


async def test_a_telephone_call_raises_the_case_at_once_and_is_shown_with_whose_word_it_is(
    hub: HubWorld, preparer: Person
) -> None:
    story, path = await begun(hub)
    assert (await case_of(hub, story)).level < Level.SECTION_47
    added = await preparer.post(path, CALL)
    assert added.status_code == 201, added.text
    assert added.json()["level"] == "section_47"
    case = await case_of(hub, story)
    assert case.level is Level.SECTION_47
    assert (await hub.names(story.id)).count("case-screened") == 2, "a rise permits more questions"

    view, tag = await preparer.open(story.child_ids[0])
    assert added.headers["etag"] == tag
    [shown] = view["evidence"]["findings"]
    assert shown["finding"]["by"] == preparer.id
    assert (shown["finding"]["source"], shown["finding"]["how"], shown["counts"]) == (
        "family",
        "telephone",
        True,
    )
    [rule] = [
        one for one in view["evaluation"]["outcome"]["fired"] if "strangulation" in str(one["evidence"])
    ][:1]
    [evidence] = [one for one in rule["evidence"] if one["fact"] == STRANGLED["fact"]]
    assert (evidence["source"], evidence["basis"], evidence["on"]) == ("staff", "parent_said", "2026-11-20")
    entries = (await preparer.get(f"/v1/cases/{story.child_ids[0]}/chronology")).json()["items"]
    [entry] = [one for one in entries if one["kind"] == "finding"]
    assert (entry["on"], entry["source"]) == ("2026-11-20", "staff")
    assert "by telephone, from the family" in entry["words"]
    assert await replays(hub, story) == {Result.SAME}


async def test_what_an_agency_says_by_telephone_is_that_agencys_word_and_leaves_its_check_open(
    hub: HubWorld, preparer: Person
) -> None:
    story, path = await begun(hub)
    added = await preparer.post(path, {**CALL, "source": "agency", "agency": "police"})
    assert added.status_code == 201, added.text
    assert ("household.strangulation_or_weapon", "police") in await counts(hub, story, 0)
    assert "police" in (await case_of(hub, story)).awaiting


async def test_what_is_said_of_the_home_counts_for_brothers_and_sisters_until_it_is_taken_back(
    hub: HubWorld, preparer: Person
) -> None:
    story, path = await begun(hub, 2)
    entry = (await preparer.post(path, CALL)).json()["entry"]["finding"]["id"]
    assert (await case_of(hub, story, 1)).level is Level.SECTION_47
    gone = await preparer.put(f"{path}/{entry}/retraction", {"reason": "It was another family."})
    assert gone.status_code == 200, gone.text
    for child in (0, 1):
        assert (await case_of(hub, story, child)).level < Level.SECTION_47
        assert "household.strangulation_or_weapon" not in dict(await counts(hub, story, child))
    assert await replays(hub, story) == {Result.SAME}


async def test_a_retraction_stays_on_record_with_who_and_why(
    hub: HubWorld, preparer: Person, worker: Person
) -> None:
    story, path = await begun(hub)
    entry = (await preparer.post(path, CALL)).json()["entry"]["finding"]["id"]
    wrong = f"{path}/{uuid.uuid4()}/retraction"
    assert (await worker.put(wrong, {"reason": "x"})).json()["code"] == "fact-not-found"
    assert (await worker.put(f"{path}/{entry}/retraction", {})).status_code == 422
    first = await worker.put(f"{path}/{entry}/retraction", {"reason": "Wrong family."})
    again = await worker.put(f"{path}/{entry}/retraction", {"reason": "Wrong family."})
    assert (again.status_code, again.json()) == (200, first.json())
    late = await preparer.put(f"{path}/{entry}/correction", {**CALL, "reason": "No, it was right."})
    assert (late.status_code, late.json()["code"], late.json()["by"]) == (
        409,
        "taken-back-already",
        worker.id,
    )

    view, _ = await worker.open(story.child_ids[0])
    [shown] = view["evidence"]["findings"]
    assert (shown["counts"], shown["finding"]["note"]) == (False, CALL["note"])
    assert [(one["by"], one["reason"]) for one in shown["changes"]] == [(worker.id, "Wrong family.")]
    entries = (await worker.get(f"/v1/cases/{story.child_ids[0]}/chronology")).json()["items"]
    assert [one["counts"] for one in entries if one["kind"] == "finding"] == [False]
    [back] = [one for one in entries if one["kind"] == "correction"]
    assert (back["words"], back["by"]) == ("What staff had added was taken back: Wrong family.", worker.id)
    kinds = await hub.rows("SELECT kind FROM evidence WHERE source = 'staff' ORDER BY number")
    assert [row[0] for row in kinds] == ["finding", "finding_changed"]


async def test_a_correction_counts_in_the_place_of_what_was_said(hub: HubWorld, preparer: Person) -> None:
    story, path = await begun(hub)
    entry = (await preparer.post(path, CALL)).json()["entry"]["finding"]["id"]
    milder = {"fact": "household.domestic_abuse", "value": "repeated", "basis": "parent_said"}
    body = {**CALL, "facts": [milder], "reason": "Misheard."}
    corrected = await preparer.put(f"{path}/{entry}/correction", body)
    assert corrected.status_code == 200, corrected.text
    said = dict(await counts(hub, story, 0))
    assert said["household.domestic_abuse"] == "staff"
    assert "household.strangulation_or_weapon" not in said
    assert (await preparer.put(f"{path}/{entry}/correction", body)).json() == corrected.json()
    assert len(await hub.rows("SELECT 1 FROM evidence WHERE kind = 'finding_changed'")) == 1
    other = await preparer.put(f"{path}/{entry}/correction", {**CALL, "reason": "It was right after all."})
    assert (other.status_code, other.json()["level"]) == (200, "section_47")
    entries = (await preparer.get(f"/v1/cases/{story.child_ids[0]}/chronology")).json()["items"]
    assert [one["counts"] for one in entries if one["kind"] == "finding"].count(True) == 1
    assert await replays(hub, story) == {Result.SAME}


async def test_the_same_call_sent_again_is_one_entry_also_when_both_come_at_once(
    hub: HubWorld, preparer: Person
) -> None:
    _, path = await begun(hub)
    answers = await asyncio.gather(*(preparer.post(path, CALL, key="one") for _ in range(4)))
    assert {one.status_code for one in answers} == {201}
    assert len({one.json()["entry"]["finding"]["id"] for one in answers}) == 1
    assert len(await hub.rows("SELECT 1 FROM evidence WHERE kind = 'finding'")) == 1
    other = await preparer.post(path, {**CALL, "note": "Another."}, key="one")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"facts": [{**STRANGLED, "fact": "household.strangled"}]}, "/facts/0/fact"),
    ({"facts": [{**STRANGLED, "value": "often"}]}, "/facts/0/value"),
    ({"facts": [], "note": None}, "/facts"),
    ({"source": "agency"}, "/agency"),
    ({"source": "agency", "agency": "polise"}, "/agency"),
    ({"agency": "police"}, "/agency"),
    ({"on": "2026-11-24"}, "/on"),
    ({"on": None}, "/on"),
]


async def test_what_cannot_be_is_refused_with_its_place_and_changes_nothing(
    hub: HubWorld, preparer: Person
) -> None:
    _, path = await begun(hub)
    for change, pointer in REFUSED:
        refused = await preparer.post(path, {**CALL, **change})
        assert refused.status_code == 422, refused.text
        assert pointer in [one["pointer"] for one in refused.json()["errors"]]
        assert CANARY not in refused.text
    assert await hub.rows("SELECT 1 FROM evidence WHERE kind = 'finding'") == []


async def test_danger_now_is_red_at_once_and_puts_a_decision_at_risk(
    hub: HubWorld, preparer: Person, worker: Person
) -> None:
    story = Story()
    await hub.take(story.received(NEGLECTED), story.completed())
    case_id = story.child_ids[0]
    await hub.rows("UPDATE child_case SET decision = 1, unread = false WHERE id = $1", case_id)
    path = f"/v1/cases/{case_id}/facts"
    calm = await preparer.post(path, {**CALL, "facts": []})
    assert calm.status_code == 201, calm.text
    case = await hub.case(case_id)
    assert (case.at_risk, case.decision) == (False, 1)
    kinds = {row[0] for row in await hub.rows("SELECT kind FROM task WHERE done_at IS NULL")}
    assert "look_at_new_information" in kinds
    await preparer.post(path, {**CALL, "facts": [], "immediate_danger": True})
    case = await hub.case(case_id)
    assert (case.rag, case.at_risk, case.decision) == ("red", True, 1)
    assert "case-reopened" in await hub.names(story.id)


async def test_nobody_adds_while_somebody_else_has_the_pen(
    hub: HubWorld, preparer: Person, worker: Person
) -> None:
    story, path = await begun(hub)
    await worker.put(f"/v1/cases/{story.child_ids[0]}/claim", {})
    refused = await preparer.post(path, CALL)
    assert (refused.status_code, refused.json()["held_by"]) == (409, worker.id)


async def test_what_is_said_stands_in_payloads_alone(hub: HubWorld, preparer: Person) -> None:
    _, path = await begun(hub)
    await preparer.post(path, CALL)
    for table in ("child_case", "access", "evaluation", "outbox"):
        columns = await hub.rows(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND data_type <> 'bytea'",
            table,
        )
        names = ", ".join(f"{row[0]}::text" for row in columns)
        assert CANARY not in str(await hub.rows(f"SELECT {names} FROM {table}"))


ACTS = st.lists(
    st.tuples(st.sampled_from(("add", "correct", "retract")), st.integers(0, 4), st.booleans()), max_size=12
)


@given(acts=ACTS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_counts_is_what_stands_of_each_entry_whatever_was_changed_before(
    acts: list[tuple[str, int, bool]],
) -> None:
    """Against a list that is edited in place."""
    known, model = Known(), dict[int, Fact | None]()
    names = [uuid.UUID(int=number + 1) for number in range(5)]
    for kind, place, value in acts:
        fact = stated("child.left_alone", value)
        told = Told(facts=(fact,), source="child", how="visit", on="2026-11-20")
        if kind == "add" and place not in model:
            learn_finding(known, Finding(**dict(told), id=names[place], by="a", at=MONDAY))
            model[place] = fact
        elif kind != "add":
            learn_finding_change(
                known,
                FindingChange(
                    finding_id=names[place],
                    kind="corrected" if kind == "correct" else "retracted",
                    reason="r",
                    by="a",
                    at=MONDAY,
                    told=told if kind == "correct" else None,
                ),
            )
            if place in model:
                model[place] = fact if kind == "correct" else None
    expected = [one.value for one in model.values() if one is not None]
    assert [one.fact.value for one in known.found_out] == expected
    assert len(known.findings) == len(model)


def test_an_entry_of_which_only_the_change_is_left_states_nothing() -> None:
    known = Known()
    change = FindingChange(finding_id=uuid.uuid4(), kind="retracted", reason="r", by="a", at=MONDAY)
    assert learn_finding_change(known, change) == []
    assert known.stated == []
