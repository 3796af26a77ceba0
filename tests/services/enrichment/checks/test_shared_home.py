"""What an agency says of a home counts for each child who lives there, and only for what it says."""

import uuid
from datetime import UTC, datetime

from libs.schemas.findings import EXISTENCE_ONLY, PARTLY_UNDERSTOOD, AgencyState, CorrectionKind
from libs.schemas.levels import Level, Rag
from services.enrichment.asking.agency import Reply
from services.enrichment.checks.record import Check, Child, Referral
from tests.services.enrichment.checks.test_record import DESK

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def home() -> tuple[Referral, Child, Child, Check, Check]:
    """Two children of a home: what the elder is asked about, and what waits for that with the younger."""
    referral = Referral(uuid.uuid4(), "K7TM-P2RW-Q", "given")
    known = frozenset({"names", "upn"})
    elder, younger = (Child(uuid.uuid4(), referral.id, number, known, home=1) for number in (1, 2))
    referral.children = {elder.id: elder, younger.id: younger}
    for child in (elder, younger):
        DESK.screened(referral, child, Level.SECTION_47, Rag.RED, None, NOW)
    waiting = next(check for check in younger.of("police") if check.with_question is not None)
    assert waiting.with_question is not None
    return referral, elder, younger, elder.checks[waiting.with_question], waiting


def test_who_holds_nothing_of_one_child_is_asked_about_the_next() -> None:
    for state in (AgencyState.NOTHING_HELD, AgencyState.OUTSIDE_COVERAGE, AgencyState.DECLINED):
        referral, elder, younger, asked, waiting = home()
        DESK.replied(referral, elder, asked.question_id, 0, Reply(state), NOW, 0.5)
        assert waiting.state is AgencyState.NOT_REQUESTED
        own = [check for check in younger.of("police") if check.with_question is None and check.ask_at == NOW]
        assert any(waiting.items <= check.items for check in own)


def test_what_is_open_in_an_answer_about_the_home_is_open_for_each_child() -> None:
    referral, elder, _, asked, waiting = home()
    partly = Reply(AgencyState.RETURNED, PARTLY_UNDERSTOOD)
    DESK.replied(referral, elder, asked.question_id, 0, partly, NOW, 0.5)
    assert waiting.told().reason == PARTLY_UNDERSTOOD
    referral, elder, _, asked, waiting = home()
    asked.existence = asked.items
    DESK.replied(referral, elder, asked.question_id, 0, Reply(AgencyState.RETURNED), NOW, 0.5)
    assert (waiting.existence, waiting.told().reason) == (waiting.items, EXISTENCE_ONLY)


def test_children_of_two_homes_are_each_asked_about() -> None:
    referral, _, _, _, _ = home()
    other = Child(uuid.uuid4(), referral.id, 3, frozenset({"names", "upn"}), home=3)
    referral.children[other.id] = other
    DESK.screened(referral, other, Level.SECTION_47, Rag.RED, None, NOW)
    assert other.checks
    assert [check for check in other.checks.values() if check.with_question is not None] == []


def test_who_waits_for_a_brothers_answer_is_told_the_same_silence() -> None:
    referral, elder, younger, asked, waiting = home()
    asked.attempts, asked.asked_at = 1, NOW
    DESK.replied(referral, elder, asked.question_id, 1, Reply(AgencyState.UNAVAILABLE, "http_503"), NOW, 0.5)
    DESK.time_up(referral, younger, waiting.due_at)
    assert (waiting.state, waiting.asked_at) == (AgencyState.UNAVAILABLE, NOW)


def test_nobody_waits_for_an_answer_about_the_home_that_was_taken_back() -> None:
    referral, elder, _, asked, _ = home()
    DESK.replied(referral, elder, asked.question_id, 0, Reply(AgencyState.RETURNED), NOW, 0.5)
    kind = CorrectionKind.RETRACTED
    DESK.corrected(referral, elder, asked.question_id, kind, "wrong_person", None, NOW)
    third = Child(uuid.uuid4(), referral.id, 3, frozenset({"names", "upn"}), home=1)
    referral.children[third.id] = third
    DESK.screened(referral, third, Level.SECTION_47, Rag.RED, None, NOW)
    assert third.of("police")
    assert all(check.with_question != asked.question_id for check in third.of("police"))
