"""Whether everything that one JSON Schema lets a writer send is something that another lets a reader accept."""

from collections.abc import Iterator
from typing import Any

from libs.schemas.base import WORDS

Schema = dict[str, Any]

LOWER_BOUNDS = ("minLength", "minItems", "minimum", "minProperties")
UPPER_BOUNDS = ("maxLength", "maxItems", "maximum", "maxProperties")
ALIKE = {WORDS, r"^[^\x00]*$"}
"""Rules that take the same: the first release stripped a text before it counted it, and did not say so."""


def breaks(writer: Schema, written: dict[str, Schema], reader: Schema, read: dict[str, Schema]) -> list[str]:
    """Where a payload valid for `writer` could be refused by `reader`, as `path: reason`; empty if nowhere.

    `written` and `read` are the definitions that the two schemas' references point to. Understands what pydantic
    emits for our models; text rules (`pattern`, `format`) are compared as text, so that any change of one is found
    that is not between rules that are `ALIKE`.
    """
    return list(_breaks(writer, written, reader, read, "", frozenset()))


def _breaks(
    writer: Schema,
    written: dict[str, Schema],
    reader: Schema,
    read: dict[str, Schema],
    path: str,
    seen: frozenset[str],
) -> Iterator[str]:
    if "$ref" in writer and "$ref" in reader:
        pair = f"{writer['$ref']} {reader['$ref']}"
        if pair in seen:
            return
        seen |= {pair}
    writer, reader = _resolved(writer, written), _resolved(reader, read)
    if "anyOf" in writer:
        for branch in writer["anyOf"]:
            yield from _breaks(branch, written, reader, read, path, seen)
        return
    if "anyOf" in reader:
        attempts = [list(_breaks(writer, written, branch, read, path, seen)) for branch in reader["anyOf"]]
        if all(attempts):
            yield min(attempts, key=len)[0]
        return
    yield from _value_breaks(writer, reader, path)
    yield from _object_breaks(writer, written, reader, read, path, seen)
    if "items" in writer and "items" in reader:
        yield from _breaks(writer["items"], written, reader["items"], read, f"{path}/*", seen)


def _value_breaks(writer: Schema, reader: Schema, path: str) -> Iterator[str]:
    if "type" in reader and writer.get("type") not in (
        reader["type"],
        *(["integer"] * (reader["type"] == "number")),
    ):
        yield f"{path}: {writer.get('type')} where {reader['type']} is read"
    if codes := _codes(reader):
        for code in _codes(writer) or ["any text"]:
            if code not in codes:
                yield f"{path}: the code {code!r} is unknown to the reader"
        return
    for rule in ("pattern", "format"):
        same = writer.get(rule) == reader.get(rule) or {writer.get(rule), reader.get(rule)} == ALIKE
        if rule in reader and not same and not _codes(writer):
            yield f"{path}: {rule} changed"
    for rule in LOWER_BOUNDS:
        if rule in reader and writer.get(rule, float("-inf")) < reader[rule] and not _codes(writer):
            yield f"{path}: {rule} is below the reader's"
    for rule in UPPER_BOUNDS:
        if rule in reader and writer.get(rule, float("inf")) > reader[rule] and not _codes(writer):
            yield f"{path}: {rule} is above the reader's"


def _object_breaks(
    writer: Schema,
    written: dict[str, Schema],
    reader: Schema,
    read: dict[str, Schema],
    path: str,
    seen: frozenset[str],
) -> Iterator[str]:
    sent = writer.get("properties", {})
    for name in reader.get("required", ()):
        if name not in writer.get("required", ()):
            yield f"{path}/{name}: demanded by the reader, not always sent"
    for name, schema in reader.get("properties", {}).items():
        if name in sent:
            yield from _breaks(sent[name], written, schema, read, f"{path}/{name}", seen)
    if "propertyNames" in reader:
        yield from _breaks(
            writer.get("propertyNames", {}), written, reader["propertyNames"], read, f"{path}/(key)", seen
        )
    for extra in ("additionalProperties", "patternProperties"):
        theirs, ours = reader.get(extra), writer.get(extra)
        if isinstance(theirs, dict) and extra == "patternProperties":
            if set(ours or ()) != set(theirs):
                yield f"{path}: the form of keys changed"
                continue
            for pattern, schema in theirs.items():
                yield from _breaks((ours or {})[pattern], written, schema, read, f"{path}/*", seen)
        elif isinstance(theirs, dict):
            if not isinstance(ours, dict):
                yield f"{path}: values of a map are no longer described"
                continue
            yield from _breaks(ours, written, theirs, read, f"{path}/*", seen)


def _resolved(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    while "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[1]]
    return schema


def _codes(schema: Schema) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))
