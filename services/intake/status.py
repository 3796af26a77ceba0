"""What the referrer's own agency may know of a referral: how far each child has come, never what others said."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from libs.schemas.base import Instant, Model
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


class ChildState(StrEnum):
    """How far one child has come."""

    RECEIVED = "received"
    NOT_YET_SEEN = "not_yet_seen"
    BEING_LOOKED_AT = "being_looked_at"
    DECISION_MADE = "decision_made"


@dataclass(frozen=True, slots=True)
class Progress:
    """What triage has said of one child so far; nothing, where it has said nothing."""

    screened_at: datetime | None = None
    decision: int = 0
    decided_at: datetime | None = None
    destination: str | None = None
    may_tell: bool = False


class ChildStanding(Model):
    """One child, named by the number that the answer to the referral gave."""

    number: int = Field(ge=1)
    state: ChildState
    words: str
    seen_at: Instant | None = None
    decided_at: Instant | None = None
    outcome: str | None = Field(
        None, description="Which help was decided, where the referrer's role may be told."
    )


class NoticeStatus(Model):
    """What became of one message to the referrer."""

    kind: str | None = None
    channel: str | None = None
    state: str = Field(
        description="`delivered`, `failed`, or `not_sent` where it is not possible or not safe."
    )
    reason: str | None = None
    at: Instant


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
    if_danger_rises: IfDangerRises


def of_child(
    number: int,
    progress: Progress,
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
