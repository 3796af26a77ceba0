"""Turns a level of need into a destination, by the partnership's `placement.yaml`. It can never lower the level.

Two steps, in this order. **Raises** lift the level where a circumstance asks for more: agreement that is refused
although there is a safeguarding concern goes up, not away. Each is a floor for every level from one on, under
circumstances that are all needed, so that a higher level or a further circumstance never ends milder. **Places** are
then read from the top: the first whose levels and circumstances fit owns the case, and its level stays what the
raises left. Lists name who else keeps the case on their agenda; one destination owns it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from libs.schemas.codes import AgreementAnswer
from libs.schemas.dictionary import Definition, Dictionary, Kind
from libs.schemas.document import DocumentError, Node, collect, nearest
from libs.schemas.findings import Fact, FactValue
from libs.schemas.levels import Destination, Level

MINIMUM = {
    Destination.UNIVERSAL_ADVICE: Level.UNIVERSAL,
    Destination.EARLY_HELP: Level.EARLY_HELP,
    Destination.MASG: Level.TARGETED,
    Destination.SECTION_17: Level.SECTION_17,
    Destination.SECTION_47: Level.SECTION_47,
    Destination.UNBORN_BABY_PANEL: Level.SECTION_17,
    Destination.ACCESS_TO_SUPPORT: Level.SECTION_17,
    Destination.ASSISTANT_DIRECTOR: Level.SECTION_17,
    Destination.ALLOCATED_WORKER: Level.UNIVERSAL,
    Destination.OTHER_AUTHORITY: Level.UNIVERSAL,
}
"""The level of need from which each destination serves. Whoever holds an open plan, and another authority, take
whatever comes.
"""

HIGHEST = {
    **MINIMUM,
    Destination.UNIVERSAL_ADVICE: Level.EARLY_HELP,
    Destination.EARLY_HELP: Level.TARGETED,
    Destination.ALLOCATED_WORKER: Level.SECTION_17,
    Destination.OTHER_AUTHORITY: Level.SECTION_47,
}
"""The highest level of need at which placement still recommends a destination: early help that the family declines,
and a targeted need whose panel is not ready. More need than this goes elsewhere.
"""


class Told(StrEnum):
    """Circumstances that come from the form and not from a fact."""

    EARLY_HELP_AGREED = "early_help_agreed"
    EARLY_HELP_REFUSED = "early_help_refused"
    PANEL_AGREED = "panel_agreed"
    PANEL_REFUSED = "panel_refused"
    CLOSING_PLAN = "closing_plan"


Circumstances = frozenset[str]
"""The names of the circumstances that are known to hold. What is not known is left out, and never read as no."""

Needs = tuple[frozenset[str], ...]
"""All of these groups, and any circumstance of each."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a circumstance is read from the facts: any of these, at this rank or more for certain."""

    any_of: tuple[tuple[str, int], ...]

    def holds(self, dictionary: Dictionary, facts: Iterable[Fact]) -> bool:
        """Whether a statement is known that makes it hold."""
        return any(
            fact.fact == name and _certain(dictionary.definitions[name], fact.value) >= rank
            for fact in facts
            for name, rank in self.any_of
        )


@dataclass(frozen=True, slots=True)
class Step:
    """Something that should happen next, where its circumstances ask for it."""

    id: str
    when: Needs = ()
    unless: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Raise:
    """A floor: from a level on, under these circumstances, the need is at least `to`."""

    id: str
    start: Level
    when: Needs
    to: Level
    steps: tuple[Step, ...]

    def applies(self, level: Level, around: Circumstances) -> bool:
        """Whether it holds for that level under those circumstances."""
        return level >= self.start and met(self.when, around)


@dataclass(frozen=True, slots=True)
class Row:
    """A place, or an entry on a list: the levels that it takes, and when."""

    id: str
    destination: Destination
    first: Level
    last: Level
    when: Needs
    unless: frozenset[str]
    steps: tuple[Step, ...]

    def takes(self, level: Level, around: Circumstances) -> bool:
        """Whether a case of that level goes there under those circumstances."""
        return self.first <= level <= self.last and met(self.when, around) and not self.unless & around


@dataclass(frozen=True, slots=True)
class Placement:
    """The destination that is recommended, the level it is recommended at, and what should happen next."""

    destination: Destination
    level: Level
    next_steps: tuple[str, ...] = ()
    listed: tuple[Destination, ...] = ()
    """Who keeps the case on their list beside the destination that owns it."""
    why: str = ""
    """The line of `placement.yaml` that placed it."""


@dataclass(frozen=True, slots=True)
class Places:
    """The partnership's placement, as loaded from `placement.yaml`."""

    dictionary: Dictionary
    steps: Mapping[str, str]
    """What each step is called."""
    readings: Mapping[str, Reading]
    raises: tuple[Raise, ...]
    rows: tuple[Row, ...]
    lists: tuple[Row, ...]
    localities: Mapping[str, frozenset[str]]
    """The postcode districts that each locality's panel serves."""
    reasons: Mapping[str, str]
    """Why each line places as it does."""

    @property
    def circumstances(self) -> frozenset[str]:
        """Every circumstance that placement may read."""
        return frozenset(self.readings) | frozenset(Told)

    def around(
        self,
        facts: Iterable[Fact],
        early_help: AgreementAnswer | str | None,
        panel: AgreementAnswer | str | None,
        closing_plan: bool,
    ) -> Circumstances:
        """The circumstances that are known to hold. Of two statements the one that makes a circumstance hold counts,
        because no circumstance can lower the level.
        """
        told = {
            Told.EARLY_HELP_AGREED: early_help == AgreementAnswer.GIVEN,
            Told.EARLY_HELP_REFUSED: early_help == AgreementAnswer.REFUSED,
            Told.PANEL_AGREED: panel == AgreementAnswer.GIVEN,
            Told.PANEL_REFUSED: panel == AgreementAnswer.REFUSED,
            Told.CLOSING_PLAN: closing_plan,
        }
        known = tuple(facts)
        read = (name for name, one in self.readings.items() if one.holds(self.dictionary, known))
        return frozenset((*(name.value for name, holds in told.items() if holds), *read))

    def place(self, level: Level, around: Circumstances) -> Placement:
        """The recommended destination. The placement's level is at least `level`."""
        needed = level
        while applying := [one.to for one in self.raises if one.to > needed and one.applies(needed, around)]:
            needed = max(applying)
        # A raise that carries the level says what to do even where the level would be as high without it.
        lifting = [one for one in self.raises if one.to is needed and one.applies(needed, around)]
        row = next(one for one in self.rows if one.takes(needed, around))
        listed = (one.destination for one in self.lists if one.takes(needed, around))
        others = dict.fromkeys(one for one in listed if one is not row.destination)
        steps = [*(step for one in lifting for step in one.steps), *row.steps]
        due = dict.fromkeys(one.id for one in steps if met(one.when, around) and not one.unless & around)
        return Placement(row.destination, needed, tuple(due), tuple(others), row.id)

    def locality(self, postcode: str | None) -> str | None:
        """The locality whose panel serves a postcode; None where no locality names its district."""
        if postcode is None:
            return None
        district = postcode.replace(" ", "").upper()[:-3]
        return next((name for name, served in self.localities.items() if district in served), None)


def met(needs: Needs, around: Circumstances) -> bool:
    """Whether each group has a circumstance that is known to hold."""
    return all(group & around for group in needs)


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


def _certain(definition: Definition, value: FactValue) -> int:
    bounds = definition.bounds(value)
    return -1 if bounds is None else bounds[0]
