"""Applies a policy to what is known of one child: what holds, what could still hold, and why."""

from collections.abc import Sequence
from typing import NamedTuple

from libs.schemas.base import maker
from libs.schemas.dictionary import REFERRER
from libs.schemas.evaluation import DecisiveQuestion, Evidence, FiredRule, Outcome, PartlyMet, PossibleRise
from libs.schemas.levels import Level, Rag
from services.triage.policy.facts import ChildFacts, StatedFact
from services.triage.policy.reasons import Findings
from services.triage.policy.rules import Policy
from services.triage.policy.vector import Encoder, Reading, Vector, members

EVALUATOR = 1
"""Version of what evaluating means. Every version keeps its golden replays, so that a change is seen."""

GAP_CEILING = Rag.AMBER
"""A gap alone raises the urgency to amber at the most; it never lowers anything."""

KEPT = 4096
"""So many groups of rules that could still fire are kept for each policy."""

_outcome, _fired_rule, _partly_met = maker(Outcome), maker(FiredRule), maker(PartlyMet)
_possible_rise, _evidence = maker(PossibleRise), maker(Evidence)


class Verdict(NamedTuple):
    """What the rules say of a vector. `fired` and `possible` are masks over the rules' numbers.

    Every rule that fired is also possible. `rag` is the urgency before what a gap adds to it.
    """

    level: Level
    rag: Rag
    could_rise_to: Level
    rag_could_rise_to: Rag
    immediate: bool
    fired: int
    possible: int


def decide(policy: Policy, vector: Vector) -> Verdict:
    """The definite outcome and the most that it could rise to, without the reasons."""
    fired, possible = policy.program.judge(vector[0], vector[1])
    floors = policy.floors
    level, rag = floors.level(fired), floors.rag(fired)
    if fired == possible:
        return Verdict(level, rag, level, rag, bool(fired & floors.immediate), fired, possible)
    could, rag_could = floors.level(possible), floors.rag(possible)
    return Verdict(level, rag, could, rag_could, bool(fired & floors.immediate), fired, possible)


def evaluate(policy: Policy, facts: ChildFacts) -> Outcome:
    """The definite outcome, what it could still rise to, and exactly the facts that made it so.

    Pure: the same policy and facts give the same outcome. A worse fact, or an answer that is missing where one was,
    never gives a milder one.
    """
    encoder = policy.encoder
    reading = encoder.read(policy, facts)
    verdict = decide(policy, reading.vector)
    rag, raised_for = _gap(policy, reading, verdict)
    writer = _Writer(policy, encoder)
    fired = tuple([writer.fired(reading, number) for number in members(verdict.fired)])
    obliging = members(verdict.fired & policy.floors.obliging)
    actions = dict.fromkeys([action for number in obliging for action in policy.rules[number].actions])
    rising = _rising(policy, reading, verdict, actions)
    missing = agencies = questions = 0
    possible_actions: dict[str, None] = {}
    for number, (_, facts_missing, could_say, asking) in rising:
        missing |= facts_missing
        agencies |= could_say
        questions |= asking
        for action in policy.rules[number].actions:
            if action not in actions:
                possible_actions[action] = None
    return _outcome(
        {
            "policy": policy.fingerprint,
            "evaluator": EVALUATOR,
            "level": verdict.level,
            "rag": rag,
            "could_rise_to": verdict.could_rise_to,
            "rag_could_rise_to": rag
            if rag is verdict.rag_could_rise_to
            else max(rag, verdict.rag_could_rise_to),
            "rag_raised_for": raised_for,
            "immediate": verdict.immediate,
            "fired": fired,
            "possible": writer.rises(rising),
            "partly_met": tuple([writer.partly_met(*one) for one in rising if one[1][0]]),
            "missing": writer.facts(missing),
            "waiting_on": encoder.names(agencies & reading.awaited),
            "questions": writer.questions(reading, questions) if questions else (),
            "actions": tuple(actions),
            "possible_actions": tuple(possible_actions),
        }
    )


def _rising(
    policy: Policy, reading: Reading, verdict: Verdict, actions: dict[str, None]
) -> list[tuple[int, Findings]]:
    """The numbers of the rules that could still fire and would then add a level, an urgency or an action."""
    floors, rules = policy.floors, policy.rules
    could = verdict.possible & ~verdict.fired
    adding = could & floors.above[verdict.level, verdict.rag]
    for number in members(could & floors.obliging & ~adding):
        if not actions.keys() >= set(rules[number].actions):
            adding |= 1 << number
    return policy.explainer.rising(reading, members(adding)) if adding else []


def _gap(policy: Policy, reading: Reading, verdict: Verdict) -> tuple[Rag, tuple[str, ...]]:
    """The urgency with what is overdue taken at its worst, as far as the dictionary lets that gap raise it."""
    if not reading.overdue and not reading.asked:
        return verdict.rag, ()
    sources: dict[int, set[str]] = {}
    encoder = policy.encoder
    for place, agencies in encoder.gap_raises if reading.overdue else ():
        late = agencies & reading.overdue
        # What one statement settles is no gap, whoever else is silent.
        if late and not (place in reading.statements and encoder.definitions[place].settles):
            sources[place] = set(encoder.names(late))
    for number in members(reading.asked):
        for name in policy.decisive[number].ask:
            place = encoder.places[name]
            if place not in reading.statements and REFERRER in encoder.definitions[place].gap_raises:
                sources.setdefault(place, set()).add(REFERRER)
    if not sources:
        return verdict.rag, ()
    gap = list(reading.vector.definite)
    for place in sources:
        gap[place] = encoder.definitions[place].maximum
    held, _ = policy.program.judge(gap, gap)
    raised = min(policy.floors.rag(held), GAP_CEILING)
    if raised <= verdict.rag:
        return verdict.rag, ()
    named: set[str] = set()
    for number in members(held & ~verdict.fired):
        rule = policy.rules[number]
        if rule.rag > verdict.rag:
            for name in rule.reads:
                named |= sources.get(encoder.places[name], set())
    return raised, tuple(sorted(named))


class _Writer:
    """Writes an outcome's parts out. A statement that several rules rest on is written once."""

    def __init__(self, policy: Policy, encoder: Encoder) -> None:
        self._policy = policy
        self._encoder = encoder
        self._written: dict[int, Evidence] = {}

    def fired(self, reading: Reading, number: int) -> FiredRule:
        """A rule that fired, as it is shown."""
        policy = self._policy
        evidence, assumed = policy.explainer.fired(reading, number)
        shown = policy.shown[number].copy()
        shown["evidence"] = tuple([self._evidence(one) for one in evidence])
        if assumed:
            shown["assumed"] = self.facts(assumed)
        return _fired_rule(shown)

    def partly_met(self, number: int, findings: Findings) -> PartlyMet:
        """A rule that could still fire and that something supports."""
        evidence, missing, agencies, questions = findings
        return _partly_met(
            {
                "rule": self._policy.rules[number].id,
                "evidence": tuple([self._evidence(one) for one in evidence]),
                "missing": self.facts(missing),
                "agencies": self._encoder.names(agencies),
                "questions": self._asked(questions),
            }
        )

    def rises(self, rising: Sequence[tuple[int, Findings]]) -> tuple[PossibleRise, ...]:
        """The rules that could still fire, grouped by what they raise to and who would have to speak."""
        floors = self._policy.floors.of
        groups: dict[tuple[int, int, int], int] = {}
        for number, (_, _, agencies, questions) in rising:
            key = (floors[number], agencies, questions)
            groups[key] = groups.get(key, 0) | 1 << number
        return tuple([self._rise(agencies, asked, rules) for (_, agencies, asked), rules in groups.items()])

    def _rise(self, agencies: int, questions: int, rules: int) -> PossibleRise:
        """One group. Most children's are alike, so each is kept once made."""
        kept = self._policy.rises
        rise = kept.get((agencies, questions, rules))
        if rise is None:
            grouped = [self._policy.rules[number] for number in members(rules)]
            rise = _possible_rise(
                {
                    "level": grouped[0].level,
                    "rag": grouped[0].rag,
                    "agencies": self._encoder.names(agencies),
                    "questions": self._asked(questions),
                    "rules": tuple([rule.id for rule in grouped]),
                }
            )
            if len(kept) < KEPT:
                kept[agencies, questions, rules] = rise
        return rise

    def facts(self, mask: int) -> tuple[str, ...]:
        """The facts of a mask, in the dictionary's order."""
        definitions = self._encoder.definitions
        return tuple([definitions[place].name for place in members(mask)])

    def questions(self, reading: Reading, mask: int) -> tuple[DecisiveQuestion, ...]:
        """The open questions of a mask, with what is asked and not known."""
        places = self._encoder.places
        return tuple(
            DecisiveQuestion(
                decisive=one.id,
                why=one.why,
                facts=tuple(name for name in one.ask if places[name] not in reading.statements),
            )
            for one in (self._policy.decisive[number] for number in members(mask))
        )

    def _asked(self, mask: int) -> tuple[str, ...]:
        return tuple([self._policy.decisive[number].id for number in members(mask)])

    def _evidence(self, one: StatedFact) -> Evidence:
        written = self._written.get(id(one))
        if written is None:
            # What a statement says, and beside it who said it.
            values: dict[str, object] = one.fact.__dict__.copy()
            values["label"] = self._policy.dictionary.definitions[one.fact.fact].label
            values["source"] = one.source
            written = _evidence(values)
            self._written[id(one)] = written
        return written
