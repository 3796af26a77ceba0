"""What a silence is told as, and which word about a question comes too late to count."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from libs.schemas.commands import OrderAction
from libs.schemas.findings import AgencyState, CorrectionKind
from libs.schemas.levels import Level, Rag
from services.enrichment.asking.agency import Reply
from services.enrichment.checks.desk import NOT_ANSWERING
from services.enrichment.checks.record import Check, Child, Corrected, Referral, Returned
from tests.services.enrichment.checks.test_record import DESK, ordered

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def asked() -> tuple[Referral, Child, Check]:
    """A child about whom the agencies have been asked, and the question to the police."""
    child = Child(uuid.uuid4(), uuid.uuid4(), 1, frozenset({"names", "upn"}))
    referral = Referral(child.referral_id, "K7TM-P2RW-Q", "given", children={child.id: child})
    DESK.screened(referral, child, Level.SECTION_47, Rag.RED, None, NOW)
    (check,) = child.of("police")
    check.attempts, check.asked_at = 2, NOW
    return referral, child, check


def reply(referral: Referral, child: Child, check: Check, attempt: int, said: Reply) -> list[object]:
    return list(DESK.replied(referral, child, check.question_id, attempt, said, NOW, 0.5))


def test_the_failure_of_an_attempt_that_another_has_overtaken_is_dropped() -> None:
    referral, child, check = asked()
    before = check.ask_at
    assert reply(referral, child, check, 1, Reply(AgencyState.UNAVAILABLE, "http_503")) == []
    assert (check.silence, check.reason, check.ask_at) == (AgencyState.NO_ANSWER, None, before)
    assert reply(referral, child, check, 2, Reply(AgencyState.UNAVAILABLE, "http_503")) == []
    assert (check.silence, check.reason) == (AgencyState.UNAVAILABLE, "http_503")


@pytest.mark.parametrize(
    ("said", "state", "reason"),
    [
        (None, AgencyState.UNAVAILABLE, NOT_ANSWERING),
        (Reply(AgencyState.UNAVAILABLE, "http_503"), AgencyState.UNAVAILABLE, "http_503"),
        (Reply(AgencyState.NO_ANSWER, "accepted"), AgencyState.NO_ANSWER, "accepted"),
    ],
    ids=["nobody was sent", "its own failure", "it has taken the question"],
)
def test_at_the_deadline_the_silence_of_an_agency_that_answers_nobody_is_told_as_what_it_is(
    said: Reply | None, state: AgencyState, reason: str
) -> None:
    referral, child, check = asked()
    if said is not None:
        reply(referral, child, check, 2, said)
    told = DESK.time_up(referral, child, check.due_at, away={"police"})
    (answer,) = [
        effect.answer
        for effect in told
        if isinstance(effect, Returned) and effect.answer.question_id == str(check.question_id)
    ]
    assert (answer.state, answer.reason) == (state, reason)


def test_an_answer_to_what_is_asked_after_the_checks_are_complete_is_late() -> None:
    referral, child, check = asked()
    reply(referral, child, check, 2, Reply(AgencyState.NOTHING_HELD))
    DESK.time_up(referral, child, NOW + timedelta(days=30))
    assert child.completed_at is not None
    again = ordered("police", OrderAction.ASK, NOW + timedelta(days=30))
    DESK.ordered(referral, child, again, again.at)
    (repeat,) = [one for one in child.of("police") if one.again == check.question_id]
    assert repeat.due_at > again.at
    DESK.replied(referral, child, repeat.question_id, 0, Reply(AgencyState.NOTHING_HELD), again.at, 0.5)
    assert repeat.late


def test_what_was_taken_back_already_is_not_taken_back_again_when_the_link_changes() -> None:
    for corrected in (False, True):
        referral, child, check = asked()
        reply(referral, child, check, 2, Reply(AgencyState.NOTHING_HELD, reused_from=NOW - timedelta(days=1)))
        if corrected:
            kind = CorrectionKind.RETRACTED
            DESK.corrected(referral, child, check.question_id, kind, "wrong_person", None, NOW)
        found = [one for one in DESK.unlinked(referral, child, NOW) if isinstance(one, Corrected)]
        assert len(found) == (0 if corrected else 1)


def test_what_a_person_stopped_is_not_taken_up_when_more_is_permitted() -> None:
    referral, child, check = asked()
    DESK.ordered(referral, child, ordered("police", OrderAction.STOP, NOW), NOW)
    DESK.permitted(referral, child, NOW)
    assert (check.stopped, check.ask_at) == (True, None)


def test_what_was_asked_and_may_not_be_asked_any_more_is_not_chased() -> None:
    referral, child, check = asked()
    child.identifiers = frozenset()
    DESK.permitted(referral, child, NOW)
    assert (check.state, check.ask_at) == (AgencyState.PENDING, None)


def test_what_an_overtaken_attempt_brings_corrects_no_answer() -> None:
    referral, child, check = asked()
    reply(referral, child, check, 2, Reply(AgencyState.RETURNED))
    earlier = check.told()
    for attempt, corrects in ((1, False), (2, True)):
        said = Reply(AgencyState.NOTHING_HELD)
        effects = DESK.replied(referral, child, check.question_id, attempt, said, NOW, 0.5, earlier=earlier)
        assert any(isinstance(effect, Corrected) for effect in effects) is corrects
