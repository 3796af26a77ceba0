"""What the referrer's own agency may know of a referral: how far each child has come, never what others said."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import Field

from libs.schemas.base import CodeList, Instant, Model
from libs.schemas.findings import AgencyState
from libs.schemas.levels import Destination
from services.intake.answers import IfDangerRises
from services.intake.hub import StateWords, Wording


@dataclass(frozen=True, slots=True)
class SeenWithin:
    """How long a referral may wait to be screened. After that it is called not yet seen, and staff are alarmed."""

    ordinary: timedelta = timedelta(seconds=60)
    in_danger: timedelta = timedelta(seconds=10)
    """Where the referrer says that a child is in danger now."""

    def after(self, immediate_danger: bool) -> timedelta:
        """The wait of one referral."""
        return self.in_danger if immediate_danger else self.ordinary


class ChildState(CodeList):
    """How far one child has come."""

    RECEIVED = "received"
    NOT_YET_SEEN = "not_yet_seen"
    BEING_LOOKED_AT = "being_looked_at"
    DECISION_MADE = "decision_made"


class ChecksStage(CodeList):
    """How far asking other agencies about a child has come."""

    NOT_STARTED = "not_started"
    UNDER_WAY = "under_way"
    OVER = "over"


class ChecksStanding(Model):
    """How far the checks of a child are: how many agencies, and never which, nor whether one holds anything.

    Each kind of silence is a number of its own. The numbers are for professionals alone; others get the stage.
    """

    stage: ChecksStage
    answered: int | None = Field(None, description="Found something or found nothing: both read the same.")
    awaited: int | None = Field(None, description="Have more time to answer.")
    silent: int | None = Field(None, description="Gave no answer in time, and are asked further.")
    unreachable: int | None = Field(None, description="Could not be reached, and are asked further.")
    declined: int | None = None
    outside_coverage: int | None = Field(None, description="Keep no records of the child's place or time.")
    not_asked: int | None = Field(None, description="May not be asked.")


_KINDS = {
    AgencyState.PENDING: "awaited",
    AgencyState.NO_ANSWER: "silent",
    AgencyState.UNAVAILABLE: "unreachable",
    AgencyState.DECLINED: "declined",
    AgencyState.OUTSIDE_COVERAGE: "outside_coverage",
    AgencyState.RETURNED: "answered",
    AgencyState.NOTHING_HELD: "answered",
    AgencyState.NOT_REQUESTED: "not_asked",
}
"""As what each state counts. Of several questions to one agency the one counts that stands first here."""


@dataclass(frozen=True, slots=True)
class CheckTold:
    """What came of one question to an agency; `question` is empty where it was told when the checks were over."""

    agency: str
    question: str
    state: str


def checks_standing(
    told: Sequence[CheckTold], *, screened: bool, over: bool, professional: bool
) -> ChecksStanding:
    """How far the checks are, in what a referrer may know."""
    if not screened and not told:
        return ChecksStanding(stage=ChecksStage.NOT_STARTED)
    stage = ChecksStage.OVER if over else ChecksStage.UNDER_WAY
    if not professional:
        return ChecksStanding(stage=stage)
    kinds = Counter(_kind(states) for states in _by_agency(told).values())
    return ChecksStanding(stage=stage, **{kind: kinds[kind] for kind in _KINDS.values()})


def _by_agency(told: Sequence[CheckTold]) -> dict[str, set[str]]:
    """The states of each agency's questions; what completion told counts where nothing else was told."""
    states: dict[str, set[str]] = {}
    for one in sorted(told, key=lambda one: one.question == ""):
        known = states.setdefault(one.agency, set())
        if one.question or not known:
            known.add(one.state)
    return states


def _kind(states: set[str]) -> str:
    asked = states - {AgencyState.NOT_REQUESTED} or states
    # A state that this version does not know is a silence: never an answer.
    return next((kind for state, kind in _KINDS.items() if state in asked), "silent")


@dataclass(frozen=True, slots=True)
class Progress:
    """What triage has said of one child so far; nothing, where it has said nothing."""

    screened_at: datetime | None = None
    decision: int = 0
    decided_at: datetime | None = None
    destination: str | None = None
    may_tell: bool = False
    checked_at: datetime | None = None


class ChildStanding(Model):
    """One child, named by the number that the answer to the referral gave."""

    number: int = Field(ge=1)
    state: ChildState
    words: str
    checks: ChecksStanding
    seen_at: Instant | None = None
    decided_at: Instant | None = None
    outcome: str | None = Field(
        None, description="Which help was decided, where the referrer's role may be told."
    )


class NoticeStatus(Model):
    """What became of one message to the referrer."""

    kind: str | None = Field(None, description="What it says; null where nothing could be sent.")
    channel: str | None = Field(None, description="How it was sent; null where nothing was.")
    state: str = Field(
        description="`delivered`, `failed`, or `not_sent` where it is not possible or not safe."
    )
    reason: str | None = Field(None, description="A code for why it failed or was not sent.")
    at: Instant


class ChallengeStatus(Model):
    """How far the agency's disagreement with the decision on one child has come."""

    child: int = Field(ge=1, description="The child's number.")
    state: str = Field(
        description="`heard`, `escalated`, `settled`, or `information` where nothing had been decided."
    )
    words: str
    outcome: str | None = Field(None, description="How it ended, where the referrer's role may be told.")
    at: Instant = Field(description="Since when it stands so.")


class AdditionStatus(Model):
    """What the agency sent afterwards."""

    kind: str
    received_at: Instant


class ReferralStatus(Model):
    """The body of `GET /v1/referrals/{reference}`."""

    reference: str
    received_at: Instant
    children: tuple[ChildStanding, ...]
    notices: tuple[NoticeStatus, ...]
    added: tuple[AdditionStatus, ...]
    challenges: tuple[ChallengeStatus, ...] = ()
    if_danger_rises: IfDangerRises


def of_child(
    number: int,
    progress: Progress,
    checks: Sequence[CheckTold],
    *,
    received_at: datetime,
    seen_within: timedelta,
    professional: bool,
    states: StateWords,
    wording: Wording,
    now: datetime,
) -> ChildStanding:
    """The child's status at the instant `now`, of a referral that should be seen within `seen_within`.

    `professional`: whether the referrer's role may be told which kind of help was decided.
    """
    state = _state(progress, received_at, seen_within, now)
    outcome: str | None = None
    if state is ChildState.DECISION_MADE:
        outcome, words = _told(progress, professional, wording)
    else:
        words = str(getattr(states, state.value))
    return ChildStanding(
        number=number,
        state=state,
        words=words,
        checks=checks_standing(
            checks,
            screened=progress.screened_at is not None,
            over=progress.checked_at is not None,
            professional=professional,
        ),
        seen_at=progress.screened_at,
        decided_at=progress.decided_at,
        outcome=outcome,
    )


def _told(progress: Progress, professional: bool, wording: Wording) -> tuple[str | None, str]:
    if not progress.may_tell:
        return None, wording.looked_at.text()
    # A destination that this version does not know is told as a decision, never as none.
    known = progress.destination in set(Destination)
    if not professional or not known:
        return None, wording.decided.text()
    destination = Destination(str(progress.destination))
    return destination.value, wording.destinations[destination].text()


def _state(progress: Progress, received_at: datetime, seen_within: timedelta, now: datetime) -> ChildState:
    if progress.decision:
        return ChildState.DECISION_MADE
    if progress.screened_at is not None:
        return ChildState.BEING_LOOKED_AT
    if now - received_at > seen_within:
        return ChildState.NOT_YET_SEEN
    return ChildState.RECEIVED
