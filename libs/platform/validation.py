"""Says what is wrong with a request, and what would be right, without repeating what was sent.

Pydantic's own messages and locations may quote the input (an unknown field's name, a union's tag, a character
of a malformed UUID), so sentences are made here from the error's type and the model's own limits.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import core_schema

from libs.schemas.base import WORDS

MOST_ERRORS = 50
MOST_CODES = 40
MOST_FIELDS = 12

_SENTENCES = {
    "missing": "is needed",
    "json_invalid": "must be well-formed JSON",
    "string_type": "must be a text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "string_unicode": "must be well-formed Unicode",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "enum": "must be one of the listed codes",
    "literal_error": "must be one of the listed codes",
    "date_type": "must be a date as YYYY-MM-DD",
    "date_parsing": "must be a date as YYYY-MM-DD",
    "date_from_datetime_parsing": "must be a date as YYYY-MM-DD",
    "date_from_datetime_inexact": "must be a date as YYYY-MM-DD",
    "datetime_type": "must be an RFC 3339 time with its offset",
    "datetime_parsing": "must be an RFC 3339 time with its offset",
    "datetime_from_date_parsing": "must be an RFC 3339 time with its offset",
    "timezone_aware": "must be an RFC 3339 time with its offset",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "union_tag_invalid": "must have one of the listed kinds",
    "union_tag_not_found": "must have one of the listed kinds",
    "none_required": "must be null",
}
_OBJECTS = frozenset(("model_type", "model_attributes_type"))
_QUOTED = re.compile("'([^']*)'")
"""The codes in Pydantic's enumeration of what it expected, which are the model's own."""
_PYDANTICS = frozenset(get_args(core_schema.ErrorType))


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong place: `pointer` (RFC 6901) into the body, or a `parameter` of path, query or header."""

    pointer: str | None
    code: str
    detail: str
    parameter: str | None = None

    def member(self) -> dict[str, str]:
        """As a member of the problem's `errors`."""
        place = (
            {"parameter": self.parameter} if self.parameter is not None else {"pointer": self.pointer or ""}
        )
        return {**place, "code": self.code, "detail": self.detail}


def body_errors(errors: Sequence[Mapping[str, Any]], model: type[BaseModel] | None) -> list[FieldError]:
    """The places of a body that are wrong, each once. A pointer ends where the sender's own names begin."""
    walker = _Walker(model)
    found: dict[str, FieldError] = {}
    for error in errors:
        tokens, node = walker.follow(error["loc"])
        pointer = "".join(f"/{_escaped(token)}" for token in tokens)
        found.setdefault(pointer, FieldError(pointer, error["type"], _detail(error, walker, node)))
        if len(found) == MOST_ERRORS:
            break
    # A list that lost an item to another error is then also too short; only the cause is of use.
    return [
        error
        for pointer, error in found.items()
        if error.code != "too_short" or not any(other.startswith(f"{pointer}/") for other in found)
    ]


def parameter_errors(errors: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    """The parameters that are wrong, each once."""
    found: dict[str, FieldError] = {}
    for error in errors:
        name = str(error["loc"][1]) if len(error["loc"]) > 1 else str(error["loc"][0])
        name = name.lower().replace("_", "-") if error["loc"][0] == "header" else name
        found.setdefault(name, FieldError(None, error["type"], _sentence(error), name))
    return list(found.values())


def _detail(error: Mapping[str, Any], walker: _Walker, node: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        known = sorted(walker.names(node))
        near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
        return "has a field that is not known here" + (f"; perhaps `{near[0]}` was meant" if near else "")
    if error["type"] in ("enum", "literal_error", "unknown_code"):
        codes = sorted(set(walker.codes(node)))
        if 0 < len(codes) <= MOST_CODES:
            return f"must be one of {', '.join(codes)}"
    if error["type"] in _OBJECTS:
        fields = sorted(walker.names(node))
        if 0 < len(fields) <= MOST_FIELDS:
            return f"must be an object; its fields are {', '.join(fields)}"
    return _sentence(error)


def _sentence(error: Mapping[str, Any]) -> str:
    code, context = error["type"], error.get("ctx") or {}
    if context.get("pattern") == WORDS:
        return "must have no NUL character"
    if context.get("min_length") == 1:
        return "must not be empty"
    if code in ("enum", "literal_error"):
        codes = _QUOTED.findall(str(context.get("expected", "")))
        if 0 < len(codes) <= MOST_CODES:
            return f"must be one of {', '.join(sorted(codes))}"
    if code in _SENTENCES:
        try:
            return _SENTENCES[code].format_map(context)
        except KeyError:
            return "is not valid here"
    if code not in _PYDANTICS and not context:
        return str(error["msg"])
    return "is not valid here"


def _escaped(token: str | int) -> str:
    return str(token).replace("~", "~0").replace("/", "~1")


@cache
def _schema_of(model: type[BaseModel]) -> Mapping[str, Any]:
    """The model's JSON Schema. Making that of a referral takes 16 ms, which nobody should get for a bad body."""
    return model.model_json_schema()


class _Walker:
    """Follows an error's location through the model's JSON Schema, so that only the schema's names are
    repeated.
    """

    def __init__(self, model: type[BaseModel] | None) -> None:
        self._root = _schema_of(model) if model is not None else {}

    def follow(self, location: Sequence[str | int]) -> tuple[list[str | int], Mapping[str, Any]]:
        """The longest part of the location that the schema knows, and the schema there."""
        node, tokens = self._root, list[str | int]()
        for token in location:
            following = self._step(node, token)
            if following is None:
                break
            node = following
            tokens.append(token)
        return tokens, node

    def names(self, node: Mapping[str, Any]) -> set[str]:
        """The fields that an object at this place may have."""
        return {name for branch in self._branches(node) for name in branch.get("properties", {})}

    def codes(self, node: Mapping[str, Any]) -> Iterator[str]:
        """The codes that a value at this place may have."""
        for branch in self._branches(node):
            yield from (str(code) for code in branch.get("enum", ()))
            if "const" in branch:
                yield str(branch["const"])

    def _step(self, node: Mapping[str, Any], token: str | int) -> Mapping[str, Any] | None:
        for branch in self._branches(node):
            if isinstance(token, str) and token in branch.get("properties", {}):
                return self._mapping(branch["properties"][token])
            if isinstance(token, int) and "array" in (branch.get("type"), *branch.get("types", ())):
                prefix = branch.get("prefixItems", ())
                return self._mapping(prefix[token] if token < len(prefix) else branch.get("items", {}))
        return None

    def _branches(self, node: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
        if depth > 8:
            return
        if "$ref" in node:
            name = str(node["$ref"]).rsplit("/", 1)[-1]
            yield from self._branches(self._root.get("$defs", {}).get(name, {}), depth + 1)
        for key in ("anyOf", "oneOf", "allOf"):
            for branch in node.get(key, ()):
                yield from self._branches(branch, depth + 1)
        yield node

    @staticmethod
    def _mapping(node: Any) -> Mapping[str, Any]:
        return node if isinstance(node, Mapping) else {}
