"""The dictionary of facts that the board signs: what may be stated about a child, and what each statement means.

Intake checks what a referrer states against it, enrichment what an agency's answer means, triage what a rule reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import partial
from hashlib import sha256
from pathlib import Path

from libs.schemas.document import DocumentError, Node, collect, read_document
from libs.schemas.findings import Between, Fact, FactValue

REFERRER = "referrer"
"""The source of what the referrer states."""

DERIVED = "derived"
"""The source of what small pure functions work out, such as an age."""

STAFF = "staff"
"""The source of what a member of the hub's staff adds."""


class Kind(StrEnum):
    """How a fact's value is expressed."""

    YES_NO = "yes_no"
    SCALE = "scale"
    COUNT = "count"


class Polarity(StrEnum):
    """Which way a fact is worse. The proof that a worse fact never gives a milder outcome rests on it."""

    RISK = "risk"
    PROTECTIVE = "protective"
    NEUTRAL = "neutral"
    LOWER_IS_WORSE = "lower_is_worse"


@dataclass(frozen=True, slots=True)
class Definition:
    """One fact of the dictionary."""

    name: str
    kind: Kind
    polarity: Polarity
    label: str
    question: str
    sources: frozenset[str]
    steps: tuple[str, ...]
    maximum: int
    unknown_met: bool
    gap_raises: frozenset[str]
    citation: str
    derived: str | None = None
    """The function that works this fact out."""
    no_effect: str | None = None
    """Why no rule reads the fact, where that is meant."""

    @property
    def settles(self) -> bool:
        """Whether one statement settles the fact: who has not spoken is not thought to know another age."""
        return self.polarity is Polarity.NEUTRAL

    @property
    def higher_is_worse(self) -> bool:
        """Whether a higher rank concerns more. An age, and what is confirmed to protect, concern more the lower they
        are; a neutral yes/no, such as being unborn, concerns where it is yes.
        """
        if self.polarity is Polarity.NEUTRAL:
            return self.kind is not Kind.COUNT
        return self.polarity is Polarity.RISK

    def concern(self, rank: int) -> int:
        """How much a rank concerns: 0 the least, `maximum` the most, whichever way the fact is worse."""
        return rank if self.higher_is_worse else self.maximum - rank

    def concerns(self, value: FactValue) -> tuple[int, int] | None:
        """The least and the greatest concern that a value may mean, or None where the dictionary does not know it."""
        bounds = self.bounds(value)
        if bounds is None:
            return None
        lowest, highest = bounds
        return (lowest, highest) if self.higher_is_worse else (self.maximum - highest, self.maximum - lowest)

    def bounds(self, value: FactValue) -> tuple[int, int] | None:
        """The value's lowest and highest rank, or None where the dictionary does not know it.

        Yes is 1 and no is 0, a scale's mildest step is 0, a count is itself.
        """
        if self.kind is Kind.YES_NO:
            return (int(value), int(value)) if isinstance(value, bool) else None
        if self.kind is Kind.SCALE:
            if not isinstance(value, str) or value not in self.steps:
                return None
            return self.steps.index(value), self.steps.index(value)
        if isinstance(value, Between):
            fits = value.at_least <= value.at_most <= self.maximum
            return (value.at_least, value.at_most) if fits else None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= self.maximum:
            return None
        return value, value

    def wanted(self) -> str:
        """What a value of this fact looks like, for a problem document."""
        if self.kind is Kind.YES_NO:
            return "must be true or false"
        if self.kind is Kind.SCALE:
            return "must be one of: " + ", ".join(self.steps)
        return f"must be a whole number from 0 to {self.maximum}"


@dataclass(frozen=True, slots=True)
class FactFault:
    """Why a statement does not fit the dictionary, without the value that was sent."""

    field: str
    code: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Dictionary:
    """All facts by name, with the SHA-256 fingerprint of what they mean."""

    version: str
    definitions: Mapping[str, Definition]
    fingerprint: str

    @property
    def agencies(self) -> tuple[str, ...]:
        """Every agency that could know a fact, in order of name: silent until it has spoken."""
        sources = frozenset[str]().union(*(one.sources for one in self.definitions.values()))
        return tuple(sorted(sources - {REFERRER, DERIVED, STAFF}))

    def check(self, fact: Fact) -> FactFault | None:
        """Whether a statement uses a known fact with a value of its kind."""
        definition = self.definitions.get(fact.fact)
        if definition is None:
            close = get_close_matches(fact.fact, list(self.definitions), n=1, cutoff=0.6)
            hint = f"; the nearest is `{close[0]}`" if close else ""
            return FactFault("fact", "unknown_fact", f"must be a fact of the dictionary{hint}")
        if definition.bounds(fact.value) is None:
            return FactFault("value", "unknown_value", definition.wanted())
        return None


_KEYS = {
    "kind": True,
    "polarity": True,
    "label": True,
    "question": True,
    "sources": True,
    "citation": True,
    "steps": False,
    "maximum": False,
    "unknown": False,
    "gap_raises": False,
    "derived": False,
    "no_effect": False,
}


def load_dictionary(path: Path) -> Dictionary:
    """Reads and checks `facts.yaml`. Raises DocumentError naming every mistake with its place."""
    return read_dictionary(read_document(path))


def read_dictionary(document: Node) -> Dictionary:
    """Checks what `facts.yaml` says. Raises DocumentError naming every mistake with its place."""
    root = document.fields({"about": True, "version": True, "facts": True})
    definitions: dict[str, Definition] = {}

    def define(name: str, node: Node) -> None:
        definitions[name] = _definition(name, node)

    faults = collect(partial(define, name, node) for name, node in root["facts"].fields().items())
    if faults:
        raise DocumentError(faults)
    canonical = "\n".join(repr(_canonical(definitions[name])) for name in sorted(definitions))
    return Dictionary(root["version"].text(), definitions, sha256(canonical.encode()).hexdigest())


def _canonical(definition: Definition) -> tuple[object, ...]:
    return (
        definition.name,
        definition.kind.value,
        definition.polarity.value,
        definition.label,
        sorted(definition.sources),
        definition.steps,
        definition.maximum,
        definition.unknown_met,
        sorted(definition.gap_raises),
        definition.citation,
    )


def _definition(name: str, node: Node) -> Definition:
    fields = node.fields(_KEYS)
    kind = Kind(fields["kind"].choice([member.value for member in Kind], "kind"))
    polarity = Polarity(fields["polarity"].choice([member.value for member in Polarity], "polarity"))
    steps = tuple(step.text() for step in fields["steps"].items()) if "steps" in fields else ()
    maximum = fields["maximum"].whole(1) if "maximum" in fields else 0
    if (kind is Kind.SCALE) != bool(steps) or len(set(steps)) != len(steps):
        raise DocumentError(
            [f"{node.place}: a scale, and only a scale, has `steps`, each once, mildest first"]
        )
    if (kind is Kind.COUNT) != bool(maximum):
        raise DocumentError([f"{node.place}: a count, and only a count, has a `maximum`"])
    unknown = (
        fields["unknown"].choice(["met", "not_met"], "reading of unknown") if "unknown" in fields else ""
    )
    cautious = polarity in (Polarity.PROTECTIVE, Polarity.NEUTRAL)
    sources = frozenset(source.text() for source in fields["sources"].items())
    gaps = fields["gap_raises"].items() if "gap_raises" in fields else []
    gap_raises = frozenset(source.text() for source in gaps)
    if not gap_raises <= sources:
        raise DocumentError(
            [f"{fields['gap_raises'].place}: a gap can only come from one of the fact's sources"]
        )
    return Definition(
        name=name,
        kind=kind,
        polarity=polarity,
        label=fields["label"].text(),
        question=fields["question"].text(),
        sources=sources,
        steps=steps,
        maximum=1 if kind is Kind.YES_NO else maximum or len(steps) - 1,
        unknown_met=unknown == "met" if unknown else cautious,
        gap_raises=gap_raises,
        citation=fields["citation"].text(),
        derived=fields["derived"].text() if "derived" in fields else None,
        no_effect=fields["no_effect"].text() if "no_effect" in fields else None,
    )
