"""The conditions of a rule, in three values: no, possible on what is not known yet, yes.

A condition is built only from comparisons that cannot turn milder when a fact gets worse (`sentence.py` refuses the
rest), and `all of` (the lowest), `any of` (the highest) and `at least N of` (the Nth highest) keep that property.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.schemas.dictionary import Definition, Kind
from services.triage.policy.facts import StatedFact

NO, POSSIBLE, YES = 0, 1, 2


@dataclass(slots=True)
class Knowledge:
    """A child's facts made ready for comparison: per fact the statements with their lowest and highest rank."""

    stated: Mapping[str, Sequence[tuple[int, int, StatedFact]]]
    unreadable: frozenset[str]
    silent: frozenset[str]


@dataclass(slots=True)
class Findings:
    """What a condition rests on: the statements that made it hold, and the facts and agencies that are missing."""

    evidence: list[StatedFact]
    missing: dict[str, None]
    agencies: dict[str, None]


class Condition(Protocol):
    """A part of a rule."""

    def value(self, known: Knowledge) -> int:
        """NO, POSSIBLE or YES."""
        ...

    def explain(self, known: Knowledge, into: Findings) -> None:
        """Adds what the value rests on."""
        ...

    def english(self) -> str:
        """The condition as part of a sentence."""
        ...

    def facts(self) -> frozenset[str]:
        """The facts that it reads."""
        ...


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A risk fact has reached a rank: `is yes`, `is at least V`."""

    definition: Definition
    rank: int
    words: str

    def value(self, known: Knowledge) -> int:
        name, best = self.definition.name, NO
        for lowest, highest, _ in known.stated.get(name, ()):
            if lowest >= self.rank:
                return YES
            if highest >= self.rank:
                best = POSSIBLE
        if name in known.unreadable or not known.silent.isdisjoint(self.definition.sources):
            return POSSIBLE
        if best == NO and self.definition.unknown_met and name not in known.stated:
            return YES
        return best

    def explain(self, known: Knowledge, into: Findings) -> None:
        met = [fact for lowest, _, fact in known.stated.get(self.definition.name, ()) if lowest >= self.rank]
        into.evidence.extend(met)
        if not met:
            _missing(self.definition, known, into)

    def english(self) -> str:
        return f"{self.definition.label} ({self.words})" if self.words else self.definition.label

    def facts(self) -> frozenset[str]:
        return frozenset((self.definition.name,))


@dataclass(frozen=True, slots=True)
class Below:
    """A fact that is worse the lower it is lies under a bound: `is under N`. The lowest that it could be counts."""

    definition: Definition
    bound: int

    def value(self, known: Knowledge) -> int:
        stated = known.stated.get(self.definition.name, ())
        if any(lowest < self.bound for lowest, _, _ in stated):
            return YES
        if not stated and self.definition.unknown_met:
            return YES
        if self.definition.name in known.unreadable:
            return POSSIBLE
        if not stated and not known.silent.isdisjoint(self.definition.sources):
            return POSSIBLE
        if (
            stated
            and not self.definition.unknown_met
            and not known.silent.isdisjoint(self.definition.sources)
        ):
            return POSSIBLE
        return NO

    def explain(self, known: Knowledge, into: Findings) -> None:
        met = [fact for lowest, _, fact in known.stated.get(self.definition.name, ()) if lowest < self.bound]
        into.evidence.extend(met)
        if not met:
            _missing(self.definition, known, into)

    def english(self) -> str:
        doubt = ", or not known" if self.definition.unknown_met else ""
        return f"{self.definition.label} is under {self.bound}{doubt}"

    def facts(self) -> frozenset[str]:
        return frozenset((self.definition.name,))


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """No protective fact is confirmed: `none of: - F is yes`. Not known is not confirmed.

    What one confirms, another who has not spoken, or was not understood, may still deny.
    """

    definitions: tuple[Definition, ...]

    def value(self, known: Knowledge) -> int:
        value = YES
        for definition in self.definitions:
            stated = known.stated.get(definition.name, ())
            if stated and all(lowest >= 1 for lowest, _, _ in stated):
                if not _deniable(definition, known):
                    return NO
                value = POSSIBLE
        return value

    def explain(self, known: Knowledge, into: Findings) -> None:
        for definition in self.definitions:
            denied = [fact for lowest, _, fact in known.stated.get(definition.name, ()) if lowest < 1]
            into.evidence.extend(denied)
            if not denied and known.stated.get(definition.name):
                _missing(definition, known, into)
            elif not denied:
                into.missing[definition.name] = None

    def english(self) -> str:
        return "it is not confirmed that " + " or that ".join(one.label for one in self.definitions)

    def facts(self) -> frozenset[str]:
        return frozenset(one.name for one in self.definitions)


@dataclass(frozen=True, slots=True)
class Several:
    """`all of`, `any of` and `at least N of`: the Nth highest of the parts' values."""

    parts: tuple[Condition, ...]
    needed: int

    def value(self, known: Knowledge) -> int:
        yes = possible = 0
        left = len(self.parts)
        for part in self.parts:
            value = part.value(known)
            left -= 1
            yes += value == YES
            possible += value == POSSIBLE
            if yes >= self.needed:
                return YES
            if yes + possible + left < self.needed:
                return NO
        return POSSIBLE

    def explain(self, known: Knowledge, into: Findings) -> None:
        for part in self.parts:
            if part.value(known) != NO:
                part.explain(known, into)

    def english(self) -> str:
        words = [part.english() for part in self.parts]
        if self.needed == len(self.parts):
            return " and ".join(words)
        if self.needed == 1:
            return "(" + " or ".join(words) + ")"
        return f"at least {self.needed} of (" + "; ".join(words) + ")"

    def facts(self) -> frozenset[str]:
        return frozenset().union(*(part.facts() for part in self.parts))


def step_words(definition: Definition, rank: int) -> str:
    """How a rank of a fact reads: nothing for yes, `at least unexplained`, `at least 3`."""
    if definition.kind is Kind.YES_NO:
        return ""
    step = definition.steps[rank] if definition.kind is Kind.SCALE else str(rank)
    return f"at least {step.replace('_', ' ')}"


def _deniable(definition: Definition, known: Knowledge) -> bool:
    return definition.name in known.unreadable or not known.silent.isdisjoint(definition.sources)


def _missing(definition: Definition, known: Knowledge, into: Findings) -> None:
    into.missing[definition.name] = None
    for agency in sorted(known.silent & definition.sources):
        into.agencies[agency] = None
