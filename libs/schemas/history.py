"""What came before a referral: earlier reports of a child, with what they stated and what was decided."""

from uuid import UUID

from pydantic import Field, StrictBool

from libs.schemas.base import CodeList, Identifier, IsoDate, Line, Model, Open
from libs.schemas.codes import ContactKind
from libs.schemas.findings import Fact
from libs.schemas.levels import Destination, Level
from libs.schemas.plans import Plan


class SameEvent(CodeList):
    """Whether two reports tell of the same event."""

    SAME = "same"
    OTHER = "other"


class EarlierReport(Model):
    """An earlier contact about the child, with what it stated."""

    on: IsoDate
    kind: Open[ContactKind] = ContactKind.NEW_WORRY
    decided_on: IsoDate | None = Field(None, description="When it was decided; absent while it is open.")
    event: Line | None = Field(
        None, description="A label: reports with the same label tell of the same event and count once."
    )
    mistaken: StrictBool = Field(False, description="It was withdrawn as a mistake, such as a wrong child.")
    reference: Line | None = None
    facts: tuple[Fact, ...] = Field((), max_length=200)
    case_id: UUID | None = Field(
        None, description="The child's case in that referral, where it came to this hub."
    )
    agency: Identifier | None = Field(None, description="Who reported.")
    level: Open[Level] | None = Field(None, description="The level that was decided.")
    destination: Open[Destination] | None = Field(None, description="Who was to help, as was decided.")


class PossibleDuplicate(Model):
    """An earlier report that may tell of the same event as this referral."""

    case_id: UUID
    reference: Line
    because: tuple[Identifier, ...] = Field(description="Codes of the rules that say so.")
    decided: Open[SameEvent] | None = Field(None, description="What a person, or a certain rule, said of it.")


class StepDown(Model):
    """Social care closed its plan and handed over to early help."""

    on: IsoDate
    reference: Line | None = None
    case_id: UUID | None = None


class EarlierPlan(Plan):
    """A plan that an agency told of when it was asked for an earlier referral. It may have ended since."""

    told_on: IsoDate
    agency: Identifier
    case_id: UUID | None = None


class History(Model):
    """What the partnership's own index knows of a child. It adds to what agencies say and never stands for it."""

    earlier: tuple[EarlierReport, ...] = Field((), max_length=500)
    event: Line | None = Field(
        None, description="The event that this referral tells of, as `earlier` labels it."
    )
    duplicates: tuple[PossibleDuplicate, ...] = Field(
        (), max_length=50, description="Earlier reports that may tell of the same event: a person says."
    )
    step_downs: tuple[StepDown, ...] = Field((), max_length=50)
    plans: tuple[EarlierPlan, ...] = Field(
        (),
        max_length=100,
        description="Each plan as it was told of last, for as long as nobody has said more.",
    )
