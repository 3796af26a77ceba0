"""Whatever happens to the checks of the children of a home in whatever order, the rules about them hold."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from libs.schemas.commands import CheckOrder, OrderAction
from libs.schemas.findings import PARTIAL, SETTLED, AgencyState, Answer, Correction, CorrectionKind
from libs.schemas.levels import Level, Rag
from services.enrichment.asking.agency import Reply
from services.enrichment.checks.desk import Desk
from services.enrichment.checks.record import (
    ANSWERED,
    Check,
    Child,
    Completed,
    Corrected,
    Due,
    Effect,
    Referral,
    Returned,
    merged,
)
from services.enrichment.partnership import load_agencies, load_check_terms
from services.enrichment.sharing.agreement import load_agreement
from services.enrichment.sharing.permission import Mode, Permission

PARTNERSHIP = Path("deploy/partnership")
DESK = Desk(
    load_check_terms(PARTNERSHIP / "checks.yaml"),
    load_agencies(PARTNERSHIP / "agencies"),
    load_agreement(PARTNERSHIP / "sharing.yaml"),
)
AGENCIES = sorted(DESK.agencies)
SPOKEN = [AgencyState.RETURNED, AgencyState.NOTHING_HELD, AgencyState.OUTSIDE_COVERAGE, AgencyState.DECLINED]
SILENT = [AgencyState.NO_ANSWER, AgencyState.UNAVAILABLE]
WHO = st.integers(0, 1)


def ordered(agency: str, action: OrderAction, at: datetime) -> CheckOrder:
    return CheckOrder(
        command_id=uuid.uuid4(),
        agency=agency,
        action=action,
        purpose="to protect the child",
        basis="Children Act 1989 section 47",
        reason="asked by hand",
        by="J. Linnet-Test",
        at=at,
    )


class ChecksOfAHome(RuleBasedStateMachine):
    """Screens, asks, answers, fails, orders, corrects, lets time pass, changes the agreement."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
        self.referral = Referral(uuid.uuid4(), "K7TM-P2RW-Q", "given")
        known = frozenset({"names", "upn"})
        self.children = [Child(uuid.uuid4(), self.referral.id, n, known, home=1) for n in (1, 2)]
        self.referral.children = {child.id: child for child in self.children}
        self.told: dict[UUID, list[Answer]] = {child.id: [] for child in self.children}
        self.corrections: list[Correction] = []
        self.completions = dict.fromkeys(self.told, 0)
        self.due: dict[UUID, datetime] = {}
        self.heard: dict[UUID, AgencyState] = {}
        self.stopped: set[UUID] = set()

    def take(self, effects: list[Effect]) -> None:
        for effect in effects:
            child = effect.child
            match effect:
                case Returned(_, answer):
                    self.told[child.id].append(answer)
                case Corrected(_, correction):
                    self.corrections.append(correction)
                case Completed():
                    self.completions[child.id] += 1
                case Due(_, at):
                    self.due[child.id] = at

    @rule(who=WHO, level=st.sampled_from(list(Level)), rag=st.sampled_from(list(Rag)))
    def screen(self, who: int, level: Level, rag: Rag) -> None:
        child = self.children[who]
        before = (child.level, child.rag, child.due_at)
        self.take(DESK.screened(self.referral, child, level, rag, None, self.now))
        assert child.level is not None
        assert child.rag is not None
        assert child.due_at is not None
        assert before[0] is None or child.level >= before[0]
        assert before[1] is None or child.rag >= before[1]
        assert before[2] is None or child.due_at <= before[2]

    @rule(answer=st.sampled_from(["given", "refused", "not_stated", "new code"]))
    def agree(self, answer: str) -> None:
        self.referral.agreement = answer
        for child in self.children:
            self.take(DESK.permitted(self.referral, child, self.now))

    @rule(who=WHO, pick=st.integers(0, 20), state=st.sampled_from(SPOKEN + SILENT), stale=st.booleans())
    def reply(self, who: int, pick: int, state: AgencyState, stale: bool) -> None:
        child = self.children[who]
        due = [check for check in child.checks.values() if check.ask_at and check.ask_at <= self.now]
        if not due:
            return
        check = due[pick % len(due)]
        check.attempts += 1
        check.asked_at = check.asked_at or self.now
        attempt = check.attempts - 1 if stale else check.attempts
        reply = Reply(state, None if state in SETTLED else "reason")
        permission = DESK.permission(
            check.agency,
            level=child.level,
            agreement=self.referral.agreement,
            identifiers=child.identifiers,
            employers=(),
            now=self.now,
        ).only(check.items)
        self._replied(child, check, attempt, reply, permission if permission.granted else None)
        if state in SETTLED:
            assert check.question_id not in self.heard
            self.heard[check.question_id] = state

    @rule(who=WHO, pick=st.integers(0, 20), state=st.sampled_from(SPOKEN))
    def reply_to_a_question_that_is_out(self, who: int, pick: int, state: AgencyState) -> None:
        child = self.children[who]
        out = [check for check in child.checks.values() if check.attempts]
        if out:
            check = out[pick % len(out)]
            self._replied(child, check, check.attempts, Reply(state), None)
            self.heard.setdefault(check.question_id, state)

    def _replied(
        self, child: Child, check: Check, attempt: int, reply: Reply, permission: Permission | None
    ) -> None:
        first = child.checks[check.again] if check.again else check
        earlier = first.told() if first.state in ANSWERED else None
        self.take(
            DESK.replied(
                self.referral,
                child,
                check.question_id,
                attempt,
                reply,
                self.now,
                0.5,
                earlier=earlier,
                permission=permission,
            )
        )

    @rule(who=WHO, agency=st.sampled_from(AGENCIES), action=st.sampled_from(list(OrderAction)))
    def order(self, who: int, agency: str, action: OrderAction) -> None:
        child, command = self.children[who], ordered(agency, action, self.now)
        self.take(DESK.ordered(self.referral, child, command, self.now))
        questions = len(child.checks)
        told = len(self.told[child.id])
        self.take(DESK.ordered(self.referral, child, command, self.now))
        assert (len(child.checks), len(self.told[child.id])) == (questions, told)

    @rule(who=WHO, pick=st.integers(0, 20), kind=st.sampled_from(list(CorrectionKind)))
    def take_back(self, who: int, pick: int, kind: CorrectionKind) -> None:
        child = self.children[who]
        given = [check for check in child.checks.values() if check.answered_at and not check.with_question]
        if given:
            check = given[pick % len(given)]
            reply = Reply(AgencyState.NOTHING_HELD) if kind is CorrectionKind.CORRECTED else None
            before = (check.state, check.answered_at, check.answer)
            self.take(
                DESK.corrected(self.referral, child, check.question_id, kind, "wrong_person", reply, self.now)
            )
            assert (check.state, check.answered_at, check.answer) == before

    @rule(minutes=st.sampled_from([1, 20, 60, 300, 3000]), away=st.sets(st.sampled_from(AGENCIES)))
    def wait(self, minutes: int, away: set[str]) -> None:
        self.now += timedelta(minutes=minutes)
        for child in self.children:
            if child.id in self.due and self.due[child.id] <= self.now:
                self.take(DESK.time_up(self.referral, child, self.now, away))

    @invariant()
    def checks_complete_at_most_once_and_exactly_when_marked(self) -> None:
        for child in self.children:
            assert self.completions[child.id] == (0 if child.completed_at is None else 1)

    @invariant()
    def what_an_agency_said_stays_what_it_said(self) -> None:
        for child in self.children:
            for question, check in child.checks.items():
                if question in self.heard:
                    assert check.state is self.heard[question]
                    assert check.ask_at is None

    @invariant()
    def no_silence_is_told_as_nothing_held(self) -> None:
        for answer in (one for told in self.told.values() for one in told):
            if answer.state is AgencyState.NOTHING_HELD:
                assert self.heard[UUID(answer.question_id)] is AgencyState.NOTHING_HELD

    @invariant()
    def what_is_not_answered_in_full_is_told_as_a_gap(self) -> None:
        for child in self.children:
            for answer in self.told[child.id]:
                if answer.state in ANSWERED and answer.held_back:
                    assert answer.reason in PARTIAL

    @invariant()
    def every_answer_is_told_or_corrects_exactly_once(self) -> None:
        spoken = [
            UUID(answer.question_id)
            for told in self.told.values()
            for answer in told
            if answer.state in SPOKEN and UUID(answer.question_id) in self.heard
        ]
        assert len(spoken) == len(set(spoken))
        again = {
            question
            for child in self.children
            for question, check in child.checks.items()
            if check.again is not None
        }
        assert self.heard.keys() - set(spoken) <= again

    @invariant()
    def an_open_child_is_never_forgotten(self) -> None:
        for child in self.children:
            if child.rag is not None and child.completed_at is None:
                assert child.pending
            if child.pending:
                assert self.due[child.id] <= min(check.due_at for check in child.pending)

    @invariant()
    def everything_granted_is_asked_for(self) -> None:
        for child in self.children:
            if child.rag is None:
                continue
            for agency in AGENCIES:
                granted = DESK.permission(
                    agency,
                    level=child.level,
                    agreement=self.referral.agreement,
                    identifiers=child.identifiers,
                    employers=(),
                    now=self.now,
                )
                asked = {
                    item
                    for check in child.of(agency)
                    if check.state is not AgencyState.NOT_REQUESTED
                    for item in check.items
                }
                assert set(granted.names) <= asked

    @invariant()
    def what_may_be_asked_and_is_not_answered_will_be_asked(self) -> None:
        for child in self.children:
            for check in child.checks.values():
                if self.referral.agreement == "given" and check.open and not check.stopped and child.rag:
                    assert check.ask_at is not None

    @invariant()
    def whoever_waits_for_a_sibling_waits_for_a_question_that_is_put(self) -> None:
        for child in self.children:
            for check in child.pending:
                if check.with_question is not None:
                    (elder,) = [
                        sibling.checks[check.with_question]
                        for sibling in self.children
                        if check.with_question in sibling.checks
                    ]
                    assert elder.with_question is None
                    assert elder.state not in SETTLED

    @invariant()
    def the_state_of_an_agency_is_the_worst_of_what_is_open(self) -> None:
        for child in self.children:
            for agency, state in child.states.items():
                answered = {
                    item for check in child.of(agency) if check.state in ANSWERED for item in check.items
                }
                pending = [check for check in child.of(agency) if check.state is AgencyState.PENDING]
                if any(not check.items <= answered for check in pending):
                    assert state is AgencyState.PENDING


TestChecksOfAHome = ChecksOfAHome.TestCase
TestChecksOfAHome.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def check(state: AgencyState, *items: str, reason: str | None = None) -> Check:
    at = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    return replace(Check("police", uuid.uuid4(), at), state=state, items=frozenset(items), reason=reason)


def test_an_answer_to_something_else_covers_no_gap() -> None:
    answered = check(AgencyState.RETURNED, "adults")
    for state in set(AgencyState) - ANSWERED:
        assert merged([answered, check(state, "incidents")]) is state
        assert merged([answered, check(state, "adults")]) is AgencyState.RETURNED
    partly = check(AgencyState.RETURNED, "adults", reason="partly_understood")
    assert merged([partly, check(AgencyState.NO_ANSWER, "adults")]) is AgencyState.NO_ANSWER
    existence = replace(answered, existence=frozenset({"adults"}))
    assert merged([existence, check(AgencyState.NO_ANSWER, "adults")]) is AgencyState.NO_ANSWER
    assert [existence.covers("adults", mode) for mode in Mode] == [True, False]


def test_a_part_that_is_asked_by_hand_twice_repeats_the_question_about_that_part() -> None:
    now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    child = Child(uuid.uuid4(), uuid.uuid4(), 1, frozenset({"names", "upn"}))
    referral = Referral(child.referral_id, "K7TM-P2RW-Q", "given", children={child.id: child})
    DESK.screened(referral, child, Level.SECTION_47, Rag.RED, None, now)
    (whole,) = child.of("police")
    part = tuple(sorted(whole.items))[:1]
    asked = [whole]
    for minutes in (1, 2):
        at = now + timedelta(minutes=minutes)
        DESK.replied(referral, child, asked[-1].question_id, 0, Reply(AgencyState.NOTHING_HELD), at, 0.5)
        order = ordered("police", OrderAction.ASK, at).model_copy(update={"items": part})
        DESK.ordered(referral, child, order, at)
        asked.append(child.of("police")[-1])
    _, first, second = asked
    assert len(whole.items) > 1, "or it would be no part"
    assert first.items == second.items == frozenset(part)
    assert (first.again, second.again) == (None, first.question_id)


def test_what_an_agency_says_when_it_is_asked_once_more_is_told_and_taken_back_where_its_first_answer_counted() -> (
    None
):
    now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    child = Child(uuid.uuid4(), uuid.uuid4(), 1, frozenset({"names", "upn"}))
    referral = Referral(child.referral_id, "K7TM-P2RW-Q", "given", children={child.id: child})
    DESK.screened(referral, child, Level.SECTION_47, Rag.RED, None, now)

    def after(minutes: int) -> datetime:
        return now + timedelta(minutes=minutes)

    def said(check: Check, state: AgencyState, at: datetime) -> list[Effect]:
        first = child.checks[check.again] if check.again else check
        earlier = (first.instead or first.told()) if first.state in ANSWERED else None
        told = DESK.replied(referral, child, check.question_id, 0, Reply(state), at, 0.5, earlier=earlier)
        return [one for one in told if isinstance(one, Returned | Corrected)]

    def once_more(at: datetime) -> Check:
        DESK.ordered(referral, child, ordered("police", OrderAction.ASK, at), at)
        *_, last = child.of("police")
        return last

    (first,) = child.of("police")
    assert isinstance(said(first, AgencyState.RETURNED, after(1))[0], Returned)
    second = once_more(after(2))
    DESK.time_up(referral, child, after(3000))
    # Its silence was told, so that it ended is told too; what it said stands in one place only.
    ended, instead = said(second, AgencyState.NOTHING_HELD, after(3001))
    assert isinstance(ended, Returned)
    assert (ended.answer.question_id, ended.answer.late) == (str(second.question_id), True)
    assert isinstance(instead, Corrected)
    third = once_more(after(3002))
    (again,) = said(third, AgencyState.RETURNED, after(3003))
    # Whoever uses the second answer again, in another referral, hears that another one counts.
    assert isinstance(again, Corrected)
    assert (again.correction.question_id, again.repeats) == (str(first.question_id), (second.question_id,))
    assert (second.corrected_at, second.instead) == (after(3003), again.correction.answer)

    kind, back = CorrectionKind.RETRACTED, after(3004)
    (gone,) = DESK.corrected(referral, child, third.question_id, kind, "wrong_person", None, back)
    assert isinstance(gone, Corrected)
    assert (gone.correction.question_id, gone.correction.answer) == (str(first.question_id), None)
    assert set(gone.repeats) == {second.question_id, third.question_id}


def test_an_agency_that_asks_to_wait_is_not_chased_before() -> None:
    now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    child = Child(uuid.uuid4(), uuid.uuid4(), 1, frozenset({"names", "upn"}))
    referral = Referral(child.referral_id, "K7TM-P2RW-Q", "given", children={child.id: child})
    DESK.screened(referral, child, Level.SECTION_47, Rag.RED, None, now)
    (asked,) = child.of("police")
    late = asked.due_at + timedelta(minutes=1)
    for wished in (timedelta(hours=1), timedelta(0)):
        asked.chases = 0
        reply = Reply(AgencyState.UNAVAILABLE, "http_429", wished.total_seconds())
        DESK.replied(referral, child, asked.question_id, asked.attempts, reply, late, 0.5)
        assert asked.ask_at == late + max(wished, DESK.terms.chase(0, "police"))
