"""Compares a dialect with the OpenAPI document of an agency's interface, without calling it (OpenAPI 3.0 and 3.1)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from services.enrichment.dialects.inventory import ALL, Used, sent, used
from services.enrichment.dialects.terms import ASK, Dialect

DEEPEST = 40
_PARAMETER = re.compile(r"\{[^}]*\}")

Schema = Mapping[str, Any]
ANYTHING: Schema = {}
"""A part that the document does not describe."""


class Finding(StrEnum):
    """What comparing came to."""

    MAPPED = "mapped"
    MISSING = "missing"
    NOT_DESCRIBED = "not described"
    CODES = "codes"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a report. `place` is in the agency's file, or in the OpenAPI document for what is unused."""

    finding: Finding
    place: str
    says: str

    @property
    def faulty(self) -> bool:
        """Whether the file asks for something that the interface does not have."""
        return self.finding in (Finding.MISSING, Finding.CODES)


@dataclass(slots=True)
class _Document:
    """An OpenAPI document, with its references resolved when they are looked at."""

    root: Schema
    touched: set[tuple[int, str]] = field(default_factory=set)
    known: dict[int, tuple[Any, Schema]] = field(default_factory=dict)
    """What was resolved already, so that a part is the same part wherever it is looked at."""

    def resolved(self, schema: Any, depth: int = 0) -> Schema:
        """A schema without its references; parts of an `allOf` together, those of alternatives joined."""
        if not isinstance(schema, Mapping) or depth > DEEPEST:
            return ANYTHING
        if id(schema) not in self.known:
            self.known[id(schema)] = schema, self._merged(schema, depth)
        return self.known[id(schema)][1]

    def _merged(self, schema: Schema, depth: int) -> Schema:
        if "$ref" in schema:
            return self.resolved(self._pointed(str(schema["$ref"])), depth + 1)
        if not any(key in schema for key in ("allOf", "anyOf", "oneOf")):
            return schema
        alternatives = ("allOf", "anyOf", "oneOf")
        merged: dict[str, Any] = {name: one for name, one in schema.items() if name not in alternatives}
        for key in ("allOf", "anyOf", "oneOf"):
            for part in schema.get(key, ()):
                one = self.resolved(part, depth + 1)
                if not one and key != "allOf":
                    return ANYTHING
                for name, value in one.items():
                    if name == "properties":
                        merged["properties"] = {**merged.get("properties", {}), **value}
                    elif name == "enum" and "enum" in merged:
                        merged["enum"] = [*merged["enum"], *value]
                    else:
                        merged.setdefault(name, value)
        return merged

    def _pointed(self, reference: str) -> Any:
        found: Any = self.root
        for part in reference.removeprefix("#/").split("/"):
            found = (
                found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
            )
        return found

    def operation(self, method: str, path: str, base: str) -> tuple[str, Schema] | None:
        """An operation of a path, written with or without the base that the file names."""
        wanted = {_PARAMETER.sub("{}", one) for one in (path, f"{base}{path}")}
        for written, item in self.root.get("paths", {}).items():
            plain = _PARAMETER.sub("{}", written.rstrip("/"))
            same = plain in wanted or any(one.endswith(plain) and plain.count("/") > 1 for one in wanted)
            fills = any(_fills(written, one) for one in (path, f"{base}{path}"))
            if (same or fills) and isinstance(item, Mapping) and method in item:
                return written, item[method]
        return None

    def answer(self, operation: Schema) -> Schema:
        """The schema of an operation's answer 200."""
        responses = operation.get("responses", {})
        response = responses.get("200", responses.get(200, {}))
        content = self.resolved(response).get("content", {})
        return self._json(content)

    def body(self, operation: Schema) -> Schema:
        """The schema of an operation's body."""
        return self._json(self.resolved(operation.get("requestBody", {})).get("content", {}))

    def _json(self, content: Any) -> Schema:
        for media, one in content.items() if isinstance(content, Mapping) else ():
            if "json" in media and isinstance(one, Mapping):
                return self.resolved(one.get("schema", ANYTHING))
        return ANYTHING


def _fills(written: str, path: str) -> bool:
    """Whether a path of the file is a written one with a word in a parameter's place."""
    theirs, ours = written.strip("/").split("/"), path.strip("/").split("/")
    pairs = zip(theirs, ours, strict=False)
    return len(theirs) == len(ours) and all(a == b or a.startswith("{") for a, b in pairs)


def compare(dialect: Dialect, document: Schema) -> list[Line]:
    """What of a dialect the document has, and what of the document no expression reads."""
    described = _Document(document)
    lines: list[Line] = []
    documents = dict(_documents(dialect, described, lines))
    for one in used(dialect):
        lines += _expression(one, documents, described)
    lines += _unused(documents, described)
    return lines


def _documents(dialect: Dialect, described: _Document, lines: list[Line]) -> Iterator[tuple[str, Schema]]:
    ask = described.operation("post", dialect.ask.path, dialect.base)
    if ask is None:
        lines.append(Line(Finding.MISSING, "ask.post", f"no POST of {dialect.ask.path}"))
        yield ASK, ANYTHING
    else:
        written, operation = ask
        lines.append(Line(Finding.MAPPED, "ask.post", written))
        lines += _body(dialect, described.body(operation), described)
        if dialect.ask.submitted:
            result = described.operation("get", f"{dialect.ask.path}/{{id}}", dialect.base)
            if result is None:
                lines.append(Line(Finding.MISSING, "ask.submitted", "no GET of what is submitted"))
            yield ASK, ANYTHING if result is None else described.answer(result[1])
        else:
            yield ASK, described.answer(operation)
    for section in dialect.sections:
        place = f"sections.{section.name}.get"
        found = described.operation("get", section.path, dialect.base)
        if found is None:
            lines.append(Line(Finding.MISSING, place, f"no GET of {section.path}"))
            yield section.name, ANYTHING
        else:
            lines.append(Line(Finding.MAPPED, place, found[0]))
            yield section.name, described.answer(found[1])


def _body(dialect: Dialect, schema: Schema, described: _Document) -> Iterator[Line]:
    fields = set(sent(dialect.ask.body))
    for path in sorted(fields):
        found: Schema | None = schema
        for name in path.split("."):
            found = None if found is None else _member(found, name, described)
        if found is None:
            yield Line(Finding.MISSING, f"ask.body.{path}", "no such field in the body")
        else:
            yield Line(Finding.MAPPED, f"ask.body.{path}", _kind(found))
    for name in schema.get("required", ()):
        if name not in fields:
            yield Line(Finding.MISSING, f"ask.body.{name}", "the document demands it, and it is not sent")


def _expression(one: Used, documents: dict[str, Schema], described: _Document) -> Iterator[Line]:
    if one.reads == ALL:
        base: Schema | None = {"type": "object", "properties": documents}
    else:
        base = documents.get(one.reads)
        if base is not None and one.reads.endswith(".each"):
            base = _items(base, described) if _is(base, "array") else base
    if base is None:
        yield Line(Finding.MISSING, one.place, f"{one.expression.text}: what it reads is missing")
        return
    found, lost = _resolve(one.expression.tree, base, described)
    if one.place.endswith(".each"):
        documents[one.place] = ANYTHING if found is None else found
    if found is None:
        yield Line(Finding.MISSING, one.place, f"{one.expression.text}: no `{lost}`")
        return
    if not found:
        yield Line(Finding.NOT_DESCRIBED, one.place, one.expression.text)
    else:
        yield Line(Finding.MAPPED, one.place, f"{one.expression.text}: {_kind(found)}")
    listed = _codes(found, described)
    if one.codes is not None and listed:
        for code in sorted(listed - one.codes):
            yield Line(Finding.CODES, one.place, f"`{code}` is in the document and means nothing in the file")
        for code in sorted(one.codes - listed):
            yield Line(Finding.CODES, one.place, f"`{code}` is in the file and not in the document")


def _codes(schema: Schema, described: _Document) -> frozenset[str]:
    if _is(schema, "array"):
        schema = _items(schema, described)
    listed = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return frozenset(str(one) for one in listed if isinstance(one, str | int) and not isinstance(one, bool))


def _resolve(tree: Mapping[str, Any], schema: Schema, described: _Document) -> tuple[Schema | None, str]:
    """What an expression picks of a document of this schema; None, and the name that is not there."""
    children = tree.get("children", [])
    match tree.get("type"):
        case "field":
            return _member(schema, str(tree["value"]), described), str(tree["value"])
        case "identity" | "current":
            return schema, ""
        case "subexpression" | "index_expression" | "pipe":
            found: Schema | None = schema
            lost = ""
            for child in children:
                if found is None:
                    break
                found, lost = _resolve(child, found, described)
            return found, lost
        case "index" | "slice":
            return (_items(schema, described) if _is(schema, "array") else ANYTHING), "[]"
        case "flatten":
            return _resolve(children[0], schema, described)
        case "projection" | "filter_projection" | "value_projection":
            left, lost = _resolve(children[0], schema, described)
            if left is None:
                return None, lost
            member = _items(left, described) if _is(left, "array") else left
            right, lost = _resolve(children[1], member, described)
            if right is None:
                return None, lost
            if len(children) > 2:
                condition, missing = _resolve(children[2], member, described)
                if condition is None:
                    return None, missing
            return {"type": "array", "items": right}, ""
        case "multi_select_list":
            parts = [_resolve(child, schema, described) for child in children]
            gone = next((lost for part, lost in parts if part is None), None)
            return (None, gone) if gone is not None else ({"type": "array", "items": parts[0][0]}, "")
        case "or_expression":
            parts = [_resolve(child, schema, described) for child in children]
            return next((part for part in parts if part[0] is not None), parts[0])
        case "comparator" | "and_expression" | "not_expression" | "function_expression":
            for child in children:
                part, lost = _resolve(child, schema, described)
                if part is None:
                    return None, lost
            kind = "boolean" if tree["type"] != "function_expression" else "string"
            return {"type": kind}, ""
        case "literal":
            return {"const": tree["value"]} if isinstance(tree["value"], str) else {"type": "boolean"}, ""
    return ANYTHING, ""


def _member(schema: Schema, name: str, described: _Document) -> Schema | None:
    schema = described.resolved(schema)
    if not schema:
        return ANYTHING
    properties = schema.get("properties")
    if isinstance(properties, Mapping) and name in properties:
        described.touched.add((id(properties), name))
        return described.resolved(properties[name])
    if isinstance(properties, Mapping) or _is(schema, "array") or not _is(schema, "object"):
        return None
    return ANYTHING


def _items(schema: Schema, described: _Document) -> Schema:
    return described.resolved(described.resolved(schema).get("items", ANYTHING))


def _is(schema: Schema, kind: str) -> bool:
    said = schema.get("type")
    kinds = said if isinstance(said, list) else [said]
    return (
        kind in kinds
        or (kind == "object" and "properties" in schema)
        or (kind == "array" and "items" in schema)
    )


def _kind(schema: Schema) -> str:
    said = schema.get("type", "anything")
    kind = " or ".join(said) if isinstance(said, list) else str(said)
    return f"{kind}, {schema['format']}" if "format" in schema else kind


def _unused(documents: Mapping[str, Schema], described: _Document) -> Iterator[Line]:
    """Fields of the answers that nothing reads."""

    def walk(schema: Schema, path: str, depth: int) -> Iterator[Line]:
        schema = described.resolved(schema)
        if _is(schema, "array"):
            yield from walk(_items(schema, described), f"{path}[]", depth + 1)
            return
        properties = schema.get("properties")
        for name, one in properties.items() if isinstance(properties, Mapping) and depth < DEEPEST else ():
            if (id(properties), name) not in described.touched:
                yield Line(Finding.UNUSED, f"{path}.{name}", _kind(described.resolved(one)))
            else:
                yield from walk(one, f"{path}.{name}", depth + 1)

    for name, schema in documents.items():
        if not name.endswith(".each"):
            yield from walk(schema, name, 0)
