"""Reads a file for `mash policy decide`, and names every mistake in it with its place and what was meant.

Two forms: a whole referral with its `children`; or one child, whose facts stand bare (`child.age: 4`) or under `facts`.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError

from libs.schemas.base import STRICT
from libs.schemas.dictionary import REFERRER, STAFF, Definition, Dictionary, Kind
from libs.schemas.document import DocumentError, Node, nearest, parse_document
from libs.schemas.findings import Between, FactValue
from services.triage.decide.picture import FACTS, SOURCES, Picture, PictureChild, picture_schema

Schema = Mapping[str, Any]
Loc = tuple[int | str, ...]

_YES_NO = {"yes": True, "true": True, "no": False, "false": False}


def read_picture(text: str, file: str, dictionary: Dictionary) -> Picture:
    """The referral that a file describes. Raises DocumentError naming every mistake, and then decides nothing."""
    root = parse_document(text.replace("\t", " ") if text.lstrip().startswith("{") else text, file)
    root = _one_child(root) if "children" not in root.fields() else root
    reader = _Reader(dictionary)
    value = reader.plain(root, reader.root)
    try:
        found = Picture.model_validate(value, extra="forbid", context=STRICT)
    except ValidationError as error:
        found_by_pydantic = [
            _fault(root, reader, one["loc"], one["msg"], one["type"]) for one in error.errors()
        ]
        raise DocumentError(_sorted([*reader.faults, *found_by_pydantic], file)) from None
    if reader.faults:
        raise DocumentError(_sorted(reader.faults, file))
    return found


@cache
def _schema() -> Schema:
    return picture_schema()


def _one_child(root: Node) -> Node:
    """The short form as a referral: what belongs to a child goes to the one child, the rest stays."""
    bare = {name: node for name, node in root.fields().items() if "." in name}
    child = {name: node for name, node in root.fields().items() if name in PictureChild.model_fields}
    rest = {name: node for name, node in root.fields().items() if name not in bare and name not in child}
    stated = child.get("facts")
    if bare:
        under = stated.fields() if stated is not None else {}
        twice = [f"{root.fields()[name].place}: `{name}` stands twice" for name in bare if name in under]
        if twice:
            raise DocumentError(twice)
        child["facts"] = Node(root.place, {**under, **bare})
    return Node(root.place, {**rest, "children": Node(root.place, [Node(root.place, child)])})


class _Reader:
    """Turns the file's texts into the values that the JSON Schema asks for, and gathers what it cannot."""

    def __init__(self, dictionary: Dictionary) -> None:
        self._dictionary = dictionary
        self.root: Schema = _schema()
        self.faults: list[str] = []
        self._sources = {
            source: None for one in dictionary.definitions.values() for source in sorted(one.sources)
        } | {REFERRER: None, STAFF: None}

    def plain(self, node: Node, schema: Schema) -> Any:
        """The value of a node, as far as it fits."""
        schema = self.resolved(schema)
        if schema.get(FACTS):
            return self._facts(node)
        if schema.get(SOURCES):
            return self._answers(node)
        if isinstance(node.value, dict):
            properties = schema.get("properties", {})
            self._know_keys(node, schema)
            return {name: self.plain(one, properties.get(name, {})) for name, one in node.value.items()}
        if isinstance(node.value, list):
            return [self.plain(one, schema.get("items", {})) for one in node.value]
        return self._scalar(node, schema)

    def resolved(self, schema: Schema) -> Schema:
        """A schema with its reference followed, and of alternatives the one that is not null."""
        while True:
            if "$ref" in schema:
                schema = self.root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
            elif "anyOf" in schema:
                real = [one for one in schema["anyOf"] if one.get("type") != "null"]
                schema = real[0]
            elif len(schema.get("allOf", ())) == 1:
                schema = schema["allOf"][0]
            else:
                return schema

    def inner(self, schema: Schema, step: int | str) -> Schema:
        """The schema of the member that a step of an error's path leads to."""
        schema = self.resolved(schema)
        if schema.get(FACTS):
            return {"items": {"$ref": "#/$defs/Statement"}}
        if schema.get(SOURCES):
            return {"$ref": "#/$defs/SourceAnswer"}
        part: Schema = schema.get("items", {}) if isinstance(step, int) else {}
        return part or schema.get("properties", {}).get(step, {})

    def _know_keys(self, node: Node, schema: Schema) -> None:
        if "properties" in schema:
            self.faults += [
                f"{one.place}: unknown key `{name}`{nearest(name, schema['properties'])}"
                for name, one in node.fields().items()
                if name not in schema["properties"]
            ]

    def _scalar(self, node: Node, schema: Schema) -> Any:
        text = node.text()
        kind = schema.get("type")
        if schema.get("title") == "Date":
            return {"on": text}
        if kind == "boolean":
            return _YES_NO.get(text, text)
        if kind == "integer" and text.isascii() and text.isdigit():
            return int(text)
        return text

    def _answers(self, node: Node) -> Any:
        if not isinstance(node.value, dict):
            self.faults.append(f"{node.place}: expected each agency with its state")
            return {}
        found = {}
        for agency, one in node.value.items():
            if agency not in self._dictionary.agencies:
                known = list(self._dictionary.agencies)
                self.faults.append(f"{one.place}: unknown agency `{agency}`{nearest(agency, known)}")
                continue
            bare = isinstance(one.value, str)
            full = Node(one.place, {"state": one}) if bare else one
            found[agency] = self.plain(full, self.root["$defs"]["SourceAnswer"])
        return found

    def _facts(self, node: Node) -> Any:
        if not isinstance(node.value, dict):
            self.faults.append(f"{node.place}: expected each fact with its value")
            return {}
        found = {}
        for name, one in node.value.items():
            definition = self._dictionary.definitions.get(name)
            if definition is None:
                known = self._dictionary.definitions
                self.faults.append(f"{one.place}: unknown fact `{name}`{nearest(name, known)}")
            else:
                members = one.value if isinstance(one.value, list) else [one]
                found[name] = [self._statement(member, definition) for member in members]
        return found

    def _statement(self, node: Node, definition: Definition) -> Any:
        full = Node(node.place, {"value": node}) if isinstance(node.value, str) else node
        fields = full.fields() if isinstance(full.value, dict) else {}
        statement = self.plain(
            Node(node.place, {name: one for name, one in fields.items() if name != "value"}),
            self.root["$defs"]["Statement"],
        )
        if "value" not in fields:
            self.faults.append(f"{node.place}: `{definition.name}` needs a `value`")
            return {**statement, "value": False}
        statement["value"] = self._value(fields["value"], definition)
        source = statement.get("source")
        if source is not None and source not in self._sources:
            place, known = fields["source"].place, self._sources
            self.faults.append(f"{place}: unknown source `{source}`{nearest(source, known)}")
            statement["source"] = None
        return statement

    def _value(self, node: Node, definition: Definition) -> FactValue:
        text = node.value if isinstance(node.value, str) else ""
        value = _typed(text, definition)
        if definition.bounds(value) is None:
            known = list(definition.steps) or list(_YES_NO)
            hint = nearest(text, known) if definition.kind is not Kind.COUNT else ""
            self.faults.append(
                f"{node.place}: unknown value `{text}`: `{definition.name}` {_wanted(definition)}{hint}"
            )
        return value


def _typed(text: str, definition: Definition) -> FactValue:
    """The value that a text means for a fact; the text itself where it means none."""
    if definition.kind is Kind.YES_NO:
        return _YES_NO.get(text, text)
    if definition.kind is Kind.SCALE:
        return text
    least, between, most = text.partition(" to ")
    if not _is_number(least) or (between and not _is_number(most)):
        return text
    return Between(at_least=int(least), at_most=int(most)) if between else int(least)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6


def _wanted(definition: Definition) -> str:
    if definition.kind is Kind.YES_NO:
        return "must be yes or no"
    bounds = ", or bounds such as `7 to 21`" if definition.kind is Kind.COUNT else ""
    return definition.wanted() + bounds


def _fault(root: Node, reader: _Reader, loc: Loc, message: str, kind: str) -> str | None:
    """One of pydantic's errors with its place in the file; None where the reader has named it already."""
    node, schema = root, reader.root
    for step in loc:
        node = _inner_node(node, step)
        schema = reader.inner(schema, step)
    if kind == "extra_forbidden" or (kind == "too_short" and node.value):
        return None
    if kind == "missing":
        return f"{node.place}: the key `{loc[-1]}` is missing"
    if kind in ("enum", "unknown_code") and isinstance(node.value, str):
        known = list(reader.resolved(schema).get("enum", ()))
        hint = nearest(node.value, known) or f"; it is one of: {', '.join(known)}"
        return f"{node.place}: unknown {_what(loc)} `{node.value}`{hint}"
    return f"{node.place}: `{_what(loc)}`: {message[0].lower()}{message[1:]}"


def _inner_node(node: Node, step: int | str) -> Node:
    """The member that a step leads to; the node itself where the file has the short form."""
    if isinstance(step, int) and isinstance(node.value, list) and step < len(node.value):
        return node.value[step]
    if isinstance(step, str) and isinstance(node.value, dict) and step in node.value:
        return node.value[step]
    return node


def _what(loc: Loc) -> str:
    return next((str(step) for step in reversed(loc) if isinstance(step, str)), "document")


def _sorted(faults: Iterable[str | None], file: str) -> list[str]:
    """Each fault once, in the order of the file."""

    def place(fault: str) -> tuple[int, int]:
        line, column = fault.removeprefix(f"{file}:").split(":", 2)[:2]
        return int(line), int(column)

    return sorted(dict.fromkeys(fault for fault in faults if fault is not None), key=place)
