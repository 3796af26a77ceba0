"""A named person's decision on one child's case."""

from pydantic import Field, StrictBool

from libs.schemas.base import CodeList, Identifier, Instant, Line, Model, Open, Text
from libs.schemas.levels import Destination, Level


class Departure(CodeList):
    """How a decision relates to the recommendation."""

    AGREES = "agrees"
    ABOVE = "above"
    BELOW = "below"
    ELSEWHERE = "elsewhere"


class Shared(Model):
    """What was shared with whom, on which basis, before or with the decision."""

    recipient: Line = Field(description="Who was told: a person with their role, or an agency.")
    what: Text
    basis: Line = Field(description="The lawful basis, in the words of the sharing agreement.")


class DutyState(CodeList):
    """What became of an obliged action."""

    DONE = "done"
    UNDER_WAY = "under_way"
    NOT_NEEDED = "not_needed"


class Duty(Model):
    """What became of an obliged action, or why it is not needed."""

    state: DutyState
    note: Text | None = Field(
        None, description="What was done, or why it is not needed; demanded where it is not under way."
    )


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
    departure_code: Identifier | None = Field(
        None, description="The kind of that reason, one of the partnership's; demanded with it, and counted."
    )
    siblings_differ_because: Text | None = Field(
        None, description="Demanded where a brother or sister of the same referral was decided differently."
    )
    shared: tuple[Shared, ...] = Field((), max_length=40)
    obliged: dict[Identifier, Duty] = Field(
        default_factory=dict,
        max_length=60,
        description="Every obliged action that is still open, by its name: confirmed or explained.",
    )


class Signature(Model):
    """Whoever signed beside the decider."""

    by: Line = Field(description="Subject of the signer's token.")
    at: Instant
    note: Text | None = None


class Proposal(DecisionBody):
    """A decision that waits for a signature. Nothing is told or handed over before it stands."""

    number: int = Field(ge=1)
    departure: Open[Departure]
    evaluation: int = Field(ge=1, description="The evaluation that whoever proposed it saw.")
    proposed_by: Line = Field(description="Subject of their token.")
    proposed_at: Instant
    roles: tuple[Identifier, ...] = Field(description="The roles that their token named.")
    wanted: int = Field(ge=1, description="How many signatures it waits for in all.")
    because: tuple[Identifier, ...] = Field(
        description="Lines of the scheme of delegation that ask for them."
    )


class Decision(Model):
    """A decision as it stands on record. Later decisions are added beside it, never in its place."""

    number: int = Field(ge=1)
    level: Open[Level]
    destination: Open[Destination]
    departure: Open[Departure]
    rationale: Text
    departure_reason: Text | None = None
    departure_code: Identifier | None = None
    siblings_differ_because: Text | None = None
    shared: tuple[Shared, ...] = ()
    obliged: dict[Identifier, Duty] = Field(default_factory=dict)
    may_tell_referrer: StrictBool
    evaluation: int = Field(ge=1, description="The evaluation that the decider saw.")
    decided_by: Line = Field(description="Subject of the decider's token.")
    decided_at: Instant
    roles: tuple[Identifier, ...] = Field(
        (),
        description="The roles that the decider's token named; none on records from before they were kept.",
    )
    signatures: tuple[Signature, ...] = ()
