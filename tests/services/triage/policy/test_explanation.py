"""What a rule rests on, as it is shown."""

import pytest

from libs.schemas.findings import AgencyState
from services.triage.policy import ChildFacts, StatedFact, evaluate, load_policy
from tests.services.triage.policy.children import stated
from tests.services.triage.policy.small import changed

CALLS = stated("household.call_outs", 3, "police")


@pytest.mark.parametrize("calls", [(), (CALLS,)])
def test_a_statement_is_shown_once_though_its_fact_stands_in_the_rule_twice(
    calls: tuple[StatedFact, ...],
) -> None:
    either = "{{any of: [child.injury is at least unexplained, {} is yes]}}"
    both = ", ".join(either.format(one) for one in ("child.left_alone", "child.non_mobile"))
    when = f"when: {{all of: [{both}, household.call_outs is at least 3]}}"
    policy = load_policy(changed(("when: child.injury is at least unexplained", when)))
    injured = stated("child.injury", "unexplained")
    outcome = evaluate(policy, ChildFacts((injured, *calls), {"police": AgencyState.PENDING}))
    fired = [one.evidence for one in outcome.fired if one.rule == "R-2"]
    partly = [one.evidence for one in outcome.partly_met if one.rule == "R-2"]
    ((*evidence,),) = fired if calls else partly
    assert [one.fact for one in evidence] == [one.fact.fact for one in (injured, *calls)]


def test_what_somebody_stated_is_asked_no_more_while_the_rest_of_its_question_is() -> None:
    """The police may still say worse of it."""
    policy = load_policy(changed(("ask: [child.non_mobile]", "ask: [child.non_mobile, child.left_alone]")))
    answered = dict.fromkeys(policy.dictionary.agencies, AgencyState.NOTHING_HELD)
    facts = (stated("child.injury", "explained"), stated("child.left_alone", False), stated("child.age", 3))
    outcome = evaluate(policy, ChildFacts(facts, {**answered, "police": AgencyState.PENDING}))
    asked = {one.rule: (one.missing, one.questions, one.agencies) for one in outcome.partly_met}
    assert asked["R-1"] == (("child.non_mobile",), ("D-1",), ())
    assert asked["R-3"] == (("child.left_alone",), (), ("police",))
