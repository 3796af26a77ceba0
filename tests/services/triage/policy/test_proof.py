"""The structural proof works rules out, and finds what its argument would miss."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.triage.policy import load_policy
from services.triage.policy import proof as proof_module
from services.triage.policy.conditions import Comparison, Condition, Several
from services.triage.policy.points import cut_points, effect, holds, least_points, shrink
from services.triage.policy.proof import _Axes, _table, enumerate_condition, enumerate_rules
from services.triage.policy.solver import Child, Solver
from tests.services.triage.policy.small import TEXTS

POLICY = load_policy(TEXTS)
FACTS = (
    "child.injury",
    "child.left_alone",
    "household.abuse",
    "child.attendance",
    "household.protective_adult",
)


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    definition = POLICY.dictionary.definitions[draw(st.sampled_from(FACTS))]
    return Comparison(definition, draw(st.integers(1, min(definition.maximum, 4))))


@st.composite
def several(draw: st.DrawFn, parts: st.SearchStrategy[Condition]) -> Several:
    chosen = tuple(draw(st.lists(parts, min_size=1, max_size=4)))
    return Several(chosen, draw(st.integers(1, len(chosen))), "at least N of")


conditions = st.recursive(comparisons(), several, max_leaves=8)


@settings(max_examples=60, deadline=None)
@given(conditions)
def test_the_enumeration_agrees_with_the_condition_at_every_point(condition: Condition) -> None:
    axes = _Axes(cut_points([condition]))
    table = _table(condition, axes)
    for index in range(axes.points):
        assert bool(table >> index & 1) == holds(condition, axes.point(index))


@settings(max_examples=40, deadline=None)
@given(conditions, st.data())
def test_the_solver_reads_a_condition_as_it_is_applied(condition: Condition, data: st.DataObject) -> None:
    cuts = cut_points([condition])
    point = {name: data.draw(st.sampled_from([0, *ranks]), label=name) for name, ranks in cuts.items()}
    solver = Solver()
    child = Child.any(solver, cuts, "child")
    known = [
        claim if point[name] >= rank else solver.not_(claim)
        for name, steps in child.reached.items()
        for rank, claim in steps.items()
    ]
    claim = child.holds(condition)
    assert solver.satisfiable(*known, claim) == holds(condition, point)
    assert solver.satisfiable(*known, solver.not_(claim)) != holds(condition, point)


@pytest.mark.parametrize("needed", [1, 2, 3, 4])
def test_the_solver_counts_the_parts_that_hold(needed: int) -> None:
    parts = tuple(Comparison(POLICY.dictionary.definitions[name], 1) for name in FACTS[:4])
    solver = Solver()
    child = Child.any(solver, cut_points(parts), "child")
    claim = child.holds(Several(parts, needed, "at least N of"))
    for holding in range(5):
        known = [
            child.reached[name][1] if place < holding else solver.not_(child.reached[name][1])
            for place, name in enumerate(FACTS[:4])
        ]
        assert solver.satisfiable(*known, claim) == (holding >= needed)


@settings(max_examples=60, deadline=None)
@given(conditions)
def test_every_point_where_a_condition_holds_is_above_a_least_point(condition: Condition) -> None:
    least = list(least_points(condition))
    cuts = cut_points([condition])
    for ranks in product(*((0, *cut) for cut in cuts.values())):
        point = dict(zip(cuts, ranks, strict=True))
        above = any(all(point[name] >= rank for name, rank in one.items()) for one in least)
        assert above == holds(condition, point)


@settings(max_examples=60, deadline=None)
@given(conditions)
def test_a_condition_is_monotone_whole_and_in_parts(condition: Condition) -> None:
    assert enumerate_condition(condition)[1] is None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof_module, "POINTS_AT_ONCE", 1)
        assert enumerate_condition(condition)[1] is None


def test_a_point_from_which_a_worse_fact_leads_out_is_found() -> None:
    """Medium and not high: the table of a condition that the language cannot express."""
    axes = _Axes({"household.abuse": (2, 3), "child.left_alone": (1,)})
    medium = axes.from_step("household.abuse", 1) & ~axes.from_step("household.abuse", 2)
    assert axes.fall(medium) == {"household.abuse": 2, "child.left_alone": 0}
    assert axes.fall(axes.from_step("household.abuse", 1)) is None


def test_a_rule_that_does_hold_less_is_found_among_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = proof_module._table

    def turned(condition: Condition, axes: _Axes) -> int:
        table = honest(condition, axes)
        return ~table & (1 << axes.points) - 1 if condition is POLICY.rules[3].condition else table

    monkeypatch.setattr(proof_module, "_table", turned)
    (fault,) = enumerate_rules(POLICY).faults
    assert fault.rule == "R-4"
    assert fault.point == {"household.abuse": 0, "household.call_outs": 0}


def test_a_case_is_shrunk_until_no_single_fact_can_be_milder() -> None:
    cuts = cut_points(rule.condition for rule in POLICY.rules)
    worst = {name: ranks[-1] for name, ranks in cuts.items()}
    smallest = shrink(worst, cuts, lambda point: effect(POLICY, point).level == "section_47")
    assert effect(POLICY, smallest).level == "section_47"
    for name, rank in smallest.items():
        assert effect(POLICY, {**smallest, name: rank - 1}).level != "section_47"
