"""The rules that the policy must never break, on the shipped policy and on random facts and gaps."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.schemas.dictionary import Definition, Kind, Polarity
from libs.schemas.findings import NOT_UNDERSTOOD, AgencyState, Basis, Between, Fact, FactValue
from libs.schemas.levels import Level, Rag
from services.triage.policy import ChildFacts, Policy, StatedFact, evaluate, load_policy, read_texts

PARTNERSHIP = Path(__file__).parents[4] / "deploy" / "partnership"
POLICY = load_policy(read_texts(PARTNERSHIP))
DICTIONARY = POLICY.dictionary
AGENCIES = ("police", "health", "education", "marac")
ALL_ANSWERED = dict.fromkeys(AGENCIES, AgencyState.NOTHING_HELD)


def stated(name: str, value: FactValue, source: str = "referrer") -> StatedFact:
    return StatedFact(Fact(fact=name, value=value, basis=Basis.OBSERVED), source)


def values(definition: Definition) -> st.SearchStrategy[FactValue]:
    if definition.kind is Kind.YES_NO:
        return st.booleans()
    if definition.kind is Kind.SCALE:
        return st.sampled_from(definition.steps)
    return st.integers(0, definition.maximum)


@st.composite
def statements(draw: st.DrawFn) -> tuple[StatedFact, ...]:
    names = draw(st.lists(st.sampled_from(sorted(DICTIONARY.definitions)), max_size=8))
    return tuple(
        stated(
            name, draw(values(DICTIONARY.definitions[name])), draw(st.sampled_from(["referrer", *AGENCIES]))
        )
        for name in names
    )


states = st.fixed_dictionaries({agency: st.sampled_from(list(AgencyState)) for agency in AGENCIES})


def worse(fact: StatedFact, steps: int) -> StatedFact:
    """The same statement, `steps` more concerning in the direction that the dictionary signs."""
    definition = DICTIONARY.definitions[fact.fact.fact]
    bounds = definition.bounds(fact.fact.value)
    assert bounds is not None
    direction = {Polarity.RISK: 1, Polarity.PROTECTIVE: -1, Polarity.LOWER_IS_WORSE: -1, Polarity.NEUTRAL: 0}
    rank = min(max(bounds[0] + steps * direction[definition.polarity], 0), definition.maximum)
    value: FactValue
    if definition.kind is Kind.YES_NO:
        value = bool(rank)
    elif definition.kind is Kind.SCALE:
        value = definition.steps[rank]
    else:
        value = rank
    return StatedFact(fact.fact.model_copy(update={"value": value}), fact.source)


@settings(max_examples=300, deadline=None)
@given(statements(), states, st.data())
def test_worse_facts_in_any_number_at_once_never_give_a_milder_outcome(
    facts: tuple[StatedFact, ...], agencies: dict[str, AgencyState], data: st.DataObject
) -> None:
    worsened = tuple(worse(fact, data.draw(st.integers(0, 3))) for fact in facts)
    before, after = (evaluate(POLICY, ChildFacts(some, agencies)) for some in (facts, worsened))
    assert after.level >= before.level
    assert after.rag >= before.rag
    assert after.could_rise_to >= before.could_rise_to
    assert set(after.actions) >= set(before.actions)


@settings(max_examples=300, deadline=None)
@given(statements(), states, statements())
def test_more_statements_never_give_a_milder_level(
    facts: tuple[StatedFact, ...], agencies: dict[str, AgencyState], more: tuple[StatedFact, ...]
) -> None:
    risks = tuple(fact for fact in more if DICTIONARY.definitions[fact.fact.fact].polarity is Polarity.RISK)
    before, after = (evaluate(POLICY, ChildFacts(some, agencies)) for some in (facts, facts + risks))
    assert after.level >= before.level
    assert after.rag >= before.rag


@settings(max_examples=300, deadline=None)
@given(statements(), states, states)
def test_no_silence_of_any_kind_lowers_what_is_definite(
    facts: tuple[StatedFact, ...], some: dict[str, AgencyState], others: dict[str, AgencyState]
) -> None:
    definite = [evaluate(POLICY, ChildFacts(facts, agencies)) for agencies in (ALL_ANSWERED, some, others)]
    assert definite[0].level == definite[1].level == definite[2].level
    assert all(one.rag >= definite[0].rag for one in definite)
    assert all(one.could_rise_to >= one.level and one.rag_could_rise_to >= one.rag for one in definite)


@settings(max_examples=300, deadline=None)
@given(statements(), states, st.sampled_from(AGENCIES), st.data())
def test_an_answer_that_was_only_partly_understood_never_lowers_what_could_be(
    facts: tuple[StatedFact, ...], agencies: dict[str, AgencyState], agency: str, data: st.DataObject
) -> None:
    agencies |= {agency: AgencyState.RETURNED}
    partly = tuple(
        StatedFact(fact.fact.model_copy(update={"value": NOT_UNDERSTOOD}), agency)
        if fact.source == agency and data.draw(st.booleans())
        else fact
        for fact in facts
    )
    before = evaluate(POLICY, ChildFacts(facts, agencies))
    after = evaluate(POLICY, ChildFacts(partly, agencies, frozenset({agency})))
    assert after.could_rise_to >= before.could_rise_to
    assert after.rag_could_rise_to >= before.rag_could_rise_to
    assert {*after.actions, *after.possible_actions} >= {*before.actions, *before.possible_actions}


@pytest.mark.parametrize("gap", ["pending", "partly", "value"])
def test_a_gap_may_still_deny_that_a_child_is_protected(gap: str) -> None:
    risks = (
        stated("household.substance_misuse", "incapable"),
        stated("child.age", 2),
        stated("household.drugs_within_reach", False),
        stated("household.child_in_carers_beliefs", False),
    )
    protected = stated("household.protective_adult", True)
    confirmed = evaluate(POLICY, ChildFacts((*risks, protected), ALL_ANSWERED))
    denied = evaluate(
        POLICY, ChildFacts((*risks, protected, stated("household.protective_adult", False)), ALL_ANSWERED)
    )
    assert denied.level is Level.SECTION_47 > confirmed.could_rise_to
    facts: tuple[StatedFact, ...] = (*risks, protected)
    states: dict[str, AgencyState] = dict(ALL_ANSWERED)
    if gap == "pending":
        states["police"] = AgencyState.PENDING
    if gap == "value":
        facts += (stated("household.protective_adult", NOT_UNDERSTOOD, "police"),)
    partly = frozenset({"police"} if gap == "partly" else ())
    doubtful = evaluate(POLICY, ChildFacts(facts, states, partly))
    assert doubtful.level is confirmed.level
    assert "SUBSTANCE-4A" in {rule for rise in doubtful.possible for rule in rise.rules}
    assert "household.protective_adult" in doubtful.missing


@pytest.mark.parametrize("agency", AGENCIES)
def test_what_could_not_be_read_of_an_answer_is_as_much_a_gap_as_silence(agency: str) -> None:
    silent = evaluate(POLICY, ChildFacts((), ALL_ANSWERED | {agency: AgencyState.NO_ANSWER}))
    partly = evaluate(
        POLICY, ChildFacts((), ALL_ANSWERED | {agency: AgencyState.RETURNED}, frozenset({agency}))
    )
    assert (partly.could_rise_to, partly.possible) == (silent.could_rise_to, silent.possible)


@settings(max_examples=100, deadline=None)
@given(statements(), states, st.randoms(use_true_random=False))
def test_the_order_of_statements_and_of_rules_does_not_matter(
    facts: tuple[StatedFact, ...], agencies: dict[str, AgencyState], chance: Random
) -> None:
    shuffled = list(facts)
    chance.shuffle(shuffled)
    rules = list(POLICY.rules)
    chance.shuffle(rules)
    other = Policy(
        POLICY.id,
        POLICY.version,
        POLICY.effective,
        POLICY.sign_off,
        POLICY.level,
        POLICY.rag,
        tuple(rules),
        DICTIONARY,
        POLICY.fingerprint,
    )
    one, two = (
        evaluate(POLICY, ChildFacts(facts, agencies)),
        evaluate(other, ChildFacts(tuple(shuffled), agencies)),
    )
    assert (one.level, one.rag, one.could_rise_to) == (two.level, two.rag, two.could_rise_to)
    assert {rule.rule for rule in one.fired} == {rule.rule for rule in two.fired}


def test_every_rule_fires_on_some_facts_and_is_withheld_on_none() -> None:
    nothing = evaluate(POLICY, ChildFacts((), ALL_ANSWERED))
    assert nothing.fired == ()
    worst = tuple(
        stated(
            name,
            True
            if one.kind is Kind.YES_NO
            else one.steps[-1]
            if one.kind is Kind.SCALE
            else 0
            if one.polarity in (Polarity.NEUTRAL, Polarity.LOWER_IS_WORSE)
            else one.maximum,
        )
        for name, one in DICTIONARY.definitions.items()
        if one.polarity is not Polarity.PROTECTIVE
    )
    fired = {rule.rule for rule in evaluate(POLICY, ChildFacts(worst, ALL_ANSWERED)).fired}
    assert fired == {rule.id for rule in POLICY.rules}


def test_an_outstanding_agency_shows_what_it_could_still_bring() -> None:
    facts = (stated("child.age", 9), stated("child.hunger", "occasional"))
    waiting = evaluate(POLICY, ChildFacts(facts, ALL_ANSWERED | {"police": AgencyState.PENDING}))
    assert waiting.level is Level.EARLY_HELP
    assert waiting.could_rise_to is Level.SECTION_47
    assert waiting.waiting_on == ("police",)
    settled = evaluate(POLICY, ChildFacts(facts, ALL_ANSWERED))
    assert settled.could_rise_to is Level.EARLY_HELP
    assert settled.waiting_on == ()


def test_an_answer_that_was_due_and_did_not_come_raises_the_urgency_where_the_dictionary_says_so() -> None:
    facts = (stated("child.age", 9), stated("child.hunger", "occasional"))
    pending, unanswered = (
        evaluate(POLICY, ChildFacts(facts, ALL_ANSWERED | {"police": state}))
        for state in (AgencyState.PENDING, AgencyState.NO_ANSWER)
    )
    assert (pending.level, pending.rag) == (Level.EARLY_HELP, Rag.GREEN)
    assert (unanswered.level, unanswered.rag) == (Level.EARLY_HELP, Rag.AMBER)


def test_two_sources_that_disagree_are_both_kept_and_the_worse_counts() -> None:
    facts = (stated("child.injury", "none", "referrer"), stated("child.injury", "inflicted", "health"))
    outcome = evaluate(POLICY, ChildFacts(facts, ALL_ANSWERED))
    assert outcome.level is Level.SECTION_47
    assert {one.source for rule in outcome.fired for one in rule.evidence} == {"health"}


def test_a_count_within_bounds_is_definite_at_its_lowest_and_possible_at_its_highest() -> None:
    partial = stated("household.domestic_abuse_incidents_6_months", Between(at_least=1, at_most=5))
    outcome = evaluate(POLICY, ChildFacts((partial,), ALL_ANSWERED))
    assert outcome.level is Level.UNIVERSAL
    assert outcome.could_rise_to is Level.SECTION_17


def test_a_value_that_the_dictionary_does_not_know_is_unknown_and_never_no() -> None:
    newer = stated("child.injury", "suspected_by_a_later_dictionary")
    outcome = evaluate(POLICY, ChildFacts((newer,), ALL_ANSWERED))
    assert outcome.could_rise_to is Level.SECTION_47
