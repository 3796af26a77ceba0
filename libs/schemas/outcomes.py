"""What is told of a case beside its decision: codes and times, never what was said."""

from pydantic import Field

from libs.schemas.base import Identifier, Instant, IsoDate, Model


class RecordedDiscussionOfChild(Model):
    """What a strategy discussion came to. Who took part and why stays in the case."""

    number: int = Field(ge=1, description="A later record corrects an earlier one; the last one counts.")
    held_at: Instant
    outcome: Identifier = Field(description="`single`, `joint`, `no_enquiry`.")
    crime_may_have_occurred: bool


class ToolUsedOnChild(Model):
    """Which tool was used and what it came to. Who used it and what was answered stays in the case."""

    tool: Identifier
    on: IsoDate
    result: Identifier | None = Field(description="Null where it came to none.")
    could_be_graver: bool


class PanelOutcomeOfChild(Model):
    """What a panel came to about a child. Its words stay in the case."""

    panel: Identifier
    day: IsoDate
    number: int = Field(ge=1, description="A later one corrects an earlier one of the same meeting.")
    outcome: Identifier
    review_on: IsoDate | None = None


class RestrictedChild(Model):
    """Whether a child's case is hidden from whoever has no right to restricted cases."""

    restricted: bool


class OverdueCase(Model):
    """A clock that has run out."""

    clock: str
    due_at: Instant
