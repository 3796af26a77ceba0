"""The solver reads what is known of a child as the policy does, and its claims fail where the reading is broken."""

from collections.abc import Iterator

import pytest

from libs.schemas.dictionary import Definition, Kind
from libs.schemas.findings import NOT_UNDERSTOOD, AgencyState, Basis, Between, Fact, FactValue
from services.triage.policy import ChildFacts, StatedFact, encode, load_policy
from services.triage.policy.monotone import DEFINITE, POSSIBLE, READINGS, Monotony, _Fact
from services.triage.policy.points import cut_points
from services.triage.policy.solver import Applied, Solver
from tests.services.triage.policy.small import TEXTS

POLICY = load_policy(TEXTS)
CUTS = cut_points(rule.condition for rule in POLICY.rules)
AGENCIES = POLICY.dictionary.agencies


def values(definition: Definition) -> Iterator[FactValue | None]:
    """Nothing, every value, and for a count some that are known within bounds only."""
    yield None
    if definition.kind is Kind.YES_NO:
        yield from (False, True)
    elif definition.kind is Kind.SCALE:
        yield from definition.steps
    else:
        yield from (0, 2, 3, 7, 8, definition.maximum)
        yield Between(at_least=2, at_most=definition.maximum)


@pytest.mark.parametrize("name", CUTS)
def test_the_solver_reads_every_value_and_silence_of_a_fact_as_the_policy_does(name: str) -> None:
    definition = POLICY.dictionary.definitions[name]
    for value in values(definition):
        for silent in (False, True):
            for unreadable in (False, True):
                facts = [Fact(fact=name, value=value, basis=Basis.RECORD)] if value is not None else []
                facts += [Fact(fact=name, value=NOT_UNDERSTOOD, basis=Basis.RECORD)] if unreadable else []
                state = AgencyState.NO_ANSWER if silent else AgencyState.NOTHING_HELD
                known = ChildFacts(
                    tuple(StatedFact(fact, "referrer") for fact in facts), dict.fromkeys(AGENCIES, state)
                )
                vector = encode(POLICY, known)
                place = POLICY.encoder.places[name]
                solver = Solver()
                fact = _Fact(solver, definition, CUTS[name])
                one = fact.milder
                solver.establish(*one.bonds)
                concerns = definition.concerns(value) if value is not None else None
                could_say = silent and not definition.sources.isdisjoint(AGENCIES)
                for claim, holds in (
                    (one.stated, concerns is not None),
                    (one.silent, could_say),
                    (one.doubtful, unreadable),
                ):
                    solver.establish(claim if holds else solver.not_(claim))
                least, greatest = concerns or (0, 0)
                for rank in CUTS[name] if concerns is not None else ():
                    for claims, concern in ((one.least, least), (one.greatest, greatest)):
                        solver.establish(claims[rank] if concern >= rank else solver.not_(claims[rank]))
                for reading, expected in ((DEFINITE, vector.definite), (POSSIBLE, vector.possible)):
                    for rank in CUTS[name]:
                        reached = fact.reached[0][reading][rank]
                        assert solver.satisfiable(reached) == (expected[place] >= rank)
                        assert solver.satisfiable(solver.not_(reached)) == (expected[place] < rank)


def test_a_child_in_no_fact_milder_may_be_worse_in_any_number_of_them() -> None:
    """The relation is not empty: from everything mild it allows everything at its worst, and nothing the other way."""
    solver = Solver()
    facts = [_Fact(solver, POLICY.dictionary.definitions[name], CUTS[name]) for name in CUTS]
    solver.establish(*(bond for fact in facts for bond in (*fact.milder.bonds, *fact.worse.bonds)))
    for reading in READINGS:
        related = [fact.related[reading] for fact in facts]
        mild = [solver.not_(fact.reached[0][reading][CUTS[fact.definition.name][0]]) for fact in facts]
        worst = [fact.reached[1][reading][CUTS[fact.definition.name][-1]] for fact in facts]
        assert solver.satisfiable(*related, *mild, *worst)
        for fact, ranks in zip(facts, CUTS.values(), strict=True):
            fallen = [fact.reached[0][reading][ranks[0]], solver.not_(fact.reached[1][reading][ranks[0]])]
            assert not solver.satisfiable(fact.related[reading], *fallen)


def test_nothing_falls_and_nothing_is_certain_and_not_possible() -> None:
    monotony = Monotony(POLICY)
    assert list(monotony.falls()) == []
    assert list(monotony.inversions()) == []
    assert list(monotony.without_outcome()) == []


def test_a_reading_in_which_silence_reassures_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a fact only possible while nobody who could know is silent, an answer that is missing would lower."""
    honest = _Fact._readings

    def reassuring(fact: _Fact, one: object) -> dict[str, dict[int, object]]:
        readings = honest(fact, one)  # type: ignore[arg-type]
        silent = one.silent  # type: ignore[attr-defined]
        for rank, claim in readings[POSSIBLE].items():
            readings[POSSIBLE][rank] = fact.solver.all_of([claim, fact.solver.not_(silent)])
        return readings

    monkeypatch.setattr(_Fact, "_readings", reassuring)
    monotony = Monotony(POLICY)
    fallen = {fall.step for fall in monotony.falls() if fall.reading == POSSIBLE}
    assert fallen >= {"R-1", "R-2", "section_47", "red"}
    assert {fall.step for fall in monotony.inversions()} >= {"R-1", "section_47"}


def test_a_level_that_some_rules_leave_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Applied.__init__

    def gapped(self: Applied, *arguments: object) -> None:
        honest(self, *arguments)  # type: ignore[arg-type]
        solver = arguments[0]
        self.level = {level: solver.fresh(level.value) for level in self.level}  # type: ignore[attr-defined]

    monkeypatch.setattr(Applied, "__init__", gapped)
    assert list(Monotony(POLICY).without_outcome()) == ["level"]
