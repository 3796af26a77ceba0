"""A policy as it is applied: its rules, what holds when none fires, and its fingerprint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from libs.schemas.dictionary import Dictionary
from libs.schemas.evaluation import PossibleRise
from libs.schemas.levels import Level, Rag
from services.triage.policy.conditions import NO, YES, Condition, Findings, Knowledge


@dataclass(frozen=True, slots=True)
class Rule:
    """A floor: where the condition holds, the outcome is at least this level and this urgency."""

    id: str
    title: str
    citation: str
    condition: Condition
    level: Level
    rag: Rag
    immediate: bool
    actions: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule on what is known: its value and, where it holds or could, what that rests on."""

    rule: Rule
    value: int
    findings: Findings


def judge(rule: Rule, known: Knowledge) -> Judged:
    """The rule's value, with exactly the statements or gaps that it rests on."""
    findings = Findings([], {}, {})
    value = rule.condition.value(known)
    if value != NO:
        rule.condition.explain(known, findings)
    return Judged(rule, value, findings)


@dataclass(frozen=True)
class Policy:
    """Rules that only raise: the highest floor wins, in whatever order they stand."""

    id: str
    version: str
    effective: str
    sign_off: str
    level: Level
    rag: Rag
    rules: tuple[Rule, ...]
    dictionary: Dictionary
    fingerprint: str
    _unstated: dict[frozenset[str], tuple[Judged, ...]] = field(
        default_factory=dict, repr=False, compare=False
    )

    _rises: dict[object, PossibleRise] = field(default_factory=dict, repr=False, compare=False)

    def rise(self, level: Level, rag: Rag, agencies: tuple[str, ...], rules: tuple[str, ...]) -> PossibleRise:
        """The rise that these rules could still bring. Most children's are alike, so each is kept once made."""
        key = (level, rag, agencies, rules)
        rise = self._rises.get(key)
        if rise is None:
            rise = PossibleRise.model_construct(level=level, rag=rag, agencies=agencies, rules=rules)
            if len(self._rises) < 4096:
                self._rises[key] = rise
        return rise

    @cached_property
    def readers(self) -> Mapping[str, frozenset[int]]:
        """For each fact the numbers of the rules that read it."""
        readers: dict[str, set[int]] = {}
        for number, rule in enumerate(self.rules):
            for fact in rule.condition.facts():
                readers.setdefault(fact, set()).add(number)
        return {fact: frozenset(numbers) for fact, numbers in readers.items()}

    def judged(self, known: Knowledge) -> list[Judged]:
        """Every rule that holds or could, in the policy's order.

        A rule of whose facts nothing is stated depends on nothing but who is silent, so its reading is kept: most
        rules of most children are such.
        """
        unstated = self._unstated.get(known.silent)
        if unstated is None:
            nothing = Knowledge({}, frozenset(), known.silent)
            unstated = tuple(judge(rule, nothing) for rule in self.rules)
            if len(self._unstated) < 4096:
                self._unstated[known.silent] = unstated
        touched: set[int] = set()
        for fact in (*known.stated, *known.unreadable):
            touched |= self.readers.get(fact, frozenset())
        return [
            one
            for number, kept in enumerate(unstated)
            if (one := judge(kept.rule, known) if number in touched else kept).value != NO
        ]


__all__ = ["NO", "YES", "Judged", "Policy", "Rule", "judge"]
