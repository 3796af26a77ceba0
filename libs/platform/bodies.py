"""Reads a request's JSON body: everything that is wrong with it is refused before anything is touched.

RFC 8259 leaves duplicate names, huge numbers and lone surrogates to the reader, and readers differ; I-JSON
(RFC 7493) says what is safe between systems, and that is what is taken here.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, NoReturn, TypeVar

from fastapi import Request
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from libs.platform.problems import Problem, from_validation, invalid_body
from libs.platform.validation import FieldError
from libs.schemas.base import Model

MOST_BYTES = 1 << 20
DEEPEST = 32
MOST_DIGITS = 15
"""Whole numbers of up to 15 digits are exact in every JSON reader (RFC 7493 section 2.2)."""

M = TypeVar("M", bound=Model)

_JSON_TYPE = re.compile(r'application/json\s*(;\s*charset="?utf-8"?\s*)?', re.IGNORECASE)
_STRINGS = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BRACKETS = re.compile(r"[\[{\]}]")
_UNSAFE = re.compile("[\x00\ud800-\udfff]")


_name = operator.itemgetter(0)


class _Malformed(ValueError):
    """The body breaks a rule that has a code of its own."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Sorted here, so that the fingerprint's canonical form needs no second pass.
    found = dict(sorted(pairs, key=_name))
    if len(found) != len(pairs):
        raise _Malformed("body-duplicate-name", "an object has the same name twice; each name may stand once")
    return found


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS + 1 or len(digits.lstrip("-")) > MOST_DIGITS:
        raise _Malformed("body-number-too-large", f"a whole number has more than {MOST_DIGITS} digits")
    return int(digits)


def _real(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise _Malformed("body-number-too-large", "a number is beyond the range of double precision")
    return number


def _no_constant(name: str) -> NoReturn:
    raise _Malformed("body-not-json", "NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_real, parse_constant=_no_constant
)


async def read_json_body(
    request: Request, model: type[M], *, max_bytes: int = MOST_BYTES, optional: bool = False
) -> tuple[M, bytes]:
    """The body as `model` (validated strictly), and the 32-byte fingerprint of what was sent.

    `optional`: an absent body is read as `{}`. Raises Problem: 400, 413, 415, 422.
    """
    if not optional or "content-type" in request.headers:
        _check_type(request)
    text = _decoded(await _read(request, max_bytes))
    if optional and not text:
        text = "{}"
    document = parse(text)
    try:
        validated = model.strictly(text)
    except ValidationError as error:
        raise from_validation(error, model) from None
    return validated, fingerprint(document)


def parse(text: str) -> Any:
    """The JSON document that a text holds. Raises Problem, with the place where there is one to name."""
    if text.count("{") + text.count("[") > DEEPEST:
        _check_depth(text)
    try:
        document = _DECODER.decode(text)
    except _Malformed as error:
        raise Problem(400, error.code, "The body is not safe JSON", error.detail) from None
    except ValueError:
        raise Problem(
            400, "body-not-json", "The body is not JSON", "send one well-formed JSON document"
        ) from None
    if "\\u" in text or "\x00" in text:
        _check_text(document)
    return document


def fingerprint(document: Any) -> bytes:
    """SHA-256 of what `parse` gave, in its canonical form: sorted names, no spaces. Equal for equal requests."""
    return sha256(to_json(document)).digest()


def json_body(model: type[Model], *, required: bool = True) -> dict[str, Any]:
    """The `openapi_extra` of an operation that reads its body with `read_json_body`."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    _close(schema)
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def _close(schema: dict[str, Any]) -> None:
    """Says of every object what a strict request means: no field but those that are listed, if it says nothing else."""
    for part in (schema, *schema.get("$defs", {}).values()):
        if part.get("type") == "object" and "properties" in part:
            part.setdefault("additionalProperties", False)


def declared_length(scope: Scope) -> int:
    """The request's Content-Length in bytes; 0 when it does not say."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


def too_large(max_bytes: int) -> Problem:
    """The problem of a body beyond `max_bytes`."""
    return Problem(
        413,
        "body-too-large",
        "The body is too large",
        f"send at most {max_bytes} bytes",
        headers={"Connection": "close"},
    )


def _check_type(request: Request) -> None:
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Problem(
            415, "unsupported-media-type", "The body's encoding is not accepted", "send it uncompressed"
        )
    if not _JSON_TYPE.fullmatch(request.headers.get("content-type", "")):
        raise Problem(
            415,
            "unsupported-media-type",
            "The body's media type is not accepted",
            "send application/json in UTF-8",
            headers={"Accept-Post": "application/json"} if request.method == "POST" else None,
        )


async def _read(request: Request, max_bytes: int) -> bytes:
    if declared_length(request.scope) > max_bytes:
        raise too_large(max_bytes)
    chunks, size = list[bytes](), 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > max_bytes:
                raise too_large(max_bytes)
            chunks.append(chunk)
    except ClientDisconnect:
        raise Problem(400, "body-incomplete", "The body ended early") from None
    return b"".join(chunks)


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Problem(
            400, "body-not-utf8", "The body is not UTF-8", "send application/json in UTF-8"
        ) from None


def _check_depth(text: str) -> None:
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > DEEPEST:
            raise Problem(
                400, "body-too-deep", "The body is nested too deeply", f"nest at most {DEEPEST} levels"
            )


def _check_text(document: Any) -> None:
    errors = [
        FieldError(pointer, "unsafe-text", "must not have NUL characters or lone surrogates")
        for pointer in _unsafe(document, "")
    ]
    if errors:
        raise invalid_body(errors[:50])


def _unsafe(value: Any, pointer: str) -> Iterator[str]:
    if isinstance(value, str):
        if _UNSAFE.search(value):
            yield pointer
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _unsafe(item, f"{pointer}/{place}")
    elif isinstance(value, dict):
        for name, item in value.items():
            if _UNSAFE.search(name):
                yield pointer
            else:
                yield from _unsafe(item, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
