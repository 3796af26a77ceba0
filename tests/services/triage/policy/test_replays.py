"""What an evaluator said once it says for ever: a change of meaning needs a new version, with replays of its own.

`python -m tests.services.triage.policy.test_replays` writes the replays of a version that has none.
"""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from libs.schemas.evaluation import Outcome
from libs.schemas.findings import NOT_UNDERSTOOD, AgencyState, Between, Fact, FactValue
from services.triage.policy import EVALUATOR, ChildFacts, Policy, StatedFact, evaluate, load_policy
from tests.services.triage.policy.children import at_concern, stated
from tests.services.triage.policy.miniature import TEXTS

REPLAYS = Path(__file__).parent / "replays"
CASES = 40


def child_of(case: dict[str, Any]) -> ChildFacts:
    """What was known of the child."""
    said = tuple(StatedFact(Fact.model_validate(one["fact"]), one["source"]) for one in case["stated"])
    states = {agency: AgencyState(state) for agency, state in case["states"].items()}
    return ChildFacts(said, states, frozenset(case["partly"]))


@pytest.mark.parametrize("path", sorted(REPLAYS.glob("evaluator_*.json")), ids=lambda path: path.stem)
def test_an_evaluator_says_of_the_same_facts_what_it_said_before(path: Path) -> None:
    kept = json.loads(path.read_text(encoding="utf-8"))
    policy = load_policy(kept["texts"])
    for case in kept["cases"]:
        before = Outcome.model_validate(case["outcome"])
        if kept["evaluator"] == EVALUATOR:
            assert evaluate(policy, child_of(case)) == before
        assert before.evaluator == kept["evaluator"]


def test_the_evaluator_of_today_has_replays_of_all_that_it_can_say() -> None:
    kept = json.loads((REPLAYS / f"evaluator_{EVALUATOR}.json").read_text(encoding="utf-8"))
    outcomes = [Outcome.model_validate(case["outcome"]) for case in kept["cases"]]
    fired = {rule.rule for one in outcomes for rule in one.fired}
    assert fired == {rule.id for rule in load_policy(kept["texts"]).rules}
    assert any(one.rag_raised_for for one in outcomes)
    assert any(one.questions for one in outcomes)
    assert any(one.partly_met for one in outcomes)
    assert any(rule.assumed for one in outcomes for rule in one.fired)


def _written(policy: Policy) -> dict[str, Any]:
    chance = Random(EVALUATOR)
    cases = []
    for _ in range(CASES):
        child = _child(chance, policy)
        cases.append(
            {
                "stated": [
                    {"fact": one.fact.model_dump(mode="json", exclude_defaults=True), "source": one.source}
                    for one in child.stated
                ],
                "states": {agency: str(state) for agency, state in child.states.items()},
                "partly": sorted(child.partly),
                "outcome": evaluate(policy, child).model_dump(mode="json", exclude_defaults=True),
            }
        )
    return {"evaluator": EVALUATOR, "texts": dict(policy.texts), "cases": cases}


def _child(chance: Random, policy: Policy) -> ChildFacts:
    said = []
    for one in chance.choices([*policy.dictionary.definitions.values()], k=chance.randint(0, 6)):
        value: FactValue = at_concern(one, chance.randint(0, one.maximum))
        if chance.random() < 0.1:
            value = NOT_UNDERSTOOD
        elif isinstance(value, int) and not isinstance(value, bool) and chance.random() < 0.3:
            value = Between(at_least=value // 2, at_most=value)
        said.append(stated(one.name, value, chance.choice(sorted(one.sources))))
    states = {agency: chance.choice([*AgencyState]) for agency in policy.dictionary.agencies}
    partly = [agency for agency in states if chance.random() < 0.1]
    return ChildFacts(tuple(said), states, frozenset(partly))


if __name__ == "__main__":
    file = REPLAYS / f"evaluator_{EVALUATOR}.json"
    REPLAYS.mkdir(exist_ok=True)
    if not file.exists():
        file.write_text(
            json.dumps(_written(load_policy(TEXTS))).replace('{"stated"', '\n{"stated"') + "\n",
            encoding="utf-8",
        )
