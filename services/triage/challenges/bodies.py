"""What people send about a challenge."""

from typing import Literal

from pydantic import Field

from libs.schemas.base import Identifier, Line, Model, Text
from libs.schemas.challenge import ChallengeOutcome
from services.triage.challenges.record import Channel


class ChallengeBody(Model):
    """The body of `POST /v1/cases/{id}/challenges`."""

    challenger: Line = Field(description="Who disagrees, with their role.")
    agency: Identifier | None = Field(None, description="Whose challenge it is; absent for a colleague's.")
    channel: Literal[Channel.TELEPHONE, Channel.MEETING, Channel.LETTER, Channel.COLLEAGUE]
    reach: Line | None = Field(None, description="Whom the reviewer talks to, and how they are reached.")
    because: Text
    safe_meanwhile: Text = Field(description="How the child is safe until this is settled.")


class ReviewBody(Model):
    """The body of `PUT /v1/challenges/{id}/review`. A reason takes over somebody else's review; only a manager may."""

    take_over_because: Text | None = None


class EscalationBody(Model):
    """The body of `PUT /v1/challenges/{id}/escalation`."""

    because: Text
    safe_meanwhile: Text = Field(description="How the child is safe until this is settled.")


class ResolutionBody(Model):
    """The body of `PUT /v1/challenges/{id}/resolution`."""

    outcome: ChallengeOutcome
    agreed: bool = Field(description="Whether whoever challenged agrees.")
    because: Text
