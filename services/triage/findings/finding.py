"""What a member of staff was told, saw or read about a child, and how it is changed afterwards."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from pydantic import Field, StrictBool

from libs.schemas.base import Identifier, Instant, IsoDate, Line, Model, Open, Text
from libs.schemas.dictionary import STAFF
from libs.schemas.findings import CorrectionKind, Fact


class ToldBy(StrEnum):
    """Whose word it is."""

    CHILD = "child"
    FAMILY = "family"
    PROFESSIONAL = "professional"
    AGENCY = "agency"
    """An agency, by telephone or in its record: it counts as that agency's word."""
    PUBLIC = "public"
    STAFF = "staff"
    """What the member of staff saw."""


class How(StrEnum):
    """How it came to be known."""

    TELEPHONE = "telephone"
    VISIT = "visit"
    MEETING = "meeting"
    RECORD = "record"
    WRITTEN = "written"


class Told(Model):
    """What was found out, and from whom."""

    facts: tuple[Fact, ...] = Field(
        (),
        max_length=200,
        description="In the dictionary's facts, each with its basis; a day that is missing is `on`.",
    )
    immediate_danger: StrictBool = Field(False, description="It tells of danger now.")
    source: Open[ToldBy]
    agency: Identifier | None = Field(None, description="Which one: needed for `agency`.")
    said_by: Line | None = Field(None, description="The person, with their role.")
    how: Open[How]
    on: IsoDate = Field(description="The day of the call, the visit or the entry.")
    note: Text | None = None

    @property
    def speaker(self) -> str:
        """The source that the facts count for."""
        return self.agency if self.source == ToldBy.AGENCY and self.agency is not None else STAFF

    @property
    def dated(self) -> tuple[Fact, ...]:
        """The facts, each with a day."""
        return tuple(
            one if one.on is not None else one.model_copy(update={"on": self.on}) for one in self.facts
        )


class Finding(Told):
    """One entry as a member of staff made it."""

    id: UUID
    by: Line = Field(description="Subject of the token of whoever made the entry.")
    at: Instant
    fingerprint: str = Field("", description="Of what was sent, so that the same sent again is known.")


class FindingChange(Model):
    """An entry was corrected or taken back. What it said before stays on record."""

    finding_id: UUID
    kind: Open[CorrectionKind]
    reason: Text
    by: Line
    at: Instant
    told: Told | None = Field(None, description="What counts instead; absent where nothing does.")
    fingerprint: str = ""


@dataclass(slots=True)
class OnRecord:
    """An entry with everything that became of it."""

    finding: Finding
    changes: list[FindingChange] = field(default_factory=list)

    @property
    def standing(self) -> Told | None:
        """What counts now; None where it was taken back."""
        return self.changes[-1].told if self.changes else self.finding


class FindingView(Model):
    """An entry as it is shown: as it was made, how it was changed, and whether it counts."""

    finding: Finding
    changes: tuple[FindingChange, ...] = ()
    counts: bool = Field(
        description="False where it was taken back; where it was corrected, the last change counts."
    )


def views_of(entries: Iterable[OnRecord]) -> tuple[FindingView, ...]:
    """Entries as they are shown."""
    return tuple(view_of(one) for one in entries)


def view_of(one: OnRecord) -> FindingView:
    """One entry as it is shown."""
    return FindingView(finding=one.finding, changes=tuple(one.changes), counts=one.standing is not None)
