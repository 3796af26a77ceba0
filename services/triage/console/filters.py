"""What the templates put values into words with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from libs.schemas.dictionary import Dictionary
from services.triage.console import words
from services.triage.console.case import child_of

_STATES: Mapping[str, str] = {
    "pending": "No answer yet",
    "returned": "Answered",
    "nothing_held": "Holds nothing",
    "outside_coverage": "Its records do not cover this",
    "not_requested": "Not asked",
    "declined": "Refused to answer",
    "no_answer": "Has not answered in time",
    "unavailable": "Could not be reached",
}


def filters(dictionary: Dictionary) -> dict[str, Callable[..., Any]]:
    """The filters, which call facts as the partnership's dictionary does."""

    def label(fact: str) -> str:
        one = dictionary.definitions.get(fact)
        return words.sentence(one.label) if one is not None else words.words(fact.rpartition(".")[2])

    return {
        "label": label,
        "words": words.words,
        "words_of": _words_of,
        "sentence": words.sentence,
        "level": words.level,
        "destination": words.destination,
        "team": words.team,
        "clock": words.clock,
        "colour": lambda rag: words.COLOURS.get(str(rag), "grey"),
        "departure": lambda code: words.DEPARTURES.get(str(code)) or words.words(code),
        "state": lambda code: _STATES.get(str(code)) or words.words(code),
        "day": words.day,
        "when": words.when,
        "due": words.due,
        "name": words.name,
        "born": words.born,
        "address": words.address,
        "value": words.value,
        "count": words.count,
        "signed": lambda number: f"{number:+d}",
        "child": child_of,
        "home_line": lambda one: {**one["fact"], "source": one["source"]},
    }


def _words_of(codes: Iterable[str], list_of: str) -> list[tuple[str, str]]:
    """Codes with their words, as the choices of a field."""
    said = words.team if list_of == "team" else words.words
    return [(code, said(code)) for code in codes]
