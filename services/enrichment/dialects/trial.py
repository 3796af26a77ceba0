"""Tries a dialect on a running interface and tells what its expressions picked, by type and never by value."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.enrichment.asking.agency import Unreliable
from services.enrichment.dialects.inventory import ALL, CANDIDATE, used
from services.enrichment.dialects.report import Finding, Line
from services.enrichment.dialects.terms import Dialect


def tried(dialect: Dialect, documents: Mapping[str, Any]) -> Iterator[Line]:
    """What each expression picked of the documents of one exchange, in the order of the file."""
    picked: dict[str, list[Any]] = {}
    for one in used(dialect):
        reads = CANDIDATE if one.reads == "ask.who.each" else one.reads
        if reads == ALL:
            bases: list[Any] = [dict(documents)]
        elif reads in picked:
            bases = picked[reads]
        elif reads in documents:
            bases = [documents[reads]]
        else:
            yield Line(
                Finding.NOT_DESCRIBED, one.place, f"{one.expression.text}: nothing was fetched that it reads"
            )
            continue
        try:
            found = [one.expression.of(base) for base in bases]
        except Unreliable:
            yield Line(Finding.MISSING, one.place, f"{one.expression.text}: the answer has another shape")
            continue
        if one.place.endswith(".each"):
            picked[one.place] = [
                each for value in found for each in (value if isinstance(value, list) else [value])
            ]
            picked[one.place] = [each for each in picked[one.place] if each is not None]
        present = [value for value in found if value not in (None, [], "")]
        if not present:
            yield Line(Finding.NOT_DESCRIBED, one.place, f"{one.expression.text}: nothing in this answer")
            continue
        yield Line(Finding.MAPPED, one.place, f"{one.expression.text}: {_kinds(present)}")
        if one.codes is not None:
            codes = [code for value in present for code in (value if isinstance(value, list) else [value])]
            unknown = sum(1 for code in codes if _code(code) not in one.codes)
            if unknown:
                yield Line(
                    Finding.CODES, one.place, f"{unknown} of {len(codes)} codes mean nothing in the file"
                )


def _code(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kinds(values: list[Any]) -> str:
    return ", ".join(sorted({_kind(value) for value in values}))


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "yes or no"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return f"a list of {len(value)}" if isinstance(value, list) else "an object"
