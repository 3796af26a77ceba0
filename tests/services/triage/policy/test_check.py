"""A policy that could betray a child, or breaks what the board promised, is found out with place and case."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from services.triage.policy import check as check_module
from services.triage.policy import load_policy, read_texts
from services.triage.policy.check import check, steps
from services.triage.policy.claims import Report, Status
from services.triage.policy.conditions import Several
from services.triage.policy.monotone import Monotony
from services.triage.policy.solver import Child, GaveUp, Solver
from tests.services.triage.policy.small import TEXTS, changed, found, line_of, with_rule

PARTNERSHIP = Path(__file__).parents[4] / "deploy" / "partnership"


def test_everything_about_the_shipped_policy_is_proved() -> None:
    report = check(load_policy(read_texts(PARTNERSHIP)))
    assert [str(finding) for claim in report.claims for finding in claim.findings] == []
    assert {claim.status for claim in report.claims} == {Status.PROVED}
    assert report.holds


def test_the_structural_proof_of_the_shipped_policy_takes_under_100_ms() -> None:
    policy = load_policy(read_texts(PARTNERSHIP))
    structural = [step for step in steps(policy) if step.id in ("form", "cut_points", "applied")]
    assert len(structural) == 3
    quickest = min(sum(step.claim().seconds for step in structural) for _ in range(3))
    assert quickest < 0.1


def test_the_small_policy_holds() -> None:
    assert found(TEXTS) == []


SHADOWED = """\
  R-9:
    domain: harm
    title: A young child left alone with a bruise
    cite: thresholds, page 9
    when:
      all of:
        - child.left_alone is yes
        - child.age is under 5
        - child.injury is at least explained
        - none of: [household.protective_adult is yes]
    floor: {level: section_17, rag: amber}
"""


def test_a_shadowed_rule_is_refuted_with_the_rule_that_shadows_it() -> None:
    (fault,) = found(changed(("guarantees:\n", SHADOWED + "guarantees:\n")))
    assert "R-9: is shadowed" in fault
    assert "R-3" in fault
    assert "the child's age in years: 4" in fault


def test_a_rule_in_the_shadow_of_many_is_found_by_the_solver() -> None:
    """Between them the other rules give all of it, one the level and another the urgency."""
    parts = [
        ("R-7", "child.left_alone is yes", "section_47, rag: green"),
        ("R-8", "household.abuse is at least high", "universal, rag: red"),
        (
            "R-9",
            "{all of: [child.left_alone is yes, household.abuse is at least high]}",
            "section_47, rag: red",
        ),
    ]
    rules = "".join(
        f"  {name}: {{domain: abuse, title: t, cite: c, when: {when}, floor: {{level: {floor}}}}}\n"
        for name, when, floor in parts
    )
    (fault,) = found(changed(("guarantees:\n", rules + "guarantees:\n")))
    assert "R-9: is shadowed" in fault
    assert "R-7 and R-8" in fault


def test_a_rule_under_what_holds_anyway_is_refuted() -> None:
    faults = found(with_rule("R-9", "child.left_alone is yes", "{level: universal, rag: blue}"))
    assert any("R-9: adds nothing to what holds when no rule does" in fault for fault in faults)


def test_a_guarantee_that_does_not_hold_is_refuted_with_the_smallest_case() -> None:
    texts = changed(
        (
            "when: {all of: [child.injury is at least unexplained, child.non_mobile is yes]}",
            "when: child.injury is at least unexplained",
        )
    )
    (fault,) = found(texts)
    assert fault.startswith(line_of(texts, "  G-1:"))
    assert "section 17, amber where section 47, red is promised, without strategy discussion" in fault
    assert fault.endswith(
        "an injury to the child: unexplained. Everything else is known and as mild as it can be."
    )


def test_a_guarantee_with_more_cases_than_can_be_looked_at_is_still_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With no least case looked at, the solver alone refutes, and its case is made small."""
    monkeypatch.setattr("services.triage.policy.promises.CASES", 0)
    assert found(TEXTS) == []
    (fault,) = found(
        changed(
            (
                "when: {all of: [child.injury is at least unexplained, child.non_mobile is yes]}",
                "when: child.injury is at least unexplained",
            )
        )
    )
    assert "injury to the child: unexplained. Everything else" in fault


def test_a_fact_without_effect_that_does_not_say_so_is_refuted() -> None:
    texts = changed(("    no_effect: it is told to whoever helps\n", ""), file="facts.yaml")
    (fault,) = found(texts)
    assert fault.startswith(line_of(texts, "child.hobby:", "facts.yaml"))
    assert "child.hobby: can change neither outcome nor place" in fault


def test_a_fact_that_is_read_but_never_decides_is_refuted() -> None:
    """Only a rule reads it that gives no more than another one gives anyway."""
    when = "{all of: [household.abuse is at least high, child.hobby is yes]}"
    texts = with_rule("R-9", when, "{level: section_17, rag: amber}")
    texts["facts.yaml"] = changed(("    no_effect: it is told to whoever helps\n", ""), file="facts.yaml")[
        "facts.yaml"
    ]
    assert any("child.hobby: can change neither" in fault for fault in found(texts))


def test_a_fact_that_denies_its_effect_is_refuted() -> None:
    texts = changed(
        ("    sources: [education]\n", "    sources: [education]\n    no_effect: none\n"), file="facts.yaml"
    )
    assert any("child.attendance: says `no_effect`, and it has one" in fault for fault in found(texts))


def test_a_golden_case_that_fails_is_told_with_the_rules_that_fired() -> None:
    texts = changed(("facts: {household.call_outs: 1,", "facts: {household.call_outs: 3,"))
    (fault,) = found(texts)
    assert fault.startswith(line_of(texts, "  one-call:"))
    assert "should be early help at the most, came out as section 17, amber by R-4" in fault


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("{child.age: 0, child.non_mobile: yes, ", "{child.age: 0, "), "should be at least section 47, red"),
        (
            (
                "    actions: [strategy_discussion, paediatric_opinion]\n  one",
                "    actions: [police_now]\n  one",
            ),
            "should oblige police now",
        ),
        (
            ("not_actions: [police_now]", "not_actions: [police_now]\n    actions: [police_now]"),
            "should oblige police now",
        ),
        (
            (
                "    actions: [strategy_discussion, paediatric_opinion]\n  one",
                "    not_actions: [paediatric_opinion]\n  one",
            ),
            "should not oblige paediatric opinion",
        ),
    ],
)
def test_a_golden_case_is_held_to_everything_that_it_says(change: tuple[str, str], message: str) -> None:
    assert any(message in fault for fault in found(changed(change)))


def test_a_dead_decisive_question_is_refuted() -> None:
    texts = changed(("ask: [child.non_mobile]", "ask: [child.non_mobile, child.hobby]"))
    (fault,) = found(texts)
    assert "D-1: asks for `child.hobby`, whose answer can never change an outcome here" in fault


def test_a_decisive_question_whose_answer_no_longer_counts_where_it_is_asked_is_refuted() -> None:
    """Where it is asked, the outcome is already all that the answer could bring."""
    extra = "immediate: yes, actions: [strategy_discussion, paediatric_opinion]"
    faults = found(
        with_rule("R-9", "child.injury is at least explained", "{level: section_47, rag: red}", extra)
    )
    assert any("D-1: asks for `child.non_mobile`" in fault for fault in faults)
    assert any("R-1: is shadowed" in fault for fault in faults)


def test_a_yaml_trap_is_text_and_is_refused_where_text_does_not_fit() -> None:
    (fault,) = found(changed(("child.age: 0,", "child.age: 0x10,")))
    assert "whole number" in fault


@pytest.mark.parametrize(("certain", "could"), [(True, True), (True, False), (False, True)])
def test_what_the_compiled_function_says_otherwise_is_found(
    certain: bool, could: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = load_policy(TEXTS)
    honest = policy.program.judge

    def deaf(definite: Sequence[int], possible: Sequence[int]) -> tuple[int, int]:
        fired, open_ = honest(definite, possible)
        return fired & ~2 if certain else fired, open_ & ~2 if could else open_

    monkeypatch.setitem(vars(policy), "program", replace(policy.program, judge=deaf))
    claim = check(policy, solver=False).claim("applied")
    assert claim is not None
    assert "R-2" in [finding.subject for finding in claim.findings]


def test_a_rule_of_unknown_form_is_refuted_and_not_worked_out() -> None:
    class Unless(Several):
        """A condition that a worse fact could switch off."""

    policy = load_policy(TEXTS)
    odd = replace(policy.rules[0], condition=Unless(policy.rules[0].condition.parts, 2, "unless"))  # type: ignore[union-attr]
    report = check(replace(policy, rules=(odd, *policy.rules[1:])), solver=False)
    assert [finding.subject for claim in report.refuted for finding in claim.findings] == ["R-1"]


def test_a_rule_that_falls_when_a_fact_gets_worse_is_refuted_with_both_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loader lets no such rule in, so the solver's own reading of one rule is turned round."""
    honest = Child.holds

    def turned(child: Child, condition: object) -> object:
        claim = honest(child, condition)  # type: ignore[arg-type]
        return child.solver.not_(claim) if condition is policy.rules[1].condition else claim

    policy = load_policy(TEXTS)
    monkeypatch.setattr(Child, "holds", turned)
    falls = list(Monotony(policy).falls())
    assert {fall.step for fall in falls} >= {"R-2", "amber", "section_17"}
    assert not {fall.step for fall in falls} & {"R-1", "R-3", "red", "section_47"}
    fall = next(fall for fall in falls if fall.step == "R-2")
    assert fall.before.get("child.injury", 0) < 2 <= fall.after["child.injury"]


def test_without_the_solver_nothing_is_said_to_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_module, "available", lambda: False)
    report = check(load_policy(TEXTS))
    assert not report.holds
    assert report.refuted == ()
    assert {claim.id for claim in report.claims if claim.status is Status.NOT_TRIED} >= {
        "never_falls",
        "guarantees",
    }


def test_what_the_solver_gives_up_on_was_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def tired(self: Solver, *claims: object) -> bool:
        raise GaveUp("the solver gave up: timeout")

    monkeypatch.setattr(Solver, "satisfiable", tired)
    report = check(load_policy(TEXTS))
    claim = report.claim("guarantees")
    assert claim is not None
    assert (claim.status, claim.detail) == (Status.NOT_TRIED, "the solver gave up: timeout")
    assert not report.holds


def test_a_question_without_an_answer_in_its_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """That one of fourteen pigeons shares a hole of thirteen takes a solver of clauses an age to find."""
    monkeypatch.setattr("services.triage.policy.solver.PATIENCE", 50)
    solver = Solver()
    holes = [[solver.fresh(f"{pigeon} in {hole}") for hole in range(13)] for pigeon in range(14)]
    solver.establish(*(solver.any_of(places) for places in holes))
    for hole in range(13):
        column = [places[hole] for places in holes]
        pairs = [(one, two) for place, one in enumerate(column) for two in column[:place]]
        solver.establish(*(solver.not_(solver.all_of(pair)) for pair in pairs))
    with pytest.raises(GaveUp):
        solver.satisfiable()


def test_a_report_is_read_back_as_it_was_kept() -> None:
    report = check(load_policy(changed(("household.call_outs: 1,", "household.call_outs: 3,"))), solver=False)
    assert Report.read(report.document()) == report
    assert report.document()["holds"] is False
