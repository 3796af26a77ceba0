"""The conditions of a rule: a fact has reached a degree of concern, and several such parts together.

Every comparison reads a fact as its *concern*, where higher is worse whichever way the fact itself counts
(`Definition.concern`), and holds from a bound upwards. `all of`, `any of`, `at least N of` and `none of` only count
parts that hold. So a condition that holds goes on holding when any of its facts gets worse, by its construction.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from libs.schemas.dictionary import Definition, Kind, Polarity

ALL, ANY, AT_LEAST, NONE = "all of", "any of", "at least {} of", "none of"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A fact's concern is at least this: `is yes`, `is at least V`, `is under N`, or protection not confirmed."""

    definition: Definition
    concern: int

    @property
    def rank(self) -> int:
        """The rank at the bound: from here upwards it holds or, where lower is worse, up to here."""
        return self.definition.concern(self.concern)

    def comparisons(self) -> Iterator["Comparison"]:
        """Itself."""
        yield self

    def sentence(self) -> str:
        """The comparison as the policy file writes it; a protective fact as it stands under `none of`."""
        one = self.definition
        if one.kind is Kind.YES_NO:
            return f"{one.name} is yes"
        if one.higher_is_worse:
            return f"{one.name} is at least {one.steps[self.rank] if one.steps else self.rank}"
        return f"{one.name} is under {self.rank + 1}"

    def english(self) -> str:
        """The comparison as part of a sentence."""
        one = self.definition
        if one.polarity is Polarity.PROTECTIVE:
            return f"it is not confirmed that {one.label}"
        doubt = ", or not known" if one.unknown_met else ""
        if one.kind is Kind.YES_NO:
            return f"{one.label}{doubt}"
        if not one.higher_is_worse:
            return f"{one.label} is under {self.rank + 1}{doubt}"
        step = one.steps[self.rank].replace("_", " ") if one.steps else str(self.rank)
        return f"{one.label} (at least {step}{doubt})"


@dataclass(frozen=True, slots=True)
class Several:
    """At least `needed` of the parts hold. `wording` is what the policy file says: `all of`, `any of`, …"""

    parts: tuple["Condition", ...]
    needed: int
    wording: str

    def comparisons(self) -> Iterator[Comparison]:
        """Every comparison in it, as they stand."""
        for part in self.parts:
            yield from part.comparisons()

    def english(self) -> str:
        """The parts as part of a sentence."""
        words = [part.english() for part in self.parts]
        if len(words) == 1:
            return words[0]
        if self.needed == len(self.parts):
            return " and ".join(words)
        if self.needed == 1:
            return "(" + " or ".join(words) + ")"
        return f"at least {self.needed} of (" + "; ".join(words) + ")"


Condition = Comparison | Several


def facts_of(condition: Condition) -> frozenset[str]:
    """The names of the facts that a condition reads."""
    return frozenset(one.definition.name for one in condition.comparisons())
