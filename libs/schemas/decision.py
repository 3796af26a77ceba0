"""A named person's decision on one child's case."""

from enum import StrEnum

from pydantic import Field, StrictBool

from libs.schemas.base import Instant, Line, Model, Open, Text
from libs.schemas.levels import Destination, Level


class Departure(StrEnum):
    """How a decision relates to the recommendation."""

    AGREES = "agrees"
    ABOVE = "above"
    BELOW = "below"
    ELSEWHERE = "elsewhere"


class DecisionBody(Model):
    """The body of `PUT /v1/cases/{id}/decision`. Nothing is preselected: every field that decides is demanded."""

    level: Open[Level]
    destination: Open[Destination]
    rationale: Text
    may_tell_referrer: StrictBool = Field(
        description="Whether the referrer may be told the outcome, in their role's words."
    )
    departure_reason: Text | None = Field(
        None,
        description="Demanded when the decision is not what was recommended, or is milder than the one before.",
    )


class Decision(Model):
    """A decision as it stands on record. Later decisions are added beside it, never in its place."""

    number: int = Field(ge=1)
    level: Open[Level]
    destination: Open[Destination]
    departure: Open[Departure]
    rationale: Text
    departure_reason: Text | None = None
    may_tell_referrer: StrictBool
    evaluation: int = Field(ge=1, description="The evaluation that the decider saw.")
    decided_by: Line = Field(description="Subject of the decider's token.")
    decided_at: Instant
