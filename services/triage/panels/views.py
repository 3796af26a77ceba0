"""What is written down of a panel, and what is shown of it."""

from uuid import UUID

from pydantic import Field, StrictInt

from libs.schemas.base import Identifier, Instant, IsoDate, Line, Model, Nothing, Payload, Text
from libs.schemas.levels import Destination, Level, Stage
from services.triage.panels.children import ChildView


class Attended(Model):
    """Who sat on the panel for an agency."""

    agency: Identifier
    name: Line


class MembersBody(Model):
    """The body of `PUT /v1/panels/{panel}/meetings/{day}/members`."""

    present: tuple[Attended, ...] = Field(max_length=60)
    chair: Line


class RecordedMembers(Payload[MembersBody, Nothing]):
    """Who was there, as it stands on record."""


class OutcomeBody(Model):
    """The body of `PUT /v1/panels/{panel}/meetings/{day}/items/{case_id}`."""

    outcome: Identifier = Field(description="One of the partnership's outcomes.")
    note: Text
    review_on: IsoDate | None = Field(
        None,
        description="When the panel looks again; by default after its own interval, where the outcome asks for it.",
    )
    again_on: IsoDate | None = Field(
        None, description="A later meeting on whose agenda the child stands as well."
    )


class CorrectionBody(OutcomeBody):
    """The body of `PUT /v1/panels/{panel}/meetings/{day}/items/{case_id}/correction`: what counts instead, and why."""

    corrects: StrictInt = Field(ge=1, description="The number of the outcome that is corrected.")
    reason: Text


class MeetingCount(Model):
    """One meeting, and how many children stand on its agenda."""

    day: IsoDate
    starts_at: Instant
    agenda_closes_at: Instant
    children: int
    unsettled: int = Field(description="Children about whom nothing was written down yet.")
    path: str


class PanelView(Model):
    """One panel with its next meetings."""

    id: str
    name: str
    destination: Destination
    locality: str | None
    members: tuple[str, ...]
    meetings: tuple[MeetingCount, ...] = Field(
        description="The next ones, and earlier ones that left a child without an outcome."
    )


class PanelsView(Model):
    """Every panel of the partnership, and the lists that are kept."""

    panels: tuple[PanelView, ...]
    lists: dict[str, str] = Field(description="Each list's name with its title.")


class AgendaItem(Model):
    """One child on an agenda."""

    case_id: UUID
    reference: str | None
    child_number: int
    child: ChildView
    stage: Stage
    decided_level: Level | None
    decided_to: Destination | None
    listed: bool = Field(description="Another destination owns the case; the panel is told.")
    outcome: str | None = None
    outcome_words: str | None = None
    note: Text | None = None
    number: int = Field(0, description="Of the outcome that counts: 1 for the first, 0 while there is none.")
    reason: Text | None = Field(None, description="Why it corrects the one before.")
    review_on: IsoDate | None = None
    settled_at: Instant | None = None
    settled_by: Line | None = None


class Agenda(Model):
    """One meeting."""

    panel: str
    name: str
    day: IsoDate
    starts_at: Instant
    agenda_closes_at: Instant
    members: tuple[str, ...] = Field(description="The agencies that sit on it.")
    missing: tuple[str, ...] = Field(
        description="Those of them for whom nobody was there; all before the meeting."
    )
    chair: Line | None
    present: tuple[Attended, ...]
    items: tuple[AgendaItem, ...]
    reviews: tuple[AgendaItem, ...] = Field(
        description="Children at whom the panel is to look again, each with what it came to before."
    )
    outcomes: dict[str, str] = Field(description="What the panel may come to: each code with its words.")
