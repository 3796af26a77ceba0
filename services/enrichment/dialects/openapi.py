"""An OpenAPI document (3.0 and 3.1): its operations, and what an expression picks of their answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEEPEST = 40
_PARAMETER = re.compile(r"\{[^}]*\}")

Schema = Mapping[str, Any]
ANYTHING: Schema = {}
"""A part that the document does not describe."""


@dataclass(slots=True)
class Document:
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

    def operation(self, method: str, path: str, base: str) -> "Operation | None":
        """An operation of a path, written with or without the base that the file names."""
        wanted = {_PARAMETER.sub("{}", one) for one in (path, f"{base}{path}")}
        for written, item in self.root.get("paths", {}).items():
            plain = _PARAMETER.sub("{}", written.rstrip("/"))
            same = plain in wanted or any(one.endswith(plain) and plain.count("/") > 1 for one in wanted)
            fills = any(_fills(written, one) for one in (path, f"{base}{path}"))
            if (same or fills) and isinstance(item, Mapping) and method in item:
                return self._operation(written, item, item[method])
        return None

    def _operation(self, written: str, item: Schema, fields: Schema) -> "Operation":
        # What stands beside the operations of a path counts for each of them, unless one says it otherwise.
        parameters: dict[tuple[str, str], Schema] = {}
        for one in (*item.get("parameters", ()), *fields.get("parameters", ())):
            parameter = self.resolved(one)
            parameters[str(parameter.get("in")), str(parameter.get("name"))] = parameter
        return Operation(
            written=written,
            body=self._json(self.resolved(fields.get("requestBody", {})).get("content", {})),
            answers={
                str(status): self._json(self.resolved(one).get("content", {}))
                for status, one in fields.get("responses", {}).items()
            },
            parameters=parameters,
            security=fields.get("security", self.root.get("security")),
        )

    def schemes(self) -> Mapping[str, Schema]:
        """The ways of showing who one is that the document names."""
        named = self.root.get("components", {}).get("securitySchemes", {})
        return {name: self.resolved(one) for name, one in named.items()}

    def _json(self, content: Any) -> Schema:
        for media, one in content.items() if isinstance(content, Mapping) else ():
            if "json" in media and isinstance(one, Mapping):
                return self.resolved(one.get("schema", ANYTHING))
        return ANYTHING


@dataclass(frozen=True, slots=True)
class Operation:
    """One request that an interface takes. `answers` are by status, as the document writes it."""

    written: str
    body: Schema
    answers: Mapping[str, Schema]
    parameters: Mapping[tuple[str, str], Schema]
    """By where they stand (`header`, `query`, `path`, `cookie`) and their names."""
    security: Any
    """Alternatives, each naming schemes that are shown together; None where the document does not say."""

    @property
    def answer(self) -> Schema:
        """The document of an answer 200."""
        return self.answers.get("200", ANYTHING)


def _fills(written: str, path: str) -> bool:
    """Whether a path of the file is a written one with a word in a parameter's place."""
    theirs, ours = written.strip("/").split("/"), path.strip("/").split("/")
    pairs = zip(theirs, ours, strict=False)
    return len(theirs) == len(ours) and all(a == b or a.startswith("{") for a, b in pairs)


def codes_of(schema: Schema, described: Document) -> frozenset[str]:
    """The codes that a part, or each member of a list, may have; none where they are not listed."""
    if is_a(schema, "array"):
        schema = items_of(schema, described)
    listed = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return frozenset(str(one) for one in listed if isinstance(one, str | int) and not isinstance(one, bool))


def picked(tree: Mapping[str, Any], schema: Schema, described: Document) -> tuple[Schema | None, str]:
    """What an expression picks of a document of this schema; None, and the name that is not there."""
    children = tree.get("children", [])
    match tree.get("type"):
        case "field":
            return member(schema, str(tree["value"]), described), str(tree["value"])
        case "identity" | "current":
            return schema, ""
        case "subexpression" | "index_expression" | "pipe":
            found: Schema | None = schema
            lost = ""
            for child in children:
                if found is None:
                    break
                found, lost = picked(child, found, described)
            return found, lost
        case "index" | "slice":
            return (items_of(schema, described) if is_a(schema, "array") else ANYTHING), "[]"
        case "flatten":
            return picked(children[0], schema, described)
        case "projection" | "filter_projection" | "value_projection":
            left, lost = picked(children[0], schema, described)
            if left is None:
                return None, lost
            each = items_of(left, described) if is_a(left, "array") else left
            right, lost = picked(children[1], each, described)
            if right is None:
                return None, lost
            if len(children) > 2:
                condition, missing = picked(children[2], each, described)
                if condition is None:
                    return None, missing
            return {"type": "array", "items": right}, ""
        case "multi_select_list":
            parts = [picked(child, schema, described) for child in children]
            gone = next((lost for part, lost in parts if part is None), None)
            return (None, gone) if gone is not None else ({"type": "array", "items": parts[0][0]}, "")
        case "or_expression":
            parts = [picked(child, schema, described) for child in children]
            return next((part for part in parts if part[0] is not None), parts[0])
        case "comparator" | "and_expression" | "not_expression" | "function_expression":
            for child in children:
                part, lost = picked(child, schema, described)
                if part is None:
                    return None, lost
            kind = "boolean" if tree["type"] != "function_expression" else "string"
            return {"type": kind}, ""
        case "literal":
            return {"const": tree["value"]} if isinstance(tree["value"], str) else {"type": "boolean"}, ""
    return ANYTHING, ""


def member(schema: Schema, name: str, described: Document) -> Schema | None:
    """A field of an object; None where the document has no such field."""
    schema = described.resolved(schema)
    if not schema:
        return ANYTHING
    properties = schema.get("properties")
    if isinstance(properties, Mapping) and name in properties:
        described.touched.add((id(properties), name))
        return described.resolved(properties[name])
    if isinstance(properties, Mapping) or is_a(schema, "array") or not is_a(schema, "object"):
        return None
    return ANYTHING


def items_of(schema: Schema, described: Document) -> Schema:
    """What each member of a list is."""
    return described.resolved(described.resolved(schema).get("items", ANYTHING))


def is_a(schema: Schema, kind: str) -> bool:
    """Whether a part is of a kind, such as `array`."""
    said = schema.get("type")
    kinds = said if isinstance(said, list) else [said]
    return (
        kind in kinds
        or (kind == "object" and "properties" in schema)
        or (kind == "array" and "items" in schema)
    )


def kind_of(schema: Schema) -> str:
    """What a part is, in words."""
    said = schema.get("type", "anything")
    kind = " or ".join(said) if isinstance(said, list) else str(said)
    return f"{kind}, {schema['format']}" if "format" in schema else kind
