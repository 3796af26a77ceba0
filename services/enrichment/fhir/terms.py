"""What an agency's file says of its FHIR server: addresses, and what its codes mean in the policy's dictionary."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from libs.schemas.dictionary import Dictionary, Kind
from libs.schemas.document import DocumentError, Node, Place, Record, nearest, read_all, read_document
from libs.schemas.findings import AgencyState, FactValue

K = TypeVar("K")
V = TypeVar("V")

OUTCOMES = {state.value: state for state in (AgencyState.OUTSIDE_COVERAGE, AgencyState.DECLINED)}
"""What a server may say of a question as a whole; a patient whom it does not find is nothing held."""


class Resource(StrEnum):
    """Types of resources that are read."""

    CONDITION = "Condition"
    ENCOUNTER = "Encounter"
    FLAG = "Flag"
    OBSERVATION = "Observation"


@dataclass(frozen=True, slots=True)
class Code:
    """A code of a code system."""

    system: str
    code: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code states.

    `value` is what its presence states; `values` what the code of an observation's value states; a `number` is the
    observation's own.
    """

    fact: str
    value: FactValue | None = None
    values: Mapping[Code, FactValue] | None = None
    number: bool = False


@dataclass(frozen=True, slots=True)
class FhirTerms:
    """How a server is asked and read. `certain` is the least score, 0 to 1, of a match that may be relied on."""

    base: str
    nhs_number: str
    certain: float
    coverage: str
    outcomes: Mapping[Code, AgencyState]
    items: Mapping[str, tuple[Resource, ...]]
    """The types of resources that may bring an item of the agreement."""
    meanings: Mapping[Resource, Mapping[Code, Meaning]]
    without_fact: frozenset[Code]


_KEYS = {
    "base": True,
    "systems": True,
    "nhs_number": True,
    "certain_percent": True,
    "coverage": True,
    "outcomes": True,
    "items": True,
    "codes": True,
    "without_fact": False,
}
_RESOURCES = [resource.value for resource in Resource]


def load_fhir(node: Node, dictionary: Dictionary) -> FhirTerms:
    """Reads the `dialect` of an agency's file. Raises DocumentError naming every mistake with its place."""
    record = node.record(_KEYS)
    systems = record.read("systems", _texts, {})
    reader = _Reader(systems, dictionary)
    terms = FhirTerms(
        base=record.read("base", _path, ""),
        nhs_number=record.words("nhs_number"),
        certain=record.read("certain_percent", _percent, 100) / 100,
        coverage=record.words("coverage"),
        outcomes=record.read("outcomes", reader.outcomes, {}),
        items=record.read("items", _items, {}),
        meanings=record.read("codes", reader.resources, {}),
        without_fact=record.read("without_fact", reader.codes, frozenset()),
    )
    record.refuse()
    return terms


def load_fhir_files(folder: Path, dictionary: Dictionary) -> dict[str, FhirTerms]:
    """The servers of all agencies of a folder whose file says `kind: fhir`, by agency. Raises DocumentError."""
    found: dict[str, FhirTerms] = {}
    for path in sorted(folder.glob("*.yaml")):
        fields = read_document(path).fields()
        kind = fields.get("kind")
        if kind is not None and kind.text() == "fhir" and "dialect" in fields:
            found[path.stem] = load_fhir(fields["dialect"], dictionary)
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads codes written `system|code`, and what they mean."""

    systems: Mapping[str, str]
    dictionary: Dictionary

    def code(self, text: str, place: Place) -> Code:
        name, bar, code = text.partition("|")
        if not bar or not code:
            raise DocumentError([f"{place}: expected `system|code`"])
        if name not in self.systems:
            raise DocumentError([f"{place}: unknown system `{name}`{nearest(name, self.systems)}"])
        return Code(self.systems[name], code)

    def codes(self, node: Node) -> frozenset[Code]:
        return frozenset(read_all(node.items(), lambda one: self.code(one.text(), one.place)))

    def outcomes(self, node: Node) -> dict[Code, AgencyState]:
        return _each(
            node,
            lambda name, one: (
                self.code(name, node.place_of(name)),
                OUTCOMES[one.choice(list(OUTCOMES), "state")],
            ),
        )

    def resources(self, node: Node) -> dict[Resource, Mapping[Code, Meaning]]:
        return _each(node, lambda name, one: self._resource(name, node.place_of(name), one))

    def _resource(self, name: str, place: Place, node: Node) -> tuple[Resource, dict[Code, Meaning]]:
        if name not in _RESOURCES:
            raise DocumentError([f"{place}: unknown resource `{name}`{nearest(name, _RESOURCES)}"])
        resource = Resource(name)
        return resource, _each(
            node,
            lambda code, one: (self.code(code, node.place_of(code)), self._meaning(resource, one)),
        )

    def _meaning(self, resource: Resource, node: Node) -> Meaning:
        fields = node.fields({"fact": True, "value": False, "values": False, "number": False})
        name = fields["fact"].text()
        definition = self.dictionary.definitions.get(name)
        if definition is None:
            near = nearest(name, self.dictionary.definitions)
            raise DocumentError([f"{fields['fact'].place}: unknown fact `{name}`{near}"])
        said = [key for key in ("value", "values", "number") if key in fields]
        if len(said) != 1:
            raise DocumentError([f"{node.place}: expected one of `value`, `values` and `number`"])
        if said != ["value"] and resource is not Resource.OBSERVATION:
            raise DocumentError([f"{node.place}: only an Observation has a value of its own"])
        if "number" in fields:
            if not fields["number"].flag() or definition.kind is not Kind.COUNT:
                raise DocumentError([f"{fields['number'].place}: expected `yes`, for a fact that is counted"])
            return Meaning(name, number=True)
        if "values" in fields:
            values = fields["values"]
            return Meaning(
                name,
                values=_each(
                    values,
                    lambda code, one: (self.code(code, values.place_of(code)), self._value(name, one)),
                ),
            )
        return Meaning(name, self._value(name, fields["value"]))

    def _value(self, name: str, node: Node) -> FactValue:
        """A value of a fact, as its kind is written: yes or no, a step's name, a whole number."""
        definition = self.dictionary.definitions[name]
        if definition.kind is Kind.YES_NO:
            return node.flag()
        if definition.kind is Kind.SCALE:
            return node.choice(list(definition.steps), "step")
        value = node.whole()
        if definition.bounds(value) is None:
            raise DocumentError([f"{node.place}: {name} {definition.wanted()}"])
        return value


def _each(node: Node, read: Callable[[str, Node], tuple[K, V]]) -> dict[K, V]:
    """The members of a mapping, each read. Raises DocumentError with the faults of all that fail."""
    found: dict[K, V] = {}
    record = Record({}, ())
    for name, one in node.fields().items():
        try:
            key, value = read(name, one)
        except DocumentError as error:
            record.add(*error.faults)
            continue
        found[key] = value
    record.refuse()
    return found


def _texts(node: Node) -> dict[str, str]:
    return _each(node, lambda name, one: (name, one.words()))


def _items(node: Node) -> dict[str, tuple[Resource, ...]]:
    def resource(one: Node) -> Resource:
        return Resource(one.choice(_RESOURCES, "resource"))

    def resources(name: str, one: Node) -> tuple[str, tuple[Resource, ...]]:
        return name, read_all(one.items(), resource)

    items = _each(node, resources)
    if not items:
        raise DocumentError([f"{node.place}: expected at least one item"])
    return items


def _path(node: Node) -> str:
    path = node.text().rstrip("/")
    if not path.startswith("/"):
        raise DocumentError([f"{node.place}: expected a path that starts with `/`"])
    return path


def _percent(node: Node) -> int:
    percent = node.whole(1)
    if percent > 100:
        raise DocumentError([f"{node.place}: expected at most 100"])
    return percent
