"""A mistake in the partnership's documents is refused with its place, never silently false."""
# ruff: noqa: E501 - a table reads best with one mistake on one line

import re

import pytest

from libs.schemas.dictionary import Names
from libs.schemas.document import DocumentError
from libs.schemas.findings import AgencyState, Between
from libs.schemas.levels import Level, Rag
from services.triage.policy import load_policy
from tests.services.triage.policy.miniature import ACTIONS, FACTS, HEAD, RULES, TEXTS, policy_of


def refusal(**texts: str) -> list[str]:
    with pytest.raises(DocumentError) as refused:
        policy_of(**texts)
    return refused.value.faults


def when(condition: str) -> str:
    """The small policy with one more rule, on line 14 of the file."""
    rule = f"""\
rules:
  NEW-1:
    {{domain: harm, title: t, cite: c, floor: {{level: section_17, rag: amber}}, when:
      {condition}}}
"""
    return HEAD + rule + RULES.removeprefix("rules:\n")


CONDITIONS = [
    ("child.injry is at least unclear", "unknown fact `child.injry`; did you mean `child.injury`?"),
    ("child.injury is at least unclaer", "unknown value `unclaer`; did you mean `unclear`?"),
    ("child.injury is unclear", "would give a milder outcome for a worse fact: say `is at least unclear`"),
    ("child.injury is unclear and not inflicted", "a rule never rests on a no"),
    ("child.injury is not inflicted", "a rule never rests on a no"),
    ("child.left_alone is no", "a rule never rests on a no"),
    ("home.protective_adult is no", "a rule never rests on a no"),
    ("child.injury is at most unclear", "gives a milder outcome for a worse fact"),
    ("child.episodes is over 3", "say `is at least …`"),
    ("child.attendance is below 50", "say `is under …`"),
    ("child.episodes is under 3", "`is under` would give a milder outcome for a worse fact"),
    ("child.injury is under 2", "`is under` needs a count"),
    ("child.injury is yes", "say `is at least"),
    ("child.left_alone is at least 1", "say `is yes`"),
    ("child.age is at least 3", "may only be used as `is under NUMBER`"),
    ("child.attendance is at least 50", "may only be used as `is under NUMBER`"),
    ("child.injury is at least none", "always true"),
    ("child.episodes is at least 0", "always true"),
    ("child.episodes is at least 31", "never true"),
    ("child.age is under 0", "never under 0"),
    ("child.age is under 26", "always under 26"),
    ("child.episodes is at least 03", "expected a whole number"),
    ("child.episodes is at least 1e1", "expected a whole number"),
    ("child.episodes is at least 0x3", "expected a whole number"),
    ("child.episodes is at least ٣", "expected a whole number"),
    ("home.protective_adult is yes", "is protective and belongs under `none of`"),
    ("{none of: [child.left_alone is yes]}", "`none of` takes protective yes/no facts only"),
    ("{none of: [child.injury is at least unclear]}", "under `none of` say `FACT is yes`"),
    ("{at least 3 of: [child.left_alone is yes]}", "can never be met by 1 conditions"),
    ("{at least 0 of: [child.left_alone is yes]}", "can never be met"),
    ("{all of: []}", "can never be met by 0 conditions"),
    ("{al of: [child.left_alone is yes]}", "unknown word `al of`; did you mean `all of`?"),
    ("{all of: [child.left_alone is yes], any of: [child.unborn is yes]}", "expected one of `all of`"),
    ("{score of: [child.left_alone is yes]}", "nothing is added up"),
    ("2 when child.left_alone is yes", "nothing is added up"),
    ("child.left_alone", "expected `FACT is yes`"),
    ("[child.left_alone is yes]", "expected keys and values"),
    (
        "{all of: [child.injury is at least explained, child.injury is at least unclear]}",
        "`child.injury is at least explained` is always true beside `child.injury is at least unclear`",
    ),
    (
        "{any of: [child.age is under 5, child.age is under 8]}",
        "`child.age is under 5` adds nothing to `child.age is under 8`",
    ),
    ("{all of: [child.left_alone is yes, child.left_alone is yes]}", "is always true beside"),
    (
        "{all of: [child.left_alone is yes, any of: [child.left_alone is yes, child.unborn is yes]]}",
        "`any of` is always true beside `child.left_alone is yes`",
    ),
    (
        "{any of: [child.left_alone is yes, all of: [child.left_alone is yes, child.unborn is yes]]}",
        "`all of` adds nothing to `child.left_alone is yes`",
    ),
    (
        "{all of: [child.age is under 5, any of: [child.unborn is yes, all of: [child.left_alone is yes, child.age is under 8]]]}",
        "`child.age is under 8` is always true beside `child.age is under 5`",
    ),
    (
        "{at least 2 of: [child.episodes is at least 1, child.episodes is at least 5, child.left_alone is yes]}",
        "`child.episodes is at least 5` counts the same fact twice",
    ),
    (
        "{all of: [{at least 2 of: [child.left_alone is yes, child.unborn is yes, child.injury is at least unclear]}, child.unborn is yes]}",
        "`child.unborn is yes` is always true beside `child.unborn is yes`",
    ),
]


@pytest.mark.parametrize(("condition", "said"), CONDITIONS, ids=[one[0] for one in CONDITIONS])
def test_a_condition_that_means_nothing_or_could_lower_an_outcome_is_refused(
    condition: str, said: str
) -> None:
    (fault,) = refusal(policy=when(condition))
    assert said in fault
    assert re.match(r"policy\.yaml:13:\d+: ", fault)


def swapped(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


POLICY = HEAD + RULES
DOCUMENTS = [
    ("unknown level", "policy", "level: section_47", "level: sectoin_47", "did you mean `section_47`?"),
    ("unknown urgency", "policy", "rag: red", "rag: rde", "unknown urgency `rde`; did you mean `red`?"),
    ("unknown action", "policy", "[strategy_discussion, police_now]", "[police_nwo]", "did you mean `police_now`?"),
    ("an action twice", "policy", "discussion, police_now]", "discussion, strategy_discussion]", "stands twice"),
    ("unknown domain", "policy", "domain: harm", "domain: hram", "unknown domain `hram`; did you mean `harm`?"),
    ("unknown key", "policy", "immediate: yes", "imediate: yes", "unknown key `imediate`; did you mean `immediate`?"),
    ("a rule that lowers", "policy", "    immediate: yes", "    ceiling: {level: universal}", "unknown key `ceiling`"),
    ("immediate is a yes or a no", "policy", "immediate: yes", "immediate: true", "expected yes or no"),
    ("missing title", "policy", "    title: One worry\n", "", "the key `title` is missing"),
    ("empty title", "policy", "title: One worry", "title:", "`title` says nothing"),
    ("missing citation", "policy", "    cite: early help\n", "", "the key `cite` is missing"),
    ("empty citation", "policy", "cite: early help", "cite: ' '", "`cite` says nothing"),
    ("missing floor", "policy", "    floor: {level: early_help, rag: green}\n", "", "the key `floor` is missing"),
    ("half a floor", "policy", "{level: early_help, rag: green}", "{level: early_help}", "`rag` is missing"),
    ("a rule's id twice", "policy", "S47-02:", "S47-01:", "the key `S47-01` stands twice"),
    ("an id in two sections", "policy", "D-01:", "EH-01:", "the id `EH-01` stands twice, first at policy.yaml:"),
    ("an id with a blank", "policy", "S47-02:", "S47 02:", "an id is made of letters, digits and hyphens"),
    ("no rules", "policy", RULES, "rules: {}\n", "there is no rule"),
    ("no domain", "policy", "    domain: harm\n", "", "the key `domain` is missing"),
    ("no domains", "policy", "domains: {harm: Harm, home: Home}\n", "", "the key `domains` is missing"),
    ("missing section", "policy", RULES, "", "the key `rules` is missing"),
    ("a date that is none", "policy", '"2026-01-01"', '"2026-13-01"', "expected a day as YYYY-MM-DD"),
    ("a decisive question of nobody", "policy", "ask: [child.non_mobile]", "ask: []", "it asks nothing"),
    ("a question twice", "policy", "[child.non_mobile]", "[child.non_mobile, child.non_mobile]", "stands twice"),
    ("a question to whom it is not put", "policy", "[child.non_mobile]", "[child.episodes]", "the referrer is no source"),
    ("a question without a reason", "policy", ", why: a baby does not hurt itself", "", "the key `why` is missing"),
    ("unknown kind", "facts", "kind: scale", "kind: sclae", "did you mean `scale`?"),
    ("unknown polarity", "facts", "polarity: protective", "polarity: protectiv", "did you mean `protective`?"),
    ("a scale without steps", "facts", "steps: [none, explained, unclear, inflicted], ", "", "only a scale, has `steps`"),
    ("a scale of one step", "facts", "[none, explained, unclear, inflicted]", "[none]", "at least two steps"),
    ("a step twice", "facts", "unclear, inflicted]", "unclear, unclear]", "`unclear` stands twice"),
    ("a step of two words", "facts", "unclear, inflicted]", "not clear, inflicted]", "a step is one word"),
    ("a count without a maximum", "facts", "maximum: 25, ", "", "only a count, has a `maximum`"),
    ("a maximum that is octal", "facts", "maximum: 25", "maximum: 025", "expected a whole number"),
    ("a maximum in powers", "facts", "maximum: 25", "maximum: 1e3", "expected a whole number"),
    ("a protective count", "facts", "maximum: 30, polarity: risk", "maximum: 30, polarity: protective", "a yes or a no"),
    ("a lower step that is worse", "facts", "inflicted], polarity: risk", "inflicted], polarity: lower_is_worse", "only a count"),
    ("protection by silence", "facts", "polarity: protective", "polarity: protective, unknown: not_met", "protects nobody"),
    ("unknown reading of unknown", "facts", "unknown: not_met", "unknown: maybe", "unknown reading of unknown"),
    ("a gap from who is no source", "facts", "gap_raises: [police]", "gap_raises: [polcie]", "did you mean `police`?"),
    ("a gap that nobody asks about", "facts", "sources: [referrer, police],", "sources: [referrer, police], gap_raises: [referrer],", "none asks `child.left_alone`"),
    ("no source", "facts", "sources: [police, education]", "sources: []", "at least one source"),
    ("a source twice", "facts", "[police, education]", "[police, police]", "`police` stands twice"),
    ("a derived fact that nobody derives", "facts", "polarity: protective", "polarity: protective, derived: any", "name `derived`"),
    ("an empty label", "facts", "label: an injury", "label: ", "`label` says nothing"),
    ("an empty question", "facts", "question: q", "question: ", "`question` says nothing"),
    ("no citation", "facts", "gap_raises: [police], citation: c", "gap_raises: [police]", "`citation` is missing"),
    ("a fact's name", "facts", "child.injury:", "Child injury:", "a fact is named like `child.age`"),
    ("a fact twice", "facts", "child.episodes:", "child.injury:", "the key `child.injury` stands twice"),
    ("an action without a label", "actions", "label: Ring the police now, ", "", "`label` is missing"),
    ("an action's unit", "actions", "unit: elapsed", "unit: elapsd", "did you mean `elapsed`?"),
    ("an action's time", "actions", "minutes: 240", "minutes: 4h", "expected a whole number"),
    ("an alias", "actions", "cite: c}\n  police_now: {", "cite: &a c}\n  police_now: {x: *a, ", "`*a` is not read"),
    ("a merge key", "actions", "police_now: {", "police_now: {<<: {a: b}, ", "the merge key `<<` is not read"),
    ("a tag", "actions", "cite: c", "cite: !!str c", "tag `tag:yaml.org,2002:str` is not read"),
    ("a second document", "actions", "actions:", "---\nactions:", "a second document stands in the file"),
    ("no YAML", "actions", "actions:", "actions: {", "not YAML"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "file", "old", "new", "said"), DOCUMENTS, ids=[one[0] for one in DOCUMENTS])
def test_a_mistake_is_refused_with_its_place(name: str, file: str, old: str, new: str, said: str) -> None:
    text = swapped(TEXTS[f"{file}.yaml"], old, new)
    faults = refusal(**{file: text})
    assert any(said in fault for fault in faults), faults
    assert all(re.match(r"(facts|actions|policy)\.yaml:\d+:\d+: ", fault) for fault in faults)


def golden(lines: str) -> str:
    return f"{POLICY}golden:\n  baby:\n    story: A baby has a bruise.\n{lines}"


WHOLE = "    facts: {child.injury: explained}\n    at_least: {level: section_17}\n"
GOLDEN = [
    ("unknown fact", swapped(WHOLE, "child.injury", "child.injry"), "did you mean `child.injury`?"),
    ("unknown value", swapped(WHOLE, "explained", "explaned"), "did you mean `explained`?"),
    ("a yes for a count", swapped(WHOLE, "child.injury: explained", "child.age: yes"), "a whole number up to 25"),
    ("too high a count", swapped(WHOLE, "child.injury: explained", "child.age: 26"), "a whole number up to 25"),
    ("bounds turned round", swapped(WHOLE, "child.injury: explained", "child.age: 9 to 3"), "as in `7 to 21`"),
    ("half a bound", swapped(WHOLE, "child.injury: explained", "child.age: 9 to"), "as in `7 to 21`"),
    ("a number for a yes", swapped(WHOLE, "child.injury: explained", "child.unborn: 1"), "is yes or no"),
    ("true for a yes", swapped(WHOLE, "child.injury: explained", "child.unborn: true"), "is yes or no"),
    ("unknown agency", WHOLE + "    answers: {polcie: pending}\n", "did you mean `police`?"),
    ("unknown state", WHOLE + "    answers: {police: panding}\n", "did you mean `pending`?"),
    ("unknown level", swapped(WHOLE, "section_17", "sectoin_17"), "did you mean `section_17`?"),
    ("nothing to reach", swapped(WHOLE, "{level: section_17}", "{}"), "give a `level`, a `rag`, or both"),
    ("a ceiling below the floor", WHOLE + "    at_most: targeted\n", "`at_most` is milder than `at_least`"),
    ("unknown action", WHOLE + "    not_actions: [police_nwo]\n", "did you mean `police_now`?"),
    ("unknown key", WHOLE + "    at_leest: x\n", "did you mean `at_least`?"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "lines", "said"), GOLDEN, ids=[one[0] for one in GOLDEN])
def test_a_mistake_in_a_golden_case_is_refused(name: str, lines: str, said: str) -> None:
    (fault,) = refusal(policy=golden(lines))
    assert said in fault
    assert re.match(r"policy\.yaml:\d+:\d+: ", fault)


GUARANTEES = [
    (
        "unknown fact",
        "when: child.injry is at least unclear, at_least: {rag: red}",
        "did you mean `child.injury`?",
    ),
    (
        "turned round",
        "when: child.episodes is under 3, at_least: {rag: red}",
        "milder outcome for a worse fact",
    ),
    ("nothing guaranteed", "when: child.unborn is yes", "guarantees nothing"),
    (
        "unknown level",
        "when: child.unborn is yes, at_least: {level: sectoin_47}",
        "did you mean `section_47`?",
    ),
    ("unknown action", "when: child.unborn is yes, actions: [police_nwo]", "did you mean `police_now`?"),
]


@pytest.mark.parametrize(("name", "body", "said"), GUARANTEES, ids=[one[0] for one in GUARANTEES])
def test_a_mistake_in_a_guarantee_is_refused(name: str, body: str, said: str) -> None:
    (fault,) = refusal(policy=f"{POLICY}guarantees:\n  G-01: {{title: t, {body}}}\n")
    assert said in fault


def test_every_mistake_of_every_document_comes_at_once_in_the_order_of_their_lines() -> None:
    faults = refusal(
        facts=swapped(swapped(FACTS, "kind: scale", "kind: sclae"), "maximum: 30", "maximum: lots"),
        actions=swapped(ACTIONS, "unit: elapsed", "unit: days"),
        policy=swapped(
            swapped(
                swapped(POLICY, "title: Two worries at once", "titel: Two"),
                "level: early_help",
                "level: help",
            ),
            "under 90",
            "under 900",
        ),
    )
    assert [re.match(r"(\w+)\.yaml", fault)[1] for fault in faults] == [  # type: ignore[index]
        *["facts"] * 2, *["actions"], *["policy"] * 4
    ]  # fmt: skip
    places = [tuple(int(part) for part in fault.split(":")[1:3]) for fault in faults]
    assert places[3:] == sorted(places[3:])
    # The rules that read a fact whose own definition was refused are not at fault too.
    assert not any("unknown fact" in fault for fault in faults)


def test_agencies_and_derived_facts_are_checked_against_the_names_that_are_known() -> None:
    names = Names(agencies=["police", "health", "education"], derived=["age_of"])
    derived = "sources: [referrer, health, derived], derived: age_fo, citation: c"
    facts = swapped(FACTS, "sources: [referrer, health],\n     citation: c", derived)
    with pytest.raises(DocumentError) as refused:
        policy_of(names, facts=swapped(facts, "[police, education]", "[polcie, education]"))
    assert "did you mean `age_of`?" in refused.value.faults[0]
    assert "did you mean `police`?" in refused.value.faults[1]
    assert (
        policy_of(names, facts=facts.replace("age_fo", "age_of")).dictionary.definitions["child.age"].derived
        == "age_of"
    )


def test_what_is_written_is_what_is_read() -> None:
    policy = policy_of(
        policy=golden(
            """\
    facts: {child.age: 0, child.episodes: 7 to 21, child.injury: explained, child.unborn: no}
    answers: {police: nothing_held, health: pending}
    at_least: {level: section_47, rag: red}
    at_most: section_47
    actions: [police_now]
guarantees:
  G-01: {title: t, when: child.injury is at least inflicted, at_least: {rag: amber}, actions: [police_now]}
"""
        )
    )
    rule = policy.rules[0]
    assert (rule.id, rule.domain, rule.level, rule.rag, rule.immediate) == (
        "S47-01", "harm", Level.SECTION_47, Rag.RED, True
    )  # fmt: skip
    assert rule.sentence == (
        "When an injury (at least explained) and the child cannot move about: at least section 47, red."
    )
    assert policy.rules[1].sentence == (
        "When the child is left alone and the child's age is under 8, or not known and it is not confirmed that "
        "a protective adult lives there: at least section 47, red."
    )
    (case,) = policy.golden
    assert [one.fact.value for one in case.facts] == [0, Between(at_least=7, at_most=21), "explained", False]
    assert [one.source for one in case.facts] == ["referrer", "education", "referrer", "referrer"]
    assert case.answers == {"police": AgencyState.NOTHING_HELD, "health": AgencyState.PENDING}
    assert policy.guarantees[0].rag is Rag.AMBER
    assert policy.actions["strategy_discussion"].minutes == 240
    assert policy.decisive[0].ask == ("child.non_mobile",)
    assert set(policy.texts) == set(TEXTS)


def test_yamls_own_reading_of_no_and_1e3_is_switched_off() -> None:
    policy = policy_of(
        policy=swapped(swapped(POLICY, "title: One worry", "title: no"), "cite: early help", "cite: 1e3")
    )
    assert (policy.rules[-1].title, policy.rules[-1].citation) == ("no", "1e3")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("facts", "gap_raises: [police]", "gap_raises: [police, education]"),
        ("facts", "question: q", "question: another"),
        ("actions", "minutes: 240", "minutes: 60"),
        ("policy", "at least 3", "at least 4"),
        ("policy", "title: One worry", "title: A worry"),
    ],
)
def test_the_fingerprint_changes_with_every_word_and_with_nothing_else(file: str, old: str, new: str) -> None:
    text = TEXTS[f"{file}.yaml"]
    before = policy_of().fingerprint
    assert policy_of(**{file: f"# a remark\n{text}\n"}).fingerprint == before
    assert policy_of(**{file: swapped(text, old, new)}).fingerprint != before


def test_placement_is_part_of_what_the_fingerprint_names() -> None:
    assert policy_of(placement="about: a").fingerprint != policy_of(placement="about: b").fingerprint
    assert policy_of(placement="about: a").texts["placement.yaml"] == "about: a"
    assert "&a" in refusal(placement="about: &a b")[0]


@pytest.mark.parametrize("name", TEXTS)
def test_a_policy_without_its_facts_or_rules_is_refused(name: str) -> None:
    with pytest.raises(DocumentError, match="cannot be read"):
        load_policy({file: text for file, text in TEXTS.items() if file != name})
