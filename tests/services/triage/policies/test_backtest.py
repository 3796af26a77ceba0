"""A back-test counts what the policies say one by one, and shows no small number."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.schemas.findings import Between
from services.triage.policies.backtest import (
    Backtest,
    Counts,
    Lines,
    Subject,
    band,
    lines_of,
    parts_of,
    parts_of_cases,
    stored_subjects,
)
from services.triage.policies.rulebook import Rulebook
from services.triage.policy import ChildFacts, Policy, StatedFact, evaluate
from services.triage.policy.changes import compare
from services.triage.thresholds import Thresholds
from tests.services.triage.conftest import CODEC, NEGLECTED, HubWorld, Story, stated
from tests.services.triage.policies.versions import changed, stricter, written

CALM = {"fact": "child.hunger", "value": "none"}
HUNGRY = {"fact": "child.hunger", "value": "persistent"}
DRAWN_IN = {"fact": "child.radicalisation", "value": "drawn_in"}
ABUSED = {"fact": "child.disclosed_sexual_abuse", "value": True}


@pytest.fixture(scope="module")
def own(shipped: Thresholds) -> Rulebook:
    return shipped.rulebooks.directory


@pytest.fixture(scope="module")
def strict(own: Rulebook) -> Policy:
    return stricter(own).policy


def line(*facts: dict[str, Any], answers: dict[str, str] | None = None, **attributes: str) -> bytes:
    return json.dumps({"facts": facts, "answers": answers or {}, "attributes": attributes}).encode()


def read(policy: Policy, *lines: bytes) -> tuple[list[Subject], Counts]:
    counts = Counts()
    return list(Lines(policy).subjects(lines, counts, 0)), counts


def many() -> list[bytes]:
    some = [line(CALM, ward="Park")] * 8 + [line(HUNGRY, ward="Park")] * 7 + [line(DRAWN_IN, ward="East")] * 5
    return some + [line(ABUSED, answers={"police": "returned"}, ward="East")] * 6


def test_what_is_counted_is_what_each_child_gets(own: Rulebook, strict: Policy) -> None:
    subjects, _ = read(strict, *many())
    counts = Backtest(strict, own.policy).count(subjects)
    outcomes = [evaluate(strict, subject.facts) for subject in subjects]
    assert counts.children == len(outcomes) == 26
    for level in {one.level for one in outcomes}:
        of_level = sum(times for (each, _), times in counts.outcomes.items() if each is level)
        assert of_level == sum(one.level is level for one in outcomes)
    assert counts.level_could_rise == sum(one.could_rise_to is not one.level for one in outcomes)
    fired = [rule.rule for one in outcomes for rule in one.fired]
    assert counts.rules == {name: fired.count(name) for name in set(fired)}


@pytest.mark.parametrize("same_dictionary", [True, False])
def test_what_changes_is_what_comparing_child_by_child_gives(
    own: Rulebook, strict: Policy, same_dictionary: bool
) -> None:
    against = own.policy
    if not same_dictionary:
        texts, facts = dict(against.texts), yaml.load(against.texts["facts.yaml"], yaml.CBaseLoader)  # noqa: S506
        facts["facts"]["child.radicalisation"]["steps"].insert(1, "heard_of")
        texts["facts.yaml"] = written(facts)
        against = changed(Rulebook(own.policy, own.places), texts=texts).policy
    subjects, _ = read(strict, *many())
    counts = Backtest(strict, against).count(subjects)
    assert counts.changes is not None
    one_by_one = compare(against, strict, [(subject.facts, subject.attributes) for subject in subjects])
    assert counts.changes.changes() == one_by_one
    assert one_by_one.unchanged != str(counts.children)


def test_parts_add_up_to_the_whole(own: Rulebook, strict: Policy) -> None:
    subjects, _ = read(strict, *many())
    trial = Backtest(strict, own.policy)
    whole, parts = trial.count(subjects), Counts()
    for start in range(0, len(subjects), 4):
        parts.merge(trial.count(subjects[start : start + 4]))
    assert parts == whole


@pytest.mark.parametrize("size", [1, 40, 200, 1 << 20])
def test_a_file_is_cut_at_line_ends_and_loses_none(tmp_path: Path, size: int) -> None:
    file = tmp_path / "facts.jsonl"
    file.write_bytes(b"\n".join(many()) + b"\n")
    parts = parts_of(file, size)
    read = [line for part in parts for line in lines_of(file, *part) if line]
    assert read == many()
    assert parts[-1][1] == file.stat().st_size


def test_a_line_that_cannot_be_read_is_told_by_its_place_and_never_by_its_content(strict: Policy) -> None:
    good = line(CALM)
    bad = b'{"facts": [{"fact": "child.hunger", "value": ["Zyxwquill"]}]}'
    subjects, counts = read(strict, good, bad, b"", b"Zyxwquill", good)
    assert (len(subjects), counts.unreadable) == (2, 2)
    assert counts.first_unreadable.startswith(f"at byte {len(good) + 1}: facts.0.value")
    assert "Zyxwquill" not in counts.first_unreadable


def test_a_fact_that_the_policy_does_not_know_is_told(strict: Policy) -> None:
    _, counts = read(strict, line({"fact": "child.hungre", "value": "persistent"}), line(CALM))
    assert counts.unknown_facts == {"child.hungre": 1}


AGES = [(0, "under 1"), (1, "1 to 4"), (4, "1 to 4"), (5, "5 to 9"), (10, "10 to 15"), (16, "16 and 17")]


@pytest.mark.parametrize(
    ("age", "name"), [*AGES, (18, "18 and over"), (Between(at_least=0, at_most=3), "under 1")]
)
def test_ages_are_told_in_bands_and_an_uncertain_one_as_the_youngest(age: Any, name: str) -> None:
    said = StatedFact(stated("child.age", age), "derived")
    assert band([said]) == name
    assert band([said, StatedFact(stated("child.age", 0), "police")]) == "under 1"


def test_who_is_not_born_or_of_no_known_age_is_told_apart() -> None:
    assert band([]) == "not known"
    assert band([StatedFact(stated("child.unborn", True), "derived")]) == "unborn"


async def test_stored_children_are_those_of_their_last_evaluation(
    hub: HubWorld, own: Rulebook, strict: Policy
) -> None:
    stories = [Story(children=2) for _ in range(3)]
    for story in stories:
        await hub.take(story.received(NEGLECTED))
        await hub.take(story.answer("health", stated("child.injury", "inflicted")))
    async with hub.ledger.pool.acquire() as connection:
        counts, found = Counts(), []
        parts = await parts_of_cases(connection, 4)
        for part in parts:
            found += await stored_subjects(connection, CODEC, strict.dictionary, part, counts)
    assert len(parts) == 2
    assert (len(found), counts.unreadable) == (6, 0)
    stored = await hub.rows("SELECT level, rag, could_rise_to FROM evaluation WHERE number = 2")
    outcomes = [evaluate(own.policy, subject.facts) for subject in found]
    assert sorted(str(one.level) for one in outcomes) == sorted(row["level"] for row in stored)
    assert {subject.attributes["agency"] for subject in found} == {"st_ives_primary"}


async def test_an_erased_or_unreadable_child_is_left_out_and_counted(hub: HubWorld, strict: Policy) -> None:
    for _ in range(2):
        await hub.take(Story(at=hub.clock.now() - timedelta(hours=1)).received(NEGLECTED))
    await hub.rows(
        "UPDATE evidence SET document = '{}' WHERE case_id = (SELECT id FROM child_case ORDER BY id LIMIT 1)"
    )
    async with hub.ledger.pool.acquire() as connection:
        counts = Counts()
        (part,) = await parts_of_cases(connection)
        found = await stored_subjects(connection, CODEC, strict.dictionary, part, counts)
    assert (len(found), counts.unreadable) == (1, 1)
    assert Backtest(strict).count([Subject(ChildFacts(()), {}), *found]).children == 2
