"""What people said of reports that may tell of the same event: the latest word that is not taken back counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.schemas.commands import PersonAction, PersonDecision
from libs.schemas.history import SameEvent
from services.enrichment.family.events import Pair

ABOUT_EVENTS = {
    PersonAction.SAME_EVENT: SameEvent.SAME,
    PersonAction.OTHER_EVENT: SameEvent.OTHER,
}


@dataclass(frozen=True, slots=True)
class Word:
    """A person's command about two reports, or the taking back of a command."""

    command_id: UUID
    case_id: UUID
    action: str
    at: datetime
    other_case_id: UUID | None = None
    undoes: UUID | None = None


def word_of(case_id: UUID, decision: PersonDecision) -> Word | None:
    """The word in a command; None where it says nothing that could be about reports."""
    about_events = decision.action in ABOUT_EVENTS and decision.case_id not in (None, case_id)
    if not about_events and not (decision.action == PersonAction.UNDO and decision.undoes is not None):
        return None
    return Word(
        decision.command_id,
        case_id,
        str(decision.action),
        decision.at,
        decision.case_id if about_events else None,
        None if about_events else decision.undoes,
    )


def said_of_pairs(words: Iterable[Word]) -> dict[Pair, SameEvent]:
    """What counts for each pair of cases, whatever the order in which the words are given.

    Taking back is itself a command that can be taken back.
    """
    given = {word.command_id: word for word in words}
    undone: dict[UUID, list[Word]] = {}
    for word in given.values():
        if word.undoes is not None:
            undone.setdefault(word.undoes, []).append(word)

    def in_force(word: Word, beyond: frozenset[UUID]) -> bool:
        return not any(
            in_force(one, beyond | {word.command_id})
            for one in undone.get(word.command_id, ())
            if one.command_id not in beyond
        )

    said: dict[Pair, SameEvent] = {}
    for word in sorted(given.values(), key=lambda word: (word.at, word.command_id)):
        if word.other_case_id is not None and in_force(word, frozenset((word.command_id,))):
            said[frozenset((word.case_id, word.other_case_id))] = ABOUT_EVENTS[PersonAction(word.action)]
    return said
