"""How the hub is reached and what it calls things: `hub.yaml` and `wording.yaml` of the partnership."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from libs.schemas.base import Line, Model, Text
from libs.schemas.challenge import ChallengeWords
from libs.schemas.document import read_document, validated
from libs.schemas.levels import Destination


class OutOfHours(Model):
    """Who answers when the hub is closed."""

    name: Line
    telephone: Line


class StateWords(Model):
    """What the referrer's own agency reads until there is a decision."""

    received: Text
    not_yet_seen: Text
    being_looked_at: Text


class Hub(Model):
    """What a referrer is told about reaching a person: the whole of `hub.yaml`."""

    name: Line
    emergency: Line
    telephone: Line
    hours: Line
    out_of_hours: OutOfHours
    if_danger_rises: Text
    status: StateWords


class OutcomeWords(Model):
    """What was decided, in words that may be told, and what the referrer may do next."""

    words: Text
    next_step: Text

    def text(self) -> str:
        """Both in one."""
        return f"{self.words} {self.next_step}"


class Wording(Model):
    """The part of `wording.yaml` that a status needs; notices use the same words."""

    looked_at: OutcomeWords
    decided: OutcomeWords
    destinations: Mapping[Destination, OutcomeWords]
    challenges: ChallengeWords


def load_hub(directory: Path) -> Hub:
    """Reads `hub.yaml`. Raises DocumentError."""
    return validated(read_document(directory / "hub.yaml"), partial(Hub.model_validate, extra="forbid"))


def load_wording(directory: Path) -> Wording:
    """Reads `wording.yaml`. Raises DocumentError."""
    return validated(read_document(directory / "wording.yaml"), Wording.model_validate)
