"""The shipped policy, as a practitioner would check it: the stories come out, and nothing in the files is idle."""

import re
from collections.abc import Iterable
from dataclasses import replace

import pytest

from libs.schemas.evaluation import Outcome
from libs.schemas.findings import AgencyState, Basis
from libs.schemas.levels import Level, Rag
from services.triage.policy import ChildFacts, evaluate
from services.triage.policy.compile import compile_program
from services.triage.policy.evaluation import decide
from services.triage.policy.rules import GoldenCase, Guarantee
from services.triage.policy.vector import encode
from tests.services.triage.shipped import PARTNERSHIP, shipped_policy

POLICY = shipped_policy()
RULES = {rule.id: rule for rule in POLICY.rules}
OUTCOMES = {case.id: evaluate(POLICY, case.known()) for case in POLICY.golden}

LEVEL_OF_DIGIT = {
    "1": {Level.UNIVERSAL},
    "2": {Level.EARLY_HELP},
    "3": {Level.TARGETED, Level.SECTION_17},
    "4": {Level.SECTION_47},
}
"""The levels of the threshold document; level 3 is a panel of services or a child in need."""

# The rows of the threshold table, and for each level what stands in its cell. Level 1 is what raises nothing: a story.
TABLE = {
    "neglect: basic care": (
        "scooter-and-a-scraped-knee",
        "CARE-2A",
        "CARE-3A CARE-3B CARE-3C",
        "CARE-4A CARE-4B CARE-4C CARE-4D",
    ),
    "neglect: supervision": (
        "taught-at-home-and-well",
        "SUPERVISION-2A",
        "SUPERVISION-3A",
        "SUPERVISION-4A SUPERVISION-4B",
    ),
    "physical": (
        "toddler-with-shin-bruises",
        "PHYSICAL-2A",
        "PHYSICAL-3A PHYSICAL-3B",
        "PHYSICAL-4A PHYSICAL-4B PHYSICAL-4C PHYSICAL-4D PHYSICAL-4E PHYSICAL-4F",
    ),
    "sexual": (
        "doctors-and-nurses-at-four",
        "SEXUAL-2A",
        "SEXUAL-3A SEXUAL-3B",
        "SEXUAL-4A SEXUAL-4B SEXUAL-4D FGM-4A",
    ),
    "emotional": (
        "tantrums-and-bad-nights",
        "EMOTIONAL-2A",
        "EMOTIONAL-3A EMOTIONAL-3B",
        "EMOTIONAL-4A EMOTIONAL-4B EMOTIONAL-4C",
    ),
    "domestic abuse": (
        "tantrums-and-bad-nights",
        "DOMESTIC-2A",
        "DOMESTIC-3A DOMESTIC-3B DOMESTIC-3D",
        "DOMESTIC-4A DOMESTIC-4B DOMESTIC-4D DOMESTIC-4E",
    ),
    "parental substance misuse": (
        "father-in-treatment-and-doing-well",
        "SUBSTANCE-2A",
        "SUBSTANCE-3A SUBSTANCE-3C",
        "SUBSTANCE-4A SUBSTANCE-4B SUBSTANCE-4C",
    ),
    "parental mental health, learning disability, illness": (
        "father-in-treatment-and-doing-well",
        "PARENT-2A",
        "PARENT-3A PARENT-3B CARER-3A",
        "PARENT-4A PARENT-4B EMOTIONAL-4C",
    ),
    "child's development and health": (
        "tantrums-and-bad-nights",
        "HEALTH-2A",
        "HEALTH-3A CARE-3A",
        "HEALTH-4A CARE-4C",
    ),
    "disability": (
        "tantrums-and-bad-nights",
        "DISABILITY-2A",
        "DISABILITY-3A",
        "DISABILITY-4A VULNERABLE-4A",
    ),
    "education": ("taught-at-home-and-well", "EDUCATION-2A", "EDUCATION-3A", "EDUCATION-4A"),
    "exploitation": (
        "scooter-and-a-scraped-knee",
        "EXPLOITATION-2A",
        "EXPLOITATION-3A",
        "EXPLOITATION-4A SLAVERY-4A",
    ),
    "missing": (None, "MISSING-2A", "MISSING-3A MISSING-3B", "MISSING-4A EXPLOITATION-4B"),
    "online harm": ("scooter-and-a-scraped-knee", "ONLINE-2A", "ONLINE-3A", "ONLINE-4A"),
    "self-harm and suicide": (
        "scooter-and-a-scraped-knee",
        "SELF-HARM-2A",
        "SELF-HARM-3A SELF-HARM-3B",
        "SELF-HARM-4A",
    ),
    "unborn": ("booked-early-and-well", "UNBORN-2A", "UNBORN-3A", "UNBORN-4A UNBORN-4B FAMILY-4A"),
    "housing and poverty": ("tantrums-and-bad-nights", "HOUSING-2A", "HOUSING-3A HOUSING-3C", "HOUSING-4A"),
    "family and history": (
        "tantrums-and-bad-nights",
        "FAMILY-2A CARER-2A",
        "FAMILY-3A FAMILY-3B CARER-3A",
        "FAMILY-4A",
    ),
}

SITUATIONS = {
    "refused consent": "ENGAGEMENT-3D",
    "re-referral within twelve months": "HISTORY-2A HISTORY-3A HISTORY-3B",
    "brothers and sisters": "FAMILY-3F FAMILY-4C",
    "the unborn": "UNBORN-3A UNBORN-4A",
    "missing, with an interview on return": "MISSING-2A",
    "MARAC and the DASH checklist": "DOMESTIC-3A DOMESTIC-3E DOMESTIC-3F DOMESTIC-4B DOMESTIC-4C DOMESTIC-4E",
    "notice to the school": "DOMESTIC-2A",
    "a child who lives elsewhere": "WHEREABOUTS-1A",
    "a bruise on a child who is not mobile": "PHYSICAL-4A",
    "do not alert the household": "DANGER-1A",
    "female genital mutilation": "FGM-2A FGM-3A FGM-4A FGM-4B",
    "private fostering": "FOSTERING-3A",
    "homeless at 16 or 17": "HOUSING-3C",
    "fabricated or induced illness": "HEALTH-3B HEALTH-4B",
    "people who work with children": "TRUST-3A",
    "radicalisation": "RADICALISATION-2A RADICALISATION-3A RADICALISATION-4A",
    "unaccompanied children": "UNACCOMPANIED-3A",
    "modern slavery": "SLAVERY-4A",
    "honour-based abuse and forced marriage": "HONOUR-3A HONOUR-3B HONOUR-4A",
    "suicidal thoughts": "SELF-HARM-3B SELF-HARM-4A",
    "harmful sexual behaviour by a child": "SEXUAL-3B SEXUAL-4D",
    "young carers": "CARER-2A CARER-3A",
    "cumulative neglect": "HISTORY-3D HISTORY-3E",
    "open and just closed plans": "HISTORY-3H HISTORY-3I HISTORY-3J HISTORY-4A",
    "several agencies worried independently": "HISTORY-3F HISTORY-3G",
    "an adult of unknown or known risk": "FAMILY-2B FAMILY-3E FAMILY-4B",
    "young, disabled or without words": "VULNERABLE-3A VULNERABLE-4A PHYSICAL-4G",
    "under one": "PHYSICAL-2B CARE-4D HISTORY-3G",
    "step-down with a closing plan": "HISTORY-2B",
    "a child whom nobody can find": "WHEREABOUTS-2A WHEREABOUTS-3A",
}

HARD_FLOORS = {
    "injury in a non-mobile infant": "PHYSICAL-4A",
    "implement or pattern injury": "PHYSICAL-4C",
    "disclosure of physical harm": "PHYSICAL-4E",
    "sexual abuse disclosure": "SEXUAL-4A",
    "child in a plan of suicide or homicide": "PARENT-4A",
    "threat to kill the child": "EMOTIONAL-4C",
    "drugs within reach": "SUBSTANCE-4B",
    "impaired sole carer": "SUBSTANCE-4A",
    "young child alone": "SUPERVISION-4A",
    "severe untreated medical need": "CARE-4C",
    "strangulation or weapon": "DOMESTIC-4A",
    "earlier removal with late booking": "UNBORN-4B",
    "earlier removal with live harm": "FAMILY-4A",
    "coerced images": "ONLINE-4A",
}


def falls_short(case: GoldenCase, level: Level, rag: Rag, actions: Iterable[str]) -> list[str]:
    """In what an outcome is milder than the story asks."""
    short = [f"level {level.value}"] if case.level is not None and level < case.level else []
    short += [f"urgency {rag.value}"] if case.rag is not None and rag < case.rag else []
    return short + [f"no {action}" for action in case.actions if action not in actions]


@pytest.mark.parametrize("case", POLICY.golden, ids=lambda case: case.id)
def test_every_story_comes_out(case: GoldenCase) -> None:
    outcome = OUTCOMES[case.id]
    assert falls_short(case, outcome.level, outcome.rag, outcome.actions) == [], case.story
    assert case.at_most is None or outcome.level <= case.at_most, case.story
    assert not set(case.not_actions) & set(outcome.actions), case.story


def test_there_are_stories_enough_of_harm_and_of_ordinary_life() -> None:
    assert len(POLICY.golden) >= 150
    ordinary = [case for case in POLICY.golden if case.at_most in (Level.UNIVERSAL, Level.EARLY_HELP)]
    assert len(ordinary) >= 40


def test_every_rule_fires_in_a_story_and_is_withheld_in_another() -> None:
    fired = [{rule.rule for rule in outcome.fired} for outcome in OUTCOMES.values()]
    assert [rule for rule in RULES if not any(rule in rules for rules in fired)] == []
    assert [rule for rule in RULES if all(rule in rules for rules in fired)] == []


def test_every_rule_decides_a_story_that_comes_out_too_mild_without_it() -> None:
    needed = set()
    for case in POLICY.golden:
        fired = decide(POLICY, encode(POLICY, case.known())).fired
        for number, rule in enumerate(POLICY.rules):
            without = fired & ~(1 << number)
            if without != fired:
                left = [one for place, one in enumerate(POLICY.rules) if without >> place & 1]
                actions = {action for one in left for action in one.actions}
                if falls_short(case, POLICY.floors.level(without), POLICY.floors.rag(without), actions):
                    needed.add(rule.id)
    assert [rule for rule in RULES if rule not in needed] == []


CELLS = [
    (row, digit, ids) for row, (_, *cells) in TABLE.items() for digit, ids in zip("234", cells, strict=True)
]


@pytest.mark.parametrize(("row", "digit", "ids"), CELLS)
def test_every_cell_of_the_threshold_table_has_a_rule(row: str, digit: str, ids: str) -> None:
    floors = {RULES[rule].level for rule in ids.split()}
    assert floors, row
    assert floors <= LEVEL_OF_DIGIT[digit], row


@pytest.mark.parametrize("story", sorted({story for story, *_ in TABLE.values() if story is not None}))
def test_the_first_column_of_the_threshold_table_raises_nothing(story: str) -> None:
    assert OUTCOMES[story].level is Level.UNIVERSAL
    assert OUTCOMES[story].fired == ()


@pytest.mark.parametrize(("situation", "ids"), SITUATIONS.items())
def test_every_special_situation_has_a_rule(situation: str, ids: str) -> None:
    assert [rule for rule in ids.split() if rule not in RULES] == [], situation


@pytest.mark.parametrize(("floor", "ids"), HARD_FLOORS.items())
def test_every_hard_floor_is_section_47_with_a_strategy_discussion(floor: str, ids: str) -> None:
    for rule in (RULES[name] for name in ids.split()):
        assert rule.level is Level.SECTION_47, floor
        assert "strategy_discussion" in rule.actions, floor


def test_a_rules_name_says_where_it_stands() -> None:
    domains: dict[str, set[str]] = {}
    for rule in POLICY.rules:
        family, place = rule.id.rsplit("-", 1)
        assert rule.level in LEVEL_OF_DIGIT[place[0]], rule.id
        domains.setdefault(family, set()).add(rule.domain)
    assert {family: names for family, names in domains.items() if len(names) > 1} == {}


def test_the_rules_of_a_domain_stand_together_in_the_order_of_the_domains() -> None:
    order = list(POLICY.domains)
    places = [order.index(rule.domain) for rule in POLICY.rules]
    assert places == sorted(places)
    assert set(places) == set(range(len(order)))


def test_danger_that_does_not_wait_is_red_and_section_47() -> None:
    immediate = [rule for rule in POLICY.rules if rule.immediate]
    assert {(rule.level, rule.rag) for rule in immediate} == {(Level.SECTION_47, Rag.RED)}


def test_every_section_47_floor_obliges_a_strategy_discussion_or_the_worker_who_has_the_plan() -> None:
    for case in POLICY.golden:
        outcome = OUTCOMES[case.id]
        if outcome.level is Level.SECTION_47:
            assert {"strategy_discussion", "tell_allocated_worker"} & set(outcome.actions), case.id


def test_every_action_is_obliged_by_a_rule() -> None:
    assert set(POLICY.actions) == {action for rule in POLICY.rules for action in rule.actions}


def test_every_action_says_within_how_long_and_on_what_ground() -> None:
    for action in POLICY.actions.values():
        assert action.label
        assert action.citation
        assert (action.minutes is None) is not (action.before is None)


def test_every_fact_changes_a_level_or_a_place_or_says_why_not() -> None:
    placement = (PARTNERSHIP / "placement.yaml").read_text()
    read = {name for rule in POLICY.rules for name in rule.reads}
    for name, definition in POLICY.dictionary.definitions.items():
        placed = re.search(rf"\b{re.escape(name)}\b", placement) is not None
        assert (name in read or placed) != bool(definition.no_effect), name


def test_every_fact_can_be_asked_and_says_on_what_ground() -> None:
    for definition in POLICY.dictionary.definitions.values():
        assert definition.question.endswith("?"), definition.name
        assert definition.citation, definition.name


def test_every_decisive_question_could_raise_something() -> None:
    read = {name for rule in POLICY.rules for name in rule.reads}
    assert {name for one in POLICY.decisive for name in one.ask} <= read


@pytest.mark.parametrize("guarantee", POLICY.guarantees, ids=lambda guarantee: guarantee.id)
def test_every_red_line_is_reached_by_a_story_and_crossed_by_none(guarantee: Guarantee) -> None:
    program = compile_program([guarantee.condition], [], POLICY.encoder.places)
    met = [case for case in POLICY.golden if program.judge(*encode(POLICY, case.known()))[0]]
    assert met
    for case in met:
        outcome = OUTCOMES[case.id]
        promised = replace(case, level=guarantee.level, rag=guarantee.rag, actions=guarantee.actions)
        assert falls_short(promised, outcome.level, outcome.rag, outcome.actions) == [], case.id


def test_the_red_lines_are_drawn() -> None:
    assert len(POLICY.guarantees) >= 12


@pytest.mark.parametrize("state", [AgencyState.NO_ANSWER, AgencyState.NOTHING_HELD, AgencyState.DECLINED])
def test_no_silence_and_no_empty_answer_makes_a_story_milder(state: AgencyState) -> None:
    for case in POLICY.golden:
        outcome = evaluate(POLICY, ChildFacts(case.facts, dict.fromkeys(POLICY.dictionary.agencies, state)))
        assert outcome.level is OUTCOMES[case.id].level, case.id


def test_an_anonymous_suspicion_weighs_as_much_as_what_a_professional_saw() -> None:
    def hearsay(case: GoldenCase) -> Outcome:
        facts = (
            replace(one, fact=one.fact.model_copy(update={"basis": Basis.SUSPICION})) for one in case.facts
        )
        return evaluate(POLICY, ChildFacts(tuple(facts), case.answers))

    for case in POLICY.golden:
        milder, outcome = hearsay(case), OUTCOMES[case.id]
        assert (milder.level, milder.rag, milder.actions) == (outcome.level, outcome.rag, outcome.actions)


def test_an_unasked_question_of_the_dash_checklist_is_not_a_no() -> None:
    outcome = OUTCOMES["dash-seven-of-ten-asked"]
    assert outcome.level is Level.EARLY_HELP
    assert outcome.could_rise_to is Level.SECTION_47
    assert "household.dash_score" in outcome.missing


@pytest.mark.parametrize("name", ["facts.yaml", "policy.yaml", "actions.yaml"])
def test_the_first_line_says_that_no_board_has_adopted_it(name: str) -> None:
    assert (PARTNERSHIP / name).read_text().startswith("# No board has adopted")
