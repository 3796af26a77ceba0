"""Reads the partnership's YAML files: every scalar is text, and every mistake has a place.

YAML's own typing is switched off, so that `no`, `off`, `1e3` and `08` mean what they look like. Duplicate keys,
anchors' merges and several documents are refused.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

import yaml

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
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

    def text(self) -> str:
        """The scalar's text. Raises DocumentError where it is a list or a mapping."""
        if not isinstance(self.value, str):
            raise DocumentError([f"{self.place}: expected a text"])
        return self.value

    def whole(self, at_least: int = 0) -> int:
        """The scalar as a whole number. Raises DocumentError where it is none or too small."""
        text = self.text()
        if not (text.isascii() and text.isdigit()) or int(text) < at_least:
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
            faults = [
                f"{node.place}: unknown key `{key}`{nearest(key, known)}"
                for key, node in self.value.items()
                if key not in known
            ]
            faults += [
                f"{self.place}: the key `{key}` is missing"
                for key, demanded in known.items()
                if demanded and key not in self.value
            ]
            if faults:
                raise DocumentError(faults)
        return self.value

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


def read_all(nodes: Iterable[Node], read: Callable[[Node], T]) -> tuple[T, ...]:
    """Reads every node. Raises DocumentError with the faults of all that fail."""
    found: list[T] = []
    faults, failed = [], False
    for node in nodes:
        try:
            found.append(read(node))
        except DocumentError as error:
            faults += error.faults
            failed = True
    if failed:
        raise DocumentError(faults)
    return tuple(found)


def read_document(path: Path) -> Node:
    """Reads one YAML file. Raises DocumentError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        raise DocumentError([f"{path.name}: cannot be read"]) from None
    return parse_document(text, path.name)


def parse_document(text: str, file: str) -> Node:
    """Parses one YAML document, called `file` in messages. Raises DocumentError."""
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
        raise DocumentError([f"{place}: not YAML: {error.problem}"]) from None
    if root is None:
        raise DocumentError([f"{Place(file, 1, 1)}: the file is empty"])
    return _node(root, file)


def _node(node: yaml.Node, file: str) -> Node:
    place = Place(file, node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.ScalarNode):
        return Node(place, str(node.value))
    if isinstance(node, yaml.SequenceNode):
        return Node(place, [_node(member, file) for member in node.value])
    members: dict[str, Node] = {}
    for key, value in node.value:
        name = str(key.value)
        if name in members:
            raise DocumentError(
                [
                    (
                        f"{Place(file, key.start_mark.line + 1, key.start_mark.column + 1)}: "
                        f"the key `{name}` stands twice"
                    )
                ]
            )
        members[name] = _node(value, file)
    return Node(place, members)
