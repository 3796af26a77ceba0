"""What staff tell enrichment to do: who a child is, whom to ask, and whom to stop asking.

Who gives a command comes from their token. A command is kept as it was given, also where it changes nothing.
"""

from uuid import UUID

from pydantic import Field, StrictBool

from libs.schemas.base import CodeList, Identifier, Instant, Line, Model, Open, Text


class PersonAction(CodeList):
    """What a person decided about who a child is, or about what a report tells of."""

    LINK = "link"
    """The child is the person named."""
    UNLINK = "unlink"
    """The child is not the person named."""
    MERGE = "merge"
    """The two persons named are one: `other_id` goes into `person_id`."""
    SAME_EVENT = "same_event"
    OTHER_EVENT = "other_event"
    UNDO = "undo"
    """An earlier command is taken back, named by `undoes`."""


class PersonDecision(Model):
    """A command about a child's identity or history."""

    command_id: UUID
    action: Open[PersonAction]
    person_id: UUID | None = None
    other_id: UUID | None = Field(None, description="The person that is merged into `person_id`.")
    case_id: UUID | None = Field(None, description="The earlier report that is the same event, or is not.")
    undoes: UUID | None = Field(None, description="The command that is taken back.")
    reason: Text
    by: Line
    at: Instant


class OrderAction(CodeList):
    """What is to happen with an agency's check of a child."""

    ASK = "ask"
    CHASE = "chase"
    STOP = "stop"


class CheckOrder(Model):
    """A command about an agency's check. `ask` needs purpose and basis, an emergency a named approver as well."""

    command_id: UUID
    agency: Identifier
    action: Open[OrderAction]
    items: tuple[Identifier, ...] = Field(
        (), max_length=40, description="What is asked for; empty means all."
    )
    purpose: Line | None = None
    basis: Line | None = None
    reason: Text
    emergency: StrictBool = Field(False, description="Asked before, or beside, what the agreement grants.")
    approver: Line | None = Field(None, description="Who approved an emergency: somebody else than who asks.")
    until: Instant | None = Field(None, description="When the order lapses.")
    by: Line
    at: Instant
