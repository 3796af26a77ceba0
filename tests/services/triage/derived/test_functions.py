"""What is worked out and not said: each derivation's rule, and silence where the record says nothing."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.findings import Between, FactValue
from libs.schemas.person import Date
from libs.schemas.plans import Dash
from libs.schemas.referral import ReferredChild
from services.triage.derived.background import Other
from services.triage.derived.functions import derive, faults
from services.triage.derived.worries import worried_anew
from services.triage.policy import StatedFact
from tests.services.triage.derived.backgrounds import DICTIONARY, TODAY, known, referral, said, value


def child(**fields: Any) -> ReferredChild:
    return ReferredChild.model_validate(fields)


@pytest.mark.parametrize(
    ("born", "years"),
    [
        ({"on": "2016-11-25"}, 10),
        ({"on": "2016-11-26"}, 9),
        ({"on": "2026-11-25"}, 0),
        ({"on": "2020-02-29"}, 6),
        ({"earliest": "2016-01-01", "latest": "2018-12-31"}, Between(at_least=7, at_most=10)),
        ({"earliest": "2026-06-01", "latest": "2027-06-01"}, 0),
        ({"on": "2027-01-01"}, None),
    ],
)
def test_an_age_is_full_years_and_an_uncertain_birth_gives_bounds(born: Any, years: FactValue | None) -> None:
    assert value("age", known(child=child(born=born))) == years


def test_an_age_that_nobody_knows_is_not_said() -> None:
    assert value("age", known()) is None
    assert value("age", known(child=child(status="unborn", expected={"on": "2027-01-01"}))) is None


@pytest.mark.parametrize(("status", "unborn"), [("unborn", True), ("born", False), ("unidentified", None)])
def test_whether_a_child_is_unborn_comes_from_its_status(status: str, unborn: bool | None) -> None:
    assert value("unborn", known(child=child(status=status))) is unborn
    assert value("not_found", known(child=child(status=status))) is (
        True if status == "unidentified" else None
    )


@pytest.mark.parametrize(
    ("born", "young"),
    [
        ({"on": str(TODAY - timedelta(days=182))}, True),
        ({"on": str(TODAY - timedelta(days=183))}, None),
        ({"earliest": "2020-01-01", "latest": "2026-10-01"}, True),
    ],
)
def test_a_baby_under_six_months_at_its_youngest_cannot_move_and_no_age_says_that_it_can(
    born: Any, young: bool | None
) -> None:
    assert value("non_mobile", known(child=child(born=born))) is young


@pytest.mark.parametrize(
    ("codes", "disabled", "cannot_tell"),
    [((), None, None), (("NONE",), False, None), (("MOB",), True, None), (("NONE", "COMM"), True, True)],
)
def test_a_disability_is_what_the_form_codes(
    codes: tuple[str, ...], disabled: bool | None, cannot_tell: bool | None
) -> None:
    background = known(child=child(disabilities=codes))
    assert value("disabled", background) is disabled
    assert value("cannot_tell", background) is cannot_tell


@pytest.mark.parametrize(
    ("help_given", "complete", "unresolved"),
    [
        ({"kind": "early_help_assessment", "result": "completed"}, True, None),
        ({"kind": "early_help_assessment", "ended": "2026-02-01"}, True, None),
        ({"kind": "early_help_assessment"}, None, None),
        ({"kind": "single_service", "result": "not_resolving"}, None, True),
        ({"kind": "single_service", "result": "working"}, None, None),
    ],
)
def test_earlier_help_says_whether_it_was_assessed_and_whether_it_helps(
    help_given: Any, complete: bool | None, unresolved: bool | None
) -> None:
    background = known(referral=referral(help_given=[help_given]))
    assert value("early_help_assessment_complete", background) is complete
    assert value("help_not_resolving", background) is unresolved


@pytest.mark.parametrize("agreement", ["early_help", "panel"])
def test_refusal_counts_as_unmet_need_only_where_help_does_not_resolve_it(agreement: str) -> None:
    refusing = {"agreements": {agreement: {"answer": "refused"}}}
    unresolved = {"help_given": [{"kind": "single_service", "result": "not_resolving"}]}
    name = "agreement_refused_with_unmet_need"
    assert value(name, known(referral=referral(**refusing, **unresolved))) is True
    assert value(name, known(referral=referral(**refusing))) is None
    assert value(name, known(referral=referral(**unresolved))) is None


@pytest.mark.parametrize(
    "fields", [{"kind": "step_down"}, {"step_down": {"closing_plan": "x", "contingency": "y"}}]
)
def test_a_step_down_is_known_by_its_kind_or_its_plan(fields: Any) -> None:
    assert value("step_down", known(referral=referral(**fields))) is True
    assert value("step_down", known()) is None


def test_the_flag_not_to_alert_the_household_says_nothing_where_it_is_not_set() -> None:
    name = "do_not_alert_household"
    assert value(name, known(referral=referral(do_not_alert_household=True))) is True
    assert value(name, known()) is None


def sibling(*stated: StatedFact, **fields: Any) -> Other:
    return Other(child(**fields), stated)


@pytest.mark.parametrize(
    ("other", "harmed"),
    [
        (sibling(said("child.injury", "unexplained", "health")), True),
        (sibling(said("child.injury", "unexplained"), household="home"), True),
        (sibling(said("child.injury", "unexplained"), household="elsewhere"), None),
        (sibling(said("child.injury", "explained")), None),
        (sibling(said("child.injury", "unexplained"), status="unborn"), None),
        (sibling(), None),
    ],
)
def test_harm_to_a_child_of_the_same_home_counts_for_its_siblings(other: Other, harmed: bool | None) -> None:
    assert value("sibling_harmed", known(child=child(household="home"), others=(other,))) is harmed


@pytest.mark.parametrize(
    ("adult", "worst"),
    [
        ({"roles": ["mother"], "thought_to_harm": True}, "thought_to_harm"),
        ({"roles": ["regular_visitor"], "thought_to_harm": True}, None),
        ({"roles": ["regular_visitor"], "thought_to_harm": True, "household": "home"}, "thought_to_harm"),
        ({"roles": ["father"], "thought_to_harm": True, "household": "elsewhere"}, None),
        ({"roles": ["father"]}, None),
    ],
)
def test_an_adult_who_is_thought_to_harm_counts_for_the_children_they_live_with(
    adult: Any, worst: str | None
) -> None:
    background = known(
        child=child(household="home"), referral=referral(adults=[{"roles": ["mother"]}, adult])
    )
    assert value("worst_adult", background) == worst


@pytest.mark.parametrize(("works", "counts"), [("yes", True), ("no", None), ("not_known", None)])
def test_somebody_who_works_with_children_is_known_only_by_a_yes(works: str, counts: bool | None) -> None:
    thought = referral(adults=[{"thought_to_harm": True, "works_with_children": works}])
    assert value("adult_works_with_children", known(referral=thought)) is counts
    innocent = referral(adults=[{"works_with_children": works}])
    assert value("adult_works_with_children", known(referral=innocent)) is None


HUNGRY = ("child.hunger", "persistent")


@pytest.mark.parametrize(
    ("stated", "worried", "seeing"),
    [
        ((), None, None),
        ((said(*HUNGRY),), 1, 1),
        ((said(*HUNGRY), said(*HUNGRY, "health")), 2, 2),
        ((said(*HUNGRY), said(*HUNGRY, "education")), 1, 1),
        ((said(*HUNGRY), said("child.hunger", "occasional", "health")), 2, 1),
        ((said(*HUNGRY), said("child.hunger", "none", "health")), 1, 1),
        ((said(*HUNGRY), said(*HUNGRY, "health", "third_party")), 1, 1),
        ((said(*HUNGRY, "staff"), said(*HUNGRY, "derived")), None, None),
    ],
)
def test_agencies_worried_by_themselves_are_counted_once_each(
    stated: tuple[StatedFact, ...], worried: int | None, seeing: int | None
) -> None:
    assert value("agencies_worried", known(*stated)) == worried
    assert value("agencies_seeing_neglect", known(*stated)) == seeing


def test_each_answer_may_add_one_who_worries() -> None:
    name = "family.agencies_worried"
    count = replace(
        DICTIONARY.definitions["family.services_needed_together"], name=name, derived="agencies_worried"
    )
    said_only = {key: one for key, one in DICTIONARY.definitions.items() if one.derived is None}
    dictionary = replace(DICTIONARY, definitions={**said_only, name: count})
    at_receipt = (said(*HUNGRY), said(name, 1, "derived", "record"))
    assert worried_anew(dictionary, at_receipt, "education") == ()
    assert worried_anew(dictionary, (*at_receipt, said(*HUNGRY, "education")), "education") == ()
    [risen] = worried_anew(dictionary, (*at_receipt, said(*HUNGRY, "health")), "education")
    assert (risen.source, risen.fact.fact, risen.fact.value) == ("derived", name, 2)
    assert worried_anew(dictionary, (*at_receipt, said(*HUNGRY, "health"), risen), "education") == ()


@given(st.integers(0, 24).flatmap(lambda asked: st.tuples(st.integers(0, asked), st.just(asked))))
def test_an_unanswered_dash_question_may_be_a_yes(answers: tuple[int, int]) -> None:
    yes, asked = answers
    score = value("dash_score", known(dash=Dash(yes=yes, asked=asked)))
    assert score == (yes if asked == 24 else Between(at_least=yes, at_most=yes + 24 - asked))


def test_seven_yes_of_ten_asked_is_seven_to_twenty_one() -> None:
    assert value("dash_score", known(dash=Dash(yes=7, asked=10))) == Between(at_least=7, at_most=21)


def test_the_dictionary_names_which_facts_are_worked_out() -> None:
    assert faults(DICTIONARY) == []
    background = known(child=child(born={"on": "2020-01-01"}), dash=Dash(yes=1, asked=24))
    found = {one.fact: one.value for one in derive(background)}
    assert (found["child.age"], found["child.unborn"]) == (6, False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"derived": "agee"}, "unknown derivation `agee`; did you mean `age`?"),
        ({"derived": None}, "`derived` names a function where, and only where, it is a source"),
        (
            {"sources": frozenset(("referrer",))},
            "`derived` names a function where, and only where, it is a source",
        ),
    ],
)
def test_a_dictionary_that_no_function_can_fill_is_found(change: Any, words: str) -> None:
    definitions = dict(DICTIONARY.definitions)
    definitions["child.age"] = replace(definitions["child.age"], **change)
    assert faults(replace(DICTIONARY, definitions=definitions)) == [f"child.age: {words}"]


def test_a_derivation_that_reads_what_the_dictionary_does_not_know_is_found() -> None:
    definitions = dict(DICTIONARY.definitions)
    worried = replace(definitions["family.services_needed_together"], sources=frozenset(("derived",)))
    definitions[worried.name] = replace(worried, derived="domestic_abuse_incidents_6_months")
    del definitions["household.domestic_abuse"], definitions["household.domestic_abuse_incidents_6_months"]
    [fault] = faults(replace(DICTIONARY, definitions=definitions))
    assert fault.startswith("family.services_needed_together: `domestic_abuse_incidents_6_months` reads")
    assert fault.endswith("`household.domestic_abuse` at `minor_incident`, which is not known")


def test_a_birth_in_the_future_is_no_age() -> None:
    assert value("age", known(child=child(born=Date(on=date(2027, 1, 1)).model_dump()))) is None
