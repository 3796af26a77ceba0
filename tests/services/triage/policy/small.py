"""A policy small enough to be proved in an instant, for tests that change one thing in it."""

from libs.schemas.document import DocumentError
from services.triage.policy import load_policy
from services.triage.policy.check import check

FACTS = """\
about: made up
version: "1"
facts:
  child.injury:
    kind: scale
    steps: [none, explained, unexplained, inflicted]
    polarity: risk
    label: an injury to the child
    question: Is the child hurt?
    sources: [referrer, health]
    gap_raises: [health]
    citation: harm
  child.non_mobile:
    kind: yes_no
    polarity: risk
    label: a child who cannot move about
    question: Can the child move about alone?
    sources: [referrer, health]
    citation: harm
  child.left_alone:
    kind: yes_no
    polarity: risk
    label: the child is left alone
    question: Is the child left alone?
    sources: [referrer, police]
    citation: neglect
  child.age:
    kind: count
    maximum: 25
    polarity: neutral
    label: the child's age in years
    question: How old is the child?
    sources: [referrer]
    citation: age
  child.attendance:
    kind: count
    maximum: 100
    polarity: lower_is_worse
    label: attendance at school in per cent
    question: How often is the child at school?
    sources: [education]
    citation: school
  child.hobby:
    kind: yes_no
    polarity: risk
    label: the child has a hobby
    question: Has the child a hobby?
    sources: [referrer]
    no_effect: it is told to whoever helps
    citation: none
  household.abuse:
    kind: scale
    steps: [none, standard, medium, high]
    polarity: risk
    label: domestic abuse
    question: How dangerous is the abuse?
    sources: [referrer, police]
    gap_raises: [police]
    citation: abuse
  household.call_outs:
    kind: count
    maximum: 20
    polarity: risk
    label: police call-outs in a year
    question: How often did the police come?
    sources: [police]
    citation: abuse
  household.protective_adult:
    kind: yes_no
    polarity: protective
    label: a protective adult lives with the child
    question: Is there a protective adult?
    sources: [referrer, health]
    citation: protection
"""

ACTIONS = """\
about: made up
actions:
  strategy_discussion: {label: a strategy discussion, within: {minutes: 240, unit: elapsed}, cite: chapter 3}
  police_now: {label: the police are called, cite: chapter 3}
  paediatric_opinion: {label: a paediatric opinion, within: {minutes: 1440, unit: working}, cite: protocol}
"""

POLICY = """\
about: made up
policy: small
version: "1"
effective: "2026-01-01"
sign_off: none
default: {level: universal, rag: green}
domains: {harm: Physical harm, neglect: Neglect, abuse: Domestic abuse}
decisive:
  D-1: {when: child.injury is at least explained, ask: [child.non_mobile], why: A bruise counts for more.}
rules:
  R-1:
    domain: harm
    title: An injury to a child who cannot move about
    cite: protocol, page 2
    when: {all of: [child.injury is at least explained, child.non_mobile is yes]}
    floor: {level: section_47, rag: red}
    immediate: yes
    actions: [strategy_discussion, paediatric_opinion]
  R-2:
    domain: harm
    title: An injury that nobody can explain
    cite: thresholds, page 4
    when: child.injury is at least unexplained
    floor: {level: section_17, rag: amber}
  R-3:
    domain: neglect
    title: A young child left alone
    cite: thresholds, page 6
    when:
      all of:
        - child.left_alone is yes
        - child.age is under 8
        - none of: [household.protective_adult is yes]
    floor: {level: section_47, rag: red}
    actions: [police_now]
  R-4:
    domain: abuse
    title: Abuse that goes on
    cite: thresholds, page 8
    when: {any of: [household.abuse is at least medium, household.call_outs is at least 3]}
    floor: {level: section_17, rag: amber}
  R-5:
    domain: neglect
    title: Several worries together
    cite: thresholds, page 7
    when:
      at least 2 of:
        - child.left_alone is yes
        - child.attendance is under 90
        - household.abuse is at least standard
    floor: {level: early_help, rag: green}
guarantees:
  G-1:
    title: A baby who is hurt is at least section 47
    when: {all of: [child.injury is at least unexplained, child.non_mobile is yes]}
    at_least: {level: section_47, rag: red}
    actions: [strategy_discussion]
golden:
  hurt-baby:
    story: A baby of four months has a bruise; the mother says that she rolled onto a toy.
    facts: {child.age: 0, child.non_mobile: yes, child.injury: explained}
    at_least: {level: section_47, rag: red}
    actions: [strategy_discussion, paediatric_opinion]
  one-call:
    story: The police came once, to a loud party.
    facts: {household.call_outs: 1, household.abuse: none}
    answers: {police: returned}
    at_least: {level: universal}
    at_most: early_help
    not_actions: [police_now]
"""

TEXTS = {"facts.yaml": FACTS, "actions.yaml": ACTIONS, "policy.yaml": POLICY}


def changed(*changes: tuple[str, str], file: str = "policy.yaml") -> dict[str, str]:
    """The small policy's texts with each passage replaced by another. Fails where a passage does not stand once."""
    texts = dict(TEXTS)
    for old, new in changes:
        assert texts[file].count(old) == 1, old
        texts[file] = texts[file].replace(old, new)
    return texts


def line_of(texts: dict[str, str], passage: str, file: str = "policy.yaml") -> str:
    """`file:line` of the first line that holds a passage."""
    before = texts[file][: texts[file].index(passage)]
    return f"{file}:{before.count(chr(10)) + 1}:"


def found(texts: dict[str, str]) -> list[str]:
    """What the command would say: the loader's faults, or what the check refutes, each with its case."""
    try:
        policy = load_policy(texts)
    except DocumentError as error:
        return error.faults
    return [f"{finding} {finding.case}" for claim in check(policy).refuted for finding in claim.findings]


def with_rule(name: str, when: str, floor: str, extra: str = "") -> dict[str, str]:
    """The small policy with one more rule."""
    more = f", {extra}" if extra else ""
    rule = f"  {name}: {{domain: harm, title: t, cite: c, when: {when}, floor: {floor}{more}}}\n"
    return changed(("guarantees:\n", rule + "guarantees:\n"))
