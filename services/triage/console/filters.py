"""What the templates put values into words with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from libs.schemas.dictionary import Dictionary
from services.triage.console import words
from services.triage.console.case import child_of
from services.triage.console.panels import settled
from services.triage.console.people import person

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


class Names(Protocol):
    """What the partnership calls its agencies, teams and localities."""

    @property
    def localities(self) -> tuple[str, ...]:
        """Their ids."""
        ...

    def agency(self, agency: str) -> str:
        """An agency's name."""
        ...

    def team(self, team: str) -> str:
        """A team's name."""
        ...

    def locality(self, locality: str) -> str:
        """A locality's name."""
        ...


def filters(dictionary: Dictionary, names: Names) -> dict[str, Callable[..., Any]]:
    """The filters, which call facts as the partnership's dictionary does, and agencies and teams by their names."""

    def label(fact: str) -> str:
        one = dictionary.definitions.get(fact)
        return words.sentence(one.label) if one is not None else words.words(fact.rpartition(".")[2])

    def who(source: object) -> str:
        code = str(source)
        return words.words(code) if code in words.SPEAKERS else names.agency(code)

    def words_of(codes: Iterable[str], list_of: str) -> list[tuple[str, str]]:
        said = {"team": names.team, "agency": names.agency, "locality": names.locality}.get(
            list_of, words.words
        )
        return [(code, said(code)) for code in codes]

    return {
        "label": label,
        "agency": names.agency,
        "team": names.team,
        "who": who,
        "person": person,
        "words": words.words,
        "words_of": words_of,
        "sentence": words.sentence,
        "inline": words.inline,
        "level": words.level,
        "destination": words.destination,
        "clock": words.clock,
        "colour": lambda rag: words.COLOURS.get(str(rag), "grey"),
        "departure": lambda code: words.DEPARTURES.get(str(code)) or words.words(code),
        "state": lambda code: _STATES.get(str(code)) or words.words(code),
        "day": words.day,
        "when": words.when,
        "due": words.due,
        "reference": lambda reference: reference or "a referral not read yet",
        "name": words.name,
        "born": words.born,
        "address": words.address,
        "value": words.value,
        "count": words.count,
        "signed": lambda number: f"{number:+d}" if number else "0",
        "compared": words.compared,
        "child": child_of,
        "enquiry": lambda code: words.ENQUIRIES.get(str(code)) or words.words(code),
        "settled": settled,
        "home_line": lambda one: {**one["fact"], "source": one["source"]},
    }
