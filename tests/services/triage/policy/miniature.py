"""A partnership of a few facts, one of every kind and polarity, for tests that depend on no board's content."""

from libs.schemas.dictionary import NO_NAMES, Names
from services.triage.policy import Policy, load_policy

FACTS = """\
about: Facts for tests.
version: "1"
facts:
  child.age:
    {kind: count, maximum: 25, polarity: neutral, label: the child's age, question: q, sources: [referrer, health],
     citation: c}
  child.unborn:
    {kind: yes_no, polarity: neutral, unknown: not_met, label: the child is not born yet, question: q,
     sources: [referrer, health], citation: c}
  child.non_mobile:
    {kind: yes_no, polarity: risk, label: the child cannot move about, question: q, sources: [referrer, health],
     gap_raises: [health, referrer], citation: c}
  child.injury:
    {kind: scale, steps: [none, explained, unclear, inflicted], polarity: risk, label: an injury, question: q,
     sources: [referrer, police, health], gap_raises: [health], citation: c}
  child.left_alone:
    {kind: yes_no, polarity: risk, label: the child is left alone, question: q, sources: [referrer, police],
     citation: c}
  child.episodes:
    {kind: count, maximum: 30, polarity: risk, label: times missing, question: q, sources: [police, education],
     gap_raises: [police], citation: c}
  child.attendance:
    {kind: count, maximum: 100, polarity: lower_is_worse, label: attendance, question: q,
     sources: [referrer, education], citation: c}
  home.protective_adult:
    {kind: yes_no, polarity: protective, label: a protective adult lives there, question: q,
     sources: [referrer, health], citation: c}
"""

ACTIONS = """\
about: Actions for tests.
actions:
  strategy_discussion: {label: Hold a strategy discussion, within: {minutes: 240, unit: elapsed}, cite: c}
  police_now: {label: Ring the police now, cite: c}
"""

HEAD = """\
about: Rules for tests.
policy: small
version: "1"
effective: "2026-01-01"
sign_off: none
default: {level: universal, rag: green}
domains: {harm: Harm, home: Home}
decisive:
  D-01: {when: child.injury is at least explained, ask: [child.non_mobile], why: a baby does not hurt itself}
"""

RULES = """\
rules:
  S47-01:
    domain: harm
    title: An injury to a child who cannot move about
    cite: bruising protocol
    when: {all of: [child.injury is at least explained, child.non_mobile is yes]}
    floor: {level: section_47, rag: red}
    immediate: yes
    actions: [strategy_discussion, police_now]
  S47-02:
    domain: home
    title: A young child alone whom nobody protects
    cite: supervision
    when: {all of: [child.left_alone is yes, child.age is under 8, none of: [home.protective_adult is yes]]}
    floor: {level: section_47, rag: red}
    actions: [strategy_discussion]
  S17-01:
    domain: harm
    title: Two worries at once
    cite: neglect
    when:
      at least 2 of: [child.injury is at least unclear, child.episodes is at least 3, child.attendance is under 50]
    floor: {level: section_17, rag: amber}
  EH-01:
    domain: home
    title: One worry
    cite: early help
    when: {any of: [child.attendance is under 90, child.episodes is at least 1, child.left_alone is yes]}
    floor: {level: early_help, rag: green}
"""

TEXTS = {"facts.yaml": FACTS, "actions.yaml": ACTIONS, "policy.yaml": HEAD + RULES}


def policy_of(names: Names = NO_NAMES, /, **texts: str) -> Policy:
    """The small policy with some of its documents replaced: `facts`, `actions`, `policy`."""
    return load_policy(TEXTS | {f"{name}.yaml": text for name, text in texts.items()}, names)
