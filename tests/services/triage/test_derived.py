"""What is worked out and not said: each derivation's rule, and silence where the record says nothing."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.dictionary import load_dictionary
from libs.schemas.findings import Between, Fact, FactValue
from libs.schemas.referral import Date, ReferralBody, ReferredChild
from services.triage.background import Background, Other, months_before
from services.triage.derived import DERIVES, derive, faults
from services.triage.history import Dash, EarlierReport, Plan
from services.triage.policy import StatedFact

DICTIONARY = load_dictionary(Path(__file__).parents[3] / "deploy" / "partnership" / "facts.yaml")
TODAY = date(2026, 11, 25)


def said(name: str, value: FactValue, source: str = "referrer", basis: str = "observed") -> StatedFact:
    return StatedFact(Fact(fact=name, value=value, basis=basis), source)


def referral(**fields: Any) -> ReferralBody:
    body = {"worry": "x", "referrer": {"role": "teacher", "source": "2A"}, **fields}
    return ReferralBody.model_validate(body)


def known(*stated: StatedFact, **fields: Any) -> Background:
    return Background(
        **{
            "dictionary": DICTIONARY,
            "on": TODAY,
            "referral": referral(),
            "child": ReferredChild(),
            "stated": stated,
            **fields,
        }
    )


def value(name: str, background: Background) -> FactValue | None:
    return DERIVES[name](background)


def earlier(on: str, *facts: tuple[str, FactValue], **fields: Any) -> EarlierReport:
    stated = [{"fact": name, "value": stated, "basis": "record"} for name, stated in facts]
    return EarlierReport.model_validate({"on": on, "facts": stated, **fields})


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


@pytest.mark.parametrize(
    ("day", "months", "start"),
    [
        (date(2026, 11, 25), 12, date(2025, 11, 25)),
        (date(2026, 8, 31), 6, date(2026, 2, 28)),
        (date(2026, 1, 15), 3, date(2025, 10, 15)),
        (date(2024, 2, 29), 12, date(2023, 2, 28)),
    ],
)
def test_a_window_is_in_calendar_months(day: date, months: int, start: date) -> None:
    assert months_before(day, months) == start


@pytest.mark.parametrize(
    ("on", "counts"),
    [("2025-11-24", None), ("2025-11-25", 1), ("2026-11-25", 1), ("2026-11-26", None)],
)
def test_a_window_holds_its_first_day_and_the_day_of_receipt(on: str, counts: int | None) -> None:
    background = known(earlier=(earlier(on),))
    assert value("referrals_12_months", background) == counts
    assert value("contacts_12_months", background) == counts


def test_notices_and_news_are_contacts_and_no_referrals() -> None:
    kinds = (
        "new_worry",
        "transfer_in",
        "notification",
        "information_on_open_case",
        "step_down",
        "a newer kind",
    )
    background = known(earlier=tuple(earlier("2026-05-01", kind=kind) for kind in kinds))
    assert value("referrals_12_months", background) == 2
    assert value("contacts_12_months", background) == 6


def test_reports_of_one_event_count_once_and_never_as_a_re_referral() -> None:
    twice = tuple(earlier("2026-05-01", event="fall", decided_on="2026-05-02") for _ in range(2))
    assert value("referrals_12_months", known(earlier=twice)) == 1
    assert value("re_referral_12_months", known(earlier=twice)) is True
    duplicate = known(earlier=twice, event="fall")
    assert value("referrals_12_months", duplicate) is None
    assert value("contacts_12_months", duplicate) is None
    assert value("re_referral_12_months", duplicate) is None


def test_what_was_a_mistake_counts_nowhere() -> None:
    mistaken = known(earlier=(earlier("2026-05-01", decided_on="2026-05-02", mistaken=True),))
    assert value("contacts_12_months", mistaken) is None
    assert value("re_referral_12_months", mistaken) is None


@pytest.mark.parametrize(
    ("decided", "again"), [(None, None), ("2026-11-25", True), ("2026-11-26", None), ("2026-05-02", True)]
)
def test_a_re_referral_follows_one_that_was_decided(decided: str | None, again: bool | None) -> None:
    background = known(earlier=(earlier("2026-05-01", decided_on=decided),))
    assert value("re_referral_12_months", background) is again


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        (("child.hunger", "occasional"), ("child.hunger", "persistent"), True),
        (("child.hunger", "none"), ("child.hunger", "persistent"), None),
        (("child.hunger", "occasional"), ("child.hunger", "none"), None),
        (("child.hunger", "occasional"), ("child.home_conditions", "poor"), None),
        (("household.protective_adult", True), ("household.protective_adult", True), None),
    ],
)
def test_the_same_worry_is_the_same_risk_stated_both_times(before: Any, now: Any, same: bool | None) -> None:
    background = known(said(*now), earlier=(earlier("2026-05-01", before, decided_on="2026-05-02"),))
    assert value("same_worry_12_months", background) is same


def test_contacts_about_neglect_are_those_that_state_any_of_its_facts() -> None:
    background = known(
        earlier=(
            earlier("2026-05-01", ("child.hunger", "occasional")),
            earlier("2026-06-01", ("child.home_conditions", "poor"), kind="notification"),
            earlier("2026-07-01", ("child.hunger", "none")),
            earlier("2026-08-01", ("household.domestic_abuse", "repeated")),
        )
    )
    assert value("neglect_contacts_12_months", background) == 2


def test_incidents_of_domestic_abuse_are_counted_with_this_one_and_each_event_once() -> None:
    minor = ("household.domestic_abuse", "minor_incident")
    before = (earlier("2026-06-01", minor, event="june"), earlier("2026-06-02", minor, event="june"))
    name = "domestic_abuse_incidents_6_months"
    assert value(name, known(earlier=before)) == 1
    assert value(name, known(said(*minor), earlier=before)) == 2
    assert value(name, known(said(*minor), earlier=before, event="june")) == 1
    assert value(name, known(said(*minor))) == 1
    assert value(name, known(earlier=(earlier("2026-05-24", minor),))) is None


def test_missing_episodes_are_counted_with_this_one() -> None:
    missing = ("child.missing_now", True)
    background = known(said(*missing, "police"), earlier=(earlier("2026-01-01", missing),))
    assert value("missing_episodes_12_months", background) == 2


PLAN = {"kind": "child_in_need", "opened": "2026-01-01"}


@pytest.mark.parametrize(
    ("plans", "spoke", "worst"),
    [
        ([], False, None),
        ([], True, "none"),
        ([PLAN], False, "child_in_need"),
        ([PLAN, {"kind": "child_protection"}, {"kind": "looked_after"}], True, "child_protection"),
        ([{**PLAN, "closed": "2026-11-25"}], True, "none"),
        ([{**PLAN, "closed": "2026-11-26"}], True, "child_in_need"),
        ([{**PLAN, "opened": "2026-11-26"}], True, "none"),
        ([{**PLAN, "kind": "a newer plan"}], True, None),
    ],
)
def test_the_worst_open_plan_counts_and_none_only_where_social_care_spoke(
    plans: Any, spoke: bool, worst: str | None
) -> None:
    background = known(plans=tuple(Plan.model_validate(one) for one in plans), social_care_spoke=spoke)
    assert value("open_plan", background) == worst


@pytest.mark.parametrize(
    ("kind", "closed", "in_twelve", "in_six"),
    [
        ("child_protection", "2026-05-25", True, True),
        ("child_protection", "2026-05-24", True, None),
        ("child_in_need", "2026-10-01", True, None),
        ("looked_after", "2025-11-24", None, None),
        ("child_protection", None, None, None),
        ("child_protection", "2026-11-26", None, None),
    ],
)
def test_a_plan_that_closed_lately(
    kind: str, closed: str | None, in_twelve: bool | None, in_six: bool | None
) -> None:
    background = known(plans=(Plan.model_validate({"kind": kind, "closed": closed}),))
    assert value("plan_closed_12_months", background) is in_twelve
    assert value("plan_closed_6_months", background) is in_six


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


def test_a_birth_in_the_future_is_no_age() -> None:
    assert value("age", known(child=child(born=Date(on=date(2027, 1, 1)).model_dump()))) is None
