"""Reads `placement.yaml` against the dictionary and refuses every mistake with its place."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from libs.schemas.dictionary import Definition, Dictionary, Kind
from libs.schemas.document import DocumentError, Node, collect, nearest
from libs.schemas.findings import FactValue
from libs.schemas.levels import Destination, Level
from services.triage.placement.places import HIGHEST, MINIMUM, Needs, Places, Raise, Reading, Row, Step, Told


def load_placement(root: Node, dictionary: Dictionary) -> Places:
    """Checks `placement.yaml`. Raises DocumentError naming every mistake with its place.

    Refused are: a destination that does not serve a level which a line sends there, a raise that does not raise, and
    a level that some circumstances would leave without a place.
    """
    fields = root.fields(
        {
            "about": True,
            "steps": True,
            "circumstances": True,
            "raises": True,
            "places": True,
            "lists": True,
            "localities": True,
        }
    )
    reader = _Reader(dictionary, fields["steps"], fields["circumstances"])
    faults = list(reader.faults)
    raises: list[Raise] = []
    rows: list[Row] = []
    lists: list[Row] = []
    localities: dict[str, frozenset[str]] = {}

    def read_raise(name: str, node: Node) -> None:
        raises.append(reader.raised(name, node))

    def read_row(into: list[Row], name: str, node: Node) -> None:
        into.append(reader.row(name, node, owns=into is rows))

    def read_locality(name: str, node: Node) -> None:
        localities[name] = _districts(node, localities)

    steps = [partial(read_raise, name, node) for name, node in fields["raises"].fields().items()]
    steps += [partial(read_row, rows, name, node) for name, node in fields["places"].fields().items()]
    steps += [partial(read_row, lists, name, node) for name, node in fields["lists"].fields().items()]
    steps += [partial(read_locality, name, node) for name, node in fields["localities"].fields().items()]
    faults += collect(iter(steps))
    if not faults:
        faults += _unplaced(fields["places"], rows)
    if faults:
        raise DocumentError(faults)
    return Places(
        dictionary,
        reader.labels,
        reader.readings,
        tuple(raises),
        tuple(rows),
        tuple(lists),
        localities,
        reader.reasons,
    )


def _unplaced(node: Node, rows: Iterable[Row]) -> Iterator[str]:
    always = [row for row in rows if not row.when and not row.unless]
    for level in Level:
        if not any(row.first <= level <= row.last for row in always):
            yield f"{node.place}: {level.value} needs a line without circumstances, or some child has no place"


_ROW = {"to": True, "from": True, "until": False, "when": False, "unless": False, "steps": False, "why": True}
_LEVELS = [level.value for level in Level]


class _Reader:
    """Reads the parts of the file against what the earlier parts declare."""

    def __init__(self, dictionary: Dictionary, steps: Node, circumstances: Node) -> None:
        self._dictionary = dictionary
        self.labels: dict[str, str] = {}
        self.readings: dict[str, Reading] = {}
        self.reasons: dict[str, str] = {}

        def label(name: str, node: Node) -> None:
            self.labels[name] = node.text()

        def read(name: str, node: Node) -> None:
            if name in set(Told):
                raise DocumentError([f"{node.place}: `{name}` is read from the form, and from no fact"])
            self.readings[name] = Reading(tuple(self._bound(one) for one in node.items()))

        self.faults = collect(partial(label, name, node) for name, node in steps.fields().items())
        self.faults += collect(partial(read, name, node) for name, node in circumstances.fields().items())

    def raised(self, name: str, node: Node) -> Raise:
        fields = node.fields({"from": True, "when": True, "to": True, "steps": False, "why": True})
        start, to = (Level(fields[key].choice(_LEVELS, "level")) for key in ("from", "to"))
        when = self._needs(fields["when"])
        if not when:
            raise DocumentError([f"{node.place}: a raise names the circumstances that ask for it"])
        if to <= start:
            raise DocumentError([f"{fields['to'].place}: {to.value} does not raise {start.value}"])
        self._reason(name, fields["why"])
        return Raise(name, start, when, to, self._steps(fields))

    def row(self, name: str, node: Node, *, owns: bool) -> Row:
        fields = node.fields(_ROW)
        known = [one.value for one in Destination]
        destination = Destination(fields["to"].choice(known, "destination"))
        first = Level(fields["from"].choice(_LEVELS, "level"))
        last = Level(fields["until"].choice(_LEVELS, "level")) if "until" in fields else first
        if last < first:
            raise DocumentError([f"{node.place}: no level is from {first.value} until {last.value}"])
        if owns and not MINIMUM[destination] <= first <= last <= HIGHEST[destination]:
            raise DocumentError(
                [
                    (
                        f"{node.place}: {destination.value} serves {MINIMUM[destination].value} to "
                        f"{HIGHEST[destination].value}, not {first.value} to {last.value}"
                    )
                ]
            )
        self._reason(name, fields["why"])
        when = self._needs(fields["when"]) if "when" in fields else ()
        unless = self._names(fields["unless"]) if "unless" in fields else frozenset[str]()
        return Row(name, destination, first, last, when, unless, self._steps(fields))

    def _reason(self, name: str, node: Node) -> None:
        if name in self.reasons:
            raise DocumentError([f"{node.place}: `{name}` names two lines"])
        self.reasons[name] = node.text()

    def _steps(self, fields: Mapping[str, Node]) -> tuple[Step, ...]:
        return tuple(self._step(node) for node in fields["steps"].items()) if "steps" in fields else ()

    def _step(self, node: Node) -> Step:
        if isinstance(node.value, str):
            return Step(node.choice(self.labels, "step"))
        fields = node.fields({"do": True, "when": False, "unless": False})
        when = self._needs(fields["when"]) if "when" in fields else ()
        unless = self._names(fields["unless"]) if "unless" in fields else frozenset[str]()
        return Step(fields["do"].choice(self.labels, "step"), when, unless)

    def _needs(self, node: Node) -> Needs:
        return tuple(self._group(one) for one in node.items())

    def _group(self, node: Node) -> frozenset[str]:
        if isinstance(node.value, str):
            return frozenset((self._name(node),))
        return self._names(node.fields({"any of": True})["any of"])

    def _names(self, node: Node) -> frozenset[str]:
        return frozenset(self._name(one) for one in node.items())

    def _name(self, node: Node) -> str:
        return node.choice([*Told, *self.readings], "circumstance")

    def _bound(self, node: Node) -> tuple[str, int]:
        if isinstance(node.value, str):
            definition = self._definition(node)
            if definition.kind is not Kind.YES_NO:
                raise DocumentError([f"{node.place}: `{definition.name}` is no yes/no: say `at_least` too"])
            return definition.name, 1
        fields = node.fields({"fact": True, "at_least": True})
        definition, least = self._definition(fields["fact"]), fields["at_least"]
        value: FactValue = least.whole() if definition.kind is Kind.COUNT else least.text()
        bounds = definition.bounds(value)
        if bounds is None:
            hint = nearest(least.text(), list(definition.steps))
            raise DocumentError(
                [f"{least.place}: unknown value `{least.text()}` of `{definition.name}`{hint}"]
            )
        if bounds[0] < 1:
            raise DocumentError([f"{least.place}: `{definition.name}` is always at least that"])
        return definition.name, bounds[0]

    def _definition(self, node: Node) -> Definition:
        name = node.text()
        if name not in self._dictionary.definitions:
            hint = nearest(name, self._dictionary.definitions)
            raise DocumentError([f"{node.place}: unknown fact `{name}`{hint}"])
        return self._dictionary.definitions[name]


def _districts(node: Node, before: Mapping[str, frozenset[str]]) -> frozenset[str]:
    served = {one.text(): one for one in node.items()}
    taken = frozenset().union(*before.values()) if before else frozenset[str]()
    twice = [
        f"{one.place}: {name} is served by two localities" for name, one in served.items() if name in taken
    ]
    if twice:
        raise DocumentError(twice)
    return frozenset(served)
