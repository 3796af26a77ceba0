"""What a policy says of a child: what holds, what could still hold, who could bring it, and exactly why."""

from datetime import date

import pytest

from libs.schemas.evaluation import Outcome
from libs.schemas.findings import NOT_UNDERSTOOD, AgencyState, Basis, Between, Fact, FactValue, Period
from libs.schemas.levels import Level, Rag
from services.triage.policy import EVALUATOR, ChildFacts, StatedFact, evaluate, load_policy
from tests.services.triage.policy.children import ANSWERED, OVERDUE, SILENT, stated
from tests.services.triage.policy.miniature import FACTS, HEAD, RULES, policy_of
from tests.services.triage.policy.small import changed

POLICY = policy_of()
EVERYONE = dict.fromkeys(POLICY.dictionary.agencies, AgencyState.NOTHING_HELD)


def outcome_of(
    *facts: StatedFact, partly: frozenset[str] = frozenset(), **states: AgencyState | str
) -> Outcome:
    """The outcome where every agency that is not named holds nothing."""
    return evaluate(POLICY, ChildFacts(facts, EVERYONE | states, partly))


def test_nothing_stated_and_everybody_heard_is_the_policys_default() -> None:
    outcome = outcome_of()
    assert (outcome.level, outcome.rag, outcome.could_rise_to) == (
        Level.UNIVERSAL,
        Rag.GREEN,
        Level.UNIVERSAL,
    )
    assert (outcome.fired, outcome.possible, outcome.missing, outcome.waiting_on) == ((), (), (), ())
    assert outcome.evaluator == EVALUATOR
    assert outcome.policy == POLICY.fingerprint


def test_the_highest_floor_wins_and_danger_is_marked() -> None:
    outcome = outcome_of(stated("child.injury", "explained"), stated("child.non_mobile", True))
    assert (outcome.level, outcome.rag, outcome.immediate) == (Level.SECTION_47, Rag.RED, True)
    assert outcome.actions == ("strategy_discussion", "police_now")


@pytest.mark.parametrize("state", [*SILENT, "a_state_of_a_later_version"])
def test_every_kind_of_silence_leaves_open_what_that_agency_could_say(state: AgencyState | str) -> None:
    outcome = outcome_of(stated("child.age", 9), stated("child.non_mobile", False), police=state)
    assert (outcome.level, outcome.could_rise_to) == (Level.UNIVERSAL, Level.SECTION_17)
    assert {agency for rise in outcome.possible for agency in rise.agencies} == {"police"}
    assert {*outcome.missing} == {"child.episodes", "child.injury", "child.left_alone"}


@pytest.mark.parametrize("state", ANSWERED)
def test_an_answer_leaves_nothing_open(state: AgencyState) -> None:
    assert outcome_of(stated("child.age", 9), police=state).possible == ()


def test_an_agency_without_a_state_was_not_asked_and_is_silent() -> None:
    outcome = evaluate(POLICY, ChildFacts((stated("child.age", 9),)))
    assert {agency for rise in outcome.possible for agency in rise.agencies} == {
        "education",
        "health",
        "police",
    }
    assert outcome.waiting_on == ()


@pytest.mark.parametrize("state", SILENT)
def test_only_an_answer_that_may_still_come_is_waited_for(state: AgencyState) -> None:
    may_come = state in (AgencyState.PENDING, AgencyState.NO_ANSWER, AgencyState.UNAVAILABLE)
    assert outcome_of(stated("child.age", 9), police=state).waiting_on == (("police",) if may_come else ())


def test_nothing_held_settles_only_what_that_agency_alone_could_know() -> None:
    facts = (stated("child.non_mobile", True), stated("child.age", 9))
    police_only = outcome_of(*facts, police=AgencyState.PENDING)
    assert police_only.could_rise_to is Level.SECTION_47
    # The police hold nothing of an injury; health, who could know of one too, has not spoken.
    health_silent = outcome_of(*facts, health=AgencyState.PENDING)
    assert health_silent.could_rise_to is Level.SECTION_47
    assert health_silent.waiting_on == ("health",)
    assert outcome_of(*facts).could_rise_to is Level.UNIVERSAL


def test_nothing_held_cancels_nobody_elses_evidence() -> None:
    told = stated("child.left_alone", True)
    outcome = outcome_of(told, stated("child.age", 4), police=AgencyState.NOTHING_HELD)
    assert outcome.level is Level.SECTION_47


def test_two_sources_that_disagree_are_both_kept_and_the_worse_counts() -> None:
    outcome = outcome_of(
        stated("child.non_mobile", True),
        stated("child.injury", "none"),
        stated("child.injury", "inflicted", "health"),
    )
    assert outcome.level is Level.SECTION_47
    assert [(one.fact, one.source) for one in outcome.fired[0].evidence] == [
        ("child.injury", "health"),
        ("child.non_mobile", "referrer"),
    ]


def test_a_count_within_bounds_is_definite_at_its_lowest_and_possible_at_its_highest() -> None:
    facts = (
        stated("child.episodes", Between(at_least=1, at_most=5), "police"),
        stated("child.attendance", 40),
    )
    outcome = outcome_of(*facts)
    assert (outcome.level, outcome.could_rise_to) == (Level.EARLY_HELP, Level.SECTION_17)
    (partly,) = outcome.partly_met
    assert [one.fact for one in partly.evidence] == ["child.attendance"]
    assert (partly.rule, partly.missing, partly.agencies) == ("S17-01", ("child.episodes",), ())


@pytest.mark.parametrize(
    ("age", "level"), [(Between(at_least=5, at_most=9), Level.SECTION_47), (9, Level.EARLY_HELP)]
)
def test_an_uncertain_age_counts_as_the_youngest_that_it_could_be(age: FactValue, level: Level) -> None:
    assert outcome_of(stated("child.left_alone", True), stated("child.age", age)).level is level


def test_an_age_that_nobody_gave_counts_as_the_youngest_and_the_rule_says_so() -> None:
    outcome = outcome_of(stated("child.left_alone", True))
    assert outcome.level is Level.SECTION_47
    (fired,) = [one for one in outcome.fired if one.rule == "S47-02"]
    assert [one.fact for one in fired.evidence] == ["child.left_alone"]
    assert {*fired.assumed} == {"child.age", "home.protective_adult"}


def test_one_statement_of_an_age_settles_it_though_health_has_not_spoken() -> None:
    outcome = outcome_of(
        stated("child.left_alone", True), stated("child.age", 12), health=AgencyState.PENDING
    )
    assert "S47-02" not in {rule for rise in outcome.possible for rule in rise.rules}


def test_an_age_that_could_not_be_read_hangs_on_nobody_elses_silence() -> None:
    outcome = outcome_of(
        stated("child.left_alone", True),
        stated("child.age", 12),
        stated("child.age", NOT_UNDERSTOOD),
        health=AgencyState.PENDING,
    )
    (partly,) = [one for one in outcome.partly_met if one.rule == "S47-02"]
    assert (partly.missing, partly.agencies) == (("child.age",), ())


def test_a_value_that_the_dictionary_does_not_know_is_unknown_and_never_no() -> None:
    outcome = outcome_of(stated("child.non_mobile", True), stated("child.injury", "from_a_later_dictionary"))
    assert (outcome.level, outcome.could_rise_to) == (Level.UNIVERSAL, Level.SECTION_47)
    assert outcome.missing == ("child.injury",)


@pytest.mark.parametrize("value", [1, "yes", Between(at_least=0, at_most=1)])
def test_a_yes_or_no_of_another_form_is_neither(value: FactValue) -> None:
    outcome = outcome_of(stated("child.left_alone", value), stated("child.age", 4))
    assert (outcome.level, outcome.could_rise_to) == (Level.UNIVERSAL, Level.SECTION_47)


@pytest.mark.parametrize("value", [True, 31, -1, "3"])
def test_a_count_of_another_form_is_no_number(value: FactValue) -> None:
    outcome = outcome_of(stated("child.episodes", value, "police"))
    assert (outcome.level, outcome.could_rise_to) == (Level.UNIVERSAL, Level.EARLY_HELP)


@pytest.mark.parametrize("gap", ["pending", "partly", "value"])
def test_a_gap_may_still_deny_that_a_child_is_protected(gap: str) -> None:
    risks = (stated("child.left_alone", True), stated("child.age", 2))
    protected = stated("home.protective_adult", True)
    confirmed = outcome_of(*risks, protected)
    assert confirmed.could_rise_to is Level.EARLY_HELP
    assert outcome_of(*risks, protected, stated("home.protective_adult", False)).level is Level.SECTION_47
    unread = (stated("home.protective_adult", NOT_UNDERSTOOD, "health"),) if gap == "value" else ()
    states = {"health": AgencyState.PENDING} if gap == "pending" else {}
    doubtful = outcome_of(
        *risks, protected, *unread, partly=frozenset({"health"} if gap == "partly" else ()), **states
    )
    assert (doubtful.level, doubtful.could_rise_to) == (Level.EARLY_HELP, Level.SECTION_47)
    (partly_met,) = doubtful.partly_met
    assert partly_met.missing == ("home.protective_adult",)


def test_what_was_not_understood_of_an_answer_is_as_much_a_gap_as_silence() -> None:
    silent = outcome_of(police=AgencyState.DECLINED)
    partly = outcome_of(police=AgencyState.RETURNED, partly=frozenset({"police"}))
    assert (partly.could_rise_to, partly.possible) == (silent.could_rise_to, silent.possible)


@pytest.mark.parametrize("state", AgencyState)
def test_only_an_answer_that_was_due_and_did_not_come_raises_the_urgency_to_amber_at_most(
    state: AgencyState,
) -> None:
    outcome = outcome_of(stated("child.attendance", 40), stated("child.injury", "none"), police=state)
    late = state in OVERDUE
    assert outcome.level is Level.EARLY_HELP
    assert (outcome.rag, outcome.rag_raised_for) == ((Rag.AMBER, ("police",)) if late else (Rag.GREEN, ()))


def test_a_gap_that_may_not_raise_the_urgency_does_not() -> None:
    facts = (stated("child.episodes", 5, "police"),)
    late = outcome_of(*facts, education=AgencyState.NO_ANSWER)
    assert (late.rag, late.could_rise_to) == (Rag.GREEN, Level.SECTION_17)
    capped = outcome_of(
        stated("child.injury", "explained"), stated("child.age", 3), health=AgencyState.NO_ANSWER
    )
    assert (capped.rag, capped.rag_could_rise_to, capped.level) == (Rag.AMBER, Rag.RED, Level.UNIVERSAL)


def test_what_one_statement_settles_is_no_gap_though_its_source_is_late() -> None:
    only_age = FACTS.replace("gap_raises: [health, referrer], ", "").replace("gap_raises: [health], ", "")
    sources = "label: the child's age, question: q, sources: [referrer, health],"
    policy = policy_of(facts=only_age.replace(sources, sources + " gap_raises: [health],"))
    late = EVERYONE | {"health": AgencyState.NO_ANSWER}
    alone = stated("child.left_alone", True)
    assert evaluate(policy, ChildFacts((alone, stated("child.age", 12)), late)).rag is Rag.GREEN


def test_of_a_question_in_two_parts_only_the_part_without_an_answer_is_a_gap() -> None:
    facts = FACTS.replace("gap_raises: [health, referrer]", "gap_raises: [health]").replace(
        "sources: [referrer, police],\n", "sources: [referrer, police], gap_raises: [referrer],\n"
    )
    rules = (HEAD + RULES).replace("ask: [child.non_mobile]", "ask: [child.non_mobile, child.left_alone]")
    policy = policy_of(facts=facts, policy=rules)
    injured = (stated("child.injury", "explained"), stated("child.age", 3))
    unanswered = evaluate(policy, ChildFacts(injured, EVERYONE))
    answered = evaluate(policy, ChildFacts((*injured, stated("child.left_alone", False)), EVERYONE))
    assert (unanswered.rag, unanswered.rag_raised_for) == (Rag.AMBER, ("referrer",))
    assert (answered.rag, answered.rag_raised_for) == (Rag.GREEN, ())
    assert [one.facts for one in answered.questions] == [("child.non_mobile",)]


def test_a_decisive_question_is_open_while_its_facts_are_present_and_nobody_has_answered() -> None:
    outcome = outcome_of(stated("child.injury", "explained"))
    assert (outcome.level, outcome.could_rise_to) == (Level.UNIVERSAL, Level.SECTION_47)
    (question,) = outcome.questions
    assert (question.decisive, question.facts) == ("D-01", ("child.non_mobile",))
    assert [rise.questions for rise in outcome.possible] == [("D-01",)]
    assert (outcome.rag, outcome.rag_raised_for) == (Rag.AMBER, ("referrer",))
    (partly,) = outcome.partly_met
    assert [one.fact for one in partly.evidence] == ["child.injury"]
    assert (partly.missing, partly.questions, partly.agencies) == (("child.non_mobile",), ("D-01",), ())


@pytest.mark.parametrize(("moves", "source"), [(False, "referrer"), (False, "health")])
def test_an_answer_by_anybody_closes_the_question(moves: bool, source: str) -> None:
    outcome = outcome_of(stated("child.injury", "explained"), stated("child.non_mobile", moves, source))
    assert (outcome.could_rise_to, outcome.questions, outcome.rag) == (Level.UNIVERSAL, (), Rag.GREEN)


def test_what_another_question_hangs_on_still_asks_its_own_question() -> None:
    """The first rule looks at what could open D-2 before any question is open; the second at the same fact after."""
    more = (
        "  D-2: {when: child.non_mobile is yes, ask: [child.left_alone], why: It cannot leave.}\nrules:\n"
        "  R-0:\n    domain: neglect\n    title: A child left alone\n    cite: thresholds, page 5\n"
        "    when: child.left_alone is yes\n    floor: {level: early_help, rag: green}\n"
    )
    policy = load_policy(changed(("rules:\n", more)))
    answered = dict.fromkeys(policy.dictionary.agencies, AgencyState.NOTHING_HELD)
    states = {**answered, "health": AgencyState.PENDING}
    outcome = evaluate(policy, ChildFacts((stated("child.injury", "explained"),), states))
    missing = {one.rule: (one.missing, one.questions, one.agencies) for one in outcome.partly_met}
    assert missing["R-1"] == (("child.non_mobile",), ("D-1",), ("health",))
    assert "child.left_alone" in outcome.missing


def test_a_question_that_the_facts_do_not_ask_makes_nothing_possible() -> None:
    assert outcome_of(stated("child.age", 0)).could_rise_to is Level.UNIVERSAL


def test_a_question_that_an_answer_could_open_is_no_question_yet_but_what_it_could_bring_is_possible() -> (
    None
):
    """Else the police's answer, an injury, would raise what was said to be the most that could be."""
    before = outcome_of(stated("child.age", 9), police=AgencyState.PENDING)
    after = outcome_of(stated("child.age", 9), stated("child.injury", "explained", "police"))
    assert (after.level, after.could_rise_to) == (Level.UNIVERSAL, Level.SECTION_47)
    assert before.could_rise_to is Level.SECTION_47
    assert before.questions == ()
    (rise,) = [one for one in before.possible if "S47-01" in one.rules]
    assert (rise.agencies, rise.questions) == (("police",), ())
    assert {"child.injury", "child.non_mobile"} <= {*before.missing}


def test_a_question_whose_answer_would_add_nothing_is_not_shown() -> None:
    rules = RULES.replace("    actions: [strategy_discussion, police_now]\n", "")
    policy = policy_of(policy=HEAD.replace("universal, rag: green", "section_47, rag: red") + rules)
    outcome = evaluate(policy, ChildFacts((stated("child.injury", "explained"),), EVERYONE))
    assert (outcome.possible, outcome.questions) == ((), ())


def test_evidence_is_every_statement_that_reaches_the_bound_of_a_part_that_holds_and_no_other() -> None:
    seen = Fact(
        fact="child.episodes", value=4, basis=Basis.RECORD, period=Period.LAST_12_MONTHS, on=date(2026, 3, 1)
    )
    outcome = outcome_of(
        StatedFact(seen, "police"),
        stated("child.episodes", 6, "education"),
        stated("child.episodes", 2, "police"),
        stated("child.attendance", 60),
        stated("child.injury", "unclear"),
    )
    (fired,) = [one for one in outcome.fired if one.rule == "S17-01"]
    assert [(one.fact, one.value, one.source) for one in fired.evidence] == [
        ("child.injury", "unclear", "referrer"),
        ("child.episodes", 4, "police"),
        ("child.episodes", 6, "education"),
    ]
    recorded = fired.evidence[1]
    assert (recorded.label, recorded.basis, recorded.period, recorded.on) == (
        "times missing", Basis.RECORD, Period.LAST_12_MONTHS, date(2026, 3, 1)
    )  # fmt: skip
    (early,) = [one for one in outcome.fired if one.rule == "EH-01"]
    # Under 90 is enough here, and two episodes are more than one.
    assert [(one.fact, one.value) for one in early.evidence] == [
        ("child.attendance", 60), ("child.episodes", 4), ("child.episodes", 6), ("child.episodes", 2)
    ]  # fmt: skip


def test_a_fired_rule_is_shown_with_its_citation_and_its_sentence() -> None:
    (fired,) = outcome_of(stated("child.attendance", 70)).fired
    assert (fired.title, fired.citation) == ("One worry", "early help")
    assert fired.sentence == (
        "When (attendance is under 90 or times missing (at least 1) or the child is left alone): "
        "at least early help, green."
    )


def test_a_rule_that_would_add_nothing_is_no_possible_rise() -> None:
    outcome = outcome_of(
        stated("child.injury", "inflicted"), stated("child.non_mobile", True), education=AgencyState.PENDING
    )
    assert outcome.level is Level.SECTION_47
    assert (outcome.possible, outcome.waiting_on) == ((), ())


def test_a_rule_that_would_only_add_an_action_is_a_possible_rise() -> None:
    alone = outcome_of(
        stated("child.left_alone", True), stated("child.age", 3), stated("child.injury", "unclear"),
        health=AgencyState.PENDING,
    )  # fmt: skip
    assert (alone.level, alone.could_rise_to) == (Level.SECTION_47, Level.SECTION_47)
    assert alone.possible_actions == ("police_now",)
    assert [rise.rules for rise in alone.possible] == [("S47-01",)]


def test_an_outcome_that_was_stored_before_is_still_read() -> None:
    before = {
        "policy": "f" * 64,
        "level": "section_17",
        "rag": "amber",
        "could_rise_to": "section_47",
        "rag_could_rise_to": "red",
        "fired": [
            {"rule": "R", "title": "t", "citation": "c", "sentence": "s", "level": "section_17", "rag": "amber",
             "evidence": [{"fact": "child.injury", "label": "l", "value": "unclear", "source": "police",
                           "basis": "record"}]}
        ],
        "possible": [{"level": "section_47", "rag": "red", "agencies": ["health"], "rules": ["S"]}],
        "missing": ["child.injury"],
        "waiting_on": ["health"],
    }  # fmt: skip
    outcome = Outcome.model_validate(before)
    assert (outcome.evaluator, outcome.partly_met, outcome.questions, outcome.fired[0].assumed) == (
        0,
        (),
        (),
        (),
    )
    assert outcome.possible[0].questions == ()


def test_an_outcome_is_small_enough_to_be_kept_for_every_answer() -> None:
    outcome = outcome_of(stated("child.injury", "explained"), police=AgencyState.PENDING)
    assert len(outcome.model_dump_json()) < 3000
    assert outcome.model_copy(update={"rag": Rag.RED}).rag is Rag.RED
    assert Outcome.model_validate_json(outcome.model_dump_json(exclude_unset=True)) == outcome
