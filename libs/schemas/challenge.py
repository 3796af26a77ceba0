"""A professional challenge as the services tell each other of it, and the words that a referrer may read of it."""

from collections.abc import Mapping
from typing import Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from libs.schemas.base import CodeList, Identifier, Instant, Line, Model, Nothing, Open, Payload, Text


class ChallengeState(CodeList):
    """How far a challenge has come."""

    INFORMATION = "information"
    """Nothing had been decided on the child: it is kept as further information."""
    HEARD = "heard"
    ESCALATED = "escalated"
    SETTLED = "settled"


class ChallengeOutcome(CodeList):
    """How a challenge ends."""

    STANDS = "stands"
    """The decision holds."""
    DECIDE_ANEW = "decide_anew"
    """Somebody decides anew; the first decision stays on record."""
    WITHDRAWN = "withdrawn"


class ChallengedReferral(Model):
    """Who disagrees with what was decided, and why. It changes no decision."""

    reference: str
    received_at: Instant
    agency: Identifier
    addition: UUID = Field(description="What was sent: each case that it is about is challenged once by it.")
    challenger: Line
    reach: Line
    disagrees_with: Text
    because: Text
    safe_meanwhile: Text


class Challenged(Payload[ChallengedReferral, Nothing]):
    """The referrer's agency disagrees with what was decided on the children named here."""


class ChallengedChild(Model):
    """How far a challenge of the referrer's agency has come for one child."""

    challenge: UUID
    number: int = Field(
        ge=0, description="Grows with every step about the child; 0 where nothing had been decided."
    )
    state: Open[ChallengeState]
    stage: Identifier | None = Field(None, description="The stage of the partnership's ladder.")
    outcome: Open[ChallengeOutcome] | None = None
    may_tell_referrer: bool = Field(
        True, description="Whether the outcome may be told, as the decision's may."
    )


class ToldWords(Model):
    """What is told, and what whoever reads it may do next."""

    words: Text
    next_step: Text


class ChallengeWords(Model):
    """`challenges` of the partnership's `wording.yaml`: how far the referrer's challenge has come."""

    states: Mapping[ChallengeState, ToldWords]
    stages: Mapping[Identifier, Line]
    outcomes: Mapping[ChallengeOutcome, ToldWords]

    @model_validator(mode="after")
    def _nothing_is_unsaid(self) -> Self:
        if set(ChallengeState) - set(self.states) or set(ChallengeOutcome) - set(self.outcomes):
            raise PydanticCustomError("words_missing", "must have words for each state and each outcome")
        return self

    def told(
        self, state: str, stage: str | None, outcome: str | None, *, professional: bool, may_tell: bool
    ) -> tuple[ToldWords, ChallengeOutcome | None]:
        """The words, and the outcome where it may be told: to professionals, where the decision's may.

        What this version does not know is told as a challenge that is heard, never as none.
        """
        known = ChallengeState(state) if state in set(ChallengeState) else ChallengeState.HEARD
        words = self.states[known]
        if known is ChallengeState.SETTLED:
            if professional and may_tell and outcome in set(ChallengeOutcome):
                ended = ChallengeOutcome(outcome)
                return self.outcomes[ended], ended
        elif professional and stage is not None and stage in self.stages:
            return words.model_copy(update={"words": f"{words.words} {self.stages[stage]}"}), None
        return words, None
