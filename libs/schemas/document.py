"""Reads the partnership's YAML files: every scalar is text, and every mistake has a place.

YAML's own typing is switched off, so that `no`, `off`, `1e3` and `08` mean what they look like. Whatever makes a file
say something else than what stands on its lines is refused: anchors, aliases, merge keys, tags, keys that stand twice,
several documents.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple, TypeVar

import yaml
from pydantic import ValidationError

DEPTH = 30
"""No document nests deeper: a file that does is a mistake, or meant to exhaust whoever reads it."""

T = TypeVar("T")
U = TypeVar("U")

_SAID = {
    "missing": "this key is missing",
    "extra_forbidden": "this key is not known here",
    "model_type": "expected keys and values",
}
"""What a model refuses, in the words of this module."""

_WHOLE = re.compile(r"0|[1-9][0-9]{0,8}")


class Place(NamedTuple):
    """Where something stands in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class DocumentError(Exception):
    """One or more mistakes in a file, each with its place and, where one is near, a suggestion."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Node:
    """A scalar, list or mapping of a document, with its place."""

    place: Place
    value: "str | list[Node] | dict[str, Node]"
    keys: Mapping[str, Place] = field(default_factory=dict)
    """Where each key of a mapping stands."""

    def text(self) -> str:
        """The scalar's text. Raises DocumentError where it is a list or a mapping."""
        if not isinstance(self.value, str):
            raise DocumentError([f"{self.place}: expected a text"])
        return self.value

    def words(self) -> str:
        """The scalar's text without the blanks around it. Raises DocumentError where nothing is left."""
        text = self.text().strip()
        if not text:
            raise DocumentError([f"{self.place}: this says nothing"])
        return text

    def whole(self, at_least: int = 0) -> int:
        """The scalar as a whole number. Raises DocumentError where it is none or too small."""
        text = self.text()
        if not _WHOLE.fullmatch(text) or int(text) < at_least:
            raise DocumentError([f"{self.place}: expected a whole number of at least {at_least}"])
        return int(text)

    def flag(self) -> bool:
        """The scalar as yes or no. Raises DocumentError where it is neither."""
        text = self.text()
        if text not in ("yes", "no"):
            raise DocumentError([f"{self.place}: expected yes or no"])
        return text == "yes"

    def items(self) -> list["Node"]:
        """The list's members. Raises DocumentError where it is no list."""
        if not isinstance(self.value, list):
            raise DocumentError([f"{self.place}: expected a list"])
        return self.value

    def fields(self, known: Mapping[str, bool] | None = None) -> dict[str, "Node"]:
        """The mapping's members; `known` names the allowed keys and whether each is demanded.

        Raises DocumentError where it is no mapping, has an unknown key, or lacks a demanded one.
        """
        if not isinstance(self.value, dict):
            raise DocumentError([f"{self.place}: expected keys and values"])
        if known is not None:
            faults = self._strays(self.value, known)
            if faults:
                raise DocumentError(faults)
        return self.value

    def record(self, known: Mapping[str, bool]) -> "Record":
        """The mapping's members, to be read one by one with every fault gathered. Raises DocumentError where it is
        no mapping.
        """
        members = self.fields()
        return Record(members, self._strays(members, known))

    def plain(self) -> object:
        """Texts, lists and mappings without their places."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, list):
            return [member.plain() for member in self.value]
        return {key: member.plain() for key, member in self.value.items()}

    def place_of(self, key: str) -> Place:
        """Where a key stands."""
        return self.keys.get(key, self.place)

    def _strays(self, members: "dict[str, Node]", known: Mapping[str, bool]) -> list[str]:
        faults = [
            f"{self.place_of(key)}: unknown key `{key}`{nearest(key, known)}"
            for key in members
            if key not in known
        ]
        faults += [
            f"{self.place}: the key `{key}` is missing"
            for key, demanded in known.items()
            if demanded and key not in members
        ]
        return faults

    def choice(self, allowed: Mapping[str, object] | list[str], what: str) -> str:
        """The scalar, one of `allowed`. Raises DocumentError with the nearest allowed text otherwise."""
        text = self.text()
        if text not in allowed:
            raise DocumentError([f"{self.place}: unknown {what} `{text}`{nearest(text, allowed)}"])
        return text


def nearest(word: str, known: Mapping[str, object] | list[str]) -> str:
    """A suggestion to put behind a fault, or nothing where no known word is near."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""


def collect(steps: Iterator[Callable[[], None]]) -> list[str]:
    """Runs every step and gathers the faults of those that fail, so that a file's mistakes come all at once."""
    faults: list[str] = []
    for step in steps:
        try:
            step()
        except DocumentError as error:
            faults += error.faults
    return faults


class Record:
    """Reads a mapping key by key, going on after a fault, so that all faults of a file come at once."""

    def __init__(self, members: Mapping[str, Node], faults: Iterable[str]) -> None:
        self.members = members
        self.faults = list(faults)
        self._refused = bool(self.faults)

    def read(self, key: str, read: Callable[[Node], T], otherwise: U) -> T | U:
        """What stands at a key; `otherwise` where nothing does, or where it is refused, of which `refuse` tells."""
        node = self.members.get(key)
        if node is None:
            return otherwise
        try:
            return read(node)
        except DocumentError as error:
            self.add(*error.faults)
        return otherwise

    def words(self, key: str) -> str:
        """The text at a key, which must say something."""
        text = self.read(key, Node.text, "").strip()
        if key in self.members and not text and isinstance(self.members[key].value, str):
            self.add(f"{self.members[key].place}: `{key}` says nothing")
        return text

    def add(self, *faults: str) -> None:
        """Adds faults; none says that somebody else has them."""
        self.faults += faults
        self._refused = True

    def refuse(self) -> None:
        """Raises DocumentError if anything was refused."""
        if self._refused:
            raise DocumentError(self.faults)


def in_order(faults: Iterable[str], files: Sequence[str]) -> list[str]:
    """Faults in the order of the files and of their lines, each once."""

    def place(fault: str) -> tuple[int, int, int]:
        file, *numbers = fault.split(":")[:3]
        line, column = (int(one) for one in numbers) if all(one.isdigit() for one in numbers) else (0, 0)
        return (files.index(file) if file in files else len(files), line, column)

    return sorted(dict.fromkeys(faults), key=place)


def distinct(node: Node, members: tuple[str, ...]) -> tuple[str, ...]:
    """The members of the list at `node`. Raises DocumentError where one stands twice."""
    twice = sorted({one for one in members if members.count(one) > 1})
    if twice:
        raise DocumentError([f"{node.place}: `{one}` stands twice" for one in twice])
    return members


def read_all(nodes: Iterable[Node], read: Callable[[Node], T]) -> tuple[T, ...]:
    """Reads every node. Raises DocumentError with the faults of all that fail."""
    found: list[T] = []
    record = Record({}, ())
    for node in nodes:
        try:
            found.append(read(node))
        except DocumentError as error:
            record.add(*error.faults)
    record.refuse()
    return tuple(found)


def read_document(path: Path) -> Node:
    """Reads one YAML file. Raises DocumentError."""
    return parse_document(read_text(path), path.name)


def validated(document: Node, read: Callable[[object], T]) -> T:
    """What a model makes of a document. Raises DocumentError with the place of everything that the model refuses."""
    try:
        return read(document.plain())
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise DocumentError(
            [_refused(document, one["loc"], _SAID.get(one["type"], one["msg"])) for one in found]
        ) from None


def _refused(node: Node, loc: Sequence[int | str], said: str) -> str:
    place = node.place
    for step in loc:
        if isinstance(node.value, dict) and step in node.value:
            place, node = node.place_of(str(step)), node.value[str(step)]
        elif isinstance(node.value, list) and isinstance(step, int):
            node = node.value[step]
            place = node.place
        else:
            break
    what = ".".join(map(str, loc))
    return f"{place}: {f'`{what}`: ' if what else ''}{said[:1].lower()}{said[1:]}"


def read_text(path: Path) -> str:
    """The text of a file. Raises DocumentError where it cannot be read as UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DocumentError([f"{path}: there is no such file"]) from None
    except (OSError, UnicodeDecodeError):
        raise DocumentError([f"{path.name}: cannot be read"]) from None


def parse_document(text: str, file: str) -> Node:
    """Parses one YAML document, called `file` in messages. Raises DocumentError."""
    builder = _Builder(file)
    try:
        for event in iter(yaml.CSafeLoader(text).get_event, None):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        raise DocumentError([*builder.faults, f"{place}: not YAML: {error.problem}"]) from None
    except (yaml.YAMLError, UnicodeError):
        raise DocumentError([f"{Place(file, 1, 1)}: holds characters that no text has"]) from None
    if builder.root is None and not builder.faults:
        raise DocumentError([f"{Place(file, 1, 1)}: the file is empty"])
    if builder.root is None or builder.faults:
        raise DocumentError(builder.faults)
    return builder.root


class _Open:
    """A list or a mapping whose members are still being read."""

    def __init__(self, place: Place, is_list: bool) -> None:
        self.place = place
        self.items: list[Node] | None = [] if is_list else None
        self.members: dict[str, Node] = {}
        self.keys: dict[str, Place] = {}
        self.key: str | None = None


class _Builder:
    """Builds the nodes of a document out of the parser's events."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None
        self.faults: list[str] = []
        self._open: list[_Open] = []

    def take(self, event: yaml.Event) -> None:
        """Takes the next event. Raises DocumentError where reading on makes no sense."""
        mark = event.start_mark
        place = Place(self.file, mark.line + 1, mark.column + 1) if mark else Place(self.file, 1, 1)
        # What a file is full of comes first: thousands of events are taken for a policy.
        if isinstance(event, yaml.ScalarEvent):
            self._refuse_trap(place, event)
            self._add(Node(place, event.value))
        elif isinstance(event, yaml.CollectionStartEvent):
            self._refuse_trap(place, event)
            self._begin(place, isinstance(event, yaml.SequenceStartEvent))
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self._open.pop()
            self._add(Node(done.place, done.members if done.items is None else done.items, done.keys))
        elif isinstance(event, yaml.AliasEvent):
            self._fault(place, f"`*{event.anchor}` is not read: write out what it stands for")
            self._add(Node(place, ""))
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise DocumentError([*self.faults, f"{place}: a second document stands in the file"])

    def _refuse_trap(self, place: Place, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.anchor is not None:
            self._fault(place, f"`&{event.anchor}` is not read: nothing here stands for something else")
        if event.tag is not None:
            self._fault(place, f"the tag `{event.tag}` is not read: every value is plain text")

    def _begin(self, place: Place, is_list: bool) -> None:
        if len(self._open) >= DEPTH:
            raise DocumentError([*self.faults, f"{place}: nested deeper than {DEPTH}"])
        above = self._open[-1] if self._open else None
        if above is not None and above.items is None and above.key is None:
            raise DocumentError([*self.faults, f"{place}: a key must be a plain text"])
        self._open.append(_Open(place, is_list))

    def _add(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        into = self._open[-1]
        if into.items is not None:
            into.items.append(node)
        elif into.key is None:
            into.key = key = node.text()
            if key == "<<":
                self._fault(node.place, "the merge key `<<` is not read: write out what it stands for")
            elif key in into.members:
                self._fault(node.place, f"the key `{key}` stands twice")
            into.keys[key] = node.place
        else:
            into.members[into.key] = node
            into.key = None

    def _fault(self, place: Place, said: str) -> None:
        self.faults.append(f"{place}: {said}")
