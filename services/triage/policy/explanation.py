"""What a rule rests on: the statements that made it hold, or what is missing for it to hold and who could say so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.triage.policy.compile import Ranks
from services.triage.policy.conditions import Comparison, Condition
from services.triage.policy.facts import StatedFact
from services.triage.policy.vector import Reading

if TYPE_CHECKING:
    from services.triage.policy.rules import Policy, Rule


@dataclass(slots=True)
class Findings:
    """What a rule rests on, each thing once and in the order of the rule."""

    evidence: dict[int, StatedFact] = field(default_factory=dict)
    """The statements that reach the bounds of the parts that hold, by identity."""
    assumed: dict[str, None] = field(default_factory=dict)
    """Facts that nobody stated and that count as met while they are unknown."""
    missing: dict[str, None] = field(default_factory=dict)
    """Facts that are not known and could make the rule hold."""
    agencies: dict[str, None] = field(default_factory=dict)
    """Silent agencies that could state a missing fact."""
    questions: dict[str, None] = field(default_factory=dict)
    """Open decisive questions that ask for a missing fact."""


def explain_fired(policy: "Policy", reading: Reading, rule: "Rule") -> Findings:
    """What makes a rule hold: of every part that holds, the statements that reach its bound."""
    findings = Findings()
    _support(policy, reading, rule.condition, findings)
    return findings


def explain_possible(policy: "Policy", reading: Reading, rule: "Rule") -> Findings:
    """What supports a rule that could still hold, what is missing, and who could say it."""
    findings = Findings()
    _lack(policy, reading, rule.condition, findings)
    return findings


def holds(condition: Condition, concerns: Ranks, places: Mapping[str, int]) -> bool:
    """Whether a condition holds on a vector, read straight off its parts."""
    if isinstance(condition, Comparison):
        return concerns[places[condition.definition.name]] >= condition.concern
    return sum(holds(part, concerns, places) for part in condition.parts) >= condition.needed


def _support(policy: "Policy", reading: Reading, condition: Condition, findings: Findings) -> None:
    """Adds what a part that holds for certain rests on."""
    places = policy.encoder.places
    if isinstance(condition, Comparison):
        place = places[condition.definition.name]
        met = [one for least, _, one in reading.statements.get(place, ()) if least >= condition.concern]
        findings.evidence.update((id(one), one) for one in met)
        if not met:
            findings.assumed[condition.definition.name] = None
        return
    for part in condition.parts:
        if holds(part, reading.vector.definite, places):
            _support(policy, reading, part, findings)


def _lack(policy: "Policy", reading: Reading, condition: Condition, findings: Findings) -> None:
    """Adds what a part that could hold rests on so far, and what it lacks."""
    places = policy.encoder.places
    if holds(condition, reading.vector.definite, places):
        _support(policy, reading, condition, findings)
    elif isinstance(condition, Comparison):
        _missing(policy, reading, condition, findings)
    else:
        for part in condition.parts:
            if holds(part, reading.vector.possible, places):
                _lack(policy, reading, part, findings)


def _missing(policy: "Policy", reading: Reading, condition: Comparison, findings: Findings) -> None:
    name, encoder = condition.definition.name, policy.encoder
    findings.missing[name] = None
    stated = encoder.places[name] in reading.statements
    if not (stated and condition.definition.settles):
        silent = encoder.names(reading.silent & encoder.mask(condition.definition.sources))
        findings.agencies.update(dict.fromkeys(silent))
    if stated or not reading.opened:
        return
    for number, one in enumerate(policy.decisive):
        if reading.asked >> number & 1 and name in one.ask:
            findings.questions[one.id] = None
        elif reading.opened >> number & 1 and name in one.ask:
            # It hangs on those who could say what would open the question.
            opening = Findings()
            _lack(policy, reading.before_questions(), one.condition, opening)
            findings.missing.update(opening.missing)
            findings.agencies.update(opening.agencies)
