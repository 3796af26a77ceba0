"""A person's word about two reports: the latest that is not taken back counts, in whatever order words come."""

import itertools
import uuid
from datetime import UTC, datetime, timedelta

from libs.schemas.commands import PersonAction, PersonDecision
from libs.schemas.history import SameEvent
from services.enrichment.family.decisions import Word, said_of_pairs, word_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HERE, THERE = uuid.UUID(int=1), uuid.UUID(int=2)
PAIR = frozenset((HERE, THERE))


def word(number: int, action: str, undoes: int | None = None) -> Word:
    given = PersonDecision(
        command_id=uuid.UUID(int=number),
        action=action,
        case_id=THERE if undoes is None else None,
        undoes=None if undoes is None else uuid.UUID(int=undoes),
        reason="Both tell of Monday.",
        by="Kit Invented",
        at=NOON + timedelta(minutes=number),
    )
    said = word_of(HERE, given)
    assert said is not None
    return said


def test_the_latest_word_counts() -> None:
    words = [word(10, "same_event"), word(11, "other_event")]
    for order in itertools.permutations(words):
        assert said_of_pairs(order) == {PAIR: SameEvent.OTHER}


def test_a_word_that_is_taken_back_leaves_the_one_before_it() -> None:
    words = [word(10, "same_event"), word(11, "other_event"), word(12, "undo", 11)]
    for order in itertools.permutations(words):
        assert said_of_pairs(order) == {PAIR: SameEvent.SAME}


def test_taking_back_can_be_taken_back() -> None:
    words = [word(10, "same_event"), word(11, "undo", 10), word(12, "undo", 11)]
    for order in itertools.permutations(words):
        assert said_of_pairs(order) == {PAIR: SameEvent.SAME}
    assert said_of_pairs([*words, word(13, "undo", 12)]) == {}


def test_words_that_take_each_other_back_end() -> None:
    assert said_of_pairs([word(10, "undo", 11), word(11, "undo", 10), word(12, "undo", 12)]) == {}


def test_a_command_about_persons_is_no_word_about_reports() -> None:
    decision = PersonDecision(
        command_id=uuid.uuid4(),
        action=PersonAction.LINK,
        person_id=uuid.uuid4(),
        reason="Seen at the clinic.",
        by="Kit Invented",
        at=NOON,
    )
    assert word_of(HERE, decision) is None
    same = decision.model_copy(update={"action": PersonAction.SAME_EVENT, "case_id": HERE})
    assert word_of(HERE, same) is None
