"""The dictionary of facts that the board signs: what may be stated about a child, and what each statement means.

Intake checks what a referrer states against it, enrichment what an agency's answer means, triage what a rule reads.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path

from libs.schemas.base import CodeList
from libs.schemas.document import DocumentError, Node, distinct, read_all, read_document
from libs.schemas.findings import Between, Fact, FactValue

REFERRER = "referrer"
"""The source of what the referrer states."""

DERIVED = "derived"
"""The source of what small pure functions work out, such as an age."""

STAFF = "staff"
"""The source of what a member of the hub's staff adds."""


class Kind(CodeList):
    """How a fact's value is expressed."""

    YES_NO = "yes_no"
    SCALE = "scale"
    COUNT = "count"


class Polarity(CodeList):
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
        """The least and the greatest concern that a value may mean, or None where the dictionary does not know it.

        A fact that counts as met while it is unknown counts at its worst within its bounds too: a child who is
        between five and eight counts as five.
        """
        bounds = self.bounds(value)
        if bounds is None:
            return None
        least, greatest = sorted(self.concern(rank) for rank in bounds)
        return greatest if self.unknown_met else least, greatest

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
    derived: tuple[Definition, ...] = field(init=False, repr=False, compare=False)
    """Those of them that are worked out, in order."""
    agencies: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Every agency that could know a fact, in order of name: silent until it has spoken."""

    def __post_init__(self) -> None:
        """Picks out what is looked at with every evaluation."""
        derived = tuple(one for one in self.definitions.values() if one.derived is not None)
        object.__setattr__(self, "derived", derived)
        sources = frozenset[str]().union(*(one.sources for one in self.definitions.values()))
        object.__setattr__(self, "agencies", tuple(sorted(sources - {REFERRER, DERIVED, STAFF})))

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
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_STEP = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Names:
    """Names that `facts.yaml` uses and that are kept elsewhere; None where the caller does not know them."""

    agencies: Collection[str] | None = None
    derived: Collection[str] | None = None


NO_NAMES = Names()


def load_dictionary(path: Path) -> Dictionary:
    """Reads and checks `facts.yaml`. Raises DocumentError naming every mistake with its place."""
    return read_dictionary(read_document(path))


def read_dictionary(document: Node, names: Names = Names()) -> Dictionary:
    """Checks what `facts.yaml` says. Raises DocumentError naming every mistake with its place."""
    dictionary, _, faults = survey_dictionary(document, names)
    if faults:
        raise DocumentError(faults)
    return dictionary


def survey_dictionary(document: Node, names: Names) -> tuple[Dictionary, frozenset[str], list[str]]:
    """The facts that are in order, the names of those that are not, and every mistake with its place.

    What reads the dictionary can so be checked although a part of it is refused.
    """
    definitions: dict[str, Definition] = {}
    root = document.record({"about": True, "version": True, "facts": True})
    root.words("about")
    version = root.words("version")
    nodes: dict[str, Node] = root.read("facts", lambda one: one.fields(), {})
    for name, node in nodes.items():
        try:
            if not _NAME.fullmatch(name):
                raise DocumentError(
                    [
                        f"{root.members['facts'].place_of(name)}: a fact is named like `child.age`, in small letters"
                    ]
                )
            definitions[name] = _definition(name, node, names)
        except DocumentError as error:
            root.add(*error.faults)
    canonical = "\n".join(repr(_canonical(definitions[name])) for name in sorted(definitions))
    dictionary = Dictionary(version, definitions, sha256(canonical.encode()).hexdigest())
    return dictionary, frozenset(nodes.keys() - definitions.keys()), root.faults


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


def _definition(name: str, node: Node, names: Names) -> Definition:
    record = node.record(_KEYS)
    kind = record.read("kind", lambda one: Kind(one.choice([member.value for member in Kind], "kind")), None)
    polarity = record.read(
        "polarity", lambda one: Polarity(one.choice([member.value for member in Polarity], "polarity")), None
    )
    label, question, citation = (record.words(key) for key in ("label", "question", "citation"))
    steps = record.read("steps", _steps, ())
    maximum = record.read("maximum", lambda one: one.whole(1), 0)
    unknown = record.read("unknown", lambda one: one.choice(["met", "not_met"], "reading of unknown"), "")
    known = None if names.agencies is None else [REFERRER, DERIVED, STAFF, *names.agencies]
    sources = record.read("sources", lambda one: _sources(one, known), frozenset[str]())
    askable = sorted(sources - {DERIVED, STAFF}) or None
    gap_raises = record.read("gap_raises", lambda one: _sources(one, askable), frozenset[str]())
    derived = record.read("derived", lambda one: _derived(one, names.derived), None)
    no_effect = record.read("no_effect", Node.words, None)
    if kind is not None and (kind is Kind.SCALE) != ("steps" in record.members):
        record.add(f"{node.place}: a scale, and only a scale, has `steps`, each once, mildest first")
    if kind is not None and (kind is Kind.COUNT) != ("maximum" in record.members):
        record.add(f"{node.place}: a count, and only a count, has a `maximum`")
    if derived and DERIVED not in sources:
        record.add(f"{record.members['derived'].place}: the sources of a derived fact name `{DERIVED}`")
    if kind is not None and polarity is not None:
        fault = _polarity_fault(kind, polarity, unknown)
        if fault:
            record.add(f"{record.members['polarity'].place}: {fault}")
    record.refuse()
    assert kind is not None  # what was demanded and is absent was refused
    assert polarity is not None
    return Definition(
        name=name,
        kind=kind,
        polarity=polarity,
        label=label,
        question=question,
        sources=sources,
        steps=steps,
        maximum=1 if kind is Kind.YES_NO else maximum or len(steps) - 1,
        unknown_met=unknown == "met" if unknown else polarity in (Polarity.PROTECTIVE, Polarity.NEUTRAL),
        gap_raises=gap_raises,
        citation=citation,
        derived=derived,
        no_effect=no_effect,
    )


def _polarity_fault(kind: Kind, polarity: Polarity, unknown: str) -> str | None:
    if polarity is Polarity.PROTECTIVE and kind is not Kind.YES_NO:
        return "a protective fact is a yes or a no: what it protects from is a risk of its own"
    if polarity is Polarity.LOWER_IS_WORSE and kind is not Kind.COUNT:
        return "only a count can be worse the lower it is: a scale's steps stand mildest first"
    if polarity is Polarity.PROTECTIVE and unknown == "not_met":
        return "what nobody confirmed protects nobody: an unknown protective fact counts as met"
    return None


def _steps(node: Node) -> tuple[str, ...]:
    steps = read_all(node.items(), _step)
    if len(steps) < 2:
        raise DocumentError([f"{node.place}: a scale has at least two steps"])
    return distinct(node, steps)


def _step(node: Node) -> str:
    text = node.text()
    if not _STEP.fullmatch(text):
        raise DocumentError([f"{node.place}: a step is one word of small letters, such as `high_risk`"])
    return text


def _sources(node: Node, known: list[str] | None) -> frozenset[str]:
    def source(one: Node) -> str:
        return one.words() if known is None else one.choice(known, "source")

    sources = read_all(node.items(), source)
    if not sources:
        raise DocumentError([f"{node.place}: at least one source is needed"])
    return frozenset(distinct(node, sources))


def _derived(node: Node, known: Collection[str] | None) -> str:
    return node.words() if known is None else node.choice(sorted(known), "derived fact")
