"""Whatever happens to a child's checks in whatever order, the rules about them hold."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from libs.schemas.findings import SETTLED, AgencyState, Answer
from libs.schemas.levels import Level, Rag
from services.enrichment.agency import Reply
from services.enrichment.checks import Child, Completed, Desk, Due, Effect, Referral, Returned
from services.enrichment.partnership import load_agencies, load_check_terms
from services.enrichment.sharing.agreement import load_agreement

PARTNERSHIP = Path("deploy/partnership")
DESK = Desk(
    load_check_terms(PARTNERSHIP / "checks.yaml"),
    load_agencies(PARTNERSHIP / "agencies"),
    load_agreement(PARTNERSHIP / "sharing.yaml"),
)
AGENCIES = sorted(DESK.agencies)
SPOKEN = [AgencyState.RETURNED, AgencyState.NOTHING_HELD, AgencyState.OUTSIDE_COVERAGE, AgencyState.DECLINED]
SILENT = [AgencyState.NO_ANSWER, AgencyState.UNAVAILABLE]


class ChecksOfOneChild(RuleBasedStateMachine):
    """Screens, asks, answers, fails, lets time pass, changes the agreement."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
        self.referral = Referral(uuid.uuid4(), "K7TM-P2RW-Q", "given")
        known = frozenset({"names", "upn"})
        self.child = Child(uuid.uuid4(), self.referral.id, 1, known)
        self.told: list[Answer] = []
        self.completions = 0
        self.due: datetime | None = None
        self.heard: dict[str, AgencyState] = {}

    def take(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Returned(_, answer):
                    self.told.append(answer)
                case Completed():
                    self.completions += 1
                case Due(_, at):
                    self.due = at

    @rule(level=st.sampled_from([Level.UNIVERSAL, *Level]), rag=st.sampled_from(list(Rag)))
    def screen(self, level: Level, rag: Rag) -> None:
        before = (self.child.level, self.child.rag, self.child.due_at)
        self.take(DESK.screened(self.referral, self.child, level, rag, None, self.now))
        assert self.child.level is not None
        assert self.child.rag is not None
        assert self.child.due_at is not None
        assert before[0] is None or self.child.level >= before[0]
        assert before[1] is None or self.child.rag >= before[1]
        assert before[2] is None or self.child.due_at <= before[2]

    @rule(answer=st.sampled_from(["given", "refused", "not_stated", "new code"]))
    def agree(self, answer: str) -> None:
        self.referral.agreement = answer
        self.take(DESK.permitted(self.referral, self.child, self.now))

    @rule(agency=st.sampled_from(AGENCIES), state=st.sampled_from(SPOKEN + SILENT), stale=st.booleans())
    def reply(self, agency: str, state: AgencyState, stale: bool) -> None:
        check = self.child.checks.get(agency)
        if check is None or check.ask_at is None or check.ask_at > self.now:
            return
        check.attempts += 1
        check.asked_at = check.asked_at or self.now
        attempt = check.attempts - 1 if stale else check.attempts
        reply = Reply(state, None if state in SETTLED else "reason")
        self.take(DESK.replied(self.child, agency, attempt, reply, self.now, 0.5))
        if state in SETTLED:
            assert agency not in self.heard
            self.heard[agency] = state

    @rule(agency=st.sampled_from(AGENCIES), state=st.sampled_from(SPOKEN))
    def reply_to_a_question_that_is_out(self, agency: str, state: AgencyState) -> None:
        check = self.child.checks.get(agency)
        if check is None or check.attempts == 0:
            return
        self.take(DESK.replied(self.child, agency, check.attempts, Reply(state), self.now, 0.5))
        self.heard.setdefault(agency, state)

    @rule(minutes=st.sampled_from([1, 20, 60, 300, 3000]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        if self.due is not None and self.due <= self.now:
            self.take(DESK.time_up(self.child, self.now))

    @invariant()
    def checks_complete_at_most_once_and_exactly_when_marked(self) -> None:
        assert self.completions == (0 if self.child.completed_at is None else 1)

    @invariant()
    def what_an_agency_said_stays_what_it_said(self) -> None:
        for agency, state in self.heard.items():
            assert self.child.checks[agency].state is state
            assert self.child.checks[agency].ask_at is None

    @invariant()
    def no_silence_is_told_as_nothing_held(self) -> None:
        for answer in self.told:
            if answer.state is AgencyState.NOTHING_HELD:
                assert self.heard[answer.agency] is AgencyState.NOTHING_HELD

    @invariant()
    def every_answer_is_told_exactly_once(self) -> None:
        spoken = [answer.agency for answer in self.told if answer.state in SPOKEN]
        assert sorted(spoken) == sorted(self.heard)

    @invariant()
    def an_open_child_is_never_forgotten(self) -> None:
        if self.child.rag is not None and self.child.completed_at is None:
            assert self.due is not None
            assert any(check.state is AgencyState.PENDING for check in self.child.checks.values())

    @invariant()
    def what_may_be_asked_and_is_not_answered_will_be_asked(self) -> None:
        for check in self.child.checks.values():
            if (
                self.referral.agreement == "given"
                and check.state not in SETTLED
                and self.child.rag is not None
            ):
                assert check.ask_at is not None


TestChecksOfOneChild = ChecksOfOneChild.TestCase
TestChecksOfOneChild.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
