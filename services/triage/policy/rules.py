"""A policy as it is applied: its rules, what holds when none fires, and what it promises of itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from libs.schemas.dictionary import Dictionary
from libs.schemas.document import Place
from libs.schemas.evaluation import PossibleRise
from libs.schemas.findings import AgencyState
from libs.schemas.levels import Level, Rag
from services.triage.policy.compile import Program, compile_program
from services.triage.policy.conditions import Condition, facts_of
from services.triage.policy.explanation import Explainer
from services.triage.policy.facts import ChildFacts, StatedFact
from services.triage.policy.vector import Encoder

BEFORE: Mapping[str, str] = {"school_day": "the next school day begins"}
"""What an action may have to be done before, in words."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a rule may oblige: a task that somebody owns and that no signature delays.

    `minutes` is the time allowed, in `unit`: `elapsed`, or `working` for hours in which the hub is open. `before`:
    what it must be done before, instead.
    """

    id: str
    label: str
    citation: str
    minutes: int | None = None
    unit: str | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A floor: where the condition holds, the outcome is at least this level and this urgency."""

    id: str
    domain: str
    title: str
    citation: str
    condition: Condition
    level: Level
    rag: Rag
    immediate: bool
    actions: tuple[str, ...]
    sentence: str
    place: Place

    @property
    def reads(self) -> frozenset[str]:
        """The names of the facts that it reads."""
        return facts_of(self.condition)


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What the board promises of every child of whom the condition holds, whatever the rules say."""

    id: str
    title: str
    condition: Condition
    level: Level | None
    rag: Rag | None
    actions: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """A child as a practitioner would tell of them, with the mildest outcome that practice accepts."""

    id: str
    story: str
    facts: tuple[StatedFact, ...]
    answers: Mapping[str, AgencyState]
    level: Level | None
    rag: Rag | None
    at_most: Level | None
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    place: Place

    def known(self) -> ChildFacts:
        """What is known of the child. An agency that the case does not name was not asked."""
        return ChildFacts(self.facts, self.answers)


@dataclass(frozen=True, slots=True)
class Decisive:
    """Questions of the referrer that count as open while the condition holds and nobody has answered them."""

    id: str
    condition: Condition
    ask: tuple[str, ...]
    why: str
    place: Place


@dataclass(frozen=True)
class Policy:
    """Rules that only raise: the highest floor wins, in whatever order they stand.

    `texts` are the documents that it was read from, by file name; `fingerprint` is the SHA-256 of what they mean.
    """

    id: str
    version: str
    effective: str
    sign_off: str
    level: Level
    rag: Rag
    rules: tuple[Rule, ...]
    dictionary: Dictionary
    fingerprint: str
    guarantees: tuple[Guarantee, ...] = ()
    golden: tuple[GoldenCase, ...] = ()
    decisive: tuple[Decisive, ...] = ()
    actions: Mapping[str, Action] = field(default_factory=dict)
    domains: Mapping[str, str] = field(default_factory=dict)
    """The threshold document's domains by id, with the name that people read."""
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def program(self) -> Program:
        """The conditions of the rules and of the decisive questions as Python functions over a vector."""
        return compile_program(
            [rule.condition for rule in self.rules],
            [one.condition for one in self.decisive],
            self.encoder.places,
        )

    @cached_property
    def encoder(self) -> Encoder:
        """Turns what is known of a child into a vector."""
        return Encoder(self.dictionary)

    @cached_property
    def shown(self) -> tuple[dict[str, object], ...]:
        """Of each rule what an outcome shows of it wherever it fires."""
        return tuple(
            {
                "rule": rule.id,
                "title": rule.title,
                "citation": rule.citation,
                "sentence": rule.sentence,
                "level": rule.level,
                "rag": rule.rag,
                "immediate": rule.immediate,
                "actions": rule.actions,
                "evidence": (),
                "assumed": (),
            }
            for rule in self.rules
        )

    @cached_property
    def rises(self) -> dict[tuple[int, int, int], PossibleRise]:
        """Groups of rules that could still fire, once made."""
        return {}

    @cached_property
    def explainer(self) -> Explainer:
        """Says what a rule rests on."""
        return Explainer(self)

    @cached_property
    def floors(self) -> "Floors":
        """What each rule raises to, as masks over the rules' numbers."""
        return Floors(self)


class Floors:
    """A policy's floors as masks: bit n stands for its nth rule."""

    def __init__(self, policy: Policy) -> None:
        rules = policy.rules
        self._level, self._rag = policy.level, policy.rag
        self._levels = [
            (level, mask)
            for level in reversed(Level)
            if level > policy.level and (mask := _mask(one.level == level for one in rules))
        ]
        self._rags = [
            (rag, mask)
            for rag in reversed(Rag)
            if rag > policy.rag and (mask := _mask(one.rag == rag for one in rules))
        ]
        self.above = {
            (level, rag): _mask(one.level > level or one.rag > rag for one in rules)
            for level in Level
            for rag in Rag
        }
        """For each level and urgency the rules that would raise either."""
        self.of = tuple(rule.level.rank * len(Rag) + rule.rag.rank for rule in rules)
        """A number for each rule, the same for the same floor."""
        self.immediate = _mask(one.immediate for one in rules)
        """The rules that mark danger that does not wait."""
        self.obliging = _mask(bool(one.actions) for one in rules)
        """The rules that oblige to an action."""

    def level(self, rules: int) -> Level:
        """The highest level that these rules raise to, or the policy's own."""
        for level, mask in self._levels:
            if rules & mask:
                return level
        return self._level

    def rag(self, rules: int) -> Rag:
        """The highest urgency that these rules raise to, or the policy's own."""
        for rag, mask in self._rags:
            if rules & mask:
                return rag
        return self._rag


def _mask(members: Iterable[bool]) -> int:
    return sum(1 << number for number, member in enumerate(members) if member)
