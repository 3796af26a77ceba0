"""What holds of every policy and every child, whatever is known and whoever is silent."""

from dataclasses import replace
from functools import cache
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.schemas.dictionary import REFERRER, Polarity
from libs.schemas.findings import NOT_UNDERSTOOD, AgencyState, Basis, Between, Period
from libs.schemas.levels import Rag
from services.triage.policy import (
    ChildFacts,
    Policy,
    StatedFact,
    decide,
    encode,
    evaluate,
)
from services.triage.policy.reference import judge
from tests.services.triage.policy.children import (
    AGENCIES,
    ANSWERED,
    OVERDUE,
    SILENT,
    any_child,
    at_concern,
    children,
    policies,
    stated,
    values,
    worsened,
)
from tests.services.triage.shipped import shipped_policy

SHIPPED = shipped_policy()
EVERYONE = dict.fromkeys(SHIPPED.dictionary.agencies, AgencyState.NOTHING_HELD)

anywhere = any_child | children(SHIPPED.dictionary).map(lambda child: (SHIPPED, child))


def plain(child: ChildFacts) -> tuple[StatedFact, ...]:
    """The statements that are understood and that leave nothing open themselves."""
    return tuple(
        one
        for one in child.stated
        if one.fact.value != NOT_UNDERSTOOD and not isinstance(one.fact.value, Between)
    )


# To compile the shipped rules takes longer than to apply them to thirty children: each order of them is made once.
SHIPPED_QUIET = replace(SHIPPED, decisive=())
ORDERS = 8


@cache
def shipped_in_order(number: int) -> Policy:
    """The shipped policy with its rules in another order, one for each number."""
    rules = list(SHIPPED.rules)
    Random(number).shuffle(rules)
    return replace(SHIPPED, rules=tuple(rules))


some = settings(max_examples=120, deadline=None)


@some
@given(anywhere)
def test_what_is_applied_is_what_the_obvious_reading_says(case: tuple[Policy, ChildFacts]) -> None:
    policy, child = case
    expected, outcome, verdict = (
        judge(policy, child),
        evaluate(policy, child),
        decide(policy, encode(policy, child)),
    )
    assert (verdict.level, verdict.could_rise_to) == (expected.level, expected.could_rise_to)
    assert (outcome.level, outcome.rag) == (expected.level, expected.rag)
    assert (outcome.could_rise_to, outcome.rag_could_rise_to) == (
        expected.could_rise_to, expected.rag_could_rise_to
    )  # fmt: skip
    assert outcome.immediate == verdict.immediate == expected.immediate
    ids = [rule.id for rule in policy.rules]
    assert tuple(one for n, one in enumerate(ids) if verdict.fired >> n & 1) == expected.fired
    assert tuple(one for n, one in enumerate(ids) if verdict.possible >> n & 1) == expected.possible
    assert tuple(one.rule for one in outcome.fired) == expected.fired
    assert {rule for one in outcome.possible for rule in one.rules} <= {*expected.possible} - {
        *expected.fired
    }


@some
@given(anywhere)
def test_what_is_certain_is_possible(case: tuple[Policy, ChildFacts]) -> None:
    policy, child = case
    vector, outcome = encode(policy, child), evaluate(policy, child)
    assert all(definite <= possible for definite, possible in zip(*vector, strict=True))
    assert outcome.level <= outcome.could_rise_to
    assert outcome.rag <= outcome.rag_could_rise_to


@some
@given(anywhere, st.data())
def test_worse_facts_in_any_number_at_once_never_give_a_milder_outcome(
    case: tuple[Policy, ChildFacts], data: st.DataObject
) -> None:
    policy, child = case
    worse = tuple(worsened(policy.dictionary, fact, data.draw(st.integers(0, 3))) for fact in child.stated)
    before, after = evaluate(policy, child), evaluate(policy, replace(child, stated=worse))
    assert after.level >= before.level
    assert after.rag >= before.rag
    assert after.could_rise_to >= before.could_rise_to
    assert after.rag_could_rise_to >= before.rag_could_rise_to
    assert after.immediate >= before.immediate
    assert set(after.actions) >= set(before.actions)


@some
@given(anywhere, st.data())
def test_one_more_statement_of_a_risk_never_gives_a_milder_outcome(
    case: tuple[Policy, ChildFacts], data: st.DataObject
) -> None:
    policy, child = case
    risks = [
        one
        for one in policy.dictionary.definitions.values()
        if one.polarity is Polarity.RISK and not one.unknown_met
    ]
    if not risks:
        return
    one = data.draw(st.sampled_from(risks))
    more = stated(one.name, data.draw(values(one)), min(one.sources))
    before, after = evaluate(policy, child), evaluate(policy, replace(child, stated=(*child.stated, more)))
    assert after.level >= before.level
    assert {*after.actions} >= {*before.actions}
    assert after.rag >= decide(policy, encode(policy, child)).rag


@some
@given(anywhere, st.sampled_from(AGENCIES), st.data())
def test_an_answer_that_was_only_partly_understood_never_lowers_what_could_be(
    case: tuple[Policy, ChildFacts], agency: str, data: st.DataObject
) -> None:
    policy, child = case
    child = replace(
        child, states={**child.states, agency: AgencyState.RETURNED}, partly=child.partly - {agency}
    )
    unread = tuple(
        replace(one, fact=one.fact.model_copy(update={"value": NOT_UNDERSTOOD}))
        if one.source == agency and data.draw(st.booleans())
        else one
        for one in child.stated
    )
    before = evaluate(policy, child)
    after = evaluate(policy, replace(child, stated=unread, partly=child.partly | {agency}))
    assert after.could_rise_to >= before.could_rise_to
    assert after.rag_could_rise_to >= before.rag_could_rise_to
    assert {*after.actions, *after.possible_actions} >= {*before.actions, *before.possible_actions}


def _one_voice_on_what_settles(policy: Policy, child: ChildFacts) -> ChildFacts:
    """One statement settles a neutral fact; of two that differ the worse counts, which a removal may take away."""
    seen: set[str] = set()
    kept = []
    for one in child.stated:
        if not policy.dictionary.definitions[one.fact.fact].settles or one.fact.fact not in seen:
            kept.append(one)
        seen.add(one.fact.fact)
    return replace(child, stated=tuple(kept))


@some
@given(anywhere, st.sampled_from(AGENCIES), st.sampled_from(ANSWERED), st.sampled_from(SILENT))
def test_an_answer_that_is_taken_away_lowers_only_what_it_had_itself_established(
    case: tuple[Policy, ChildFacts], agency: str, answered: AgencyState, silence: AgencyState
) -> None:
    policy, child = case
    child = _one_voice_on_what_settles(policy, child)
    before = replace(child, states={**child.states, agency: answered}, partly=child.partly - {agency})
    after = replace(
        before,
        stated=tuple(one for one in child.stated if one.source != agency),
        states={**child.states, agency: silence},
    )
    one, two = evaluate(policy, before), evaluate(policy, after)
    assert two.could_rise_to >= one.could_rise_to
    assert two.rag_could_rise_to >= one.rag_could_rise_to
    assert {*two.actions, *two.possible_actions} >= {*one.actions, *one.possible_actions}
    stayed = all(
        later >= earlier
        for earlier, later in zip(
            encode(policy, before).definite, encode(policy, after).definite, strict=True
        )
    )
    if stayed:  # it had stated nothing adverse that nobody else states
        assert two.level >= one.level
        assert two.rag >= one.rag


@some
@given(anywhere, st.sampled_from(AGENCIES), st.sampled_from(SILENT))
def test_nothing_held_in_place_of_silence_lowers_nothing_but_what_the_gap_had_raised(
    case: tuple[Policy, ChildFacts], agency: str, silence: AgencyState
) -> None:
    policy, child = case
    silent, answered = (
        replace(child, states={**child.states, agency: state})
        for state in (silence, AgencyState.NOTHING_HELD)
    )
    before, after = evaluate(policy, silent), evaluate(policy, answered)
    assert after.level == before.level
    assert after.rag >= decide(policy, encode(policy, silent)).rag
    if not before.rag_raised_for:
        assert after.rag >= before.rag
    assert after.could_rise_to <= before.could_rise_to
    assert after.fired == before.fired


@some
@given(anywhere)
def test_a_gap_raises_the_urgency_to_amber_at_most_and_says_whose_it_is(
    case: tuple[Policy, ChildFacts],
) -> None:
    policy, child = case
    outcome, certain = evaluate(policy, child), decide(policy, encode(policy, child)).rag
    assert outcome.rag >= certain
    assert bool(outcome.rag_raised_for) == (outcome.rag > certain)
    if outcome.rag > certain:
        assert outcome.rag <= Rag.AMBER
        late = {agency for agency, state in child.states.items() if state in OVERDUE}
        assert {*outcome.rag_raised_for} <= late | {REFERRER}


@some
@given(anywhere)
def test_a_rule_fires_on_its_evidence_alone(case: tuple[Policy, ChildFacts]) -> None:
    policy, child = case
    for fired in evaluate(policy, child).fired:
        shown = [
            one
            for one in child.stated
            if (one.fact.fact, one.fact.value, one.source)
            in [(e.fact, e.value, e.source) for e in fired.evidence]
        ]
        assert fired.rule in judge(policy, ChildFacts(tuple(shown))).fired
        assert not {one.fact.fact for one in shown} & {*fired.assumed}


@some
@given(anywhere)
def test_a_rule_that_is_partly_met_fires_once_what_is_missing_is_said(
    case: tuple[Policy, ChildFacts],
) -> None:
    policy, child = case
    outcome = evaluate(policy, child)
    for one in outcome.partly_met:
        assert one.evidence
        assert {*one.missing} <= {*outcome.missing}
        worst = [
            stated(name, at_concern(definition, definition.maximum))
            for name in one.missing
            for definition in [policy.dictionary.definitions[name]]
        ]
        said = replace(child, stated=(*child.stated, *worst))
        assert one.rule in judge(policy, said).fired


@some
@given(anywhere)
def test_what_could_still_rise_names_who_could_bring_it(case: tuple[Policy, ChildFacts]) -> None:
    policy, child = case
    child = replace(child, stated=plain(child))
    outcome = evaluate(policy, child)
    silent = {
        one for one in policy.dictionary.agencies if child.states.get(one) not in ANSWERED
    } | child.partly
    for rise in outcome.possible:
        assert {*rise.agencies} <= silent
        assert rise.agencies or rise.questions
    if outcome.could_rise_to > outcome.level:
        assert outcome.possible
        assert max(rise.level for rise in outcome.possible) == outcome.could_rise_to


@some
@given(anywhere)
def test_when_everyone_has_spoken_and_no_question_is_open_nothing_more_can_come(
    case: tuple[Policy, ChildFacts],
) -> None:
    policy, child = case
    quiet = SHIPPED_QUIET if policy is SHIPPED else replace(policy, decisive=())
    outcome = evaluate(quiet, ChildFacts(plain(child), dict.fromkeys(AGENCIES, AgencyState.RETURNED)))
    assert (outcome.could_rise_to, outcome.rag_could_rise_to) == (outcome.level, outcome.rag)
    assert (outcome.possible, outcome.missing, outcome.waiting_on) == ((), (), ())


@some
@given(anywhere, st.sampled_from(Basis), st.sampled_from(Period), st.randoms(use_true_random=False))
def test_neither_order_nor_how_it_is_known_changes_the_outcome(
    case: tuple[Policy, ChildFacts], basis: Basis, period: Period, chance: Random
) -> None:
    policy, child = case
    shuffled = [
        StatedFact(one.fact.model_copy(update={"basis": basis, "period": period}), one.source)
        for one in child.stated
    ]
    chance.shuffle(shuffled)
    if policy is SHIPPED:
        other = shipped_in_order(chance.randrange(ORDERS))
    else:
        other = replace(policy, rules=tuple(chance.sample(policy.rules, len(policy.rules))))
    one, two = evaluate(policy, child), evaluate(other, replace(child, stated=tuple(shuffled)))
    assert (one.level, one.rag, one.could_rise_to, one.rag_could_rise_to) == (
        two.level, two.rag, two.could_rise_to, two.rag_could_rise_to
    )  # fmt: skip
    assert {rule.rule for rule in one.fired} == {rule.rule for rule in two.fired}
    assert {*one.missing} == {*two.missing}


@some
@given(anywhere)
def test_a_stored_outcome_reads_back_as_it_was(case: tuple[Policy, ChildFacts]) -> None:
    outcome = evaluate(*case)
    assert type(outcome).model_validate_json(outcome.model_dump_json()) == outcome


@some
@given(policies)
def test_where_nothing_is_known_and_everyone_is_silent_every_rule_that_agencies_could_fire_is_possible(
    policy: Policy,
) -> None:
    possible = judge(policy, ChildFacts(())).possible
    for rule in policy.rules:
        if all(one.definition.sources - {REFERRER} for one in rule.condition.comparisons()):
            assert rule.id in possible
    assert {rule for rise in evaluate(policy, ChildFacts(())).possible for rule in rise.rules} <= {*possible}
