"""Reads what an agency sent as JSON, trusting nothing: neither its length nor its depth nor its names."""

import json
from typing import Any

from services.enrichment.asking.agency import Unreliable

DEEPEST = 60
"""Brackets within brackets: no honest answer about one child is deeper."""


def parse(content_type: str, body: bytes) -> Any:
    """The document of a body. Raises Unreliable with the reason why it is none."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise Unreliable("not_json")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Unreliable("not_utf8") from None
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Unreliable("not_json") from None
    if not isinstance(document, dict | list):
        raise Unreliable
    _measure(document, 1)
    if "\\u" in text:
        _all_characters(document)
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        # Which of the two is meant cannot be known.
        raise Unreliable
    return fields


def _no_number(name: str) -> Any:
    raise Unreliable


def _all_characters(document: Any) -> None:
    """Raises Unreliable for half of a pair of surrogates, which JSON can write and nothing can keep."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Unreliable("not_utf8") from None


def _measure(part: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise Unreliable
    if isinstance(part, dict | list):
        for one in part.values() if isinstance(part, dict) else part:
            _measure(one, depth + 1)
