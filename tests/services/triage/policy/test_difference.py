"""Two versions differ only where they are said to, and each difference has its smallest case."""

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.schemas.findings import AgencyState, Basis, Between, Fact
from services.triage.policy import ChildFacts, Policy, StatedFact, decide, encode, load_policy
from services.triage.policy.comparison import difference_page
from services.triage.policy.difference import Difference, Direction, compare, difference
from services.triage.policy.page import as_text
from tests.services.triage.policy.small import TEXTS, changed

OLD = load_policy(TEXTS)


def new(*changes: tuple[str, str], facts: tuple[tuple[str, str], ...] = ()) -> Policy:
    texts = changed(*changes)
    texts["facts.yaml"] = changed(*facts, file="facts.yaml")["facts.yaml"]
    return load_policy(texts)


def only_rule(found: Difference) -> tuple[str, str, tuple[str, ...], Direction]:
    (rule,) = found.rules
    return rule.id, rule.change, rule.what, rule.direction


def test_two_readings_of_one_policy_do_not_differ() -> None:
    found = difference(OLD, load_policy(TEXTS))
    assert (found.rules, found.outcome, found.others) == ((), (), ())
    assert "Proved: no child's level, urgency, immediate danger or actions differ." in as_text(
        difference_page(found)
    )


def test_a_lower_bound_only_raises() -> None:
    found = difference(OLD, new(("household.call_outs is at least 3", "household.call_outs is at least 2")))
    assert only_rule(found) == ("R-4", "changed", ("condition",), Direction.RAISES)
    case = found.rules[0].raised
    assert case is not None
    assert case.facts == "police call-outs in a year: 2. Everything else is known and as mild as it can be."
    assert (case.old, case.new) == ("universal, green", "section 17, amber")
    assert [(shift.part, shift.direction) for shift in found.outcome] == [
        ("level", Direction.RAISES),
        ("urgency", Direction.RAISES),
    ]


def test_a_younger_age_only_lowers() -> None:
    found = difference(OLD, new(("child.age is under 8", "child.age is under 6")))
    assert only_rule(found) == ("R-3", "changed", ("condition",), Direction.LOWERS)
    case = found.rules[0].lowered
    assert case is not None
    assert "the child's age in years: 7; not confirmed: a protective adult lives with the child" in case.facts
    assert (case.old, case.new) == ("section 47, red, with police now", "universal, green")


def test_a_condition_that_moves_does_both() -> None:
    found = difference(
        OLD,
        new(
            (
                "{any of: [household.abuse is at least medium, household.call_outs is at least 3]}",
                "{any of: [household.abuse is at least standard, household.call_outs is at least 5]}",
            )
        ),
    )
    assert only_rule(found) == ("R-4", "changed", ("condition",), Direction.BOTH)
    raised, lowered = found.rules[0].raised, found.rules[0].lowered
    assert raised is not None
    assert lowered is not None
    assert raised.facts.startswith("domestic abuse: standard. ")
    assert lowered.facts.startswith("police call-outs in a year: 3. ")


def test_a_rule_that_others_already_cover_is_told_as_such() -> None:
    """The new rule gives only what R-2 gives everywhere that it holds."""
    rule = (
        "  R-9: {domain: harm, title: t, cite: c, when: child.injury is at least inflicted, "
        "floor: {level: section_17, rag: amber}}\n"
    )
    found = difference(OLD, new(("guarantees:\n", rule + "guarantees:\n")))
    assert only_rule(found) == ("R-9", "added", (), Direction.RAISES)
    assert found.outcome == ()
    raised = found.rules[0].raised
    assert raised is not None
    assert raised.by_others
    assert raised.old == raised.new
    page = " ".join(as_text(difference_page(found)).split())
    assert "The earlier version gave as much by other rules." in page


def test_a_rules_case_is_its_own_and_not_that_of_another_change() -> None:
    """Beside a rule that changes nothing stands one that does: the case of the first does not borrow from it."""
    idle = (
        "  R-9: {domain: harm, title: t, cite: c, when: child.injury is at least inflicted, "
        "floor: {level: section_17, rag: amber}}\n"
    )
    found = difference(
        OLD,
        new(
            ("guarantees:\n", idle + "guarantees:\n"),
            ("household.call_outs is at least 3", "household.call_outs is at least 2"),
        ),
    )
    cases = {rule.id: rule.raised for rule in found.rules}
    assert cases["R-9"] is not None
    assert cases["R-9"].facts.startswith("an injury to the child: inflicted. Everything else")
    assert cases["R-9"].by_others
    assert cases["R-4"] is not None
    assert not cases["R-4"].by_others


def test_a_floor_that_rises_under_a_higher_one_is_told_as_covered_by_it() -> None:
    higher = (
        "  R-9: {domain: harm, title: t, cite: c, when: child.injury is at least explained, "
        "floor: {level: section_47, rag: red}}\n"
    )
    floor = "floor: {level: section_17, rag: amber}\n  R-3"
    old = new(("guarantees:\n", higher + "guarantees:\n"))
    raised = new(
        ("guarantees:\n", higher + "guarantees:\n"),
        (floor, floor.replace("section_17", "section_47")),
    )
    found = difference(old, raised)
    assert only_rule(found) == ("R-2", "changed", ("level",), Direction.RAISES)
    assert found.rules[0].raised is not None
    assert found.rules[0].raised.by_others
    assert found.outcome == ()


def test_a_value_out_of_the_other_versions_bounds_counts_there_as_not_known() -> None:
    """Of an age that it does not know, the earlier version thinks the worst."""
    found = difference(OLD, new(facts=(("    maximum: 25\n", "    maximum: 30\n"),)))
    (rule,) = found.rules
    assert (rule.id, rule.direction) == ("R-3", Direction.LOWERS)
    assert rule.lowered is not None
    assert "the child's age in years: 30; " in rule.lowered.facts


def test_a_removed_rule_lowers() -> None:
    start = TEXTS["policy.yaml"].index("  R-2:")
    end = TEXTS["policy.yaml"].index("  R-3:")
    found = difference(OLD, new((TEXTS["policy.yaml"][start:end], "")))
    assert only_rule(found) == ("R-2", "removed", (), Direction.LOWERS)


def test_an_action_that_is_no_longer_obliged_is_found_though_level_and_urgency_stay() -> None:
    found = difference(OLD, new(("    actions: [police_now]\n  R-4", "  R-4")))
    assert only_rule(found) == ("R-3", "changed", ("actions",), Direction.LOWERS)
    assert [(shift.part, shift.direction) for shift in found.outcome] == [("police now", Direction.LOWERS)]


def test_a_better_title_changes_no_outcome() -> None:
    found = difference(
        OLD, new(("title: An injury that nobody can explain", "title: An injury without a story"))
    )
    assert only_rule(found) == ("R-2", "changed", ("title",), Direction.NEITHER)
    assert found.outcome == ()


def test_another_reading_of_unknown_is_a_difference_of_every_rule_that_rests_on_it() -> None:
    found = difference(
        OLD, new(facts=(("    polarity: neutral\n", "    polarity: neutral\n    unknown: not_met\n"),))
    )
    assert only_rule(found) == ("R-3", "changed", ("meaning of its facts",), Direction.LOWERS)
    case = found.rules[0].lowered
    assert case is not None
    assert "not known: the child's age in years" in case.facts
    assert found.others == ("Fact `child.age` is changed.",)


def test_a_value_that_only_one_version_knows_is_unknown_to_the_other() -> None:
    steps = ("steps: [none, standard, medium, high]", "steps: [none, standard, raised, medium, high]")
    found = difference(
        OLD, new(("household.abuse is at least medium", "household.abuse is at least raised"), facts=(steps,))
    )
    moved = {rule.id: rule for rule in found.rules}
    assert moved["R-4"].direction is Direction.RAISES
    assert moved["R-4"].raised is not None
    assert moved["R-4"].raised.facts.startswith("domestic abuse: raised. ")
    assert "meaning of its facts" in moved["R-4"].what


def test_what_stands_beside_the_rules_is_compared_too() -> None:
    found = difference(
        OLD,
        new(
            ("default: {level: universal, rag: green}", "default: {level: universal, rag: blue}"),
            ("  one-call:\n", "  a-loud-party:\n"),
            ("why: A bruise counts for more.", "why: It counts for more."),
            (
                "at_least: {level: section_47, rag: red}\n    actions: [strategy_discussion]\ngolden",
                "at_least: {level: section_47, rag: red}\ngolden",
            ),
        ),
    )
    assert found.others == (
        "When no rule holds: universal, blue, was universal, green.",
        "Guarantee `G-1` is changed.",
        "Decisive question `D-1` is changed.",
        "Golden case `a-loud-party` is new.",
        "Golden case `one-call` is gone.",
    )


NEW = new(
    ("household.call_outs is at least 3", "household.call_outs is at least 2"),
    ("child.age is under 8", "child.age is under 6"),
    ("at least 2 of:", "at least 3 of:"),
)
FOUND = difference(OLD, NEW)


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries({}, optional={
    "child.injury": st.sampled_from(["none", "explained", "unexplained", "inflicted"]),
    "child.non_mobile": st.booleans(),
    "child.left_alone": st.booleans(),
    "child.age": st.integers(0, 25),
    "child.attendance": st.integers(80, 100),
    "household.abuse": st.sampled_from(["none", "standard", "medium", "high"]),
    "household.call_outs": st.integers(0, 5),
    "household.protective_adult": st.booleans(),
}))  # fmt: skip
def test_no_child_differs_in_a_way_that_was_not_told(values: Mapping[str, bool | int | str]) -> None:
    """What the solver says of all children holds of each, as the policy is applied to them."""
    facts = ChildFacts(
        tuple(
            StatedFact(Fact(fact=name, value=value, basis=Basis.RECORD), "staff")
            for name, value in values.items()
        )
    )
    before, after = decide(OLD, encode(OLD, facts)), decide(NEW, encode(NEW, facts))
    told = {shift.part: shift.direction for shift in FOUND.outcome}
    assert told["level"] is Direction.BOTH
    for part, mine, theirs in (("level", before.level, after.level), ("urgency", before.rag, after.rag)):
        if mine != theirs:
            assert told[part] in (Direction.BOTH, Direction.RAISES if theirs > mine else Direction.LOWERS)


def stored(
    count: int, attributes: Mapping[str, str], **values: bool | int | str | Between
) -> list[tuple[ChildFacts, Mapping[str, str]]]:
    facts = tuple(
        StatedFact(Fact(fact=name.replace("__", "."), value=value, basis=Basis.RECORD), "police")
        for name, value in values.items()
    )
    return [(ChildFacts(facts, {"police": AgencyState.RETURNED}), attributes)] * count


def test_changes_over_stored_children_are_counted_by_what_tells_them_apart() -> None:
    cases = [
        *stored(7, {"agency": "police", "ward": "North"}, household__call_outs=2),
        *stored(6, {"agency": "school", "ward": "North"}, household__call_outs=2),
        *stored(20, {"agency": "school", "ward": "South"}, household__call_outs=1),
    ]
    changes = compare(OLD, NEW, cases)
    assert (changes.children, changes.changed, changes.unchanged) == ("33", "13", "20")
    assert changes.measures["level rises"] == "13"
    assert [(move.old, move.new, move.children) for move in changes.moves] == [
        ("universal", "section_17", "13")
    ]
    assert changes.groups["agency"]["school"] == {
        "children": "26",
        "level rises": "6",
        "level falls": "0",
        "urgency rises": "6",
        "urgency falls": "0",
        "actions differ": "0",
    }
    assert changes.groups["ward"]["South"]["level rises"] == "0"


def test_small_numbers_are_hidden_and_cannot_be_worked_out() -> None:
    cases = [
        *stored(2, {"ward": "North"}, household__call_outs=2),
        *stored(5, {"ward": "South"}, household__call_outs=2),
        *stored(9, {"ward": "East"}, household__call_outs=2),
        *stored(40, {"ward": "West"}, household__call_outs=0),
        *stored(40, {"ward": "Fen"}, household__call_outs=0),
        *stored(10, {"ward": "Bridge"}, household__call_outs=2),
    ]
    column = {ward: row["level rises"] for ward, row in compare(OLD, NEW, cases).groups["ward"].items()}
    assert column == {
        "Bridge": "10",
        "East": "9",
        "Fen": "0",
        "North": "fewer than 5",
        "South": "not shown",
        "West": "0",
    }


def test_five_is_not_fewer_than_five() -> None:
    changes = compare(OLD, NEW, stored(5, {"ward": "North"}, household__call_outs=2))
    assert (changes.children, changes.changed, changes.unchanged) == ("5", "5", "0")
    assert changes.groups["ward"]["North"]["level rises"] == "5"


def test_a_few_changes_do_not_show_as_the_rest_of_the_total() -> None:
    cases = [*stored(3, {}, household__call_outs=2), *stored(50, {}, household__call_outs=0)]
    changes = compare(OLD, NEW, cases)
    assert (changes.children, changes.changed, changes.unchanged) == ("53", "fewer than 5", "not shown")


def test_two_hidden_numbers_of_one_are_not_given_away_by_their_sum() -> None:
    cases = [
        *stored(1, {"ward": "A"}, household__call_outs=2),
        *stored(1, {"ward": "B"}, household__call_outs=2),
        *stored(6, {"ward": "C"}, household__call_outs=2),
    ]
    column = {ward: row["level rises"] for ward, row in compare(OLD, NEW, cases).groups["ward"].items()}
    assert column == {"A": "fewer than 5", "B": "fewer than 5", "C": "not shown"}
